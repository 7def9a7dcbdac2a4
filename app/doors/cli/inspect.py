"""`inspect`: a folder or a gallery → a summary of its pictures, and a report with plots."""

import argparse
import contextlib
from pathlib import Path

from app.doors.cli import output
from app.doors.cli.progress import Progress
from app.errors import StorageError, UsageError

NAME = "inspect"
HELP = "say what the pictures of a folder or a gallery are like"
EXAMPLE = "ris inspect --images ~/Pictures --report pictures.html"

_HTML = (".html", ".htm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder or the gallery, and the form of the summary."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--images", type=Path, metavar="DIR", help="a folder of pictures")
    what.add_argument("--gallery", metavar="NAME", help="a gallery; its pictures need not be here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write an HTML page with plots, too"
    )


def run(options: argparse.Namespace) -> int:
    """Look at every picture, print the summary, write the report."""
    if options.report is not None and options.report.suffix.lower() not in _HTML:
        raise UsageError(
            f"The report is an HTML page, so {str(options.report)!r} cannot be its name: "
            f"end it in {' or '.join(_HTML)}."
        )
    from app.search.inspection import as_json, as_text, report
    from app.settings import read_settings
    from app.wiring import make_surveyor

    with Progress() as progress:
        survey = make_surveyor(read_settings())(options.images, options.gallery, progress.show)
    if options.report is not None:
        _write(options.report, report(survey))
    if options.json:
        output.print_json(as_json(survey))
    else:
        for line in as_text(survey).splitlines():
            output.print_line(line)
    return 0


def _write(file: Path, page: str) -> None:
    """Write the report, whole or not at all."""
    part = file.parent / f".{file.name}.part"
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(file)
    except OSError as exc:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StorageError(
            f"{file} cannot be written ({exc.strerror}): name another file."
        ) from exc
