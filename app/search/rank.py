"""A query's vector → the images nearest to it, filtered, in order, and marked: the hits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from app.gallery import Store
from app.index import Neighbours
from app.search.copies import Copies, Nearest, one_of_each
from app.search.doubles import doubles
from app.search.galleries import SearchableGallery
from app.search.query import QueryVector, Vector
from app.search.question import SearchRequest
from app.values import MOST_PLACES, Hit, ImageRecord, Match
from app.values.vectors import reaches

_WHOLE = 0.9  # of the query: of a collage, each of several sources shows a part
_LOOKED_UP_AT_ONCE = 1000  # images; SQLite takes 32766 question marks
_MOST_OF_INDEX = 10_000  # images; where so many copies are nearest, one of each content is compared


@dataclass(frozen=True)
class Ranking:
    """Cosines by id, best first, and how they were found.

    `missed` are the ids that the index alone would not have found, known where the search was
    exact. `best` is the highest cosine in the gallery, whatever the filters leave of it; where an
    image that they leave reaches the gallery's floor, that says enough. None
    where nothing was found. `candidates` is how many images were compared exactly. `copies` says
    which other images have the content of one.
    """

    scores: dict[int, float]
    missed: frozenset[int]
    exact: bool
    candidates: int
    copies: Copies
    best: float | None = None

    def led_by(self, image: int, score: float) -> "Ranking":
        """Return the same after one image, which counts as not missed, with its score."""
        return replace(self, scores={image: score} | self.scores, missed=self.missed - {image})

    def with_sources(
        self, sources: Sequence[int], index: Store, query: Vector, request: SearchRequest
    ) -> "Ranking":
        """Return the k first of the same after the images that show the query's own picture.

        Those below the request's least score are left out.
        """
        self.copies.look_up(sources)
        ids = self.copies.firsts(sources)
        scores = {image: self.scores[image] for image in ids if image in self.scores}
        if others := [image for image in ids if image not in scores]:
            found = index.scores(query, np.array(others, np.int64)).tolist()
            scores |= zip(others, found, strict=True)
        led = {image: scores[image] for image in ids if reaches(scores[image], request.min_score)}
        return replace(self, scores=dict(islice((led | self.scores).items(), request.k)))

    def at_least(self, min_score: float, k: int, *, best: float | None) -> "Ranking":
        """Return the first k of the images whose cosine is not less than `min_score`."""
        kept = [pair for pair in self.scores.items() if reaches(pair[1], min_score)]
        return replace(self, scores=dict(kept[:k]), best=best)


def rank(
    gallery: SearchableGallery,
    query: QueryVector,
    request: SearchRequest,
    among: Sequence[int] | None,
) -> Ranking:
    """Return the request's k nearest images of those `among`, each of another content.

    The image whose file is the query's own comes first where the picture is searched as it is, or
    is left out where the request says so. Where filters leave only some, these are compared, all
    of them and no others.
    """
    index, stored = gallery.index, gallery.stored
    own = query.own if among is None else sorted(set(query.own).intersection(among))
    copies = Copies(stored, among)
    copies.add(query.own)
    left_out = own if request.leave_out_same_file else []
    search = _Search(index, query.vector, request.k, copies, own, frozenset(left_out))
    if among is None:
        ranking = search.everywhere(stored, exact=request.exact)
    else:
        ranking = search.among(among)
    if own and query.is_plain and not left_out:
        ranking = ranking.led_by(own[0], search.score_of(own[0], ranking))
    best = max(ranking.scores.values(), default=None)
    floor = gallery.floor
    if among is not None and floor is not None and (best is None or best < floor):
        best = _best(index, query, without_own=request.leave_out_same_file)
    return ranking.at_least(request.min_score, request.k, best=best)


def hits_of(
    gallery: SearchableGallery,
    query: QueryVector,
    ranking: Ranking,
    matches: Mapping[int, Match],
) -> tuple[Hit, ...]:
    """Return the ranked images, looked up and marked."""
    ids = list(ranking.scores)
    images = gallery.stored.images(ids)
    copies = ranking.copies.others(ids)
    places = _places(gallery.stored, copies) if copies else {}
    matched = [_match_of((image, *copies.get(image, ())), matches) for image in ids]
    better = doubles(gallery.stored, images, _whole_sources(matched))
    return tuple(
        Hit(
            image,
            ranking.scores[image.id],
            rank,
            same_file=image.id in query.own,
            duplicate_of=None if image.id in query.own else better.get(rank),
            missed=image.id in ranking.missed,
            copies=len(copies.get(image.id, ())),
            places=places.get(image.id, ()),
            match=matched[rank - 1],
        )
        for rank, image in enumerate(images, 1)
    )


def _whole_sources(matched: Sequence[Match | None]) -> list[int]:
    """Return the ranks of the results that show the whole query's picture."""
    return [
        rank
        for rank, match in enumerate(matched, 1)
        if match is not None and match.is_source and match.of_query >= _WHOLE
    ]


