"""Pictures → vectors, records and thumbnails, many at once, kept in a draft as they come."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.embed import Embedder
from app.errors import DecodeError
from app.features import of_gallery_picture
from app.gallery import Draft, Drafted, Gallery, Place, Stamp
from app.images import decode, encode
from app.images.facts import facts_of
from app.sources.picture import Layout, Picture, file_of
from app.values import MOST_ELONGATED, ImageRecord, Noted, Skipped, elongation

PROGRESS_EVERY_SECONDS = 0.1
_MOST_NOTED = 50  # in sentences of their own

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Kept:
    """An image of a gallery to come, and where its vector is.

    It is in a `row` of the draft, or else that of an `image` that the gallery has already. The
    record's id is given later.
    """

    record: ImageRecord
    row: int | None = None
    image: int | None = None


@dataclass(frozen=True)
class Embedding:
    """What became of pictures: those that can be used, in their order, and the others.

    `embedded` is how many were decoded in this run, for the network or in vain; `unreadable` how
    many files that were listed could not be opened; `noted` are those, of this run, that were
    decoded though they are not as they should be.
    """

    kept: list[Kept]
    skipped: list[Skipped]
    embedded: int
    unreadable: int
    noted: tuple[Noted, ...] = ()


def stamped(pictures: Iterable[Picture], folders: Sequence[Path]) -> Iterator[Picture]:
    """Yield the pictures with the size and time of their files, as far as those can be had."""
    for picture in pictures:
        if picture.size < 0 and not picture.missing:
            try:
                facts = file_of(folders, picture).stat()
            except (OSError, ValueError):  # reading it says why
                yield picture
                continue
            picture = replace(picture, size=facts.st_size, mtime_ns=facts.st_mtime_ns)
        yield picture


def embed_pictures(
    pictures: Sequence[Picture],
    layout: Layout,
    embedder: Embedder,
    draft: Draft,
    *,
    copies: bool = False,
    known: Gallery | None = None,
    workers: int,
    on_progress: OnProgress,
) -> Embedding:
    """Embed the stamped `pictures` that the draft does not have yet; keep them in it.

    With `copies` their local features are kept, too. A picture whose content the draft or the
    gallery `known`, of the same model, has is not embedded again. Stopped at any moment, what is
    done stays in the draft.
    """
    drafted = draft.entries()
    kept, rest = _done_before(pictures, draft, drafted)
    content = _Content(known)
    for entry in drafted.values():
        content.rows[entry.record.sha256] = Kept(entry.record, row=entry.row)
    work = _Work(layout.folders, embedder, content, copies=copies)
    taken = _Taken(draft, content, kept)
    done = len(pictures) - len(rest)
    on_progress("embed", done, len(pictures))
    reported = time.perf_counter()
    with ThreadPoolExecutor(workers, thread_name_prefix="embed") as pool:
        batches = [rest[i : i + embedder.batch] for i in range(0, len(rest), embedder.batch)]

        def submit(batch: Sequence[Picture]) -> "Future[_Batch]":
            return pool.submit(work.embed, batch)

        # Closed before the pool is: after Ctrl-C the batches that wait are not embedded any more.
        with closing(_in_order(batches, submit, ahead=2 * workers)) as results:
            for result in results:
                taken.take(result)
                done += result.pictures
                if time.perf_counter() - reported > PROGRESS_EVERY_SECONDS:
                    reported = time.perf_counter()
                    on_progress("embed", done, len(pictures))
    taken.take_repeats(embedder.dim)
    on_progress("embed", done, len(pictures))
    ordered = [kept[place] for place in map(_place_of, pictures) if place in kept]
    noted = tuple(sorted(taken.noted, key=lambda each: each.path))
    return Embedding(ordered, draft.skipped(), taken.embedded, taken.unreadable, noted)


def _done_before(
    pictures: Sequence[Picture], draft: Draft, drafted: Mapping[Place, Drafted]
) -> tuple[dict[Place, Kept], list[Picture]]:
    """Return the pictures that are `drafted` already, and those that are left to do.

    One that could not be read, and has not changed since, is neither. What the draft says of others
    that could not be read is forgotten.
    """
    failed = draft.skipped_stamps()
    kept: dict[Place, Kept] = {}
    rest, settled = [], []
    for picture in pictures:
        place = _place_of(picture)
        entry = drafted.get(place)
        if entry is not None and not picture.missing and entry.stamp == _stamp_of(picture):
            kept[place] = Kept(_named(entry.record, picture), row=entry.row)
        elif picture.size >= 0 and failed.get(place) == _stamp_of(picture):
            settled.append(place)
        else:
            rest.append(picture)
    draft.forget_skipped(failed.keys() - set(settled))
    return kept, rest


class _Content:
    """Contents whose vectors are there already or under way: each is decoded once.

    They are in a gallery, in rows of the draft, or in the hands of one of the threads. Of those
    that cannot be decoded it keeps why. For many threads.
    """

    def __init__(self, gallery: Gallery | None) -> None:
        self.rows: dict[str, Kept] = {}
        self.refused: dict[str, str] = {}
        self._gallery = gallery
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def find(self, record: ImageRecord) -> Kept | None:
        """Return `record` with the size and vector of an image of the same content; or None."""
        known = self.rows.get(record.sha256)
        if known is None and self._gallery is not None:
            for image in self._gallery.ids_of_content(record.sha256)[:1]:
                known = Kept(self._gallery.images([image])[0], image=image)
        if known is None:
            return None
        width, height = known.record.width, known.record.height
        return replace(known, record=replace(record, width=width, height=height))

    def take(self, sha256: str) -> bool:
        """Return whether the caller is the first to ask for a content, and has to embed it."""
        with self._lock:
            if sha256 in self._taken:
                return False
            self._taken.add(sha256)
            return True


@dataclass
class _Taken:
    """The results, kept in the draft as they come, and what became of the pictures so far.

    `repeats` are those whose content another picture brought, which may come after them.
    """

    draft: Draft
    content: _Content
    kept: dict[Place, Kept]
    repeats: list[tuple[Picture, ImageRecord]] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    embedded: int = 0
    unreadable: int = 0

    def take(self, result: "_Batch") -> None:
        """Keep a batch."""
        first = self.draft.rows
        self.draft.add(
            result.images,
            result.thumbnails,
            result.vectors,
            result.skipped,
            local=result.local,
            stamps=result.stamps,
        )
        for row, record in enumerate(result.images, first):
            self.kept[record.source, record.path] = Kept(record, row=row)
            self.content.rows[record.sha256] = Kept(record, row=row)
        self._keep(result.copies)
        self.repeats += result.repeats
        self.noted += result.noted
        self.unreadable += result.unreadable
        self.embedded += result.pictures - len(result.copies) - len(result.repeats)

    def take_repeats(self, dim: int) -> None:
        """Keep the repeats of what is in the draft by now; skip those that cannot be decoded."""
        found, skipped, stamps = [], [], {}
        for picture, record in self.repeats:
            if copy := self.content.find(record):
                found.append(copy)
            else:
                skipped.append(_skip(picture, self.content.refused[record.sha256]))
                stamps[_place_of(picture)] = _stamp_of(picture)
        self._keep(found)
        if skipped:
            self.draft.add([], [], np.empty((0, dim), np.float32), skipped, stamps=stamps)

    def _keep(self, copies: Sequence[Kept]) -> None:
        self.kept |= {(each.record.source, each.record.path): each for each in copies}


@dataclass(frozen=True)
class _Batch:
    images: list[ImageRecord]
    thumbnails: list[bytes]
    local: list[bytes]
    vectors: NDArray[np.float32]
    skipped: list[Skipped]
    copies: list[Kept]
    repeats: list[tuple[Picture, ImageRecord]]
    stamps: Mapping[Place, Stamp]
    pictures: int
    unreadable: int
    noted: list[Noted]


@dataclass(frozen=True)
class _Work:
    """What a worker needs: it takes a whole batch from file to vector.

    So a picture never waits for another thread.
    """

    folders: Sequence[Path]
    embedder: Embedder
    content: _Content
    copies: bool

    def embed(self, pictures: Sequence[Picture]) -> _Batch:
        images, thumbnails, local, inputs = [], [], [], []
        skipped, copies, repeats = [], [], []
        stamps: dict[Place, Stamp] = {}
        unreadable = 0
        noted: list[Noted] = []
        for picture in pictures:
            if picture.missing:
                skipped.append(_skip(picture, picture.missing))
                continue
            try:
                picture.path.encode()
                data = file_of(self.folders, picture).read_bytes()
                record = _record(picture, data)
                if copy := self.content.find(record):
                    copies.append(copy)
                    continue
                if not self.content.take(record.sha256):
                    repeats.append((picture, record))
                    continue
                # The network never needs more pixels; the query is prepared alike.
                image, (width, height), notes = decode.read(
                    data, min_side=self.embedder.decoded_side
                )
            except UnicodeEncodeError:
                skipped.append(_skip(picture, "Its name is not valid UTF-8: rename it."))
                continue
            except OSError as exc:
                skipped.append(_skip(picture, f"It cannot be read: {exc.strerror}."))
                unreadable += 1
                continue
            except DecodeError as exc:
                self.content.refused[record.sha256] = str(exc)
                skipped.append(_skip(picture, str(exc)))
                stamps[_place_of(picture)] = _stamp_of(picture)
                continue
            noted += [Noted(picture.path, note) for note in notes]
            inputs.append(self.embedder.prepare(image))
            thumbnails.append(encode.thumbnail(image))
            if self.copies:
                local.append(of_gallery_picture(image).packed())
            images.append(replace(record, width=width, height=height))
            stamps[_place_of(picture)] = _stamp_of(picture)
        vectors = self.embedder.embed_prepared(inputs)
        return _Batch(
            images,
            thumbnails,
            local,
            vectors,
            skipped,
            copies,
            repeats,
            stamps,
            len(pictures),
            unreadable,
            noted,
        )


def notes_on(embedding: Embedding, embedder: Embedder) -> tuple[str, ...]:
    """Return a sentence on each picture that is not as it should be, and one on those too long.

    Of those, the network sees little more than the middle square.
    """
    each = [f"{noted.path}: {noted.note}" for noted in embedding.noted[:_MOST_NOTED]]
    if more := embedding.noted[_MOST_NOTED:]:
        each.append(f"{len(more)} more pictures are not as they should be.")
    if embedder.model.picture_preprocessing.squeezed:
        return tuple(each)
    records = (kept.record for kept in embedding.kept)
    long = sum(elongation(record.width, record.height) > MOST_ELONGATED for record in records)
    if long:
        are = "1 picture is" if long == 1 else f"{long} pictures are"
        each.append(
            f"{are} more than {MOST_ELONGATED:g} times as long as wide, or as high: only the "
            "middle of each is compared."
        )
    return tuple(each)


def _in_order(
    batches: Sequence[Sequence[Picture]],
    submit: "Callable[[Sequence[Picture]], Future[_Batch]]",
    *,
    ahead: int,
) -> Generator[_Batch, None, None]:
    """Yield the results in the order of the batches, with `ahead` of them under way."""
    waiting: deque[Future[_Batch]] = deque()
    try:
        for batch in batches:
            waiting.append(submit(batch))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _record(picture: Picture, data: bytes) -> ImageRecord:
    digest = hashlib.sha256(data).hexdigest()
    record = ImageRecord(-1, picture.path, digest, 0, 0, len(data), metadata=facts_of(data))
    return _named(record, picture)


def _named(record: ImageRecord, picture: Picture) -> ImageRecord:
    """Return a record with what the list of pictures says of it."""
    return replace(record, id=-1, labels=picture.labels, key=picture.key, source=picture.source)


def _place_of(picture: Picture) -> Place:
    return picture.source, picture.path


def _stamp_of(picture: Picture) -> Stamp:
    return picture.size, picture.mtime_ns


def _skip(picture: Picture, reason: str) -> Skipped:
    """Return a skipped picture; a list's file names say nothing, so the id is named too."""
    readable = picture.path.encode(errors="backslashreplace").decode()
    reason = f"Its id is {picture.key!r}. {reason}" if picture.key else reason
    return Skipped(readable, reason, picture.source)
