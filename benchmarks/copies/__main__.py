"""A folder of photographs → how well edited copies of them are found and named, as a table.

Run by `make evaluate-copies FOLDER=…`; ../README.md says how each figure is measured.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks.copies import photographs, product, table
from benchmarks.copies.edits import EDITS
from benchmarks.copies.measure import Answer, ask_all, seconds_beyond
from benchmarks.copies.questions import count, questions
from benchmarks.report import Report, arguments

_TIMED = 100
SAME = Path(__file__).with_name("caltech101_same.csv")  # a pair that is not there does no harm


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    options = _parser().parse_args(words)
    folder = options.folder.resolve()
    parts = _split(folder, options)
    report = Report("Copies found and named", _command(options))
    with tempfile.TemporaryDirectory(prefix="copies-") as temporary:
        built = product.build(
            [(folder, parts.gallery), *_distractors(options.distractors)],
            (options.home or Path(temporary)).resolve(),
            model=options.model,
            options=options.build.split(),
            anew=options.anew,
        )
        if options.without_originals:
            product.take_originals_away(built)
        _add_facts(parts, built, report)
        errors = table.Errors(options.errors)
        answers = _answers(folder, parts, built, errors, options)
        table.add_rows(answers, _beyond(folder, parts, built), report)
    errors.finish()
    return report.finish(options.save)


def _parser() -> argparse.ArgumentParser:
    parser = arguments("Measure how well edited copies of a folder's photographs are found.")
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="photographs, in it and below")
    add("--queries", type=int, default=200, help="sources, each of which meets every edit")
    add("--unrelated", type=int, help="photographs that are held out (default: 2 × queries)")
    add(
        "--bursts",
        action="append",
        metavar="NAME",
        help="a folder of frames of one scene; may "
        f"be given again (default: {', '.join(photographs.BURSTS)})",
    )
    add(
        "--same",
        type=Path,
        default=SAME,
        metavar="CSV",
        help="pairs of paths that show one photograph (default: those of Caltech101)",
    )
    add(
        "--distractors",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="more pictures for the gallery; may be given again",
    )
    add("--seed", type=int, default=0, help="of the choice of photographs and of the edits")
    add(
        "--edit",
        action="append",
        choices=list(EDITS),
        help="make this one only; may be given again",
    )
    add("--without-originals", action="store_true", help="let the program see thumbnails only")
    add("--model", default="efficientnet_lite0", help="default: efficientnet_lite0")
    add("--build", default="", metavar="OPTIONS", help="further options for create_index.py")
    add("--home", type=Path, help="where galleries are kept for the next run")
    add("--anew", action="store_true", help="build the gallery again though it is there")
    add("--errors", type=Path, metavar="FOLDER", help="write errors.csv and wrong queries there")
    return parser


def _split(folder: Path, options: argparse.Namespace) -> photographs.Split:
    """Part the folder; SystemExit where it has too few photographs for the edits."""
    paths = photographs.pictures_in(folder)
    parts = photographs.split(
        paths,
        photographs.photographs(folder, paths, options.same),
        sources=options.queries,
        bursts=options.queries,
        unrelated=2 * options.queries if options.unrelated is None else options.unrelated,
        burst_folders=options.bursts or photographs.BURSTS,
        seed=options.seed,
    )
    if len(parts.sources) < 4 or not parts.unrelated:
        raise SystemExit(
            f"{len(paths)} pictures in {folder} are too few: give a folder of 20 or more, and "
            "--queries 4 or more."
        )
    return parts


def _distractors(folders: Sequence[Path]) -> list[tuple[Path, list[str]]]:
    return [(folder.resolve(), photographs.pictures_in(folder)) for folder in folders]


def _answers(
    folder: Path,
    parts: photographs.Split,
    built: product.Built,
    errors: table.Errors,
    options: argparse.Namespace,
) -> list[Answer]:
    edits = options.edit or tuple(EDITS)
    asked = questions(folder, parts, seed=options.seed, edits=edits)
    progress = tqdm(asked, total=count(parts, edits), disable=None, mininterval=5)
    ask = product.make_ask(built)
    return ask_all(progress, ask, parts.photograph, on_answer=errors.look_at)


def _beyond(folder: Path, parts: photographs.Split, built: product.Built) -> float:
    """Return how much longer a search takes that looks for copies, in seconds."""
    files = ((folder / path).read_bytes() for path in parts.unrelated[:_TIMED])
    return seconds_beyond(files, product.make_ask(built), product.make_ask(built, copies=False))


def _add_facts(parts: photographs.Split, built: product.Built, report: Report) -> None:
    pictures = built.pictures
    report.add("pictures in the gallery", f"{pictures}")
    report.add(
        "sources, frames of bursts, unrelated photographs",
        f"{len(parts.sources)}, {len(parts.bursts)}, {len(parts.unrelated)}",
    )
    report.add(
        "the gallery's build, its size",
        f"{built.seconds:.0f} s, {built.bytes / 1e6:.1f} MB, "
        f"{built.bytes / pictures / 1e3:.1f} kB a picture",
    )


def _command(options: argparse.Namespace) -> str:
    """Return the command as another person would give it, without this machine's paths."""
    words = f"python -m benchmarks.copies --folder {options.folder.name}"
    words += "".join(f" --distractors {folder.name}" for folder in options.distractors)
    words += f" --model {options.model} --queries {options.queries} --seed {options.seed}"
    words += "".join(f" --edit '{name}'" for name in options.edit or ())
    words += " --without-originals" if options.without_originals else ""
    return words + (f" --build '{options.build}'" if options.build else "")


if __name__ == "__main__":
    sys.exit(main())
