"""Which tests pytest finds when it is given no names."""

import fnmatch

import pytest

from tests.conftest import ROOT


def test_no_folder_of_tests_is_left_out(pytestconfig: pytest.Config) -> None:
    left_out = pytestconfig.getini("norecursedirs")
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    names = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    assert "build" in names
    assert not [name for name in names for glob in left_out if fnmatch.fnmatch(name, glob)]
