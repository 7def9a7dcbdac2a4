"""`ris update`, and `create_index.py` with --update, with several folders and with --exclude."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.build.build import BuildRequest
from app.doors.cli import main
from app.gallery import Gallery
from app.values.gallery import Manifest
from tests import commands
from tests.conftest import ROOT, Home, encoded, fill, picture

IMAGES = 20


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of each test's own, with the gallery "mine" of a folder."""
    home = Home(tmp_path / "home")
    home.build(fill(home.path / "pictures", IMAGES), "mine")
    return home


@pytest.fixture
def images(home: Home) -> Path:
    return home.path / "pictures"


run = commands.run  # `create_index.py` in this process
ris = commands.ris


def manifest_of(home: Home, name: str = "mine") -> Manifest:
    gallery = Gallery(home.folders(name))
    gallery.close()
    return gallery.manifest


# ris update


def test_an_update_says_what_changed_and_what_was_skipped_and_why(ris, images):
    fill(images, 3, first=100)
    (images / "kind_0" / "00000.jpg").unlink()
    (images / "kind_1" / "00001.jpg").write_bytes(encoded(picture(200)))
    shutil.move(images / "kind_2" / "00002.jpg", images / "moved.jpg")
    (images / "bad.jpg").write_text("a shopping list")
    code, out, err = ris("update", "mine")
    assert code == 0
    assert out.splitlines()[-1] == (
        "mine: added 3, changed 1, moved 1, removed 1, unchanged 17, skipped 1"
    )
    assert re.search(r"^Skipped bad\.jpg: .*text", out, re.MULTILINE)
    assert "Embedding" in err


def test_an_update_in_json_is_one_line_with_every_number(ris, images):
    fill(images, 1, first=100)
    code, out, _ = ris("update", "mine", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer.pop("seconds") > 0
    assert answer == {
        "gallery": "mine",
        **{"added": 1, "changed": 0, "moved": 0, "removed": 0, "unchanged": IMAGES, "embedded": 1},
        **{"skipped": [], "left_out": {}, "notes": []},
    }


def test_the_next_search_of_a_service_that_runs_sees_the_update(ris, home, images):
    service = home.service()
    new = encoded(picture(100), quality=90)
    assert service.search("mine", new, k=1).hits[0].score < 0.99
    fill(images, 1, first=100)
    assert ris("update", "mine")[0] == 0
    assert service.search("mine", new, k=1).hits[0].score > 0.999


def test_what_is_left_out_by_itself_is_counted(ris, run, images):
    (images / "@eaDir").mkdir()
    (images / "notes.txt").write_text("a shopping list")
    _, out, _ = ris("update", "mine")
    assert re.search("^Left out: .*1 ", out, re.MULTILINE)
    left_out = json.loads(ris("update", "mine", "--json")[1])["left_out"]
    assert sum(left_out.values()) == 2
    assert re.search("^Left out: .*1 ", built(run, images)[1], re.MULTILINE)


def test_several_are_updated_and_the_first_error_is_the_exit_code(ris, home, images):
    others = fill(home.path / "others", 4, first=100)
    home.build(others, "other")
    fill(images, 1, first=200)
    others.rename(home.path / "away")
    code, out, err = ris("update", "other", "nix", "mine")
    assert code == 4
    assert re.search(r"^other: .*others", err, re.MULTILINE)
    assert re.search("^nix: .*'nix'", err, re.MULTILINE)
    assert out.startswith("mine: added 1, ")
    lines = ris("update", "other", "mine", "--json")[1].splitlines()
    assert "others" in json.loads(lines[0])["error"]
    assert json.loads(lines[1])["gallery"] == "mine"


def test_all_are_those_that_may_have_changed(ris, home):
    home.build(fill(home.path / "others", 4, first=100), "other")
    published = fill(home.path / "published", 3, first=200)
    home.build(published, "published", request={"data": "caltech101"})
    code, out, _ = ris("update", "--all")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["mine", "other"]


@pytest.mark.parametrize("arguments", [[], ["mine", "--all"]])
def test_names_or_all_are_given_and_never_both(ris, arguments):
    code, out, err = ris("update", *arguments)
    assert (code, out) == (2, "")
    assert "--all" in err


def test_a_folder_that_is_nearly_empty_changes_nothing_unless_that_is_accepted(ris, tmp_path):
    home = Home(tmp_path / "home")
    images = fill(home.path / "many", 60)
    home.build(images, "many")
    for number in range(4):
        shutil.rmtree(images / f"kind_{number}")
    code, out, err = ris("update", "many")
    assert (code, out) == (4, "")
    assert "--accept-removals" in err
    assert manifest_of(home, "many").images == 60
    assert "removed 48" in ris("update", "many", "--accept-removals")[1]


def test_ctrl_c_leaves_the_gallery_and_the_next_update_goes_on(ris, home, images, monkeypatch):
    from app.embed import Embedder

    fill(images, 5, first=100)

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    before = manifest_of(home)
    with monkeypatch.context() as patched:
        patched.setattr(Embedder, "embed_prepared", interrupt)
        code, out, err = ris("update", "mine")
    assert (code, out) == (130, "")
    assert re.search("Stopped. The gallery is as it was", err)
    assert manifest_of(home) == before
    assert "added 5" in ris("update", "mine")[1]


# create_index.py --update


def built(run, images: Path, *more: object) -> tuple[int, str, str]:
    options = ("--images", images, "--name", "new", "--model", "mean_colour", "--index", "Flat")
    return run(*options, *more)


def test_update_builds_what_is_not_there_and_updates_what_is(run, home, images):
    assert built(run, images, "--update")[0] == 0
    first = manifest_of(home, "new")
    fill(images, 2, first=100)
    code, out, _ = built(run, images, "--update")
    assert code == 0
    assert out == f"new: added 2, changed 0, moved 0, removed 0, unchanged {IMAGES}, skipped 0\n"
    assert manifest_of(home, "new").created == first.created
    code, out, _ = run("--images", images, "--name", "new", "--update")
    assert (code, "added 0" in out) == (0, True), "what is left out is as it was built"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--index", "HNSW16"), "--index"),
        (("--model", "resnet50"), "--model"),
        (("--limit", "3"), "--limit"),
        (("--pca", "8"), "--pca"),
        (("--images", "."), "--images"),
        (("--exclude", "*.png"), "--exclude"),
    ],
)
def test_update_with_other_options_than_those_of_the_build_is_refused(
    run, home, images, more, named
):
    assert built(run, images)[0] == 0
    before = manifest_of(home, "new")
    code, out, err = built(run, images, "--update", *more)
    assert (code, out) == (2, "")
    assert re.search(rf"new .*{named}: .*ris update new.*--force", err)
    assert manifest_of(home, "new") == before


