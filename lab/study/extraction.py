"""A gallery → how long its model takes for a picture, measured on pictures of the gallery."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import AppError, NotFoundError
from app.settings import Settings, read_settings
from app.wiring import make_service

_PICTURES = 40
_WARM_UP = 4
_ROOT = Path(__file__).resolve().parents[2]


def measured(gallery: str, home: Path) -> dict[str, Any]:
    """Return the model's facts and its seconds a picture, measured in a process of its own.

    `seconds` is None where it cannot run here; `words` say why, or which pictures it embedded.
    """
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        [sys.executable, "-m", "lab.study.extraction", gallery],
        env=os.environ | {"RIS_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"seconds": None, "words": f"its process ended with exit code {ended.returncode}"}
    return found


def measure(gallery: str, settings: Settings) -> dict[str, Any]:
    """Measure here: files read, decoded and embedded one after the other, with all processors."""
    from app.doors.python import load_embedder

    service = make_service(settings)
    info = service.gallery(gallery)
    facts: dict[str, Any] = {"model": info.model, "data": info.data, "images": info.images}
    try:
        embedder = load_embedder(info.model)
        files = list(_pictures(service, gallery, info.images))
        seconds = []
        for data in [*files[:_WARM_UP], *files]:
            started = time.perf_counter()
            embedder.embed(data)
            seconds.append(time.perf_counter() - started)
    except AppError as exc:
        return facts | {"seconds": None, "words": str(exc)}
    originals = _originals(service, gallery)
    counted = sorted(seconds[len(files[:_WARM_UP]) :])
    what = "original pictures" if originals else "the gallery's thumbnails, smaller than originals"
    return facts | {
        "seconds": counted[len(counted) // 2],
        "pictures": len(counted),
        "words": f"median of {len(counted)} of {what}, decoded and embedded one after the other",
    }


def _pictures(service: Any, gallery: str, images: int) -> Iterator[bytes]:
    """Yield files of pictures spread over the gallery: the originals, or its thumbnails."""
    originals = _originals(service, gallery)
    for image in range(0, images, max(1, images // _PICTURES)):
        yield service.picture(gallery, image)[0] if originals else service.thumbnail(gallery, image)


def _originals(service: Any, gallery: str) -> bool:
    try:
        service.picture(gallery, 0)
    except NotFoundError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], read_settings())))
