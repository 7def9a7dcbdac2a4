"""A full draft → the gallery in its place: vectors, index, measures, manifest."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from app.embed import Embedder
from app.errors import StorageError
from app.gallery import Draft, Folders, writing_to
from app.index import (
    Expansion,
    Projection,
    SearchEffort,
    VectorIndex,
    calibrate,
    train_projection,
    train_shortlist,
    write_vectors,
)
from app.values import VectorOptions
from app.values.gallery import Manifest

_THUMBNAIL_BYTES = 5_000  # a generous mean, for the check of free space

AS_THE_MODEL = VectorOptions()
"""The model's vectors as they are, queries too."""


@dataclass(frozen=True)
class Origin:
    """Where a gallery's pictures and vectors come from, for its manifest.

    `preprocessing` is empty where no model that is known here made the vectors; `projection` is
    what made them of the model's own, None where they are these.
    """

    data: str
    source: str
    request: dict[str, Any]
    model: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    precision: str = "f32"
    notes: tuple[str, ...] = ()
    projection: Projection | None = None


def made_by_model(embedder: Embedder) -> dict[str, Any]:
    """Return the parts of an Origin that say which model made the vectors, and how."""
    return {
        "model": embedder.name,
        "weights_sha256": embedder.weights_sha256,
        "preprocessing": embedder.model.preprocessing_facts(),
        "precision": embedder.precision,
    }


def finish_gallery(
    draft: Draft,
    origin: Origin,
    *,
    index: str,
    dim: int,
    options: VectorOptions = AS_THE_MODEL,
    on_progress: Callable[[str, int, int], None],
) -> Manifest:
    """Train and measure the index of a full draft, put the gallery in place, return its manifest.

    UsageError if the draft has too few images for the `options`, StorageError if the disk cannot
    take it.
    """
    options.check_images(draft.rows)
    on_progress("train", 0, 0)
    with writing_to(draft.folders.indexes):
        dim = _write_projected(draft, origin.projection, options, dim)
        used, note = train_shortlist(draft.vectors_path, index, draft.shortlist_path)
    on_progress("measure", 0, 0)
    shortlist = draft.shortlist_path if used != "Flat" else None
    measured = calibrate(
        VectorIndex(vectors=draft.vectors_path, shortlist=shortlist, effort=SearchEffort(1, 1)),
        expansion=Expansion(options.expand, options.alpha) if options.expand else None,
    )
    return draft.finish(
        Manifest(
            name=draft.folders.indexes.name,
            data=origin.data,
            source=origin.source,
            model=origin.model,
            weights_sha256=origin.weights_sha256,
            preprocessing=origin.preprocessing,
            precision=origin.precision,
            dim=dim,
            images=draft.rows,
            skipped=len(draft.skipped()),
            index_asked=index,
            index=used,
            probes=measured.effort.probes,
            candidates=measured.effort.candidates,
            recall_raw=measured.recall_raw,
            recall_reranked=measured.recall_reranked,
            recall_queries=measured.queries,
            floor=measured.floor,
            pca=dim if options.pca or origin.projection else 0,
            expand=options.expand,
            alpha=options.alpha if options.expand else 0.0,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            request=origin.request,
            versions={name: version(name) for name in ("faiss-cpu", "numpy", "openvino", "pillow")},
            notes=(*origin.notes, *([note] if note else [])),
        )
    )


def _write_projected(
    draft: Draft, projection: Projection | None, options: VectorOptions, dim: int
) -> int:
    """Write the draft's vectors as its gallery has them; return how many numbers each has.

    They are the model's own, unless a `projection` made them, which then only is kept.
    """
    raw = draft.raw_vectors()
    trained = train_projection(raw, options.pca) if options.pca else None
    write_vectors(raw, draft.vectors_path, trained)
    draft.projection_path.unlink(missing_ok=True)  # of an earlier run with other options
    kept = trained or projection
    if kept is not None:
        kept.write(draft.projection_path)
    return trained.dim if trained else dim


def check_room(folders: Folders, pictures: int, done: int, dim: int) -> None:
    """Raise StorageError if there is no room for a gallery of which `done` pictures are there."""
    # The draft's part that is still missing, and the finished files beside the draft.
    needed = (2 * pictures - done) * (2 * dim + _THUMBNAIL_BYTES)
    free = shutil.disk_usage(folders.indexes).free
    if free < needed:
        raise StorageError(
            f"{folders.indexes} needs about {needed / 1e6:.0f} MB and has {free / 1e6:.0f} MB "
            "free: make room, then run the same command again."
        )
