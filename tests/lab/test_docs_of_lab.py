"""The laboratory's document names its files and the options of its command."""

import re
import subprocess
import sys

from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "lab.md").read_text()


def test_the_code_map_names_every_module_of_the_laboratory() -> None:
    mapped = set(re.findall(r"`(lab/[\w./]+)`", DOCUMENT))
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lab").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert there - mapped == set()
    assert {name for name in mapped if not (ROOT / name).exists()} == set()


def test_every_option_of_the_study_is_described() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "lab", "study", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    options = set(re.findall(r"--[a-z][a-z-]+", text)) - {"--help"}
    assert {option for option in options if f"`{option}`" not in DOCUMENT} == set()
