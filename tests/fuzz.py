"""Mutations of good pictures → what the decoder makes of them: pixels, or one sentence.

Run by `make fuzz` (COUNT= SEED=); the tests run a few.
"""

import argparse
import collections
import concurrent.futures
import io
import itertools
import multiprocessing
import os
import random
import re
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from app.errors import AppError
from app.images import decode, workers

MOST_SECONDS = 10
_PART = 5_000  # mutations that a process takes at once
_PNG = b"\x89PNG\r\n\x1a\n"
_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@dataclass
class Found:
    """What became of mutations: how many by outcome, the slowest, and all that must not be."""

    outcomes: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    slowest: float = 0.0
    most_bytes: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take what another has found."""
        self.outcomes += other.outcomes
        self.slowest = max(self.slowest, other.slowest)
        self.most_bytes = max(self.most_bytes, other.most_bytes)
        self.wrong += other.wrong


@cache
def good() -> dict[str, bytes]:
    """Return small pictures of all formats, and of their rarer kinds."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:24, 0:40]
    scene = np.stack([columns * 6, rows * 10, (rows * columns) % 256], -1).astype(np.uint8)
    scene[::5, ::7] = rng.integers(0, 256, scene[::5, ::7].shape)
    image = Image.fromarray(scene)
    turned = Image.Exif()
    turned[274] = 6
    few = image.quantize(16)
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "JPEG": (image, "JPEG", {"exif": turned}),
        "JPEG, progressive": (image, "JPEG", {"progressive": True, "comment": b"of a garden"}),
        "JPEG, CMYK": (image.convert("CMYK"), "JPEG", {}),
        "PNG": (image, "PNG", {"exif": turned}),
        "PNG, transparent": (image.convert("RGBA"), "PNG", {}),
        "PNG, palette": (few, "PNG", {"transparency": 3}),
        "PNG, 16 bits": (Image.fromarray(rows.astype(np.uint16) * 999), "PNG", {}),
        "PNG, animated": (image, "PNG", {"save_all": True, "append_images": [image.rotate(180)]}),
        "GIF": (few, "GIF", {}),
        "GIF, animated": (few, "GIF", {"save_all": True, "append_images": [few.rotate(180)]}),
        "BMP": (image, "BMP", {}),
        "BMP, palette": (few, "BMP", {}),
        "TIFF": (image, "TIFF", {"exif": turned}),
        "TIFF, LZW": (image, "TIFF", {"compression": "tiff_lzw"}),
        "TIFF, JPEG": (image, "TIFF", {"compression": "jpeg"}),
        "TIFF, fax": (image.convert("1"), "TIFF", {"compression": "group4"}),
        "WebP": (image, "WEBP", {}),
        "WebP, lossless": (image.convert("RGBA"), "WEBP", {"lossless": True}),
        "WebP, animated": (image, "WEBP", {"save_all": True, "append_images": [image.rotate(180)]}),
        "AVIF": (image, "AVIF", {}),
    }
    files = {}
    for name, (picture, kind, options) in kinds.items():
        file = io.BytesIO()
        picture.save(file, kind, **options)
        files[name] = file.getvalue()
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file)
    files["HEIC"] = file.getvalue()
    return files


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to eight changes, of the kinds that break decoders."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        # Half of the changes in the first 200 bytes, where headers are.
        at = rng.randrange(max(1, min(len(changed), rng.choice((200, len(changed) or 1)))))
        change = rng.randrange(7)
        if change == 0 and changed:
            changed[at % len(changed)] ^= 1 << rng.randrange(8)
        elif change == 1 and changed:
            changed[at % len(changed)] = rng.randrange(256)
        elif change == 2:
            size = rng.choice((1, 2, 4))
            number = rng.choice(_NUMBERS) % 256**size
            changed[at : at + size] = number.to_bytes(size, rng.choice(("big", "little")))
        elif change == 3:
            del changed[at : at + rng.randrange(1, 64)]
        elif change == 4:
            changed[at:at] = changed[at : at + rng.randrange(1, 64)]
        elif change == 5:
            other = rng.choice(list(good().values()))
            start = rng.randrange(len(other))
            changed[at : at + 32] = other[start : start + rng.randrange(1, 64)]
        elif rng.random() < 0.3:  # cut off
            del changed[at:]
    if data.startswith(_PNG) and rng.random() < 0.7:
        return with_checksums(bytes(changed))
    return bytes(changed)


