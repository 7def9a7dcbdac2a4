"""A file that its gallery was not built with is named, with the command that mends it."""

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import GalleryError
from app.gallery import committing, files, gallery_names, manifest_from_json, manifest_to_json
from app.values import Skipped
from app.values.gallery import Manifest
from tests.conftest import Home
from tests.gallery.conftest import PICTURES
from tests.gallery.format_1 import rewrite_as_format_1
from tests.gallery.sealing import sealed

OF_FORMAT_1 = ["gallery.db", "thumbnails.db", "shortlist.faiss", "vectors.faiss"]
OF_FORMAT_2 = [
    *("manifest.json", "1/items.db", "1/thumbnails.db", "1/shortlist.faiss", "1/vectors.faiss"),
    *("seen.1.db", "removed.2.npy", "skipped.2.json", "quantiser.1.safetensors"),
]


def place_of(home: Home, file: str, name: str = "mine") -> Path:
    folders = home.folders(name)
    return (folders.features if file.endswith("vectors.faiss") else folders.indexes) / file


def take_away(home: Home, name: str, image: int) -> Manifest:
    """Remove an image, so that the gallery keeps a file of those that are gone."""
    with committing(home.folders(name)) as commit:
        manifest = commit.manifest
        assert manifest is not None
        stored = {
            "removed": commit.write_removed(np.array([image])),
            "skipped": commit.write_skipped([Skipped(f"{name}.jpg", "It is empty.")]),
        }
        changed = {"images": manifest.images - 1, "files": manifest.files | stored}
        return commit.write(dataclasses.replace(manifest, **changed))


