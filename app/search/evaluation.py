"""A gallery → the recall of its index, and how often the labels of neighbours agree."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError
from app.gallery import Folders, Gallery, opened
from app.index import recall
from app.search.galleries import SearchableGallery, searchable
from app.values import Evaluation
from app.values.measures import average_precision
from app.values.vectors import kept_first

_BLOCK_QUERIES = 50
_SEED = 10  # another sample than the one that chose the index's effort

Rows = NDArray[np.int64]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Subject:
    """An open gallery, and the rows that have each label: places in the order of the ids."""

    gallery: SearchableGallery
    ids: Rows
    labels: list[tuple[str, ...]]
    rows_of: dict[str, Rows]
    counts: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        """How many images it has."""
        return len(self.ids)

    def search(self, queries: NDArray[np.float32], k: int, *, exact: bool = False) -> Rows:
        """Return the (q, k) nearest rows."""
        return self._rows_of(self.gallery.stored.search(queries, k, exact=exact).rows)

    def search_codes(self, queries: NDArray[np.float32], k: int) -> Rows:
        """Return the (q, k) nearest rows as the index orders them; -1 where there are fewer."""
        return self._rows_of(self.gallery.stored.search_codes(queries, k).rows)

    def _rows_of(self, ids: Rows) -> Rows:
        return np.where(ids < 0, -1, np.searchsorted(self.ids, ids))

    def queries(self, rows: Rows) -> NDArray[np.float32]:
        """Return the (n, dim) unit vectors of searches by these rows' ids."""
        return np.stack([self._query(int(row)) for row in rows])

    def _query(self, row: int) -> NDArray[np.float32]:
        stored, image = self.gallery.stored, int(self.ids[row])
        vector = stored.vector(image)
        if self.gallery.expansion is None:
            return vector
        same = stored.ids_of_content(stored.images([image])[0].sha256)
        return self.gallery.expand_query(vector, [*same, image])

    def alike(self, row: int) -> NDArray[np.bool_]:
        """Return (rows,) bool: True for the other images that share a label with `row`."""
        alike = np.zeros(len(self.labels), bool)
        for label in self.labels[row]:
            alike[self.rows_of[label]] = True
        alike[row] = False
        return alike & self.counts


def evaluate(
    folders: Folders,
    *,
    k: int,
    sample: int,
    without: str,
    on_progress: OnProgress = lambda done, total: None,
) -> Evaluation:
    """Measure a gallery with up to `sample` of its own images, each left out of its own answer.

    recall@k: the share of the k nearest by exact search that the index finds too, as it is and
    re-ranked. precision@k: the share of the k found that have a label of the query's. mAP: over
    the exact ranking of all images, the mean of the precision at each right one. Images with the
    label `without` are neither queries nor counted in these two; nor are queries whose labels no
    other image has. Those are None where there is no such query. `on_progress` gets the queries
    done and all of them. GalleryError if the vectors, which exact search needs, are not here.
    """
    gallery = opened(folders)
    try:
        subject = _subject(gallery, without)
        k = min(k, subject.rows - 1)
        rows = np.random.default_rng(_SEED).permutation(subject.rows)[:sample]
        if k < 1:
            return Evaluation(gallery.name, len(rows), k, 1.0, 1.0)
        recalls, precisions = [], []
        for done, block in _blocks(rows):
            recalls.append(_recalls(subject, subject.queries(block), block, k) * len(block))
            precisions += list(_precisions(subject, block, k))
            on_progress(done, len(rows))
    finally:
        gallery.close()
    raw, reranked = np.sum(recalls, axis=0) / len(rows)
    if not precisions:
        return Evaluation(gallery.name, len(rows), k, float(raw), float(reranked))
    exact, indexed, average = np.mean(precisions, axis=0).tolist()
    return Evaluation(
        gallery=gallery.name,
        queries=len(rows),
        k=k,
        recall_raw=float(raw),
        recall_reranked=float(reranked),
        labelled_queries=len(precisions),
        precision_exact=exact,
        precision_index=indexed,
        mean_average_precision=average,
    )


