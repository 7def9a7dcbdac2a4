"""Small segments and removed images → one segment, from the stored vectors; nothing is embedded."""

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.build.commit import Measured, place_quantiser, train_and_measure
from app.build.embedding import OnProgress
from app.build.material import Material, write_local
from app.build.work import Kept
from app.errors import GalleryError
from app.gallery import (
    COMPACTION,
    Commit,
    Folders,
    Gallery,
    SegmentWriter,
    committing,
    compacting,
    writing_to,
)
from app.index import AUTO, Expansion, Quantiser, beside_searches, write_vectors
from app.values import ImageRecord
from app.values.gallery import Manifest, Segment, StoredFile

MOST_SEGMENTS = 8
"""Each costs a search a tenth of a millisecond or more."""
MOST_ROWS = 1_000_000
"""Segments are not folded together beyond it: a fold takes bounded memory, room and time.

A search asks each of them, which is why they are not smaller.
"""
_MOST_DEAD = 0.25  # of the rows; above it the shortlist's candidates are too few alive
_MOST_EXACT = 0.02  # of the rows without a shortlist, beyond _FEW_ROWS
_FEW_ROWS = 5_000  # an exact search of so many takes no longer than one with a shortlist
_CHUNK_ROWS = 4_096

Ids = NDArray[np.int64]


def compact(
    folders: Folders,
    *,
    everything: bool = False,
    most_rows: int = MOST_ROWS,
    on_progress: OnProgress = lambda *_: None,
) -> bool:
    """Fold segments of a gallery into one where they have become too many; say whether it did.

    Or where too many of its rows are removed, or are searched without an index; `everything` folds
    all in any case, into segments of at most `most_rows`. Searches, additions and removals go on
    meanwhile; a stop at any moment leaves the gallery as it was, or with a part of it folded.
    BusyError if another compaction of it is running.
    """
    scratch = folders.below(COMPACTION)
    with compacting(folders):
        gallery = Gallery(folders, hashed=False)
        try:
            if gallery.approximate:
                return False
            manifest, gone = gallery.manifest, gallery.rows_gone()
            if everything:
                folds = whole(manifest, gone, most_rows=most_rows)
            else:
                folds = [choice(manifest, gone, most_rows=most_rows)]
            done = False
            # The last first: the places of those before stay as they are.
            for chosen in reversed([each for each in folds if each]):
                if done:
                    gallery.close()
                    gallery = Gallery(folders, hashed=False)
                with beside_searches():
                    if not _fold(gallery, chosen, most_rows, on_progress):
                        break
                done = True
            return done
        finally:
            gallery.close()
            for folder in (scratch.features, scratch.indexes):
                shutil.rmtree(folder, ignore_errors=True)


def choice(
    manifest: Manifest, gone: Sequence[int] | None = None, *, most_rows: int = MOST_ROWS
) -> range:
    """Return the places of the segments to fold, which stand beside each other; or none.

    `gone` says how many rows of each segment the gallery does not have any more; without it each
    may be folded that could have too many.
    """
    rows = [segment.rows for segment in manifest.segments]
    count, first_open = len(rows), _first_open(rows, most_rows)
    all_gone = sum(rows) - manifest.images
    for place in range(first_open):
        if (all_gone if gone is None else gone[place]) > _MOST_DEAD * rows[place]:
            return range(place, place + 1)
    open_gone = all_gone if gone is None else sum(gone[first_open:])
    if first_open < count and open_gone > _MOST_DEAD * sum(rows[first_open:]):
        return range(first_open, count)
    exact = _searched_exactly(manifest)
    many_exact = sum(rows[place] for place in exact) > _most_exact(manifest)
    if count < 2 or (count - first_open <= MOST_SEGMENTS and not many_exact):
        return range(0)
    if many_exact and exact[0] < first_open:
        return _beside(rows, exact, most_rows)
    # The newest, and before them those that are not much larger than all after them: so a row is
    # written again only as often as its segment doubles.
    first = max(count - 2, first_open)
    while first > first_open and rows[first - 1] <= 2 * sum(rows[first:]):
        first -= 1
    return range(min(first, exact[0]) if many_exact else first, count)


