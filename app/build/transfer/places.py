"""The names of an exported folder's files, and the JSON text that describes them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.errors import DatasetError, GalleryError
from app.gallery import manifest_from_json, manifest_to_json
from app.values import Skipped
from app.values.files import sha256_of
from app.values.gallery import Manifest

VECTORS = "img_emb/img_emb_{}.npy"
METADATA = "metadata/metadata_{}.parquet"
THUMBNAILS = "thumbnails/thumbnails_{}.parquet"
PROJECTION = "projection.safetensors"
NETWORK = "network.zip"
MANIFEST = "gallery.json"
ELSEWHERE = "elsewhere"
"""The source in an exported manifest, of a gallery that is not of a published data set."""
FORMAT = 1


@dataclass(frozen=True)
class Exported:
    """The content of `gallery.json`: the gallery, its skipped files, and its files by SHA-256."""

    manifest: Manifest
    skipped: tuple[Skipped, ...]
    files: dict[str, str]

    def to_json(self) -> str:
        """Return it as JSON text."""
        values = {
            "format": FORMAT,
            "gallery": json.loads(manifest_to_json(self.manifest)),
            "skipped": [asdict(each) for each in self.skipped],
            "files": self.files,
        }
        return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False)


def read_exported(folder: Path) -> Exported | None:
    """Return the content of a folder's `gallery.json`, None where there is none.

    DatasetError if it cannot be read, or a file is not the one that was exported.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"{path} cannot be read: copy the folder anew.") from exc
    try:
        values: dict[str, Any] = json.loads(text)
        if values["format"] != FORMAT:
            raise DatasetError(
                f"{path} is of format {values['format']}, this program reads {FORMAT}: "
                "export the gallery with this version."
            )
        exported = Exported(
            _manifest(values["gallery"], path),
            tuple(Skipped(each["path"], each["reason"]) for each in values["skipped"]),
            {str(name): str(digest) for name, digest in values["files"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DatasetError(f"{path} is damaged: copy the folder anew.") from exc
    for name, digest in exported.files.items():
        if not _is_as_exported(folder / name, digest):
            raise DatasetError(
                f"{folder / name} is not the file that was exported: copy the folder anew, or "
                f"remove {MANIFEST} to take what is there."
            )
    return exported


def _manifest(values: dict[str, Any], path: Path) -> Manifest:
    mend = "Copy the folder anew."
    try:
        return manifest_from_json(json.dumps(values), place=path, mend=mend)
    except GalleryError as exc:
        raise DatasetError(str(exc)) from exc


def _is_as_exported(path: Path, digest: str) -> bool:
    try:
        return sha256_of(path) == digest
    except OSError:
        return False