def others_that_count(found: Rows, own: Rows, counts: NDArray[np.bool_], k: int) -> Rows:
    """Return the first k of (q, c) found rows without the query's own and those that do not count.

    -1 stands where fewer than k are left.

    >>> others_that_count(np.array([[7, 2, 0, 5]]), np.array([7]), np.arange(8) != 2, 3)
    array([[ 0,  5, -1]])
    """
    dropped = (found < 0) | (found == own[:, None]) | ~counts[found]
    order = kept_first(dropped)[:, :k]
    return np.where(
        np.take_along_axis(dropped, order, axis=1), -1, np.take_along_axis(found, order, axis=1)
    )


def _subject(gallery: Gallery, without: str) -> _Subject:
    manifest = gallery.manifest
    if gallery.approximate:
        raise GalleryError(
            f"The vectors of {gallery.name} are not here ({gallery.folders.features}), and "
            f"without them there is no exact search to compare with. Run: {manifest.command} "
            "--force"
        )
    labels, ids = gallery.labels(), gallery.ids()
    rows_of: dict[str, list[int]] = {}
    for row, names in enumerate(labels):
        for name in names:
            rows_of.setdefault(name, []).append(row)
    counts = np.ones(len(labels), bool)
    if without:
        counts[np.searchsorted(ids, gallery.ids_of_label(without))] = False
    arrays = {name: np.array(rows, np.int64) for name, rows in rows_of.items()}
    return _Subject(searchable(gallery), ids, labels, arrays, counts)


def _recalls(
    subject: _Subject, queries: NDArray[np.float32], rows: Rows, k: int
) -> NDArray[np.float64]:
    """Return recall@k of the shortlist alone and of the search itself."""
    anything = np.ones(subject.rows, bool)
    truth = others_that_count(subject.search(queries, k + 1, exact=True), rows, anything, k)
    found = others_that_count(subject.search(queries, k + 1), rows, anything, k)
    shortlisted = others_that_count(subject.search_codes(queries, k + 1), rows, anything, k)
    return np.array([recall(truth, shortlisted), recall(truth, found)])


def _precisions(subject: _Subject, rows: Rows, k: int) -> Iterator[tuple[float, float, float]]:
    """Yield for each query that can be judged: precision@k exact, of the index; mean precision."""
    judged = np.array([r for r in rows if subject.counts[r] and subject.alike(r).any()], np.int64)
    if not len(judged):
        return
    queries = subject.queries(judged)
    everything = len(subject.labels)
    ranked = subject.search(queries, everything, exact=True)
    found = _found_that_count(subject, queries, judged, k)
    for row, whole, first in zip(judged, ranked, found, strict=True):
        alike = subject.alike(int(row))
        order = others_that_count(whole[None], np.array([row]), subject.counts, everything)
        order = order[order >= 0]
        first = first[first >= 0]
        yield (
            float(alike[order[:k]].mean()),
            float(alike[first].mean()),
            float(average_precision(alike[order][None])[0]),
        )


def _found_that_count(subject: _Subject, queries: NDArray[np.float32], rows: Rows, k: int) -> Rows:
    """Return the k others that count which the index finds for each; -1 where there are no more.

    Those that do not count may come first: k grows until enough others are found.
    """
    first = np.full((len(rows), k), -1, np.int64)
    lacking, depth = np.arange(len(rows)), k + 1
    while len(lacking):
        found = subject.search(queries[lacking], depth)
        first[lacking] = others_that_count(found, rows[lacking], subject.counts, k)
        if depth == subject.rows:
            break
        lacking = lacking[(first[lacking] < 0).any(axis=1)]
        depth = min(4 * depth, subject.rows)
    return first


def _blocks(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield the rows a block at a time, and how many are done after it."""
    for start in range(0, len(rows), _BLOCK_QUERIES):
        block = rows[start : start + _BLOCK_QUERIES]
        yield start + len(block), block
