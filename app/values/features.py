"""Local features: where a picture's are, and what they look like there; and how they are kept."""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DESCRIPTOR = 128
"""How many numbers describe a feature."""
POINT = np.dtype([("x", "<u2"), ("y", "<u2"), ("size", "u1"), ("angle", "u1")])
"""A feature's place as it is kept."""
PHASH = 8
"""Bytes of a perceptual hash. All are 0 where it is not known; else the first bit is set."""
_SIZE_STEPS = 24.0  # steps of `size` for each doubling
_SMALLEST = 2.0**-10

_Number = TypeVar("_Number", bound=np.generic)
PHashes = NDArray[np.uint8]
"""(n, 8) perceptual hashes."""
Points = NDArray[np.void]
"""(n,) places, each a POINT."""


@dataclass(frozen=True)
class LocalFeatures:
    """n features of an upright picture: where they are, and what they look like there.

    `places` is (n, 4) float32: x and y as shares of the width and the height, size as a share of
    the picture's diagonal, angle in radians. `descriptors` is (n, 128) uint8, whose squares sum up
    to about 512². `phash` is the (8,) uint8 perceptual hash of the whole picture.
    """

    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    phash: PHashes = field(default_factory=lambda: np.zeros(PHASH, np.uint8))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def points(self) -> Points:
        """Their places as they are kept."""
        return pack(self.places)

    def packed(self) -> bytes:
        """Return the hash, and the features as 134 bytes each."""
        return self.phash.tobytes() + self.points.tobytes() + self.descriptors.tobytes()

    @classmethod
    def unpacked(cls, packed: bytes) -> "LocalFeatures":
        """Return what `packed` made bytes of; no features of no bytes."""
        if not packed:
            return cls(np.zeros((0, 4), np.float32), np.zeros((0, DESCRIPTOR), np.uint8))
        count = (len(packed) - PHASH) // (POINT.itemsize + DESCRIPTOR)
        points = np.frombuffer(packed, POINT, count, PHASH)
        descriptors = np.frombuffer(packed, np.uint8, offset=PHASH + count * POINT.itemsize)
        phash = np.frombuffer(packed, np.uint8, PHASH)
        return cls(unpack(points), descriptors.reshape(count, DESCRIPTOR), phash)

    def mirrored(self) -> "LocalFeatures":
        """Return the features that the picture would have if it were mirrored, without a hash."""
        return LocalFeatures(mirrored_places(self.places), mirrored_descriptors(self.descriptors))


def mirrored_places(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, 4) places of features as they would be in the mirrored picture."""
    mirrored = places.copy()
    mirrored[:, 0] = 1 - mirrored[:, 0]
    mirrored[:, 3] = np.pi - mirrored[:, 3]
    return mirrored


def mirrored_descriptors(descriptors: NDArray[_Number]) -> NDArray[_Number]:
    """Return (n, 128) descriptors as the features of the mirrored picture would have them.

    A descriptor is 4 × 4 histograms of 8 directions, in rows across the feature's own direction:
    mirrored, the rows change places and the directions turn the other way.
    """
    cells = descriptors.reshape(-1, 4, 4, 8)
    turned = cells[:, ::-1, :, (8 - np.arange(8)) % 8]
    return np.ascontiguousarray(turned.reshape(-1, DESCRIPTOR))


def comparable(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 128) float32 unit vectors of descriptors, whose distances tell how alike."""
    roots: NDArray[np.float32] = np.sqrt(descriptors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", roots, roots))[:, None]
    units: NDArray[np.float32] = roots / np.maximum(lengths, 1e-6)
    return units


def pack(places: NDArray[np.float32]) -> Points:
    """Return (n, 4) places in 6 bytes each."""
    points = np.zeros(len(places), POINT)
    for axis in range(2):
        shares = np.clip(places[:, axis], 0, 1)
        points["xy"[axis]] = np.round(shares * 65535)
    steps = _SIZE_STEPS * np.log2(np.maximum(places[:, 2], _SMALLEST) / _SMALLEST)
    points["size"] = np.clip(np.round(steps), 0, 255)
    points["angle"] = np.round(places[:, 3] * 256 / (2 * np.pi)).astype(np.int64) % 256
    return points


def unpack(points: Points) -> NDArray[np.float32]:
    """Return (n, 4) places, as they were packed."""
    places = np.empty((len(points), 4), np.float32)
    places[:, 0] = points["x"] / 65535
    places[:, 1] = points["y"] / 65535
    places[:, 2] = _SMALLEST * 2 ** (points["size"] / _SIZE_STEPS)
    places[:, 3] = points["angle"] * (2 * np.pi / 256)
    return places
