"""Answers → the table of how many copies were found and named, and the list of errors."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.copies.edits import EDITS, EITHER, SAME_PICTURE, SEVERAL
from benchmarks.copies.measure import (
    COPIES,
    EDITED_COPY,
    Answer,
    Question,
    calls_that_are_right,
    micro_average_precision,
    milliseconds,
    recall_at_precision,
    sources_called,
    sources_first,
    with_wrong_copies,
)
from benchmarks.copies.questions import BURSTS, UNRELATED, UNRELATED_EDITED
from benchmarks.report import Report, at_least, at_most

_FRAMED = ("text bar", "screenshot", "collage of four", "pasted on another")
_UNBOUND = ("noise", SEVERAL)
_LEAST = (
    dict.fromkeys(EDITS, 0.995)
    | dict.fromkeys(_FRAMED, 0.99)
    | {"crop 10 %": 0.95}
    | dict.fromkeys(_UNBOUND, 0.0)
)


def add_rows(answers: Sequence[Answer], beyond: float, report: Report) -> None:
    """Add every figure, with what it has to reach; `beyond` is in seconds."""
    _add_edits(answers, report)
    _add_class(answers, report)
    _add_strangers(answers, report)
    _add_mixed(answers, report)
    median, p95 = milliseconds(answers)
    report.add("a query, median and 95th percentile", f"{median:.0f} ms, {p95:.0f} ms")
    report.add(
        "a query beyond one that does not look for copies, median",
        f"{1e3 * beyond:.0f} ms",
        at_most(beyond, 0.1, "100 ms"),
    )


def _of(answers: Iterable[Answer], *tests: str) -> list[Answer]:
    return [each for each in answers if each.test in tests]


def _add_edits(answers: Sequence[Answer], report: Report) -> None:
    for name in EDITS:
        those = _of(answers, name)
        if not those:
            continue
        first, called, least = sources_first(those), sources_called(those), _LEAST[name]
        report.add(
            f"{name}: source at rank 1; called a copy",
            f"{first}; {called}",
            at_least(first.value, least, f"{least} at rank 1") if least else None,
        )


def _add_class(answers: Sequence[Answer], report: Report) -> None:
    saved = _of(answers, *SAME_PICTURE)
    same = sources_called(saved, COPIES - {EDITED_COPY})
    report.add("re-saved or resized: called the same picture", f"{same}")
    right = calls_that_are_right(answers)
    report.add(
        f"class {EDITED_COPY}: precision",
        f"{right}",
        at_least(right.value, 0.995, "0.995"),
    )
    edited = [each for each in answers if each.sources and each.test not in SAME_PICTURE | EITHER]
    recalled = sources_called(edited, {EDITED_COPY})
    report.add(
        f"class {EDITED_COPY}: recall", f"{recalled}", at_least(recalled.value, 0.95, "0.95")
    )


def _add_strangers(answers: Sequence[Answer], report: Report) -> None:
    for test, most in ((BURSTS, 0.01), (UNRELATED, 0.002), (UNRELATED_EDITED, None)):
        those = _of(answers, test)
        if those:
            wrong = with_wrong_copies(those)
            expected = None if most is None else at_most(wrong.value, most, f"{most}")
            report.add(f"{test}: something called a copy", f"{wrong}", expected)


def _add_mixed(answers: Sequence[Answer], report: Report) -> None:
    mixed = _of(answers, SEVERAL, UNRELATED_EDITED)
    if not mixed:
        return
    queries = f"mixed test, {len(mixed)} queries"
    report.add(
        f"{queries}: µAP (on DISC21: SSCD 0.724, CopyNCE 0.887)",
        f"{micro_average_precision(mixed):.3f}",
    )
    report.add(
        f"{queries}: recall at 90 % precision (on DISC21: SSCD 0.63, CopyNCE 0.84)",
        f"{recall_at_precision(mixed):.3f}",
    )


Error = tuple[str, str, str, str, str, str]
_COLUMNS = ("test", "picture", "error", "result", "class", "confidence")


def errors_of(answer: Answer) -> Iterator[Error]:
    """Yield what is wrong: sources not found first, or not called copies; others called copies."""
    for source in answer.sources:
        place = next((i for i, each in enumerate(answer.found) if each.path == source), None)
        if place is None:
            yield answer.test, answer.picture, "not found", source, "", ""
            continue
        found = answer.found[place]
        facts = source, found.kind, f"{found.score:.3f}"
        if place >= len(answer.sources):
            yield answer.test, answer.picture, f"found at rank {place + 1}", *facts
        if found.kind not in COPIES:
            yield answer.test, answer.picture, "not called a copy", *facts
    for each in answer.wrong():
        facts = each.path, each.kind, f"{each.score:.3f}"
        yield answer.test, answer.picture, "called a copy", *facts


class Errors:
    """Gathers what was wrong; with a folder, the files that were searched by are kept there."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._rows: list[Error] = []

    def look_at(self, question: Question, answer: Answer) -> None:
        """Take an answer; its question's file is kept if the result was wrong."""
        rows = list(errors_of(answer))
        self._rows += rows
        if self._folder and any(error != "not called a copy" for _, _, error, *_ in rows):
            suffix = ".png" if question.data.startswith(b"\x89PNG") else ".jpg"
            name = question.picture.replace("/", "_").rpartition(".")[0]
            place = self._folder / question.test / f"{name}{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(question.data)

    def finish(self, shown: int = 40) -> None:
        """Print the first wrong calls, how many errors of each kind there are, and write all."""
        wrong = [row for row in self._rows if row[2] == "called a copy"]
        print(f"\nCalled copies that are none: {len(wrong)} pairs.")
        for test, picture, _, result, kind, score in wrong[:shown]:
            print(f"- {test}: {picture} → {result} ({kind}, {score})")
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "errors.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([_COLUMNS, *self._rows])
            print(f"All {len(self._rows)} errors are in {self._folder / 'errors.csv'}.")
