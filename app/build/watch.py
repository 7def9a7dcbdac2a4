"""Galleries and their folders → updates, whenever something in the folders has changed.

An event only says "look again": it is never kept, nor is its path. Rescans find what has no events,
as on a network share, and what was missed.
"""

import contextlib
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from app.build.embedding import OnProgress
from app.build.events import FolderEvents, NotFollowedError
from app.build.update import UpdateReport
from app.errors import AppError, NotFoundError, UsageError
from app.gallery import Folders, gallery_names, read_manifest
from app.values.names import path_of, text_of

RESCAN_SECONDS = 300.0
_TURN_SECONDS = 0.2
_SETTLE_SECONDS = 2.0  # the events of an update itself have come by then
_COUNTS = ("added", "changed", "moved", "removed")

_logger = logging.getLogger(__name__)

FoldersOf = Mapping[str, tuple[Path, ...]]
"""The folders of each gallery, by its name."""
Update = Callable[[str, OnProgress], UpdateReport]


class _StoppedError(Exception):
    """Unwinds an update that is to stop."""


@dataclass
class _Followed:
    """A gallery, and whether it has to be looked at: the times are those of a monotonic clock."""

    name: str
    folders: tuple[Path, ...]
    first_event: float | None = None
    last_event: float = 0.0
    look_at: float = -math.inf  # whatever happens
    failures: int = 0
    trouble: str = ""
    skipped: int = 0
    places: list[str] = field(init=False)  # what the paths of its pictures begin with

    def __post_init__(self) -> None:
        self.places = [_below(each) for each in self.folders]
        self.places += [_below(os.path.realpath(each)) for each in self.folders]

    def note_event(self, now: float) -> None:
        if self.first_event is None:
            self.first_event = now
        self.last_event = now


