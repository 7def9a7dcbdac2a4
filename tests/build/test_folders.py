"""A build of folders reads each picture from its own, and skips with the reason what it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.build.build import build_gallery
from app.gallery import Gallery
from app.sources.own import open_folders
from tests.build.conftest import CountingRuntime, build_with
from tests.commands import ASCII_LOCALE
from tests.conftest import ROOT, Home, encoded, fill, mean_colour, picture


def test_pictures_of_two_folders_are_read_each_from_its_own(home: Home, tmp_path: Path) -> None:
    for seed, name in enumerate(("z", "a")):
        fill(tmp_path / name, 2, first=2 * seed)
    layout = open_folders([tmp_path / "z", tmp_path / "a"], "mine")
    report = build_gallery(
        layout,
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={},
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    gallery = Gallery(home.folders("mine"))
    found = [image.path for image in gallery.images(range(4))]
    gallery.close()
    assert found == ["kind_0/00000.jpg", "kind_1/00001.jpg", "kind_2/00002.jpg", "kind_3/00003.jpg"]
    assert not report.skipped


def test_links_to_nothing_are_skipped_with_what_to_do(home: Home, tmp_path: Path) -> None:
    pictures = fill(tmp_path / "pictures", 3)
    (pictures / "1.jpg").symlink_to(".git/annex/objects/x/1.jpg")
    (pictures / "2.jpg").symlink_to("away.jpg")
    report = build_with(CountingRuntime(), home, pictures)
    reasons = {skip.path: skip.reason for skip in report.skipped}
    assert reasons.keys() == {"1.jpg", "2.jpg"}
    assert "git annex get" in reasons["1.jpg"]
    assert "away.jpg" in reasons["2.jpg"]
    assert report.manifest.images == 3


def test_a_link_that_is_mended_after_a_stop_is_embedded(home: Home, tmp_path: Path) -> None:
    pictures = fill(tmp_path / "pictures", 40)
    link = pictures / "kind_0" / "0.jpg"
    link.symlink_to(tmp_path / "away.jpg")

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_with(CountingRuntime(), home, pictures, on_progress=stop)
    (tmp_path / "away.jpg").write_bytes(encoded(picture(99)))
    report = build_with(CountingRuntime(), home, pictures)
    assert (report.manifest.images, report.skipped) == (41, ())


def test_under_an_ascii_locale_only_names_that_are_not_utf_8_are_refused(
    home: Home, tmp_path: Path
) -> None:
    folder = tmp_path / "Größe"
    (folder / "Tür").mkdir(parents=True)
    for seed, name in enumerate(("é.jpg", "Tür/日本.jpg")):
        (folder / name).write_bytes(encoded(picture(seed)))
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(encoded(picture(2)))
    environment = os.environ | ASCII_LOCALE | {"RIS_HOME": str(home.path), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    build = ("create_index.py", "--images", str(folder), "--name", "mine", "--index", "Flat")
    run(*build, "--model", "mean_colour")
    surveyed = json.loads(run("-m", "app", "inspect", "--images", str(folder), "--json"))

    gallery = Gallery(home.folders("mine"))
    images = gallery.images(range(gallery.manifest.images))
    skipped = gallery.skipped()
    gallery.close()
    assert [(image.path, image.labels) for image in images] == [
        ("Tür/日本.jpg", ("Tür",)),
        ("é.jpg", ()),
    ]
    assert gallery.manifest.source == str(folder)
    assert gallery.manifest.request["images"] == str(folder)
    assert [skip.path for skip in skipped] == ["caf\\udce9.jpg"]
    assert [each["path"] for each in surveyed["failures"]] == ["caf\\udce9.jpg"]
    assert surveyed["images"] == 2
