"""A walk lists every picture once, opens none, and is silent about nothing that it leaves out."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import DatasetError, UsageError
from app.sources.own import open_folder, open_folders
from app.sources.picture import Picture, file_of
from tests.commands import ASCII_LOCALE
from tests.conftest import ROOT, encoded, is_one_sentence, picture
from tests.sources.files import left_out, paths, put

_NOBODY = 65534
_opened: list[str] | None = None


def reasons(folder: Path) -> dict[str, str]:
    """Return why each picture of a folder is missing, by its path."""
    return {each.path: each.missing for each in open_folder(folder, "own").pictures()}


# --- sizes, times, calls -------------------------------------------------------------------------


def test_each_picture_has_the_size_and_time_of_its_file(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "2.png", "no-suffix")
    (tmp_path / "no-suffix").write_bytes(encoded(picture(1)))
    (tmp_path / "3.jpg").symlink_to("2.png")
    os.utime(tmp_path / "2.png", ns=(0, 123_456_789_012_345_678))

    found = open_folder(tmp_path, "own").pictures()

    assert [each.path for each in found] == ["2.png", "3.jpg", "a/1.jpg", "no-suffix"]
    for each in found:
        status = (tmp_path / each.path).stat()
        assert (each.size, each.mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_size_time_and_folder_change_no_text_of_a_recipe() -> None:
    one = Picture("a.jpg", ("x",), source=3, size=1, mtime_ns=2)
    assert repr(one) == repr(Picture("a.jpg", ("x",)))
    assert one == Picture("a.jpg", ("x",), source=3)
    assert one != Picture("a.jpg", ("x",))


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The paths of all files that are opened, by whatever way."""
    global _opened
    sys.addaudithook(_audit)  # there is no way to remove it
    _opened = []
    yield _opened
    _opened = None


def test_no_file_with_a_suffix_is_opened(tmp_path: Path, opened: list[str]) -> None:
    put(tmp_path, *(f"{n}/{n}.jpg" for n in range(20)), "notes.txt", "no-suffix")
    opened.clear()
    assert len(paths(tmp_path)) == 20
    assert [Path(path).name for path in opened] == ["no-suffix"]


def test_files_cost_no_call_beside_the_one_of_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"a/{n}.jpg" for n in range(50)))
    calls = []
    for name in ("stat", "lstat", "access", "readlink"):
        published = getattr(os, name)

        def counted(path: object, *args: object, published=published, **more: object) -> object:
            calls.append(path)
            return published(path, *args, **more)

        monkeypatch.setattr(os, name, counted)
    assert len(paths(tmp_path)) == 50
    assert not [path for path in calls if str(path).endswith(".jpg")]


# --- several folders, links, inode numbers -------------------------------------------------------


def test_several_folders_are_listed_in_their_order(tmp_path: Path) -> None:
    put(tmp_path, "z/1.jpg", "z/b/2.jpg", "a/1.jpg")
    layout = open_folders([tmp_path / "z", tmp_path / "a"], "own")
    found = layout.pictures()
    assert layout.folder == tmp_path / "z"
    assert layout.folders == (tmp_path / "z", tmp_path / "a")
    assert [(each.source, each.path) for each in found] == [
        (0, "1.jpg"),
        (0, "b/2.jpg"),
        (1, "1.jpg"),
    ]
    assert [file_of(layout.folders, each) for each in found] == [
        tmp_path / "z" / "1.jpg",
        tmp_path / "z" / "b" / "2.jpg",
        tmp_path / "a" / "1.jpg",
    ]


def test_a_folder_in_another_is_listed_once_whichever_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "own/sub/1.jpg", "own/2.jpg")
    own, sub = tmp_path / "own", tmp_path / "own" / "sub"
    (tmp_path / "link").symlink_to(sub, target_is_directory=True)
    for folders in ([own, sub], [sub, own], [own, tmp_path / "link", own], [own, own / "sub/.."]):
        layout = open_folders(folders, "own")
        files = [file_of(layout.folders, each).resolve() for each in layout.pictures()]
        assert sorted(files) == [own / "2.jpg", sub / "1.jpg"]


