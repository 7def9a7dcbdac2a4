"""What goes wrong while a gallery is written names the file."""

import sqlite3

import pytest

from app.errors import StorageError, UsageError
from app.gallery import writing_to


def test_what_goes_wrong_while_writing_names_the_file_and_keeps_other_errors(tmp_path):
    with pytest.raises(StorageError) as full, writing_to(tmp_path):
        raise sqlite3.OperationalError("database or disk is full")
    assert str(full.value).startswith(str(tmp_path))
    assert "database or disk is full" in str(full.value)
    with pytest.raises(StorageError, match="No space left on device"), writing_to(tmp_path):
        raise OSError(28, "No space left on device")
    with pytest.raises(StorageError) as nowhere, writing_to(tmp_path):
        (tmp_path / "x" / "y").mkdir()
    assert str(nowhere.value).startswith(str(tmp_path / "x" / "y"))
    with pytest.raises(UsageError, match="as it was"), writing_to(tmp_path):
        raise UsageError("as it was")
    with pytest.raises(ZeroDivisionError), writing_to(tmp_path):
        raise ZeroDivisionError
