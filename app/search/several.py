"""The answers of several galleries to one query → one answer."""

from collections.abc import Sequence
from dataclasses import replace

from app.values import MOST_PLACES, Hit, ImageRecord, SearchResult, Timings

_Ranked = tuple[str, Hit]
"""A hit, and the gallery that it is of."""


def merged(results: Sequence[SearchResult], k: int, timings: Timings) -> SearchResult:
    """Return the k best hits of all results, by score, with their galleries.

    A content that several galleries have is one hit, with its places in all of them. Whether
    anything is similar enough is for the gallery to say that comes nearest to its own floor, and
    the recall is that of the gallery that finds least.
    """
    ranked = sorted(
        ((result.gallery, hit) for result in results for hit in result.hits),
        key=lambda each: (not _leads(each[1]), -each[1].score),
    )
    firsts, rank_of = _folded(ranked)
    hits = [_renumbered(each, rank_of, rank) for rank, each in enumerate(firsts[:k], 1)]
    best = {hit.rank for hit in hits if hit.duplicate_of is None}
    nearest = max(results, key=_above_floor)
    notes = dict.fromkeys(note for result in results for note in result.notes)
    return SearchResult(
        gallery=",".join(result.gallery for result in results),
        hits=tuple(
            hit if hit.duplicate_of in best else replace(hit, duplicate_of=None) for hit in hits
        ),
        approximate=any(result.approximate for result in results),
        exact=all(result.exact for result in results),
        candidates=sum(result.candidates for result in results),
        recall=min(result.recall for result in results),
        timings=timings,
        notes=tuple(notes),
        floor=nearest.floor,
        best=nearest.best,
        sought=any(result.sought for result in results),
        too_simple=any(result.too_simple for result in results),
        words=results[0].words,
        listed=results[0].listed,
    )


def _leads(hit: Hit) -> bool:
    """Whether it stands before better scores: the query's own file or picture."""
    return (hit.same_file and hit.rank == 1) or (hit.match is not None and hit.match.is_source)


def _folded(ranked: Sequence[_Ranked]) -> tuple[list[_Ranked], dict[tuple[str, int], int]]:
    """Return one hit for each content, and the new rank of each by its gallery and old rank."""
    firsts: list[_Ranked] = []
    place_of: dict[str, int] = {}
    rank_of: dict[tuple[str, int], int] = {}
    for gallery, hit in ranked:
        hit = replace(
            hit,
            image=replace(hit.image, gallery=gallery),
            places=tuple(replace(each, gallery=gallery) for each in hit.places),
        )
        content = hit.image.sha256
        if content and content in place_of:
            place = place_of[content]
            owner, first = firsts[place]
            firsts[place] = owner, _with_places(first, (hit.image, *hit.places), hit.copies + 1)
        else:
            place = len(firsts)
            firsts.append((gallery, hit))
            if content:
                place_of[content] = place
        rank_of[gallery, hit.rank] = place + 1
    return firsts, rank_of


def _with_places(hit: Hit, places: tuple[ImageRecord, ...], copies: int) -> Hit:
    return replace(hit, places=(*hit.places, *places)[:MOST_PLACES], copies=hit.copies + copies)


def _renumbered(each: _Ranked, rank_of: dict[tuple[str, int], int], rank: int) -> Hit:
    gallery, hit = each
    of = None if hit.duplicate_of is None else rank_of.get((gallery, hit.duplicate_of))
    return replace(hit, rank=rank, duplicate_of=of)


def _above_floor(result: SearchResult) -> float:
    """Return by how much the best score is above the floor; the most where that is not known."""
    if result.floor is None:
        return float("inf")
    return -float("inf") if result.best is None else result.best - result.floor
