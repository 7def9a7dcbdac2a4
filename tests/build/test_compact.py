"""Which segments are folded: those that cost searches more than folding them does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.build import compact as folding
from app.build.additions import NewImage
from app.build.compact import choice, compact, whole
from app.gallery import Folders, Gallery
from app.index import choose
from app.values.gallery import Manifest, Segment, StoredFile
from tests.build.grown import contents, grow
from tests.conftest import Home, encoded, fill, picture
from tests.gallery.segments import NOTHING, change


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


FULL = 1_000


@pytest.mark.parametrize(
    ("of", "gone", "folded"),
    [
        pytest.param(manifest(*[1_000] * 12), [0] * 12, range(0), id="full ones do not count"),
        pytest.param(
            manifest(*[600] * 12), [0] * 12, range(0), id="nor those that no other one fits with"
        ),
        pytest.param(
            manifest(*[1_000] * 12, *[10] * 9), [0] * 21, range(12, 21), id="many small ones"
        ),
        pytest.param(
            manifest(1_000, 600, *[100] * 4, *[10] * 9), [0] * 15, range(2, 15), id="all that fit"
        ),
        pytest.param(manifest(1_000, 500, *[10] * 9), [0] * 11, range(2, 11), id="the newest"),
        pytest.param(
            manifest(1_000, 1_000, 10, removed=300),
            [100, 200, 0],
            range(0),
            id="few removed of each",
        ),
        pytest.param(
            manifest(1_000, 1_000, 10, removed=300), [0, 300, 0], range(1, 2), id="many of one"
        ),
        pytest.param(
            manifest(1_000, 900, 20, removed=300), [0, 0, 300], range(1, 3), id="of the newest"
        ),
        pytest.param(
            manifest(9_000, 3_000, 2_500, 600, 300, 10, exact=(1, 2, 3, 4)),
            [0] * 6,
            range(1, 2),
            id="a large one without a shortlist",
        ),
        pytest.param(
            manifest(9_000, 900, 90, 5_500, 10, exact=(1, 2, 3)),
            [0] * 5,
            range(1, 3),
            id="those without that fit",
        ),
    ],
)
def test_no_more_rows_are_folded_at_once_than_a_segment_may_have(of, gone, folded):
    assert choice(of, gone, most_rows=FULL) == folded


@pytest.mark.parametrize(
    ("of", "gone", "folded"),
    [
        pytest.param(manifest(500, 400), [0, 0], [range(2)], id="all, where they fit"),
        pytest.param(manifest(900), [0], [range(1)], id="one, which is trained anew"),
        pytest.param(manifest(1_000, 600, 600), [0] * 3, [], id="nothing that fits"),
        pytest.param(
            manifest(1_000, 600, 300, 50, 600, 10),
            [0] * 6,
            [range(1, 4), range(4, 6)],
            id="the full one stays",
        ),
        pytest.param(manifest(1_000, 900), [1, 0], [range(1)], id="what lacks rows"),
        pytest.param(manifest(4_500), [0], [range(1)], id="a larger one is cut"),
        pytest.param(
            manifest(1_000, 900, exact=(1,)), [0, 0], [range(1, 2)], id="without a shortlist"
        ),
    ],
)
def test_what_everything_is(of, gone, folded):
    assert whole(of, gone, most_rows=FULL) == folded


def test_where_the_removed_rows_are_is_asked_only_of_large_galleries():
    assert choice(manifest(9_000, 10, removed=3_000)) == range(2)
    assert choice(manifest(1_000, 1_000, removed=300), most_rows=FULL)  # may be of one alone
    assert not choice(manifest(1_000, 1_000, removed=200), most_rows=FULL)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.of("made", tmp_path / "features", tmp_path / "indexes")


def test_everything_of_a_large_gallery_is_folded_into_segments_within_the_bound(
    folders, monkeypatch
):
    monkeypatch.setattr(folding, "_FEW_ROWS", 50)
    grow(folders, 300, 40, 30, 20, 10, 250)
    change(folders, removed=[7, 301, 640], images=647)
    before = Gallery(folders)
    vectors = before.vectors(before.ids())
    assert compact(folders, everything=True, most_rows=200)
    after = Gallery(folders)
    rows = [segment.facts.rows for segment in after.segments]
    assert (max(rows) <= 200, sum(rows), len(rows)) == (True, 647, 5)
    assert after.ids().tolist() == before.ids().tolist()
    assert np.array_equal(after.vectors(after.ids()), vectors)
    assert after.images(after.ids().tolist()) == before.images(before.ids().tolist())
    assert "removed" not in after.manifest.files
    assert not (folders.indexes / "compacting").exists()


def test_full_segments_stay_as_they_are_to_the_byte(folders, monkeypatch):
    monkeypatch.setattr(folding, "_FEW_ROWS", 50)
    grow(folders, 200, 200, 200)
    compact(folders, everything=True, most_rows=200)
    full = Gallery(folders).manifest.segments
    assert [segment.rows for segment in full] == [200] * 3
    held = [contents(folders.below(each.name)) for each in full]
    for _ in range(2):
        grow(folders, *[10] * 9)
        assert compact(folders, most_rows=200)
        compact(folders, everything=True, most_rows=200)
        segments = Gallery(folders).manifest.segments
        assert segments[:3] == full
        assert len(segments) == 4
    assert [contents(folders.below(each.name)) for each in full] == held


def test_a_full_segment_is_folded_alone_once_many_of_its_rows_are_gone(folders, monkeypatch):
    monkeypatch.setattr(folding, "_FEW_ROWS", 50)
    grow(folders, 200, 200, 200)
    compact(folders, everything=True, most_rows=200)
    first, second, third = Gallery(folders).manifest.segments
    change(folders, removed=range(210, 270), images=540)
    assert compact(folders, most_rows=200)
    segments = Gallery(folders).manifest.segments
    assert [each.rows for each in segments] == [200, 140, 200]
    assert (segments[0], segments[2]) == (first, third)
    assert segments[1] != second
    assert not compact(folders, most_rows=200)
