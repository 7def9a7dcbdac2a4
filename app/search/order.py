"""Results in the order of a column, instead of their scores."""

from collections.abc import Sequence
from dataclasses import replace

from app.values import Hit
from app.values.columns import order_of, value_of


def in_order(hits: Sequence[Hit], column: str, *, descending: bool) -> tuple[Hit, ...]:
    """Return hits sorted by a column, those that have nothing there last, with their new ranks.

    They take the ranks that they had together.
    """
    first = min((hit.rank for hit in hits), default=1)
    valued = [(value_of(hit.image, column), hit) for hit in hits]
    known = [(order_of(value), hit) for value, hit in valued if value is not None]
    known.sort(key=lambda each: each[0], reverse=descending)
    ordered = [*(hit for _, hit in known), *(hit for value, hit in valued if value is None)]
    rank_of = {hit.rank: rank for rank, hit in enumerate(ordered, first)}
    return tuple(
        replace(
            hit,
            rank=rank,
            duplicate_of=None if hit.duplicate_of is None else rank_of.get(hit.duplicate_of),
        )
        for rank, hit in enumerate(ordered, first)
    )
