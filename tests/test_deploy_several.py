"""deploy/: what runs several servers is written as its readers want it, and names what there is."""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from app.doors.cli import build
from app.settings import read_settings
from benchmarks.rolling import with_addresses
from tests.conftest import ROOT
from tests.test_docker import arguments_of, environment

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVERS = ["server-1", "server-2"]


def documents() -> Iterator[tuple[str, Any]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


def of_kind(kind: str) -> Any:
    (found,) = [document for _, document in documents() if document["kind"] == kind]
    return found


def interpolated(value: Any) -> Any:
    """Return a value of a compose file as it is where no variable is set."""
    if isinstance(value, dict):
        return {key: interpolated(each) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each) for each in value]
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


def image_environment() -> dict[str, str]:
    """Return the environment of the image of several servers: that of the other one, and more."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    own = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return environment() | dict(word.split("=", 1) for line in own for word in shlex.split(line))


def settings_env() -> dict[str, str]:
    lines = (KUBERNETES / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def seconds(duration: str) -> float:
    """Return the seconds of a duration such as 30s or 500ms."""
    number, unit = re.fullmatch(r"(\d+)(ms|s)", duration).groups()  # type: ignore[union-attr]
    return int(number) / (1000 if unit == "ms" else 1)


# --- their readers ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [DEPLOY / "compose.yaml", ROOT / "docker-compose.yml"])
def test_compose_files_are_of_the_specification(path: Path) -> None:
    merged = interpolated(yaml.safe_load(path.read_text()))
    read = compose_spec.PyCompose.from_yaml(yaml.safe_dump(merged))
    assert set(read.service_names()) == set(merged["services"])


@pytest.mark.scale
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_of_the_schema_of_kubernetes(path: Path) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    if path.name == "kustomization.yaml":
        pytest.skip("kustomize's own file is none of the cluster's")
    for document in yaml.safe_load_all(path.read_text()):
        validator.validate(document, validator.latest_version(), strict=True)


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_haproxy_takes_its_configuration(tmp_path: Path) -> None:
    text = with_addresses((DEPLOY / "haproxy.cfg").read_text(), 7860, [1, 2])
    (tmp_path / "haproxy.cfg").write_text(text)
    for path in (tmp_path / "haproxy.cfg", DEPLOY / "haproxy.cfg"):
        checked = subprocess.run(
            ["haproxy", "-c", "-q", "-f", path], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def test_the_image_is_written_as_it_should_be() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run(
        [hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert checked.stdout + checked.stderr == ""


def test_kustomize_is_given_every_manifest_but_the_one_that_is_run_by_hand() -> None:
    named = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted([*named, "build.yaml", "kustomization.yaml"]) == [p.name for p in MANIFESTS]


# --- the program --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_settings_that_are_named_are_read(path: Path) -> None:
    read = (ROOT / "app" / "settings.py").read_text()
    assert {n for n in re.findall(r"RIS_\w+", path.read_text()) if f'"{n}"' not in read} == set()


def test_the_settings_have_values_that_are_taken() -> None:
    compose = interpolated(COMPOSE)["services"][SERVERS[0]]["environment"]
    for own in (compose, settings_env()):
        settings = read_settings(image_environment() | own)
        assert settings.shared_dir == Path("/shared")
        assert settings.cache_dir.is_relative_to(settings.shared_dir)  # the only one to write to
        assert settings.indexes_dir.is_relative_to("/data")
        assert settings.drain_seconds > 0
        assert "HOST" not in own
        assert own["FORWARDED_ALLOW_IPS"] == "*"


def commands() -> list[list[str]]:
    container = of_kind("Deployment")["spec"]["template"]["spec"]["containers"][0]
    job = of_kind("Job")["spec"]["template"]["spec"]["containers"][0]
    services = COMPOSE["services"]
    return [
        *(services[name]["entrypoint"] for name in SERVERS),
        *(services["build"]["command"], container["command"], job["command"]),
    ]


def test_the_commands_are_those_of_the_program() -> None:
    parser = argparse.ArgumentParser()
    build.add_arguments(parser)
    known = set(parser._option_string_actions)
    for program, script, *given in commands():
        assert program == "python"
        if script == "create_index.py":
            options = {word for word in given if word.startswith("--")}
            assert options
            assert options - known == set()
        else:
            assert [script, *given] == ["-m", "app", "serve"]


def test_what_the_image_installs_is_what_is_tested() -> None:
    pinned = (ROOT / "requirements-scale.txt").read_text().splitlines()
    installed = re.findall(r"[\w.-]+==[\w.]+", (DEPLOY / "Dockerfile").read_text())
    assert installed
    assert set(installed) <= set(pinned)


# --- a restart without a failed request ---------------------------------------------------------


def test_a_server_answers_for_longer_than_the_balancer_thinks_it_ready() -> None:
    (check,) = re.findall(r"check inter (\w+) fall (\d+)", (DEPLOY / "haproxy.cfg").read_text())
    drain = int(image_environment()["RIS_DRAIN_SECONDS"])
    assert 2 * seconds(check[0]) * int(check[1]) < drain
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    probe = pod["containers"][0]["readinessProbe"]
    assert 2 * probe["periodSeconds"] * probe["failureThreshold"] < int(
        settings_env()["RIS_DRAIN_SECONDS"]
    )


def test_nothing_is_killed_before_it_has_drained() -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    drain = int(settings_env()["RIS_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] > 2 * drain + 10
    drain = int(image_environment()["RIS_DRAIN_SECONDS"])
    for name in SERVERS:
        assert seconds(COMPOSE["services"][name]["stop_grace_period"]) >= 2 * drain + 10


def test_no_server_of_the_cluster_goes_before_another_is_ready() -> None:
    deployment = of_kind("Deployment")["spec"]
    assert deployment["replicas"] > 1
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    container = deployment["template"]["spec"]["containers"][0]
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        asked = container[probe]["httpGet"]
        assert asked["path"] == path
        assert asked["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    pods = deployment["template"]["metadata"]["labels"]
    assert of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == pods
    assert of_kind("Service")["spec"]["selector"] == pods


def test_the_balancer_asks_the_servers_that_there_are() -> None:
    configuration = (DEPLOY / "haproxy.cfg").read_text()
    (port,) = arguments_of("EXPOSE")
    assert set(re.findall(r"^    server (\S+) (\S+)", configuration, re.MULTILINE)) == {
        (name, f"{name}:{port}") for name in SERVERS
    }
    assert "uri /readyz" in configuration
    assert f"bind :{port}" in configuration


# --- what may be written ------------------------------------------------------------------------


def test_containers_run_as_the_images_user_and_write_where_they_must_alone() -> None:
    (user,) = arguments_of("USER")
    for kind, galleries_are_read_alone in (("Deployment", True), ("Job", False)):
        pod = of_kind(kind)["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == int(user)
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        written = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert written == {"/shared", "/tmp"} | (set() if galleries_are_read_alone else {"/data"})
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        claimed = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        }
        claims = [d for _, d in documents() if d["kind"] == "PersistentVolumeClaim"]
        assert claimed == {claim["metadata"]["name"] for claim in claims}
        assert all(claim["spec"]["accessModes"] == ["ReadWriteMany"] for claim in claims)
    for name in SERVERS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "galleries:/data:ro" in service["volumes"]
        assert "shared:/shared" in service["volumes"]
