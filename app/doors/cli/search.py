"""`search`: pictures, URLs or images of the gallery → the images that look like them."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from app.doors.cli import output, previews, sheet
from app.doors.cli.answerers import (
    NO_PICTURE,
    Answerer,
    TypedQuery,
    add_server_arguments,
    answering,
)
from app.doors.cli.parameters import add_search_parameters, search_parameters
from app.doors.cli.table import lines_of
from app.errors import AppError, StorageError, UsageError
from app.search.picture import File, Item
from app.search.question import SearchRequest
from app.settings import Settings

NAME = "search"
HELP = "find the images of a gallery that look like a picture, or that words describe"
EXAMPLE = "ris search photo.jpg --gallery caltech101-efficientnet_lite0 -k 5"

_NOT_HERE = "Paths are relative where the originals are not on this machine."
_ON_THE_SERVER = "The paths are relative to the gallery's folder, where the server has it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the queries, the search parameters, and how the answer is shown."""
    parser.add_argument(
        "image",
        nargs="*",
        metavar="IMAGE_OR_URL",
        help="a picture's file, its address, or - for the bytes on standard input",
    )
    parser.add_argument(
        "--id",
        action="append",
        default=[],
        metavar="ID",
        help="an image of the gallery itself, by its id in earlier answers; may be given again",
    )
    add_search_parameters(parser)
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="write the results as a contact sheet"
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="open the contact sheet in the browser or the picture viewer",
    )
    parser.add_argument(
        "--no-previews",
        action="store_true",
        help="print text alone, also where the terminal can show pictures (kitty, sixel)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document a query")
    form.add_argument(
        "--paths",
        action="store_true",
        help="print one path a line: absolute where the originals are on this machine",
    )
    parser.add_argument(
        *("-0", "--null"),
        action="store_true",
        help="with --paths: end each path with a NUL instead of a line end, for xargs -0",
    )
    # Else argparse, for -0 looks like a number, takes -5 for an option where it is a value.
    parser._has_negative_number_optionals.clear()
    add_server_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Answer each query; return the exit code of the first that failed, or 0."""
    from app.settings import read_settings

    queries = [TypedQuery(typed) for typed in options.image]
    queries += [TypedQuery(typed, is_id=True) for typed in options.id]
    parameters = search_parameters(options)
    if not queries and not any(parameters[name] for name in ("words", "where", "label", "more")):
        raise UsageError(
            "Name a picture, its URL, - for standard input, or an image with --id; or what to "
            "search for with --words, --more, --where or --label."
        )
    queries = queries or [NO_PICTURE]
    if options.null and not options.paths:
        raise UsageError("-0 (--null) is for --paths alone: add --paths, or leave it out.")
    if options.sheet is not None:
        sheet.check_name(options.sheet)
    SearchRequest.of(
        queries[0].read() if queries == [NO_PICTURE] else File(b""), **parameters
    )  # what is wrong with all queries is said once
    settings = read_settings()
    with answering(options, settings) as answerer:
        return _answer_all(queries, parameters, answerer, options, settings)


def _answer_all(
    queries: Sequence[TypedQuery],
    parameters: dict[str, Any],
    answerer: Answerer,
    options: argparse.Namespace,
    settings: Settings,
) -> int:
    show = _Show(options, answerer, several=len(queries) > 1)
    contact = sheet.ContactSheet()
    first_failure = 0
    for query in queries:
        try:
            request = SearchRequest.of(query.read(), **parameters)
            answer = answerer.search(request)
        except AppError as exc:
            first_failure = first_failure or exc.exit_code
            show.failure(query, exc)
            continue
        show.answer(query, answer)
        if options.sheet or options.open:
            shown = picture_of(request, answer, answerer, settings) if contact.has_room else None
            contact.add(query.name, shown, answer)
    if len(contact):
        place = options.sheet or settings.cache_dir / "last-search.png"
        write_sheet(place, contact, answerer)
        if contact.left_out:
            output.print_message(contact.left_out)
        if options.open:
            open_sheet(place)
    return first_failure


class _Show:
    """Prints answers and failures in the form that the options choose."""

    def __init__(self, options: argparse.Namespace, answerer: Answerer, *, several: bool) -> None:
        self._options = options
        self._answerer = answerer
        self._several = several
        self._begun = False
        self._noted: set[str] = set()

    def answer(self, query: TypedQuery, answer: dict[str, Any]) -> None:
        if self._options.json:
            output.print_json(answer)
        elif self._options.paths:
            paths = [self._path(result) for result in answer["results"]]
            for path in paths:
                output.print_path(path, end="\0" if self._options.null else "\n")
            if not all(Path(path).is_absolute() for path in paths):
                self._note_once(_ON_THE_SERVER if self._options.server else _NOT_HERE)
        else:
            self._heading(query)
            for line in lines_of(answer):
                output.print_line(line)
            self._previews(answer)

    def _path(self, result: dict[str, Any]) -> str:
        folder = self._answerer.folder(result["gallery"], result["source"])
        return _path(result["path"], folder)

    def failure(self, query: TypedQuery, error: AppError) -> None:
        """Report that a query failed; the n-th line of JSON still belongs to the n-th query."""
        if self._several and self._options.json:
            output.print_json({"error": str(error)})
        output.print_message(f"{query.name}: {error}" if self._several else str(error))

    def _note_once(self, sentence: str) -> None:
        if sentence not in self._noted:
            output.print_message(sentence)
        self._noted.add(sentence)

    def _heading(self, query: TypedQuery) -> None:
        if self._several:
            if self._begun:
                output.print_line("")
            output.print_line(query.name)
        self._begun = True

    def _previews(self, answer: dict[str, Any]) -> None:
        if not self._options.no_previews and answer["results"] and previews.can_be_shown():
            sys.stdout.flush()
            previews.show(
                answer["results"],
                lambda result: self._answerer.thumbnail(result["gallery"], str(result["id"])),
            )


def picture_of(
    request: SearchRequest, answer: dict[str, Any], answerer: Answerer, settings: Settings
) -> bytes | None:
    """Return a query's picture, edited as it was searched; None if it is not here."""
    query = request.query
    if isinstance(query, File):
        from app.wiring import make_service

        return make_service(settings).preview(query.data, request.edit)
    if isinstance(query, Item):
        first = answer["gallery"].partition(",")[0]  # ids in a request are those of the first
        return answerer.thumbnail(first, str(query.id))
    return None


def write_sheet(place: Path, contact: sheet.ContactSheet, answerer: Answerer) -> None:
    """Write the contact sheet of all answers; StorageError if it cannot be written."""
    data = contact.to_png(lambda each: answerer.thumbnail(each["gallery"], str(each["id"])))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    except OSError as exc:
        raise StorageError(
            f"The contact sheet {place} cannot be written ({exc.strerror}): name another file "
            "with --sheet."
        ) from exc


def open_sheet(place: Path) -> None:
    """Open a contact sheet in this machine's picture viewer; UsageError if it has none."""
    import webbrowser

    if not webbrowser.open(place.resolve().as_uri()):
        raise UsageError(f"There is no browser to open: the contact sheet is {place}.")


def _path(path: str, folder: Path | None) -> str:
    """Return where a gallery's file is on this machine; a path never leads out of its folder."""
    relative = PurePosixPath(path)
    if folder is None or relative.is_absolute() or ".." in relative.parts:
        return path
    whole = str(folder / relative)
    return whole if os.path.isfile(output.path_in_bytes(whole)) else path  # noqa: PTH113
