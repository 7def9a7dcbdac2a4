"""Files without their end: read with a note where next to nothing is lost, or else refused."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.errors import DecodeError
from app.images.decode import decode, read, read_here
from tests.conftest import ROOT
from tests.images.scenes import IMAGE, P3_PRIMARIES, encode, matrix_profile, mean_difference

PHOTOGRAPH = Image.open(ROOT / "app/doors/page/examples/chelsea.jpg").convert("RGB")
CUT: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encode(PHOTOGRAPH, "JPEG"),
    "JPEG, restarting": lambda: encode(PHOTOGRAPH, "JPEG", restart_marker_blocks=8),
    "JPEG, progressive": lambda: encode(PHOTOGRAPH, "JPEG", progressive=True),
    "JPEG, grey": lambda: encode(PHOTOGRAPH.convert("L"), "JPEG"),
    "JPEG, CMYK": lambda: encode(PHOTOGRAPH.convert("CMYK"), "JPEG"),
    "JPEG, profile": lambda: encode(
        PHOTOGRAPH, "JPEG", icc_profile=matrix_profile(P3_PRIMARIES, 2.2)
    ),
    "PNG": lambda: encode(PHOTOGRAPH),
    "PNG, palette": lambda: encode(PHOTOGRAPH.quantize(64)),
    "PNG, 1 bit": lambda: encode(PHOTOGRAPH.convert("1")),
    "PNG, 16 bits": lambda: encode(
        Image.fromarray(np.asarray(PHOTOGRAPH.convert("L")).astype(np.uint16) * 257)
    ),
    "GIF": lambda: encode(PHOTOGRAPH, "GIF"),
    "BMP": lambda: encode(PHOTOGRAPH, "BMP"),
    "TIFF": lambda: encode(PHOTOGRAPH, "TIFF"),
}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("share", [0.003, 0.01])
def test_a_file_without_its_last_hundredth_is_read_with_a_note(kind: str, share: float) -> None:
    data = CUT[kind]()
    pixels, size, notes = read(data[: -int(len(data) * share)])
    assert size == PHOTOGRAPH.size
    assert mean_difference(pixels, decode(data)) < 3
    assert len(notes) == 1
    assert re.search(r"end.*missing", notes[0])
    assert read(data).notes == ()


@pytest.mark.parametrize("kind", CUT)
def test_a_file_without_its_last_quarter_is_refused(kind: str) -> None:
    data = CUT[kind]()
    with pytest.raises(DecodeError, match="damaged or incomplete"):
        decode(data[: len(data) * 3 // 4])


PANORAMA = b"\0\0\x01\x0b\x0ePano" + bytes(range(256)) * 9 + b"\xff\xd8\xff\xe1\0\x10SEFHSEFT"


@pytest.mark.parametrize("kind", [kind for kind in CUT if kind.startswith("JPEG")])
@pytest.mark.parametrize("more", [b"", b"\0", PANORAMA])
@pytest.mark.parametrize("min_side", [None, 64])
def test_a_jpeg_without_its_end_mark_is_whole(kind: str, more: bytes, min_side: int | None) -> None:
    data = CUT[kind]()
    assert data.endswith(b"\xff\xd9")
    pixels, size, notes = read(data[:-2] + more, min_side=min_side)
    assert np.array_equal(pixels, decode(data, min_side=min_side))
    assert size == PHOTOGRAPH.size
    assert len(notes) == 1 or more == b"\0"  # which ends some as well as a mark does


@pytest.mark.parametrize("turn", [3, 6])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_turned_file_without_its_end_is_upright(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[274] = turn
    data = encode(PHOTOGRAPH, kind, exif=exif)
    pixels, size, _ = read(data[: -len(data) // 100])
    assert size == (PHOTOGRAPH.size if turn == 3 else PHOTOGRAPH.size[::-1])
    assert mean_difference(pixels, decode(data)) < 3


def test_what_is_lost_is_not_filled_where_too_much_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file may say that it is a picture of 64 million pixels: they are not made up."""
    made_up: list[int] = []

    def filled(pixels: Any, missing: Any) -> Any:
        made_up.append(1)
        return pixels

    monkeypatch.setattr("app.images.cut.filled", filled)
    for name in ("PNG", "BMP", "TIFF", "GIF", "JPEG"):
        data = encode(IMAGE, name)
        with pytest.raises(DecodeError, match="damaged or incomplete"):
            read_here(data[: len(data) // 2])
    assert not made_up, "it takes seconds"
