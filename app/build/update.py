"""What has changed in a gallery's folders since the last look → the gallery as it should be."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.build.build import check_readable, recipe_of_model
from app.build.change import being_updated, commit_change, current_gallery
from app.build.commit import check_room, load_for
from app.build.embedding import Embedding, OnProgress, embed_pictures, notes_on, stamped
from app.build.layouts import OpenList, layout_of
from app.build.look import Look, look_at
from app.build.material import Material
from app.build.spread import Spread
from app.build.work import Kept
from app.embed import LoadEmbedder
from app.errors import GalleryError, RemovalsError
from app.gallery import (
    NO_IMAGE,
    Draft,
    Gallery,
    Place,
    Seen,
    Stamp,
    committing,
    folders_of,
)
from app.index import Projection
from app.sources.picture import Layout
from app.values import Skipped
from app.values.gallery import Manifest, StoredFile
from app.values.names import text_of

_FEW_GONE = 20  # so many may be deleted at once without a question


@dataclass(frozen=True)
class UpdateReport:
    """What an update did, in numbers of images; `embedded` is how many files were decoded.

    `notes` say what is odd about pictures that were taken, in sentences.
    """

    manifest: Manifest
    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    embedded: int = 0
    skipped: tuple[Skipped, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def did_something(self) -> bool:
        """Whether the gallery has other images than before, or other paths of them."""
        return bool(self.added or self.changed or self.moved or self.removed)


def update_gallery(
    name: str,
    *,
    datasets_dir: Path,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: LoadEmbedder,
    open_list: OpenList,
    workers: int,
    spread: Spread | None = None,
    accept_removals: bool = False,
    on_progress: OnProgress,
) -> UpdateReport:
    """Bring a gallery up to date with its folders, data set or list.

    A file whose path, size and time are as before is not opened. Of the others the content decides:
    nothing is embedded that the gallery has already, and a file that was moved or renamed keeps its
    image's id. Stopped at any moment, the gallery is as before and the next update goes on.

    Raises DatasetError for a folder that is gone, RemovalsError where more than half of the
    pictures are, unless `accept_removals`; ModelError where the model cannot make the same vectors;
    BusyError while a build or another update is at work on it.
    """
    started = time.perf_counter()
    folders = folders_of(name, features_dir=features_dir, indexes_dir=indexes_dir)
    with being_updated(folders), closing(Gallery(folders, hashed=False)) as gallery:
        if gallery.approximate:
            raise GalleryError(
                f"The vectors of {name} are not here ({gallery.folders.features}): copy them to "
                "this machine first."
            )
        on_progress("list", 0, 0)
        layout = layout_of(gallery.manifest, datasets_dir=datasets_dir, open_list=open_list)
        limit = gallery.manifest.request.get("limit")
        found = stamped(layout.pictures()[:limit], layout.folders)
        looked = look_at(gallery, list(found))
        _check_gone(name, looked, layout, accept_removals)
        update = _Update(gallery, layout, looked, load_embedder, workers, spread, on_progress)
        report = update.run()
    return replace(
        report,
        left_out=dict(getattr(layout, "left_out", {})),
        seconds=time.perf_counter() - started,
    )


def _check_gone(name: str, looked: Look, layout: Layout, accept_removals: bool) -> None:
    gone = looked.gone
    before = sum(seen.image in looked.alive for seen in looked.known.values())
    if accept_removals or len(gone) <= max(_FEW_GONE, before // 2):
        return
    raise RemovalsError(
        f"{len(gone)} of the {before} pictures are not in {text_of(layout.folder)} any more, so "
        "the gallery stays as it was",
        gallery=name,
        gone=len(gone),
    )


class _Update:
    """One update, after the look at the folders."""

    def __init__(
        self,
        gallery: Gallery,
        layout: Layout,
        looked: Look,
        load_embedder: LoadEmbedder,
        workers: int,
        spread: Spread | None,
        on_progress: OnProgress,
    ) -> None:
        self._gallery = gallery
        self._layout = layout
        self._looked = looked
        self._load_embedder = load_embedder
        self._workers = workers
        self._spread = spread
        self._on_progress = on_progress
        self._manifest = gallery.manifest
        self._again = _relabelled(gallery, looked)

    def run(self) -> UpdateReport:
        """Embed what has to be, and commit."""
        others = self._looked.others
        if not others and not self._again and not self._looked.gone:
            return self._commit(None, Embedding([], [], 0, 0))
        if not any(not each.missing for each in others):
            skipped = [Skipped(each.path, each.missing, each.source) for each in others]
            return self._commit(None, Embedding([], skipped, 0, 0))
        embedder = load_for(self._gallery, self._load_embedder)
        folders = self._gallery.folders
        copies = self._manifest.copies
        recipe = recipe_of_model(embedder, copies=copies)
        draft = Draft(folders, recipe=recipe, dim=embedder.dim, replaces=False)
        try:
            check_room(folders, len(others), draft.rows, embedder.dim, copies=copies)
            embedding = embed_pictures(
                others,
                self._layout,
                embedder,
                draft,
                copies=copies,
                known=self._gallery,
                workers=self._workers,
                spread=self._spread,
                on_progress=self._on_progress,
            )
            check_readable(embedding, list(self._looked.pictures.values()), self._layout)
            report = self._commit(draft, embedding)
            report = replace(report, notes=notes_on(embedding, embedder))
        except BaseException:
            draft.close()
            raise
        draft.discard()
        return report

    def _commit(self, draft: Draft | None, embedding: Embedding) -> UpdateReport:
        looked, gone = self._looked, self._looked.gone
        sorted_out = _sort_out(self._gallery, embedding.kept, looked, gone)
        sorted_out.rows += self._again
        sorted_out.changed += len(self._again)
        skipped = self._skipped(embedding)
        with committing(self._gallery.folders) as commit:
            current = current_gallery(commit, self._gallery)
            stored: dict[str, StoredFile] = {}
            if skipped != self._gallery.skipped():
                stored["skipped"] = commit.write_skipped(skipped)
            removed = set(gone.values()) - sorted_out.moved_ids
            sorted_out.settle_keys(current, removed)
            rows = sorted_out.rows
            seen = sorted_out.seen_after(looked, current.manifest.next_id)
            if seen != self._gallery.seen():
                stored["seen"] = commit.write_seen(seen)
            manifest = commit_change(
                commit,
                current,
                rows,
                Material(draft, self._gallery, _projection(self._gallery)),
                removed=removed,
                stored=stored,
                skipped=len(skipped),
            )
        return UpdateReport(
            manifest,
            added=sorted_out.added,
            changed=sorted_out.changed,
            moved=len(sorted_out.moved_ids),
            removed=len(removed),
            unchanged=len(looked.same) + sorted_out.touched - len(self._again),
            embedded=embedding.embedded,
            skipped=tuple(skipped),
        )

    def _skipped(self, embedding: Embedding) -> list[Skipped]:
        """Return all files that cannot be read: those of now, and those that are as they were."""
        tried = {(each.source, each.path): each for each in embedding.skipped}
        for each in self._gallery.skipped():
            seen = self._looked.same.get((each.source, each.path))
            if seen is not None and seen.image == NO_IMAGE:
                tried.setdefault((each.source, each.path), each)
        return [tried[place] for place in sorted(tried)]


@dataclass
class _SortedOut:
    """The images to be written, those of new files with the id NO_IMAGE, and what they are."""

    rows: list[Kept] = field(default_factory=list)
    stamps: dict[Place, Seen] = field(default_factory=dict)
    moved_ids: set[int] = field(default_factory=set)
    added: int = 0
    changed: int = 0
    touched: int = 0

    def settle_keys(self, current: Gallery, removed: set[int]) -> None:
        """Take the keys that others have who stay, such as images that were added one by one.

        A new image replaces the one of its key; where an image gets another's key, that one goes.
        """
        written = {each.record.id for each in self.rows}
        for at, each in enumerate(self.rows):
            key = each.record.key
            held = set(current.ids_of_key(key) if key else ()) - written - removed
            if held and each.record.id == NO_IMAGE:
                self.rows[at] = replace(each, record=replace(each.record, id=held.pop()))
                self.added, self.changed = self.added - 1, self.changed + 1
            removed |= held

    def seen_after(self, looked: Look, next_id: int) -> dict[Place, Seen]:
        """Return what is known of the files after the update; new images begin at `next_id`."""
        seen = dict(looked.same)
        for place, picture in looked.pictures.items():
            if place not in seen:
                stamp: Stamp = (picture.size, picture.mtime_ns)
                seen[place] = self.stamps.get(place, Seen(stamp, NO_IMAGE))
        for each in self.rows:
            place, image = (each.record.source, each.record.path), each.record.id
            if image == NO_IMAGE:
                image, next_id = next_id, next_id + 1
            if place in seen:
                seen[place] = Seen(seen[place].stamp, image)
        hidden = {
            place: each
            for place, each in looked.known.items()
            if place not in seen and each.image in looked.alive and place not in looked.gone
        }
        return seen | hidden


def _sort_out(
    gallery: Gallery, kept: Sequence[Kept], looked: Look, gone: dict[Place, int]
) -> _SortedOut:
    """Tell new, changed, moved and merely touched files from each other, by their content."""
    out = _SortedOut()
    gone_records = {each.id: each for each in gallery.images(sorted(set(gone.values())))}
    homeless: dict[str, list[int]] = defaultdict(list)  # contents whose file is gone
    for image, record in gone_records.items():
        homeless[record.sha256].append(image)
    places = [(each.record.source, each.record.path) for each in kept]
    before = [looked.known.get(place) for place in places]
    own = [each.image for each in before if each is not None and each.image in looked.alive]
    records = {each.id: each for each in gallery.images(own)}
    for each, place, seen in zip(kept, places, before, strict=True):
        record = each.record
        picture = looked.pictures[place]
        stamp: Stamp = (picture.size, picture.mtime_ns)
        stored = records.get(seen.image) if seen else None
        if stored is not None and stored.sha256 == record.sha256:
            out.touched += 1
            out.stamps[place] = Seen(stamp, stored.id)
        elif stored is not None:
            out.changed += 1
            out.rows.append(replace(each, record=replace(record, id=stored.id)))
        elif homeless[record.sha256]:
            image = homeless[record.sha256].pop(0)
            out.moved_ids.add(image)
            out.rows.append(replace(each, record=replace(record, id=image)))
        else:
            out.added += 1
            out.rows.append(replace(each, record=replace(record, id=NO_IMAGE)))
    return out


def _relabelled(gallery: Gallery, looked: Look) -> list[Kept]:
    """Return the images of unchanged files whose labels or key the list has changed."""
    same = [place for place, seen in looked.same.items() if seen.image in looked.alive]
    listed = any(each.key for each in looked.pictures.values())
    if not listed:
        return []  # the labels of a folder's picture are its path
    again = []
    for place, record in zip(
        same, gallery.images([looked.same[place].image for place in same]), strict=True
    ):
        picture = looked.pictures[place]
        if (record.labels, record.key) != (picture.labels, picture.key):
            renamed = replace(record, labels=picture.labels, key=picture.key)
            again.append(Kept(renamed, image=record.id))
    return again


def _projection(gallery: Gallery) -> Projection | None:
    path = gallery.projection_path
    return Projection.read(path) if path else None
