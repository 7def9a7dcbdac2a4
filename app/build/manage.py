"""A gallery's name, title and folders changed; two galleries made one; a gallery deleted."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.build.change import commit_change, current_gallery
from app.build.embedding import Kept
from app.build.material import Material
from app.errors import AppError, DatasetError, NotFoundError, UsageError
from app.gallery import (
    MANIFEST,
    NO_IMAGE,
    Commit,
    Folders,
    Gallery,
    check_name,
    committing,
    gallery_names,
    open_gallery,
    writing_to,
)
from app.sources.datasets.register import open_data_set
from app.values import ImageRecord
from app.values.gallery import Manifest
from app.values.names import path_of, text_of

_MOST_TITLE_CHARACTERS = 200
_LOOKED_FOR = 50  # pictures, to see whether a folder is the one that moved
_PART = 1_000
_SAME = ("model", "weights_sha256", "preprocessing", "precision", "dim", "pca")


def set_title(folders: Folders, title: str) -> Manifest:
    """Give a gallery a title, '' for none; UsageError for one that is too long or has line ends."""
    if len(title) > _MOST_TITLE_CHARACTERS or not (title.isprintable()):
        raise UsageError(f"A title is one line of at most {_MOST_TITLE_CHARACTERS} characters.")
    with committing(folders) as commit:
        return _write(commit, title=title.strip())


def rename_gallery(name: str, new: str, *, features_dir: Path, indexes_dir: Path) -> Manifest:
    """Give a gallery another name; its ids, pictures and title stay.

    UsageError if a gallery has the new name. The new one is whole before the old one goes: stopped
    in between both are there, and the same call goes on.
    """
    check_name(new)
    old = _folders(name, features_dir, indexes_dir)
    into = Folders(features_dir / new, indexes_dir / new)
    with committing(old) as commit:
        manifest = commit.manifest
        if manifest is None:
            raise NotFoundError(f"The manifest of {name} cannot be read: ris verify says why.")
        renamed = replace(
            manifest,
            name=new,
            added=manifest.added or name,
            request=manifest.request | {"name": new},
        )
        if new in gallery_names(indexes_dir):
            if not _is_copy(into, renamed):
                raise UsageError(f"A gallery {new} exists already: choose another name.")
        else:
            _put_copy(old, into, renamed)
        _delete(old)
    return renamed


def delete_gallery(name: str, *, features_dir: Path, indexes_dir: Path) -> None:
    """Delete a gallery; pictures stay where they are. NotFoundError if there is none."""
    folders = _folders(name, features_dir, indexes_dir)
    with committing(folders):
        _delete(folders)


def move_gallery(folders: Folders, folder: Path, *, before: str = "") -> Manifest:
    """Say where the pictures of a gallery are now.

    `before` is which of several folders has moved. DatasetError where none of the pictures that are
    looked for is in `folder`, UsageError where it is not clear which folder has moved.
    """
    gallery = Gallery(folders, hashed=False)
    try:
        sources = gallery.manifest.sources
        place = _which(gallery.manifest, before)
        found = Path(os.path.realpath(folder))
        looked = [each for each in _some(gallery) if each.source == place]
        if looked and not any(os.path.isfile(found / path_of(each.path)) for each in looked):  # noqa: PTH113
            raise DatasetError(
                f"None of the {len(looked)} pictures of {gallery.name} that were looked for is in "
                f"{found}, such as {looked[0].path}: name the folder that the paths begin in."
            )
    finally:
        gallery.close()
    moved = (*sources[:place], text_of(found), *sources[place + 1 :])
    with committing(folders) as commit:
        assert commit.manifest is not None
        request = dict(commit.manifest.request)
        if images := request.get("images"):
            listed = images if isinstance(images, list) else [images]
            again = [text_of(found) if each == sources[place] else each for each in listed]
            request["images"] = again if len(again) > 1 else again[0]
        return _write(commit, sources=moved, request=request)


def ids_of_path(gallery: Gallery, path: str) -> list[int]:
    """Return the images at a path, from one of the gallery's folders on or absolute.

    NotFoundError if there is none.
    """
    found = gallery.ids_of_path(path)
    for place, folder in enumerate(gallery.manifest.sources):
        if not found and Path(path).is_relative_to(folder):
            below = gallery.ids_of_path(Path(path).relative_to(folder).as_posix())
            found = [each.id for each in gallery.images(below) if each.source == place]
    if not found:
        raise NotFoundError(f"The gallery {gallery.name} has no image at {path!r}.")
    return found


def merge_galleries(
    into: Folders, other: Folders, *, datasets_dir: Path
) -> tuple[Manifest, int, int]:
    """Add the images of another gallery of the same model; return (manifest, added, known).

    Those whose content is there are not added again. The other gallery stays. Its folders are kept
    up to date with the first one's where both were made of folders. UsageError where the models
    differ, or a key means another image.
    """
    gallery, giving = Gallery(into, hashed=False), Gallery(other, hashed=False)
    try:
        _check_mergeable(gallery, giving)
        with committing(into) as commit:
            current = current_gallery(commit, gallery)
            given = _sources_of(giving.manifest, datasets_dir)
            mine = current.manifest.sources or ("",)
            kept, known = [], 0
            for record in _records(giving):
                if current.ids_of_content(record.sha256):
                    known += 1
                    continue
                if record.key and current.ids_of_key(record.key):
                    raise UsageError(
                        f"Another image of {gallery.name} has the key {record.key!r} already: "
                        "the galleries cannot be merged."
                    )
                source = len(mine) + (len(given) - 1 if record.source < 0 else record.source)
                moved = replace(record, id=NO_IMAGE, source=source)
                kept.append(Kept(moved, image=record.id))
            request = _request_of_both(current.manifest, giving.manifest)
            manifest = commit_change(
                commit,
                current,
                kept,
                Material(None, giving),
                sources=(*mine, *given),
                request=request,
            )
    finally:
        gallery.close()
        giving.close()
    return manifest, len(kept), known


def _check_mergeable(gallery: Gallery, giving: Gallery) -> None:
    if gallery.name == giving.name:
        raise UsageError(f"{gallery.name} is the same gallery: name another one.")
    for key in _SAME:
        mine, other = getattr(gallery.manifest, key), getattr(giving.manifest, key)
        if mine != other:
            raise UsageError(
                f"{gallery.name} and {giving.name} differ in their {key.replace('_', ' ')}: only "
                "galleries of one model, prepared alike, can be merged."
            )
    projections = [each.manifest.files.get("projection") for each in (gallery, giving)]
    if projections[0] and projections[1] and projections[0].sha256 != projections[1].sha256:
        raise UsageError(
            f"{gallery.name} and {giving.name} have principal components of their own: build one "
            "gallery of both."
        )
    if gallery.has_keys != giving.has_keys and gallery.rows and giving.rows:
        raise UsageError(
            f"Only one of {gallery.name} and {giving.name} has images with keys: they cannot be "
            "merged."
        )
    if gallery.approximate or giving.approximate:
        raise UsageError("The vectors of both galleries must be on this machine: copy them first.")


def _sources_of(manifest: Manifest, datasets_dir: Path) -> tuple[str, ...]:
    """Return the folders of a gallery's pictures, at last that of those added one by one."""
    sources = manifest.sources
    if not sources:
        try:
            sources = (text_of(open_data_set(manifest.data, datasets_dir).folder.resolve()),)
        except AppError:  # the pictures are not here, and so nobody looks for them
            sources = (str((datasets_dir / manifest.data).resolve()),)
    added = datasets_dir / "added" / (manifest.added or manifest.name)
    return (*sources, str(added.resolve())) if manifest.added else sources


