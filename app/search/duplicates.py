"""A gallery → groups of images that show one picture, the best of each first.

Pairs are found and compared once (app/search/pairs.py); groups are made of them for the kinds that
are asked for, without those that somebody has decided are none. Nothing is deleted or changed.
"""

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.errors import UsageError
from app.gallery import Apart, Gallery, content_of
from app.search.pairs import Comparison, OnProgress, near_pairs, voted_pairs
from app.values import SAME_FILE, SOURCES, ImageRecord, Match

_LOOKED_UP_AT_ONCE = 1_000
_OF_A_FILE = Match(SAME_FILE, 1.0)

KINDS = {kind.replace(" ", "-"): kind for kind in SOURCES}
"""The kinds of duplicates, the surest first, as programs write them."""


@dataclass(frozen=True)
class Duplicate:
    """An image of a group that is not its best.

    `match` says how it shows the picture of the image `of`, as a search with it would: that is the
    best of the group, or the member through which it came into it.
    """

    image: ImageRecord
    match: Match
    of: ImageRecord


@dataclass(frozen=True)
class Group:
    """Images that show one picture: the best, and the others, the surest first."""

    best: ImageRecord
    others: tuple[Duplicate, ...]

    @property
    def kind(self) -> str:
        """The least sure of the kinds of its images."""
        return max((each.match.kind for each in self.others), key=SOURCES.index)


@dataclass(frozen=True)
class Duplicates:
    """The near duplicates of a gallery.

    `images` is how many it has, `compared` how many pairs of them were, `seconds` how long that
    took; `apart` how many pairs were decided to be none; `outdated` says that it has changed since.
    """

    gallery: str
    groups: tuple[Group, ...]
    images: int
    compared: int
    seconds: float
    apart: int = 0
    outdated: bool = False

    def __iter__(self) -> Iterator[Group]:
        """Give the groups, the surest first."""
        return iter(self.groups)

    @property
    def others(self) -> tuple[Duplicate, ...]:
        """All images that are not the best of their group."""
        return tuple(each for group in self.groups for each in group.others)


def kinds_of(names: Collection[str]) -> tuple[str, ...]:
    """Return the kinds of these names, with dashes or spaces; all for none.

    UsageError names those that there are.

    >>> kinds_of(["edited-copy"])
    ('edited copy',)
    """
    for name in names:
        if name not in KINDS and name not in SOURCES:
            raise UsageError(f"There is no kind {name!r}: choose of {', '.join(KINDS)}.")
    asked = {KINDS.get(name, name) for name in names} or set(SOURCES)
    return tuple(kind for kind in SOURCES if kind in asked)


