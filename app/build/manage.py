"""A gallery's name, title and folders changed; two galleries made one; a gallery deleted."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.build.change import being_updated, commit_change, current_gallery
from app.build.layouts import followed_sources, sources_of
from app.build.material import Material
from app.build.work import Kept
from app.errors import DatasetError, NotFoundError, UsageError
from app.gallery import (
    DRAFT,
    MANIFEST,
    NO_IMAGE,
    Commit,
    Folders,
    Gallery,
    Place,
    Seen,
    check_name,
    committing,
    drop_collection,
    folders_of,
    gallery_names,
    locked,
    read_manifest,
    sync,
    writing_to,
)
from app.values import ImageRecord
from app.values.gallery import Manifest
from app.values.names import path_of, text_of
from app.values.precision import go_together
from app.values.vectors import unit

_MOST_TITLE_CHARACTERS = 200
_LOOKED_FOR = 50  # pictures, to see whether a folder is the one that moved
_PART = 1_000
_SAME = ("model", "weights_sha256", "preprocessing", "dim", "pca")


def set_title(folders: Folders, title: str) -> Manifest:
    """Give a gallery a title, '' for none; UsageError for one that is too long or has line ends."""
    if len(title) > _MOST_TITLE_CHARACTERS or not (title.isprintable()):
        raise UsageError(f"A title is one line of at most {_MOST_TITLE_CHARACTERS} characters.")
    with committing(folders) as commit:
        return commit.write(replace(_manifest_of(commit), title=title.strip()))


def rename_gallery(name: str, new: str, *, features_dir: Path, indexes_dir: Path) -> Manifest:
    """Give a gallery another name; its ids, pictures and title stay.

    UsageError if a gallery has the new name, BusyError while one of either name is being built. The
    new one is whole before the old one goes: stopped in between both are there, and the same call
    goes on.
    """
    check_name(new)
    old, into = (Folders.of(each, features_dir, indexes_dir) for each in (name, new))
    if new in gallery_names(indexes_dir) and _delete_remains(old):
        return read_manifest(into)
    folders_of(name, features_dir=features_dir, indexes_dir=indexes_dir)
    if into.indexes.exists() and into.indexes.samefile(old.indexes):  # written large, perhaps
        raise UsageError(f"{name} is called {new} already: choose another name.")
    with _not_being_built(old), committing(old) as commit:
        manifest = commit.manifest
        if manifest is None:
            raise NotFoundError(f"The manifest of {name} cannot be read: ris verify says why.")
        renamed = replace(
            manifest,
            name=new,
            added=manifest.added or name,
            request=manifest.request | {"name": new},
        )
        if new not in gallery_names(indexes_dir):
            with _not_being_built(into):
                _put_copy(old, into, renamed)
        elif not _is_copy(into, renamed):
            raise UsageError(f"A gallery {new} exists already: choose another name.")
        _delete(old)
    return renamed


def delete_gallery(name: str, *, features_dir: Path, indexes_dir: Path) -> None:
    """Delete a gallery; pictures stay where they are. NotFoundError if there is none.

    It is gone at once; stopped before its files are, the same call goes on.
    """
    folders = Folders.of(name, features_dir, indexes_dir)
    if _delete_remains(folders):
        return
    folders_of(name, features_dir=features_dir, indexes_dir=indexes_dir)
    with _not_being_built(folders), committing(folders) as commit:
        _delete(folders)
        if commit.manifest is not None and commit.manifest.store is not None:
            drop_collection(name, commit.manifest.store, commit.manifest.dim)


def move_gallery(folders: Folders, folder: Path, *, before: str = "") -> Manifest:
    """Say where the pictures of a gallery are now.

    `before` is which of several folders has moved. DatasetError where none of the pictures that are
    looked for is in `folder`, UsageError where it is not clear which folder has moved.
    """
    found = Path(os.path.realpath(folder))  # the folder may be on a share that is not here
    with committing(folders) as commit:
        manifest = _manifest_of(commit)
        place = _which(manifest, before)
        with contextlib.closing(Gallery(folders, hashed=False)) as gallery:
            looked = [each for each in _some(gallery) if each.source == place]
        if looked and not any(_is_file(found / path_of(each.path)) for each in looked):
            raise DatasetError(
                f"None of the {len(looked)} pictures of {gallery.name} that were looked for is in "
                f"{found}, such as {looked[0].path}: name the folder that the paths begin in."
            )
        sources = manifest.sources
        moved = (*sources[:place], text_of(found), *sources[place + 1 :])
        request = dict(manifest.request)
        if images := request.get("images"):
            listed = images if isinstance(images, list) else [images]
            again = [text_of(found) if each == sources[place] else each for each in listed]
            request["images"] = again if len(again) > 1 else again[0]
        return commit.write(replace(manifest, sources=moved, request=request))


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
    up to date with the first one's where both were made of whole folders. UsageError where the
    models differ, or a key means another image; BusyError while the gallery is being updated.
    """
    with (
        contextlib.closing(Gallery(into, hashed=False)) as gallery,
        contextlib.closing(Gallery(other, hashed=False)) as giving,
    ):
        _check_mergeable(gallery, giving)
        with being_updated(into), committing(into) as commit:
            merge = _Merge(current_gallery(commit, gallery), giving, datasets_dir)
            kept = [each for each in map(merge.kept, _records(giving)) if each is not None]
            request, stored = dict(merge.current.manifest.request), {}
            if _can_follow_both(merge.current.manifest, giving.manifest):
                request["images"] = _folders_of_both(merge.current.manifest, giving.manifest)
                seen = merge.seen_after(kept)
                if seen != merge.current.seen():
                    stored["seen"] = commit.write_seen(seen)
            manifest = commit_change(
                commit,
                merge.current,
                kept,
                Material(None, giving),
                stored=stored,
                sources=merge.sources,
                request=request,
            )
    return manifest, len(kept), giving.rows - len(kept)