def _request_of_both(mine: Manifest, other: Manifest) -> dict[str, Any]:
    """Return the request of the first gallery, with the folders of both to keep up to date with."""
    request = dict(mine.request)
    if "images" in request and "images" in other.request:
        request["images"] = [*mine.sources, *other.sources]
    return request


def _records(gallery: Gallery) -> Iterator[ImageRecord]:
    ids = gallery.ids()
    for start in range(0, len(ids), _PART):
        yield from gallery.images(ids[start : start + _PART].tolist())


def _some(gallery: Gallery) -> Sequence[ImageRecord]:
    ids = gallery.ids()
    places = np.linspace(0, len(ids) - 1, min(len(ids), _LOOKED_FOR)).astype(np.int64)
    return gallery.images(sorted(set(ids[places].tolist())))


def _which(manifest: Manifest, before: str) -> int:
    sources = manifest.sources
    if not sources:
        raise UsageError(f"The pictures of {manifest.name} are those of a data set, which stay.")
    if before:
        before = before if before in sources else os.path.realpath(before)
        if before not in sources:
            raise UsageError(f"{before} is no folder of {manifest.name}: {', '.join(sources)}.")
        return sources.index(before)
    if len(sources) > 1:
        raise UsageError(
            f"{manifest.name} has several folders: say which has moved with --from, one of "
            f"{', '.join(sources)}."
        )
    return 0


