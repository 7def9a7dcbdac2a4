"""Uploaded pictures and ZIPs become a folder of pictures, or are refused and leave nothing."""

import io
import os
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.build.jobs import Archive
from app.errors import AppError, DatasetError, StorageError
from app.images.formats import SUFFIXES
from app.sources import uploads
from tests.build.workshop import JPEG, Workshop, pictures
from tests.conftest import Home, fill, is_one_sentence

# --- from uploaded pictures ----------------------------------------------------------------------


def test_uploaded_pictures_get_a_folder_and_their_sub_folders_are_labels(
    workshop: Workshop, home: Home
) -> None:
    files = pictures(12) | {".hidden/a.jpg": JPEG, "kind_0/.b.jpg": JPEG, "kind_0/notes.txt": b"x"}
    ended = workshop.made(workshop.uploaded(files))
    assert ended.report is not None
    folder = home.path / "datasets" / "uploaded" / "new"
    assert ended.report.manifest.source == str(folder)
    assert f"--images {folder} --name new --model mean_colour" in ended.report.manifest.command
    assert workshop.paths() == sorted(pictures(12))
    service = home.service()
    assert service.image("new", 0).labels == ("kind_0",)
    assert service.picture("new", 0)[0] == files["kind_0/00.jpg"]
    assert workshop.left() == [folder]  # nothing is left where they arrived


def test_equal_pictures_under_two_names_are_both_kept(workshop: Workshop) -> None:
    workshop.made(workshop.uploaded({"a.jpg": JPEG, "b.jpg": JPEG, "sub/a.jpg": JPEG}))
    assert workshop.paths() == ["a.jpg", "b.jpg", "sub/a.jpg"]


def test_a_folder_around_everything_is_no_label(workshop: Workshop, home: Home) -> None:
    workshop.made(
        workshop.uploaded({f"holiday/{name}": data for name, data in pictures(4).items()})
    )
    assert workshop.paths() == sorted(pictures(4))
    assert home.service().image("new", 0).labels == ("kind_0",)


