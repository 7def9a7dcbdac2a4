"""Results in the order of a column, instead of their scores."""

from collections.abc import Sequence
from dataclasses import replace

from app.values import Hit, ImageRecord, MetadataValue


def value_of(record: ImageRecord, column: str) -> MetadataValue | None:
    """Return what an image has in a column; None if nothing. Of several labels, the first."""
    match column.casefold():
        case "path":
            return record.path
        case "name":
            return record.path.rpartition("/")[2]
        case "folder":
            return record.path.rpartition("/")[0]
        case "label":
            return record.labels[0] if record.labels else None
        case "key":
            return record.key or None
        case "width" | "height" | "bytes" as own:
            size: int = getattr(record, own)
            return size
    found = record.metadata.get(column)
    if found is None:  # the column's own name may be written in other letters
        same = (value for name, value in record.metadata.items() if _same(name, column))
        return next(same, None)
    return found


def in_order(hits: Sequence[Hit], column: str, *, descending: bool) -> tuple[Hit, ...]:
    """Return hits sorted by a column, those that have nothing there last, with their new ranks."""
    known = [(value, hit) for hit in hits if (value := value_of(hit.image, column)) is not None]
    known.sort(key=lambda each: _key(each[0]), reverse=descending)
    rest = [hit for hit in hits if value_of(hit.image, column) is None]
    ordered = [hit for _, hit in known] + rest
    rank_of = {hit.rank: rank for rank, hit in enumerate(ordered, 1)}
    return tuple(
        replace(
            hit,
            rank=rank,
            duplicate_of=None if hit.duplicate_of is None else rank_of.get(hit.duplicate_of),
        )
        for rank, hit in enumerate(ordered, 1)
    )


def _key(value: MetadataValue) -> tuple[bool, MetadataValue]:
    return isinstance(value, str), value.casefold() if isinstance(value, str) else value


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
