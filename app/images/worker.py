"""A process that decodes pictures for another: `python -m app.images.worker`.

It is asked by its standard input and answers by its standard output, as `workers` says.
"""

import json
import os
import select
import sys
from typing import IO, Any

from app.errors import DecodeError
from app.images import decode
from app.images.workers import ANSWERED, ASKED, IDLE_SECONDS, MOST_BYTES


def main() -> None:
    """Answer until there are no more questions."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a codec prints is no answer
    _limit_memory()
    while answer_one(sys.stdin.buffer, answers):
        pass


def answer_one(questions: IO[bytes], answers: IO[bytes]) -> bool:
    """Answer the next question; False where there is none, or long none comes."""
    # Nothing of a question is in the buffer: one comes only after the answer to the one before.
    if sys.platform != "win32" and not select.select([questions], [], [], IDLE_SECONDS)[0]:
        return False
    asked = questions.read(ASKED.size)
    if len(asked) < ASKED.size:
        return False
    length, min_side = ASKED.unpack(asked)
    said: dict[str, Any]
    body: memoryview | bytes = b""
    try:
        picture = decode.read_here(questions.read(length), min_side=min_side or None)
    except DecodeError as exc:
        said = {"refused": str(exc)}
    else:
        pixels, (width, height), notes = picture
        said = {"pixels": pixels.shape[:2], "width": width, "height": height, "notes": notes}
        body = pixels.data.cast("B")
    head = json.dumps(said).encode()
    answers.write(ANSWERED.pack(len(head)) + head)
    answers.write(body)
    answers.flush()
    return True


def _limit_memory() -> None:
    """Refuse more memory, and write no core files; where the system has such limits."""
    if sys.platform == "win32":
        return
    import resource

    for limit, most in ((resource.RLIMIT_AS, MOST_BYTES), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(limit, (most, hard))


if __name__ == "__main__":
    main()
