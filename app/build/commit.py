"""A full draft → the gallery in its place: vectors, index, measures, manifest."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.build.embedding import OnProgress
from app.build.material import Material, write_local
from app.build.work import Kept
from app.embed import Embedder, LoadEmbedder
from app.errors import ModelError, StorageError
from app.gallery import (
    NO_IMAGE,
    Commit,
    Draft,
    Folders,
    Gallery,
    Place,
    Seen,
    SegmentWriter,
    Stamp,
    committing,
    now,
    writing_to,
)
from app.index import (
    AUTO,
    TARGET_RECALL,
    Calibration,
    Expansion,
    Projection,
    Quantiser,
    SearchEffort,
    VectorIndex,
    calibrate,
    choose_shortlist,
    fill_shortlist,
    train_projection,
    train_quantiser,
    write_vectors,
)
from app.values import PICTURE, Skipped, VectorOptions
from app.values.gallery import Manifest, StoredFile
from app.values.precision import go_together

_CHUNK_ROWS = 4_096
_VERSIONS = ("faiss-cpu", "numpy", "openvino", "pillow")
_THUMBNAIL_BYTES = 5_000  # a generous mean, for the check of free space
_LOCAL_BYTES = 16_000  # in the draft more than in the gallery

Vectors = NDArray[np.float32]

AS_THE_MODEL = VectorOptions()
"""The model's vectors as they are, queries too."""


@dataclass(frozen=True)
class Origin:
    """Where a gallery's pictures and vectors come from, for its manifest.

    `preprocessing` is empty where no model that is known here made the vectors; `projection` is
    what made them of the model's own, None where they are these. `network` is the file of an INT8
    network, which the gallery will keep.
    """

    data: str
    sources: tuple[str, ...]
    request: dict[str, Any]
    model: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    precision: str = "f32"
    holds: str = PICTURE
    notes: tuple[str, ...] = ()
    projection: Projection | None = None
    network: Path | None = None


def made_by_model(embedder: Embedder) -> dict[str, Any]:
    """Return the parts of an Origin that say which model made the vectors, and how."""
    return {
        "model": embedder.name,
        "weights_sha256": embedder.weights_sha256,
        "preprocessing": embedder.model.preprocessing_facts(),
        "precision": embedder.precision,
    }


@dataclass(frozen=True)
class Measured:
    """What was measured of a segment's shortlist, for it and for its gallery.

    `quantiser` is what was trained for it, to be kept; None where nothing was, or what none shares.
    """

    note: str
    segment: dict[str, Any]
    gallery: dict[str, Any]
    quantiser: Quantiser | None = None


def train_and_measure(
    writer: SegmentWriter,
    index: str,
    expansion: Expansion | None,
    on_progress: OnProgress,
    *,
    shared: Quantiser | None = None,
) -> Measured:
    """Train the shortlist of a segment whose vectors are written, and measure how well it finds.

    What the gallery's other segments share is filled in place of training, as long as that finds
    enough. "auto" chooses among several; the note says how.
    """
    if shared is not None and shared.suits(index, *_size_of(writer.vectors_path)):
        on_progress("measure", 0, 0)
        with writing_to(writer.place.indexes):
            fill_shortlist(writer.vectors_path, shared, writer.shortlist_path)
        measured = _calibrated(writer, expansion, exact=False)
        # Training again finds no more where the first has not found as many as are asked for.
        if measured.recall_reranked >= min(TARGET_RECALL, shared.recall):
            return _measured(shared.factory, "", measured)
    on_progress("train", 0, 0)
    if index == AUTO:
        with writing_to(writer.place.indexes):
            chosen = choose_shortlist(writer.vectors_path, writer.shortlist_path, expansion)
        return _measured(chosen.factory, chosen.note, chosen.calibration)
    with writing_to(writer.place.indexes):
        used, note, trained = train_quantiser(writer.vectors_path, index, writer.shortlist_path)
    on_progress("measure", 0, 0)
    measured = _calibrated(writer, expansion, exact=used == "Flat")
    if trained is not None:
        trained = replace(trained, recall=measured.recall_reranked)
    return _measured(used, note, measured, trained)


def _size_of(vectors: Path) -> tuple[int, int]:
    """Return how many vectors a flat index has, and how many numbers each."""
    index = VectorIndex(vectors=vectors, shortlist=None, effort=SearchEffort(0, 0))
    return index.rows, index.dim


def _calibrated(writer: SegmentWriter, expansion: Expansion | None, *, exact: bool) -> Calibration:
    shortlist = None if exact else writer.shortlist_path
    index = VectorIndex(vectors=writer.vectors_path, shortlist=shortlist, effort=SearchEffort(1, 1))
    return calibrate(index, expansion=expansion)


def _measured(
    used: str, note: str, measured: Calibration, quantiser: Quantiser | None = None
) -> Measured:
    found = {
        "index": used,
        "probes": measured.effort.probes,
        "candidates": measured.effort.candidates,
        "recall_raw": measured.recall_raw,
        "recall_reranked": measured.recall_reranked,
    }
    of_gallery = {"recall_queries": measured.queries, "floor": measured.floor}
    return Measured(note, found, found | of_gallery, quantiser)


def place_quantiser(commit: Commit, quantiser: Quantiser) -> StoredFile:
    """Keep what was trained as a file of the gallery; return its facts."""
    path = commit.folders.indexes / "new.safetensors"
    with writing_to(commit.folders.indexes):
        quantiser.write(path)
    return commit.place_file("quantiser", path)