def test_the_same_folder_named_twice_is_one(tmp_path: Path) -> None:
    put(tmp_path, "own/1.jpg")
    (tmp_path / "link").symlink_to("own", target_is_directory=True)
    layout = open_folders([tmp_path / "own", tmp_path / "link"], "own")
    assert layout.folders == (tmp_path / "own",)


def test_a_folder_that_is_left_out_of_another_can_be_named_itself(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", ".hidden/2.jpg", "raw/3.jpg")
    folders = (tmp_path, tmp_path / ".hidden", tmp_path / "raw")
    assert paths(*folders, exclude=("raw/",)) == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_folders_own_path_wins_over_a_link_in_another(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "to-b").symlink_to(tmp_path / "b", target_is_directory=True)
    found = open_folders([tmp_path / "a", tmp_path / "b"], "own").pictures()
    assert found == [Picture("1.jpg", ()), Picture("2.jpg", (), source=1)]


def test_no_folder_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="name one"):
        open_folders([], "own")


def test_every_folder_is_listed_where_all_have_the_same_inode_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "own/a/1.jpg", "own/a/deep/2.jpg", "own/b/3.jpg", "elsewhere/4.jpg")
    own = tmp_path / "own"
    (own / "b" / "up").symlink_to("..", target_is_directory=True)
    (own / "z").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    published = {name: getattr(os, name) for name in ("stat", "lstat")}

    def numbered_zero(name: str):
        def asked(*args: object, **more: object) -> os.stat_result:
            status = published[name](*args, **more)
            return os.stat_result((status.st_mode, 0, 0, *status[3:]))

        return asked

    for name in published:
        monkeypatch.setattr(os, name, numbered_zero(name))
    assert (own / "a").stat().st_ino == (own / "b").stat().st_ino == 0
    assert paths(own) == ["a/1.jpg", "a/deep/2.jpg", "b/3.jpg", "z/4.jpg"]


# --- what is a picture ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["IMG_0001", "Scan.", "a b"])
def test_a_file_without_a_suffix_is_a_picture_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    put(tmp_path, "README", "always.jpg")
    (tmp_path / "empty").touch()
    (tmp_path / name).write_bytes(encoded(picture(1)))
    assert {*paths(tmp_path)} == {"always.jpg", name}
    assert left_out(tmp_path) == {"not a picture (no suffix)": 2}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert paths(tmp_path) == ["1.jpg"]
    assert left_out(tmp_path) == {"no file or folder": 2}


# --- what is there by its name alone -------------------------------------------------------------


