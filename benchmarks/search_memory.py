"""1,000,000 vectors of 2048 numbers → the memory of a process that searches them."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.index import SearchEffort, VectorIndex, train_shortlist, write_vectors
from app.values.vectors import unit
from benchmarks.processes import PeakMemory
from benchmarks.report import Report, at_most

ROWS, DIM = 1_000_000, 2048
_INDEX = "IVF100,PQ8"
_EFFORT = SearchEffort(probes=16, candidates=200)
_SEARCHES = 1_000
_CENTRES = 2_000
_CHUNK_ROWS = 5_000
_MOST_BYTES = 2 * 10**9


def measure_memory(folder: Path, report: Report, rows: int = ROWS) -> None:
    """Build an index of so many vectors, in bounded memory, and search it in another process."""
    flat, shortlist = folder / "vectors", folder / "shortlist"
    context = multiprocessing.get_context("spawn")
    builder = context.Process(target=_build, args=[flat, shortlist, rows])
    builder.start()
    with PeakMemory(builder.pid or 0) as memory:
        builder.join()
    assert builder.exitcode == 0, "the index could not be built"
    report.add(
        f"{rows:,} × {DIM} built as {_INDEX}: memory at most", f"{memory.peak_bytes / 1e6:.0f} MB"
    )
    with context.Pool(1) as pool:
        before, after = pool.apply(_serve, [flat, shortlist])
    own = after["Pss_Anon"] - before["Pss_Anon"]
    report.add(
        f"{rows:,} × {DIM} after {_SEARCHES} searches: memory of its own",
        f"{after['Pss_Anon'] / 1e6:.0f} MB, {own / 1e6:.0f} MB of it for the index",
        at_most(after["Pss_Anon"], _MOST_BYTES, "2 GB"),
    )
    report.add(
        "… and pages of the files, which the system takes back when it needs them",
        f"{after['Pss_File'] / 1e6:.0f} MB of {flat.stat().st_size / 1e6:.0f} MB",
    )
    report.add(
        "… together, as resident memory is counted",
        f"{after['Rss'] / 1e6:.0f} MB",
        at_most(after["Rss"], _MOST_BYTES, "2 GB"),
    )


def _build(flat: Path, shortlist: Path, rows: int) -> None:
    write_vectors(_drawn(rows), flat, dim=DIM)
    train_shortlist(flat, _INDEX, shortlist)


def _drawn(rows: int) -> Iterator[NDArray[np.float32]]:
    """Yield unit vectors around 2,000 centres, as pictures are of kinds."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((_CENTRES, DIM), np.float32)
    for start in range(0, rows, _CHUNK_ROWS):
        count = min(_CHUNK_ROWS, rows - start)
        noise = rng.standard_normal((count, DIM), np.float32)
        yield unit(centres[rng.integers(0, _CENTRES, count)] + 0.8 * noise)


def _serve(flat: Path, shortlist: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return the memory of this process before it opens the index, and after its searches."""
    before = _memory()
    index = VectorIndex(vectors=flat, shortlist=shortlist, effort=_EFFORT)
    rng = np.random.default_rng(1)
    for row in rng.integers(0, index.rows, _SEARCHES):
        index.search(index.vector(int(row))[None], 10)
    return before, _memory()


def _memory() -> dict[str, int]:
    """Return this process's memory in bytes, by kind, as Linux counts it."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    fields: dict[str, Any] = dict(line.split(":", 1) for line in lines)
    return {key: 1024 * int(value.split()[0]) for key, value in fields.items()}