@pytest.fixture(scope="session")
def changed(original: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The galleries in both formats, those of format 2 with every kind of file."""
    homes = {}
    for version in (1, 2):
        homes[version] = tmp_path_factory.mktemp("changed") / "home"
        shutil.copytree(original.path, homes[version])
        home = Home(homes[version])
        for image, name in enumerate(("mine", "yours")):
            if version == 1:
                rewrite_as_format_1(home.folders(name))
            else:
                take_away(home, name, image)
    return homes


@pytest.fixture
def copied(changed: dict[int, Path], tmp_path: Path) -> Callable[[int], Home]:
    """Return a function that copies the galleries of one format, to be damaged."""

    def copy(version: int) -> Home:
        shutil.copytree(changed[version], tmp_path / "home")
        return Home(tmp_path / "home")

    return copy


# Damage


def remove(file: Path, other: Path) -> None:
    file.unlink()


def truncate(file: Path, other: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def truncate_to_nothing(file: Path, other: Path) -> None:
    file.write_bytes(b"")


def flip_one_byte(file: Path, other: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def put_lfs_pointer(file: Path, other: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    size = file.stat().st_size
    file.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
    )


def put_the_other_gallery_s(file: Path, other: Path) -> None:
    shutil.copyfile(other, file)


def put_a_text(file: Path, other: Path) -> None:
    file.write_text("a shopping list " * 400)


def edit_database(path: Path, change: dict[str, object]) -> None:
    """Change the manifest of format 1, and seal it."""
    path.write_bytes(path.read_bytes()[:-32])
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        (text,) = database.execute("SELECT manifest FROM manifest").fetchone()
        database.execute(
            "UPDATE manifest SET manifest = ?", [json.dumps(json.loads(text) | change)]
        )
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())


def the_command(home: Home, name: str = "mine") -> str:
    return f"python3 create_index.py --images {home.path / name} --name {name}"


@pytest.mark.parametrize(
    ("version", "file"),
    [*((1, file) for file in OF_FORMAT_1), *((2, file) for file in OF_FORMAT_2)],
)
@pytest.mark.parametrize(
    "damage",
    [
        *(remove, truncate, truncate_to_nothing, flip_one_byte, put_lfs_pointer),
        *(put_the_other_gallery_s, put_a_text),
    ],
)
def test_a_damaged_file_is_named_with_the_command_that_mends_it(
    original, copied, version, file, damage, open_gallery
):
    galleries = copied(version)
    open_gallery(galleries)
    path = place_of(galleries, file)
    damage(path, place_of(galleries, file, "yours"))

    with pytest.raises(GalleryError) as refused:
        open_gallery(galleries)

    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    if damage is put_lfs_pointer:
        assert message.endswith("Run: git lfs pull")
    elif file in ("gallery.db", "manifest.json"):  # what it was built from is written there
        assert message.endswith("or python3 create_index.py --images DIR --name mine --force")
    else:
        assert message.endswith(f"or {the_command(original)} --force")
    if damage is not put_lfs_pointer:
        assert "git checkout -- indexes/mine features/mine" in message
    open_gallery(galleries, "yours")  # the others load
    assert gallery_names(galleries.path / "indexes") == ["mine", "yours"]


@pytest.mark.parametrize(
    ("version", "file"),
    [
        *((1, "gallery.db"), (1, "vectors.faiss")),
        *((2, "manifest.json"), (2, "1/vectors.faiss"), (2, "removed.2.npy")),
    ],
)
def test_the_command_that_a_damaged_gallery_names_mends_it(
    original, copied, version, file, open_gallery
):
    galleries = copied(version)
    remove(place_of(galleries, file), galleries.path)
    galleries.build(galleries.path / "mine", index="IVF100,SQ8")
    mended, before = (open_gallery(home) for home in (galleries, original))
    assert mended.images(range(PICTURES)) == before.images(range(PICTURES))
    np.testing.assert_array_equal(*(each.vector(7) for each in (mended, before)))


def test_what_comes_with_the_program_is_mended_by_putting_its_files_back(
    changed, copied, open_gallery
):
    galleries = copied(1)
    for file in OF_FORMAT_1:
        damaged = place_of(galleries, file)
        flip_one_byte(damaged, damaged)
    with pytest.raises(GalleryError):
        open_gallery(galleries)
    for kind in ("indexes", "features"):  # as git does
        shutil.copytree(
            changed[1] / kind / "mine", galleries.path / kind / "mine", dirs_exist_ok=True
        )
    assert open_gallery(galleries).rows == PICTURES


def test_no_byte_of_the_manifest_can_change_unseen(copied, open_gallery):
    galleries = copied(2)
    path = place_of(galleries, "manifest.json")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(GalleryError, match=re.escape(str(path))):
            open_gallery(galleries)


def test_no_byte_of_the_database_of_format_1_can_change_unseen(copied, open_gallery):
    galleries = copied(1)
    path = place_of(galleries, "gallery.db")
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 397), *range(len(whole) - 32, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(GalleryError, match=re.escape(str(path))):
            open_gallery(galleries)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_manifest_with_bytes_changed_says_the_same_or_is_refused(changed, data):
    path = place_of(Home(changed[2]), "manifest.json")
    whole = path.read_text(encoding="utf-8")
    place = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 3))
    text = whole[:place] + data.draw(st.text(max_size=3)) + whole[place + cut :]
    try:
        manifest = manifest_from_json(text, place=path, mend="Mend it.")
    except GalleryError:
        return
    assert manifest_to_json(manifest) == whole, "an editor may have put in spaces, no more"


def test_no_byte_of_any_file_can_change_unseen(copied, open_gallery):
    galleries = copied(2)
    folders = galleries.folders("mine")
    paths = sorted(
        path
        for folder in (folders.indexes, folders.features)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != "lock"
    )
    assert {path.name for path in paths} >= {file.rpartition("/")[2] for file in OF_FORMAT_2}
    rng = np.random.default_rng(0)
    for place in range(300):
        path = paths[place % len(paths)]
        whole = path.read_bytes()
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        with pytest.raises(GalleryError, match=re.escape(str(path))) as refused:
            open_gallery(galleries)
        assert "\n" not in str(refused.value)
        path.write_bytes(whole)
    assert open_gallery(galleries).rows == PICTURES - 1, "refusing has changed nothing"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("model", ["mean_colour", "caltech101-efficientnet_lite0-finetuned"])
def test_a_published_gallery_without_its_manifest_is_rebuilt_from_its_data_set(
    copied, open_gallery, model, version
):
    galleries = copied(version)
    name = f"caltech101-{model}"
    for kind in ("features", "indexes"):
        (galleries.path / kind / "mine").rename(galleries.path / kind / name)
    open_gallery(galleries, name)  # a gallery may be given another name
    file = {1: "gallery.db", 2: "manifest.json"}[version]
    remove(place_of(galleries, file, name), galleries.path)
    with pytest.raises(
        GalleryError,
        match=rf"or python3 create_index\.py --data caltech101 --model {model} --force$",
    ):
        open_gallery(galleries, name)


@pytest.mark.parametrize(
    ("change", "named"), [({"format": 3}, "format 3"), ({"of_tomorrow": 5}, "of_tomorrow")]
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_gallery_of_a_newer_version_is_no_damage(copied, open_gallery, change, named, version):
    galleries = copied(version)
    if version == 1:
        path = place_of(galleries, "gallery.db")
        edit_database(path, change)
    else:
        path = place_of(galleries, "manifest.json")
        values = json.loads(path.read_text(encoding="utf-8")) | change
        path.write_text(sealed(values), encoding="utf-8")
    with pytest.raises(GalleryError) as refused:
        open_gallery(galleries)
    message = str(refused.value)
    assert message.startswith(f"{path} was made by a newer version of this program ({named}):")
    assert message.endswith("update this one.")
    assert "create_index" not in message


def test_a_file_that_may_not_be_read_is_named(galleries, monkeypatch, open_gallery):
    sha256_of = files.sha256_of

    def refuse(file: Path) -> str:
        if file.suffix == ".faiss":
            raise PermissionError(13, "Permission denied", str(file))
        return sha256_of(file)

    monkeypatch.setattr(files, "sha256_of", refuse)
    with pytest.raises(GalleryError, match=r"^/.*\.faiss cannot be read \(Permission denied\)"):
        open_gallery(galleries)
