"""Any name on any terminal: nothing that cannot be encoded or must not be obeyed is printed."""

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.doors.cli import create_index, main, output
from tests.commands import ASCII_LOCALE
from tests.conftest import ROOT, Home, encoded, picture

ENCODINGS = ("ascii", "latin-1", "utf-8")
ABROAD = "日本/ü.jpg"
NASTY = "b\x1b[2J\u202egpj.\n.jpg"
OBEYED = set(map(chr, [*range(32), *range(127, 160), 0x2028, 0x202E, 0xFFF9])) - {"\n"}
Run = Callable[..., tuple[int, bytes, bytes]]


class Terminal(io.TextIOWrapper):
    """A stream of an encoding that takes no character that it lacks; perhaps a terminal."""

    def __init__(self, encoding: str, *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def written(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "mine", whose pictures have names from abroad, in a folder that is not UTF-8."""
    home = Home(tmp_path_factory.mktemp("names") / "home")
    pictures = home.path / "caf\udce9"
    for seed, name in enumerate((ABROAD, NASTY, "c.jpg")):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).write_bytes(encoded(picture(seed), quality=90))
    (pictures / "text\n.jpg").write_text("no picture")
    (pictures / "caf\udce9.jpg").write_bytes(encoded(picture(5)))
    home.build(pictures)
    return home


@pytest.fixture
def run(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `ris` with streams of an encoding: exit code, stdout, stderr."""
    for name in ("RIS_DATASETS_DIR", "RIS_WEIGHTS_DIR", "RIS_API_TOKEN", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RIS_HOME", str(home.path))
    monkeypatch.setenv("RIS_CACHE_DIR", str(tmp_path / "cache"))

    def run_it(
        encoding: str,
        *arguments: object,
        is_terminal: bool = False,
        command: Callable[[list[str]], int] = main,
    ) -> tuple[int, bytes, bytes]:
        out, err = Terminal(encoding, is_terminal=is_terminal), Terminal(encoding)
        monkeypatch.setattr("sys.stdin", None)
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stderr", err)
        try:
            code = command([str(argument) for argument in arguments])
        except SystemExit as exc:  # argparse
            code = int(exc.code or 0)
        return code, out.written(), err.written()

    return run_it


def assert_is_for_people(data: bytes, encoding: str) -> None:
    """Assert that lines have nothing a terminal would obey."""
    assert not OBEYED & set(data.decode(encoding)), data


# Lines for people


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "command",
    [
        ["search", "--id", "2", "--gallery", "mine"],
        ["search", "--id", "2", "--id", "0", "--gallery", "mine", "--no-previews"],
        ["galleries"],
        ["info"],
        ["verify"],
        ["evaluate", "mine"],
        ["inspect", "--gallery", "mine"],
        ["completion", "bash"],
        ["--help"],
        ["search", "--help"],
    ],
    ids=" ".join,
)
def test_every_command_prints_on_every_terminal(run: Run, encoding: str, command: list[str]):
    code, out, err = run(encoding, *command)
    assert code == 0, err
    assert out
    if command[0] != "completion":  # its script is indented with tabs
        assert_is_for_people(out, encoding)


def test_what_an_encoding_lacks_is_written_in_ascii(run: Run) -> None:
    lines = {
        encoding: run(encoding, "search", "--id", "2", "--gallery", "mine")[1].decode(encoding)
        for encoding in ENCODINGS
    }
    assert r"\u65e5\u672c/\xfc.jpg" in lines["ascii"]
    assert r"\u65e5\u672c/ü.jpg" in lines["latin-1"]
    assert ABROAD in lines["utf-8"]
    assert "b?[2J?gpj.?.jpg" in lines["ascii"]
    assert "b�[2J�gpj.�.jpg" in lines["utf-8"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_inspect_says_which_names_it_cannot_read(
    run: Run, home: Home, tmp_path: Path, encoding: str
) -> None:
    page = tmp_path / "report.html"
    code, out, err = run(encoding, "inspect", "--images", home.path / "caf\udce9", "--report", page)
    assert code == 0, err
    assert_is_for_people(out, encoding)
    assert re.search(rb"caf\\udce9\.jpg: .*UTF-8", out)
    assert re.search(rb"\.jpg: .*text", out)
    assert not OBEYED & set(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_build_says_what_it_skips(run: Run, home: Home, encoding: str) -> None:
    code, out, err = run(
        encoding,
        *("--images", home.path / "caf\udce9", "--name", "built", "--model", "mean_colour"),
        *("--force", "--index", "Flat"),
        command=create_index,
    )
    assert code == 0, err
    assert_is_for_people(out, encoding)
    skipped = [line for line in out.splitlines() if line.startswith(b"Skipped")]
    assert len(skipped) == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "command",
    [
        ["search", NASTY],
        ["search", ABROAD, "caf\udce9.jpg"],
        ["search", f"http://[{NASTY}"],
        ["search", "--id", NASTY],
        ["search", "--id", "0", "--label", NASTY],
        ["search", "--id", "0", "--gallery", NASTY],
        ["search", "--id", "0", f"--{NASTY}"],
        ["search", "--id", "0", "--server", f"http://{NASTY}/"],
        ["search", "--id", "0", "-k", NASTY],
        ["info", NASTY],
        ["verify", NASTY],
        ["evaluate", NASTY],
        ["inspect", "--images", NASTY],
        ["inspect", "--images", f"caf\udce9{ABROAD}"],
        ["export", "mine", f"no such folder/{NASTY}/x"],
        [NASTY],
    ],
    ids=ascii,
)
def test_an_error_names_the_offending_value_on_every_terminal(
    run: Run, encoding: str, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no such folder").write_text("a file")
    code, out, err = run(encoding, *command)
    assert code in (2, 3, 4, 7), err
    assert out + err
    assert_is_for_people(out, encoding)
    assert_is_for_people(err, encoding)
    assert b"Traceback" not in err


# JSON


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "command",
    [
        ["search", "--id", "2", "--gallery", "mine"],
        ["search", "--id", "2", f"{NASTY}caf\udce9", ABROAD, "--gallery", "mine"],
        ["inspect", "--gallery", "mine"],
        ["evaluate", "mine"],
        ["galleries"],
        ["info", "mine"],
    ],
    ids=ascii,
)
def test_json_can_be_read_back_on_every_terminal(
    run: Run, encoding: str, command: list[str]
) -> None:
    _, out, _ = run(encoding, *command, "--json")
    assert out
    assert_is_for_people(out, encoding)
    for line in out.decode(encoding).splitlines():
        json.loads(line)


def test_json_has_the_names_as_they_are(run: Run) -> None:
    for encoding in ENCODINGS:
        _, out, _ = run(encoding, "search", "--id", "2", "--gallery", "mine", "--json")
        paths = {result["path"] for result in json.loads(out.decode(encoding))["results"]}
        assert paths == {ABROAD, NASTY, "c.jpg"}


def test_json_is_not_escaped_where_it_need_not_be(run: Run) -> None:
    wanted = "--id", "2", "--gallery", "mine", "-k", "1", "--json"
    assert ABROAD.encode() in run("utf-8", "search", *wanted)[1]
    assert rb"\u65e5\u672c/\u00fc.jpg" in run("latin-1", "search", *wanted)[1]


# Paths


def original(home: Home, name: str) -> bytes:
    return os.fsencode(home.path / "caf\udce9" / name)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_paths_are_the_files_names_byte_by_byte(run: Run, home: Home, encoding: str) -> None:
    _, out, err = run(encoding, "search", "--id", "2", "--gallery", "mine", "--paths", "-0")
    assert err == b""
    assert out.endswith(b"\0")
    found = out.removesuffix(b"\0").split(b"\0")
    assert set(found) == {original(home, name) for name in (ABROAD, NASTY, "c.jpg")}
    _, lines, _ = run(encoding, "search", "--id", "2", "-k", "1", "--gallery", "mine", "--paths")
    assert lines == original(home, ABROAD) + b"\n"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_paths_on_a_terminal_have_nothing_that_it_would_obey(run: Run, encoding: str) -> None:
    asked = "--id", "2", "--gallery", "mine", "--paths"
    _, out, _ = run(encoding, "search", *asked, is_terminal=True)
    assert_is_for_people(out, encoding)
    assert len(out.splitlines()) == 3


def test_null_without_paths_is_refused(run: Run) -> None:
    code, out, err = run("utf-8", "search", "--id", "2", "--null")
    assert (code, out) == (2, b"")
    assert b"--paths" in err
    assert err.count(b"\n") == 1


@pytest.mark.parametrize(
    "environment",
    [
        ASCII_LOCALE,
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=["locale", "encoding"],
)
def test_xargs_finds_the_files_where_the_locale_knows_ascii_alone(
    home: Home, tmp_path: Path, environment: dict[str, str]
) -> None:
    own = {"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(tmp_path / "cache")}
    search = f'"{sys.executable}" -m app search --id 2 --gallery mine --paths'
    for piped in (f"{search} -0 | xargs -0 cat", f"{search} -k 1 | xargs cat"):
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {piped} | wc -c"],
            cwd=ROOT,
            env=os.environ | own | environment,
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert int(ended.stdout) > 500


def test_a_closed_standard_output_is_no_traceback(home: Home, tmp_path: Path) -> None:
    own = {"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(tmp_path / "cache")}
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m app search --id 2 --gallery mine --paths >&-'],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


# One place


def test_nothing_but_the_one_module_writes_to_the_streams() -> None:
    """Else a name may go to the terminal as it is."""
    for file in (ROOT / "app" / "doors" / "cli").glob("*.py"):
        if file.stem == Path(output.__file__).stem:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print", f"{file.name}:{node.lineno}"
                assert not called.startswith(("sys.stdout.write", "sys.stderr.write")), file.name
