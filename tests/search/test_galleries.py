"""Galleries on disk: damaged, mended, rebuilt, removed; and where their originals are."""

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.build.build import build_gallery
from app.errors import (
    GalleryError,
    NotFoundError,
)
from app.gallery import committing
from app.search.galleries import Galleries
from app.search.model_cache import Models
from app.search.question import MAX_K
from app.search.service import SearchService
from app.sources.picture import Picture
from app.values.files import sha256_of
from tests.conftest import Home, encoded, fill, mean_colour, picture
from tests.gallery.format_1 import rewrite_as_format_1
from tests.gallery.sealing import sealed
from tests.search.conftest import (
    IN_PART,
    build_with,
)

# --- damaged, mended, rebuilt, removed -----------------------------------------------------------


def test_a_folder_that_may_not_be_read_takes_no_other_gallery_down(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = mine.path / "indexes" / "locked"
    locked.mkdir()
    iterdir, is_file = Path.iterdir, Path.is_file

    def refusing(method: Callable[[Path], object]) -> Callable[[Path], object]:
        def run(path: Path) -> object:
            if locked in (path, path.parent):
                raise PermissionError(13, "Permission denied", str(path))
            return method(path)

        return run

    monkeypatch.setattr(Path, "iterdir", refusing(iterdir))
    monkeypatch.setattr(Path, "is_file", refusing(is_file))
    service = mine.service()
    refused = {info.name: info.refused for info in service.galleries()}
    assert "locked" in refused["locked"]
    assert "Permission denied" in refused["locked"]
    assert refused["mine"] == ""
    assert service.search("mine", 0).hits


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def point_elsewhere(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 28881\n")


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "cut short": truncate,
    "another byte": change_a_byte,
    "LFS pointer": point_elsewhere,
    "empty": lambda path: path.write_bytes(b""),
}
FILES = (
    "features/mine/1/vectors.faiss",
    "indexes/mine/1/shortlist.faiss",
    "indexes/mine/1/thumbnails.db",
    "indexes/mine/1/items.db",
    "indexes/mine/seen.1.db",
    "indexes/mine/skipped.1.json",
    "indexes/mine/quantiser.1.safetensors",
    "indexes/mine/manifest.json",
)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_gallery_is_refused_by_name_the_others_work_and_mending_helps(
    mine: Home, file: str, damage: str
) -> None:
    build_with(mine, mean_colour(), "other")
    path = mine.path / file
    whole = path.read_bytes()
    DAMAGES[damage](path)
    service = mine.service()
    refused = {info.name: info.refused for info in service.galleries()}
    assert refused["other"] == ""
    assert str(path) in refused["mine"]
    assert ("git lfs pull" if damage == "LFS pointer" else "create_index.py") in refused["mine"]
    for door in (0, encoded(picture(1))):
        with pytest.raises(GalleryError) as refusal:
            service.search("mine", door)
        assert str(refusal.value) == refused["mine"]
        assert len(service.search("other", door).hits) == 10
    path.write_bytes(whole)
    assert service.gallery("mine").refused == ""
    assert service.search("mine", 0).hits


def test_a_damaged_gallery_is_read_again_only_when_a_file_of_it_has_changed(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mine.path / "indexes" / "mine" / "1" / "thumbnails.db"
    whole = path.read_bytes()
    change_a_byte(path)
    service = mine.service()
    hashed: list[Path] = []
    monkeypatch.setattr(
        "app.gallery.files.sha256_of", lambda path: hashed.append(path) or sha256_of(path)
    )
    refused = service.gallery("mine").refused
    assert str(path) in refused
    once = len(hashed)
    for _ in range(3):
        assert service.gallery("mine").refused == refused
        with pytest.raises(GalleryError, match=r"thumbnails\.db"):
            service.search("mine", 0)
    assert len(hashed) == once > 0
    path.write_bytes(whole)
    assert service.gallery("mine").refused == ""


@pytest.mark.parametrize("other", [{"images": 307}, {"dim": 47}])
def test_an_index_that_is_not_of_its_manifest_is_refused(mine: Home, other: dict[str, int]) -> None:
    assert mine.service().gallery("mine").images == 308
    with committing(mine.folders("mine")) as commit:
        assert commit.manifest is not None
        commit.write(replace(commit.manifest, **other))
    with pytest.raises(GalleryError, match=r"mine.*create_index\.py.*--force"):
        mine.service().search("mine", 0)


def test_a_gallery_of_the_first_format_answers_as_before(mine: Home) -> None:
    queries = [encoded(picture(1)), 0, 307]
    before = [mine.service().search("mine", query, k=20) for query in queries]
    rewrite_as_format_1(mine.folders("mine"))
    service = mine.service()
    assert service.gallery("mine").refused == ""
    for query, result in zip(queries, before, strict=True):
        assert service.search("mine", query, k=20).hits == result.hits
    assert service.picture("mine", 3)[0]


def test_a_gallery_of_a_newer_version_is_refused_with_what_helps(mine: Home) -> None:
    path = mine.folders("mine").indexes / "manifest.json"
    path.write_text(sealed(json.loads(path.read_text()) | {"format": 3}))
    refused = mine.service().gallery("mine").refused
    assert refused.startswith(f"{path} was made by a newer version")
    assert refused.endswith("update this one.")


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "my gallery", "übung"])
def test_a_folder_that_is_no_gallery_does_not_hide_the_others(mine: Home, name: str) -> None:
    (mine.path / "indexes" / name).mkdir()
    (mine.path / "indexes" / name / "gallery.db").write_text("something")
    infos = {info.name: info.refused for info in mine.service().galleries()}
    assert infos["mine"] == ""


