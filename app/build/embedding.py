"""Pictures → vectors, records and thumbnails, many at once, kept in a draft as they come."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.build.spread import Lanes, Pending, Spread, Threads
from app.build.work import Batch, Content, Kept, Work, named, place_of, skip, stamp_of
from app.embed import Embedder
from app.gallery import Draft, Drafted, Gallery, Place
from app.sources.picture import Layout, Picture, file_of
from app.values import MOST_ELONGATED, ImageRecord, Noted, Skipped, elongation

PROGRESS_EVERY_SECONDS = 0.1
_MOST_NOTED = 50  # in sentences of their own

OnProgress = Callable[[str, int, int], None]


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
    spread: Spread | None = None,
    on_progress: OnProgress,
) -> Embedding:
    """Embed the stamped `pictures` that the draft does not have yet; keep them in it.

    With `copies` their local features are kept, too. A picture whose content the draft or the
    gallery `known`, of the same model, has is not embedded again. `spread` embeds in place of as
    many threads as there are `workers`. Stopped at any moment, what is done stays in the draft.
    """
    drafted = draft.entries()
    kept, rest = _done_before(pictures, draft, drafted)
    content = Content(known)
    for entry in drafted.values():
        content.rows[entry.record.sha256] = Kept(entry.record, row=entry.row)
    work = Work(layout.folders, embedder, content, copies=copies)
    taken = _Taken(draft, content, kept)
    done = len(pictures) - len(rest)
    on_progress("embed", done, len(pictures))
    reported = time.perf_counter()
    # Closed before the lanes are: after Ctrl-C the batches that wait are not embedded any more.
    with (
        (spread or Threads(workers)).open(work) as lanes,
        closing(_in_order(rest, lanes)) as results,
    ):
        for result in results:
            taken.take(result)
            done += result.pictures
            if time.perf_counter() - reported > PROGRESS_EVERY_SECONDS:
                reported = time.perf_counter()
                on_progress("embed", done, len(pictures))
    taken.take_repeats(embedder.dim)
    on_progress("embed", done, len(pictures))
    ordered = [kept[place] for place in map(place_of, pictures) if place in kept]
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
        place = place_of(picture)
        entry = drafted.get(place)
        if entry is not None and not picture.missing and entry.stamp == stamp_of(picture):
            kept[place] = Kept(named(entry.record, picture), row=entry.row)
        elif picture.size >= 0 and failed.get(place) == stamp_of(picture):
            settled.append(place)
        else:
            rest.append(picture)
    draft.forget_skipped(failed.keys() - set(settled))
    return kept, rest


@dataclass
class _Taken:
    """The results, kept in the draft as they come, and what became of the pictures so far.

    `repeats` are those whose content another picture brought, which may come after them.
    """

    draft: Draft
    content: Content
    kept: dict[Place, Kept]
    repeats: list[tuple[Picture, ImageRecord]] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    embedded: int = 0
    unreadable: int = 0

    def take(self, result: Batch) -> None:
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
                skipped.append(skip(picture, self.content.refused[record.sha256]))
                stamps[place_of(picture)] = stamp_of(picture)
        self._keep(found)
        if skipped:
            self.draft.add([], [], np.empty((0, dim), np.float32), skipped, stamps=stamps)

    def _keep(self, copies: Sequence[Kept]) -> None:
        self.kept |= {(each.record.source, each.record.path): each for each in copies}


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


def _in_order(pictures: Sequence[Picture], lanes: Lanes) -> Generator[Batch, None, None]:
    """Yield what pictures became, in their order, a batch at a time."""
    waiting: deque[Pending] = deque()
    try:
        for start in range(0, len(pictures), lanes.pictures):
            waiting.append(lanes.submit(pictures[start : start + lanes.pictures]))
            if len(waiting) > lanes.ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for pending in waiting:
            pending.cancel()
