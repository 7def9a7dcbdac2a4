"""A gallery's manifest ↔ its sealed JSON text, and a gallery's name → its folders."""

import hashlib
import json
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from app.errors import GalleryError, UsageError
from app.gallery import files
from app.values.gallery import Manifest, Segment, StoredElsewhere, StoredFile

FORMAT = 2
MANIFEST = "manifest.json"
DATABASE = "gallery.db"
"""Where format 1 kept its manifest and its items."""
DRAFT = "building"
COMPACTION = "compacting"
VECTORS = "vectors"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_KEYS = frozenset(field.name for field in fields(Manifest)) | {"source"}
_SEGMENT_KEYS = frozenset(field.name for field in fields(Segment))
_ALWAYS = frozenset(
    {"images", "data", "model", "dim", "index", "probes", "candidates", "recall_raw"}
    | {"recall_reranked", "created", "skipped"}
)
"""The facts that the oldest galleries have; of those added later the default is true of them."""
_SINCE_FORMAT_2 = frozenset({"segments", "next_id", "sources"})
_TUPLES = ("notes", "sources", "joined", "joined_stamp")
_NUMBERS: dict[str, type[int | float]] = {"limit": int, "pca": int, "expand": int, "alpha": float}


def manifest_to_json(manifest: Manifest) -> str:
    """Return a manifest as JSON text, sealed with its own SHA-256."""
    values = asdict(manifest) | {"format": FORMAT}
    if manifest.store is None:  # which programs from before there was one read, too
        del values["store"]
    return _as_text(values | {"seal": _seal_of(values)})


def manifest_from_json(text: str, *, place: Path, mend: str) -> Manifest:
    """Return the manifest in a JSON text that was read at `place`, of any format up to this one's.

    GalleryError if it is damaged, ending with `mend`, or if a newer version of this program wrote
    it, which is no damage.
    """
    try:
        values = json.loads(text)
        seal = values.pop("seal", None)
        version = values["format"]
        sealed = seal == _seal_of(values)
        if isinstance(version, int) and version > FORMAT:
            raise _newer(place, f"format {version}")
        if version not in (1, FORMAT) or (version == FORMAT and not sealed):
            raise ValueError(text)
        return _manifest_of(values, place)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise GalleryError(f"The manifest in {place} cannot be read. {mend}") from exc


def _manifest_of(values: dict[str, Any], place: Path) -> Manifest:
    version = values.pop("format")
    if "command" in values:
        values["request"] = _request_of(values.pop("command"))
    needed = _ALWAYS | (_SINCE_FORMAT_2 if version == FORMAT else frozenset())
    lacking = needed - values.keys()
    segments = values.pop("segments", [])
    unknown = values.keys() - _KEYS
    unknown |= {key for segment in segments for key in segment.keys() - _SEGMENT_KEYS}
    if unknown:
        raise _newer(place, ", ".join(sorted(unknown)))
    if lacking:
        raise ValueError(values)
    files = {kind: StoredFile(**file) for kind, file in values.pop("files").items()}
    if version == 1:
        return _of_format_1(values, files)
    if "store" in values:
        values["store"] = StoredElsewhere(**values["store"])
    return Manifest(
        files=files,
        segments=tuple(map(_segment_of, segments)),
        **values | {key: tuple(values[key]) for key in _TUPLES if key in values},
    )


def _of_format_1(values: dict[str, Any], files: dict[str, StoredFile]) -> Manifest:
    """Return a manifest of format 1: one segment, whose folder is the gallery's own."""
    source, images = values.pop("source"), values["images"]
    of_gallery = {kind: files.pop(kind) for kind in ("projection",) if kind in files}
    found = ("index", "probes", "candidates", "recall_raw", "recall_reranked")
    only = Segment(
        name="", rows=images, first_id=0, files=files, **{key: values[key] for key in found}
    )
    values["notes"] = tuple(values.pop("notes"))
    sources = (source,) if source else ()
    values |= {key: tuple(values[key]) for key in ("joined", "joined_stamp") if key in values}
    return Manifest(files=of_gallery, segments=(only,), next_id=images, sources=sources, **values)


def _segment_of(values: dict[str, Any]) -> Segment:
    files = {kind: StoredFile(**file) for kind, file in values.pop("files").items()}
    return Segment(files=files, **values)


def _newer(place: Path, what: str) -> GalleryError:
    return GalleryError(
        f"{place} was made by a newer version of this program ({what}): update this one."
    )


def _as_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, sort_keys=True)


def _seal_of(values: dict[str, Any]) -> str:
    return hashlib.sha256(_as_text(values).encode()).hexdigest()


def _request_of(command: str) -> dict[str, Any]:
    """Return the request of a gallery that was built when only its command line was kept."""
    words = shlex.split(command)[2:]
    request: dict[str, Any] = {}
    for option, text in zip(words[::2], words[1::2], strict=False):
        key = option.removeprefix("--").replace("-", "_")
        if key == "label_column":
            request.setdefault(key, []).append(text)
        else:
            request[key] = _NUMBERS.get(key, str)(text)
    return request


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

    def below(self, name: str) -> "Folders":
        """Return the two folders called `name` in these; these themselves for ''."""
        return Folders(self.features / name, self.indexes / name) if name else self

    def path_of(self, kind: str, file: StoredFile) -> Path:
        """Return where a stored file lies: vectors under features, all else under indexes."""
        return (self.features if kind == VECTORS else self.indexes) / file.name


def manifest_path(folders: Folders) -> Path:
    """Return the file that holds a gallery's manifest, or held it: its remains tell the format."""
    path, database = folders.indexes / MANIFEST, folders.indexes / DATABASE
    if path.exists():
        return path
    of_format_1 = database.exists() or any(folders.indexes.glob("thumbnails*.db"))
    return database if of_format_1 else path


def identity_of(folders: Folders) -> tuple[int, int] | None:
    """Return the identity of a gallery's manifest; None where there is none."""
    return files.identity(folders.indexes / MANIFEST) or files.identity(folders.indexes / DATABASE)


def read_manifest(folders: Folders) -> Manifest:
    """Return a gallery's manifest; GalleryError where it is missing, damaged or of a newer version.

    OSError if it cannot be read.
    """
    mend = mending_command(folders.indexes.name, None)
    path = manifest_path(folders)
    if path.name == DATABASE:
        text = files.manifest_text(path, mend=mend)
    else:
        if not path.is_file():
            raise GalleryError(f"{path} is missing. {mend}")
        files.refuse_lfs_pointer(path)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as exc:
            raise GalleryError(f"{path} is damaged. {mend}") from exc
    return manifest_from_json(text, place=path, mend=mend)


def moving_command(manifest: Manifest, folder: str) -> str:
    """Return the command that says where the pictures of one of a gallery's folders are now."""
    which = f" --from {shlex.quote(folder)}" if len(manifest.sources) > 1 else ""
    return f"ris move {manifest.name} FOLDER{which}"


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
    """Return the command that mends a damaged gallery, guessed if its manifest is damaged too."""
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
    """Whether it holds a gallery, even without its manifest, and not only an unfinished build."""
    try:
        inside = [path.name for path in folder.iterdir()]
    except OSError:
        return True  # opening it says why
    if MANIFEST in inside or DATABASE in inside:
        return True
    remains = any(name.endswith((".db", ".faiss")) or name.isdigit() for name in inside)
    return remains and DRAFT not in inside
