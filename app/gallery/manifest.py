"""What a gallery says of itself: its names, its folders, and the manifest in its database."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.errors import GalleryError, UsageError

FORMAT = 1
DATABASE = "gallery.db"
DRAFT = "building"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@dataclass(frozen=True)
class StoredFile:
    """A file beside the database: its name, its size in bytes and its SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything a query must agree with, and what was measured when the gallery was built.

    `pca`, `expand` and `alpha` are those of VectorOptions, 0 where nothing is done.
    """

    name: str
    data: str
    source: str
    command: str
    model: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    dim: int
    images: int
    skipped: int
    index_asked: str
    index: str
    probes: int
    candidates: int
    recall_raw: float
    recall_reranked: float
    recall_queries: int
    created: str
    versions: dict[str, str]
    files: dict[str, StoredFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    floor: float | None = None
    generation: int = 1
    pca: int = 0
    expand: int = 0
    alpha: float = 0.0
    format: int = FORMAT

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Return the manifest of a JSON text; GalleryError if it is of another format."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise GalleryError(f"Its format is {values['format']}, this program reads {FORMAT}")
            files = {kind: StoredFile(**file) for kind, file in values.pop("files").items()}
            return cls(files=files, notes=tuple(values.pop("notes")), **values)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise GalleryError("Its manifest cannot be read") from exc


@dataclass(frozen=True)
class Folders:
    """The two folders of one gallery; `features` may be missing."""

    features: Path
    indexes: Path

    @classmethod
    def of(cls, name: str, features_dir: Path, indexes_dir: Path) -> "Folders":
        """Return the folders of the gallery `name`; UsageError if it is no plain file name."""
        check_name(name)
        return cls(features_dir / name, indexes_dir / name)

    def path_of(self, kind: str, file: StoredFile) -> Path:
        """Return where a stored file lies: vectors under features, all else under indexes."""
        return (self.features if kind == "vectors" else self.indexes) / file.name


def check_name(name: str) -> None:
    """Raise UsageError unless a gallery can be called `name`: a plain file name, not hidden."""
    if not _is_name(name):
        raise UsageError(
            f"A gallery cannot be called {name!r}: use letters, digits, '.', '_' and '-'."
        )


def gallery_names(indexes_dir: Path) -> list[str]:
    """Return the names of the galleries that exist, damaged ones too, in alphabetical order."""
    if not indexes_dir.is_dir():
        return []
    return sorted(
        path.name
        for path in indexes_dir.iterdir()
        if path.is_dir() and _is_name(path.name) and _is_gallery(path)
    )


def recipe_of(parts: Iterable[object]) -> str:
    """Return a hash over what makes two builds the same, in order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\n")
    return digest.hexdigest()


def mending_command(name: str, command: str | None) -> str:
    """Return what to do about a damaged gallery, as far as is known without its database."""
    of_a_folder = f"python3 create_index.py --images DIR --name {name}"
    if command is None:
        data, dash, model = name.partition("-")  # no data set has a dash in its name
        command = f"python3 create_index.py --data {data} --model {model}" if dash else of_a_folder
    return (
        f"Run: git checkout -- indexes/{name} features/{name} (if it came with the program), "
        f"or {command} --force"
    )


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and set(name) <= _NAME_CHARACTERS


def _is_gallery(folder: Path) -> bool:
    """Tell a gallery, also one that lost its database, from a first build that has not ended."""
    try:
        inside = [path.name for path in folder.iterdir()]
    except OSError:
        return True  # opening it says why
    remains = any(name.endswith((".db", ".faiss")) for name in inside)
    return DATABASE in inside or (remains and DRAFT not in inside)