@dataclass(frozen=True)
class Found:
    """The pairs of a gallery's images that show one picture.

    Each image of a pair stands for all with its content, which `same` lists, the best first.
    `matches` has a pair as (worse, better): the better one's picture is what the worse one shows.
    `order` gives each image's place from the best to the worst. `generation` is that of the
    gallery.
    """

    gallery: str
    generation: int
    images: int
    compared: int
    seconds: float
    matches: Mapping[tuple[int, int], Match]
    same: Mapping[int, Sequence[int]]
    order: Mapping[int, tuple[object, ...]]
    records: Mapping[int, ImageRecord]

    def duplicates(self, kinds: Collection[str] = (), apart: Apart = frozenset()) -> Duplicates:
        """Return the groups, less those kept apart, with images of some kinds, all for none."""
        together = _components(self.matches, self._contents_apart(apart))
        grouped = {image for ids in together for image in ids}
        copied = ([first] for first, ids in self.same.items() if len(ids) > 1)
        together += [ids for ids in copied if ids[0] not in grouped]
        asked = kinds_of(kinds)
        groups = [group for ids in together for group in self._group(ids, asked)]
        groups.sort(key=lambda each: (SOURCES.index(each.kind), each.best.path, each.best.id))
        return Duplicates(
            self.gallery, tuple(groups), self.images, self.compared, self.seconds, len(apart)
        )

    def changed(self, image: int) -> float:
        """Return when the file of an image was changed, in seconds since 1970; 0 if not known."""
        nanoseconds = self.order[image][2]
        known = isinstance(nanoseconds, int)
        return nanoseconds / 1e9 if known else 0.0  # type: ignore[operator]

    @cached_property
    def _pairs(self) -> dict[int, list[tuple[int, Match]]]:
        """What each image is a pair with, and how that shows it."""
        pairs: dict[int, list[tuple[int, Match]]] = defaultdict(list)
        for (worse, better), match in self.matches.items():
            pairs[better].append((worse, match))
            pairs[worse].append((better, _turned_round(match)))
        return pairs

    def _contents_apart(self, apart: Apart) -> dict[int, set[int]]:
        """Return, by image, those that it must not be grouped with."""
        if not apart:
            return {}
        by_content = {content_of(self.records[image]): image for image in self.same}
        kept: dict[int, set[int]] = defaultdict(set)
        for pair in apart:
            found = [by_content[content] for content in pair if content in by_content]
            if len(found) == 2:
                kept[found[0]].add(found[1])
                kept[found[1]].add(found[0])
        return kept

    def _group(self, ids: Collection[int], kinds: Collection[str]) -> Iterator[Group]:
        """Yield the group of some images, unless none of it is of these kinds."""
        best = min(ids, key=lambda each: self.order[each])
        best_record = self.records[best]
        others = [
            Duplicate(self.records[each], _OF_A_FILE, best_record) for each in self.same[best][1:]
        ]
        for image, of, match in self._linked(best, ids):
            others += [
                Duplicate(self.records[each], match, self.records[of]) for each in self.same[image]
            ]
        others = [each for each in others if each.match.kind in kinds]
        if others:
            others.sort(key=lambda each: _place_of(each.match))
            yield Group(best_record, tuple(others))

    def _linked(self, best: int, ids: Collection[int]) -> Iterator[tuple[int, int, Match]]:
        """Yield each other image with the one it is a pair with: the best, if it is one with that.

        Else it is the one of its surest pair on the way to the best.
        """
        inside, reached = frozenset(ids), {best}
        ways: list[tuple[bool, float, int, int, Match]] = []
        at = best
        while True:
            for other, match in self._pairs.get(at, ()):
                if other in inside and other not in reached:
                    heapq.heappush(ways, (at != best, -match.score, other, at, match))
            while ways and ways[0][2] in reached:
                heapq.heappop(ways)
            if not ways:
                return
            _, _, image, of, match = heapq.heappop(ways)
            reached.add(image)
            yield image, of, match
            at = image


def find_duplicates(
    stored: Gallery, on_progress: OnProgress = lambda stage, done, total: None
) -> Found:
    """Compare the images of a gallery that may show one picture; return the pairs that do.

    `on_progress(stage, done, total)` is called with the stages "near", "vote" and "pairs"; what
    it raises ends the search.
    """
    started = time.perf_counter()
    records = _records(stored)
    order = _order(stored, records.values())
    same = _same_content(records.values(), order)
    near = {} if stored.approximate else near_pairs(stored, same, on_progress)
    voted = voted_pairs(stored, same, on_progress) if stored.has_local else set()
    pairs = sorted({*near, *voted})
    comparison = Comparison(stored)
    matches: dict[tuple[int, int], Match] = {}

    def compare(one: int, other: int, cosine: float) -> None:
        better, worse = sorted((one, other), key=lambda each: order[each])
        match = comparison.match(worse, better, cosine)
        if match is not None:
            matches[worse, better] = match

    for done, (one, other) in enumerate(pairs):
        on_progress("pairs", done, len(pairs))
        compare(one, other, near.get((one, other), 0.0))
    on_progress("pairs", len(pairs), len(pairs))
    missing = list(_not_with_the_best(matches, order))
    for best, image in missing:
        on_progress("pairs", len(pairs), len(pairs))
        compare(best, image, _cosine(stored, best, image))
    involved = {image for pair in matches for image in pair}
    kept = {first: ids for first, ids in same.items() if first in involved or len(ids) > 1}
    return Found(
        stored.name,
        stored.manifest.generation,
        stored.rows,
        len(pairs) + len(missing),
        time.perf_counter() - started,
        matches,
        kept,
        order,
        {image: records[image] for ids in kept.values() for image in ids},
    )


