"""A file has one name in galleries, whatever the locale of the process that lists or opens it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.values.names import path_of, text_of
from tests.commands import ASCII_LOCALE
from tests.conftest import ROOT


@given(st.binary(min_size=1, max_size=9).filter(lambda name: not {0, ord("/")} & {*name}))
def test_a_names_bytes_come_back(name: bytes) -> None:
    text = text_of(os.fsdecode(name))
    assert os.fsencode(path_of(text)) == os.fsencode(Path(os.fsdecode(name)))
    try:
        proper = name.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeEncodeError):
            text.encode()
    else:
        assert text == proper


def test_a_text_that_no_file_can_have_as_its_name_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        path_of("half \ud83d.jpg")


def test_under_an_ascii_locale_names_are_utf_8_too(tmp_path: Path) -> None:
    (tmp_path / "Größe").mkdir()
    (tmp_path / "Größe" / "é.jpg").write_bytes(b"here")
    program = (
        "import os, sys; from app.values.names import path_of, text_of\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "(name,) = os.listdir(sys.argv[1])\n"
        "assert text_of('\\xe9') == '\\xe9'\n"
        "print(ascii(text_of(name)), path_of('Gr\\xf6\\xdfe/\\xe9.jpg').read_bytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys; sys.path[0] = {str(ROOT)!r}\n{program}", "."],
        cwd=tmp_path,
        env=os.environ | ASCII_LOCALE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [ascii("Größe"), "b'here'"]
