"""The filters of a request → the images of a gallery that it searches among."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.gallery import Store, in_all, words_of
from app.search.galleries import SearchableGallery
from app.search.question import SearchRequest
from app.values import MetadataValue

Ids = NDArray[np.int64]
_MOST_NAMED = 30  # columns in a sentence


@dataclass(frozen=True)
class Counts:
    """How many images have each value of a column, the most frequent first; of so many images."""

    gallery: str
    column: str
    images: int
    values: tuple[tuple[MetadataValue, int], ...]


def among(gallery: SearchableGallery, request: SearchRequest) -> Ids | None:
    """Return the ids of the images that a request's filters leave, ascending; None for all.

    NotFoundError for a label that no image has. Beside a picture, or images of the gallery, words
    are a filter where the model knows no texts: all of them must be written.
    """
    stored, parts = gallery.stored, []
    if request.label:
        parts.append(np.array(stored.ids_of_label(request.label), np.int64))
    if request.conditions:
        parts.append(stored.known.ids_where(request.conditions))
    if not gallery.knows_texts:
        if request.says and (request.query is not None or request.more):
            parts.append(written(stored, request.says))
        if without := words_of(request.without):
            ids, _ = stored.known.ids_of_words(without)
            parts.append(np.setdiff1d(stored.ids(), ids))
    return in_all(parts) if parts else None


def written(stored: Store, text: str) -> Ids:
    """Return the ids of the images of which every word of a text is written, ascending."""
    ids, scores = stored.known.ids_of_words(words_in(text))
    return np.sort(ids[scores >= 1])


def words_in(text: str) -> list[str]:
    """Return the words of a text; UsageError if there is none in it."""
    found = words_of(text)
    if not found:
        raise UsageError(f"There is no word in {text!r}: type what to look for.")
    return found


def check_columns(galleries: Sequence[SearchableGallery], asked: Iterable[str]) -> None:
    """Raise UsageError, with the columns there are, for one that no gallery has."""
    asked = tuple(asked)
    if not asked:
        return
    columns = dict.fromkeys(name for each in galleries for name in each.stored.known.columns())
    known = {name.casefold() for name in columns}
    for name in asked:
        if name.casefold() not in known:
            *first, last = list(columns)[:_MOST_NAMED]
            more = f" and {len(columns) - _MOST_NAMED} more" if len(columns) > _MOST_NAMED else ""
            here = galleries[0].stored.name if len(galleries) == 1 else "None of these galleries"
            has = "has no column" if len(galleries) == 1 else "has a column"
            raise UsageError(
                f"{here} {has} {name!r}: there are {', '.join(first)} and {last}{more}."
            )


def counts(galleries: Sequence[SearchableGallery], column: str, request: SearchRequest) -> Counts:
    """Return how many of the images that a request's filters leave have each value of a column."""
    check_columns(galleries, [column, *(each.name for each in request.conditions)])
    total: Counter[tuple[bool, MetadataValue]] = Counter()
    images = 0
    for gallery in galleries:
        chosen = among(gallery, request)
        ids = gallery.stored.ids() if chosen is None else chosen
        images += len(ids)
        for value, count in gallery.stored.known.counts(column, ids):
            total[isinstance(value, str), value] += count
    return Counts(
        ",".join(each.stored.name for each in galleries),
        galleries[0].stored.known.column(column),
        images,
        tuple((value, count) for (_, value), count in total.most_common()),
    )
