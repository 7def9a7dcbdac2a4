"""Vectors → indexes that are searched one query at a time: this program's, and hnswlib's."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.index import (
    AUTO,
    SearchEffort,
    VectorIndex,
    calibrate,
    choose_shortlist,
    train_shortlist,
    write_vectors,
)
from benchmarks.report import cores

K = 10
NAMES = ("Flat", "IVF100,PQ8", "HNSW32", AUTO, "hnswlib-16", "hnswlib-32")
"""What is compared: this program's index strings, and hnswlib's graphs by their links, M."""
_HNSWLIB = "hnswlib-"
_CHUNK_ROWS = 100_000
_EF_CONSTRUCTION = 200  # hnswlib's own default
_EF = (
    *(
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        22,
        24,
        25,
        27,
        29,
        31,
        33,
        35,
        37,
        39,
        42,
        45,
    ),
    *(48, 51, 54, 58, 62, 66, 70, 75, 80, 90, 100, 110, 128, 160, 192, 256, 384, 512),
)  # about 6 % apart: with wider steps one is timed at a recall that the other does not have
_CANDIDATES = (20, 50, 100, 200, 500, 1_000, 2_000)
_PROBES = (2, 8, 32, 64, 128, 256)

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Contender:
    """An index, what it cost, the efforts that it can be searched with, and how.

    `search` takes (q, dim) queries and an effort and returns (q, 10) rows, on one thread for one
    query.
    """

    name: str
    build_seconds: float
    bytes: int
    efforts: Sequence[Any]
    search: Callable[[Vectors, Any], Rows]


def ours(factory: str, vectors: Path, folder: Path) -> Contender:
    """Return the application's index of this string for a file that `write_vectors` wrote."""
    shortlist = folder / factory.replace(",", "-")

    def build() -> dict[str, Any]:
        if factory == AUTO:
            return {"used": choose_shortlist(vectors, shortlist).factory}
        return {"used": train_shortlist(vectors, factory, shortlist)[0]}

    facts = _built(shortlist, build)
    used = facts["used"]
    kept = shortlist if used != "Flat" else None
    opened: dict[SearchEffort, VectorIndex] = {}

    def with_effort(effort: SearchEffort) -> VectorIndex:
        if effort not in opened:
            opened[effort] = VectorIndex(vectors=vectors, shortlist=kept, effort=effort)
        return opened[effort]

    index = with_effort(SearchEffort(1, 1))
    chosen = calibrate(index).effort if kept else None
    return Contender(
        name=f"{AUTO}: {used}" if factory == AUTO else used,
        build_seconds=facts["seconds"],
        bytes=(kept or vectors).stat().st_size,
        efforts=_efforts(index, chosen),
        search=lambda queries, effort: with_effort(effort).search(queries, K).rows,
    )


def _efforts(index: VectorIndex, chosen: SearchEffort | None) -> list[SearchEffort]:
    """Return the efforts that are tried: one alone where every vector is compared."""
    if chosen is None:
        return [SearchEffort(0, 0)]
    if index.is_graph:
        return [chosen, *(SearchEffort(0, each) for each in _EF)]
    tried = [probes for probes in _PROBES if probes <= index.cells]
    return [
        chosen,
        *(SearchEffort(probes, each) for probes in tried for each in _CANDIDATES),
    ]


def of_hnswlib(links: int, flat: Path, folder: Path) -> Contender:
    """Return hnswlib's graph of the vectors of a file, with so many links a vector."""
    import hnswlib

    stored = VectorIndex(vectors=flat, shortlist=None, effort=SearchEffort(0, 0))
    path = folder / f"hnswlib-{links}"

    def build() -> dict[str, Any]:
        index = hnswlib.Index("ip", stored.dim)
        index.init_index(stored.rows, M=links, ef_construction=_EF_CONSTRUCTION)
        index.set_num_threads(cores())
        for rows in np.array_split(np.arange(stored.rows), 1 + stored.rows // _CHUNK_ROWS):
            index.add_items(stored.vectors(rows), rows)
        index.save_index(str(path))
        return {}

    facts = _built(path, build)
    index = hnswlib.Index("ip", stored.dim)
    index.load_index(str(path))

    def search(queries: Vectors, ef: int) -> Rows:
        index.set_num_threads(1 if len(queries) == 1 else cores())
        index.set_ef(ef)
        rows: Rows = index.knn_query(queries, K)[0].astype(np.int64)
        return rows

    return Contender(
        f"hnswlib M={links}", facts["seconds"], int(index.index_file_size()), _EF, search
    )


def _built(path: Path, build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `build` returns and its seconds; of an earlier run if that has left them."""
    facts = path.with_name(f"{path.name}.json")
    if not facts.is_file():
        started = time.perf_counter()
        found = build()
        found["seconds"] = round(time.perf_counter() - started, 1)
        facts.write_text(json.dumps(found), encoding="utf-8")
    read: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
    return read


def contenders(
    make_vectors: Callable[[], Vectors], folder: Path, names: Sequence[str] = NAMES
) -> Sequence[Contender]:
    """Build those named, one after the other, of (n, dim) unit vectors; exact search is first.

    All have the vectors that the file keeps, of 16 bits a number. What is in the folder already is
    taken as it is: another folder for other vectors.
    """
    flat = folder / "vectors"
    if not flat.is_file():
        write_vectors(make_vectors().astype(np.float16), flat)
    built = []
    for name in dict.fromkeys(("Flat", *names)):
        if name.startswith(_HNSWLIB):
            built.append(of_hnswlib(int(name.removeprefix(_HNSWLIB)), flat, folder))
        else:
            built.append(ours(name, flat, folder))
        print(f"  {built[-1].name} was built in {built[-1].build_seconds:.0f} s", flush=True)
    return built
