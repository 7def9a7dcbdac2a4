"""The Caltech101 gallery → how good its search is and how long it takes, as a table.

Run by `make evaluate`; README.md beside this file says how each figure is measured.
"""

import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.gallery import Folders, Gallery
from app.index import recall
from app.search.evaluation import others_that_count
from app.settings import Settings, read_settings
from app.sources.datasets.register import open_data_set
from app.values.measures import average_precision
from app.wiring import make_service
from benchmarks.report import Expectation, Report, arguments, at_least, at_most, real_data

GALLERY = "caltech101-efficientnet_lite0"
BACKGROUND = "BACKGROUND_Google"
_RECALL_QUERIES = 1_000
_TIMED_QUERIES = 1_000
_TIMED_TURN = 50
_EMBEDDED_ANEW = 200
_BLOCK_QUERIES = 100
_SEED = 10  # another sample than the one that chose the index's effort

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Subject:
    """The open gallery: the id of each row, its label and whether the label counts."""

    gallery: Gallery
    ids: Rows
    labels: NDArray[np.str_]

    @property
    def counts(self) -> NDArray[np.bool_]:
        """(rows,) bool: False for the background images, which show nothing in common."""
        return self.labels != BACKGROUND

    def queries(self, rows: Rows) -> NDArray[np.float32]:
        """Return the (n, dim) unit vectors that a search by these ids asks with."""
        return np.stack([self.gallery.vector(int(image)) for image in self.ids[rows]])

    def search(self, queries: NDArray[np.float32], k: int, *, exact: bool = False) -> Rows:
        """Return the (q, k) nearest rows."""
        return self._rows_of(self.gallery.search(queries, k, exact=exact).rows)

    def search_codes(self, queries: NDArray[np.float32], k: int) -> Rows:
        """Return the (q, k) nearest rows as the index orders them; -1 where there are fewer."""
        return self._rows_of(self.gallery.search_codes(queries, k).rows)

    def _rows_of(self, ids: Rows) -> Rows:
        return np.where(ids < 0, -1, np.searchsorted(self.ids, ids))


def main() -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    options = arguments("Measure search quality and times on the Caltech101 gallery.").parse_args()
    settings = read_settings()
    subject = open_subject(settings)
    report = Report("Search quality and times on Caltech101", "make evaluate")
    manifest = subject.gallery.manifest
    report.add("images, of those with a class", f"{len(subject.labels)}, {subject.counts.sum()}")
    report.add(
        "index",
        f"{manifest.index}, {manifest.probes} probes, {manifest.candidates} candidates for k = 10",
    )
    measure_exact(subject, report)
    measure_index(subject, report)
    measure_recall(subject, report)
    measure_times(subject, report)
    data = real_data()
    if data is None:
        print("REAL_DATA is not set: the stored vectors were not compared with the images.")
    else:
        measure_honesty(subject, settings, data, report)
    return report.finish(options.save)


def open_subject(settings: Settings) -> Subject:
    """Open and verify the gallery where the settings say."""
    gallery = Gallery(Folders.of(GALLERY, settings.features_dir, settings.indexes_dir))
    labels = np.array([label for (label,) in gallery.labels()])
    return Subject(gallery, gallery.ids(), labels)


def measure_exact(subject: Subject, report: Report) -> None:
    """Rank every image for every query exactly; mAP over the full ranking, precision at 1 and 5."""
    precisions, average = [], []
    for rows in blocks(np.flatnonzero(subject.counts), "Exact ranking"):
        found = subject.search(subject.queries(rows), len(subject.ids), exact=True)
        ranked = others_that_count(found, rows, subject.counts, subject.counts.sum() - 1)
        right = subject.labels[ranked] == subject.labels[rows][:, None]
        average.append(average_precision(right))
        precisions.append(np.stack([right[:, 0], right[:, :5].mean(axis=1)], axis=1))
    mean_ap = float(np.concatenate(average).mean())
    at_1, at_5 = np.concatenate(precisions).mean(axis=0)
    report.add(
        "exact search, mAP",
        f"{mean_ap:.4f}",
        Expectation("0.73 to 0.74", 0.73 <= mean_ap <= 0.74),
    )
    report.add("exact search, precision@1", f"{at_1:.4f}")
    report.add("exact search, precision@5", f"{at_5:.4f}", at_least(at_5, 0.87, "0.87"))


