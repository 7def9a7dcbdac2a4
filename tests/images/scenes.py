"""The picture that the tests decode, as files of all kinds, and ICC profiles for it."""

import io
import os
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

ROWS, COLUMNS = np.mgrid[0:96, 0:160]
SCENE = np.stack([COLUMNS * 255 // 159, ROWS * 255 // 95, 255 - COLUMNS], -1).astype(np.uint8)
SCENE[:32, :48] = [200, 30, 40]  # so that no turn of it looks like another
SCENE.setflags(write=False)
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))
IMAGE = Image.fromarray(SCENE)


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, "JPEG2000" if kind == "JPEG 2000" else kind, **options)
    return file.getvalue()


def tiff(
    pixels: NDArray[Any],
    byte_order: str,
    *,
    planar: bool = False,
    white_is_zero: bool = False,
    compressed: bool = False,
) -> bytes:
    """Return a TIFF of (height, width, 1, 3 or 4) unsigned or real numbers of any width."""
    height, width, planes = pixels.shape
    laid = np.moveaxis(pixels, -1, 0) if planar else pixels
    strips = laid.astype(pixels.dtype.newbyteorder(byte_order)).tobytes()
    if compressed:
        strips = zlib.compress(strips)
    parts = planes if planar else 1
    size = len(strips) // parts
    bits = [pixels.dtype.itemsize * 8] * planes
    tags: list[tuple[int, list[int]]] = [
        *((256, [width]), (257, [height]), (258, bits), (259, [8 if compressed else 1])),
        (262, [2 if planes > 2 else 0 if white_is_zero else 1]),
        (273, [8 + size * part for part in range(parts)]),
        *((277, [planes]), (278, [height]), (279, [size] * parts), (284, [2 if planar else 1])),
        *([(338, [2])] if planes == 4 else []),  # alpha, not multiplied
        *([(339, [3])] if pixels.dtype.kind == "f" else []),
    ]
    return _with_directory(strips, tags, byte_order)


def _with_directory(content: bytes, tags: list[tuple[int, list[int]]], byte_order: str) -> bytes:
    """Return a TIFF of content that begins at byte 8, and one directory of numbers after it."""
    content += bytes(len(content) % 2)
    entries = beyond = b""
    begin = 8 + len(content) + 2 + 12 * len(tags) + 4
    for tag, values in tags:
        packed = struct.pack(f"{byte_order}{len(values)}I", *values)
        if len(values) > 1:
            place = begin + len(beyond)
            beyond += packed
            packed = struct.pack(f"{byte_order}I", place)
        entries += struct.pack(f"{byte_order}HHI", tag, 4, len(values)) + packed
    start = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(
        f"{byte_order}I", 8 + len(content)
    )
    directory = struct.pack(f"{byte_order}H", len(tags)) + entries + bytes(4)
    return start + content + directory + beyond


def mean_difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def as_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[..., None], 3, axis=-1)


SRGB_PRIMARIES = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
P3_PRIMARIES = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)


def matrix_profile(primaries: NDArray[np.float64], gamma: float) -> bytes:
    """Return an ICC profile (v2) of RGB with these columns of XYZ (D50) and one gamma for all."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)}
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True):
        tags[name] = b"XYZ \0\0\0\0" + fixed(*column)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return icc(b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    white = b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)
    return icc(b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": white})


def ink_profile() -> bytes:
    """Return an ICC profile of CMYK by which only black ink can be seen: L* = 100 (1 - K)."""
    ramp = bytes(range(256))
    grid = bytes([255, 128, 128, 0, 128, 128]) * 8  # K varies fastest
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(b"CMYK", b"Lab ", {b"A2B0": table + ramp * 4 + grid + ramp * 3}, b"prtr")


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def icc(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    place = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", place + len(bodies), len(body))
        bodies += padded
    header = bytes(8) + b"\x02\x40\0\0" + kind + space + connection + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249)
    whole = header.ljust(128, b"\0") + table + bodies
    return struct.pack(">I", len(whole)) + whole[4:]


@cache
def real_pictures() -> list[bytes]:
    folder = Path(os.environ["REAL_DATA"]) / "caltech101"
    return [path.read_bytes() for path in sorted(folder.glob("*/*.jpg"))[::30]]


PICTURES = arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)), fill=st.just(7)
)
