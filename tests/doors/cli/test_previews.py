"""Small pictures of the results, in a terminal that says it can show them, and in no other."""

import os
import pty
import select
import subprocess
import sys
import termios

import pytest

from tests.conftest import ROOT, Home

ASKED_FOR_SIXEL, HAS_SIXEL, HAS_NONE = b"\x1b[c", b"\x1b[?62;4c", b"\x1b[?62c"
ASKED_FOR_KITTY = b"\x1b_G"
SIXEL, KITTY_PICTURE = b"\x1bP", b"f=100"
_SECONDS = 60


def in_a_terminal(
    home: Home, *options: str, answers: dict[bytes, bytes], columns: int = 80
) -> bytes:
    """Run a search in a terminal that answers some questions; return all that came to it."""
    terminal, side = pty.openpty()
    termios.tcsetwinsize(side, (24, columns))
    with subprocess.Popen(
        [sys.executable, "-m", "app", "search", "--id", "7", "-k", "2", *options],
        cwd=ROOT,
        env=os.environ | {"RIS_HOME": str(home.path), "TERM": "xterm-256color"},
        stdin=side,
        stdout=side,
        stderr=side,
        close_fds=True,
    ) as process:
        os.close(side)
        came, waiting = b"", dict(answers)
        while select.select([terminal], [], [], _SECONDS)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # the other side has ended
                break
            if not part:
                break
            came += part
            for question in [question for question in waiting if question in came]:
                os.write(terminal, waiting.pop(question))
    os.close(terminal)
    assert process.returncode == 0, came
    return came


@pytest.fixture(autouse=True)
def no_server(cache, monkeypatch):
    monkeypatch.setenv("RIS_CACHE_DIR", str(cache))


def test_a_terminal_with_sixel_shows_the_results(home):
    came = in_a_terminal(home, answers={ASKED_FOR_SIXEL: HAS_SIXEL})
    table, _, pictures = came.partition(ASKED_FOR_SIXEL)
    assert b"kind_1/00006.jpg" in table, "the text comes first"
    assert pictures.count(SIXEL) == 2
    assert b"1  1.0000" in pictures


def test_a_terminal_with_kitty_s_protocol_shows_the_results(home):
    came = in_a_terminal(
        home,
        answers={ASKED_FOR_SIXEL: HAS_NONE, ASKED_FOR_KITTY: b"\x1b_Gi=1;OK\x1b\\"},
    )
    assert came.count(KITTY_PICTURE) >= 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_where_kitty_s_characters_cannot_be_encoded_there_is_text_alone(
    home, monkeypatch, encoding
):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    came = in_a_terminal(
        home,
        answers={ASKED_FOR_SIXEL: HAS_NONE, ASKED_FOR_KITTY: b"\x1b_Gi=1;OK\x1b\\"},
    )
    assert b"kind_1/00006.jpg" in came
    assert KITTY_PICTURE not in came


def test_a_terminal_without_pictures_gets_the_text_alone(home):
    came = in_a_terminal(home, answers={ASKED_FOR_SIXEL: HAS_NONE})
    assert b"kind_1/00006.jpg" in came
    assert SIXEL not in came
    assert KITTY_PICTURE not in came


def test_a_terminal_without_a_window_gets_the_text_alone(home):
    came = in_a_terminal(home, answers={ASKED_FOR_SIXEL: HAS_SIXEL}, columns=0)
    assert b"kind_1/00006.jpg" in came
    assert b"\x1b" not in came


@pytest.mark.parametrize("options", [["--no-previews"], ["--json"], ["--paths"]])
def test_a_terminal_is_not_even_asked_where_no_previews_are_wanted(home, options):
    came = in_a_terminal(home, *options, answers={ASKED_FOR_SIXEL: HAS_SIXEL})
    assert b"\x1b" not in came
