"""The gallery's pictures → a gallery built and searched by the program itself, as `Ask`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.settings import read_settings
from app.wiring import make_service
from benchmarks.copies.measure import Ask, Found

_PROGRAM = Path(__file__).resolve().parents[2]
_NAME = "copies"
_RESULTS = 10


@dataclass(frozen=True)
class Built:
    """A gallery in a home of its own: how many pictures it was made of, in how many seconds."""

    home: Path
    pictures: int
    seconds: float

    @property
    def bytes(self) -> int:
        """The size of the gallery on the disk, without the pictures."""
        files = (path for name in ("features", "indexes") for path in (self.home / name).rglob("*"))
        return sum(path.stat().st_size for path in files if path.is_file())


def build(
    folders: Sequence[tuple[Path, Sequence[str]]],
    homes: Path,
    *,
    model: str,
    options: Sequence[str] = (),
    anew: bool = False,
) -> Built:
    """Build a gallery of some pictures of some folders by create_index.py, unless it is there.

    It is known by the list of its pictures, its model and options; `anew` builds it again.
    """
    listed = [[str(folder), *paths] for folder, paths in folders]
    key = hashlib.sha256(json.dumps([listed, model, *options]).encode()).hexdigest()[:16]
    home = homes / key
    finished = home / "built.json"
    _link(folders, home / "pictures")
    if anew or not finished.exists():
        finished.unlink(missing_ok=True)
        words = ["create_index.py", "--images", home / "pictures", "--name", _NAME]
        words += ["--model", model, *(["--force"] if anew else []), *options]
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *map(str, words)], cwd=_PROGRAM, env=_environment(home), check=True
        )
        finished.write_text(json.dumps({"seconds": time.perf_counter() - started}))
    pictures = sum(len(paths) for _, paths in folders)
    return Built(home, pictures, json.loads(finished.read_text())["seconds"])


def _link(folders: Sequence[tuple[Path, Sequence[str]]], pictures: Path) -> None:
    """Make a tree of links to the pictures; the second folder's are below `1`, and so on."""
    if pictures.exists():
        return
    unfinished = pictures.with_name("linking")
    shutil.rmtree(unfinished, ignore_errors=True)
    for number, (folder, paths) in enumerate(folders):
        for path in paths:
            link = unfinished / (str(number) if number else "") / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((folder / path).resolve())
    unfinished.rename(pictures)


def take_originals_away(built: Built) -> None:
    """Remove the links to the pictures, so that the gallery has its thumbnails only."""
    shutil.rmtree(built.home / "pictures")


def make_ask(built: Built, *, copies: bool = True) -> Ask:
    """Return what asks the program's search service, as every door does.

    Without `copies` it does not look for the picture itself.
    """
    service = make_service(read_settings(_environment(built.home)))
    service.warm_up()

    def ask(data: bytes) -> list[Found]:
        return [found(hit) for hit in service.search(_NAME, data, k=_RESULTS, copies=copies).hits]

    return ask


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"RIS_HOME": str(home)}


def found(hit: object) -> Found:
    """Return a hit's path, class and confidence: its match's, where it has one.

    A hit without a match has its cosine less 1, so that it comes after every match.
    """
    match = getattr(hit, "match", None)
    kind = getattr(match, "kind", "") or ""
    score = getattr(match, "score", None)
    return Found(
        hit.image.path,  # type: ignore[attr-defined]
        str(getattr(kind, "value", kind)),
        float(hit.score - 1 if score is None else score),  # type: ignore[attr-defined]
    )