BAD_NAMES = [
    "../a.jpg",
    "kind/../../a.jpg",
    "..\\a.jpg",
    "/etc/a.jpg",
    "\\\\host\\share\\a.jpg",
    "C:\\a.jpg",
    "c:/a.jpg",
    "a\0.jpg",
    "\ud800.jpg",
    "",
    ".",
    "/",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_uploaded_name_leads_out_of_the_folder(workshop: Workshop, name: str) -> None:
    assert "rename it" in workshop.failed(workshop.uploaded({"good.jpg": JPEG, name: JPEG}))


def test_names_that_exclude_each_other_are_refused(workshop: Workshop) -> None:
    twice = workshop.uploaded({"a/x.jpg": JPEG, "a//x.jpg": JPEG})
    assert "a/x.jpg twice" in workshop.failed(twice)
    both = workshop.uploaded({"a.jpg": JPEG, "a.jpg/x.jpg": JPEG})
    assert "a.jpg as a file and as a folder" in workshop.failed(both)


def test_uploads_without_a_picture_are_refused(workshop: Workshop) -> None:
    assert "holds no picture" in workshop.failed(workshop.uploaded({"notes.txt": b"x"}))
    assert "No picture of the 1 in" in workshop.failed(workshop.uploaded({"a.jpg": b"Dear Sir"}))


def test_an_upload_that_is_gone_is_named(workshop: Workshop) -> None:
    uploaded = workshop.uploaded({"a.jpg": JPEG, "b.jpg": JPEG})
    uploaded.files[1][0].unlink()
    assert "b.jpg" in workshop.failed(uploaded)


def test_other_pictures_in_the_folder_are_never_replaced(workshop: Workshop, home: Home) -> None:
    folder = fill(home.path / "datasets" / "uploaded" / "new", 3)
    before = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    ended = workshop.made(workshop.uploaded(pictures(3)))
    assert ended.state == "failed"
    assert str(folder) in ended.message
    assert "choose another name" in ended.message
    assert is_one_sentence(ended.message)
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == before
    assert workshop.left() == [folder]


def test_pictures_are_copied_where_disks_differ(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_disks(*arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", two_disks)
    workshop.made(workshop.uploaded(pictures(4)))
    assert workshop.paths() == sorted(pictures(4))


def test_a_folder_that_cannot_be_written_is_reported(workshop: Workshop, home: Home) -> None:
    (home.path / "datasets").write_bytes(b"")  # a file in the way
    ended = workshop.made(workshop.uploaded(pictures(3)))
    assert ended.state == "failed"
    assert str(home.path / "datasets") in ended.message
    assert is_one_sentence(ended.message)


# --- from a ZIP ----------------------------------------------------------------------------------


def test_only_the_pictures_of_a_zip_are_unpacked(workshop: Workshop, home: Home) -> None:
    def write(packed: zipfile.ZipFile) -> None:
        packed.mkdir("empty")
        for name, data in pictures(6, "photos\\kind").items():  # as .NET once packed
            packed.writestr(zipfile.ZipInfo(name), data)
        packed.writestr("photos/kind_0/broken.jpg", b"Dear Sir or Madam,\n")
        packed.writestr("__MACOSX/photos/0.jpg", b"x")
        packed.writestr("photos/.hidden.jpg", JPEG)
        packed.writestr("photos/readme.txt", b"x" * 10_000)

    ended = workshop.made(workshop.archive(write))
    assert ended.report is not None
    assert [skip.path for skip in ended.report.skipped] == ["kind_0/broken.jpg"]
    assert workshop.paths() == sorted(pictures(6))
    folder = home.path / "datasets" / "uploaded" / "new"
    assert workshop.left() == [folder]
    assert not [path for path in folder.rglob("*") if path.suffix == ".txt"]
    assert home.service().image("new", 0).labels == ("kind_0",)


# The others zipfile itself does not pack as the name of a file.
@pytest.mark.parametrize("name", BAD_NAMES[:7])
def test_no_name_in_a_zip_leads_out_of_the_folder(workshop: Workshop, name: str) -> None:
    def write(packed: zipfile.ZipFile) -> None:
        packed.writestr("good.jpg", JPEG)
        packed.writestr(name, JPEG)

    assert "rename it" in workshop.failed(workshop.archive(write))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_a_zip_with_a_link_or_a_device_is_refused(workshop: Workshop, kind: int) -> None:
    def write(packed: zipfile.ZipFile) -> None:
        packed.writestr("good.jpg", JPEG)
        link = zipfile.ZipInfo("link.jpg")
        link.create_system = 3
        link.external_attr = (kind | 0o777) << 16
        packed.writestr(link, "/etc/passwd")

    assert "link.jpg" in workshop.failed(workshop.archive(write))


def changed(archive: Archive, change: Callable[[bytearray], None]) -> Archive:
    data = bytearray(archive.file.read_bytes())
    change(data)
    archive.file.write_bytes(data)
    return archive


def one(packed: zipfile.ZipFile) -> None:
    packed.writestr("a.jpg", JPEG)


CENTRAL = b"PK\x01\x02"


def test_an_encrypted_zip_is_refused(workshop: Workshop) -> None:
    def encrypt(data: bytearray) -> None:
        data[data.rindex(CENTRAL) + 8] |= 1

    assert "without a password" in workshop.failed(changed(workshop.archive(one), encrypt))


def test_a_zip_packed_in_a_rare_way_is_refused(workshop: Workshop) -> None:
    def compress_as_deflate64(data: bytearray) -> None:
        data[data.rindex(CENTRAL) + 10] = 9

    archive = changed(workshop.archive(one), compress_as_deflate64)
    assert "pack it as a plain ZIP" in workshop.failed(archive)


def test_other_files_than_zips_are_refused(workshop: Workshop) -> None:
    for data in (b"", JPEG, b"PK\x05\x06", b"Rar!\x1a\x07\x01\x00"):
        file = workshop.arrived / "upload-zip"
        file.write_bytes(data)
        assert "is not a ZIP archive" in workshop.failed(Archive(file, "holiday.zip"))


def test_a_damaged_or_truncated_zip_is_refused(workshop: Workshop) -> None:
    def damage(data: bytearray) -> None:
        data[60] ^= 0xFF

    def cut_off(data: bytearray) -> None:
        del data[len(data) // 2 :]

    for change in (damage, cut_off):
        archive = changed(workshop.archive(one), change)
        assert "or a damaged one" in workshop.failed(archive)


def test_a_zip_without_a_picture_is_refused(workshop: Workshop) -> None:
    assert "holds no picture" in workshop.failed(workshop.archive(lambda packed: None))
    hidden = workshop.archive(lambda packed: packed.writestr(".a.jpg", JPEG))
    assert "holiday.zip holds no picture" in workshop.failed(hidden)


def unpack(archive: Archive, folder: Path, **options: Any) -> None:
    uploads.unpack(
        archive.file,
        archive.name,
        folder,
        suffixes=SUFFIXES,
        on_progress=lambda stage, done, total: None,
        **options,
    )


def test_a_zip_that_would_fill_the_disk_is_refused_before_it_is_unpacked(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = workshop.archive(lambda packed: packed.writestr("a.bmp", bytes(5_000_000)))
    assert bomb.file.stat().st_size < 10_000
    with pytest.raises(DatasetError, match=r"holiday\.zip.*fewer pictures") as refusal:
        unpack(bomb, tmp_path / "new", most_bytes=4_000_000)
    assert is_one_sentence(str(refusal.value))
    free = SimpleNamespace(free=14_000_000)  # some of it always stays free
    monkeypatch.setattr("shutil.disk_usage", lambda path: free)
    with pytest.raises(StorageError, match=r"5 MB.*14 MB.*make room"):
        unpack(bomb, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_zip_that_holds_more_than_it_declares_is_refused(
    workshop: Workshop, tmp_path: Path
) -> None:
    def understate(data: bytearray) -> None:
        at = data.rindex(CENTRAL) + 24
        data[at : at + 4] = (1000).to_bytes(4, "little")

    bomb = workshop.archive(lambda packed: packed.writestr("a.bmp", bytes(5_000_000)))
    assert "or a damaged one" in workshop.failed(changed(bomb, understate))


def test_bytes_are_counted_while_they_are_unpacked(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def endless(*arguments: object) -> bytes:
        reads.append(1)
        return bytes(1000)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", endless)
    with pytest.raises(DatasetError, match=r"holiday\.zip"):
        unpack(workshop.archive(one), tmp_path / "new")
    assert len(reads) <= 1 + len(JPEG) // 1000 + 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("turns", [300, pytest.param(1500, marks=pytest.mark.slow)])
def test_any_zip_gives_a_folder_or_one_sentence(
    workshop: Workshop, tmp_path: Path, turns: int
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(3):
            packed.writestr(f"a/{number}.jpg", bytes(range(256)) * number)
    good, chance = file.getvalue(), random.Random(1)
    archive = Archive(workshop.arrived / "upload-zip", "holiday.zip")
    messages = []
    for turn in range(turns):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 5))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        archive.file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        folder = tmp_path / "out" / str(turn)
        try:
            unpack(archive, folder)
        except AppError as exc:
            messages.append(str(exc))
            assert not folder.exists()
    assert len(messages) > turns // 3
    assert all(map(is_one_sentence, messages))
    assert not list((tmp_path / "out").glob(".*"))
