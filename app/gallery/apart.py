"""Decisions that two pictures of a gallery are no duplicates ↔ a file of the gallery's own.

`apart.json` lies beside the manifest, which does not name it: no update, compaction or rebuild
takes it away, a renamed gallery keeps it, and a deleted one loses it. Pictures are known by their
content there (SHA-256), so that a decision holds for a file that was moved, and after a rebuild,
which gives other ids; one whose content is not known by its key, or else by its id.
"""

import json
from collections.abc import Collection, Iterable
from itertools import combinations

from app.errors import GalleryError
from app.gallery.files import locked, writing_to
from app.gallery.manifest import Folders
from app.values import ImageRecord
from app.values.files import replacing

Apart = frozenset[frozenset[str]]
"""Pairs of contents."""

_FILE, _LOCK = "apart.json", "apart.lock"
_FORMAT = 1
_WAIT_SECONDS = 30.0


def content_of(record: ImageRecord) -> str:
    """Return what a picture is known by, whatever becomes of its file's name.

    >>> content_of(ImageRecord(7, "a.jpg", "", 1, 1, 1))
    'id:7'
    """
    if record.sha256:
        return record.sha256
    return f"key:{record.key}" if record.key else f"id:{record.id}"


def read_apart(folders: Folders) -> Apart:
    """Return the pairs of contents that are kept apart; GalleryError if their file is damaged."""
    path = folders.indexes / _FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            raise ValueError(values["format"])
        return frozenset(frozenset((str(one), str(other))) for one, other in values["apart"])
    except FileNotFoundError:
        return frozenset()
    except OSError as exc:
        raise GalleryError(f"{path} cannot be read ({exc.strerror}).") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise GalleryError(
            f"{path} is damaged, or of a newer version of this program: update it, or delete the "
            "file to forget which pictures are no duplicates."
        ) from exc


def keep_apart(folders: Folders, contents: Collection[str]) -> int:
    """Remember that no two of some contents are duplicates; return how many pairs are new."""
    return _change(folders, contents, forget=False)


def forget_apart(folders: Folders, contents: Collection[str]) -> int:
    """Forget what was decided of pairs of contents; return how many there were."""
    return _change(folders, contents, forget=True)


def _change(folders: Folders, contents: Iterable[str], *, forget: bool) -> int:
    name = folders.indexes.name
    busy = f"Another decision on {name} is being written: try again when it is done."
    pairs = {frozenset(pair) for pair in combinations(sorted(set(contents)), 2)}
    with locked(folders.indexes / _LOCK, busy=busy, wait_seconds=_WAIT_SECONDS):
        before = read_apart(folders)
        after = before - pairs if forget else before | pairs
        if after != before:
            values = {"format": _FORMAT, "apart": sorted(sorted(pair) for pair in after)}
            path = folders.indexes / _FILE
            with writing_to(folders.indexes), replacing(path) as new:
                new.write_text(json.dumps(values, indent=0), encoding="utf-8")
    return len(before ^ after)
