"""Parameters → bytes, memory, hours and cost of any number of pictures, as Markdown tables.

`python -m benchmarks.scale_arithmetic` prints those of docs/scale.md; with `--write` it puts them
there. Every figure comes of the parameters in the first table, which are options.
"""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from benchmarks.scale_figures import (
    LOCAL_SEARCH,
    Assumptions,
    bytes_through_command,
    codes_visited,
    hours_beside_gpus,
    hours_of_gpus,
    hours_of_vcpus,
    kept,
    memory,
    milvus_disk,
    most_of_a_build,
    most_of_a_segment,
    stored,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "scale.md"
SIZES = (1_000_000, 100_000_000, 10_000_000_000)
_BLOCK = re.compile(r"(<!-- table scale -->\n).*?(<!-- end -->)", re.DOTALL)
_HOURS_A_MONTH = 730


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
        for each in kept("search")["searches"]
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
    segments = [math.ceil(n / most_of_a_segment(given)) for n in sizes]
    rows.append(["… its segments, at least [4]", *(f"{count:,}" for count in segments)])
    rows += [
        [kind, *(_amount(count(n)) for n in sizes)] for kind, count in milvus_disk(given).items()
    ]
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
    rows: list[list[str]] = [[name] for name in ("vCPU-hours", "… in `--hours`", "… cost")]
    rows += [[name] for name in ("GPU-hours", "… vCPU-hours beside them", "… in `--hours`")]
    rows += [
        ["… cost"],
        [f"through one command, {_amount(bytes_through_command(given))} an image [5]"],
        ["builds, one after another [4]"],
    ]
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
            _time(n * bytes_through_command(given) / given.command_gigabytes / 1e9),
            f"{math.ceil(n / most_of_a_build(given)):,}",
        ]
        for row, figure in zip(rows, figures, strict=True):
            row.append(figure)
    return _table(["embedding (extended)", *_heads(sizes)], rows)


def _searching(given: Assumptions, sizes: Sequence[int]) -> str:
    images, seconds = LOCAL_SEARCH
    codes = codes_visited(given)
    exact = [n * given.dim * 2 / (given.gigabytes_compared * 1e9) for n in sizes]
    rows = [
        ["every vector compared, on a thread, all in memory", *map(_time, exact)],
        *([name, *(f"{count(n):,.0f}" for n in sizes)] for name, count in codes.items()),
        ["local features, beyond the rest [6]", *(_time(n / images * seconds) for n in sizes)],
    ]
    return _table(["one search (extended)", *_heads(sizes)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |" for line in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


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
    if seconds < 600:
        return f"{_number(seconds)} s"
    return f"{_number(seconds / 60)} min" if seconds < 7200 else f"{_number(seconds / 3600)} h"


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
        if each.type is int:
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
