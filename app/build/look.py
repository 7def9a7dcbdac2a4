"""A gallery and its folders as they are now → which files are new, changed or gone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from app.build.embedding import stamped
from app.build.layouts import followed_sources, layout_of
from app.gallery import Gallery, Place, Seen
from app.sources.picture import Layout, Picture
from app.values.gallery import Manifest


@dataclass(frozen=True)
class Waiting:
    """How many files an update would find; one that was moved is new in one place, gone in another.

    `changed` are those of another size or time, whatever is in them: no file is opened.
    """

    new: int = 0
    changed: int = 0
    gone: int = 0


@dataclass
class Look:
    """What a gallery knows of its files, and how it finds them now."""

    known: dict[Place, Seen]
    alive: frozenset[int]
    pictures: dict[Place, Picture]
    unreadable: frozenset[Place]
    same: dict[Place, Seen] = field(default_factory=dict)
    others: list[Picture] = field(default_factory=list)

    @cached_property
    def gone(self) -> dict[Place, int]:
        """Return the images whose file is not there any more.

        What lies in a folder that cannot be read now is not gone.
        """
        hidden = tuple((source, f"{path}/") for source, path in self.unreadable)
        return {
            place: seen.image
            for place, seen in self.known.items()
            if place not in self.pictures
            and seen.image in self.alive
            and place not in self.unreadable
            and not any(place[0] == at and place[1].startswith(path) for at, path in hidden)
        }


def look_at(gallery: Gallery, pictures: Sequence[Picture]) -> Look:
    """Return what of the stamped `pictures`, which are in the gallery's folders now, it knows."""
    followed = followed_sources(gallery.manifest)
    known = {place: seen for place, seen in gallery.seen().items() if place[0] in followed}
    there = {_place(each): each for each in pictures if not each.missing}
    alive = frozenset(gallery.ids().tolist())
    unreadable = frozenset(_place(each) for each in pictures if each.missing)
    look = Look(known, alive, there, unreadable)
    for place, picture in there.items():
        seen = known.get(place)
        if seen is not None and seen.stamp == (picture.size, picture.mtime_ns):
            look.same[place] = seen
        else:
            look.others.append(picture)
    look.others += [each for each in pictures if each.missing]
    return look


def waiting_in(gallery: Gallery, *, datasets_dir: Path) -> Waiting | None:
    """Return what waits in a gallery's folders; None for one that was not made of folders.

    DatasetError for a folder that is gone.
    """
    if "images" not in gallery.manifest.request:
        return None  # nothing is fetched for this
    layout = layout_of(gallery.manifest, datasets_dir=datasets_dir, open_list=_no_list)
    limit = gallery.manifest.request.get("limit")
    looked = look_at(gallery, list(stamped(layout.pictures()[:limit], layout.folders)))
    unlike = looked.pictures.keys() - looked.same.keys()
    changed = len(unlike & looked.known.keys())
    return Waiting(len(unlike) - changed, changed, len(looked.gone))


def _no_list(manifest: Manifest) -> Layout:
    raise AssertionError("a gallery of folders has no list")


def _place(picture: Picture) -> Place:
    return picture.source, picture.path