def whole(manifest: Manifest, gone: Sequence[int], *, most_rows: int) -> list[range]:
    """Return the places of segments to fold together so that all are as few as can be.

    Without those that are as large as they may be, where there are several.
    """
    segments = manifest.segments
    if sum(each.rows for each in segments) <= most_rows:
        return [range(len(segments))]
    exact = _searched_exactly(manifest)
    groups: list[range] = []
    filled = 0
    for place, segment in enumerate(segments):
        rows = segment.rows - gone[place]
        if groups and filled + rows <= most_rows:
            groups[-1] = range(groups[-1].start, place + 1)
            filled += rows
        else:
            groups.append(range(place, place + 1))
            filled = rows
    return [
        group
        for group in groups
        if len(group) > 1
        or gone[group.start]
        or segments[group.start].rows > most_rows
        or group.start in exact
    ]


def _first_open(rows: Sequence[int], most_rows: int) -> int:
    """Return the place of the first segment that all after it can be folded together with."""
    first, held = len(rows), 0
    while first and held + rows[first - 1] <= most_rows:
        first -= 1
        held += rows[first]
    return first


def _beside(rows: Sequence[int], exact: Sequence[int], most_rows: int) -> range:
    """Return the first of the segments `exact`, and those of them after it that fit with it."""
    end = exact[0] + 1
    while end in exact and sum(rows[exact[0] : end + 1]) <= most_rows:
        end += 1
    return range(exact[0], end)


def _most_exact(manifest: Manifest) -> float:
    """Return how many rows may be without a shortlist."""
    return max(_FEW_ROWS, _MOST_EXACT * sum(each.rows for each in manifest.segments))


def _searched_exactly(manifest: Manifest) -> list[int]:
    """Return the places of the segments that have no shortlist and could have one."""
    if manifest.index_asked == "Flat":
        return []
    return [place for place, each in enumerate(manifest.segments) if "shortlist" not in each.files]


@dataclass(frozen=True)
class _Written:
    """A segment that waits for its place, and what was measured of its shortlist."""

    segment: Segment
    place: Folders
    measured: Measured | None


def _fold(gallery: Gallery, chosen: range, most_rows: int, on_progress: OnProgress) -> bool:
    segments = [gallery.segments[place].facts for place in chosen]
    ids = gallery.ids_in(chosen)
    indexed = len(ids) > _most_exact(gallery.manifest)
    indexed |= any("shortlist" in each.files for each in segments)
    kept = gallery.manifest.files.get("quantiser")
    shared = Quantiser.read(gallery.folders.path_of("quantiser", kept)) if kept else None
    trained = None
    written: list[_Written] = []
    for part in np.array_split(ids, math.ceil(len(ids) / most_rows)) if len(ids) else ():
        place = gallery.folders.below(COMPACTION).below(str(len(written)))
        written.append(_write(gallery, part, place, on_progress, shared, indexed=indexed))
        measured = written[-1].measured
        if measured and measured.quantiser:
            shared = trained = measured.quantiser
    with committing(gallery.folders) as commit:
        now = commit.manifest
        if now is None:
            raise GalleryError(f"The gallery {gallery.name} is gone.")
        first = _place_of(segments, now)
        if first is None:  # somebody has built it anew meanwhile
            return False
        placed = tuple(commit.place(each.segment, each.place) for each in written)
        after = first + len(segments)
        all_kept = (*now.segments[:first], *placed, *now.segments[after:])
        changes: dict[str, Any] = {"segments": all_kept}
        if now.store is None:  # else the recall is that of its collection, which stays
            changes |= _facts(now, all_kept, written)
        changes["files"] = _removed_still(commit, gallery, chosen, ids)
        if trained is not None:
            changes["files"]["quantiser"] = place_quantiser(commit, trained)
        commit.write(replace(now, **changes))
    return True


