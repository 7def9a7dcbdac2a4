"""The output of a network's first blocks for many pictures → a file, computed once."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.errors import StorageError
from lab.finetune.checkpoint import write_whole
from lab.finetune.training import OnProgress

Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]

BATCH = 32


class Activations:
    """A file of half-precision arrays for a gallery, named after all that they depend on."""

    def __init__(self, cache_dir: Path, gallery: str, depends_on: Sequence[object]) -> None:
        name = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:16]
        folder = _folder_of(cache_dir, gallery)
        self._path, self._progress = folder / f"{name}.npy", folder / f"{name}.json"
        self._array: NDArray[np.float16] | None = None

    def fill(
        self,
        first: Compute,
        prepare: Callable[[int], NDArray[np.float32]],
        count: int,
        on_progress: OnProgress,
    ) -> None:
        """Compute those of `count` arrays that are missing, in order, from the inputs of `prepare`.

        Killed at any moment, the next call goes on with at most one batch done again. StorageError
        if there is no room.
        """
        done = self._done()
        if not done:
            self._begin((count, *first(prepare(0)[None]).shape[1:]))
        array = np.lib.format.open_memmap(self._path, mode="r+")
        on_progress("read", done, count, "")
        for start in range(done, count, BATCH):
            places = range(start, min(start + BATCH, count))
            given = first(np.stack([prepare(place) for place in places]))
            array[places.start : places.stop] = given
            array.flush()
            write_whole(self._progress, lambda part, n=places.stop: part.write_text(json.dumps(n)))
            on_progress("read", places.stop, count, "")
        self._array = array

    def at(self, places: Sequence[int]) -> torch.Tensor:
        """Return the float32 arrays at `places`, after `fill`."""
        if self._array is None:
            raise RuntimeError("fill comes before at")
        return torch.from_numpy(self._array[list(places)].astype(np.float32))

    def forget(self) -> None:
        """Delete the file, and the gallery's folder if it held no other."""
        self._array = None
        self._path.unlink(missing_ok=True)
        self._progress.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there are others: of another seed, say
            self._path.parent.rmdir()

    def _done(self) -> int:
        try:
            return int(json.loads(self._progress.read_text())) if self._path.is_file() else 0
        except (OSError, ValueError):
            return 0

    def _begin(self, shape: tuple[int, ...]) -> None:
        """Make an empty file of float16 arrays; StorageError if the disk cannot take it."""
        folder, needed = self._path.parent, 2 * int(np.prod(shape))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free > needed:
                np.lib.format.open_memmap(self._path, mode="w+", dtype=np.float16, shape=shape)
                return
        except OSError as exc:
            raise StorageError(
                f"{folder} cannot be written ({exc.strerror}): set RIS_CACHE_DIR to a folder that "
                "can be."
            ) from exc
        raise StorageError(
            f"{folder} needs {needed / 1e6:.0f} MB for training the network and has "
            f"{free / 1e6:.0f} MB free: make room, or set RIS_CACHE_DIR to another folder."
        )


def forget_activations(cache_dir: Path, gallery: str) -> None:
    """Delete the files that stopped trainings of a gallery have left."""
    shutil.rmtree(_folder_of(cache_dir, gallery), ignore_errors=True)


def _folder_of(cache_dir: Path, gallery: str) -> Path:
    return cache_dir / "finetune" / gallery
