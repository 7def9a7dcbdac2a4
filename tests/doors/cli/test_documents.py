"""docs/cli.md names each command and option, and no other; its commands run as they stand there."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import errors
from app.doors.cli import duplicates, images, manage, update
from app.doors.cli.main import COMMANDS, make_parser
from tests.conftest import PHOTOGRAPHS, ROOT, Home, fill
from tests.doors.test_problems import error_classes

DOCUMENT = (ROOT / "docs" / "cli.md").read_text()
SECTIONS = {
    part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in DOCUMENT.split("\n## ris ")[1:]
}


@pytest.fixture
def help_of(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Return a function that gives the help of a command."""

    def run(name: str) -> str:
        with pytest.raises(SystemExit) as ended:
            make_parser("ris").parse_args([name, "--help"])
        assert ended.value.code == 0
        return capsys.readouterr().out

    return run


def options_in(text: str) -> dict[str, str]:
    """Return the options that a help names, with their descriptions."""
    rows = re.findall(r"^  (-.*?)(?:(?:  +|\n {10,})(\S.*))?$", text, re.MULTILINE)
    return {
        option: description
        for names, description in rows
        for option in re.findall(r"(?<!\S)-{1,2}[a-z0][a-z-]*", names)
    }


def test_the_document_has_a_section_for_each_command_and_no_other():
    assert set(SECTIONS) == {command.NAME for command in COMMANDS}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_each_option_of_its_command_and_no_other(name, help_of):
    options = set(options_in(help_of(name)))
    assert "--help" in options
    rows = re.findall(r"^\| (.*?) \|", SECTIONS[name], re.MULTILINE)
    named = {option for row in rows for option in re.findall(r"`(-{1,2}[a-z0][a-z-]*)", row)}
    assert named == options - {"-h", "--help"}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", SECTIONS[name]))
    assert used <= options


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.NAME)
def test_help_is_complete_and_ends_with_the_example_of_the_document(command, help_of):
    text = help_of(command.NAME)
    assert " ".join(text.split()).endswith(f"Example: {command.EXAMPLE}")
    if command.NAME != "create-index":  # shows the script, which is the same
        assert command.EXAMPLE.split(" --sample")[0] in DOCUMENT
    assert all(options_in(text).values())


def test_the_exit_codes_are_those_of_the_errors():
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE)}
    assert named == {kind.exit_code for kind in error_classes(errors.AppError)} | {0, 130, 141}


def commands_to_run() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    left_out = ("ris serve", "ris mcp", "create-index")  # these wait, or take long
    return [line for line in lines if not any(command in line for command in left_out)]


def changes_a_gallery(line: str) -> bool:
    changes = {update.NAME, images.ADD.NAME, images.REMOVE.NAME, duplicates.NAME}
    changes |= {command.NAME for command in manage.COMMANDS}
    return any(f"ris {name} " in line for name in changes)


@pytest.fixture
def shell(networks: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a line in a home with a photograph, `ris` on the path."""
    home = tmp_path / "home"
    (tmp_path / "bin").mkdir()
    home.mkdir()
    ris = tmp_path / "bin" / "ris"
    ris.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m app "$@"\n')
    ris.chmod(ris.stat().st_mode | stat.S_IXUSR)
    shutil.copy(next(p for p in PHOTOGRAPHS if p.stem == "chelsea"), home / "photo.jpg")
    (home / "Pictures").mkdir()
    shutil.copy(home / "photo.jpg", home / "Pictures")

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=home,
            env={
                "PATH": f"{ris.parent}:/usr/bin:/bin",
                "HOME": str(home),
                "RIS_CACHE_DIR": str(networks),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_commands_of_the_document_run_as_they_stand_there(shell, tmp_path):
    home = tmp_path / "home"
    printed = {}
    for line in commands_to_run():
        if changes_a_gallery(line):
            continue
        ended = shell(line)
        assert ended.returncode in (0, 141), (line, ended.stderr)
        printed[line] = ended.stdout
    assert len(printed) > 8
    table = next(out for line, out in printed.items() if "-k 5" in line)
    shown = re.search(r"```\n(rank.*?)…\n```", DOCUMENT, re.DOTALL)
    assert table.startswith(shown[1])
    assert (home / "results.png").is_file()
    completions = home / ".local/share/bash-completion/completions/ris"
    assert "ris" in completions.read_text()


def test_the_commands_that_change_a_gallery_run_as_they_stand_there(shell, tmp_path):
    own = Home(tmp_path / "own")
    pictures = fill(tmp_path / "home" / "Pictures", 20)
    own.build(pictures, "mine")
    own.build(fill(tmp_path / "holidays", 3, first=100), "holidays")
    shutil.copytree(pictures, tmp_path / "home" / "Photographs")
    (tmp_path / "home" / "captions.csv").write_text("file,caption\n00000.jpg,The first\n")
    lines = [line for line in commands_to_run() if changes_a_gallery(line)]
    assert len(lines) > 8
    for line in lines:
        ended = shell(line, RIS_HOME=str(own.path))
        assert ended.returncode == 0, (line, ended.stderr)
    assert own.service().names() == ["photographs"]
    info = own.service().gallery("photographs")
    assert (info.title, info.sources[0]) == (
        "Photographs since 1998",
        str(tmp_path / "home" / "Photographs"),
    )


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish", "tcsh", "powershell"])
def test_a_completion_script_names_every_command(shell_name, capsys):
    from app.doors.cli import main

    assert main(["completion", shell_name], program="ris") == 0
    script = capsys.readouterr().out
    for command in COMMANDS:
        assert command.NAME in script


def test_bash_completes_commands_options_and_galleries(tmp_path):
    from tests.doors.cli.conftest import program

    script = tmp_path / "ris.bash"
    script.write_text(program("-m", "app", "completion", "bash").stdout)
    assert completed(script, "ris", "ver") == ["verify"]
    assert completed(script, "ris", "search", "--sh") == ["--sheet"]
    assert completed(script, "ris", "search", "--nu") == ["--null"]
    assert completed(script, "ris", "info", "cal") == ["caltech101-efficientnet_lite0"]
    assert completed(script, "ris", "search", "--gallery", "") == [
        *("caltech101-efficientnet_lite0", "wordnet-nouns")
    ]


def completed(script: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word."""
    line = " ".join(words)
    shell = f"""
        ris() {{ (cd "{ROOT}" && "{sys.executable}" -m app "$@"); }}
        source "{script}"
        COMP_WORDS=({" ".join(repr(word) for word in words)})
        COMP_CWORD={len(words) - 1} COMP_LINE={line!r} COMP_POINT={len(line)}
        _shtab_ris
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert not ended.stderr, ended.stderr
    return [word.strip() for word in ended.stdout.splitlines() if word.strip()]
