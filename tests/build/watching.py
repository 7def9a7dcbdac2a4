"""What the tests of watching share: a watch in a thread, and conditions to wait for."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from app.build.embedding import OnProgress
from app.build.update import UpdateReport, update_gallery
from app.build.watch import Watch, galleries_of_folders
from tests.conftest import Home, encoded, mean_colour, picture

PATIENCE_SECONDS = 60
NEVER = 3600.0


class CountingWatch(Watch):
    """Counts the events that it is handed, and its turns."""

    events = turns = 0

    def _turn(self, stop: threading.Event) -> None:
        super()._turn(stop)
        self.turns += 1

    def _on_events(self, paths: Iterable[str]) -> None:
        paths = list(paths)
        self.events += len(paths)
        super()._on_events(paths)


class Watching:
    """A watch that runs; `said` are its lines without the times, `updates` what was updated."""

    def __init__(
        self,
        home: Home,
        *,
        update: Callable[[str, OnProgress], UpdateReport] | None = None,
        **options: object,
    ) -> None:
        self.home = home
        self.said: list[str] = []
        self.updates: list[str] = []
        self.reports: list[UpdateReport] = []
        self.at_work = 0
        self.stop = threading.Event()
        self._changed = threading.Condition()
        self._update_one = update or self.update_really
        dirs = {"features_dir": home.path / "features", "indexes_dir": home.path / "indexes"}
        arguments: dict[str, object] = {
            "update": self._update,
            "say": self._say,
            "own_folders": [*dirs.values(), home.path / "datasets"],
            "rescan_seconds": NEVER,
            "quiet_seconds": 0.3,
            "check_seconds": 0,
            "retry_seconds": 0.2,
        }
        self.watch = CountingWatch(lambda: galleries_of_folders(**dirs), **(arguments | options))  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.watch.run, args=(self.stop,))

    def __enter__(self) -> "Watching":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop.set()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that changes with what is said and updated, or with events."""
        give_up = PATIENCE_SECONDS / 0.02
        with self._changed:
            while not condition():
                assert self.thread.is_alive()
                assert give_up > 0, (self.said, self.updates)
                self._changed.wait(0.02)
                give_up -= 1

    def until_updated(self, times: int) -> None:
        """Wait until so many updates have been made, and none is at work."""
        self.until(lambda: len(self.updates) >= times and not self.at_work)

    def until_turned(self) -> None:
        """Wait until it has looked a few times whether there is something to do."""
        turns = self.watch.turns
        self.until(lambda: self.watch.turns > turns + 2)

    def until_said(self, *words: str) -> str:
        """Wait for a line with all these words; return it."""
        self.until(lambda: bool(self.lines(*words)))
        return self.lines(*words)[0]

    def lines(self, *words: str) -> list[str]:
        return [line for line in self.said if all(word in line for word in words)]

    def counts(self) -> tuple[int, int, int, int]:
        """Return how many images were added, changed, moved and removed so far."""
        keys = ("added", "changed", "moved", "removed")
        a, c, m, r = (sum(getattr(each, key) for each in self.reports) for key in keys)
        return a, c, m, r

    def update_really(self, name: str, on_progress: OnProgress) -> UpdateReport:
        return update_gallery(
            name,
            datasets_dir=self.home.path / "datasets",
            features_dir=self.home.path / "features",
            indexes_dir=self.home.path / "indexes",
            load_embedder=lambda model, **_: mean_colour(),
            open_list=lambda request: NotImplemented,
            workers=1,
            on_progress=on_progress,
        )

    def _update(self, name: str, on_progress: OnProgress) -> UpdateReport:
        with self._changed:
            assert not self.at_work, "two at once"
            self.at_work += 1
            self.updates.append(name)
            self._changed.notify_all()
        try:
            report = self._update_one(name, on_progress)
            self.reports.append(report)
            return report
        finally:
            with self._changed:
                self.at_work -= 1
                self._changed.notify_all()

    def _say(self, line: str) -> None:
        with self._changed:
            assert line[2] == ":"
            self.said.append(line[6:])
            self._changed.notify_all()


def put(place: Path, seed: int) -> Path:
    """Write a picture; the same for the same seed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(encoded(picture(seed), quality=90))
    return place
