"""A query's vector → the images nearest to it, filtered, in order, and marked: the hits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.gallery import Store
from app.search.galleries import SearchableGallery
from app.search.query import QueryVector, Vector
from app.search.question import SearchRequest
from app.values import Hit
from app.values.vectors import reaches

_NEARLY_EQUAL = 0.95  # cosine; resized and recompressed copies of Caltech101's images are above it


@dataclass(frozen=True)
class Ranking:
    """Cosines by id, best first, and how they were found.

    `missed` are the ids that the index alone would not have found, known where the search was
    exact. `best` is the highest cosine in the gallery, whatever the filters leave of it; where an
    image with the label reaches the gallery's floor, that of the label's images says enough. None
    where nothing was found. `candidates` is how many images were compared exactly.
    """

    scores: dict[int, float]
    missed: frozenset[int]
    exact: bool
    candidates: int
    best: float | None = None

    def without(self, ids: Sequence[int]) -> "Ranking":
        """Return the same with some images left out."""
        scores = {image: score for image, score in self.scores.items() if image not in ids}
        return replace(self, scores=scores, missed=self.missed.difference(ids))

    def led_by(self, ids: Sequence[int], scores: Sequence[float]) -> "Ranking":
        """Return the same after some images, which count as not missed, with their scores."""
        first = dict(zip(ids, scores, strict=True))
        return replace(self, scores=first | self.scores, missed=self.missed.difference(ids))

    def at_least(self, min_score: float, k: int) -> "Ranking":
        """Return the first k of the images whose cosine is not less than `min_score`."""
        kept = [pair for pair in self.scores.items() if reaches(pair[1], min_score)]
        return replace(self, scores=dict(kept[:k]))


def rank(gallery: SearchableGallery, query: QueryVector, request: SearchRequest) -> Ranking:
    """Return the request's k nearest images that its filters leave.

    Images whose file is the query's own come first where the picture is searched as it is, or are
    left out where the request says so. With a label, the images that have it are compared, all
    of them and no others.
    """
    index = gallery.index
    among = gallery.stored.ids_of_label(request.label) if request.label else None
    own = query.own if among is None else sorted(set(query.own).intersection(among))
    k = request.k + len(own) if request.leave_out_same_file else request.k
    if among is None:
        ranking = _nearest(index, query.vector, k, exact=request.exact)
    else:
        ranking = _nearest_among(index, query.vector, k, among)
    if request.leave_out_same_file:
        ranking = ranking.without(own)
    elif own and query.is_plain:
        # The file itself is an answer whether or not the shortlist holds it.
        own_scores = index.scores(query.vector, np.array(own, np.int64)).tolist()
        ranking = ranking.led_by(own, own_scores)
    best = max(ranking.scores.values(), default=None)
    floor = gallery.stored.manifest.floor
    if among is not None and floor is not None and (best is None or best < floor):
        best = _best(index, query, without_own=request.leave_out_same_file)
    return replace(ranking, best=best).at_least(request.min_score, request.k)


def near_duplicates(index: Store, ids: Sequence[int]) -> dict[int, int]:
    """Return, by rank, the rank of a better result that an image nearly equals.

    Nothing where the vectors are not here: many images share a code.
    """
    if index.approximate or not ids:
        return {}
    vectors = index.vectors(np.array(ids, np.int64))
    alike = vectors @ vectors.T >= _NEARLY_EQUAL
    first = alike.argmax(axis=1)  # the best result that each one equals, or itself
    return {rank: int(of) + 1 for rank, of in enumerate(first, 1) if of + 1 < rank}


def hits_of(gallery: SearchableGallery, query: QueryVector, ranking: Ranking) -> tuple[Hit, ...]:
    """Return the ranked images, looked up and marked."""
    ids = list(ranking.scores)
    images = gallery.stored.images(ids)
    copies = near_duplicates(gallery.index, ids)
    return tuple(
        Hit(
            image,
            ranking.scores[image.id],
            rank,
            same_file=image.id in query.own,
            duplicate_of=copies.get(rank),
            missed=image.id in ranking.missed,
        )
        for rank, image in enumerate(images, 1)
    )


def _nearest(index: Store, vector: Vector, k: int, *, exact: bool) -> Ranking:
    """Return the k nearest; an exact search searches the index too, to mark what it misses."""
    neighbours = index.search(vector[None], k, exact=exact)
    scores = dict(zip(neighbours.rows[0].tolist(), neighbours.scores[0].tolist(), strict=True))
    if index.approximate or not (exact or index.exact_only):
        return Ranking(scores, frozenset(), exact=False, candidates=neighbours.candidates)
    missed: frozenset[int] = frozenset()
    if not index.exact_only:
        missed = frozenset(scores).difference(index.search(vector[None], k).rows[0].tolist())
    return Ranking(scores, missed, exact=True, candidates=index.rows)


def _nearest_among(index: Store, vector: Vector, k: int, among: Sequence[int]) -> Ranking:
    """Return the k nearest of some images; each is compared."""
    neighbours = index.search_among(vector, k, np.array(among, np.int64))
    scores = dict(zip(neighbours.rows[0].tolist(), neighbours.scores[0].tolist(), strict=True))
    return Ranking(scores, frozenset(), exact=not index.approximate, candidates=len(among))


def _best(index: Store, query: QueryVector, *, without_own: bool) -> float | None:
    """Return the highest cosine in the whole gallery, found through the index."""
    k = 1 + len(query.own) if without_own else 1
    neighbours = index.search(query.vector[None], k)
    pairs = zip(neighbours.rows[0].tolist(), neighbours.scores[0].tolist(), strict=True)
    own = query.own if without_own else ()
    return next((score for row, score in pairs if row not in own), None)