class Watch:
    """Keeps galleries up to date with their folders until it is stopped.

    `galleries` returns those to follow: it is called here, and again at every rescan. `update`
    brings one up to date, never two at once. `say` gets what people should know, one line each.
    Events below `own_folders`, which an update writes to, count only for pictures that lie there.

    An update begins when nothing has changed for `quiet_seconds`, at the latest `most_seconds`
    after the first change; after `rescan_seconds` at any rate. A folder that is gone is looked for
    every `check_seconds`; an update that failed is tried again after `retry_seconds`, and then
    after twice as long, up to a rescan's time.
    """

    def __init__(
        self,
        galleries: Callable[[], FoldersOf],
        *,
        update: Update,
        say: Callable[[str], None],
        own_folders: Iterable[Path] = (),
        rescan_seconds: float = RESCAN_SECONDS,
        quiet_seconds: float = 1.0,
        most_seconds: float = 30.0,
        check_seconds: float = 2.0,
        retry_seconds: float = 10.0,
    ) -> None:
        self._list = galleries
        self._first = galleries()
        self._update_gallery = update
        self._say_line = say
        self._own = [_below(os.path.realpath(each)) for each in own_folders]
        self._rescan_seconds = rescan_seconds
        self._quiet_seconds = quiet_seconds
        self._most_seconds = most_seconds
        self._check_seconds = check_seconds
        self._retry_seconds = retry_seconds
        self._events = FolderEvents(self._on_events, self._on_lost)
        self._lock = threading.Lock()  # of what follows, which events change
        self._followed: dict[str, _Followed] = {}
        self._lost = ""
        self._root_changed = False
        self._devices: dict[Path, int | None] = {}
        self._said: set[str] = set()  # what is said once
        self._rescan_at = self._check_at = self._updated_at = self._followed_at = -math.inf

    def run(self, stop: threading.Event) -> None:
        """Follow the folders until `stop` is set; the update that is at work then is stopped too.

        What goes wrong with an update is said, and ends nothing; BrokenPipeError of `say` does.
        """
        self._list_anew(self._first)
        try:
            while not stop.is_set():
                try:
                    self._turn(stop)
                except _StoppedError:
                    return
                except BrokenPipeError:  # nobody reads what is said
                    raise
                except Exception:
                    _logger.exception("The folders could not be looked at")
                    stop.wait(self._retry_seconds)
                stop.wait(_TURN_SECONDS)
        finally:
            self._events.close()

    def waiting(self) -> set[str]:
        """Return the galleries of whose folders an event came that no update has seen."""
        with self._lock:
            return {each.name for each in self._followed.values() if each.first_event is not None}

    # --- one turn --------------------------------------------------------------------------------

    def _turn(self, stop: threading.Event) -> None:
        now = time.monotonic()
        if now >= self._rescan_at:
            self._rescan(now)
        elif (now >= self._check_at or self._root_changed) and self._check_folders():
            self._follow()
            self._note_all()
        if self._lost:
            self._follow_again()
        for each in list(self._followed.values()):
            if self._is_due(each, time.monotonic()):
                self._update(each, stop)

    def _rescan(self, now: float) -> None:
        if self._rescan_at > -math.inf:
            try:
                self._list_anew(self._list())
            except (AppError, OSError) as exc:
                self._say_once(str(exc))
        self._rescan_at = now + self._rescan_seconds
        self._check_folders()
        self._follow()  # folders that were mounted in others have no events yet
        for each in self._followed.values():
            each.look_at = now

    def _list_anew(self, galleries: FoldersOf) -> None:
        with self._lock:
            before = self._followed
            self._followed = {
                name: before[name]
                if name in before and before[name].folders == folders
                else _Followed(name, folders)
                for name, folders in galleries.items()
            }
        for name in before.keys() - galleries.keys():
            self._say(f"{name}: not followed any more.")
        for name, each in self._followed.items():
            if each is not before.get(name):
                self._say(f"{name}: following {_listed(each.folders)}.")
        self._devices = {
            folder: self._devices.get(folder, -1)
            for each in self._followed.values()
            for folder in each.folders
        }

    def _is_due(self, each: _Followed, now: float) -> bool:
        if any(self._devices[folder] is None for folder in each.folders):
            return False
        if now >= each.look_at:
            return True
        return each.first_event is not None and (
            now - each.last_event >= self._quiet_seconds
            or now - each.first_event >= self._most_seconds
        )

    # --- folders that come and go ----------------------------------------------------------------

    def _check_folders(self) -> bool:
        """Say which folders went away or came back; return whether any is another one now."""
        self._check_at = time.monotonic() + self._check_seconds
        changed, self._root_changed = self._root_changed, False
        for folder, before in self._devices.items():
            self._devices[folder] = now = _device(folder)
            changed = changed or now != before
            names = ", ".join(e.name for e in self._followed.values() if folder in e.folders)
            if now is None and before is not None:
                self._say(
                    f"{names}: {folder} is not there, so all stays as it is until it is back."
                )
            elif now is not None and before is None:
                self._say(f"{names}: {folder} is back.")
        return changed

    def _follow(self) -> None:
        self._lost = ""
        self._followed_at = time.monotonic()
        try:
            self._events.follow([folder for folder, at in self._devices.items() if at is not None])
        except NotFollowedError as exc:
            if any(at is not None and _device(each) is None for each, at in self._devices.items()):
                self._check_at = -math.inf  # it went away just now
            else:
                self._refuse(str(exc))

    def _follow_again(self) -> None:
        """Follow the folders after events were lost, and look what they said."""
        now = time.monotonic()
        if now - self._followed_at < _SETTLE_SECONDS:
            self._refuse(self._lost)
            self._lost = ""
            return
        self._follow()
        if now - self._updated_at > _SETTLE_SECONDS:  # else the update itself was the cause
            self._note_all()

    def _refuse(self, why: str) -> None:
        every = f"{self._rescan_seconds / 60:g} minutes"
        self._say_once(
            f"No events come from the folders, so they are looked at every {every}: {why}."
        )

    # --- events, in a thread of their own --------------------------------------------------------

    def _on_events(self, paths: Iterable[str]) -> None:
        now = time.monotonic()
        with self._lock:
            roots = {text_of(folder) for folder in self._devices}
            for path in paths:
                if path in roots:
                    self._root_changed = True
                for each in self._followed.values():
                    noted = each.first_event is not None and each.last_event == now
                    if not noted and self._concerns(path, each):
                        each.note_event(now)

    def _concerns(self, path: str, each: _Followed) -> bool:
        head, _, tail = path.rpartition("/")
        real = f"{_real(head)}/{tail}"
        inside = [
            place for place in each.places if path.startswith(place) or real.startswith(place)
        ]
        return bool(inside) and not any(
            f"{real}/".startswith(own) and not any(place.startswith(own) for place in inside)
            for own in self._own
        )

    def _note_all(self) -> None:
        with self._lock:
            for each in self._followed.values():
                each.first_event = None
                each.note_event(time.monotonic())

    def _on_lost(self, why: str) -> None:
        self._lost = why

    # --- updates ---------------------------------------------------------------------------------

    def _update(self, each: _Followed, stop: threading.Event) -> None:
        def go_on(stage: str, done: int, total: int) -> None:
            if stop.is_set():
                raise _StoppedError

        with self._lock:
            each.first_event = None  # events from now on are for the next one
        each.look_at = math.inf
        try:
            report = self._update_gallery(each.name, go_on)
        except _StoppedError:
            raise
        except AppError as exc:
            self._failed(each, str(exc))
        except Exception as exc:
            if not each.trouble:
                _logger.exception("%s could not be updated", each.name)
            self._failed(each, f"not updated because of a mistake in this program ({exc!r}).")
        else:
            self._done(each, report)
        self._updated_at = time.monotonic()

    def _failed(self, each: _Followed, message: str) -> None:
        """Say an error once, whatever numbers are in it, and try again later."""
        wait = min(self._retry_seconds * 2**each.failures, self._rescan_seconds)
        each.failures = min(each.failures + 1, 30)
        each.look_at = time.monotonic() + wait
        trouble = re.sub(r"\d+", "0", message)
        if any(_device(folder) is None for folder in each.folders):
            self._check_at = -math.inf  # that is said, and nothing else
        elif trouble != each.trouble:
            each.trouble = trouble
            self._say(f"{each.name}: {message}")

    def _done(self, each: _Followed, report: UpdateReport) -> None:
        said = [f"{what} {n}" for what in _COUNTS if (n := getattr(report, what))]
        skipped = len(report.skipped)
        if skipped and skipped != each.skipped:
            such_as = ", such as" if skipped > 1 else ":"
            said.append(f"cannot read {skipped}{such_as} {report.skipped[0].path}")
        if said or each.trouble:
            self._say(f"{each.name}: {', '.join(said) or 'up to date again'}")
        each.skipped, each.trouble, each.failures = skipped, "", 0

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def _say(self, text: str) -> None:
        self._say_line(f"{time.strftime('%H:%M')} {text}")


