"""Which segments are folded: those that cost searches more than folding them does."""

from dataclasses import replace

import pytest

from app.build.additions import NewImage
from app.build.compact import choice, compact
from app.gallery import Gallery
from app.index import choose
from app.values.gallery import Manifest, Segment, StoredFile
from tests.conftest import Home, encoded, fill, picture
from tests.gallery.segments import NOTHING


def manifest(
    *rows: int, exact: tuple[int, ...] = (), removed: int = 0, index: str = "IVF100,PQ8"
) -> Manifest:
    """Return a manifest of segments of so many rows; those at the places `exact` lack a shortlist.

    `removed` of the rows are of images that are gone.
    """
    shortlist = {"shortlist": StoredFile("shortlist.faiss", 1, "")}
    segments = tuple(
        Segment(name=str(place), rows=each, files={} if place in exact else shortlist)
        for place, each in enumerate(rows)
    )
    return replace(NOTHING, segments=segments, images=sum(rows) - removed, index_asked=index)


@pytest.mark.parametrize(
    ("of", "folded"),
    [
        pytest.param(manifest(9_000), range(0), id="one"),
        pytest.param(manifest(9_000, 10, 10, exact=(1, 2)), range(0), id="few"),
        pytest.param(
            manifest(9_000, *[10] * 8, exact=tuple(range(1, 9))), range(1, 9), id="many small ones"
        ),
        pytest.param(manifest(9_000, 10, removed=3_000), range(2), id="many removed"),
        pytest.param(
            manifest(9_000, 5_001, 10, exact=(1, 2)), range(3), id="many searched exactly"
        ),
        pytest.param(
            manifest(100_000, 5_001, 10, exact=(1, 2)), range(1, 3), id="the large one stays"
        ),
        pytest.param(
            manifest(1_000_000, 20_000, exact=(1,)), range(0), id="little beside the large one"
        ),
        pytest.param(
            manifest(1_000_000, 10, 21_000, 9, 9, exact=(1, 2)), range(1, 5), id="from the first"
        ),
        pytest.param(
            manifest(9_000, 6_000, 10, exact=(0, 1, 2), index="Flat"), range(0), id="asked for"
        ),
    ],
)
def test_what_is_folded(of, folded):
    assert choice(of) == folded


def test_where_the_index_is_auto_it_is_chosen_again(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "FEW_ROWS", 100)
    home = Home(tmp_path / "home")
    home.build(fill(tmp_path / "pictures", 200), index="auto")
    [before] = Gallery(home.folders("mine")).manifest.notes
    assert "200 images" in before
    home.keeper().add("mine", [NewImage("new.png", encoded(picture(900)))])
    assert compact(home.folders("mine"), everything=True)
    manifest = Gallery(home.folders("mine")).manifest
    assert (manifest.index_asked, len(manifest.segments)) == ("auto", 1)
    [after] = manifest.notes
    assert after.startswith(f"auto chose {manifest.index} (")
    assert "201 images" in after
