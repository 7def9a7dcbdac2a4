"""Small segments and removed images → one segment, from the stored vectors; nothing is embedded."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.build.commit import train_and_measure
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
from app.index import AUTO, Expansion, beside_searches, write_vectors
from app.values import ImageRecord
from app.values.gallery import Manifest, Segment, StoredFile

MOST_SEGMENTS = 8
"""Each costs a search a tenth of a millisecond or more."""
_MOST_DEAD = 0.25  # of the rows; above it the shortlist's candidates are too few alive
_MOST_EXACT = 0.02  # of the rows without a shortlist, beyond _FEW_ROWS
_FEW_ROWS = 5_000  # an exact search of so many takes no longer than one with a shortlist
_CHUNK_ROWS = 4_096

Ids = NDArray[np.int64]


def compact(
    folders: Folders, *, everything: bool = False, on_progress: OnProgress = lambda *_: None
) -> bool:
    """Fold segments of a gallery into one where they have become too many; say whether it did.

    Or where too many of its rows are removed, or are searched without an index; `everything` folds
    all in any case. Searches, additions and removals go on meanwhile; a stop at any moment leaves
    the gallery as it was. BusyError if another compaction of it is running.
    """
    scratch = folders.below(COMPACTION)
    with compacting(folders):
        gallery = Gallery(folders, hashed=False)
        try:
            chosen = range(len(gallery.segments)) if everything else choice(gallery.manifest)
            if not chosen or gallery.approximate:
                return False
            with beside_searches():
                return _fold(gallery, chosen, on_progress)
        finally:
            gallery.close()
            for folder in (scratch.features, scratch.indexes):
                shutil.rmtree(folder, ignore_errors=True)


def choice(manifest: Manifest) -> range:
    """Return the places of the segments to fold, which stand beside each other; or none."""
    rows = [segment.rows for segment in manifest.segments]
    total, count = sum(rows), len(rows)
    if total - manifest.images > _MOST_DEAD * total:
        return range(count)
    exact = _searched_exactly(manifest)
    many_exact = sum(rows[place] for place in exact) > _most_exact(manifest)
    if count < 2 or (count <= MOST_SEGMENTS and not many_exact):
        return range(0)
    # The newest, and before them those that are not much larger than all after them: so a row is
    # written again only as often as its segment doubles.
    first = count - 2
    while first > 0 and rows[first - 1] <= 2 * sum(rows[first:]):
        first -= 1
    return range(min(first, exact[0]) if many_exact else first, count)


def _most_exact(manifest: Manifest) -> float:
    """Return how many rows may be without a shortlist."""
    return max(_FEW_ROWS, _MOST_EXACT * sum(each.rows for each in manifest.segments))


def _searched_exactly(manifest: Manifest) -> list[int]:
    """Return the places of the segments that have no shortlist and could have one."""
    if manifest.index_asked == "Flat":
        return []
    return [place for place, each in enumerate(manifest.segments) if "shortlist" not in each.files]


def _fold(gallery: Gallery, chosen: range, on_progress: OnProgress) -> bool:
    manifest = gallery.manifest
    segments = [gallery.segments[place].facts for place in chosen]
    ids = gallery.ids_in(chosen)
    writer = SegmentWriter(gallery.folders.below(COMPACTION))
    segment = None
    if len(ids):
        with writing_to(writer.place.indexes):
            parts = _vectors(gallery, ids, on_progress)
            write_vectors(parts, writer.vectors_path, dim=manifest.dim)
        measured: dict[str, Any] = {}
        of_gallery: dict[str, Any] = {}
        note = ""
        if len(ids) > _most_exact(manifest) or any("shortlist" in each.files for each in segments):
            expansion = Expansion(manifest.expand, manifest.alpha) if manifest.expand else None
            found = train_and_measure(writer, manifest.index_asked, expansion, on_progress)
            measured, of_gallery, note = found.segment, found.gallery, found.note
        if manifest.copies:
            write_local(
                writer,
                Material(None, gallery),
                [Kept(record, image=record.id) for record in _records(gallery, ids)],
            )
        writer.write_images(_records(gallery, ids), _thumbnails(gallery, ids))
        segment = writer.finish(**measured)
    with committing(gallery.folders) as commit:
        now = commit.manifest
        if now is None:
            raise GalleryError(f"The gallery {gallery.name} is gone.")
        first = _place_of(segments, now)
        if first is None:  # somebody has built it anew meanwhile
            return False
        placed = (commit.place(segment, writer.place),) if segment else ()
        after = first + len(segments)
        kept = (*now.segments[:first], *placed, *now.segments[after:])
        changes: dict[str, Any] = {"segments": kept}
        if now.store is None:  # else the recall is that of its collection, which stays
            if segment and segment.rows == max(each.rows for each in kept):
                changes |= of_gallery
                changes["notes"] = _notes_with(now, note)
            changes |= _recalls(kept)
        changes["files"] = _removed_still(commit, gallery, chosen, ids)
        commit.write(replace(now, **changes))
    return True


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
