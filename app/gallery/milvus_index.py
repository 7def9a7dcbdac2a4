"""An index in Milvus's words, `IVF_PQ,nlist=1024,m=32` → what it is built and searched with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import UsageError

_BUILT: dict[str, tuple[str, ...]] = {
    "FLAT": (),
    "IVF_FLAT": ("nlist",),
    "IVF_PQ": ("nlist", "m", "nbits"),
    "HNSW": ("M", "efConstruction"),
    "DISKANN": (),
}
_SEARCHED: dict[str, tuple[str, ...]] = {
    "FLAT": (),
    "IVF_FLAT": ("nprobe",),
    "IVF_PQ": ("nprobe",),
    "HNSW": ("ef",),
    "DISKANN": ("search_list",),
}
DEFAULT = "IVF_PQ"
_CANDIDATES = "candidates"
_FOR_K = 10
_NUMBERS_A_CODE = 8  # of the vector in each byte of IVF_PQ
_LONGEST = 16_384


@dataclass(frozen=True)
class MilvusIndex:
    """An index: its kind, how it is built, how it is searched, and how many candidates it gives.

    `candidates` are compared exactly, for k = 10; more in proportion for a larger k.
    """

    kind: str
    built: Mapping[str, int]
    searched: Mapping[str, int]
    candidates: int

    @classmethod
    def of(cls, words: str, *, rows: int, dim: int) -> "MilvusIndex":
        """Return the index that is written so, what is left open chosen by the vectors.

        UsageError, which says how to write it, for anything else.

        >>> MilvusIndex.of("IVF_PQ,m=32", rows=10_000, dim=256).words
        'IVF_PQ,nlist=100,m=32,nbits=8,nprobe=16,candidates=200'
        """
        kind, given = check_words(words)
        cells = max(1, min(65_536, math.isqrt(rows)))
        chosen = {
            "nlist": cells,
            "m": _codes(dim),
            "nbits": 8,
            "M": 16,
            "efConstruction": 200,
            "nprobe": max(16, cells // 16),
            _CANDIDATES: 200,
        } | given
        for wide in ("ef", "search_list"):
            chosen.setdefault(wide, chosen[_CANDIDATES])
        if kind == "IVF_PQ" and dim % chosen["m"]:
            raise UsageError(
                f"IVF_PQ cuts {dim} numbers into m equal parts, and {chosen['m']} does not divide "
                f"them: choose another m, such as {_codes(dim)}."
            )
        return cls(
            kind,
            {name: chosen[name] for name in _BUILT[kind]},
            {name: chosen[name] for name in _SEARCHED[kind]},
            chosen[_CANDIDATES],
        )

    @property
    def words(self) -> str:
        """The index in words, nothing left open."""
        numbers = {**self.built, **self.searched, _CANDIDATES: self.candidates}
        return ",".join([self.kind, *(f"{name}={value}" for name, value in numbers.items())])

    def taken(self, k: int) -> int:
        """Return how many candidates a search for k takes."""
        return max(k, math.ceil(self.candidates * max(k, _FOR_K) / _FOR_K))

    def parameters(self, taken: int) -> dict[str, Any]:
        """Return what a search that takes so many candidates is given."""
        return {
            name: value if name == "nprobe" else max(value, taken)
            for name, value in self.searched.items()
        }


def check_words(words: str) -> tuple[str, dict[str, int]]:
    """Return an index's kind and the numbers that are given of it; UsageError if it is none."""
    kind, *pairs = (each.strip() for each in words.split(","))
    if kind not in _BUILT:
        raise UsageError(
            f"Milvus has no index {kind!r} here: choose one of {', '.join(_BUILT)}, with numbers "
            "of it as in IVF_PQ,nlist=1024,m=32."
        )
    known = (*_BUILT[kind], *_SEARCHED[kind], _CANDIDATES)
    given = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if name not in known or not number.isdecimal() or not 0 < int(number) <= 65_536:
            raise UsageError(
                f"{pair!r} says nothing of {kind}: it takes {', '.join(known)}, each with a whole "
                "number from 1 to 65536, as in candidates=200."
            )
        given[name] = int(number)
    return kind, given


def _codes(dim: int) -> int:
    """Return the largest divisor of `dim` that leaves each byte of a code so many numbers."""
    return max(m for m in range(1, max(1, dim // _NUMBERS_A_CODE) + 1) if dim % m == 0)