def with_checksums(data: bytes) -> bytes:
    """Return a PNG with the checksums of its chunks made right, so that they are looked into."""
    changed = bytearray(data)
    at = len(_PNG)
    while at + 12 <= len(changed):
        end = at + 8 + int.from_bytes(changed[at : at + 4])
        if end + 4 > len(changed):
            break
        changed[end : end + 4] = zlib.crc32(changed[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(changed)


def try_part(seed: int, count: int) -> Found:
    """Decode so many mutations, and say what became of them."""
    rng = random.Random(seed)
    found = Found()
    names = list(good())
    for number in range(count):
        name = rng.choice(names)
        data = mutated(good()[name], rng)
        started = time.monotonic()
        try:
            pixels = decode.decode(data, min_side=rng.choice((None, 16)))
        except AppError as exc:
            outcome = re.sub(r"[\d.,]+", "N", str(exc))
        except Exception as exc:  # noqa: BLE001 (that is what is looked for)
            outcome = type(exc).__name__
            found.wrong.append(f"{name}, {number} of seed {seed}: {exc!r}: {data.hex()}")
        else:
            outcome = "read"
            if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
                found.wrong.append(
                    f"{name}, {number} of seed {seed}: {pixels.shape} {pixels.dtype}"
                )
        took = time.monotonic() - started
        found.slowest = max(found.slowest, took)
        if took > MOST_SECONDS + 1:
            found.wrong.append(f"{name}, {number} of seed {seed}: took {took:.0f} s: {data.hex()}")
        found.outcomes[name, outcome] += 1
    workers.end_all()  # the system says how much memory they took once they have ended
    found.most_bytes = _most_bytes()
    return found


def _most_bytes() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return unit * max(resource.getrusage(each).ru_maxrss for each in whose)


def try_many(count: int, seed: int, processes: int) -> Iterator[Found]:
    """Yield what was found of parts of `count` mutations, as each is done."""
    context = multiprocessing.get_context("spawn")
    sizes = itertools.chain(itertools.repeat(_PART, count // _PART), [count % _PART])
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = [pool.submit(try_part, seed + place, size) for place, size in enumerate(sizes)]
        for part in concurrent.futures.as_completed(parts):
            yield part.result()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Try, print a table, and return 1 if something was found that must not be."""
    parser = argparse.ArgumentParser(description="Decode mutations of good pictures.")
    parser.add_argument("--count", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    total = Found()
    started = time.monotonic()
    for found in try_many(options.count, options.seed, os.cpu_count() or 1):
        total.add(found)
        for each in found.wrong:
            _say(each)
    _say(f"{sum(total.outcomes.values()):,} mutations in {time.monotonic() - started:.0f} s")
    formats: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for (name, outcome), count in total.outcomes.items():
        formats[name]["read" if outcome == "read" else "refused"] += count
        formats[name]["crashed"] += count if "crashed" in outcome else 0
        formats[name]["given up"] += count if "given up" in outcome else 0
    _say("| of | read | refused | of these a process crashed | or was given up |")
    _say("|---|--:|--:|--:|--:|")
    for name, counts in formats.items():
        cells = [f"{counts[each]:,}" for each in ("read", "refused", "crashed", "given up")]
        _say(f"| {name} | {' | '.join(cells)} |")
    _say(
        f"Slowest {total.slowest:.2f} s; memory of a process at most {total.most_bytes / 1e6:.0f} "
        f"MB; wrong: {len(total.wrong)}"
    )
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