def folders_of(name: str, *, features_dir: Path, indexes_dir: Path) -> tuple[Path, ...]:
    """Return the folders that a gallery was made of.

    NotFoundError, with the names there are, if there is no such gallery; UsageError if it was made
    of something else.
    """
    folders = Folders.of(name, features_dir, indexes_dir)
    names = gallery_names(indexes_dir)
    if name not in names:
        there = f"choose one of {', '.join(names)}" if names else "make one first"
        raise NotFoundError(f"There is no gallery {name!r}: {there}.")
    images = read_manifest(folders).request.get("images")
    if not images:
        raise UsageError(
            f"The gallery {name} was not made of a folder that could be followed: run ris update "
            f"{name} when its list has changed."
        )
    named: Sequence[str] = images if isinstance(images, list) else [images]
    return tuple(path_of(each).absolute() for each in named)


def galleries_of_folders(*, features_dir: Path, indexes_dir: Path) -> dict[str, tuple[Path, ...]]:
    """Return all galleries that were made of folders, but for those that cannot be read."""
    found = {}
    for name in gallery_names(indexes_dir):
        with contextlib.suppress(AppError, OSError):
            found[name] = folders_of(name, features_dir=features_dir, indexes_dir=indexes_dir)
    return found


@contextlib.contextmanager
def following(watch: Watch, *, patience_seconds: float = 20) -> Iterator[None]:
    """Run a watch in a thread beside what is done meanwhile; stop it then."""
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,), name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(patience_seconds)


def _device(folder: Path) -> int | None:
    """Return the file system that a folder is on; None where it is not there.

    Another one has been mounted, or was unmounted, where it has changed.
    """
    try:
        return folder.stat().st_dev if folder.is_dir() else None
    except OSError:
        return None


def _below(folder: Path | str) -> str:
    """Return what the paths of all in a folder begin with, as text."""
    return f"{text_of(folder).rstrip('/')}/"


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return text_of(os.path.realpath(path_of(folder)))


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))