class _Merge:
    """What becomes of the images of a gallery that is added to another."""

    def __init__(self, current: Gallery, giving: Gallery, datasets_dir: Path) -> None:
        self.current = current
        self._giving = giving
        sources = list(current.manifest.sources or ("",))
        self._numbers: list[int] = []
        for each in sources_of(giving.manifest, datasets_dir):
            if each not in sources:
                sources.append(each)
            self._numbers.append(sources.index(each))
        self.sources = tuple(sources)

    def kept(self, record: ImageRecord) -> Kept | None:
        """Return an image of the other gallery as a new one, or None if it is there already."""
        if self.current.ids_of_content(record.sha256):
            return None
        if record.key and (held := self.current.ids_of_key(record.key)):
            mine, other = self.current.vectors(np.array(held)), self._giving.vector(record.id)
            if not record.sha256 and np.array_equal(unit(mine)[0], other):
                return None
            raise UsageError(
                f"Another image of {self.current.name} has the key {record.key!r} already: the "
                "galleries cannot be merged."
            )
        # Those that were added one by one lie in the last of the folders.
        source = self._numbers[record.source if record.source >= 0 else -1]
        return Kept(replace(record, id=NO_IMAGE, source=source), image=record.id)

    def seen_after(self, kept: Sequence[Kept]) -> dict[Place, Seen]:
        """Return what is known of the files of both; a file whose content was there is no image."""
        first = self.current.manifest.next_id
        ids = {each.image: first + number for number, each in enumerate(kept)}
        after = dict(self.current.seen())
        for (source, path), seen in self._giving.seen().items():
            place = self._numbers[source], path
            if seen.image in ids or place not in after:
                after[place] = Seen(seen.stamp, ids.get(seen.image, NO_IMAGE))
        return after


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
    _check_precisions(gallery, giving)
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


