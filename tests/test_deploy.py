"""docs/deploy.md: its settings are read, and programs take the configurations that are for them."""

import contextlib
import getpass
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from app.settings import read_settings
from tests.conftest import PHOTOGRAPHS, ROOT

DOCUMENT = (ROOT / "docs" / "deploy.md").read_text()
NAME = "photos.example"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_settings_that_are_named_are_read() -> None:
    read = (ROOT / "app" / "settings.py").read_text()
    named = set(re.findall(r"RIS_\w+", DOCUMENT))
    assert named
    assert {name for name in named if f'"{name}"' not in read} == set()


def test_the_paths_of_the_space_are_those_that_the_image_copies() -> None:
    head = yaml.safe_load(block("yaml").strip().strip("-"))
    image = (ROOT / "Dockerfile").read_text()
    assert head["sdk"] == "docker"
    assert f"EXPOSE {head['app_port']}" in image


def test_the_units_settings_are_taken() -> None:
    (line,) = re.findall(r"^Environment=(.*)$", block("ini"), re.MULTILINE)
    settings = read_settings(dict(word.split("=", 1) for word in line.split()))
    assert settings.hosts == {NAME}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "reverse-image-search.service"
    text = block("ini").replace("User=ris\n", "")
    text = text.replace("/opt/reverse-image-search/.venv/bin/python", sys.executable)
    unit.write_text(text.replace("/opt/reverse-image-search", str(ROOT)))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in result.stderr.splitlines() if unit.name in line]
    assert about == []


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run the server with nginx in front of it, configured as the document says."""
    with behind_nginx(tmp_path_factory.mktemp("proxied"), block("nginx"), {}) as client:
        yield client


def below_a_path(*, takes_off: bool) -> str:
    """Return the configuration that the document has for a path of another site."""
    location = re.compile(r" *location /.* \{\n.*proxy_pass .*\n")
    (other,) = re.findall(r"```nginx\n( *location .*?)```", DOCUMENT, re.DOTALL)
    if takes_off:
        other = other.replace(":7860;", ":7860/;")
    found = location.sub(other, block("nginx"))
    assert "location /search/" in found
    return found


@pytest.fixture(scope="module", params=[False, True], ids=["path left", "path taken off"])
def below(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Run the server below a path, as the document says."""
    (setting,) = set(re.findall(r"RIS_ROOT_PATH=\S+?(?=`)", DOCUMENT))
    name, _, path = setting.partition("=")
    configuration = below_a_path(takes_off=request.param)
    with behind_nginx(tmp_path_factory.mktemp("below"), configuration, {name: path}) as client:
        client.base_url = client.base_url.join(f"{path}/")
        yield client


@contextlib.contextmanager
def behind_nginx(folder: Path, configured: str, settings: dict[str, str]) -> Iterator[httpx.Client]:
    """Run the server with nginx in front of it until the block ends."""
    behind, front = free_port(), free_port()
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 "
        f"-subj /CN={NAME} -addext subjectAltName=DNS:{NAME}".split(),
        cwd=folder,
        capture_output=True,
        check=True,
    )
    server = re.sub(r"/etc/\S+/fullchain\.pem", str(folder / "cert.pem"), configured)
    server = re.sub(r"/etc/\S+/privkey\.pem", str(folder / "key.pem"), server)
    server = server.replace("listen 443", f"listen 127.0.0.1:{front}").replace(
        "127.0.0.1:7860", f"127.0.0.1:{behind}"
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"user {getpass.getuser()}; pid {folder}/pid; error_log {folder}/error.log; daemon off;\n"
        "events {}\n"
        f"http {{ access_log off;\n{places}{server}}}\n"
    )
    environment = {"HOST": "127.0.0.1", "PORT": str(behind), "RIS_HOSTS": NAME} | settings
    with (
        subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=ROOT,
            env=os.environ | environment | {"RIS_CACHE_DIR": str(folder / "cache")},
            stdout=subprocess.PIPE,
            text=True,
        ) as application,
        subprocess.Popen(["nginx", "-c", str(configuration), "-e", "stderr"]) as nginx,
    ):
        try:
            assert application.stdout
            assert application.stdout.readline().startswith("Open ")
            # The name leads to this machine by a transport of its own, as no host of it exists.
            trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
            with httpx.Client(
                base_url=f"https://127.0.0.1:{front}",
                headers={"Host": f"{NAME}:{front}"},
                transport=Named(trust),
                timeout=60,
            ) as client:
                yield client
        finally:
            nginx.terminate()
            application.terminate()


class Named(httpx.HTTPTransport):
    """Asks for the certificate of the name in the Host header."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": NAME}
        return super().handle_request(request)


needs_nginx = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="nginx is not installed"
)


@needs_nginx
def test_the_page_gets_the_address_that_the_browser_has(proxied: httpx.Client) -> None:
    root = proxied.get("/config").json()["root"]
    assert root == f"https://{proxied.headers['Host']}"


@needs_nginx
def test_the_servers_own_page_may_search_and_another_sites_may_not(proxied: httpx.Client) -> None:
    photograph = PHOTOGRAPHS[0].read_bytes()
    for origin, status in (
        (f"https://{proxied.headers['Host']}", 200),
        ("https://elsewhere.example", 403),
    ):
        answer = proxied.post(
            "/similarity-search", files={"file": photograph}, headers={"Origin": origin}
        )
        assert answer.status_code == status


@needs_nginx
def test_pictures_of_the_size_that_is_promised_come_through(proxied: httpx.Client) -> None:
    answer = proxied.post("/similarity-search", files={"file": b"x" * 50_000_000})
    assert answer.status_code == 422  # from the server: nginx's own refusal is 413


@needs_nginx
def test_addresses_in_answers_over_mcp_begin_with_https(proxied: httpx.Client) -> None:
    galleries = proxied.get("/healthz").json()["galleries"]
    asked = {"gallery": galleries[0]["name"], "id": 3}
    answer = proxied.post(
        "/mcp",
        json={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "describe_image", "arguments": asked},
        },
        headers={"Accept": "application/json, text/event-stream"},
    )
    result = answer.json()["result"]["structuredContent"]
    assert result["image_url"].startswith(f"https://{proxied.headers['Host']}/galleries/")


@needs_nginx
def test_below_a_path_addresses_in_answers_are_followed(below: httpx.Client) -> None:
    root = f"https://{below.headers['Host']}{str(below.base_url.path).rstrip('/')}"
    assert below.get("config").json()["root"] == root
    for path in ("", "manifest.json", "docs", "docs-files/swagger-ui.css", "page/page.css"):
        assert below.get(path).status_code == 200
    gallery = below.get("galleries").json()["galleries"][0]["name"]
    image = below.get(f"galleries/{gallery}/images/3").json()
    for key in ("image_url", "thumbnail_url"):
        address = below.base_url.join(image[key])
        assert below.get(address).headers["content-type"].startswith("image/")
    asked = {"name": "describe_image", "arguments": {"gallery": gallery, "id": 3}}
    answer = below.post(
        "mcp",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked},
        headers={"Accept": "application/json, text/event-stream"},
    )
    result = answer.json()["result"]["structuredContent"]
    assert result["thumbnail_url"].startswith(f"{root}/galleries/")
    moved = below.get("galleries/", headers={"X-Forwarded-Proto": "https"})
    assert moved.headers["location"] == f"{root}/galleries"
