"""A gallery is put in its place whole or not at all, and what it replaces goes after it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import app.build.build
from app.errors import BusyError
from app.gallery import Folders, committing, files, gallery_names
from app.values.gallery import Manifest
from tests.conftest import Home, fill
from tests.gallery.conftest import PICTURES
from tests.gallery.format_1 import rewrite_as_format_1

LOCKS = {"lock", "commit.lock"}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - LOCKS


def test_each_rebuild_is_a_generation_and_takes_the_files_of_the_last_away(galleries, open_gallery):
    folders = galleries.folders("mine")
    (folders.indexes / "NOTICE").write_text("kept")
    for generation in (2, 3):
        galleries.build(galleries.path / "mine", index="IVF100,SQ8")
        manifest = open_gallery(galleries).manifest
        assert manifest.generation == generation
        [segment] = manifest.segments
        assert names_in(folders.features) == {segment.name}
        assert names_in(folders.features / segment.name) == {"vectors.faiss"}
        assert names_in(folders.indexes) == {
            *("NOTICE", "manifest.json", segment.name),
            *(f"seen.{generation}.db", f"skipped.{generation}.json"),
            f"quantiser.{generation}.safetensors",
        }
        assert names_in(folders.indexes / segment.name) == {
            *("items.db", "thumbnails.db", "shortlist.faiss"),
        }
    galleries.build(galleries.path / "mine", index="Flat")
    assert not list(folders.indexes.rglob("shortlist*"))


def test_a_rebuild_takes_the_files_of_format_1_away(galleries, open_gallery):
    folders = galleries.folders("mine")
    rewrite_as_format_1(folders)
    for folder in (folders.indexes, folders.features):
        (folder / "NOTICE").write_text("kept")
    galleries.build(galleries.path / "mine", index="IVF100,SQ8")
    manifest = open_gallery(galleries).manifest
    assert manifest.generation == 2
    [segment] = manifest.segments
    assert names_in(folders.features) == {segment.name, "NOTICE"}
    assert names_in(folders.indexes) == {
        *("NOTICE", "manifest.json", segment.name, "seen.2.db", "skipped.2.json"),
        "quantiser.2.safetensors",
    }


class Killed(BaseException):
    """Stands for the end of the process."""


class Steps:
    """Lets a number of writing steps happen, and ends the process in place of the next."""

    def __init__(self, left: int) -> None:
        self.left = left

    def before(self, step: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise Killed
            return step(*arguments, **options)

        return run

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            for owner, name in (
                *((files, "sync"), (Path, "replace"), (Path, "unlink"), (Path, "write_text")),
                *((Path, "mkdir"), (shutil, "rmtree"), (np, "save")),
            ):
                patched.setattr(owner, name, self.before(getattr(owner, name)))
            yield


@pytest.mark.parametrize("of_format_1", [False, True])
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_putting_a_gallery_in_place_can_stop_at_every_step(
    galleries, monkeypatch, open_gallery, every, of_format_1
):
    folders = galleries.folders("mine")
    if of_format_1:
        rewrite_as_format_1(folders)
    new = fill(galleries.path / "new", 45, first=500)
    galleries.build(new, "whole", index="IVF100,SQ8")
    expected = open_gallery(galleries, "whole")
    finish = app.build.build.finish_gallery

    def build(stop: Steps) -> None:
        def finish_and_stop(*arguments: object, **options: object) -> Manifest:
            with stop.counted():
                return finish(*arguments, **options)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(app.build.build, "finish_gallery", finish_and_stop)
            galleries.build(new, index="IVF100,SQ8")

    stopped_at = []
    for steps in range(0, 100, every):
        try:
            build(Steps(steps))
        except Killed:
            gallery = open_gallery(galleries)
            assert gallery.rows in (PICTURES, 45)
            assert len(gallery.images(range(gallery.rows))) == gallery.rows
            assert gallery.search(gallery.vectors(gallery.ids()), 1).rows.shape == (gallery.rows, 1)
            stopped_at.append(gallery.rows)
        else:
            break
    assert stopped_at == sorted(stopped_at, reverse=True)
    assert len(stopped_at) * every > 12
    assert set(stopped_at) == {PICTURES, 45}

    remade = open_gallery(galleries)
    assert remade.images(range(45)) == expected.images(range(45))
    np.testing.assert_array_equal(remade.vectors(np.arange(45)), expected.vectors(np.arange(45)))
    [segment] = remade.manifest.segments
    assert names_in(folders.features) == {segment.name}, "something was left behind"
    stored = {file.name for file in remade.manifest.files.values()}
    assert names_in(folders.indexes) == {"manifest.json", segment.name, *stored}


def test_a_first_build_stopped_while_it_is_put_in_place_is_no_gallery_yet(tmp_path, monkeypatch):
    home = Home(tmp_path)
    folders = home.folders("mine")
    images = fill(tmp_path / "images", 45)
    replace = Path.replace

    def stop_at_the_manifest(path: Path, into: Path) -> Path:
        if into.name == "manifest.json":  # everything else is in its place by then
            raise Killed
        return replace(path, into)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stop_at_the_manifest)
        with pytest.raises(Killed):
            home.build(images)
    assert (folders.indexes / "1" / "thumbnails.db").is_file()
    assert gallery_names(tmp_path / "indexes") == []

    reported: list[tuple[str, int, int]] = []
    home.build(images, on_progress=lambda *step: reported.append(step))
    assert reported[1] == ("embed", 45, 45), "nothing is embedded again"
    assert gallery_names(tmp_path / "indexes") == ["mine"]
    assert names_in(folders.features) == {"2"}, "what was placed in vain is gone"


def test_changes_come_one_after_the_other(galleries):
    folders = galleries.folders("mine")
    with (
        committing(folders),
        pytest.raises(BusyError, match="Another change of mine is being written"),
        committing(folders, wait_seconds=0),
    ):
        pass
    with committing(folders, wait_seconds=0):
        pass


def test_a_change_that_is_given_up_changes_nothing(galleries, open_gallery):
    before = open_gallery(galleries)
    with committing(galleries.folders("mine")) as commit:
        commit.write_removed(np.array([1, 2]))
    assert not before.replaced()
    assert open_gallery(galleries).rows == PICTURES


@pytest.mark.parametrize("damaged", [False, True])
def test_a_change_knows_the_manifest_unless_it_is_missing_or_damaged(tmp_path, galleries, damaged):
    folders = galleries.folders("mine")
    with committing(folders) as commit:
        assert commit.manifest is not None
        assert commit.manifest.images == PICTURES
    if damaged:
        (folders.indexes / "manifest.json").write_text("a shopping list")
    else:
        folders = Folders.of("none", tmp_path / "features", tmp_path / "indexes")
    with committing(folders) as commit:
        assert commit.manifest is None


def test_a_change_leaves_the_files_of_other_programs(galleries):
    folders = galleries.folders("mine")
    for folder in (folders.indexes, folders.features):
        for name in ("NOTICE", "notes.db", ".nfs0001", "seen", "thumbnails.txt"):
            (folder / name).write_text("another's")
        for name in ("mine too", "backup"):
            (folder / name).mkdir()
        (folder / "17").mkdir()  # as a writer leaves that was killed
        (folder / "removed.9.npy").write_text("as a writer leaves that was killed")
    with committing(folders) as commit:
        assert commit.manifest is not None
        commit.write(commit.manifest)
    others = {"NOTICE", "notes.db", ".nfs0001", "seen", "thumbnails.txt", "mine too", "backup"}
    assert names_in(folders.features) == {"1", *others}
    assert names_in(folders.indexes) == {
        *("1", "manifest.json", "seen.1.db", "skipped.1.json"),
        "quantiser.1.safetensors",
        *others,
    }
