"""Galleries that are changed while they are searched → how long changes take, as a table.

Run by `make bench-lives`; README.md beside this file says how each figure is measured.
"""

import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.build.additions import NewImage
from app.build.commit import Origin, finish_gallery
from app.build.keeper import GalleryKeeper
from app.build.update import update_gallery
from app.build.work import Kept
from app.gallery import Draft, Folders, Gallery, files
from app.images import encode
from app.index import recall
from app.settings import read_settings
from app.values import ImageRecord
from app.values.vectors import unit
from app.wiring import make_loader, make_service
from benchmarks.report import Report, arguments, at_least, at_most

GALLERY = "caltech101-efficientnet_lite0"
_MANY, _DIM = 1_000_000, 256
_INDEX = "IVF1024,PQ16"
_ADDED = 1_000
_FILES = 100_000
_ROUNDS = 50
_SEARCHES = 2_000
_NAME = "lives"

Vectors = NDArray[np.float32]


def main() -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    parser = arguments("Measure how long changes of galleries take.")
    parser.add_argument("--rows", type=int, default=_MANY, help=f"default: {_MANY}")
    parser.add_argument("--files", type=int, default=_FILES, help=f"default: {_FILES}")
    options = parser.parse_args()
    report = Report("Changes of galleries", "make bench-lives")
    with tempfile.TemporaryDirectory(prefix="lives-") as place:
        measure_replacing(Path(place) / "replaced", report)
        measure_rescan(Path(place) / "rescan", options.files, report)
        measure_additions(Path(place) / "many", options.rows, report)
    return report.finish(options.save)


