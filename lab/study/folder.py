"""A study's folder ↔ its request and its measurements; each file whole or not at all.

study.json                   the request, of which vectors, on which machine; the plan
<set>/set.json               facts of a set of vectors
<set>/truth.npz              its queries' exact neighbours by each metric, and its labels
<set>/<metric>/<job>.json    what was measured of one index of one method
<set>/<metric>/<job>.npz     the rows that it found, their distances, the seconds of each query
.work/                       the vectors themselves; removed when the study is done
.lock                        held while a study is at work
report.md, report.html, *.svg
"""

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from app.errors import StorageError, UsageError
from app.values.files import replacing

FORMAT = "reverse-image-search-study/1"
METRICS = ("cosine", "l2", "ip")

_STUDY = "study.json"
_LOCK = ".lock"


@dataclass(frozen=True)
class Job:
    """One index to be built and asked: of which set, by which metric, by which method."""

    set: str
    metric: str
    method: str
    build: Mapping[str, int | float | str | bool]

    @property
    def stem(self) -> str:
        """Its files' place in the study's folder, without their endings."""
        text = json.dumps(dict(self.build), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{self.set}/{self.metric}/{self.method}-{digest[:8]}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"build": dict(self.build)}


class StudyFolder:
    """The files of one study."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def work(self) -> Path:
        """Where the vectors lie while they are searched."""
        return self.path / ".work"

    @property
    def lock(self) -> Path:
        """The lock of a study at work; a set's name begins with no dot, so it hides none."""
        return self.path / _LOCK

    def is_there(self) -> bool:
        """Return whether a study was begun here; UsageError for a folder of something else."""
        if self.path.is_file():
            raise UsageError(f"{self.path} is a file: name a folder for the study with --out.")
        if (self.path / _STUDY).is_file():
            self.description()
            return True
        if self.path.is_dir() and any(
            each.name != _LOCK and not each.name.startswith(f".{_STUDY}")
            for each in self.path.iterdir()
        ):
            raise UsageError(
                f"{self.path} holds something else than a study: name another folder, one that is "
                "empty or not there yet."
            )
        return False

    def description(self) -> dict[str, Any]:
        """Return the content of study.json; UsageError if there is none that can be read."""
        path = self.path / _STUDY
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise UsageError(
                f"{self.path} holds no study: make one with python -m lab study --out {self.path}."
            ) from exc
        except (OSError, ValueError) as exc:
            raise UsageError(f"{path} cannot be read: make the study anew elsewhere.") from exc
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise UsageError(f"{path} is of another format than {FORMAT}: make the study anew.")
        return description

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write study.json."""
        self.write_json(_STUDY, {"format": FORMAT, **description})

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file of the study, or None where it is not there or not whole."""
        try:
            found = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of a .npz file; UsageError if it is damaged or not there."""
        path = self.path / name
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as exc:
            raise UsageError(
                f"{path} is missing or damaged: run the command of the study again."
            ) from exc

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        self.write(name, json.dumps(values, indent=1, ensure_ascii=False).encode())

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a .npz file, whole or not at all."""
        with self._replacing(name) as new, new.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all; StorageError if that is impossible."""
        with self._replacing(name) as new:
            new.write_bytes(data)

    @contextlib.contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """Yield the path of a file that takes the place of `name` once it is on the disk."""
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as new:
                yield new
                with new.open("rb+") as file:
                    os.fsync(file.fileno())
        except OSError as exc:
            raise _cannot_write(path, exc) from exc


def latest_study(place: Path) -> Path:
    """Return the folder in `place` with the latest study, by its last run; UsageError: none."""
    found = sorted(place.glob(f"*/{_STUDY}"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise UsageError(
            f"There is no study in {place}: make one with python -m lab study, or name its folder."
        )
    return found[-1].parent


def folder_name(text: str) -> str:
    """Return a text as a plain name of a folder.

    >>> folder_name("my vectors (2).npz")
    'my-vectors-2-.npz'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".") or "vectors"


def _cannot_write(path: Path, exc: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written ({exc.strerror}): make room, or name another folder with --out."
    )
