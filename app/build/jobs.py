"""A request for a gallery, or to change one → a thread, which can be watched and cancelled."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from app.build.additions import AddReport
from app.build.build import BuildReport, BuildRequest
from app.build.embedding import OnProgress
from app.build.keeper import GalleryKeeper
from app.build.update import UpdateReport
from app.embed import MODELS, NEEDS_NO_DOWNLOAD, OFFERED, model_named
from app.errors import AppError, NotFoundError, RemovalsError, StorageError, UsageError
from app.gallery import Folders, check_name, discard_draft, gallery_names
from app.images.formats import SUFFIXES
from app.sources.folder import check_free_space
from app.sources.own import open_folder
from app.sources.uploads import gather, unpack

_INDEX = "IVF100,PQ8"
_MOST_CHARACTERS = 100
_logger = logging.getLogger(__name__)

Kind = Literal["make", "update", "add"]
_DOING: dict[Kind, str] = {
    "make": "being made",
    "update": "being updated",
    "add": "getting new pictures",
}


@dataclass(frozen=True)
class Uploaded:
    """Uploaded pictures: where each is, and its name, perhaps with sub-folders."""

    files: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Archive:
    """An uploaded ZIP of pictures: its file here, and its name on the visitor's machine."""

    file: Path
    name: str


@dataclass(frozen=True)
class MakeRequest:
    """What to make: a gallery called `name` of a folder on this machine, or of uploads."""

    name: str
    model: str
    pictures: Path | Uploaded | Archive


class Job(Protocol):
    """A change of a gallery that takes its time, or a new one made of another.

    `stopped` is the sentence for one that was cancelled, `can_go_on` whether that can be resumed.
    """

    @property
    def name(self) -> str:
        """The gallery's name."""

    @property
    def kind(self) -> Kind:
        """What is done to it."""

    @property
    def stopped(self) -> str:
        """What to say where it was cancelled."""

    @property
    def can_go_on(self) -> bool:
        """Whether it can be resumed."""

    def run(self, on_progress: OnProgress) -> BuildReport | UpdateReport | AddReport:
        """Do it; what `on_progress` raises ends it."""


@dataclass(frozen=True)
class Progress:
    """How far the build or the change is, or how the last one ended.

    The stages are "prepare", "collect" or "unpack", and then those of `app.build.build`; "add" for
    an addition. `rate` is of what `done` counts, by the second. `gone` is how many pictures an
    update did not find, where it failed because of that.
    """

    state: Literal["idle", "running", "stopped", "failed", "done"] = "idle"
    name: str = ""
    kind: Kind = "make"
    stage: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    stopping: bool = False
    can_go_on: bool = False
    message: str = ""
    gone: int = 0
    report: BuildReport | UpdateReport | AddReport | None = None


class _StoppedError(Exception):
    """Unwinds a build that was cancelled."""


