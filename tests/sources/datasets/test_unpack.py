"""Only the files of one folder come out of an archive, and none of them outside the target."""

import io
import tarfile
from pathlib import Path

import pytest

from app.sources.datasets.unpack import FAILURES, unpack
from tests.sources.datasets.conftest import make_tar, make_zip

FILES = {
    "set/images/1.jpg": b"one",
    "./set/images/2.jpg": b"two",
    "set/../../outside.jpg": b"out",
    "../set/outside.jpg": b"out",
    "/set/outside.jpg": b"out",
    "set-too/3.jpg": b"another folder",
    "readme.txt": b"beside",
}
UNPACKED = {"images/1.jpg": b"one", "images/2.jpg": b"two"}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() or file.is_symlink()
    }


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz in a zip"])
def test_the_files_of_a_folder_are_unpacked_and_no_others(tmp_path, kind):
    archive = tmp_path / f"archive.{kind[-3:]}"
    again = "parts/inner.tar.gz" if "in a" in kind else ""
    if again:
        archive.write_bytes(make_zip({again: make_tar(FILES, "w:gz"), "set/no.jpg": b"no"}))
    else:
        archive.write_bytes(make_zip(FILES) if kind == "zip" else make_tar(FILES, "w:"))
    unpack(archive, "set", tmp_path / "well" / "below" / "into", packed_again=again)
    assert tree(tmp_path) == {
        archive.name: archive.read_bytes(),
        **{f"well/below/into/{name}": content for name, content in UNPACKED.items()},
    }


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_what_is_no_file_are_left_out(tmp_path, kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("set/link.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    (tmp_path / "archive.tar").write_bytes(buffer.getvalue())
    (tmp_path / "into").mkdir()
    unpack(tmp_path / "archive.tar", "set", tmp_path / "into")
    assert tree(tmp_path / "into") == {}


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("length", [0, 100, 600])
def test_a_cut_archive_raises_one_of_the_failures(tmp_path, kind, length):
    archive = tmp_path / f"archive.{kind}"
    files = {"set/1.jpg": bytes(2000)}
    archive.write_bytes((make_zip(files) if kind == "zip" else make_tar(files, "w:"))[:length])
    with pytest.raises(FAILURES):
        unpack(archive, "set", tmp_path / "into")
