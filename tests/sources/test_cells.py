"""A cell of a list is the picture itself, a file of this machine, or an address."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import FetchError
from app.sources.cells import LocalFiles, read_data_url, reader
from app.values import MAX_PICTURE_BYTES
from tests.conftest import is_one_sentence

DATA = bytes(range(256)) + b"\x00"  # 257 bytes: its base64 ends with =, and holds + and /
TEXT = base64.b64encode(DATA).decode()
CUT = base64.b64encode(DATA[:5]).decode()


def fetched(url: str) -> bytes:
    return f"fetched {url}".encode()


@pytest.mark.parametrize(
    "cell",
    [
        f"data:image/png;base64,{TEXT}",
        f"DATA:image/jpeg;charset=utf-8;BASE64,{TEXT}",
        f"data:;base64,{TEXT}",
        f"data:application/octet-stream; base64 ,{TEXT}",
        f"data:image/png;base64,{TEXT.rstrip('=')}",
        f"data:image/png;base64,{TEXT}#part",
        f"data:image/webp;base64,{quote(TEXT, safe='')}",
        f"data:image/webp;base64,{base64.urlsafe_b64encode(DATA).decode()}",
        "data:image/png;base64, " + "\r\n\t ".join(TEXT[n : n + 76] for n in range(0, 400, 76)),
        f"data:image/png,{quote(DATA, safe='')}",
        f"data:,{quote(DATA)}",
    ],
)
def test_a_picture_in_a_cell_is_read_as_browsers_read_it(tmp_path: Path, cell: str) -> None:
    assert reader(fetched, tmp_path)(cell) == DATA


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "data:",
            "data:image/png;base64",
            "data:image/png;base64,",
            "data:,",
            "data:;base64,====",
        ),
        *(
            "data:image/png;base64,AAAA!AAA",
            "data:image/png;base64,A",
            "data:image/png;base64,AA=A",
        ),
        "data:image/png;base64,ÄÖÜ" + "x" * 1000,
    ],
)
def test_a_cell_without_a_picture_is_refused_in_one_short_sentence(
    tmp_path: Path, cell: str
) -> None:
    with pytest.raises(FetchError) as refusal:
        reader(fetched, tmp_path)(cell)
    assert len(str(refusal.value)) < 200


def test_a_picture_in_a_cell_is_no_larger_than_any_other() -> None:
    text = base64.b64encode(bytes(MAX_PICTURE_BYTES + 1)).decode()
    with pytest.raises(FetchError, match="50 MB"):
        read_data_url(f"data:image/png;base64,{text}")


@given(st.text(), st.sampled_from(["", ";base64", ";x=y;base64", "image/png"]))
def test_any_data_gives_bytes_or_one_sentence(text: str, head: str) -> None:
    message = ""
    try:
        assert read_data_url(f"data:{head},{text}")
    except FetchError as exc:
        message = str(exc)
    assert "\n" not in message


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give a list's folder with files in it and beside it, and links that lead out of it."""
    folder = tmp_path / "list"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "ä b%20.jpg").write_bytes(b"inside")
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "empty.jpg").touch()
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    (folder / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "within.jpg").symlink_to(folder / "a.jpg")
    return folder


NAMED: list[tuple[Callable[[Path], str], bytes]] = [
    (lambda folder: "a.jpg", b"a"),
    (lambda folder: "./sub/../a.jpg", b"a"),
    (lambda folder: "sub/ä b%20.jpg", b"inside"),
    (lambda folder: str(folder / "a.jpg"), b"a"),
    (lambda folder: (folder / "sub" / "ä b%20.jpg").as_uri(), b"inside"),
    (lambda folder: f"FILE://localhost{quote(str(folder))}/a.jpg", b"a"),
    (lambda folder: f"file:{folder}/a.jpg", b"a"),
    (lambda folder: "file:sub/%C3%A4%20b%2520.jpg", b"inside"),
    (lambda folder: "within.jpg", b"a"),
]
OUTSIDE: list[Callable[[Path], str]] = [
    lambda folder: "../outside.jpg",
    lambda folder: "link.jpg",
    lambda folder: "linked/outside.jpg",
    lambda folder: str(folder.parent / "outside.jpg"),
    lambda folder: (folder.parent / "outside.jpg").as_uri(),
    lambda folder: f"file:///{quote(str(folder)[1:])}/%2e%2e/outside.jpg",
]


