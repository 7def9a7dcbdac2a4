"""What one picture takes, as measured → bytes, memory, hours and cost of any number, as Markdown.

`python -m benchmarks.scale_arithmetic` prints the tables of docs/scale.md; with `--write` it puts
them there. Every figure comes of the parameters in the first table, which are options.
"""

import argparse
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import RESULTS

DOCUMENT = Path(__file__).parents[1] / "docs" / "scale.md"
SIZES = (1_000_000, 100_000_000, 10_000_000_000)
_BLOCK = re.compile(r"(<!-- table scale -->\n).*?(<!-- end -->)", re.DOTALL)
_ID = 8  # bytes of a number in a FAISS or Milvus index
_FLOAT = 4
_HALF = 2
_PROBES = 16
_HOURS_A_MONTH = 730
_LOCAL_SEARCH = (99_999, 0.237)  # images, seconds: benchmarks/results/caltech101-copies-100000.md


def _kept(name: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return kept


def measured_images_per_second() -> float:
    """Return how many pictures a second a vCPU brings into a draft, local features too."""
    rates = _kept("embed")["images_per_second"]["files to a gallery's draft, bf16"]
    return round(median(rates) / 2, 1)  # on two vCPUs


def measured_milliseconds_beside_gpu() -> float:
    """Return the processor time of a picture where the network runs elsewhere."""
    stages = _kept("embed")["stages_ms"]
    return round(sum(stages.values()) - stages["network"], 1)


def measured_bytes_compared_per_second() -> float:
    """Return the GB of stored vectors that one thread compares a second, at 1,000,000 × 256."""
    times = [
        each["median_ms"]
        for each in _kept("search")["searches"]
        if (each["rows"], each["method"]) == (1_000_000, "Flat")
    ]
    return round(1_000_000 * 256 * _HALF / max(times) * 1e3 / 1e9, 1)


def _says(default: Any, words: str, source: str) -> Any:
    made = {"default_factory": default} if callable(default) else {"default": default}
    return field(**made, metadata={"words": words, "source": source})


_INCLUDED = "of the included gallery of 9,144 images"
_SMALL = "a build of every fifth picture of Caltech101, 1,828: `create_index.py` prints it"
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
        "images/s a vCPU, from file to gallery",
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
    command_images_per_second: float = _says(
        100_000, "images/s that one command takes", "extended: 1 GB/s, about 10 kB an image"
    )
    vcpus_per_machine: int = _says(64, "vCPUs a machine", _SET)
    memory_per_machine: float = _says(256, "GB of memory a machine", _SET)
    hours: float = _says(24, "hours in which all is embedded", _SET)
    price_per_vcpu_hour: float = _says(0.05, "price of a vCPU for an hour", _SET)
    price_per_gpu_hour: float = _says(1.0, "price of a GPU for an hour, without vCPUs", _SET)
    price_per_gb_month: float = _says(0.05, "price of a GB of disk for a month", _SET)
    price_per_memory_gb_hour: float = _says(0.005, "price of a GB of memory for an hour", _SET)


def stored(given: Assumptions) -> dict[str, Callable[[int], float]]:
    """Return, for each kind of file of a gallery, its bytes for n images."""
    return {
        "vectors, 16 bits a number": lambda n: n * given.dim * _HALF,
        "shortlist `IVF100,PQ8`": lambda n: memory(given)["`IVF100,PQ8`, the default"](n),
        "thumbnails": lambda n: n * given.thumbnail_bytes,
        "local features": lambda n: n * given.local_bytes,
        "items and metadata": lambda n: n * (given.item_bytes + given.metadata_bytes),
    }


def beside(given: Assumptions) -> dict[str, Callable[[int], float]]:
    """Return the bytes for n images that Milvus takes beside the gallery: it keeps 32 bits."""
    row = given.dim * _FLOAT
    return {
        "Milvus beside it: vectors, 32 bits a number": lambda n: n * row,
        "… with `DISKANN`: again, and 56 links each [2]": lambda n: n * (row + 56 * 4),
    }


def memory(given: Assumptions) -> dict[str, Callable[[int], float]]:
    """Return, for each index, the bytes for n images that have to be in memory to be quick.

    Codes and ids, and the centroids: of the cells, √n of them where the string does not say, and
    of the codes. A graph holds the vectors in 32 bits, 64 links of 4 bytes and 24 bytes more.
    """
    dim = given.dim
    codebook = 256 * dim * _FLOAT
    pieces = max(each for each in range(1, max(2, dim // 8 + 1)) if dim % each == 0)

    def cells(n: int) -> float:
        return math.isqrt(n) * dim * _FLOAT

    return {
        "`IVF100,PQ8`, the default": lambda n: n * (8 + _ID) + 100 * dim * _FLOAT + codebook,
        "`HNSW32`": lambda n: n * (dim * _FLOAT + 64 * 4 + 24),
        "`IVF√n,RaBitQ`": lambda n: n * (dim / 8 + 8 + _ID) + cells(n),
        f"Milvus `IVF_PQ`, m {pieces}": lambda n: n * (pieces + _ID) + cells(n) + codebook,
        "Milvus `DISKANN`, 12.5 % + 10 % of its vectors [2]": lambda n: n * dim * _FLOAT * 0.225,
    }


def hours_of_vcpus(given: Assumptions, n: int) -> float:
    """Return the hours that one vCPU would take to embed n images."""
    return n / given.images_per_second / 3600


def hours_of_gpus(given: Assumptions, n: int) -> float:
    """Return the hours that one GPU would take to embed n images."""
    return n / given.gpu_images_per_second / 3600


def hours_beside_gpus(given: Assumptions, n: int) -> float:
    """Return the hours of one vCPU that all but the network takes for n images."""
    return n * given.milliseconds_beside_gpu / 1e3 / 3600


def tables(given: Assumptions, sizes: Sequence[int] = SIZES) -> str:
    """Return all tables as Markdown."""
    parts = [_parameters(given), _growth(), _bytes(given, sizes), _memory(given, sizes)]
    return "\n\n".join([*parts, _embedding(given, sizes), _searching(given, sizes)])


def _parameters(given: Assumptions) -> str:
    rows = [
        [
            f"`--{each.name.replace('_', '-')}`",
            f"{getattr(given, each.name):,}",
            each.metadata["words"],
            each.metadata["source"],
        ]
        for each in fields(given)
    ]
    return _table(["option", "value", "is", "from"], rows)


def _growth() -> str:
    rows = [
        [
            f"{each['rows']:,}",
            f"`{each['method']}`",
            f"{each['median_ms']:.2f} ms",
            f"{each['recall']:.3f}",
            _amount(each["bytes"]),
            f"{each['build_seconds']:.0f} s",
        ]
        for each in _kept("search")["searches"]
        if each["target"] == 0.97 and each["method"] in ("Flat", "IVF100,PQ8", "HNSW32")
    ]
    heads = ["measured, 256 numbers", "index", "a search", "recall@10", "index's bytes", "built in"]
    return _table(heads, rows)


def _bytes(given: Assumptions, sizes: Sequence[int]) -> str:
    kinds = stored(given)
    rows = [["pictures, where they are", *(_amount(n * given.picture_bytes) for n in sizes)]]
    rows += [[kind, *(_amount(count(n)) for n in sizes)] for kind, count in kinds.items()]
    totals = [sum(count(n) for count in kinds.values()) for n in sizes]
    rows.append(["**the gallery**", *(f"**{_amount(total)}**" for total in totals)])
    rows.append(["… of it an image", *(_amount(t / n) for t, n in zip(totals, sizes, strict=True))])
    prices = [total / 1e9 * given.price_per_gb_month for total in totals]
    rows.append(["… its disk for a month", *(_price(price) for price in prices)])
    rows += [[kind, *(_amount(count(n)) for n in sizes)] for kind, count in beside(given).items()]
    return _table(["bytes on disk (extended)", *_heads(sizes)], rows)


def _memory(given: Assumptions, sizes: Sequence[int]) -> str:
    rows = []
    for name, count in memory(given).items():
        row = [name]
        for n in sizes:
            gigabytes = count(n) / 1e9
            machines = _machines(gigabytes, given.memory_per_machine)
            month = gigabytes * given.price_per_memory_gb_hour * _HOURS_A_MONTH
            row.append(f"{_amount(count(n))}; {machines}; {_price(month)} a month")
        rows.append(row)
    return _table(["memory of a search (extended)", *_heads(sizes)], rows)


def _embedding(given: Assumptions, sizes: Sequence[int]) -> str:
    rows: list[list[str]] = [[name] for name in ("vCPU-hours", "… within the hours", "… cost")]
    rows += [[name] for name in ("GPU-hours", "… vCPU-hours beside them", "… within the hours")]
    rows += [["… cost"], ["through one command, at least"]]
    for n in sizes:
        alone, gpus, rest = (
            count(given, n) for count in (hours_of_vcpus, hours_of_gpus, hours_beside_gpus)
        )
        figures = [
            _number(alone),
            _machines(alone, given.vcpus_per_machine * given.hours),
            _price(alone * given.price_per_vcpu_hour),
            _number(gpus),
            _number(rest),
            f"{math.ceil(gpus / given.hours):,} GPU, {math.ceil(rest / given.hours):,} vCPU",
            _price(gpus * given.price_per_gpu_hour + rest * given.price_per_vcpu_hour),
            _time(n / given.command_images_per_second),
        ]
        for row, figure in zip(rows, figures, strict=True):
            row.append(figure)
    return _table(["embedding (extended)", *_heads(sizes)], rows)


def _searching(given: Assumptions, sizes: Sequence[int]) -> str:
    images, seconds = _LOCAL_SEARCH
    exact = [n * given.dim * _HALF / (given.gigabytes_compared * 1e9) for n in sizes]
    rows = [
        ["every vector compared, on a thread, all in memory", *map(_time, exact)],
        [
            f"codes visited with `IVF100`, {_PROBES} probes",
            *(f"{n * _PROBES // 100:,}" for n in sizes),
        ],
        [
            f"… with √n cells, {_PROBES} probes",
            *(f"{_PROBES * n // math.isqrt(n):,}" for n in sizes),
        ],
        ["local features, beyond the rest", *(_time(n / images * seconds) for n in sizes)],
    ]
    return _table(["one search (extended)", *_heads(sizes)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _heads(sizes: Sequence[int]) -> list[str]:
    return [f"{n:,}" for n in sizes]


def _number(value: float) -> str:
    """Return three digits of a number: 0.123, 4.51, 45,100."""
    if not value:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _amount(count: float) -> str:
    """Return bytes in the decimal unit that leaves up to three digits before the point."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{_number(count)} {unit}"
        count /= 1000
    return f"{_number(count)} PB"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{_number(seconds * 1000)} ms"
    return f"{_number(seconds)} s" if seconds < 600 else f"{_number(seconds / 3600)} h"


def _price(value: float) -> str:
    return f"{value:.2f}" if value < 10 else _number(value)


def _machines(needed: float, each: float) -> str:
    count = max(1, math.ceil(needed / each))
    return f"{count:,} machine{'s' if count > 1 else ''}"


def filled(text: str) -> str:
    """Return the document with its block `<!-- table scale -->` as the assumptions say."""
    return _BLOCK.sub(lambda block: f"{block[1]}{tables(Assumptions())}\n{block[2]}", text)


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def _not_negative(text: str) -> float:
    return 0.0 if text.strip() in ("0", "0.0") else _positive(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    for each in fields(Assumptions):
        if each.type in ("int", int):
            kind: Callable[[str], float] = _count
        elif each.name.startswith("price") or each.name.endswith("_bytes"):
            kind = _not_negative
        else:
            kind = _positive
        option = f"--{each.name.replace('_', '-')}"
        parser.add_argument(option, type=kind, help=each.metadata["words"])
    parser.add_argument("--images", type=_count, action="append", help="may be given again")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/scale.md")
    options = vars(parser.parse_args(arguments))
    write, sizes = options.pop("write"), options.pop("images") or SIZES
    changed = {name: value for name, value in options.items() if value is not None}
    if not write:
        print(tables(Assumptions(**changed), sizes))
    elif changed or sizes != SIZES:
        parser.error("The document has the tables without options: give --write alone.")
    else:
        DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