def _match_of(same: Sequence[int], matches: Mapping[int, Match]) -> Match | None:
    """Return how a content matches, of which any copy may have been the one that was compared."""
    return next((matches[image] for image in same if image in matches), None)


def _places(
    stored: Store, copies: Mapping[int, Sequence[int]]
) -> dict[int, tuple[ImageRecord, ...]]:
    """Return the first of each image's copies, looked up in parts that are not too large."""
    ids = [each for others in copies.values() for each in others[:MOST_PLACES]]
    parts = [ids[at : at + _LOOKED_UP_AT_ONCE] for at in range(0, len(ids), _LOOKED_UP_AT_ONCE)]
    records = {record.id: record for part in parts for record in stored.images(part)}
    return {
        image: tuple(records[each] for each in others[:MOST_PLACES])
        for image, others in copies.items()
    }


@dataclass(frozen=True)
class _Search:
    """A search for the images of k contents; those of `left_out` are none of them.

    `own` are the ids of the query's own file, which is expected among the nearest.
    """

    index: Store
    vector: Vector
    k: int
    copies: Copies
    own: Sequence[int]
    left_out: frozenset[int]

    def everywhere(self, stored: Store, *, exact: bool) -> Ranking:
        """Return the nearest of all; an exact search searches the index too, for what it misses."""
        index = self.index
        scores, compared = self._ranked(self._of_index(stored, exact=exact))
        if index.approximate or not (exact or index.exact_only):
            return Ranking(scores, frozenset(), False, compared, self.copies)
        found = scores
        if not index.exact_only:
            found, _ = self._ranked(self._of_index(stored, exact=False))
        return Ranking(scores, frozenset(scores).difference(found), True, index.rows, self.copies)

    def among(self, ids: Sequence[int]) -> Ranking:
        """Return the nearest of some images; each is compared."""
        every = self.index.search_among(self.vector, len(ids), np.array(ids, np.int64))
        scores, compared = self._ranked(lambda n: _nearest_of(every, n))
        return Ranking(scores, frozenset(), not self.index.approximate, compared, self.copies)

    def score_of(self, image: int, ranking: Ranking) -> float:
        """Return an image's cosine, whether or not the search has found it."""
        if image in ranking.scores:
            return ranking.scores[image]
        [score] = self.index.scores(self.vector, np.array([image], np.int64)).tolist()
        return float(score)

    def _of_index(self, stored: Store, *, exact: bool) -> Callable[[int], Nearest]:
        """Return the function that gives the n nearest of the gallery."""

        def nearest(n: int) -> Nearest:
            if n <= _MOST_OF_INDEX:
                return _nearest_of(self.index.search(self.vector[None], n, exact=exact), n)
            each = np.array(stored.one_of_each_content(), np.int64)
            return _nearest_of(self.index.search_among(self.vector, n, each), n)

        return nearest

    def _ranked(self, nearest: Callable[[int], Nearest]) -> tuple[dict[int, float], int]:
        """Return the cosines of the k nearest contents, by id, and how many were compared."""
        own = len(self.own)
        at_first = self.k + (own if self.left_out else max(own - 1, 0))
        firsts, found = one_of_each(
            nearest, self.k, self.copies, at_first=at_first, without=self.left_out
        )
        if not (self.copies or self.left_out or len(found.scores) > self.k):
            return found.scores, found.candidates
        scores = self._scores_of(firsts, found.scores)
        return dict(islice(scores.items(), self.k)), found.candidates

    def _scores_of(self, firsts: Sequence[int], found: Mapping[int, float]) -> dict[int, float]:
        """Return the cosines of the images that stand for their contents, best first."""
        scores = {image: found[image] for image in firsts if image in found}
        # Where a content has more copies than there are candidates, any of them may be found.
        if others := [image for image in firsts if image not in found]:
            cosines = self.index.scores(self.vector, np.array(others, np.int64))
            scores |= zip(others, cosines.tolist(), strict=True)
        return dict(sorted(scores.items(), key=lambda each: (-each[1], each[0])))


def _nearest_of(neighbours: Neighbours, n: int) -> Nearest:
    """Return the first n of what one query found."""
    rows, scores = neighbours.rows[0, :n].tolist(), neighbours.scores[0, :n].tolist()
    return Nearest(dict(zip(rows, scores, strict=True)), neighbours.candidates)


def _best(index: Store, query: QueryVector, *, without_own: bool) -> float | None:
    """Return the highest cosine in the whole gallery, found through the index."""
    k = 1 + len(query.own) if without_own else 1
    neighbours = index.search(query.vector[None], k)
    pairs = zip(neighbours.rows[0].tolist(), neighbours.scores[0].tolist(), strict=True)
    own = query.own if without_own else ()
    return next((score for row, score in pairs if row not in own), None)
