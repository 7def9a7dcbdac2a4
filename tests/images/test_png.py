"""What a PNG carries besides its pixels: texts that are passed over, and a profile of any size."""

import subprocess
import sys
import zlib

import numpy as np
import pytest

from app.images.decode import decode
from tests.images.scenes import IMAGE, P3_PRIMARIES, SCENE, chunk, encode, matrix_profile


def with_chunks(*chunks: bytes, after: bool = False) -> bytes:
    """Return the scene's PNG with more chunks, before its pixels or after them."""
    data = encode(IMAGE)
    place = len(data) - 12 if after else 33
    return data[:place] + b"".join(chunks) + data[place:]


LONG = zlib.compress(bytes(3_000_000), 9)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk(b"zTXt", b"a\0\0" + LONG)], id="zTXt"),
        pytest.param([chunk(b"iTXt", b"a\0\1\0\0\0" + LONG)], id="iTXt, compressed"),
        pytest.param([chunk(b"iTXt", b"a\0\0\0\0\0" + b"x" * 3_000_000)], id="iTXt"),
        pytest.param([chunk(b"tEXt", b"a\0" + b"x" * 3_000_000)], id="tEXt"),
        pytest.param([chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG)], id="XMP"),
        pytest.param([chunk(b"zTXt", b"a\0\0" + LONG[:-3])] * 100, id="many, broken"),
        pytest.param([chunk(b"tEXt", b"transparency\0x")], id="a name that Pillow uses"),
        pytest.param([chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))] * 80, id="many"),
        pytest.param([chunk(b"iCCP", b"a\0\0" + LONG)], id="iCCP"),
        pytest.param([chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(9_000_000)))], id="vast iCCP"),
        pytest.param([chunk(b"iCCP", b"a")], id="broken iCCP"),
    ],
)
def test_a_png_is_read_whatever_texts_and_profiles_it_carries(
    chunks: list[bytes], after: bool
) -> None:
    assert np.array_equal(decode(with_chunks(*chunks, after=after)), SCENE)


def test_a_profile_above_a_megabyte_is_used() -> None:
    profile = matrix_profile(P3_PRIMARIES, 2.2)
    noise = np.random.default_rng(1).bytes(2_000_000)
    packed = [zlib.compress(each) for each in (profile, profile + noise)]
    small, large = (decode(with_chunks(chunk(b"iCCP", b"a\0\0" + each))) for each in packed)
    assert np.array_equal(small, large)
    assert not np.array_equal(large, SCENE)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_bomb_in_a_text_or_a_profile_takes_no_memory(name: bytes) -> None:
    packing = zlib.compressobj(9)
    bomb = b"".join(packing.compress(bytes(1 << 24)) for _ in range(256)) + packing.flush()
    program = (
        "import resource, sys, app.images.decode\n"
        "data = sys.stdin.buffer.read()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 * 1024**3,) * 2)\n"
        "print(app.images.decode.decode(data).shape)"
    )
    data = with_chunks(chunk(name, b"a\0\0" + bomb))
    done = subprocess.run(
        [sys.executable, "-c", program], input=data, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "(96, 160, 3)"
