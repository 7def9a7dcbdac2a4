"""A table of facts about images → the metadata of a gallery's images."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.errors import AppError, GalleryError
from app.gallery import Folders, Gallery, committing, in_parts, now
from app.gallery.segment import OpenSegment
from app.sources.matching import Joined, join
from app.sources.metadata import Metadata, read_metadata
from app.values import ImageRecord, MetadataValue
from app.values.gallery import Manifest, Segment, request_of
from app.values.names import path_of

_AT_ONCE = 10_000
_MOST_NAMED = 5  # of what was joined to no image, in a sentence
_Told = Mapping[int, Mapping[str, MetadataValue]]


@dataclass(frozen=True)
class JoinReport:
    """What became of a table: how many images have facts of it now, and sentences on the others."""

    manifest: Manifest
    columns: tuple[str, ...]
    images: int
    notes: tuple[str, ...] = ()


def join_table(
    folders: Folders,
    file: Path,
    *,
    join_column: str = "",
    without: tuple[str, ...] = (),
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> JoinReport:
    """Give a gallery's images the facts of a table, in place of those of the table before.

    The gallery remembers it: updates read it again. Nothing is embedded, and what finds images
    stays as it is. DatasetError and UsageError as `read_metadata` raises them.
    """
    file = file.resolve()
    stamp = _stamp_of(file)
    table = read_metadata(
        file, join=join_column, without=without, delimiter=delimiter, encoding=encoding
    )
    asked = {
        "metadata": file,
        "join_column": join_column,
        "without_column": without,
        "metadata_delimiter": delimiter,
        "metadata_encoding": "" if encoding == "utf-8" else encoding,
    }
    joined: list[Joined] = []

    def told(gallery: Gallery) -> _Told:
        joined.append(join(table, _images_of(gallery)))
        return joined[0].facts

    manifest = _rewrite(
        folders, told, request=request_of(**asked), joined=table.columns, joined_stamp=stamp
    )
    return JoinReport(
        manifest, table.columns, len(joined[0].facts), (*table.notes, *_notes(joined[0], table))
    )


def forget_table(folders: Folders) -> Manifest:
    """Take the facts of a gallery's table away from its images."""
    return _rewrite(folders, lambda gallery: {}, request={}, joined=(), joined_stamp=())


def join_again(folders: Folders, manifest: Manifest, *, changed: bool) -> tuple[Manifest, str]:
    """Read a gallery's table again where it or the gallery has `changed`; return why it was not.

    What its images are told stays then.
    """
    asked = manifest.request
    if "metadata" not in asked:
        return manifest, ""
    file = Path(path_of(asked["metadata"]))
    try:
        if not changed and _stamp_of(file) == tuple(manifest.joined_stamp):
            return manifest, ""
        without = asked.get("without_column", ())
        report = join_table(
            folders,
            file,
            join_column=asked.get("join_column", ""),
            without=(without,) if isinstance(without, str) else tuple(without),
            delimiter=asked.get("metadata_delimiter"),
            encoding=asked.get("metadata_encoding", "utf-8"),
        )
    except AppError as exc:
        return manifest, f"The metadata are as they were: {exc}"
    return report.manifest, ""


def _rewrite(
    folders: Folders, told: Callable[[Gallery], _Told], *, request: dict[str, Any], **facts: Any
) -> Manifest:
    """Write the items of the segments anew whose images are told something else than before."""
    with committing(folders) as commit, closing(Gallery(folders, hashed=False)) as gallery:
        before = commit.manifest
        if before is None:
            raise GalleryError(f"The gallery {folders.indexes.name} is gone.")
        news = told(gallery)
        gone = set(before.joined)
        segments: list[Segment] = []
        for segment in gallery.segments:
            changed = any(old.metadata != new.metadata for old, new in _retold(segment, news, gone))
            records = (new for _, new in _retold(segment, news, gone))
            segments.append(
                commit.write_items(segment.facts, records) if changed else segment.facts
            )
        kept = {key: value for key, value in before.request.items() if key not in _ASKED}
        stored = dict(before.files)
        if "skipped" not in stored:  # format 1 keeps them among its items
            stored["skipped"] = commit.write_skipped(gallery.skipped())
        after = replace(
            before, segments=tuple(segments), files=stored, request=kept | request, **facts
        )
        return before if after == before else commit.write(replace(after, changed=now()))


_ASKED = (
    *("metadata", "join_column", "without_column"),
    *("metadata_delimiter", "metadata_encoding"),
)


def _retold(
    segment: OpenSegment, news: _Told, gone: set[str]
) -> Iterator[tuple[ImageRecord, ImageRecord]]:
    """Yield each image of a segment, as it was and with what is told of it now."""
    for part in in_parts(segment.ids.tolist(), _AT_ONCE):
        records = segment.items.images(part)
        for image in part:
            old = records[image]
            own = {name: value for name, value in old.metadata.items() if name not in gone}
            yield old, replace(old, metadata=own | dict(news.get(image, {})))


def _images_of(gallery: Gallery) -> Iterator[tuple[int, str, str]]:
    for part in in_parts(gallery.ids().tolist(), _AT_ONCE):
        yield from ((each.id, each.path, each.key) for each in gallery.images(part))


def _stamp_of(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:  # reading it says why
        return (-1, 0)
    return facts.st_size, facts.st_mtime_ns


def _notes(joined: Joined, table: Metadata) -> Iterator[str]:
    for rows, values, why in (
        (joined.unmatched_rows, joined.unmatched, "about no image of the gallery"),
        (joined.ambiguous_rows, joined.ambiguous, "could be about several images"),
    ):
        if rows:
            named = ", ".join(values[:_MOST_NAMED]) + (", …" if rows > _MOST_NAMED else "")
            are = "row is" if rows == 1 else "rows are"
            yield f"{rows} {are} joined to nothing, being {why} by their {table.column}: {named}."
    if joined.duplicate_rows:
        yield f"{joined.duplicate_rows} rows were replaced by later ones about the same image."
    if joined.by_name_rows:
        yield f"{joined.by_name_rows} rows were joined by the name of the file alone."