def _records(stored: Gallery) -> dict[int, ImageRecord]:
    ids, size = stored.ids().tolist(), _LOOKED_UP_AT_ONCE
    parts = (ids[start : start + size] for start in range(0, len(ids), size))
    return {record.id: record for part in parts for record in stored.images(part)}


def _order(stored: Gallery, records: Collection[ImageRecord]) -> dict[int, tuple[object, ...]]:
    """Return what images are sorted by, the best first: pixels, bytes, file's date, path."""
    times = {place: seen.stamp[1] for place, seen in stored.seen().items()}

    def key(record: ImageRecord) -> tuple[object, ...]:
        changed = times.get((record.source, record.path), 0) or math.inf
        pixels = record.width * record.height
        return -pixels, -record.bytes, changed, record.path, record.id

    return {record.id: key(record) for record in records}


def _same_content(
    records: Collection[ImageRecord], order: Mapping[int, tuple[object, ...]]
) -> dict[int, list[int]]:
    """Return all images of each content, the best first, by that one."""
    contents: dict[str, list[int]] = defaultdict(list)
    for record in records:
        contents[content_of(record)].append(record.id)
    listed = (sorted(ids, key=lambda each: order[each]) for ids in contents.values())
    return {ids[0]: ids for ids in sorted(listed)}


def _components(
    matches: Mapping[tuple[int, int], Match], apart: Mapping[int, Collection[int]]
) -> list[list[int]]:
    """Return the images that pairs join, the surest pairs first.

    Two that are kept apart are not joined through others either: the pair that would is left out.
    """
    of: dict[int, list[int]] = {image: [image] for pair in matches for image in pair}
    surest = sorted(matches.items(), key=lambda each: _place_of(each[1]))
    for (one, other), _ in surest:
        mine, others = of[one], of[other]
        if mine is others or any(set(apart.get(each, ())) & set(others) for each in mine):
            continue
        if len(mine) < len(others):
            mine, others = others, mine
        mine.extend(others)
        of |= dict.fromkeys(others, mine)
    different = {id(ids): ids for ids in of.values()}
    return [ids for ids in different.values() if len(ids) > 1]


def _place_of(match: Match) -> tuple[int, float]:
    return SOURCES.index(match.kind), -match.score


def _not_with_the_best(
    matches: Mapping[tuple[int, int], Match], order: Mapping[int, tuple[object, ...]]
) -> Iterator[tuple[int, int]]:
    """Yield (best, image) for the images of a group that were not compared with its best."""
    for ids in _components(matches, {}):
        best = min(ids, key=lambda each: order[each])
        yield from ((best, each) for each in ids if each != best and (each, best) not in matches)


def _cosine(stored: Gallery, one: int, other: int) -> float:
    return 0.0 if stored.approximate else float(stored.vector(one) @ stored.vector(other))


def _turned_round(match: Match) -> Match:
    """Return what a pair's match is when the better one of two is said to show the worse one."""
    a, b, c, d, e, f = match.matrix
    inverse = np.linalg.inv(np.array([[a, b, c], [d, e, f], [0, 0, 1]]))
    return replace(
        match,
        reason=f"the other way round: {match.reason}" if match.reason else "",
        of_query=match.of_image,
        of_image=match.of_query,
        turn=match.turn if match.mirrored else -match.turn,
        matrix=tuple(round(float(each), 6) for each in inverse[:2].ravel()),
        in_query=match.in_image,
        in_image=match.in_query,
    )