def _write(
    gallery: Gallery,
    ids: Ids,
    place: Folders,
    on_progress: OnProgress,
    shared: Quantiser | None,
    *,
    indexed: bool,
) -> _Written:
    """Write images of a gallery as a segment of their own."""
    manifest = gallery.manifest
    writer = SegmentWriter(place)
    with writing_to(place.indexes):
        parts = _vectors(gallery, ids, on_progress)
        write_vectors(parts, writer.vectors_path, dim=manifest.dim)
    measured = None
    if indexed:
        expansion = Expansion(manifest.expand, manifest.alpha) if manifest.expand else None
        measured = train_and_measure(
            writer, manifest.index_asked, expansion, on_progress, shared=shared
        )
    if manifest.copies:
        write_local(
            writer,
            Material(None, gallery),
            [Kept(record, image=record.id) for record in _records(gallery, ids)],
        )
    writer.write_images(_records(gallery, ids), _thumbnails(gallery, ids))
    facts = measured.segment if measured else {}
    return _Written(writer.finish(**facts), place, measured)


def _facts(
    manifest: Manifest, segments: Sequence[Segment], written: Sequence[_Written]
) -> dict[str, Any]:
    """Return what the manifest says of its indexes: of the largest segment, and the mean recall."""
    facts: dict[str, Any] = {}
    largest = max(written, key=lambda each: each.segment.rows, default=None)
    if largest and largest.segment.rows == max(each.rows for each in segments):
        note = ""
        if largest.measured:
            facts |= largest.measured.gallery
            note = largest.measured.note
        facts["notes"] = _notes_with(manifest, note)
    return facts | _recalls(segments)


def _notes_with(manifest: Manifest, note: str) -> tuple[str, ...]:
    """Return a manifest's notes, with how "auto" has chosen now in place of how it did before."""
    if manifest.index_asked != AUTO or not note:
        return manifest.notes
    others = [each for each in manifest.notes if not each.startswith(f"{AUTO} chose ")]
    return (*others, note)


def _place_of(segments: Sequence[Segment], manifest: Manifest) -> int | None:
    """Return where the segments stand in a manifest, one after the other; None if they do not."""
    for place in range(len(manifest.segments)):
        if list(manifest.segments[place : place + len(segments)]) == list(segments):
            return place
    return None


def _recalls(segments: Sequence[Segment]) -> dict[str, float]:
    """Return the mean recall of the segments, each by its rows: what is searched exactly has 1."""
    rows = sum(each.rows for each in segments)
    if not rows:
        return {}
    return {
        name: sum(getattr(each, name) * each.rows for each in segments) / rows
        for name in ("recall_raw", "recall_reranked")
    }


def _removed_still(
    commit: Commit, gallery: Gallery, chosen: range, folded: Ids
) -> dict[str, StoredFile]:
    """Return the gallery's files, of the removed ids those alone that a segment still holds."""
    now = commit.manifest
    assert now is not None
    files = dict(now.files)
    if "removed" not in files:
        return files
    removed = np.load(gallery.folders.path_of("removed", files.pop("removed")))
    held = np.isin(removed, folded)
    for place, segment in enumerate(gallery.segments):
        if place not in chosen:
            held |= segment.rows_of(removed) >= 0
    if len(now.segments) > len(gallery.segments):
        held[:] = True  # what was added meanwhile is not looked at
    if held.any():
        files["removed"] = commit.write_removed(removed[held])
    return files


def _vectors(gallery: Gallery, ids: Ids, on_progress: OnProgress) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(ids), _CHUNK_ROWS):
        on_progress("compact", start, len(ids))
        yield gallery.vectors(ids[start : start + _CHUNK_ROWS])


def _records(gallery: Gallery, ids: Ids) -> Iterator[ImageRecord]:
    for start in range(0, len(ids), _CHUNK_ROWS):
        yield from gallery.images(ids[start : start + _CHUNK_ROWS].tolist())


def _thumbnails(gallery: Gallery, ids: Ids) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(ids), _CHUNK_ROWS):
        part = ids[start : start + _CHUNK_ROWS].tolist()
        yield from zip(part, gallery.thumbnails(part), strict=True)
