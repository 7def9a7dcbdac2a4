"""What the server answers is what its OpenAPI document says, whatever it is asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Home, fill
from tests.doors.rest.conftest import TOKEN, Served
from tests.doors.rest.test_changes import changeable

SETTINGS = Path(__file__).with_name("schemathesis.toml")


def ask(document: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Have schemathesis ask what a document describes."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS)),
            *("run", document, "--header", f"Authorization: Bearer {TOKEN}"),
            *("--seed", "1", "--warnings", "off", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_answer_is_as_the_document_says(guarded: Served, tmp_path: Path) -> None:
    """Asked with examples, edge cases, random and forbidden values, with and without the token."""
    done = ask(f"{guarded.address}/openapi.json", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 26" in done.stdout


@pytest.mark.slow
def test_changes_that_are_allowed_are_as_the_document_says_too(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for name in ("mine", "other"):
        home.build(fill(home.path / "pictures", 12), name)
    with changeable(home, token=TOKEN) as album:
        done = ask(f"{album.client.base_url}/openapi.json", tmp_path, "--include-tag", "Changes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 7" in done.stdout