class OneIsRemoved(Galleries):
    """Galleries of which one is removed after their names were read."""

    def names(self) -> list[str]:
        return ["removed", *super().names()]


def test_a_gallery_removed_while_they_are_listed_is_left_out(shop: Home) -> None:
    galleries = OneIsRemoved(
        datasets_dir=shop.path / "datasets",
        features_dir=shop.path / "features",
        indexes_dir=shop.path / "indexes",
        models=Models(lambda name, **_: mean_colour()),
    )
    assert [info.name for info in galleries.infos()] == ["mine"]


def test_a_gallery_that_is_removed_is_gone(mine: Home) -> None:
    service = mine.service()
    assert service.search("mine", 0).hits
    shutil.rmtree(mine.path / "indexes" / "mine")
    with pytest.raises(NotFoundError):
        service.search("mine", 0)
    assert service.galleries() == []


def test_a_rebuild_is_picked_up_by_searches_that_never_fail(home: Home) -> None:
    home.build(fill(home.path / "few", 12))
    service, data = home.service(), encoded(picture(0), quality=90)
    assert service.gallery("mine").images == 12
    over = threading.Event()
    seen: set[int] = set()

    def search_on() -> None:
        while not over.is_set():
            result = service.search("mine", data, k=MAX_K)
            assert result.hits[0].same_file
            assert result.hits[0].image.path == "kind_0/00000.jpg"
            assert service.thumbnail("mine", result.hits[-1].image.id)
            seen.add(len(result.hits))

    with ThreadPoolExecutor(2) as pool:
        searching = [pool.submit(search_on) for _ in range(2)]
        try:
            for count in (20, 30, 40):
                home.build(fill(home.path / "few", count))
                assert service.gallery("mine").images == count
        finally:
            over.set()
        for future in searching:
            future.result(timeout=60)
    assert len(service.search("mine", data, k=MAX_K).hits) == 40
    assert seen <= {12, 20, 30, 40}


# --- what does not exist -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["his", ".", "..", "../indexes/mine", "mine/../mine", "x" * 200])
def test_an_unknown_gallery_is_refused_with_those_that_exist(
    service: SearchService, name: str
) -> None:
    for ask in (
        lambda: service.search(name, 0),
        lambda: service.gallery(name),
        lambda: service.image(name, 0),
        lambda: service.thumbnail(name, 0),
        lambda: service.picture(name, 0),
        lambda: service.random_images(name, 3),
    ):
        with pytest.raises(NotFoundError, match=f"{re.escape(repr(name))}.*mine"):
            ask()


def test_without_any_gallery_the_message_names_the_command_that_makes_one(home: Home) -> None:
    assert home.service().galleries() == []
    with pytest.raises(NotFoundError, match=r"create_index\.py --images DIR --name NAME"):
        home.service().search("mine", 0)


@pytest.mark.parametrize("image", [-1, 308, 2**63, -(2**63) - 1, 10**40])
def test_an_unknown_image_is_refused(service: SearchService, image: int) -> None:
    for ask in (
        lambda: service.search("mine", image),
        lambda: service.search("mine", image, edit=IN_PART),
        lambda: service.image("mine", image),
        lambda: service.thumbnail("mine", image),
        lambda: service.picture("mine", image),
    ):
        with pytest.raises(NotFoundError, match=str(image)):
            ask()


# --- originals -----------------------------------------------------------------------------------


class PathsAlone:
    """A layout that lists the paths it is given."""

    name = "paths"

    def __init__(self, folder: Path, *paths: str) -> None:
        self.folder = folder
        self.paths = paths

    def pictures(self) -> list[Picture]:
        return [Picture(path, ()) for path in self.paths]

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.folder,)


def test_no_path_leads_out_of_the_galleries_folder_but_its_links_are_followed(home: Home) -> None:
    inside, outside = home.path / "inside", home.path / "outside"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    secret = encoded(picture(1))
    (outside / "secret.jpg").write_bytes(secret)
    (inside / "link.jpg").symlink_to(outside / "secret.jpg")
    (inside / "folder").symlink_to(outside)
    (inside / "good.jpg").write_bytes(encoded(picture(2)))
    listed = (
        *("../outside/secret.jpg", str(outside / "secret.jpg")),
        *("link.jpg", "folder/secret.jpg", "good.jpg"),
    )
    build_gallery(
        PathsAlone(inside, *listed),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={},
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    service = home.service()
    for image in range(2):
        assert service.image("mine", image).sha256 == hashlib.sha256(secret).hexdigest()
        with pytest.raises(NotFoundError):
            service.picture("mine", image)
        assert service.search("mine", image, edit=IN_PART).notes  # cut from the thumbnail
    for image in (2, 3):  # links that the folder's owner made, and that the build followed
        assert service.picture("mine", image)[0] == secret
    assert service.picture("mine", 4)[0] == (inside / "good.jpg").read_bytes()


def test_a_change_is_seen_where_a_network_file_system_still_answers_stat_as_before(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of NFS keep what they know of a file for seconds, but ask when they open it."""
    service = mine.service()
    assert service.gallery("mine").facts.title != "Holidays"
    stat, known = os.stat, {}

    def cached(path: Any, **how: Any) -> os.stat_result:
        if Path(path).name == "manifest.json":
            return known.setdefault(str(path), stat(path, **how))
        return stat(path, **how)

    monkeypatch.setattr(os, "stat", cached)
    service.gallery("mine")
    mine.keeper().set_title("mine", "Holidays")
    assert service.gallery("mine").facts.title == "Holidays"
