"""A request for a gallery → a build in a thread of its own, which can be watched and cancelled."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.build.build import BuildReport, BuildRequest
from app.embed import MODELS, NEEDS_NO_DOWNLOAD, model_named
from app.errors import AppError, StorageError, UsageError
from app.gallery import Folders, check_name, discard_draft, gallery_names
from app.images.formats import SUFFIXES
from app.sources.folder import check_free_space
from app.sources.own import open_folder
from app.sources.uploads import gather, unpack

_INDEX = "IVF100,PQ8"
_MOST_CHARACTERS = 100
_logger = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Progress:
    """How far the build is, or how the last one ended.

    The stages are "prepare", "collect" or "unpack", and then those of `app.build.build`.
    `rate` is of what `done` counts, by the second.
    """

    state: Literal["idle", "running", "stopped", "failed", "done"] = "idle"
    name: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    stopping: bool = False
    can_go_on: bool = False
    message: str = ""
    report: BuildReport | None = None


class _StoppedError(Exception):
    """Unwinds a build that was cancelled."""


class GalleryMaker:
    """Makes one gallery at a time. For many threads.

    `check_model` raises an AppError for the name of a model that cannot run here. `off` says why
    none may be made ('' if it may): then nothing here does anything.
    """

    def __init__(
        self,
        build: Callable[..., BuildReport],
        *,
        uploaded_dir: Path,
        features_dir: Path,
        indexes_dir: Path,
        check_model: Callable[[str], object] = model_named,
        off: str = "",
    ) -> None:
        self.off = off
        self._check_model = check_model
        self._features_dir = features_dir
        self._build = build
        self._uploaded_dir = uploaded_dir
        self._indexes_dir = indexes_dir
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._progress = Progress()
        self._last: MakeRequest | None = None
        self._collected = False  # whether the pictures of the last one are uploads
        self._thread: threading.Thread | None = None
        self._stage_began = (0.0, 0)

    def models(self) -> list[tuple[str, bool]]:
        """Return (name, whether it may need a download) of the models that can run here.

        The one that never needs any comes first.
        """
        known = sorted(MODELS.values(), key=lambda model: model.name != NEEDS_NO_DOWNLOAD)
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
        if self.off:
            raise UsageError(self.off)
        if not name:
            raise UsageError("Give the gallery a name.")
        check_name(name)
        if len(name) > _MOST_CHARACTERS:
            raise UsageError(f"Choose a name of at most {_MOST_CHARACTERS} characters.")
        if name in gallery_names(self._indexes_dir):
            raise UsageError(f"There is a gallery {name} already: choose another name.")
        self._check_model(model)
        for folder in (self._uploaded_dir, arriving_in or self._uploaded_dir):
            if needed_bytes:
                check_free_space(folder, needed_bytes)

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
        with self._lock:
            if self._progress.state == "running":
                raise UsageError(
                    f"The gallery {self._progress.name} is being made just now: "
                    "wait for it, or cancel it."
                )
            self._stop.clear()
            thread = threading.Thread(
                target=self._run, args=(request,), name="make-gallery", daemon=True
            )
            thread.start()
            # The thread's reports wait for the lock, and so come after this.
            self._thread, self._last = thread, request
            self._collected = not isinstance(request.pictures, Path)
            self._progress = Progress("running", request.name, "prepare")

    def go_on(self) -> None:
        """Resume the stopped build; UsageError if there is none."""
        last, collected = self._last, self._collected
        if not self.progress().can_go_on or last is None:
            raise UsageError("There is nothing to go on with: start a new gallery.")
        self.start(last)
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
            _forget(last.pictures)
            if self._collected:
                shutil.rmtree(self._uploaded_dir / last.name, ignore_errors=True)
            self._progress, self._last = Progress(), None

    def progress(self) -> Progress:
        """Return the progress of the build."""
        return self._progress

    def cancel(self) -> None:
        """Stop the build at its next step; what is done is kept. Nothing happens if none runs."""
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

    def _can_run(self, model: str) -> bool:
        try:
            self._check_model(model)
        except AppError:
            return False
        return True

    def _run(self, request: MakeRequest) -> None:
        try:
            end = self._make(request)
        except Exception:
            _logger.exception("The gallery %s could not be made", request.name)
            end = Progress(
                "failed",
                request.name,
                message=f"The gallery {request.name} could not be made because of a mistake in "
                "this program: the server's log shows it.",
            )
        with self._lock:
            self._progress = end

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
