"""Environment variables → every setting as one frozen value, read once.

docs/architecture.md lists them; an error names the variable and its value.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

from app.errors import SettingsError
from app.values.precision import ASKED, AUTO

_PROGRAM = Path(__file__).resolve().parents[1]
_RUNTIMES = (AUTO, "openvino", "torch")
MOST_REQUESTS = 128
"""So many searches, uploads and changes are worked on or wait at once, unless a setting says so."""

_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_MOST_REDIRECTS = 50
_MOST_DRAIN_SECONDS = 600
_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


@dataclass(frozen=True)
class Settings:
    """Where things are and what is allowed."""

    host: str
    port: int
    datasets_dir: Path
    features_dir: Path
    indexes_dir: Path
    models_dir: Path
    cache_dir: Path
    weights_dir: Path | None
    allow_loopback_urls: bool
    create_galleries: bool
    hosts: frozenset[str] = frozenset()
    mcp_folders: tuple[Path, ...] = ()
    api_token: str = field(default="", repr=False)
    root_path: str = ""
    precision: str = AUTO
    runtime: str = AUTO
    most_requests: int = MOST_REQUESTS
    rate_limit: str = ""
    password: str = field(default="", repr=False)
    milvus_token: str = field(default="", repr=False)
    max_redirects: int = 10
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold a password
    list_folders: tuple[Path, ...] = ()
    temp_dir: Path | None = None
    frame_ancestors: str = ""
    shared_dir: Path | None = None
    drain_seconds: int = 0

    @property
    def creating_off(self) -> str:
        """Why nobody may create a gallery in the page, in one sentence; '' if everybody may."""
        if not self.create_galleries:
            return (
                "To make a gallery here in the page, start the server with RIS_CREATE_GALLERIES=1."
            )
        if self.shared_dir:
            return (
                "No gallery can be made in the page while several servers share RIS_SHARED_DIR: "
                "make it with create_index.py, or start one server without that setting."
            )
        if self.hosts:
            return (
                "No gallery can be made in the page while the server answers to other names "
                f"({', '.join(sorted(self.hosts))}): start it without RIS_HOSTS for that."
            )
        if not is_loopback(self.host):
            return (
                "No gallery can be made in the page while the server listens at a public address "
                f"({self.host}): start it with HOST=127.0.0.1 for that."
            )
        return ""

    @property
    def for_this_machine(self) -> bool:
        """Whether the server is for people at this machine alone, as far as its settings say.

        Not behind a reverse proxy: that connects from this machine on behalf of everybody.
        """
        behind_a_proxy = self.hosts or self.root_path or self.shared_dir
        return is_loopback(self.host) and not behind_a_proxy

    @property
    def listed_files_off(self) -> str:
        """Why no list may name files of the server's machine, in one sentence; '' if it may."""
        if self.list_folders or self.for_this_machine:
            return ""
        return (
            "while others may reach the server, a list names files only in the folders of "
            "RIS_LIST_FOLDERS."
        )

    @property
    def changing_off(self) -> str:
        """Why no program may change a gallery here, in one sentence; '' if every one may.

        With a token, those that know it may, wherever the server listens.
        """
        if self.create_galleries and self.api_token:
            return ""
        if not self.create_galleries:
            return "To change galleries here, start the server with RIS_CREATE_GALLERIES=1."
        if self.creating_off:
            return (
                "No gallery can be changed while others may reach the server: set RIS_API_TOKEN, "
                "or start it with HOST=127.0.0.1 and without RIS_HOSTS and RIS_SHARED_DIR."
            )
        return ""


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment gives; SettingsError names a bad one."""
    home = _folder(environ, "RIS_HOME", _default_home)
    return Settings(
        host=environ.get("HOST") or "127.0.0.1",
        port=_port(environ),
        datasets_dir=_folder(environ, "RIS_DATASETS_DIR", lambda: home / "datasets"),
        features_dir=home / "features",
        indexes_dir=home / "indexes",
        models_dir=home / "models",
        cache_dir=_folder(
            environ, "RIS_CACHE_DIR", lambda: user_cache_path("reverse-image-search")
        ),
        weights_dir=_optional_folder(environ, "RIS_WEIGHTS_DIR"),
        allow_loopback_urls=_switch(environ, "RIS_ALLOW_LOOPBACK_URLS"),
        create_galleries=_switch(environ, "RIS_CREATE_GALLERIES"),
        hosts=_hosts(environ, "RIS_HOSTS"),
        mcp_folders=_folders(environ, "RIS_MCP_FOLDERS"),
        api_token=_token(environ, "RIS_API_TOKEN"),
        root_path=_root_path(environ, "RIS_ROOT_PATH"),
        precision=_one_of(ASKED, environ, "RIS_PRECISION"),
        runtime=_one_of(_RUNTIMES, environ, "RIS_RUNTIME"),
        most_requests=_count(environ, "RIS_MOST_REQUESTS", MOST_REQUESTS),
        rate_limit=_rate(environ, "RIS_RATE_LIMIT"),
        password=environ.get("RIS_PASSWORD", ""),
        milvus_token=environ.get("RIS_MILVUS_TOKEN", ""),
        max_redirects=_number(
            environ, "RIS_MAX_REDIRECTS", Settings.max_redirects, _MOST_REDIRECTS
        ),
        proxies=_proxies(environ) if _switch(environ, "RIS_PROXY") else (),
        list_folders=_folders(environ, "RIS_LIST_FOLDERS"),
        temp_dir=_optional_folder(environ, "RIS_TEMP_DIR"),
        frame_ancestors=_sites(environ, "RIS_FRAME_ANCESTORS"),
        shared_dir=_optional_folder(environ, "RIS_SHARED_DIR"),
        drain_seconds=_number(environ, "RIS_DRAIN_SECONDS", 0, _MOST_DRAIN_SECONDS),
    )


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _default_home() -> Path:
    """Return the program's folder, or the user's own where only the package was installed."""
    whole = (_PROGRAM / "create_index.py").is_file()
    return _PROGRAM if whole else user_data_path("reverse-image-search")


def _folder(environ: Mapping[str, str], key: str, default: Callable[[], Path]) -> Path:
    """Return the folder that is set, or else the default.

    That is looked for only then: a user whom the system does not know, as a container may have,
    has no home folder, and needs none where the settings say where everything is.
    """
    given = _optional_folder(environ, key)
    if given is not None:
        return given
    try:
        return default()
    except RuntimeError as exc:
        raise SettingsError(
            f"{key} must name a folder, as this user has no home folder ({exc})."
        ) from exc


def _optional_folder(environ: Mapping[str, str], key: str) -> Path | None:
    value = environ.get(key)
    return _resolved(key, value) if value else None


def _folders(environ: Mapping[str, str], key: str) -> tuple[Path, ...]:
    values = environ.get(key, "").split(os.pathsep)
    return tuple(_resolved(key, value) for value in values if value)


def _resolved(key: str, value: str) -> Path:
    try:
        return Path(value).expanduser().resolve()
    except RuntimeError as exc:  # ~ or ~name of a user without a home folder
        raise SettingsError(f"{key} must be a folder, not {value!r}: {exc}.") from exc


def _one_of(known: Sequence[str], environ: Mapping[str, str], key: str) -> str:
    value = environ.get(key) or AUTO
    if value not in known:
        raise SettingsError(f"{key} must be one of {', '.join(known)}, not {value!r}.")
    return value


def _hosts(environ: Mapping[str, str], key: str) -> frozenset[str]:
    names = environ.get(key, "").lower().replace(",", " ").split()
    for name in names:
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[?[0-9a-f:]+\]?", name):
            raise SettingsError(
                f"{key} must be names of hosts without scheme and port, with commas between them, "
                f"not {name!r}."
            )
    return frozenset(name.strip("[]") for name in names)


def _port(environ: Mapping[str, str]) -> int:
    value = environ.get("PORT") or "7860"
    if not (re.fullmatch("[0-9]{1,5}", value) and 0 < int(value) < 65536):
        raise SettingsError(f"PORT must be a number from 1 to 65535, not {value!r}.")
    return int(value)


def _count(environ: Mapping[str, str], key: str, default: int) -> int:
    value = environ.get(key) or str(default)
    if not re.fullmatch("[1-9][0-9]{0,5}", value):
        raise SettingsError(f"{key} must be a number from 1 to 999999, not {value!r}.")
    return int(value)


def _rate(environ: Mapping[str, str], key: str) -> str:
    value = environ.get(key, "")
    if value and not _RATE.fullmatch(value):
        raise SettingsError(
            f"{key} must be a number of requests per second, minute, hour or day, as 60/minute, "
            f"not {value!r}."
        )
    return value


def _sites(environ: Mapping[str, str], key: str) -> str:
    """Return sites as a content policy has them, with spaces between them."""
    sites = environ.get(key, "").replace(",", " ").split()
    for site in sites:
        if not re.fullmatch(r"https?://(\*\.)?[\w.-]+(:([0-9]+|\*))?|\*", site, re.ASCII):
            raise SettingsError(
                f"{key} must be sites such as https://example.org, with commas between them, "
                f"not {site!r}."
            )
    return " ".join(sites)


def _number(environ: Mapping[str, str], key: str, default: int, most: int) -> int:
    value = environ.get(key) or str(default)
    if not (re.fullmatch("[0-9]{1,5}", value) and int(value) <= most):
        raise SettingsError(f"{key} must be a number from 0 to {most}, not {value!r}.")
    return int(value)


def _proxies(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the proxies that the environment names as programs agree on: kind, address.

    The small letters come first, as in curl; HTTP_PROXY is not read where the server answers a
    CGI request, since a header of it could set that.
    """
    found = {}
    for kind in ("http", "https", "all", "no"):
        name = f"{kind}_proxy"
        large = "" if kind == "http" and "REQUEST_METHOD" in environ else environ.get(name.upper())
        found[kind] = environ.get(name) or large or ""
    return tuple((kind, value) for kind, value in found.items() if value)


def _root_path(environ: Mapping[str, str], key: str) -> str:
    """Return the path without a slash at its end, '' for the root."""
    value = environ.get(key, "")
    path = value.rstrip("/")
    if not re.fullmatch(r"(/(?!\.\.?(/|$))[\w.~-]+)*", path, re.ASCII):
        raise SettingsError(
            f"{key} must be a path such as /photos, of letters, digits and -._~, not {value!r}."
        )
    return path


def _token(environ: Mapping[str, str], key: str) -> str:
    value = environ.get(key, "")
    if not re.fullmatch(
        r"([\w.~+/-]+=*)?", value, re.ASCII
    ):  # RFC 6750; nor is it shown, being secret
        raise SettingsError(
            f"{key} holds a character that no token may hold: use letters, digits and -._~+/ alone."
        )
    return value


def _switch(environ: Mapping[str, str], key: str) -> bool:
    value = environ.get(key, "")
    if value.lower() not in _YES | _NO:
        raise SettingsError(f"{key} must be 1 or 0, not {value!r}.")
    return value.lower() in _YES
