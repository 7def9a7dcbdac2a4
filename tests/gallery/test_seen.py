"""The files that were seen come back as they were written, whatever their names are."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import GalleryError
from app.gallery import NO_IMAGE, Seen
from app.gallery.seen import read_seen, write_seen

SIZES = st.integers(-1, 2**62)
PLACES = st.tuples(
    st.integers(-1, 20),
    st.one_of(st.text(min_size=1), st.binary(min_size=1).map(os.fsdecode)),
)
SEEN = st.builds(Seen, st.tuples(SIZES, st.integers(-(2**62), 2**62)), st.integers(NO_IMAGE, 2**62))


@given(st.dictionaries(PLACES, SEEN))
def test_what_was_seen_is_read_as_it_was_written(seen):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seen.db"
        write_seen(path, seen)
        assert read_seen(path) == seen


def test_the_same_path_in_two_folders_is_two_files(tmp_path):
    seen = {(0, "a.jpg"): Seen((1, 2), 7), (1, "a.jpg"): Seen((3, 4), NO_IMAGE)}
    write_seen(tmp_path / "seen.db", seen)
    assert read_seen(tmp_path / "seen.db") == seen


def test_what_was_seen_is_the_same_file_whatever_the_order(tmp_path):
    seen = {(0, f"{number}.jpg"): Seen((number, 1), number) for number in range(100)}
    write_seen(tmp_path / "one.db", seen)
    write_seen(tmp_path / "two.db", dict(reversed(seen.items())))
    assert (tmp_path / "one.db").read_bytes() == (tmp_path / "two.db").read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GalleryError, match=r"seen\.db is missing"):
        read_seen(tmp_path / "seen.db")
