"""`merge`, `rename`, `title`, `delete`, `move`, `metadata`, `compact`: galleries, changed."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.doors.cli import output
from app.doors.cli.command import Command
from app.doors.cli.progress import Progress
from app.errors import UsageError

if TYPE_CHECKING:
    from app.build.joining import JoinReport
    from app.build.keeper import GalleryKeeper


def _merge(options: argparse.Namespace) -> int:
    _, added, known = _keeper().merge(options.gallery, options.other)
    output.print_line(
        f"{options.gallery}: {added} images of {options.other} added, {known} there already"
    )
    return 0


def _rename(options: argparse.Namespace) -> int:
    _keeper().rename(options.gallery, options.new)
    output.print_line(f"{options.gallery} is called {options.new} now")
    return 0


def _title(options: argparse.Namespace) -> int:
    title = _keeper().set_title(options.gallery, options.text).title
    output.print_line(f"{options.gallery}: {title or 'without a title'}")
    return 0


def _delete(options: argparse.Namespace) -> int:
    keeper = _keeper()
    if not options.yes and keeper.exists(options.gallery):
        _ask(options.gallery)
    keeper.delete(options.gallery)
    output.print_line(f"{options.gallery} is deleted; its pictures stay where they are")
    return 0


def _ask(name: str) -> None:
    """Raise UsageError unless whoever sits at the terminal says yes."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"Nobody can be asked here whether {name} is to be deleted: add --yes.")
    output.print_message(f"Delete the gallery {name}? Its pictures stay. Type yes:")
    if sys.stdin.readline().strip().lower() not in ("yes", "y"):
        raise UsageError(f"{name} was not deleted: the answer was not yes.")


def _move(options: argparse.Namespace) -> int:
    moved = _keeper().move(options.gallery, options.folder, before=options.from_folder)
    output.print_line(f"{options.gallery}: its pictures are in {', '.join(moved.sources)}")
    return 0


def _compact(options: argparse.Namespace) -> int:
    with Progress() as progress:
        done = _keeper().compact(options.gallery, progress.show)
    output.print_line(f"{options.gallery}: {'compacted' if done else 'there was nothing to do'}")
    return 0


def _metadata(options: argparse.Namespace) -> int:
    if options.forget == (options.table is not None):
        raise UsageError("Name a table, or take the last one's columns away with --forget.")
    if options.forget:
        _keeper().forget_table(options.gallery)
        output.print_line(f"{options.gallery}: without the columns of a table")
        return 0
    print_joined(_keeper().join_table(options.gallery, options.table, **table_options(options)))
    return 0


def print_joined(report: "JoinReport") -> None:
    """Print what became of a table of facts."""
    for note in report.notes:
        output.print_line(f"Note: {note}")
    columns = ", ".join(report.columns) or "none"
    output.print_line(
        f"{report.manifest.name}: {report.images:,} of {report.manifest.images:,} images joined "
        f"to columns: {columns}"
    )


def add_table_arguments(parser: argparse._ActionsContainer) -> None:
    """Add how a table of facts is read."""
    parser.add_argument(
        "--join-column",
        default="",
        metavar="NAME",
        help="the column that says which image a row is about (default: path, file, filename, "
        "file_name, image, id or key, the first that there is)",
    )
    parser.add_argument(
        "--without-column",
        action="append",
        default=[],
        metavar="NAME",
        help="a column to leave out; may be given again",
    )


def table_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return how a table of facts is read."""
    return {
        "join_column": options.join_column,
        "without": tuple(options.without_column),
        "delimiter": options.delimiter,
        "encoding": options.encoding or "utf-8",
    }


def _keeper() -> "GalleryKeeper":
    from app.settings import read_settings
    from app.wiring import make_keeper

    return make_keeper(read_settings())


def _gallery_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", metavar="NAME", help="the gallery's name")


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", metavar="INTO", help="the gallery that gets the images")
    parser.add_argument("other", metavar="OTHER", help="the gallery that gives them, and stays")


def _rename_arguments(parser: argparse.ArgumentParser) -> None:
    _gallery_argument(parser)
    parser.add_argument("new", metavar="NEW", help="its new name")


def _title_arguments(parser: argparse.ArgumentParser) -> None:
    _gallery_argument(parser)
    parser.add_argument("text", metavar="TEXT", help="its title, '' for none")


def _delete_arguments(parser: argparse.ArgumentParser) -> None:
    _gallery_argument(parser)
    parser.add_argument("--yes", action="store_true", help="without a question")


def _move_arguments(parser: argparse.ArgumentParser) -> None:
    _gallery_argument(parser)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the pictures are now")
    parser.add_argument(
        "--from",
        dest="from_folder",
        default="",
        metavar="OLD",
        help="which of several folders has moved",
    )


def _metadata_arguments(parser: argparse.ArgumentParser) -> None:
    _gallery_argument(parser)
    parser.add_argument(
        "table",
        nargs="?",
        type=Path,
        metavar="TABLE",
        help="a CSV, TSV, JSON, JSON Lines or Parquet file with a row for each image",
    )
    add_table_arguments(parser)
    parser.add_argument("--delimiter", metavar="SIGN", help="of a CSV; default: found by itself")
    parser.add_argument("--encoding", metavar="NAME", help="of a CSV, default: utf-8")
    parser.add_argument(
        "--forget", action="store_true", help="take the columns of the last table away"
    )


COMMANDS = (
    Command(
        NAME="metadata",
        HELP="give a gallery's images the columns of a table: to show, to filter and to sort by",
        EXAMPLE="ris metadata mine captions.csv",
        add_arguments=_metadata_arguments,
        run=_metadata,
    ),
    Command(
        NAME="merge",
        HELP="add the images of another gallery of the same model",
        EXAMPLE="ris merge mine holidays",
        add_arguments=_merge_arguments,
        run=_merge,
    ),
    Command(
        NAME="rename",
        HELP="give a gallery another name",
        EXAMPLE="ris rename mine photographs",
        add_arguments=_rename_arguments,
        run=_rename,
    ),
    Command(
        NAME="title",
        HELP="give a gallery a title",
        EXAMPLE='ris title mine "Photographs since 1998"',
        add_arguments=_title_arguments,
        run=_title,
    ),
    Command(
        NAME="delete",
        HELP="delete a gallery; its pictures stay",
        EXAMPLE="ris delete holidays --yes",
        add_arguments=_delete_arguments,
        run=_delete,
    ),
    Command(
        NAME="move",
        HELP="say where the pictures of a gallery are now",
        EXAMPLE="ris move mine ~/Photographs",
        add_arguments=_move_arguments,
        run=_move,
    ),
    Command(
        NAME="compact",
        HELP="fold a gallery's segments into one",
        EXAMPLE="ris compact mine",
        add_arguments=_gallery_argument,
        run=_compact,
        stopped=lambda options: "What is not folded yet is as it was.",
    ),
)
