"""A gallery made of some images of another: what it holds, and what it refuses."""

import shutil

import numpy as np
import pytest

from app.build.additions import NewImage
from app.errors import AppError, GalleryError, NotFoundError, UsageError
from app.gallery import Gallery, gallery_names
from app.values import VectorOptions
from tests.conftest import Home, encoded, fill, is_one_sentence, picture

CHOSEN = ["7", "2", "11"]


def quiet(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def own(home: Home) -> Home:
    """A home with "mine", of 30 pictures that were deleted since, and one that was added later."""
    home.build(fill(home.path / "pictures", 30), copies=True)
    home.keeper().add("mine", [NewImage("added.jpg", encoded(picture(99)))])
    shutil.rmtree(home.path / "pictures")
    return home


def test_the_chosen_images_are_there_as_they_were_in_their_order_without_their_originals(
    own: Home,
) -> None:
    own.keeper().select("few", "mine", CHOSEN, quiet)

    mine, few = (Gallery(own.folders(name)) for name in ("mine", "few"))
    ids = [int(each) for each in CHOSEN]
    assert few.rows == len(ids)
    assert np.array_equal(few.vectors(few.ids()), mine.vectors(np.array(ids)))
    assert few.thumbnails([0, 1, 2]) == mine.thumbnails(ids)
    assert few.has_local
    for one, other in zip(
        few.local_features(few.ids()), mine.local_features(np.array(ids)), strict=True
    ):
        assert np.allclose(one[1], other[1], atol=0.01)  # kept in a few bits
    for one, other in zip(few.images([0, 1, 2]), mine.images(ids), strict=True):
        facts = ("path", "labels", "sha256", "width", "height", "bytes", "key", "metadata")
        assert [getattr(one, fact) for fact in facts] == [getattr(other, fact) for fact in facts]


def test_it_is_searched_with_uploads_and_an_original_that_is_here_is_found(own: Home) -> None:
    own.keeper().select("few", "mine", [*CHOSEN, "30"], quiet)
    service = own.service()
    best = service.search("few", encoded(picture(99))).hits[0]
    assert best.image.path.endswith("added.jpg")
    assert service.picture("few", best.image.id)[0] == encoded(picture(99))


def test_the_projection_of_principal_components_goes_along(home: Home) -> None:
    pictures = fill(home.path / "pictures", 30)
    home.build(pictures, options=VectorOptions.of(8, 20, 3.0), index="Flat")
    home.keeper().select("few", "mine", CHOSEN, quiet)
    manifest = Gallery(home.folders("few")).manifest
    assert (manifest.pca, manifest.dim, manifest.expand) == (8, 8, 0)
    path = home.service().image("mine", 2).path
    best = home.service().search("few", (pictures / path).read_bytes()).hits[0]
    assert (best.image.path, best.score) == (path, pytest.approx(1, abs=1e-3))


@pytest.mark.parametrize(
    ("name", "ids", "error"),
    [
        ("mine", CHOSEN, UsageError),
        ("few/other", CHOSEN, UsageError),
        ("few", [], UsageError),
        ("few", ["7", "500"], NotFoundError),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_sentence_and_nothing_is_made(
    own: Home, name: str, ids: list[str], error: type[AppError]
) -> None:
    with pytest.raises(error) as refused:
        own.keeper().select(name, "mine", ids, quiet)
    assert is_one_sentence(str(refused.value))
    assert gallery_names(own.path / "indexes") == ["mine"]


def test_images_whose_vectors_are_not_here_are_refused(home: Home) -> None:
    home.build(fill(home.path / "pictures", 300))
    shutil.rmtree(home.folders("mine").features)
    with pytest.raises(GalleryError, match="vectors of mine are not here"):
        home.keeper().select("few", "mine", CHOSEN, quiet)


def test_a_gallery_of_chosen_images_is_added_to_and_is_not_looked_at_again(
    own: Home,
) -> None:
    keeper = own.keeper()
    keeper.select("few", "mine", CHOSEN, quiet)
    report = keeper.add("few", [NewImage("new.jpg", encoded(picture(500)))])
    assert report.manifest.images == len(CHOSEN) + 1
    assert "few" not in keeper.names_to_update()