def measure_index(subject: Subject, report: Report) -> None:
    """Precision@5 of the ten results that the index gives, without the query and the background."""
    precisions, short = [], 0
    for rows in blocks(np.flatnonzero(subject.counts), "Through the index"):
        found = subject.search(subject.queries(rows), 10)
        five = others_that_count(found, rows, subject.counts, 5)
        right = (subject.labels[five] == subject.labels[rows][:, None]) & (five >= 0)
        precisions.append(right.mean(axis=1))
        short += int((five < 0).any(axis=1).sum())
    report.add("through the index, precision@5", f"{np.concatenate(precisions).mean():.4f}")
    report.add(
        "queries with fewer than 5 images left of 10 (the missing count as wrong)", f"{short}"
    )


def measure_recall(subject: Subject, report: Report) -> None:
    """Recall@10 over all images, the query itself left out, before and after the re-ranking."""
    rows = np.random.default_rng(_SEED).permutation(len(subject.ids))[:_RECALL_QUERIES]
    queries, anything = subject.queries(rows), np.ones(len(subject.ids), bool)
    truth = others_that_count(subject.search(queries, 11, exact=True), rows, anything, 10)
    listed = subject.search_codes(queries, 11)
    raw = recall(truth, others_that_count(listed, rows, anything, 10))
    found = others_that_count(subject.search(queries, 11), rows, anything, 10)
    reranked = recall(truth, found)
    report.add(f"recall@10 of the shortlist alone, {len(rows)} queries", f"{raw:.3f}")
    report.add("recall@10 re-ranked", f"{reranked:.3f}", at_least(reranked, 0.97, "0.97"))


def measure_times(subject: Subject, report: Report) -> None:
    """Time single queries, exact and through the index by turns; medians."""
    exact, indexed = timed_by_turns(subject, _TIMED_TURN)
    share = indexed / exact
    report.add("one query, exact search, median", f"{exact:.2f} ms")
    report.add("one query, index and re-ranking, median", f"{indexed:.2f} ms")
    report.add(
        "the index's share of exact search's time", f"{share:.3f}", at_most(share, 0.2, "1/5")
    )
    exact, indexed = timed_by_turns(subject, 1)
    report.add(
        "the same when each indexed query follows an exact one, which empties the caches",
        f"{indexed:.2f} ms of {exact:.2f} ms, {indexed / exact:.3f}",
    )


def timed_by_turns(subject: Subject, turn: int) -> tuple[float, float]:
    """Return the median milliseconds of a query, exact and through the index.

    Queries are asked one at a time; after every `turn` of them the other way has its turn.
    """
    rows = np.random.default_rng(_SEED + 1).permutation(len(subject.ids))[:_TIMED_QUERIES]
    queries = subject.queries(rows)
    spent: dict[bool, list[float]] = {True: [], False: []}
    for start in range(0, len(queries), turn):
        for exact, times in spent.items():
            for query in queries[start : start + turn]:
                started = time.perf_counter()
                subject.gallery.search(query[None], 11, exact=exact)
                times.append(1000 * (time.perf_counter() - started))
    return float(np.median(spent[True])), float(np.median(spent[False]))


def measure_honesty(subject: Subject, settings: Settings, data: Path, report: Report) -> None:
    """Compare the gallery with the published files: content of all, vectors of a sample."""
    folder = open_data_set(subject.gallery.manifest.data, data).folder
    images = subject.gallery.images(subject.ids.tolist())
    same = sum(_content(folder / image.path) == image.sha256 for image in images)
    report.add(
        "files whose SHA-256 is the one in the gallery",
        f"{same} of {len(images)}",
        Expectation("all", same == len(images)),
    )
    service = make_service(settings)
    sample = np.random.default_rng(_SEED + 2).permutation(len(images))[:_EMBEDDED_ANEW]
    cosines = []
    for row in tqdm(sample.tolist(), desc="Embedding anew", unit=" images", disable=None):
        result = service.search(GALLERY, (folder / images[row].path).read_bytes(), k=100)
        same_file = [hit for hit in result.hits if hit.same_file]  # it stands for its copies too
        cosines += [hit.score for hit in same_file if images[row] in (hit.image, *hit.places)]
    least = min(cosines) if len(cosines) == len(sample) else 0.0
    report.add(
        f"least cosine of {len(sample)} stored vectors to their files searched anew",
        f"{least:.6f}",
        Expectation("> 0.999", least > 0.999),
    )


def blocks(rows: Rows, description: str) -> Iterator[Rows]:
    """Yield the rows a block at a time, so that only a block's rankings are in memory."""
    for start in tqdm(
        range(0, len(rows), _BLOCK_QUERIES), desc=description, unit=" blocks", disable=None
    ):
        yield rows[start : start + _BLOCK_QUERIES]


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