@pytest.mark.parametrize(
    "more",
    [
        ("--update", "--force"),
        ("--accept-removals",),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, images, more):
    code, out, err = built(run, images, *more)
    assert (code, out) == (2, "")
    assert more[0] in err


def test_update_does_not_go_with_embeddings_nor_with_failed_downloads(run, tmp_path):
    assert run("--embeddings", tmp_path, "--name", "x", "--update")[0] == 2
    (tmp_path / "x.csv").write_text("id,url\n")
    assert run("--csv", tmp_path / "x.csv", "--name", "x", "--update", "--retry-failed")[0] == 2


def test_a_data_set_is_updated_under_its_default_name(run, home):
    folder = home.path / "datasets" / "caltech101" / "101_ObjectCategories"
    fill(folder, 6)
    asked = ("--data", "caltech", "--model", "mean_colour")
    assert run(*asked)[0] == 0
    fill(folder, 1, first=100)
    for name in ("caltech", "caltech101"):
        code, out, err = run("--data", name, "--model", "mean_colour", "--update")
        assert code == 0, err
        assert out.startswith("caltech101-mean_colour: added ")


# Several folders


def test_a_gallery_of_several_folders_leaves_out_what_its_patterns_say(run, home, images):
    second = fill(home.path / "second", 2, first=100)
    (second / "screen.png").write_bytes(encoded(picture(200), "PNG"))
    (second / "cache").mkdir()
    (second / "cache" / "x.jpg").write_bytes(encoded(picture(201)))
    patterns = ("--exclude", "*.png", "--exclude", "cache/")
    code, out, err = built(run, images, "--images", second, *patterns)
    assert code == 0, err
    manifest = manifest_of(home, "new")
    assert (manifest.images, manifest.sources) == (IMAGES + 2, (str(images), str(second)))
    assert manifest.request["images"] == [str(images), str(second)]
    assert manifest.request["exclude"] == ["*.png", "cache/"]
    wanted = f"--images {images} --images {second} --exclude '*.png' --exclude cache/"
    assert wanted in manifest.command
    fill(second, 1, first=102)
    (second / "another.png").write_bytes(encoded(picture(202), "PNG"))
    _, out, _ = built(run, images, "--images", second, *patterns, "--update")
    assert "new: added 1, " in out
    assert built(run, images, *patterns, "--update")[0] == 2
    assert "of {images}, {second}," in run("galleries", "--no-server", command=main)[1].replace(
        str(second), "{second}"
    ).replace(str(images), "{images}")


def test_one_folder_is_kept_as_a_text(run, home, images):
    assert built(run, images)[0] == 0
    request = manifest_of(home, "new").request
    assert (request["images"], "exclude" in request) == (str(images), False)
    asked = {"data": None, "name": "x", "model": "m", "index": "i", "limit": None, "force": False}
    for given in (images, (images,)):
        assert BuildRequest(images=given, **asked).kept()["images"] == str(images)


def test_patterns_go_with_folders(run):
    code, out, err = run("--data", "caltech", "--exclude", "x")
    assert (code, out) == (2, "")
    assert "--images" in err


# A process of its own


def test_an_update_that_is_killed_leaves_the_gallery_whole(home, images, tmp_path):
    fill(images, 300, first=100)
    environment = os.environ | {"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(tmp_path / "c")}
    command = [sys.executable, "-m", "app", "update", "mine"]
    draft = home.folders("mine").indexes / "building"
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as update:
        while not draft.exists() and update.poll() is None:
            time.sleep(0)
        update.send_signal(signal.SIGKILL)
    assert manifest_of(home).images in (IMAGES, IMAGES + 300)
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert manifest_of(home).images == IMAGES + 300
