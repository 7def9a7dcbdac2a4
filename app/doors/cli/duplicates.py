"""`duplicates`: a gallery → groups of images that show one picture; decisions that some do not."""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.doors.answers import duplicates_answer
from app.doors.cli import output
from app.doors.cli.progress import Progress
from app.errors import StorageError, UsageError
from app.values import SOURCES
from app.values.files import replacing

if TYPE_CHECKING:
    from app.settings import Settings

NAME = "duplicates"
HELP = "list the images of a gallery that show one picture, the best first"
EXAMPLE = "ris duplicates mine --kind same-picture --csv duplicates.csv"

_KINDS = tuple(kind.replace(" ", "-") for kind in SOURCES)
_COLUMNS = ("group", "kind", "reason", "score", "of", "id", "path", "source")
_FACTS = ("width", "height", "bytes", "sha256")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, what is shown and how, and what is decided."""
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery's name")
    parser.add_argument(
        "--kind",
        action="append",
        choices=_KINDS,
        help=f"only duplicates of this kind: {', '.join(_KINDS)}; may be given again",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="show the first N groups (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write all groups to a table, too, a row an image"
    )
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument(
        "--apart",
        nargs="+",
        metavar="ID",
        help="remember that no two of these images are duplicates: they are never grouped again",
    )
    decision.add_argument(
        "--forget", nargs="+", metavar="ID", help="forget what --apart has decided on these images"
    )


def run(options: argparse.Namespace) -> int:
    """Compare the images and print the groups, or take a decision."""
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit must be 1 or more, not {options.limit}.")
    from app.settings import read_settings

    settings = read_settings()
    if options.apart or options.forget:
        return _decide(options, settings)
    from app.wiring import make_service

    with Progress() as progress:
        found = make_service(settings).duplicates(
            options.gallery, options.kind or (), on_progress=progress.show
        )
    if options.csv is not None:
        _write(options.csv, duplicates_answer(found))
    answer = duplicates_answer(found, options.limit)
    if options.json:
        output.print_json(answer)
    else:
        for line in _lines(answer):
            output.print_line(line)
    return 0


def _decide(options: argparse.Namespace, settings: "Settings") -> int:
    shown = [f"--{name}" for name in ("kind", "limit", "json", "csv") if getattr(options, name)]
    if shown:
        raise UsageError(f"A decision shows no groups: leave {shown[0]} out.")
    from app.wiring import make_keeper

    keeper = make_keeper(settings)
    if options.apart:
        count = keeper.keep_apart(options.gallery, options.apart)
        output.print_line(f"{options.gallery}: {_pairs(count)} kept apart from now on")
    else:
        count = keeper.forget_apart(options.gallery, options.forget)
        output.print_line(f"{options.gallery}: {_pairs(count)} no longer kept apart")
    return 0


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the groups, a line an image, and what they come to."""
    for number, group in enumerate(answer["groups"], 1):
        best = group["best"]
        if number > 1:
            yield ""
        yield f"{number}. {best['path']}  {_facts(best)}"
        paths = {best["id"]: best["path"]} | {each["id"]: each["path"] for each in group["others"]}
        for other in group["others"]:
            match = other["match"]
            said = match["reason"] or match["kind"]
            through = "" if other["of"] == best["id"] else f" of {paths[other['of']]}"
            yield f"   {other['path']}  {_facts(other)}: {said}{through} ({match['score']:.2f})"
    if answer["groups"]:
        yield ""
    yield _summary(answer)


def _summary(answer: dict[str, Any]) -> str:
    groups, others = answer["groups_found"], answer["others_found"]
    apart = f" {_pairs(answer['apart'])} kept apart." if answer["apart"] else ""
    if not groups:
        return (
            f"{answer['gallery']}: no two of {answer['images']:,} images show one picture.{apart}"
        )
    shown = len(answer["groups"])
    first = f", of which the first {shown:,} are shown" if shown < groups else ""
    return (
        f"{answer['gallery']}: {groups:,} group{'' if groups == 1 else 's'} among "
        f"{answer['images']:,} images{first}; {others:,} show the picture of a better one "
        f"({answer['others_bytes'] / 1e6:.1f} MB).{apart} Nothing was deleted."
    )


def _facts(image: dict[str, Any]) -> str:
    size = f"{image['width']} × {image['height']}, {image['bytes'] / 1e3:,.0f} kB"
    return f"[{image['id']}] {size}"


def _write(file: Path, answer: dict[str, Any]) -> None:
    """Write a table of all groups, whole or not at all; names are there byte by byte."""
    try:
        with (
            replacing(file) as new,
            new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened,
        ):
            table = csv.writer(opened)
            table.writerow((*_COLUMNS, *_FACTS))
            table.writerows(_rows(answer))
    except OSError as exc:
        raise StorageError(
            f"{file} cannot be written ({exc.strerror}): name another file."
        ) from exc


def _rows(answer: dict[str, Any]) -> Iterator[list[object]]:
    for number, group in enumerate(answer["groups"], 1):
        yield [number, "best", "", "", "", *_place(group["best"])]
        for other in group["others"]:
            match = other["match"]
            said = match["kind"], match["reason"], match["score"], _cell(other["of"])
            yield [number, *said, *_place(other)]


def _place(image: dict[str, Any]) -> list[object]:
    names = _cell(image["id"]), _cell(image["path"]), image["source"]
    return [*names, *(image[fact] for fact in _FACTS)]


def _cell(value: object) -> object:
    """Return a value as a table has it: spreadsheets take some texts for formulas."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
