"""Builds and updates in a Ray cluster of two machines' processes, which are started here."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.build import ray_cluster
from app.build.build import BuildReport, BuildRequest
from app.settings import read_settings
from app.wiring import make_builder, make_spread, make_updater
from benchmarks.cluster import Cluster, embedding_processes, running_cluster
from tests.build.conftest import Content, content
from tests.conftest import ROOT, Home, encoded, fill, picture

pytest.importorskip("ray", reason="ray is not installed: make test-scale")

pytestmark = [
    pytest.mark.scale,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
PICTURES = 300
A_TASK = 8  # pictures: many tasks, so that some are under way whenever something dies


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        for _ in range(2):
            cluster.add(processors=2)
        yield cluster


@pytest.fixture(scope="module")
def address(cluster: Cluster) -> str:
    return cluster.address


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, of which some are there twice, and some cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    real = os.environ.get("REAL_DATA")
    if real:
        found = sorted((Path(real) / "caltech101").glob("*/*.jpg"))
        for file in found[:: len(found) // PICTURES]:
            shutil.copyfile(file, folder / f"{file.parent.name}-{file.name}")
    else:
        fill(folder, PICTURES)
    files = sorted(folder.rglob("*.jpg"))
    for number in (3, 150, 290):
        shutil.copyfile(files[number], folder / f"again-{number}.jpg")
    (folder / "a-letter.jpg").write_text("Dear Sir or Madam,")
    (folder / "cut-short.png").write_bytes(encoded(picture(1), "PNG")[:-2000])
    (folder / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "PICTURES_A_TASK", A_TASK)


def built(
    home: Home,
    pictures: Path,
    address: str | None,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> BuildReport:
    """Build a gallery of the model that needs no download."""
    settings = read_settings(os.environ | {"RIS_HOME": str(home.path)})
    request = BuildRequest(
        None, pictures, "mine", "efficientnet_lite0", "IVF100,PQ8", None, force=False
    )
    build = make_builder(settings, make_spread(settings, address))
    return build(request, on_progress=on_progress)


@pytest.fixture(scope="module")
def alone(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Content, list[Any]]:
    """What one machine makes of them."""
    home = Home(tmp_path_factory.mktemp("alone"))
    report = built(home, pictures, None)
    return content(home), list(report.skipped)


class HalfWay:
    """Does something once, when half of the pictures are embedded."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.done = False
        self._act = act

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage == "embed" and total // 2 <= done < total and not self.done:
            self.done = True
            self._act()


def kill_a_worker() -> None:
    embedding_processes()[0].kill()


def test_a_cluster_makes_the_gallery_that_one_machine_makes(
    home: Home, pictures: Path, address: str, alone: tuple[Content, list[Any]]
) -> None:
    report = built(home, pictures, address)
    assert content(home) == alone[0]
    assert list(report.skipped) == alone[1]
    assert len(alone[1]) == 3


def test_a_worker_that_dies_half_way_harms_nothing(
    home: Home, pictures: Path, address: str, alone: tuple[Content, list[Any]]
) -> None:
    half_way = HalfWay(kill_a_worker)
    report = built(home, pictures, address, half_way)
    assert half_way.done
    assert content(home) == alone[0]
    assert list(report.skipped) == alone[1]


def test_a_machine_that_dies_half_way_harms_nothing(
    home: Home, pictures: Path, cluster: Cluster, alone: tuple[Content, list[Any]]
) -> None:
    third = cluster.add(processors=2)
    half_way = HalfWay(third.kill)
    report = built(home, pictures, cluster.address, half_way)
    assert half_way.done
    assert content(home) == alone[0]
    assert list(report.skipped) == alone[1]


def test_a_build_that_was_stopped_goes_on_with_what_is_embedded(
    home: Home, pictures: Path, address: str, alone: tuple[Content, list[Any]]
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(home, pictures, address, HalfWay(stop))
    report = built(home, pictures, address)
    assert 0 < report.embedded <= (len(alone[0].images) + 3) / 2
    assert content(home) == alone[0]


def test_an_update_embeds_in_the_cluster_what_the_gallery_does_not_have(
    home: Home, pictures: Path, address: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    built(home, folder, None)
    files = sorted(folder.rglob("*.jpg"))
    known = [each for each in files if each.stat().st_size and "again" not in each.name]
    shutil.copyfile(known[5], folder / "known-already.jpg")
    (folder / "new.jpg").write_bytes(encoded(picture(900)))
    known[9].unlink()
    settings = read_settings(os.environ | {"RIS_HOME": str(home.path)})
    update = make_updater(settings, spread=make_spread(settings, address))
    report = update("mine", on_progress=lambda *_: None)
    assert (report.added, report.removed, report.embedded) == (2, 1, 1)


def test_an_address_without_a_cluster_is_said_in_one_sentence(pictures: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, "create_index.py", "--images", str(pictures), "--name", "mine"),
            *("--ray", f"127.0.0.1:{port}"),
        ],
        cwd=ROOT,
        env=os.environ | {"RIS_HOME": tempfile.mkdtemp()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"There is no Ray cluster at 127.0.0.1:{port}: start one with ray start")