@pytest.mark.parametrize(("name", "data"), NAMED)
def test_a_path_begins_at_the_lists_folder(
    files: Path, name: Callable[[Path], str], data: bytes
) -> None:
    assert reader(fetched, files)(name(files)) == data
    assert reader(fetched, files, LocalFiles(roots=(files,)))(name(files)) == data


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_or_link_leads_out_of_the_folders_that_are_allowed(
    files: Path, name: Callable[[Path], str]
) -> None:
    assert reader(fetched, files)(name(files)) == b"outside"
    with pytest.raises(FetchError, match="RIS_LIST_FOLDERS"):
        reader(fetched, files, LocalFiles(roots=(files,)))(name(files))


def test_the_home_folder_is_written_as_shells_write_it(
    files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(files))
    assert reader(fetched, tmp_path)("~/a.jpg") == b"a"


@pytest.mark.parametrize("name", ["a.jpg", "file:///etc/hostname", "/etc/hostname", "nothing"])
def test_where_no_file_may_be_named_none_is_looked_for(files: Path, name: str) -> None:
    with pytest.raises(FetchError, match="not here"):
        reader(fetched, files, LocalFiles(off="not here."))(name)


@pytest.mark.parametrize(
    "name",
    [
        *("nothing.jpg", "sub", "empty.jpg", "a\0b.jpg", "~nobody-of-that-name/a.jpg", "pipe"),
        *("file://example.org/a.jpg", "file:////example.org/a.jpg", "file://[", "x" * 5000),
        "example.org/cat.jpg",
    ],
)
def test_a_path_without_a_picture_is_refused_in_one_short_sentence(files: Path, name: str) -> None:
    os.mkfifo(files / "pipe")
    with pytest.raises(FetchError) as refusal:
        reader(fetched, files)(name)
    assert len(str(refusal.value)) < 250


HOSTS = [
    *("www.example.com/a.jpg", "www.example.com", "WWW.Example.com/a", "example.org/cat.jpg"),
    *("img.example-shop.co.uk/a?b=c.jpg", "müller.example/a.jpg", "192.0.2.1/a.jpg"),
]


@pytest.mark.parametrize("files_may_be_named", [True, False])
@pytest.mark.parametrize("name", HOSTS)
def test_an_address_without_its_beginning_is_not_called_a_missing_file(
    files: Path, name: str, files_may_be_named: bool
) -> None:
    allowed = LocalFiles() if files_may_be_named else LocalFiles(off="not here.")
    with pytest.raises(FetchError, match=r"(no|neither an) address.* https://") as refusal:
        reader(fetched, files, allowed)(name)
    assert is_one_sentence(str(refusal.value))
    assert "There is no file" not in str(refusal.value)
    assert "of the server's machine" not in str(refusal.value)


@pytest.mark.parametrize("name", ["cat.jpg", "sub/cat.jpg", "./example.org/cat.jpg", "2.1/cat.jpg"])
def test_a_path_that_names_no_host_is_called_a_missing_file(files: Path, name: str) -> None:
    with pytest.raises(FetchError, match="There is no file"):
        reader(fetched, files)(name)


def test_a_folder_may_have_the_name_of_a_host(files: Path) -> None:
    (files / "www.example.com").mkdir()
    (files / "www.example.com" / "a.jpg").write_bytes(b"mirrored")
    assert reader(fetched, files)("www.example.com/a.jpg") == b"mirrored"


@pytest.mark.parametrize(
    "url", ["http://x/a.jpg", "HTTPS://x/", "ftp://x/", "//x/a.jpg", r"\\x\a.jpg", "javascript:a"]
)
def test_everything_else_is_an_address(files: Path, url: str) -> None:
    assert reader(fetched, files)(url) == fetched(url)
