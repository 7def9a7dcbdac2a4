"""What a gallery's changes must do, told by plain dictionaries."""

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from app.build.additions import NewImage
from app.gallery import Gallery
from tests.build.lives.world import Item, Items

NONE = -1
Place = tuple[int, str]


@dataclass
class Model:
    """The images by id, and of each file that was seen: its stamp and its image."""

    items: Items = field(default_factory=dict)
    seen: dict[Place, tuple[tuple[int, int], int]] = field(default_factory=dict)
    next_id: int = 0
    gone: set[int] = field(default_factory=set)

    def copy(self) -> "Model":
        return copy.deepcopy(self)

    @classmethod
    def built(cls, files: Mapping[Place, Path]) -> "Model":
        model = cls()
        model.update(files)
        return model

    @property
    def has_keys(self) -> bool:
        return bool(self.items) and bool(self.items[min(self.items)].key)

    def is_in(self, gallery: Gallery, items: Items) -> bool:
        """Return whether a gallery, which holds `items`, is in this state."""
        return not self.differences(gallery, items)

    def differences(self, gallery: Gallery, items: Items) -> list[str]:
        """Return in what a gallery, which holds `items`, is not in this state: nothing if it is."""
        seen = {place: (each.stamp, each.image) for place, each in gallery.seen().items()}
        found = [f"has no image {image}" for image in sorted(self.items.keys() - items.keys())]
        found += [f"has an image {image}" for image in sorted(items.keys() - self.items.keys())]
        for image in sorted(items.keys() & self.items.keys()):
            for fact in fields(Item):
                mine, other = (getattr(each[image], fact.name) for each in (items, self.items))
                if mine != other:
                    found.append(f"{fact.name} of {image}: {mine!r:.300} instead of {other!r:.300}")
        for place in sorted(seen.keys() | self.seen.keys()):
            mine, other = seen.get(place), self.seen.get(place)
            if mine != other:
                found.append(f"seen {place}: {mine} instead of {other}")
        return found

    def new(self, item: Item) -> int:
        self.items[self.next_id] = item
        self.next_id += 1
        return self.next_id - 1

    def remove(self, ids: Iterable[int]) -> None:
        for image in ids:
            del self.items[image]
            self.gone.add(image)

    def add(self, new: Sequence[NewImage]) -> list[int]:
        """Add images; return the id of each."""
        had_keys, before = self.has_keys, dict(self.items)
        ids, contents = [], {}
        for each in new:
            key = each.key or (each.name if had_keys else "")
            facts = {"labels": tuple(sorted(set(each.labels))), "key": key}
            if each.vector is not None:
                item = Item.of_vector(each.vector, **facts)
            else:
                item = Item.of(each.data, **facts)
            held = [image for image, other in self.items.items() if key and other.key == key]
            same = [
                image for image in before if item.content and before[image].content == item.content
            ]
            own = [image for image in same if before[image].key == key]
            if same and not key:
                image = (own or same)[0]
            elif own and item.labels in ((), before[own[0]].labels):
                [image] = own
            elif own:
                [image] = own
                self.items[image] = replace(before[image], labels=item.labels)
            elif item.content and (item.content, key) in contents:
                image = contents[item.content, key]
            elif held:
                [image] = held
                self.items[image] = item
            else:
                image = self.new(item)
                contents[item.content, key] = image
            ids.append(image)
        return ids

    def update(self, files: Mapping[Place, Path]) -> None:
        """Look at the files, each with its content as it is now."""
        stamps = {place: _stamp(path) for place, path in files.items()}
        others = sorted(place for place in files if self._differs(place, stamps))
        gone = {
            place: image
            for place, (_, image) in self.seen.items()
            if place not in files and image in self.items
        }
        homeless = defaultdict(list)
        for image in sorted(gone.values()):
            homeless[self.items[image].content].append(image)
        before, moved = dict(self.items), set()
        seen = {place: self.seen.get(place, (stamp, NONE)) for place, stamp in stamps.items()}
        for place in others:
            item = Item.of(files[place].read_bytes(), labels=_labels(place[1]), place=place)
            stored = before.get(self.seen.get(place, (None, NONE))[1])
            if stored is not None:
                image = self.seen[place][1]
                if stored.content != item.content:
                    self.items[image] = item
            elif homeless[item.content]:
                image = homeless[item.content].pop(0)
                self.items[image] = item
                moved.add(image)
            else:
                image = self.new(item)
            seen[place] = (stamps[place], image)
        self.seen = seen
        self.remove(set(gone.values()) - moved)

    def merge(self, other: "Model", source: int) -> None:
        ids = {}
        there = {item.content for item in self.items.values()} - {""}
        for image, item in sorted(other.items.items()):
            if item.content not in there:
                assert item.place is not None
                ids[image] = self.new(replace(item, place=(source, item.place[1])))
        for (_, path), (stamp, image) in other.seen.items():
            if image in ids or (source, path) not in self.seen:
                self.seen[source, path] = (stamp, ids.get(image, NONE))

    def _differs(self, place: Place, stamps: Mapping[Place, tuple[int, int]]) -> bool:
        return place not in self.seen or self.seen[place][0] != stamps[place]


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _labels(path: str) -> tuple[str, ...]:
    return tuple(sorted(set(path.split("/")[:-1])))
