"""A log of `make test` with every duration → totals by folder and the slowest tests, as Markdown.

`make test PYTEST_ADDOPTS=--durations=0 | tee LOG`, then `python -m benchmarks.tests_speed LOG`.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

_DURATION = re.compile(r"\s*([\d.]+)s (?:setup|call|teardown) +((\S+?)::.*?)\s*$")
_SUMMARY = re.compile(r"=+ (\d+ passed.* in .*?) =+$")
_SLOWEST = 60


def report(log: str) -> str:
    """Return the tables; a test's seconds are those of its setup, its call and its teardown.

    What a folder's fixtures take is in the first test that asks for them. Workers run beside each
    other, so that the total is more than what the run took.
    """
    folders: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    lines = ["No summary of pytest was found."]
    for line in log.splitlines():
        if found := _DURATION.match(line):
            tests[found[2]] += float(found[1])
            folders[str(Path(found[3]).parent)] += float(found[1])
        elif found := _SUMMARY.match(line):
            lines = [f"{found[1]}; {sum(tests.values()):.0f} s of all workers together."]
    lines += ["", "| folder | seconds |", "|---|---|"]
    lines += [f"| {folder} | {seconds:.0f} |" for folder, seconds in folders.most_common()]
    lines += ["", f"| the slowest {_SLOWEST} | seconds |", "|---|---|"]
    lines += [f"| {test} | {seconds:.1f} |" for test, seconds in tests.most_common(_SLOWEST)]
    return "\n".join(lines)


def main() -> None:
    """Print the report of the log that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, help="what the tests printed")
    print(report(parser.parse_args().log.read_text(errors="replace")))


if __name__ == "__main__":
    main()
