"""Some images of a gallery → a gallery of their own, without embedding or reading any picture."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.build.build import BuildReport
from app.build.commit import AS_THE_MODEL, Origin, check_room, finish_gallery
from app.build.embedding import OnProgress
from app.build.layouts import sources_of
from app.build.work import Kept
from app.errors import GalleryError, UsageError
from app.gallery import Draft, Folders, Gallery, check_name, gallery_names, recipe_of
from app.index import Projection
from app.values import ImageRecord, VectorOptions


def select_images(
    gallery: Gallery,
    ids: Sequence[int],
    into: Folders,
    *,
    datasets_dir: Path,
    on_progress: OnProgress,
) -> BuildReport:
    """Make a gallery of some images of another, in the order of `ids`.

    Vectors, thumbnails, local features, labels and metadata are those of the other; originals stay
    where they are, here or not. UsageError for no images, or a name in use; GalleryError where the
    vectors are not here; NotFoundError for an id that is gone.
    """
    started = time.perf_counter()
    name, manifest = into.indexes.name, gallery.manifest
    check_name(name)
    if name in gallery_names(into.indexes.parent):
        raise UsageError(f"There is a gallery {name} already: choose another name.")
    if not ids:
        raise UsageError("A gallery needs one image at least: choose some first.")
    if gallery.approximate:
        raise GalleryError(
            f"The vectors of {gallery.name} are not here (features/{gallery.name}), and so not "
            "those of its images: copy them to this machine first."
        )
    records = gallery.images(list(dict.fromkeys(ids)))
    # What is carried over takes a moment, so it always begins anew.
    recipe = recipe_of(["selection", secrets.token_hex()])
    draft = Draft(into, recipe=recipe, dim=manifest.dim)
    try:
        check_room(into, len(records), 0, manifest.dim, copies=manifest.copies)
        made = finish_gallery(
            draft,
            [Kept(_in_folder(each, gallery), image=each.id) for each in records],
            _origin(gallery, name, datasets_dir),
            known=gallery,
            index=manifest.index_asked,
            dim=manifest.dim,
            options=_options(gallery, len(records)),
            copies=manifest.copies,
            on_progress=on_progress,
        )
    except BaseException:
        draft.discard()
        raise
    return BuildReport(made, (), 0, 0.0, time.perf_counter() - started)


def _origin(gallery: Gallery, name: str, datasets_dir: Path) -> Origin:
    """Return where the vectors come from: they were made as those of the other gallery."""
    manifest = gallery.manifest
    projection, network = gallery.projection_path, gallery.network_path
    published = _is_published(gallery)
    return Origin(
        data=manifest.data if published else name,
        sources=() if published else sources_of(manifest, datasets_dir),
        request={"name": name},
        model=manifest.model,
        weights_sha256=manifest.weights_sha256,
        preprocessing=manifest.preprocessing,
        precision=manifest.precision,
        holds=manifest.holds,
        notes=(f"Images that were chosen in the gallery {gallery.name}.",),
        projection=Projection.read(projection) if projection else None,
        network=network,
    )


def _is_published(gallery: Gallery) -> bool:
    """Whether all its pictures are those of a data set, whose folder is known by its name."""
    return not gallery.manifest.sources and not gallery.manifest.added


def _in_folder(record: ImageRecord, gallery: Gallery) -> ImageRecord:
    """Return the image with its folder's number; those that were added one by one have the last."""
    if record.source >= 0 or _is_published(gallery):
        return record
    return replace(record, source=max(1, len(gallery.manifest.sources)))


def _options(gallery: Gallery, images: int) -> VectorOptions:
    """Return how queries are expanded: as in the other gallery, where enough images are left."""
    manifest = gallery.manifest
    if not manifest.expand or manifest.expand >= images:
        return AS_THE_MODEL
    return VectorOptions.of(None, manifest.expand, manifest.alpha)
