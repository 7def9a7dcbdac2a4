"""What is not the user's own picture is left out of a folder, and counted by its reason."""

from pathlib import Path

import pytest

from app.errors import DatasetError, UsageError
from app.sources.own import open_folders
from tests.sources.files import left_out, paths, put


def test_what_is_no_picture_is_counted_by_its_suffix(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "a/notes.txt", "a/more.TXT", "b/film.mp4", ".hidden/1.jpg", ".h.jpg")
    assert left_out(tmp_path) == {
        "not a picture (.txt)": 2,
        "not a picture (.mp4)": 1,
        "hidden": 2,
    }


def test_only_the_most_frequent_suffixes_are_named(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "a.txt", "b.txt", *(f"log.{n:03}" for n in range(50)))
    put(tmp_path, "a title. with a stop in it", "odd.\x1b[2J")
    counted = left_out(tmp_path)
    assert counted["not a picture (.txt)"] == 2
    assert sum(counted.values()) == 54
    assert len(counted) <= 21
    assert all(reason.isprintable() and len(reason) < 40 for reason in counted)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg", "kept by a NAS"),
        ("2020/@eaDir/2.jpg", "kept by a NAS"),
        ("#recycle/3.jpg", "kept by a NAS"),
        ("#snapshot/GMT-2020/3.jpg", "kept by a NAS"),
        ("@Recycle/3.jpg", "kept by a NAS"),
        ("$RECYCLE.BIN/S-1/3.jpg", "kept by the system"),
        ("$Recycle.Bin/S-1/3.jpg", "kept by the system"),
        ("System Volume Information/3.jpg", "kept by the system"),
        ("lost+found/3.jpg", "kept by the system"),
        (".Trash-1000/files/3.jpg", "kept by the system"),
        (".Trashes/501/3.jpg", "kept by the system"),
        ("2020/._3.jpg", "kept by the system"),
        ("Thumbs.db", "kept by the system"),
        ("thumbs.DB", "kept by the system"),
        ("desktop.ini", "kept by the system"),
        ("P.photoslibrary/resources/derivatives/3.jpg", "made by a photo library"),
        ("P.PhotosLibrary/Thumbnails/3.jpg", "made by a photo library"),
        ("P.photolibrary/Previews/3.jpg", "made by a photo library"),
    ],
)
def test_what_systems_put_beside_photographs_is_left_out(
    tmp_path: Path, path: str, reason: str
) -> None:
    put(tmp_path, "1.jpg", path)
    assert paths(tmp_path) == ["1.jpg"]
    assert left_out(tmp_path) == {reason: 1}


def test_a_photo_librarys_originals_are_listed_even_where_it_is_the_folder_itself(
    tmp_path: Path,
) -> None:
    library = "My.photoslibrary"
    put(tmp_path, f"{library}/originals/0/1.heic", f"{library}/Masters/2020/2.jpg")
    put(tmp_path, f"{library}/resources/derivatives/0/1.jpeg", f"{library}/database/x.db")
    assert paths(tmp_path) == [f"{library}/Masters/2020/2.jpg", f"{library}/originals/0/1.heic"]
    assert paths(tmp_path / library) == ["Masters/2020/2.jpg", "originals/0/1.heic"]
    assert left_out(tmp_path / library) == {"made by a photo library": 2}


def test_patterns_exclude_files_and_whole_folders(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.png", "drafts/3.jpg", "a/drafts/4.jpg", "a/5.jpg", "a/drafts.jpg")
    exclude = ("*.png", "drafts/")
    assert paths(tmp_path, exclude=exclude) == ["1.jpg", "a/5.jpg", "a/drafts.jpg"]
    assert left_out(tmp_path, exclude=exclude) == {"excluded": 3}


def test_patterns_hold_from_each_folder_on(tmp_path: Path) -> None:
    put(tmp_path, "a/x/1.jpg", "a/b/x/2.jpg", "c/x/3.jpg")
    assert paths(tmp_path / "a", tmp_path / "c", exclude=("/x",)) == ["b/x/2.jpg"]


def test_an_ignore_file_holds_below_its_folder(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "a/b/2.png", "a/b/keep.png", "a/b/3.jpg", "c/4.png")
    (tmp_path / "a" / ".risignore").write_bytes(b"\xef\xbb\xbf*.png\r\n# caf\xe9\r\n/b/3.jpg")
    (tmp_path / "a" / "b" / ".risignore").write_text("!keep.png\n")
    assert paths(tmp_path) == ["a/b/keep.png", "c/4.png"]
    assert left_out(tmp_path) == {"excluded": 3}


def test_a_wrong_pattern_in_an_ignore_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png")
    (tmp_path / "a" / ".risignore").write_text("*.gif\n!\n")
    with pytest.raises(UsageError, match=r"Line 2 of .*a/\.risignore"):
        paths(tmp_path)
    with pytest.raises(UsageError, match="excludes nothing"):
        open_folders([tmp_path], "own", exclude=["!"])


def test_a_folder_of_which_all_is_left_out_says_so(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg", "notes.txt")
    with pytest.raises(DatasetError, match=r"2 excluded, 1 not a picture \(\.txt\)"):
        paths(tmp_path, exclude=("*.jpg",))
