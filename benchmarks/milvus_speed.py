"""A gallery given to Milvus → how long its rows, its index and its searches take, as a table.

Run by `python -m benchmarks.milvus_speed --uri ADDRESS --vectors FILE`, beside a server that runs.
FILE is an .npz of int8 `codes` (n, dim) and their `scale` (dim,), or of `vectors` (n, dim).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.build.storing import give_to_milvus
from app.gallery import Folders, Gallery, committing, opened
from app.index import SearchEffort, train_shortlist, write_vectors
from app.values import ImageRecord
from app.values.gallery import Manifest
from app.values.vectors import unit

_SEARCHES = 300


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--index", action="append", help="in Milvus's words; may be given again")
    parser.add_argument("--server", type=int, help="the server's process, for its memory")
    options = parser.parse_args()
    vectors = _read(options.vectors)[: options.rows]
    print(f"{len(vectors):,} × {vectors.shape[1]}")
    with tempfile.TemporaryDirectory() as home:
        folders = Folders.of("speed", Path(home) / "features", Path(home) / "indexes")
        for shortlist in ("IVF100,PQ32",):
            began = time.perf_counter()
            _fill(folders, vectors, shortlist)
            print(f"segments, {shortlist}: built in {time.perf_counter() - began:.1f} s")
            _searched(folders, vectors)
        for index in options.index or ["IVF_PQ,nlist=100,m=32", "HNSW", "FLAT"]:
            began = time.perf_counter()
            manifest = give_to_milvus(folders, options.uri, index, lambda *_: None)
            taken = time.perf_counter() - began
            print(f"Milvus, {index}: stored, indexed and measured in {taken:.1f} s")
            print(f"  recall@10 {manifest.recall_reranked:.3f} ({manifest.recall_raw:.3f} raw)")
            _searched(folders, vectors)
            if options.server:
                print(f"  the server holds {_memory(options.server):.2f} GB")


def _read(path: Path) -> NDArray[np.float32]:
    with np.load(path) as file:
        raw = file["codes"] * file["scale"] if "codes" in file else file["vectors"]
    vectors: NDArray[np.float32] = unit(raw.astype(np.float32))
    return vectors


def _fill(folders: Folders, vectors: NDArray[np.float32], index: str) -> None:
    with committing(folders) as commit:
        writer = commit.segment_writer()
        write_vectors(vectors.astype(np.float16), writer.vectors_path)
        train_shortlist(writer.vectors_path, index, writer.shortlist_path)
        records = (
            ImageRecord(n, path=f"{n:07}.jpg", sha256="", labels=(), width=9, height=9, bytes=9)
            for n in range(len(vectors))
        )
        writer.write_images(records, ((n, b"") for n in range(len(vectors))))
        found = SearchEffort(16, 200)
        segment = writer.finish(index=index, probes=found.probes, candidates=found.candidates)
        manifest = Manifest(
            name="speed",
            weights_sha256="",
            preprocessing={},
            index_asked=index,
            recall_queries=0,
            versions={},
            model="",
            dim=vectors.shape[1],
            images=len(vectors),
            next_id=len(vectors),
        )
        commit.write(replace(manifest, segments=(commit.place(segment, writer.place),)))


def _searched(folders: Folders, vectors: NDArray[np.float32]) -> None:
    gallery = opened(folders)
    some = np.random.default_rng(0).permutation(vectors)[:_SEARCHES]
    for name, search in _ways(gallery).items():
        search(some[:1])
        times = []
        for query in some:
            began = time.perf_counter()
            search(query[None])
            times.append(1000 * (time.perf_counter() - began))
        p95 = sorted(times)[int(0.95 * len(times))]
        print(f"  {name}: median {statistics.median(times):.1f} ms, 95 % within {p95:.1f} ms")
    gallery.close()


def _ways(gallery: Gallery) -> dict[str, Callable[[NDArray[np.float32]], object]]:
    return {
        "shortlist, re-ranked, k = 10": lambda query: gallery.search(query, 10),
        "exact, k = 10": lambda query: gallery.search(query, 10, exact=True),
    }


def _memory(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1e6


if __name__ == "__main__":
    main()