class GalleryMaker:
    """Makes or changes one gallery at a time. For many threads.

    `check_model` raises an AppError for the name of a model that cannot run here. `keeper` is what
    the page changes galleries with. `off` says why none may be made or changed ('' if it may): then
    nothing here does anything.
    """

    def __init__(
        self,
        build: Callable[..., BuildReport],
        *,
        uploaded_dir: Path,
        features_dir: Path,
        indexes_dir: Path,
        check_model: Callable[[str], object] = model_named,
        keeper: GalleryKeeper | None = None,
        off: str = "",
    ) -> None:
        self.off = off
        self.keeper = keeper
        self._check_model = check_model
        self._features_dir = features_dir
        self._build = build
        self._uploaded_dir = uploaded_dir
        self._indexes_dir = indexes_dir
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._progress = Progress()
        self._last: MakeRequest | Job | None = None
        self._collected = False  # whether the pictures of the last one are uploads
        self._thread: threading.Thread | None = None
        self._stage_began = (0.0, 0)

    def models(self) -> list[tuple[str, bool]]:
        """Return (name, whether it may need a download) of models of pictures that can run here.

        The one that never needs any comes first; one for tests is not among them.
        """
        known = [MODELS[name] for name in OFFERED if MODELS[name].embeds("picture")]
        known.sort(key=lambda model: model.name != NEEDS_NO_DOWNLOAD)
        return [
            (model.name, bool(model.weights and model.weights.url))
            for model in known
            if self._can_run(model.name)
        ]

    def check(
        self, name: str, model: str, *, needed_bytes: int = 0, arriving_in: Path | None = None
    ) -> None:
        """Raise UsageError unless a gallery of that name can be made with that model.

        ModelError if a package that the model needs is not installed; StorageError if so many bytes
        of pictures do not fit where they arrive or where they stay.
        """
        self._check_new(name)
        self._check_model(model)
        self._check_room(needed_bytes, arriving_in)

    def check_change(
        self, name: str, *, needed_bytes: int = 0, arriving_in: Path | None = None
    ) -> None:
        """Raise UsageError where that is off, or while the gallery is made or changed already.

        NotFoundError if there is none of that name; StorageError as in `check`.
        """
        if self.off:
            raise UsageError(self.off)
        if name not in gallery_names(self._indexes_dir):
            raise NotFoundError(f"There is no gallery {name!r} any more: choose another one.")
        if self._progress.state == "running" and self._progress.name == name:
            raise UsageError(self._busy())
        self._check_room(needed_bytes, arriving_in)

    def start(self, request: MakeRequest) -> None:
        """Begin; `progress` reports the rest.

        UsageError while another gallery is being made, and for a bad name, model or folder's path;
        ModelError as in `check`; DatasetError for a folder that is not there.
        """
        self.check(request.name, request.model)
        if isinstance(request.pictures, Path):
            if not request.pictures.is_absolute():
                raise UsageError(
                    f"Give the folder's whole path, from / on, not {str(request.pictures)!r}."
                )
            open_folder(request.pictures, request.name)
        self._begin(request, Progress("running", request.name, stage="prepare"))

    def start_change(self, job: Job) -> None:
        """Begin to change a gallery; `progress` reports the rest.

        UsageError while another gallery is being made or changed; errors as in `check_change`.
        """
        self.check_change(job.name)
        self._begin(job, Progress("running", job.name, job.kind, stage="list"))

    def start_selection(self, job: Job) -> None:
        """Begin to make a gallery of another's images; `progress` reports the rest.

        UsageError for a bad name, or while another gallery is being made or changed.
        """
        self._check_new(job.name)
        self._begin(job, Progress("running", job.name, job.kind, stage="prepare"))

    def go_on(self) -> None:
        """Resume what was stopped; UsageError if nothing was."""
        last, collected = self._last, self._collected
        if not self.progress().can_go_on or last is None:
            raise UsageError("There is nothing to go on with: start a new gallery.")
        if isinstance(last, MakeRequest):
            self.start(last)
        else:
            self.start_change(last)
        self._collected = collected

    def discard(self) -> None:
        """Delete the draft of a stopped build, and the pictures uploaded for it.

        UsageError if nothing was stopped.
        """
        with self._lock:
            last = self._last
            if not self._progress.can_go_on or last is None:
                raise UsageError("There is nothing to delete: nothing was stopped.")
            discard_draft(Folders.of(last.name, self._features_dir, self._indexes_dir))
            if isinstance(last, MakeRequest):
                _forget(last.pictures)
            if self._collected:
                shutil.rmtree(self._uploaded_dir / last.name, ignore_errors=True)
            self._progress, self._last = Progress(), None

    def forget(self, name: str) -> None:
        """Drop what is known of a gallery that has another name now, or is deleted."""
        with self._lock:
            if self._progress.state != "running" and self._progress.name == name:
                self._progress, self._last = Progress(), None

    def progress(self) -> Progress:
        """Return the progress of the build or change."""
        return self._progress

    def cancel(self) -> None:
        """Stop what runs at its next step; what is done is kept. Nothing happens if none runs."""
        with self._lock:
            if self._progress.state == "running":
                self._stop.set()
                self._progress = replace(self._progress, stopping=True)

    def close(self, timeout_seconds: float = 20) -> None:
        """Cancel, and wait until the build has stopped."""
        self.cancel()
        self.wait(timeout_seconds)

    def wait(self, timeout_seconds: float) -> None:
        """Wait until nothing runs, at most so long."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _check_new(self, name: str) -> None:
        if self.off:
            raise UsageError(self.off)
        if not name:
            raise UsageError("Give the gallery a name.")
        check_name(name)
        if len(name) > _MOST_CHARACTERS:
            raise UsageError(f"Choose a name of at most {_MOST_CHARACTERS} characters.")
        if name in gallery_names(self._indexes_dir):
            raise UsageError(f"There is a gallery {name} already: choose another name.")

    def _can_run(self, model: str) -> bool:
        try:
            self._check_model(model)
        except AppError:
            return False
        return True

    def _check_room(self, needed_bytes: int, arriving_in: Path | None) -> None:
        for folder in (self._uploaded_dir, arriving_in or self._uploaded_dir):
            if needed_bytes:
                check_free_space(folder, needed_bytes)

    def _busy(self) -> str:
        doing = _DOING[self._progress.kind]
        return f"The gallery {self._progress.name} is {doing} just now: wait for it, or cancel it."

    def _begin(self, work: MakeRequest | Job, progress: Progress) -> None:
        with self._lock:
            if self._progress.state == "running":
                raise UsageError(self._busy())
            self._stop.clear()
            thread = threading.Thread(
                target=self._run, args=(work,), name="make-gallery", daemon=True
            )
            thread.start()
            # The thread's reports wait for the lock, and so come after this.
            self._thread, self._last, self._progress = thread, work, progress
            self._collected = isinstance(work, MakeRequest) and not isinstance(work.pictures, Path)

    def _run(self, work: MakeRequest | Job) -> None:
        kind: Kind = "make" if isinstance(work, MakeRequest) else work.kind
        try:
            end = self._make(work) if isinstance(work, MakeRequest) else self._change(work)
        except Exception:
            done = "made" if kind == "make" else "changed"
            _logger.exception("The gallery %s could not be %s", work.name, done)
            end = Progress(
                "failed",
                work.name,
                message=f"The gallery {work.name} could not be {done} because of a mistake in "
                "this program: the server's log shows it.",
            )
        with self._lock:
            self._progress = replace(end, kind=kind)

    def _change(self, job: Job) -> Progress:
        name = job.name
        try:
            report = job.run(self._on_progress)
        except _StoppedError:
            return Progress("stopped", name, message=job.stopped, can_go_on=job.can_go_on)
        except RemovalsError as exc:
            message = f"{exc.fact}: bring them back, or let their images be removed too."
            return Progress("failed", name, message=message, gone=exc.gone)
        except StorageError as exc:
            return Progress("failed", name, message=str(exc), can_go_on=job.can_go_on)
        except AppError as exc:
            return Progress("failed", name, message=str(exc))
        return Progress("done", name, report=report)

    def _make(self, request: MakeRequest) -> Progress:
        name, pictures = request.name, request.pictures
        folder = pictures if isinstance(pictures, Path) else self._uploaded_dir / name
        was_there = folder.exists()
        try:
            if not isinstance(pictures, Path):
                self._collect(request, folder)
                _forget(pictures)
                self._last = replace(request, pictures=folder)
            report = self._build(
                BuildRequest(
                    data=None,
                    images=folder,
                    name=name,
                    model=request.model,
                    index=_INDEX,
                    limit=None,
                    force=False,
                ),
                on_progress=self._on_progress,
            )
        except _StoppedError:
            kept = "Stopped: what is done is kept, and the same request goes on from there."
            return Progress("stopped", name, message=kept, can_go_on=True)
        except StorageError as exc:
            return Progress("failed", name, message=str(exc), can_go_on=True)
        except Exception as exc:
            # Going on would end alike: what was uploaded for it goes.
            _forget(pictures)
            if not isinstance(pictures, Path) and not was_there:
                shutil.rmtree(folder, ignore_errors=True)
            if not isinstance(exc, AppError):
                raise
            return Progress("failed", name, message=str(exc))
        return Progress("done", name, report=report)

    def _collect(self, request: MakeRequest, folder: Path) -> None:
        pictures = request.pictures
        if isinstance(pictures, Archive):
            unpack(
                pictures.file,
                pictures.name,
                folder,
                suffixes=SUFFIXES,
                on_progress=self._on_progress,
            )
        elif isinstance(pictures, Uploaded):
            gather(pictures.files, folder, suffixes=SUFFIXES, on_progress=self._on_progress)

    def _on_progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        with self._lock:
            if self._stop.is_set():
                raise _StoppedError
            if stage != self._progress.stage:
                self._stage_began = (now, done)
            began, first = self._stage_began
            rate = (done - first) / (now - began) if now > began else 0.0
            self._progress = replace(
                self._progress,
                stage=stage,
                done=done,
                total=total,
                rate=rate,
                seconds_left=(total - done) / rate if rate else None,
            )


def _forget(pictures: Path | Uploaded | Archive) -> None:
    """Delete what was uploaded; a folder on this machine is not touched."""
    if isinstance(pictures, Archive):
        pictures.file.unlink(missing_ok=True)
    elif isinstance(pictures, Uploaded):
        for file, _ in pictures.files:
            file.unlink(missing_ok=True)