def _check_precisions(gallery: Gallery, giving: Gallery) -> None:
    mine, other = gallery.manifest, giving.manifest
    if not go_together(mine.precision, other.precision):
        raise UsageError(
            f"{gallery.name} was built in {mine.precision} and {giving.name} in "
            f"{other.precision}, which cannot be compared: build one gallery of both."
        )
    if mine.network_sha256 != other.network_sha256:
        raise UsageError(
            f"{gallery.name} and {giving.name} have INT8 networks of their own: build one gallery "
            "of both."
        )


def _can_follow_both(*manifests: Manifest) -> bool:
    """Whether the folders of galleries can be looked at together."""
    return all("images" in each.request and "limit" not in each.request for each in manifests)


def _folders_of_both(*manifests: Manifest) -> str | list[str]:
    """Return the folders that galleries are kept up to date with, as a request has them."""
    folders: list[str] = []
    for each in manifests:
        followed = [each.sources[number] for number in followed_sources(each)]
        folders += [folder for folder in followed if folder not in folders]
    return folders if len(folders) > 1 else folders[0]


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


@contextlib.contextmanager
def _not_being_built(folders: Folders) -> Iterator[None]:
    busy = f"A build or an update of {folders.indexes.name} is running: wait for it, or stop it."
    with locked(folders.indexes / "lock", busy=busy):
        yield


def _manifest_of(commit: Commit) -> Manifest:
    if commit.manifest is None:
        raise NotFoundError(f"There is no gallery {commit.folders.indexes.name!r}.")
    return commit.manifest


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - nor does it raise where a folder may not be entered


def _is_copy(folders: Folders, manifest: Manifest) -> bool:
    """Whether an earlier renaming has put this gallery there, as it still is."""
    try:
        with contextlib.closing(Gallery(folders, hashed=False)) as copy:
            return replace(copy.manifest, generation=manifest.generation) == manifest
    except Exception:  # noqa: BLE001 - whatever it is, it is no copy
        return False


def _put_copy(old: Folders, into: Folders, manifest: Manifest) -> None:
    """Copy a gallery, its manifest changed; it is there, and on the disk, from the last rename."""
    hidden = _hidden(into, "part")
    with writing_to(into.indexes):
        for folder, copy in ((old.features, hidden.features), (old.indexes, hidden.indexes)):
            shutil.rmtree(copy, ignore_errors=True)
            if folder.is_dir():
                _copy(folder, copy)
                for path in copy.rglob("*"):
                    sync(path)
        Commit(hidden, manifest).write(manifest)
        if hidden.features.is_dir():
            shutil.rmtree(into.features, ignore_errors=True)  # of a renaming that was stopped
            hidden.features.replace(into.features)
            sync(into.features.parent)
        shutil.rmtree(into.indexes, ignore_errors=True)  # an empty folder, or one with a lock
        hidden.indexes.replace(into.indexes)
        sync(into.indexes.parent)


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
    gone = _hidden(folders, "gone")
    with writing_to(folders.indexes):
        shutil.rmtree(gone.indexes, ignore_errors=True)
        folders.indexes.replace(gone.indexes)
        sync(gone.indexes.parent)
    _delete_remains(folders)


def _delete_remains(folders: Folders) -> bool:
    """Delete what is left of a gallery that is gone; return whether anything was.

    The folder that says so goes last. What cannot be deleted stays for the next call.
    """
    gone = _hidden(folders, "gone")
    if not gone.indexes.is_dir() or folders.indexes.name in gallery_names(gone.indexes.parent):
        return False
    shutil.rmtree(gone.features, ignore_errors=True)
    if not (folders.indexes / DRAFT).exists():  # else somebody builds another one
        with contextlib.suppress(OSError):
            folders.features.replace(gone.features)
        shutil.rmtree(gone.features, ignore_errors=True)
    if not gone.features.exists():
        shutil.rmtree(gone.indexes, ignore_errors=True)
    return True


def _hidden(folders: Folders, what: str) -> Folders:
    """Return folders beside those of a gallery that are no gallery's."""
    return Folders(
        *(each.with_name(f".{each.name}.{what}") for each in (folders.features, folders.indexes))
    )
