"""A folder with as many files as were published is whole; variables replace what is published."""

import pytest

from app.errors import UsageError
from app.sources.datasets.published import Archive

ARCHIVE = Archive(
    name="some set",
    url="http://host.invalid/some.zip",
    file="some.zip",
    size_bytes=10,
    md5="d41d8cd98f00b204e9800998ecf8427e",
    inside="some",
    places=("some", "."),
    counted=(("test/*.jpg", "query/*.jpg"), ("notes/*.xml",)),
    needed=("words.txt",),
    images=2,
    growth=1,
)
WHOLE = {
    "test/1.jpg": b"1",
    "query/2.jpg": b"2",
    "notes/1.xml": b"",
    "notes/2.xml": b"",
    "words.txt": b"words",
}


@pytest.fixture
def whole(tmp_path):
    """Make a folder that is whole."""
    for path, content in WHOLE.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def test_groups_of_files_are_counted_together_and_more_than_published_may_be_there(whole):
    assert ARCHIVE.is_whole(whole)
    (whole / "query" / "3.jpg").touch()
    assert ARCHIVE.is_whole(whole)


@pytest.mark.parametrize("path", WHOLE)
@pytest.mark.parametrize("instead", ["nothing", "a folder", "a broken link"])
def test_a_folder_that_lacks_a_file_is_not_whole(whole, path, instead):
    (whole / path).unlink()
    if instead == "a folder":
        (whole / path).mkdir()
    elif instead == "a broken link":
        (whole / path).symlink_to("nowhere")
    assert not ARCHIVE.is_whole(whole)


def test_a_needed_file_must_not_be_empty_and_links_count(whole):
    (whole / "test").rename(whole / "elsewhere")
    (whole / "test").symlink_to("elsewhere", target_is_directory=True)
    assert ARCHIVE.is_whole(whole)
    (whole / "words.txt").write_bytes(b"")
    assert not ARCHIVE.is_whole(whole)


def test_variables_are_named_after_the_archive_and_replace_what_is_published():
    changed = ARCHIVE.changed_by(
        {
            "SOME_SET_URL": "http://mirror.invalid/",
            "SOME_SET_SIZE": "20",
            "SOME_SET_MD5": "",
            "SOME_SET_IMAGES": "3",
            "SOME_URL": "http://other.invalid/",
        }
    )
    assert (changed.url, changed.size_bytes) == ("http://mirror.invalid/", 20)
    assert (changed.md5, changed.images) == ("", 3)


def test_empty_variables_change_nothing_but_an_empty_md5_leaves_out_the_check():
    empty = dict.fromkeys(ARCHIVE.variables.values(), "")
    assert ARCHIVE.changed_by(empty | {"SOME_SET_MD5": ARCHIVE.md5}) == ARCHIVE
    assert ARCHIVE.changed_by({}) == ARCHIVE
    assert ARCHIVE.changed_by(empty).md5 == ""


def test_a_size_that_is_no_number_is_refused_with_variable_and_value():
    with pytest.raises(UsageError, match=r'SOME_SET_SIZE .* "ten"'):
        ARCHIVE.changed_by({"SOME_SET_SIZE": "ten"})
