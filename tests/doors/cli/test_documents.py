"""docs/cli.md names each command and option, and no other; its commands run as they stand there."""

import argparse
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app import errors
from app.doors.cli.main import COMMANDS, make_parser
from tests.conftest import PHOTOGRAPHS, ROOT
from tests.doors.test_server import error_classes

DOCUMENT = (ROOT / "docs" / "cli.md").read_text()
SECTIONS = {
    part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in DOCUMENT.split("\n## ris ")[1:]
}


def parsers() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (
        action
        for action in make_parser("ris")._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return commands.choices


def test_the_document_has_a_section_for_each_command_and_no_other():
    assert set(SECTIONS) == set(parsers()) == {command.NAME for command in COMMANDS}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_each_option_of_its_command_and_no_other(name):
    options = {option for action in parsers()[name]._actions for option in action.option_strings}
    rows = re.findall(r"^\| (.*?) \|", SECTIONS[name], re.MULTILINE)
    named = {option for row in rows for option in re.findall(r"`(-{1,2}[a-z0][a-z-]*)", row)}
    assert named == options - {"-h", "--help"}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", SECTIONS[name]))
    assert used <= options


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.NAME)
def test_help_is_complete_and_ends_with_the_example_of_the_document(command, capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser("ris").parse_args([command.NAME, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert said.endswith(f"Example: {command.EXAMPLE}")
    if command.NAME != "create-index":  # shows the script, which is the same
        assert command.EXAMPLE.split(" --sample")[0] in DOCUMENT
    for action in parsers()[command.NAME]._actions:
        assert action.help, action


def test_the_exit_codes_are_those_of_the_errors():
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE)}
    assert named == {kind.exit_code for kind in error_classes(errors.AppError)} | {0, 130, 141}


def commands_to_run() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    left_out = ("ris serve", "ris mcp", "create-index")  # these wait, or take long
    return [line for line in lines if not any(command in line for command in left_out)]


def test_the_commands_of_the_document_run_as_they_stand_there(networks, tmp_path):
    home = tmp_path / "home"
    (tmp_path / "bin").mkdir()
    home.mkdir()
    ris = tmp_path / "bin" / "ris"
    ris.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m app "$@"\n')
    ris.chmod(ris.stat().st_mode | stat.S_IXUSR)
    shutil.copy(next(p for p in PHOTOGRAPHS if p.stem == "chelsea"), home / "photo.jpg")
    (home / "Pictures").mkdir()
    shutil.copy(home / "photo.jpg", home / "Pictures")
    told = {}
    for line in commands_to_run():
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=home,
            env={
                "PATH": f"{ris.parent}:/usr/bin:/bin",
                "HOME": str(home),
                "RIS_CACHE_DIR": str(networks),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode in (0, 141), (line, ended.stderr)
        told[line] = ended.stdout
    assert len(told) > 8
    table = next(out for line, out in told.items() if "-k 5" in line)
    shown = re.search(r"```\n(rank.*?)…\n```", DOCUMENT, re.DOTALL)
    assert table.startswith(shown[1])
    assert (home / "results.png").is_file()
    completions = home / ".local/share/bash-completion/completions/ris"
    assert "ris" in completions.read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh", "powershell"])
def test_a_completion_script_names_every_command(shell, capsys):
    from app.doors.cli import main

    assert main(["completion", shell], program="ris") == 0
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
    assert completed(script, "ris", "search", "--gallery", "") == ["caltech101-efficientnet_lite0"]


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
