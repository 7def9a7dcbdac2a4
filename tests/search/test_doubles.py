"""Of results that show one picture the best is left: the largest, not the first."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.gallery import Store
from app.images.encode import thumbnail
from app.search.doubles import doubles
from app.search.service import SearchService
from app.values import ImageRecord
from tests.conftest import PHOTOGRAPHS, Home, encoded, fill
from tests.search.conftest import file_of

MIRRORED, HALF, GREY = "mirrored.jpg", "half.jpg", "grey.jpg"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> SearchService:
    home = Home(tmp_path_factory.mktemp("doubles"))
    folder = fill(home.path / "pictures", 30)
    for path in PHOTOGRAPHS:
        (folder / path.name).write_bytes(path.read_bytes())
    image = Image.open(PHOTOGRAPHS[0]).convert("RGB")
    width, height = image.size
    for name, edited in {
        HALF: image.resize((width // 2, height // 2)),
        GREY: image.convert("L"),
        MIRRORED: ImageOps.mirror(image),
    }.items():
        (folder / name).write_bytes(encoded(edited, quality=70))
    home.build(folder, "plain", copies=False)
    home.build(folder, "mine", copies=True)
    return home.service()


def marks(service: SearchService, gallery: str, query: bytes) -> dict[str, str | None]:
    """Return, by path, the path of the better result that each hit names."""
    hits = service.search(gallery, query, k=40).hits
    return {
        hit.image.path: hit.duplicate_of and hits[hit.duplicate_of - 1].image.path  # type: ignore[misc]
        for hit in hits
    }


@pytest.mark.parametrize("asked", [HALF, GREY, "original"])
def test_the_largest_is_left_whichever_was_asked_with(service: SearchService, asked: str) -> None:
    original = PHOTOGRAPHS[0].name
    folder = service.folder("plain")
    assert folder is not None
    query = (folder / (original if asked == "original" else asked)).read_bytes()
    for gallery, names in {"plain": [HALF], "mine": [HALF, GREY, MIRRORED]}.items():
        found = marks(service, gallery, query)
        assert found[original] is None
        others = [name for name in names if name != asked]
        assert {name: found[name] for name in others} == dict.fromkeys(others, original)
        assert found.get(asked) is None  # the query's own file is what was asked with


class Results:
    """Results whose vectors are near each other, as those of a smaller copy may be, no more."""

    approximate = False

    def __init__(self, images: Sequence[Image.Image], *, cosine: float = 0.8) -> None:
        self.pictures = [thumbnail(np.asarray(image.convert("RGB"))) for image in images]
        self.images = [
            ImageRecord(place, f"{place}.jpg", "", image.width, image.height, 1)
            for place, image in enumerate(images)
        ]
        alike = np.full((len(images),) * 2, cosine) + (1 - cosine) * np.eye(len(images))
        self._vectors = np.linalg.cholesky(alike).astype(np.float32)
        self.looked_at: list[int] = []

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._vectors[ids]

    def thumbnails(self, ids: Sequence[int]) -> list[bytes]:
        self.looked_at += ids
        return [self.pictures[image] for image in ids]


def found_in(results: Results) -> dict[int, int]:
    return doubles(cast(Store, results), results.images)


def test_smaller_grey_and_mirrored_copies_are_known_by_their_pixels() -> None:
    image, other = (Image.open(path).convert("RGB") for path in PHOTOGRAPHS[:2])
    half = image.resize((image.width // 2, image.height // 2))
    smaller = other.resize((other.width // 2, other.height // 2))
    images = [half, smaller, image, ImageOps.mirror(half), half.convert("L"), other]
    assert found_in(Results(images)) == {1: 3, 4: 3, 5: 3, 2: 6}


def test_another_picture_and_a_part_are_no_copies() -> None:
    images = [Image.open(path).convert("RGB") for path in PHOTOGRAPHS]
    image = images[0]
    part = image.crop((0, 0, image.width * 6 // 10, image.height))
    assert found_in(Results([*images, part])) == {}


def test_what_is_far_or_of_another_shape_is_not_looked_at() -> None:
    image = Image.open(PHOTOGRAPHS[0]).convert("RGB")
    assert not found_in(far := Results([image, image], cosine=0.6))
    assert not found_in(shaped := Results([image, image.resize((100, 400))]))
    assert far.looked_at == shaped.looked_at == []


def test_what_is_nearly_equal_needs_no_look() -> None:
    images = [Image.open(path).convert("RGB") for path in PHOTOGRAPHS[:2]]
    results = Results(images, cosine=0.96)
    larger = max(range(2), key=lambda place: images[place].width * images[place].height) + 1
    assert found_in(results) == {3 - larger: larger}
    assert not results.looked_at


def test_of_many_that_look_alike_from_afar_a_few_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    monkeypatch.setattr(
        "app.search.doubles.as_a_whole", lambda *given, **how: compared.append(how["mirrored"])
    )
    image = Image.open(PHOTOGRAPHS[0]).convert("RGB")
    sides = [image.resize((image.width // n, image.height // n)) for n in (1, 2, 3, 4, 5, 6, 7)]
    assert found_in(Results(sides)) == {}
    assert compared == [False] * 8
    compared.clear()
    found_in(Results([image, ImageOps.mirror(image)]))
    assert compared == [False], "which way round is seen from afar"


def test_without_vectors_or_results_there_are_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.build(fill(home.path / "pictures", 3))
    service = home.service()
    query = file_of(home, "kind_0/00000.jpg")
    assert len(service.search("mine", query, k=1).hits) == 1
    assert not service.search("mine", query, min_score=1.0, leave_out_same_file=True).hits
