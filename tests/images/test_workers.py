"""Pictures decoded apart: what a codec does to its process, nobody else notices."""

import errno
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from app.errors import DecodeError
from app.images import decode, workers
from app.images.formats import FORMATS, by_suffix
from tests.conftest import ROOT
from tests.images.scenes import IMAGE, SCENE, encode

APART = ["WebP", "TIFF", "JPEG 2000", "AVIF", "HEIC"]
FILES = {name: encode(IMAGE, name.replace(" ", "")) for name in APART}
GOOD = FILES["TIFF"]


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes whose codec obeys its pictures, and an end to them."""
    workers.end_all()
    monkeypatch.setattr(workers, "_MODULE", "tests.images.hostile_worker")
    yield
    workers.end_all()


def picture(that: str) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + that.encode()


def test_the_formats_of_large_codecs_are_decoded_apart_to_the_same_pixels() -> None:
    assert {each.name for each in FORMATS if each.apart} == {*APART, "RAW"}
    for name in APART:
        data = FILES[name]
        pixels, size, _ = decode.read(data, min_side=40)
        expected, expected_size = decode.read_here(data, min_side=40)[:2]
        np.testing.assert_array_equal(pixels, expected)
        assert size == expected_size
        assert pixels.flags.c_contiguous


def test_what_is_refused_here_is_refused_in_the_same_words_apart() -> None:
    for data in (GOOD[: len(GOOD) // 2], FILES["AVIF"][:300], picture("")):
        with pytest.raises(DecodeError) as here:
            decode.read_here(data)
        with pytest.raises(DecodeError, match=f"^{re.escape(str(here.value))}$"):
            decode.decode(data)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("that", "sentence"),
    [
        ("crash", "This WebP picture is so damaged that its decoder crashed"),
        ("leave", "This WebP picture is so damaged that its decoder crashed"),
        ("half", "This WebP picture is so damaged that its decoder crashed"),
        ("memory", "There is not enough memory to read this WebP picture"),
        ("hang", "Reading this WebP picture was given up after 0.5 seconds"),
    ],
)
def test_a_codec_ends_one_picture_with_one_sentence(
    that: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode.decode(GOOD)  # so that a process is there, and 0.5 seconds are enough
    if that == "hang":
        monkeypatch.setattr(workers, "MOST_SECONDS", 0.5)
    with pytest.raises(DecodeError, match=sentence):
        decode.decode(picture(that))
    monkeypatch.setattr(workers, "MOST_SECONDS", 10.0)
    np.testing.assert_array_equal(decode.decode(GOOD), SCENE)


@pytest.mark.usefixtures("hostile")
def test_nobody_else_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MOST_SECONDS", 5.0)
    refused: list[str] = []

    def ask(that: str) -> None:
        with pytest.raises(DecodeError) as caught:
            decode.decode(picture(that))
        refused.append(str(caught.value))

    others = [threading.Thread(target=ask, args=[that]) for that in ("hang", "crash", "crash")]
    for each in others:
        each.start()
    started = time.monotonic()
    for _ in range(5):
        np.testing.assert_array_equal(decode.decode(GOOD), SCENE)
    assert time.monotonic() - started < 5
    for each in others:
        each.join()
    assert len(refused) == 3


@pytest.mark.usefixtures("hostile")
def test_a_process_with_nothing_to_do_ends_and_another_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IDLE_SECONDS", "0.1")
    decode.decode(GOOD)
    (process,) = workers.processes()
    process.wait(timeout=10)
    assert process.returncode == 0
    np.testing.assert_array_equal(decode.decode(GOOD), SCENE)


@pytest.mark.usefixtures("hostile")
def test_a_process_that_was_killed_while_it_waited_makes_no_picture_damaged() -> None:
    decode.decode(GOOD)
    (process,) = workers.processes()
    process.kill()
    process.wait()
    np.testing.assert_array_equal(decode.decode(GOOD), SCENE)
    assert [each.poll() for each in workers.processes()] == [None]


@pytest.mark.usefixtures("hostile")
def test_a_picture_is_not_refused_for_the_harm_that_the_one_before_did() -> None:
    with pytest.raises(DecodeError, match="damaged or incomplete"):
        decode.decode(picture("harm"))
    np.testing.assert_array_equal(decode.decode(GOOD), SCENE)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("that", ["crash", "leave", "quits"])
def test_a_picture_that_ends_its_process_is_decoded_twice_at_most(
    that: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTURES_LOG", str(tmp_path / "log"))
    workers._idle.extend(workers._Worker() for _ in range(4))
    with pytest.raises(DecodeError, match="so damaged that its decoder crashed"):
        decode.decode(picture(that))
    assert (tmp_path / "log").read_text().split() == [that, that]
    assert len(workers.processes()) == 3


def test_a_process_is_not_ended_for_the_time_of_a_picture_that_it_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "MOST_SECONDS", 0.0)
    slow, quick = Mock(), Mock()
    answers, answered, looked_at = threading.Event(), threading.Event(), threading.Event()
    watch, killed_late = workers._Watch(), []

    def kill_slow() -> None:  # while the other comes to its end
        if quick in watch._ends:
            answers.set()
            answered.wait(0.3)

    def kill_quick() -> None:
        killed_late.append(answered.is_set())
        looked_at.set()

    slow.process.kill, quick.process.kill = kill_slow, kill_quick

    def ask_quick() -> None:
        with watch.over(quick):
            answers.wait(10)
        answered.set()

    with watch.over(slow):
        asking = threading.Thread(target=ask_quick)
        asking.start()
        assert looked_at.wait(10)
        asking.join()
    assert not any(killed_late)


@pytest.mark.usefixtures("hostile")
def test_without_a_process_the_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    with pytest.raises(DecodeError, match="the system starts no more processes"):
        decode.decode(GOOD)


@pytest.mark.skipif(sys.platform != "linux", reason="pipes have such limits on Linux")
def test_where_pipes_may_not_grow_pictures_are_read_through_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import fcntl

    control, asked = fcntl.fcntl, []

    def refusing(file: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETPIPE_SZ:
            asked.append(argument)
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return int(control(file, command, argument))

    workers.end_all()
    monkeypatch.setattr(fcntl, "fcntl", refusing)
    np.testing.assert_array_equal(decode.decode(GOOD), SCENE)
    assert asked


def test_they_end_with_the_program_however_it_ends() -> None:
    program = (
        "import os, sys; from app.images import decode, workers\n"
        "decode.decode(sys.stdin.buffer.read())\n"
        "print(workers.processes()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, input=GOOD, capture_output=True, check=False
    )
    ends = time.monotonic() + 10
    while time.monotonic() < ends and _runs(int(done.stdout)):
        time.sleep(0.05)
    assert not _runs(int(done.stdout))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return " Z " not in Path(f"/proc/{process}/stat").read_text()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_forked_process_starts_its_own() -> None:
    decode.decode(GOOD)
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(decode.decode(GOOD), SCENE) else 1)
    np.testing.assert_array_equal(decode.decode(GOOD), SCENE)
    assert os.waitpid(child, 0)[1] == 0


def test_thumbnails_are_decoded_here() -> None:
    kind = by_suffix("a.webp")
    assert kind is not None
    assert kind.apart
    workers.end_all()
    assert decode.read_here(FILES["WebP"]).pixels.shape == SCENE.shape
    assert not workers.processes()
