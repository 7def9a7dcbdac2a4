"""A gallery's name → the gallery, opened as the store that its manifest names."""

import contextlib
from pathlib import Path

from app.errors import GalleryError, NotFoundError
from app.gallery.local import Gallery
from app.gallery.manifest import Folders, gallery_names, read_manifest
from app.gallery.milvus_gallery import MilvusGallery


def open_gallery(
    name: str,
    *,
    features_dir: Path,
    indexes_dir: Path,
    before: Gallery | None = None,
    hashed: bool = True,
) -> Gallery:
    """Open a gallery to be searched; NotFoundError, with the names there are, if there is none.

    `before` is the same gallery as it was opened before: what has not changed is not read again.
    """
    folders = folders_of(name, features_dir=features_dir, indexes_dir=indexes_dir)
    return opened(folders, before=before, hashed=hashed)


def opened(folders: Folders, *, before: Gallery | None = None, hashed: bool = True) -> Gallery:
    """Open the gallery in some folders as the store that its manifest names.

    A plain `Gallery` is always its segments: what changes a gallery works on these.
    """
    while True:
        kind = _kind_of(folders)
        gallery = kind(folders, before=before, hashed=hashed)
        if isinstance(gallery, MilvusGallery) == (gallery.manifest.store is not None):
            return gallery
        gallery.close()  # it was given to another store, or back, at this very moment


def _kind_of(folders: Folders) -> type[Gallery]:
    with contextlib.suppress(GalleryError, OSError):  # opening it says what is wrong
        if read_manifest(folders).store is not None:
            return MilvusGallery
    return Gallery


def folders_of(name: str, *, features_dir: Path, indexes_dir: Path) -> Folders:
    """Return the folders of a gallery that exists, damaged or not; else NotFoundError names all."""
    names = gallery_names(indexes_dir)
    if name not in names:
        mend = (
            f"choose one of {', '.join(names)}."
            if names
            else "make one with python3 create_index.py --images DIR --name NAME."
        )
        raise NotFoundError(f"There is no gallery {name!r}: {mend}")
    return Folders.of(name, features_dir, indexes_dir)