def load_for(gallery: Gallery, load_embedder: LoadEmbedder) -> Embedder:
    """Return the model that made a gallery's vectors; ModelError where it makes others by now."""
    manifest = gallery.manifest
    embedder = load_embedder(
        manifest.model, precision=manifest.precision, network=gallery.network_path
    )
    made = made_by_model(embedder)
    same = go_together(made.pop("precision"), manifest.precision)
    same &= embedder.network_sha256 == manifest.network_sha256
    if not same or any(getattr(manifest, key) != value for key, value in made.items()):
        raise ModelError(
            f"The gallery {manifest.name} was built with other weights, precision or preparation "
            f"of {manifest.model} than are here: nothing can be added to it."
        )
    return embedder


def finish_gallery(
    draft: Draft,
    kept: Sequence[Kept],
    origin: Origin,
    *,
    known: Gallery | None = None,
    skipped: Sequence[Skipped] = (),
    stamps: Mapping[Place, Stamp] | None = None,
    index: str,
    dim: int,
    options: VectorOptions = AS_THE_MODEL,
    copies: bool = False,
    on_progress: OnProgress,
) -> Manifest:
    """Train and measure the index of kept images, put the gallery in place, return its manifest.

    It replaces the one that was there; `known` has the vectors that the draft has not. `stamps`
    are those of the files that were looked at. The draft goes. UsageError if there are too few
    images for the `options`, StorageError if the disk cannot take it.
    """
    material = Material(draft, known)
    options.check_images(len(kept))
    kept = [replace(each, record=replace(each.record, id=id)) for id, each in enumerate(kept)]
    writer = SegmentWriter(draft.place)
    with writing_to(draft.folders.indexes):
        trained = _trained_projection(draft, kept, options)
        if trained is not None:
            material, dim = replace(material, projection=trained), trained.dim
        write_vectors(material.vectors(kept, dim), writer.vectors_path, dim=dim)
    expansion = Expansion(options.expand, options.alpha) if options.expand else None
    measured = train_and_measure(writer, index, expansion, on_progress)
    if copies:
        write_local(writer, material, kept)
    writer.write_images((each.record for each in kept), material.thumbnails(kept))
    segment = writer.finish(**measured.segment)
    draft.release_commit()
    with committing(draft.folders) as commit:
        stored = {"skipped": commit.write_skipped(skipped)}
        if stamps is not None:
            stored["seen"] = commit.write_seen(seen_of(kept, stamps))
        projection = trained or origin.projection
        if projection is not None:
            path = draft.folders.indexes / "new.safetensors"
            with writing_to(draft.folders.indexes):
                projection.write(path)
            stored["projection"] = commit.place_file("projection", path)
        if origin.network is not None:
            path = draft.folders.indexes / f"new{origin.network.suffix}"
            with writing_to(draft.folders.indexes):
                shutil.copyfile(origin.network, path)
            stored["network"] = commit.place_file("network", path)
        if measured.quantiser is not None:
            stored["quantiser"] = place_quantiser(commit, measured.quantiser)
        manifest = commit.write(
            Manifest(
                name=draft.folders.indexes.name,
                title=commit.manifest.title if commit.manifest else "",
                data=origin.data,
                sources=origin.sources,
                model=origin.model,
                weights_sha256=origin.weights_sha256,
                preprocessing=origin.preprocessing,
                precision=origin.precision,
                holds=origin.holds,
                dim=dim,
                images=len(kept),
                skipped=len(skipped),
                index_asked=index,
                pca=dim if options.pca or origin.projection else 0,
                expand=options.expand,
                alpha=options.alpha if options.expand else 0.0,
                copies=copies,
                created=_moment_after(commit.manifest),
                request=origin.request,
                versions=_versions(),
                notes=(*origin.notes, *([measured.note] if measured.note else [])),
                segments=(commit.place(segment, writer.place),),
                next_id=len(kept),
                files=stored,
                **measured.gallery,
            )
        )
    draft.discard()
    return manifest


def seen_of(kept: Sequence[Kept], stamps: Mapping[Place, Stamp]) -> dict[Place, Seen]:
    """Return the files that were looked at, each with the image that it is."""
    images = {(each.record.source, each.record.path): each.record.id for each in kept}
    return {place: Seen(stamp, images.get(place, NO_IMAGE)) for place, stamp in stamps.items()}


def _versions() -> dict[str, str]:
    """Return the versions of what the vectors were made with, as far as it is installed."""
    found = {}
    for each in _VERSIONS:
        with contextlib.suppress(PackageNotFoundError):
            found[each] = version(each)
    return found


def _moment_after(before: Manifest | None) -> str:
    """Return this moment, and never that of the gallery before: it tells the two apart."""
    moment = now()
    if before is not None and moment <= before.created:
        moment = (datetime.fromisoformat(before.created) + timedelta(seconds=1)).isoformat()
    return moment


def _trained_projection(
    draft: Draft, kept: Sequence[Kept], options: VectorOptions
) -> Projection | None:
    if not options.pca:
        return None
    rows = [each.row for each in kept if each.row is not None]
    raw = draft.raw_vectors()
    whole = rows == list(range(len(raw)))
    return train_projection(raw if whole else raw[rows], options.pca)


def check_room(
    folders: Folders, pictures: int, done: int, dim: int, *, copies: bool = False
) -> None:
    """Raise StorageError if there is no room for a gallery of which `done` pictures are there."""
    # The draft's part that is still missing, and the finished files beside the draft.
    local = _LOCAL_BYTES if copies else 0
    needed = (2 * pictures - done) * (2 * dim + _THUMBNAIL_BYTES + local)
    free = shutil.disk_usage(folders.indexes).free
    if free < needed:
        raise StorageError(
            f"{folders.indexes} needs about {needed / 1e6:.0f} MB and has {free / 1e6:.0f} MB "
            "free: make room, then run the same command again."
        )
