"""What holds of the container without a Docker engine: its files, and the script that starts it."""

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.search.service import SearchService
from app.settings import read_settings
from app.wiring import make_service
from tests.conftest import ROOT

INCLUDED = "caltech101-efficientnet_lite0"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICE = COMPOSE["services"]["app"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with its arguments on one line."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]  # type: ignore[misc]


def arguments_of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for rest in arguments_of("ENV") for word in shlex.split(rest))


def copied() -> list[str]:
    return [source for rest in arguments_of("COPY") for source in rest.split()[:-1]]


def ignored(path: str) -> bool:
    """Return whether .dockerignore leaves a path out, by its last line for it or a parent."""
    answer = False
    parents = [path, *map(str, Path(path).parents)][:-1]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#"):
            names = parents if "**/" not in line else Path(path).parts
            # A * of Docker's matches no slash.
            if any(
                fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")
                for name in names
            ):
                answer = not line.startswith("!")
    return answer


def start(home: Path, *command: str, program: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(program / "docker-entrypoint.sh"), *command],
        env=os.environ | {"RIS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def service_at(home: Path) -> SearchService:
    return make_service(read_settings({"RIS_HOME": str(home), "RIS_CACHE_DIR": str(home / "c")}))


def test_the_dockerfile_is_written_as_it_should_be() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run(
        [hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout + result.stderr == ""


def test_it_runs_as_a_user_who_owns_nothing_but_the_volume() -> None:
    names = [name for name, _ in instructions()]
    (user,) = arguments_of("USER")
    assert int(user) > 0
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])
    assert not re.search("--chown|--chmod", " ".join(arguments_of("COPY")))
    assert f"--uid {user} " in " ".join(arguments_of("RUN"))
    assert "--owner=ris --group=ris /data" in " ".join(arguments_of("RUN"))


def test_its_health_is_asked_with_what_is_there() -> None:
    (check,) = arguments_of("HEALTHCHECK")
    command = json.loads(check.split("CMD", 1)[1])
    assert command[0] == "python"
    compile(command[2], "health", "exec")
    assert "/healthz" in command[2]


def test_the_health_check_fails_where_no_server_answers() -> None:
    (check,) = arguments_of("HEALTHCHECK")
    command = json.loads(check.split("CMD", 1)[1])
    result = subprocess.run(
        [sys.executable, *command[1:]],
        env=os.environ | {"PORT": "1"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1


def test_no_secret_is_in_the_image() -> None:
    assert not arguments_of("ARG")
    assert not re.search("token|secret|password", " ".join(environment()), re.IGNORECASE)
    assert "/run/secrets" not in (ROOT / "Dockerfile").read_text()


def test_what_is_copied_is_there() -> None:
    assert len(copied()) > 4
    for source in copied():
        assert (ROOT / source).exists(), source


def test_requirements_are_installed_before_the_code_is_copied() -> None:
    steps = [f"{name} {rest}" for name, rest in instructions()]
    installed = next(i for i, step in enumerate(steps) if "pip install" in step)
    code = steps.index("COPY app app")
    assert steps[installed - 1] == "COPY requirements.txt ./"
    assert installed < code
    assert "whl/cpu" in steps[installed]


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    for source in copied():
        assert not ignored(source), source
    assert not ignored("app/doors/page/assets/page.css")
    assert not ignored(f"indexes/{INCLUDED}/gallery.db")
    for path in (
        ".git/config",
        ".venv/bin/python",
        ".env",
        "tests/conftest.py",
        "docs/deploy.md",
        "datasets/caltech101/a.jpg",
        "features/mine/vectors.faiss",
        "features/mine/1/vectors.faiss",
        "indexes/mine/gallery.db",
        "indexes/mine/manifest.json",
        "app/__pycache__/service.cpython-311.pyc",
        "app/doors/page/__pycache__/layout.cpython-311.pyc",
    ):
        assert ignored(path), path


def test_settings_of_the_image_are_such_that_are_read() -> None:
    ours = {key: value for key, value in environment().items() if not re.match("PYTHON|PIP_", key)}
    settings = read_settings(ours)
    assert (settings.host, settings.port) == ("0.0.0.0", 7860)
    kept = (settings.datasets_dir, settings.features_dir, settings.indexes_dir, settings.cache_dir)
    (volume,) = arguments_of("VOLUME")
    assert all(folder.is_relative_to(volume) for folder in kept)
    assert arguments_of("EXPOSE") == [str(settings.port)]


def test_compose_serves_the_image_to_this_machine_alone() -> None:
    assert SERVICE["build"] == "."
    (port,) = SERVICE["ports"]
    assert re.fullmatch(r"127\.0\.0\.1:\$\{PORT:-7860\}:" + arguments_of("EXPOSE")[0], port)
    assert SERVICE["environment"]["RIS_HOSTS"] == "${RIS_HOSTS:-localhost}"


def test_compose_keeps_the_volume_and_lets_nothing_else_be_written() -> None:
    (volume,) = SERVICE["volumes"]
    name, place = volume.split(":")
    assert name in COMPOSE["volumes"]
    assert place == arguments_of("VOLUME")[0]
    assert SERVICE["read_only"] is True
    assert SERVICE["tmpfs"] == ["/tmp"]
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]


def test_variables_that_compose_hands_on_are_such_that_are_read() -> None:
    named: dict[str, Any] = SERVICE["environment"]
    read = (ROOT / "app" / "settings.py").read_text()
    assert all(f'"{name}"' in read for name in named)


def test_an_empty_volume_gets_the_included_gallery_and_the_command_runs(tmp_path: Path) -> None:
    home = tmp_path / "empty"
    result = start(home, "sh", "-c", "echo $RIS_HOME; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, f"{home}\n", "")
    (info,) = service_at(home).galleries()
    assert (info.name, info.refused, info.images) == (INCLUDED, "", 9144)
    assert sorted(path.name for path in home.iterdir()) == ["features", "indexes"]


@pytest.mark.parametrize("file", ["gallery.db", "manifest.json"])
def test_what_a_volume_holds_stays_as_it_is(tmp_path: Path, file: str) -> None:
    for name in (INCLUDED, "mine"):
        (tmp_path / "indexes" / name).mkdir(parents=True)
        (tmp_path / "indexes" / name / file).write_text("own")
    assert start(tmp_path, "true").returncode == 0
    assert not (tmp_path / "features").exists()
    for name in (INCLUDED, "mine"):
        assert [path.name for path in (tmp_path / "indexes" / name).iterdir()] == [file]
        assert (tmp_path / "indexes" / name / file).read_text() == "own"


def test_a_start_that_was_cut_off_is_made_good_by_the_next(tmp_path: Path) -> None:
    cut_off = tmp_path / "features" / INCLUDED / "vectors.faiss"
    cut_off.parent.mkdir(parents=True)
    cut_off.write_bytes(b"half of it")
    assert start(tmp_path, "true").returncode == 0
    (info,) = service_at(tmp_path).galleries()
    assert info.refused == ""


@pytest.mark.parametrize("name", ["features", "indexes"])
def test_a_volume_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("a file where a folder should be")
    result = start(tmp_path, "echo", "ran")
    assert result.returncode == 7
    assert result.stdout == ""
    assert "cannot be written by user" in result.stderr
