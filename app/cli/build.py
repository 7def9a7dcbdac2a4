"""`create-index`, and `create_index.py`: a data set or a folder → a gallery."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.build import BuildReport

NAME = "create-index"
HELP = "build a gallery"
EXAMPLE = "python3 create_index.py --images ~/Pictures --name mine --model efficientnet_lite0"
STOPPED = "What is done is kept: the same command goes on from there."

_STAGES = {
    "list": "Listing the pictures …",
    "train": "Training the index …",
    "measure": "Measuring its recall …",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a gallery is made of and how."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--data", metavar="SET", help="caltech (caltech101), voc (voc2012) or coco (val2014)"
    )
    what.add_argument("--images", type=Path, metavar="DIR", help="a folder of your own pictures")
    parser.add_argument(
        "--name", help="the gallery's name (default for --data: the data set and the model)"
    )
    parser.add_argument("--model", default="resnet50", help="default: resnet50")
    parser.add_argument(
        "--index", default="IVF100,PQ8", help="a FAISS factory string, default: IVF100,PQ8"
    )
    parser.add_argument("--limit", type=int, help="take the first so many pictures only")
    parser.add_argument("--force", action="store_true", help="build it anew if it exists")


def run(options: argparse.Namespace) -> int:
    """Build a gallery, showing the progress, and print what was made."""
    from app.build import BuildRequest, command_for
    from app.settings import read_settings
    from app.wiring import make_builder

    asked = {
        key: getattr(options, key) for key in ("data", "images", "name", "model", "index", "limit")
    }
    request = BuildRequest(**asked, force=options.force, command=command_for(**asked))
    with _Progress() as progress:
        _print_report(make_builder(read_settings())(request, tell=progress.tell))
    return 0


class _Progress:
    """Shows a build's stages: a bar with rate and time left, then one line for each later stage."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def tell(self, stage: str, done: int, total: int) -> None:
        if stage != "embed":
            if self._bar is not None:
                self._bar.close()
                self._bar = None
            print(_STAGES[stage], file=sys.stderr, flush=True)
            return
        if self._bar is None:
            from tqdm import tqdm

            if done:
                print(f"Going on after {done} of {total} pictures.", file=sys.stderr)
            self._bar = tqdm(total=total, initial=done, unit=" images", desc="Embedding")
        self._bar.update(done - self._bar.n)


def _print_report(report: "BuildReport") -> None:
    manifest = report.manifest
    for skip in report.skipped:
        print(f"Skipped {skip.path}: {skip.reason}")
    if report.skipped:
        print(f"{len(report.skipped)} of {manifest.images + len(report.skipped)} files skipped.")
    for note in manifest.notes:
        print(f"Note: {note}.")
    sizes = ", ".join(
        f"{kind} {file.bytes / 1e6:.1f} MB" for kind, file in sorted(manifest.files.items())
    )
    print(
        f"{manifest.name}: {manifest.images} images in {report.seconds:.1f} s, "
        f"{report.images_per_second:.1f} images/s; {sizes}"
    )
    how = (
        f"{manifest.probes} probes, {manifest.candidates} candidates"
        if manifest.index != "Flat"
        else "exact"
    )
    print(
        f"{manifest.index}, {how}: recall@10 {manifest.recall_reranked:.3f} "
        f"({manifest.recall_raw:.3f} without re-ranking), "
        f"measured with {manifest.recall_queries} of its own images"
    )
