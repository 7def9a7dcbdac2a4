"""What the download needs, what it writes to the terminal, and what documents say about it."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import BusyError, DatasetError, FetchError, StorageError, UsageError
from app.sources.datasets.register import DATA_SETS
from tests.conftest import ROOT
from tests.sources.datasets.conftest import SCRIPT, one_sentence

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")


# What it runs with


def test_nothing_needs_to_be_installed(download, tmp_path):
    """Only bash, dirname and Python with its standard library are there."""
    python = stub(tmp_path / "python", f'exec "{sys.executable}" -S "$@"')
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    for name in (each.short_name() for each in DATA_SETS.values()):
        result = download.bash(name, PYTHON=str(python), PATH=str(tools))
        assert (result.returncode, result.stderr) == (0, "")


def test_it_runs_where_another_program_of_that_name_is(download, tmp_path):
    for name in ("app", "zipfile"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(99)")
    (tmp_path / "json.py").write_text("raise SystemExit(99)")
    assert download.command()["cwd"] == tmp_path
    assert download.bash("caltech").returncode == 0
    assert download.bash("caltech", PYTHONPATH=str(tmp_path)).returncode == 0


def stub(file: Path, line: str) -> Path:
    """Make a program of one line of shell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
    return file


TOO_OLD, NEW_ENOUGH = "exit 1", 'test "$1" = -c || echo "{} $*"'


@pytest.mark.parametrize(
    ("own", "system", "ran"),
    [
        (NEW_ENOUGH, NEW_ENOUGH, "own"),
        (TOO_OLD, NEW_ENOUGH, "system"),
        (None, NEW_ENOUGH, "system"),
        (None, TOO_OLD, None),
    ],
)
def test_the_project_s_python_is_taken_and_else_the_system_s(tmp_path, own, system, ran):
    shutil.copy(SCRIPT, tmp_path)
    if own:
        stub(tmp_path / ".venv" / "bin" / "python", own.format("own"))
    stub(tmp_path / "bin" / "python3", system.format("system"))
    result = subprocess.run(
        ["bash", tmp_path / "data_download.sh", "caltech"],
        env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran:
        expected = f"{ran} -P -m app.sources.datasets caltech\n"
        assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")
    else:
        assert (result.returncode, result.stdout) == (1, "")
        assert "python3 is needed" in one_sentence(result)


def test_a_missing_python_is_named(download):
    result = download.bash("caltech", PYTHON="no-such-python")
    assert result.returncode == 1
    assert "no-such-python is needed" in one_sentence(result)


@pytest.mark.parametrize("size", [None, ""])
def test_a_bar_shows_on_a_terminal_how_far_it_is(download, size):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = download.command("market", MARKET_SIZE=size, COLUMNS="40") | {"stderr": theirs}
    with subprocess.Popen(**command) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says so at the end
            while part := os.read(ours, 1000):
                shown += part
        said = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"\r#+ 100\.0%\r\n$", shown)
    assert "#" not in said


def test_whoever_has_read_enough_ends_it_without_a_traceback(download):
    reading, writing = os.pipe()
    os.close(reading)
    command = download.command("caltech") | {"stdout": writing}
    with subprocess.Popen(**command) as process:
        os.close(writing)
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_name_of_a_folder_is_written_as_the_system_has_it(download, tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff\xc3\xbc"
    command = download.command(
        "caltech", PYTHONIOENCODING="ascii:strict", RIS_DATASETS_DIR=folder
    ) | {"text": False}
    result = subprocess.run(**command, timeout=60, check=False)
    assert result.returncode == 0
    assert folder in result.stdout


# What is written about it


README = (ROOT / "datasets" / "README.md").read_text()
DATA_SETS_AND_ARCHIVES = [
    (data_set, archive) for data_set in DATA_SETS.values() for archive in data_set.archives
]


def test_the_readme_lists_every_variable_and_exit_code():
    variables = {"RIS_HOME", "RIS_DATASETS_DIR", "PYTHON"}
    for _, archive in DATA_SETS_AND_ARCHIVES:
        variables |= set(archive.variables.values())
    assert len(variables) == 26
    assert variables == set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`", README))
    errors = (UsageError, FetchError, DatasetError, StorageError, BusyError)
    codes = [1, *(error.exit_code for error in errors)]
    assert re.findall(r"^\| (\d) \|", README, re.MULTILINE) == [str(code) for code in codes]


def test_the_readme_states_names_archives_sizes_and_pages_as_they_are_in_the_code():
    rows = re.findall(r"^\| `(\w+)`(.*)$", README, re.MULTILINE)
    layouts = {name: row for name, row in rows if name in DATA_SETS}
    downloads = dict(rows[len(DATA_SETS) :])
    assert list(layouts) == list(DATA_SETS)
    for data_set, archive in DATA_SETS_AND_ARCHIVES:
        assert all(f"`{alias}`" in layouts[data_set.name] for alias in data_set.aliases)
        row = downloads[data_set.short_name()]
        assert f"`{archive.file}`" in row
        assert archive.size_bytes is None or f"{archive.size_bytes:,}" in row
        assert f"]({data_set.page})" in README
        assert f"]({archive.by_hand})" in README or not archive.by_hand


def test_the_documents_list_the_names_of_the_data_sets():
    galleries = (ROOT / "docs" / "galleries.md").read_text()
    table = galleries.split("| `--data` |")[1].split("\n\n")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    data_sets = DATA_SETS.values()
    assert [set(row) for row in rows] == [{each.name, *each.aliases} for each in data_sets]
    for document in ("README.md", "docs/cli.md"):
        (row,) = re.findall(r"^\| `--data SET` \|.*$", (ROOT / document).read_text(), re.MULTILINE)
        assert {each.short_name() for each in data_sets} <= set(re.findall(r"`(\w+)`", row))
