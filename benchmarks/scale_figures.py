"""What one picture takes, as measured → bytes, memory and hours of n, by multiplication."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from app.gallery.milvus_index import MilvusIndex
from benchmarks.report import RESULTS

PROBES = 16
"""Cells that a search of the program visits unless it says otherwise."""
LOCAL_SEARCH = (99_999, 0.237)
"""Images, and seconds beyond a search without: benchmarks/results/caltech101-copies-100000.md."""
PAGE = 1_024
"""Bytes of a page of the file of thumbnails, of a draft as of a segment."""
_ID = 8  # bytes of a number in a FAISS or Milvus index
_FLOAT = 4
_HALF = 2
_MILVUS_SEGMENT = 1 << 30  # bytes, dataCoord.segment.maxSize; each has an index of its own
_ROWS_A_CELL = 39  # at least: Milvus makes fewer cells where a segment has fewer rows

Count = Callable[[int], float]
"""Bytes, or whatever else, for n images."""


def kept(name: str) -> dict[str, Any]:
    """Return what a benchmark has kept under a name."""
    read: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def measured_images_per_second() -> float:
    """Return how many pictures a second a vCPU brings into a draft, local features too."""
    rates = kept("embed")["images_per_second"]["files to a gallery's draft, bf16"]
    return round(float(median(rates)) / 2, 1)  # on two vCPUs


def measured_milliseconds_beside_gpu() -> float:
    """Return the processor time of a picture where the network runs elsewhere."""
    stages = kept("embed")["stages_ms"]
    return round(float(sum(stages.values()) - stages["network"]), 1)


def measured_bytes_compared_per_second() -> float:
    """Return the GB of vectors that a thread compares a second, at 1,000,000 × 256."""
    times = [
        each["median_ms"]
        for each in kept("search")["searches"]
        if (each["rows"], each["method"]) == (1_000_000, "Flat")
    ]
    return round(float(1_000_000 * 256 * _HALF / max(times) * 1e3 / 1e9), 1)


def _says(default: Any, words: str, source: str) -> Any:
    made = {"default_factory": default} if callable(default) else {"default": default}
    return field(**made, metadata={"words": words, "source": source})


_INCLUDED = "of the included gallery of 9,144 images"
_SMALL = "files that `create_index.py` made of every fifth picture of Caltech101, 1,828"
_SET = "set yours"


@dataclass(frozen=True)
class Assumptions:
    """What is taken as given. The name of each is that of its option; `source` says who says so."""

    dim: int = _says(1280, "numbers a vector", "EfficientNet-Lite0")
    picture_bytes: float = _says(
        15_158, "bytes of a picture's file", f"measured: mean {_INCLUDED}; a photograph has 3 MB"
    )
    thumbnail_bytes: float = _says(
        2_935, "bytes of a thumbnail", f"measured: `thumbnails.db` {_INCLUDED}"
    )
    local_bytes: float = _says(
        5_786, "bytes of local features, 0 with `--no-copies`", f"measured: {_SMALL}"
    )
    item_bytes: float = _says(
        251, "bytes of what is known of a file, metadata apart", f"measured: {_SMALL}"
    )
    metadata_bytes: float = _says(0, "bytes of an image's metadata", _SET)
    images_per_second: float = _says(
        measured_images_per_second,
        "images/s a vCPU, from file to a gallery's draft",
        "measured: `make bench-embed`, bfloat16 on AMX, 2 vCPUs",
    )
    milliseconds_beside_gpu: float = _says(
        measured_milliseconds_beside_gpu,
        "ms of a vCPU a picture, where a GPU has the network",
        "measured: `make bench-embed`, all stages but the network",
    )
    gpu_images_per_second: float = _says(
        518,
        "images/s a GPU",
        "published: Daft, ResNet18, 803,580 pictures in 194 s on 8 L4 [1]",
    )
    gigabytes_compared: float = _says(
        measured_bytes_compared_per_second,
        "GB/s of vectors that a thread compares",
        "measured: `make bench-search`, `Flat` at 1,000,000 × 256",
    )
    draft_local_bytes: float = _says(
        24_976,
        "bytes of local features on their way, 0 with `--no-copies`",
        "measured: the same build, 186 features a picture of 134 bytes",
    )
    command_gigabytes: float = _says(
        1.0, "GB/s that the command of a build takes from a cluster", "assumed: its disk or network"
    )
    sqlite_pages: int = _says(
        1_073_741_823,
        "pages that an SQLite file may have",
        "measured: `PRAGMA max_page_count` of SQLite 3.40; newer ones have four times as many",
    )
    vcpus_per_machine: int = _says(64, "vCPUs a machine", _SET)
    memory_per_machine: float = _says(256, "GB of memory a machine", _SET)
    hours: float = _says(24, "hours in which all is embedded", _SET)
    price_per_vcpu_hour: float = _says(0.05, "price of a vCPU for an hour", _SET)
    price_per_gpu_hour: float = _says(1.0, "price of a GPU for an hour, without vCPUs", _SET)
    price_per_gb_month: float = _says(0.05, "price of a GB of disk for a month", _SET)
    price_per_memory_gb_hour: float = _says(0.005, "price of a GB of memory for an hour", _SET)


def stored(given: Assumptions) -> dict[str, Count]:
    """Return, for each kind of file of a gallery, its bytes for n images."""
    return {
        "vectors, 16 bits a number": lambda n: n * given.dim * _HALF,
        "shortlist `IVF100,PQ8`": lambda n: memory(given)["`IVF100,PQ8`, the default"](n),
        "thumbnails": lambda n: n * given.thumbnail_bytes,
        "local features": lambda n: n * given.local_bytes,
        "items and metadata": lambda n: n * (given.item_bytes + given.metadata_bytes),
    }


def milvus_disk(given: Assumptions) -> dict[str, Count]:
    """Return the bytes for n images that Milvus takes beside the gallery: it keeps 32 bits."""
    row = given.dim * _FLOAT
    return {
        "Milvus beside it: vectors, 32 bits a number": lambda n: n * row,
        "… with `DISKANN`: again, and 56 links each [2]": lambda n: n * (row + 56 * 4),
    }


def memory(given: Assumptions) -> dict[str, Count]:
    """Return, for each index, the bytes for n images that have to be in memory to be quick.

    Codes and ids, and the centroids: of the cells, √n of them where the string does not say, and
    of the codes. A graph holds the vectors in 32 bits, 64 links of 4 bytes and 24 bytes more.
    """
    dim = given.dim
    codebook = 256 * dim * _FLOAT
    return {
        "`IVF100,PQ8`, the default": lambda n: n * (8 + _ID) + 100 * dim * _FLOAT + codebook,
        "`HNSW32`": lambda n: n * (dim * _FLOAT + 64 * 4 + 24),
        "`IVF√n,RaBitQ`": lambda n: n * (dim / 8 + 8 + _ID) + math.isqrt(n) * dim * _FLOAT,
        "Milvus `IVF_PQ`, as chosen [3]": lambda n: _milvus_ivf_pq(given, n),
        "Milvus `DISKANN`, 12.5 % + 10 % of its vectors [2]": lambda n: n * dim * _FLOAT * 0.225,
    }


def _milvus_ivf_pq(given: Assumptions, n: int) -> float:
    index = MilvusIndex.of("IVF_PQ", rows=n, dim=given.dim)
    segments, cells = milvus_segments(given, n)
    return n * (index.built["m"] + _ID) + segments * (cells + 256) * given.dim * _FLOAT


def milvus_segments(given: Assumptions, n: int) -> tuple[int, int]:
    """Return how many segments Milvus has n vectors in, and how many cells each of them gets."""
    segments = math.ceil(n * given.dim * _FLOAT / _MILVUS_SEGMENT)
    asked = MilvusIndex.of("IVF_PQ", rows=n, dim=given.dim).built["nlist"]
    return segments, max(1, min(asked, math.ceil(n / segments) // _ROWS_A_CELL))


def codes_visited(given: Assumptions) -> dict[str, Count]:
    """Return, for each index of cells, how many of n codes a search compares."""

    def in_milvus(n: int) -> float:
        probes = MilvusIndex.of("IVF_PQ", rows=n, dim=given.dim).searched["nprobe"]
        return n * min(1.0, probes / milvus_segments(given, n)[1])

    return {
        f"codes compared by `IVF100,PQ8`, {PROBES} cells": lambda n: n * PROBES / 100,
        f"… by `IVF√n,RaBitQ`, {PROBES} cells": lambda n: n * PROBES / math.isqrt(n),
        "… by Milvus `IVF_PQ`, as chosen, in every segment [3]": in_milvus,
    }


def bytes_through_command(given: Assumptions) -> float:
    """Return the bytes of one picture that a task gives back to the command of a build."""
    files = given.thumbnail_bytes + given.draft_local_bytes
    return given.dim * _FLOAT + files + given.item_bytes + given.metadata_bytes


def most_of_a_build(given: Assumptions) -> int:
    """Return how many images one build takes: its draft has thumbnails and features in a file."""
    return int(given.sqlite_pages * PAGE / (given.thumbnail_bytes + given.draft_local_bytes))


def most_of_a_segment(given: Assumptions) -> int:
    """Return how many images one segment takes: their thumbnails are in a file."""
    return int(given.sqlite_pages * PAGE / max(1, given.thumbnail_bytes))


def hours_of_vcpus(given: Assumptions, n: int) -> float:
    """Return the hours that one vCPU would take to embed n images."""
    return n / given.images_per_second / 3600


def hours_of_gpus(given: Assumptions, n: int) -> float:
    """Return the hours that one GPU would take to embed n images."""
    return n / given.gpu_images_per_second / 3600


def hours_beside_gpus(given: Assumptions, n: int) -> float:
    """Return the hours of one vCPU that all but the network takes for n images."""
    return n * given.milliseconds_beside_gpu / 1e3 / 3600