def measure_replacing(home: Path, report: Report) -> None:
    """Replace half of a gallery of Caltech101's images by others, in 50 rounds."""
    source = Gallery(_folders(read_settings().features_dir.parent, GALLERY))
    vectors = unit(source.vectors(source.ids()))
    rng = np.random.default_rng(0)
    order = rng.permutation(len(vectors))
    first, others = np.split(order, [2 * len(order) // 3])
    _make_gallery(home, vectors[first], "IVF100,PQ8")
    keeper = _keeper(home)
    present = dict(enumerate(first.tolist()))  # the row of each id
    leaving = rng.permutation(len(first))[: len(others)]
    seconds = []
    for gone, new in zip(
        np.array_split(leaving, _ROUNDS), np.array_split(others, _ROUNDS), strict=True
    ):
        started = time.perf_counter()
        keeper.remove(_NAME, [str(image) for image in gone])
        added = keeper.add(_NAME, [_new(f"{row}.jpg", vectors[row]) for row in new.tolist()])
        seconds.append(time.perf_counter() - started)
        for image in gone.tolist():
            del present[image]
        present |= {image: row for image, row in zip(added.ids, new.tolist(), strict=True) if image}
    gallery = Gallery(_folders(home, _NAME))
    assert gallery.ids().tolist() == sorted(present), "the gallery has other images"
    queries = vectors[rng.choice(len(vectors), 1_000, replace=False)]
    truth = gallery.search(queries, 10, exact=True).rows
    found = gallery.search(queries, 10).rows
    report.add(
        f"recall@10 after half of {len(first)} images was replaced in {_ROUNDS} rounds",
        f"{recall(truth, found):.4f}, {len(gallery.segments)} segments",
        at_least(recall(truth, found), 0.97, "0.97"),
    )
    report.add("a round: removed and added", f"{1e3 * np.median(seconds):.0f} ms")


def measure_rescan(home: Path, count: int, report: Report) -> None:
    """Look again at a folder of which nothing has changed."""
    pictures = home / "pictures"
    rng = np.random.default_rng(0)
    for place in range(count // 200):
        folder = pictures / f"{place:04}"
        folder.mkdir(parents=True)
        first = folder / "000.png"
        image = rng.integers(0, 256, (8, 8, 3), np.uint8)
        first.write_bytes(encode.encode_png(image))
        for number in range(1, 200):
            os.link(first, folder / f"{number:03}.png")
    _make_gallery(home, unit(rng.normal(size=(4, 48)).astype(np.float32)), "Flat", pictures)
    _update(home)
    opened = 0
    read = Path.read_bytes

    def counted(path: Path) -> bytes:
        nonlocal opened
        opened += 1
        return read(path)

    Path.read_bytes = counted  # type: ignore[method-assign]
    started = time.perf_counter()
    unchanged = _update(home)
    seconds = time.perf_counter() - started
    Path.read_bytes = read  # type: ignore[method-assign]
    report.add(
        f"update of {unchanged} unchanged files, {opened} of them opened",
        f"{seconds:.1f} s",
        at_most(seconds, 10, "10 s"),
    )


def measure_additions(home: Path, rows: int, report: Report) -> None:
    """Add vectors to many, and search beside a process that goes on adding."""
    vectors = _clustered(rows + 60 * _ADDED)
    started = time.perf_counter()
    _make_gallery(home, vectors[:rows], _INDEX)
    report.add(
        f"gallery of {rows} vectors of {_DIM} made", f"{time.perf_counter() - started:.0f} s"
    )
    service = make_service(_settings(home))
    keeper = _keeper(home)
    service.warm_up()
    service.search(_NAME, 0)
    keeper.add(_NAME, [_new("first", vectors[rows])])
    found, synced, written = [], [], []
    for turn in range(1, 11):
        part = vectors[rows + turn * _ADDED :][:_ADDED]
        new = [_new(f"{turn}-{place}", vector) for place, vector in enumerate(part)]
        waited = _Waited()
        with waited:
            started = time.perf_counter()
            report_of_it = keeper.add(_NAME, new)
            synced.append(time.perf_counter() - started)
        image = report_of_it.ids[-1]
        result = service.search(_NAME, int(image or 0), k=1)
        found.append(time.perf_counter() - started)
        written.append(waited.seconds)
        assert result.hits[0].image.id == image
    report.add(
        f"{_ADDED} vectors added to {rows}: until they are found",
        f"{1e3 * np.median(found):.0f} ms, of which {1e3 * np.median(written):.0f} ms wait for the "
        "disk",
        at_most(float(np.median(found)), 0.2, "200 ms (50 ms where the disk does not wait)"),
    )
    report.add(
        "… until they are on the disk",
        f"{1e3 * np.median(synced):.0f} ms",
        at_most(float(np.median(synced)), 0.2, "200 ms"),
    )
    idle = _p95(service, rows)
    stop = multiprocessing.get_context("spawn").Event()
    writer = multiprocessing.get_context("spawn").Process(target=_write_on, args=[home, stop])
    writer.start()
    try:
        time.sleep(3)
        beside = _p95(service, rows)
        idle_again = None
    finally:
        stop.set()
        writer.join()
    idle_again = _p95(service, rows)
    ratio = beside / ((idle + idle_again) / 2)
    report.add(
        "p95 of a search by id beside a continuous writer, to idle",
        f"{ratio:.2f} ({1e3 * beside:.2f} ms, {1e3 * idle:.2f} and {1e3 * idle_again:.2f} ms)",
        at_most(ratio, 1.15, "1.15"),
    )


class _Waited:
    """Counts the seconds in which its block waits for the disk."""

    def __enter__(self) -> "_Waited":
        self.seconds = 0.0
        self._sync = files.sync

        def sync(path: Path) -> None:
            started = time.perf_counter()
            self._sync(path)
            self.seconds += time.perf_counter() - started

        files.sync = sync
        return self

    def __exit__(self, *exc_info: object) -> None:
        files.sync = self._sync


def _p95(service: object, rows: int) -> float:
    rng = np.random.default_rng(1)
    seconds = []
    for image in rng.integers(0, rows, _SEARCHES).tolist():
        started = time.perf_counter()
        service.search(_NAME, image, k=10)  # type: ignore[attr-defined]
        seconds.append(time.perf_counter() - started)
    return float(np.percentile(seconds, 95))


def _write_on(home: Path, stop: object) -> None:
    """Add and remove images until `stop` is set."""
    keeper = _keeper(home)
    rng = np.random.default_rng(os.getpid())
    number = 0
    while not stop.is_set():  # type: ignore[attr-defined]
        vectors = unit(rng.normal(size=(_ADDED, _DIM)).astype(np.float32))
        new = [_new(f"w{number}-{place}", vector) for place, vector in enumerate(vectors)]
        ids = keeper.add(_NAME, new).ids
        keeper.remove(_NAME, [str(image) for image in ids[: _ADDED // 2]])
        number += 1


def _clustered(count: int) -> Vectors:
    """Return unit vectors around 2,000 centres, as pictures are of kinds."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2_000, _DIM)).astype(np.float32)
    vectors = np.empty((count, _DIM), np.float32)
    for start in range(0, count, 100_000):
        part = vectors[start : start + 100_000]
        part[:] = centres[rng.integers(0, len(centres), len(part))]
        part += 0.8 * rng.standard_normal(part.shape, np.float32)
    return unit(vectors)


def _make_gallery(home: Path, vectors: Vectors, index: str, pictures: Path | None = None) -> None:
    """Make a gallery of vectors, whose images have no pictures, or a folder's few first."""
    folders = _folders(home, _NAME)
    draft = Draft(folders, recipe="vectors", dim=vectors.shape[1])
    card = encode.no_picture()
    for start in range(0, len(vectors), 10_000):
        part = vectors[start : start + 10_000]
        records = [
            ImageRecord(-1, f"{row}", hashlib.sha256(f"{row}".encode()).hexdigest(), 1, 1, 1)
            for row in range(start, start + len(part))
        ]
        draft.add(records, [card] * len(part), part, [])
    kept = [Kept(replace(each, id=-1), row=row) for row, each in enumerate(draft.records())]
    model = "mean_colour" if pictures else "unknown"
    facts = make_loader(_settings(home), "build")("mean_colour").model.preprocessing_facts()
    finish_gallery(
        draft,
        kept,
        Origin(
            data=_NAME,
            sources=(str(pictures or home),),
            request={"images": str(pictures or home)},
            model=model,
            weights_sha256="",
            preprocessing=facts if pictures else {},
        ),
        index=index,
        dim=vectors.shape[1],
        on_progress=lambda *_: None,
    )


def _update(home: Path) -> int:
    settings = _settings(home)
    report = update_gallery(
        _NAME,
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=make_loader(settings, "build"),
        open_list=lambda request: (_ for _ in ()).throw(AssertionError(request)),
        workers=2,
        accept_removals=True,
        on_progress=lambda *_: None,
    )
    return report.unchanged


def _new(name: str, vector: Vectors) -> NewImage:
    return NewImage(name, vector=vector)


def _keeper(home: Path) -> GalleryKeeper:
    settings = _settings(home)
    return GalleryKeeper(
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=make_loader(settings, "build"),
        update=lambda *_, **__: (_ for _ in ()).throw(AssertionError("no update")),
    )


def _settings(home: Path):  # type: ignore[no-untyped-def]
    return read_settings(os.environ | {"RIS_HOME": str(home)})


def _folders(home: Path, name: str) -> Folders:
    return Folders.of(name, home / "features", home / "indexes")


if __name__ == "__main__":
    sys.exit(main())
