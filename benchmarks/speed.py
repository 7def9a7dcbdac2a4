"""The build, the server, a query, the page, the command line → how fast they are, as a table.

Run by `make bench`; README.md beside this file says how each figure is measured.
"""

import sys

from benchmarks import build_speed, cli_speed, page_speed, rest_speed, server_speed
from benchmarks.report import Report, arguments, real_data


def main() -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    parser = arguments("Measure the build, the server's start and memory, a query, the page.")
    parser.add_argument("--images", type=int, help="build from the first so many images only")
    parser.add_argument("--rounds", type=int, default=3, help="builds that are timed (default: 3)")
    parts = ("build", "start", "server", "rest", "page", "cli")
    parser.add_argument("--only", choices=parts, help="measure one of them")
    options = parser.parse_args()
    data = real_data()
    if data is None and options.only not in (
        "start",
        "rest",
        "page",
        "cli",
    ):  # these use what is in the program
        parser.error("REAL_DATA must name the folder that holds caltech101/")
    report = Report("Speed and memory on Caltech101", "make bench")
    if data is not None and options.only in (None, "build"):
        build_speed.measure(data, options.images, options.rounds, report)
    if options.only in (None, "start"):
        server_speed.measure_start(report)
    if data is not None and options.only in (None, "server"):
        server_speed.measure(data, report)
    if options.only in (None, "rest"):
        rest_speed.measure(report)
    if options.only in (None, "page"):
        page_speed.measure(report)
    if options.only in (None, "cli"):
        cli_speed.measure(report)
    return report.finish(options.save)


if __name__ == "__main__":
    sys.exit(main())