def test_a_link_to_nothing_that_is_named_like_a_picture_is_seen(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    (tmp_path / "gone.jpg").symlink_to("away/gone.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "notes").symlink_to("away/notes")
    (tmp_path / "self").symlink_to("self")
    why = reasons(tmp_path)
    assert why.keys() == {"1.jpg", "gone.jpg", "loop.jpg"}
    assert not why["1.jpg"]
    assert "away/gone.jpg" in why["gone.jpg"]
    assert is_one_sentence(why["gone.jpg"])
    assert is_one_sentence(why["loop.jpg"])
    assert left_out(tmp_path) == {"a link to nothing": 2}


def test_a_link_into_a_git_annex_names_the_command_that_gets_its_content(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").symlink_to(".git/annex/objects/0/1/SHA256E-s1--a.jpg/SHA256E-s1--a.jpg")
    why = reasons(tmp_path)["1.jpg"]
    assert "git annex get" in why
    assert is_one_sentence(why)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder below which rights count: whoever runs the tests is nobody in particular there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for each in folder.rglob("*"):
            each.chmod(0o755)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Make the test run without root's right to everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(_NOBODY)
    yield
    os.seteuid(0)


def locked(folder: Path, mode: int) -> None:
    """Give a folder's sub-folder "locked" a mode, for everybody."""
    (folder / "locked").chmod(mode)


@pytest.mark.parametrize("mode", [0o444, 0o000, 0o111])
def test_a_folder_that_may_not_be_entered_or_listed_is_seen(
    shared: Path, request: pytest.FixtureRequest, mode: int
) -> None:
    put(shared, "open/1.jpg", "locked/2.jpg", "locked/3.jpg", "locked/deep/4.jpg")
    locked(shared, mode)
    request.getfixturevalue("nobody")
    found = open_folder(shared, "own").pictures()
    assert found[-1] == Picture("open/1.jpg", ("open",))
    (seen,) = found[:-1]
    assert (seen.path, seen.labels) == ("locked", ())
    assert "may not be entered (Permission denied)" in seen.missing
    assert is_one_sentence(seen.missing)
    with pytest.raises(DatasetError, match=r"locked may not be entered \(Permission denied\)"):
        open_folder(shared / "locked", "own").pictures()


def test_a_link_into_a_folder_that_may_not_be_entered_is_seen(
    shared: Path, request: pytest.FixtureRequest
) -> None:
    put(shared, "own/1.jpg", "locked/2.jpg")
    (shared / "own" / "link").symlink_to(shared / "locked" / "2.jpg")
    locked(shared, 0o444)
    request.getfixturevalue("nobody")
    assert "(Permission denied)" in reasons(shared / "own")["link"]


def test_an_ignore_file_that_may_not_be_read_is_named(
    shared: Path, request: pytest.FixtureRequest
) -> None:
    put(shared, "1.jpg", ".risignore")
    (shared / ".risignore").chmod(0)
    request.getfixturevalue("nobody")
    with pytest.raises(DatasetError, match=r"\.risignore cannot be read \(Permission denied\)"):
        paths(shared)


def test_a_folder_that_goes_away_while_it_is_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "own/1.jpg", "own/a/2.jpg")
    own, published = tmp_path / "own", os.scandir

    def gone_after_its_first_folder(folder: Path) -> object:
        if Path(folder) == own / "a":
            own.rename(tmp_path / "away")
        return published(folder)

    monkeypatch.setattr(os, "scandir", gone_after_its_first_folder)
    with pytest.raises(DatasetError, match="own went away"):
        paths(own)


# --- names ---------------------------------------------------------------------------------------


def test_under_an_ascii_locale_names_and_labels_are_those_of_utf_8(tmp_path: Path) -> None:
    put(tmp_path, "Größe/é.jpg", "日本/2.jpg", "日本/not/3.jpg")
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    (tmp_path / "Größe" / ".risignore").write_text("nicht-ö.jpg")
    put(tmp_path, "Größe/nicht-ö.jpg")
    program = (
        f"import sys; sys.path[0] = {str(ROOT)!r}\n"
        "from pathlib import Path\n"
        "from app.sources.own import open_folder, open_folders\n"
        "from app.sources.picture import file_of\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "typed = '日本'.encode().decode('ascii', 'surrogateescape')\n"
        "for layout in (\n"
        "    open_folders([Path('.')], 'x', exclude=[typed + '/not']),\n"
        "    open_folder(Path(typed), 'x'),\n"
        "):\n"
        "    for each in layout.pictures():\n"
        "        print(ascii((each.path, each.labels, file_of(layout.folders, each).exists())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-"],
        input=program.encode(),
        cwd=tmp_path,
        env=os.environ | ASCII_LOCALE,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().splitlines() == [
        ascii(each)
        for each in [
            ("Größe/é.jpg", ("Größe",), True),
            ("日本/2.jpg", ("日本",), True),
            ("\udcff.jpg", (), True),
            ("2.jpg", (), True),
            ("not/3.jpg", ("not",), True),
        ]
    ]


def test_two_spellings_of_a_folders_name_are_one_label(tmp_path: Path) -> None:
    put(tmp_path, "a/Cafe\u0301/1.jpg", "b/Caf\u00e9/2.jpg", "Caf\u00e9/Cafe\u0301/3.jpg")
    found = open_folder(tmp_path, "own").pictures()
    assert [each.labels for each in found] == [
        ("Caf\u00e9",),
        ("Caf\u00e9", "a"),
        ("Caf\u00e9", "b"),
    ]
    assert all((tmp_path / each.path).is_file() for each in found)
