"""`app.images.worker` with a codec that does what its picture says: for tests."""

import os
import time
from pathlib import Path

import numpy as np

from app.images import decode, worker
from app.images.workers import ANSWERED

decode_as_usual, dup_as_usual = decode.read_here, os.dup
answers: list[int] = []  # the file that the worker answers by
harmed: list[bool] = []  # by a picture before


def dup(file):
    """Do as the system does, and remember it."""
    answers.append(dup_as_usual(file))
    return answers[-1]


def decoded(data, *, min_side=None):
    """Crash, hang, or take 8 GB, where the picture or the one before it asks for it."""
    if "PICTURES_LOG" in os.environ:
        with Path(os.environ["PICTURES_LOG"]).open("ab") as log:
            log.write(data[-5:] + b"\n")
    if harmed:
        os.abort()
    if data.endswith(b"harm"):
        harmed.append(True)
    if data.endswith(b"crash"):
        os.abort()
    if data.endswith(b"leave"):
        os._exit(3)
    if data.endswith(b"quits"):
        os._exit(0)
    if data.endswith(b"half"):  # of an answer
        os.write(answers[-1], ANSWERED.pack(900) + b'{"pix')
        os._exit(3)
    if data.endswith(b"hang"):
        time.sleep(60)
    if data.endswith(b"memory"):
        with decode.refusing(decode.format_of(data)):
            np.ones(8 * 2**30, np.uint8)
    return decode_as_usual(data, min_side=min_side)


if __name__ == "__main__":
    decode.read_here, os.dup = decoded, dup
    vars(worker)["IDLE_SECONDS"] = float(os.environ.get("IDLE_SECONDS", "60"))
    worker.main()
