"""Words as they are written, or conditions alone → images, without any vector."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from app.errors import UsageError
from app.search.among import among, words_in
from app.search.galleries import SearchableGallery
from app.search.order import in_order
from app.search.question import MAX_K, SearchRequest
from app.search.several import merged
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


def widened_by_offset(request: SearchRequest) -> SearchRequest:
    """Return a request for the nearest images with those that its offset leaves out.

    UsageError for more than are ever looked for.
    """
    if request.offset + request.k > MAX_K:
        raise UsageError(
            f"The nearest images are at most {MAX_K}: offset and k may be so many together, not "
            f"{request.offset + request.k}. Only lists go on: of words as they are written, or of "
            "conditions alone."
        )
    return replace(request, k=request.offset + request.k)


def without_first(result: SearchResult, request: SearchRequest) -> SearchResult:
    """Return what comes after a request's offset: where the picture is from was said before."""
    if not request.offset or result.listed:
        return result
    return replace(result, hits=result.hits[request.offset :], sought=False)


def listed_in_all(
    galleries: Sequence[SearchableGallery], request: SearchRequest, watch: Stopwatch
) -> SearchResult:
    """Return the k images from `offset` on that a request's words and filters leave."""
    if len(galleries) == 1:
        return listed(galleries[0], request, watch)
    # The first of all are among the first of each.
    last = request.offset + request.k
    whole = [listed(each, request, watch, slice(last)) for each in galleries]
    together = merged(whole, last * len(galleries), watch.timings())
    return sorted_as_asked(together, request, slice(request.offset, last))


def listed(
    gallery: SearchableGallery,
    request: SearchRequest,
    watch: Stopwatch,
    part: slice | None = None,
) -> SearchResult:
    """Return the k images from `offset` on that a request's words and filters leave, or a part.

    Those of which more of the words are written come first, or those that are first in the order
    that it asks for; without either, those that were there first.
    """
    stored = gallery.stored
    part = part or slice(request.offset, request.offset + request.k)
    with watch.measure("shortlist"):
        chosen = among(gallery, request)
        ids = stored.ids() if chosen is None else chosen
        scores = np.ones(len(ids), np.float32)
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
        images = stored.images(ids[part].tolist())
        hits = tuple(
            Hit(record, score, rank, same_file=False)
            for rank, (record, score) in enumerate(
                zip(images, scores[part].tolist(), strict=True), 1 + (part.start or 0)
            )
        )
    result = SearchResult(
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
    return sorted_as_asked(result, request) if request.says else result


def _notes(gallery: SearchableGallery) -> Iterator[str]:
    if gallery.texts_off:
        yield f"{_AS_WRITTEN}, and not by what they mean: {gallery.texts_off}"
    else:
        yield (
            f"{_AS_WRITTEN}, in labels, paths and metadata: the model of this gallery knows no "
            "texts."
        )


def sorted_as_asked(
    result: SearchResult, request: SearchRequest, part: slice | None = None
) -> SearchResult:
    """Return the first k of a result, or a part, with its hits in the order that is asked for."""
    hits = result.hits
    if request.ordered is not None:
        column, descending = request.ordered
        hits = in_order(hits, column, descending=descending)
    return replace(result, hits=hits[part or slice(request.k)])
