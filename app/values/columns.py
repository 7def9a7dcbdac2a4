"""What an image has in a column: the program's own, which every image has, and its metadata."""

from typing import Any

from app.values import ImageRecord, MetadataValue

OWN_COLUMNS = ("path", "name", "folder", "label", "key", "width", "height", "bytes")
"""What is known of every image, or can be; all other columns are of its metadata."""


def name_of(path: str) -> str:
    """Return a file's name without its folder."""
    return path.rpartition("/")[2]


def folder_of(path: str) -> str:
    """Return the folder that a file lies in, '' for the uppermost."""
    return path.rpartition("/")[0]


def value_of(record: ImageRecord, column: str) -> MetadataValue | None:
    """Return what an image has in a column; None if nothing. Of several labels, the first.

    Capital and small letters are equal in the column's name.
    """
    match column.casefold():
        case "name":
            return name_of(record.path)
        case "folder":
            return folder_of(record.path)
        case "label":
            return record.labels[0] if record.labels else None
        case "key":
            return record.key or None
        case "path" | "width" | "height" | "bytes" as own:
            value: MetadataValue = getattr(record, own)
            return value
    if column in record.metadata:
        return record.metadata[column]
    same = (
        value for name, value in record.metadata.items() if name.casefold() == column.casefold()
    )
    return next(same, None)


def order_of(value: MetadataValue) -> tuple[bool, Any]:
    """Return a key that sorts values: numbers, then texts without regard to case."""
    return isinstance(value, str), value.casefold() if isinstance(value, str) else value
