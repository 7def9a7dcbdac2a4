"""Words as they are written, or conditions alone → images, without any vector."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from app.errors import UsageError
from app.search.among import among, words_in
from app.search.galleries import SearchableGallery
from app.search.order import in_order
from app.search.question import SearchRequest
from app.search.timing import Stopwatch
from app.values import WRITTEN, Hit, SearchResult
from app.values.vectors import SCORE_TOLERANCE

AS_FILTER = (
    "The words were looked for in labels, paths and metadata, since the model of this gallery "
    "knows no texts: only images of which all are written were compared."
)
_AS_WRITTEN = "The words were looked for as they are written"


def is_listing(gallery: SearchableGallery, request: SearchRequest) -> bool:
    """Return whether a request is answered without a vector."""
    by_words = bool(request.says) and gallery.knows_texts
    return request.query is None and not (by_words or request.more)


def check_has_vector(gallery: SearchableGallery, request: SearchRequest) -> None:
    """Raise UsageError for a request that has no vector."""
    if is_listing(gallery, request):
        raise UsageError(
            f"The model of {gallery.stored.name}, {gallery.stored.manifest.model}, knows no "
            "texts: give a picture."
        )


def asked_columns(request: SearchRequest) -> Iterator[str]:
    """Yield the columns that a request names."""
    yield from (each.name for each in request.conditions)
    if request.ordered:
        yield request.ordered[0]


def listed(gallery: SearchableGallery, request: SearchRequest, watch: Stopwatch) -> SearchResult:
    """Return the first k images that a request's words and filters leave.

    Those of which more of the words are written come first, or those that are first in the order
    that it asks for; without either, those that were there first.
    """
    stored = gallery.stored
    with watch.measure("shortlist"):
        chosen = among(gallery, request)
        ids = stored.ids() if chosen is None else chosen
        scores = np.ones(min(len(ids), request.k), np.float32)
        if request.says:
            found, scores = stored.known.ids_of_words(words_in(request.says))
            kept = scores >= request.min_score - SCORE_TOLERANCE
            if chosen is not None:
                kept &= np.isin(found, chosen)
            ids, scores = found[kept], scores[kept]
        elif request.ordered:
            column, descending = request.ordered
            ids = stored.known.in_order_of(column, ids, descending=descending)
    with watch.measure("lookup"):
        images = stored.images(ids[: request.k].tolist())
        hits = tuple(
            Hit(record, score, rank, same_file=False)
            for rank, (record, score) in enumerate(
                zip(images, scores[: request.k].tolist(), strict=True), 1
            )
        )
    return SearchResult(
        gallery=stored.name,
        hits=hits,
        approximate=False,
        exact=True,
        candidates=len(ids),
        recall=1.0,
        timings=watch.timings(),
        notes=tuple(_notes(gallery)) if request.says else (),
        words=WRITTEN if request.says else "",
        listed=True,
    )


def _notes(gallery: SearchableGallery) -> Iterator[str]:
    if gallery.texts_off:
        yield f"{_AS_WRITTEN}, and not by what they mean: {gallery.texts_off}"
    else:
        yield (
            f"{_AS_WRITTEN}, in labels, paths and metadata: the model of this gallery knows no "
            "texts."
        )


def sorted_as_asked(result: SearchResult, request: SearchRequest) -> SearchResult:
    """Return the first k of a result, with its hits in the order that the request asks for."""
    if request.ordered is None:
        return result
    column, descending = request.ordered
    hits = in_order(result.hits, column, descending=descending)
    return replace(result, hits=hits[: request.k])