def _folders(name: str, features_dir: Path, indexes_dir: Path) -> Folders:
    """Return the folders of a gallery that exists, damaged or not."""
    if name not in gallery_names(indexes_dir):
        open_gallery(
            name, features_dir=features_dir, indexes_dir=indexes_dir
        )  # says which there are
    return Folders.of(name, features_dir, indexes_dir)


def _write(commit: Commit, **changes: Any) -> Manifest:
    if commit.manifest is None:
        raise NotFoundError(f"There is no gallery {commit.folders.indexes.name!r}.")
    return commit.write(replace(commit.manifest, **changes))


def _is_copy(folders: Folders, manifest: Manifest) -> bool:
    """Whether an earlier renaming has put a gallery there, whose manifest is to be this one.

    That it has the same pictures is not enough: two galleries of one folder do, too.
    """
    try:
        copy = Gallery(folders, hashed=False)
    except Exception:  # noqa: BLE001 - whatever it is, it is no copy
        return False
    copy.close()
    # All of it: another gallery of the same pictures has equal segments.
    return replace(copy.manifest, generation=manifest.generation) == manifest


def _put_copy(old: Folders, into: Folders, manifest: Manifest) -> None:
    """Copy a gallery, its manifest changed; it is there from the last of the renames on."""
    hidden = Folders(
        into.features.with_name(f".{into.features.name}.part"),
        into.indexes.with_name(f".{into.indexes.name}.part"),
    )
    with writing_to(into.indexes):
        for folder, copy in ((old.features, hidden.features), (old.indexes, hidden.indexes)):
            shutil.rmtree(copy, ignore_errors=True)
            if folder.is_dir():
                _copy(folder, copy)
        Commit(hidden, manifest).write(manifest)
        if hidden.features.is_dir():
            shutil.rmtree(into.features, ignore_errors=True)  # of a renaming that was stopped
            hidden.features.replace(into.features)
        shutil.rmtree(into.indexes, ignore_errors=True)  # an empty folder, or one with a lock
        hidden.indexes.replace(into.indexes)


def _copy(folder: Path, into: Path) -> None:
    """Copy a gallery's files: by links, where the file system has them."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    left_out = shutil.ignore_patterns(MANIFEST, "lock", "*.lock", "building", "compacting", "new*")
    shutil.copytree(folder, into, copy_function=link, ignore=left_out)


def _delete(folders: Folders) -> None:
    """Delete a gallery: it is gone with the first rename."""
    hidden = folders.indexes.with_name(f".{folders.indexes.name}.gone")
    with writing_to(folders.indexes):
        shutil.rmtree(hidden, ignore_errors=True)
        folders.indexes.replace(hidden)
        for folder in (hidden, folders.features):
            shutil.rmtree(folder, ignore_errors=True)
