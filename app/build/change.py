"""Images that are new, replaced or removed → a segment and a manifest that say so."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.build.material import Material, write_local
from app.build.work import Kept
from app.errors import BusyError, GalleryError
from app.gallery import NO_IMAGE, Commit, Folders, Gallery, locked, now, writing_to
from app.index import write_vectors
from app.values.gallery import Manifest, Segment, StoredFile


def commit_change(
    commit: Commit,
    current: Gallery,
    kept: Sequence[Kept],
    material: Material,
    *,
    removed: Collection[int] = (),
    stored: Mapping[str, StoredFile] | None = None,
    **facts: Any,
) -> Manifest:
    """Add the kept images to a gallery and take the `removed` ids away; return its new manifest.

    Those with the id NO_IMAGE are new; those with another replace the image of that id. An id that
    the gallery, which is `current` as the commit begins, does not have any more is passed over.
    `stored` are new files of the gallery itself, and `facts` other changes of the manifest.
    """
    manifest = current.manifest
    kept = [each for each in kept if each.record.id == NO_IMAGE or current.has(each.record.id)]
    rows = _numbered(kept, manifest.next_id)
    gone = sorted({image for image in removed if current.has(image)})
    new = sum(each.record.id >= manifest.next_id for each in rows)
    files = dict(manifest.files) | dict(stored or {})
    if rows:
        segment = add_segment(commit, rows, material, manifest)
        facts["segments"] = (*manifest.segments, segment)
    if gone:
        files["removed"] = commit.write_removed(np.concatenate([current.removed_ids(), gone]))
    if rows or gone:
        facts["changed"] = now()
    changed = replace(
        manifest,
        files=files,
        next_id=manifest.next_id + new,
        images=manifest.images + new - len(gone),
        **facts,
    )
    return manifest if changed == manifest else commit.write(changed)


@contextlib.contextmanager
def being_updated(folders: Folders) -> Iterator[None]:
    """Let nobody else look at a gallery's folders until this look is written; else BusyError."""
    busy = f"Another update of {folders.indexes.name} is running: wait for it, or stop it."
    with locked(folders.indexes / "update.lock", busy=busy):
        yield


def current_gallery(commit: Commit, before: Gallery) -> Gallery:
    """Return a gallery as a commit finds it, of which `before` may be an older state.

    GalleryError if it is gone, BusyError if it was built anew: its ids are those of other images.
    """
    if commit.manifest is None:
        raise GalleryError(f"The gallery {before.name} is gone.")
    if commit.manifest.created != before.manifest.created:
        raise BusyError(f"{before.name} was built anew meanwhile: do it once more.")
    return Gallery(commit.folders, before=before, hashed=False)


def add_segment(
    commit: Commit, kept: Sequence[Kept], material: Material, manifest: Manifest
) -> Segment:
    """Write kept images, in the order of their ids, as a new segment in its place.

    It has no shortlist: few images are searched exactly as fast, and many wait for compaction.
    """
    writer = commit.segment_writer()
    with writing_to(commit.folders.indexes):
        vectors = material.vectors(kept, manifest.dim)
        write_vectors(vectors, writer.vectors_path, dim=manifest.dim)
    if manifest.copies:
        write_local(writer, material, kept)
    writer.write_images((each.record for each in kept), material.thumbnails(kept))
    return commit.place(writer.finish(), writer.place)


def _numbered(kept: Sequence[Kept], next_id: int) -> list[Kept]:
    """Return the images with ids for the new ones, in the order of the ids."""
    numbered = []
    for each in kept:
        if each.record.id == NO_IMAGE:
            each = Kept(replace(each.record, id=next_id), row=each.row, image=each.image)
            next_id += 1
        numbered.append(each)
    return sorted(numbered, key=lambda each: each.record.id)
