"""Questions with known sources, asked one by one → how many sources were found and named.

What answers is a function from a file's bytes to `Found` images, best first; nothing here knows
which program stands behind it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDITED_COPY = "edited copy"
COPIES = frozenset({"same file", "same picture", EDITED_COPY})
"""The classes that say: this is the picture you have. "same scene" and "similar" do not."""


@dataclass(frozen=True)
class Found:
    """One result: the picture's path, the class that it was given ('' for none), its confidence."""

    path: str
    kind: str
    score: float


Ask = Callable[[bytes], Sequence[Found]]
_WARM_UP = 5


@dataclass(frozen=True)
class Question:
    """A file to search by, what was done to which picture, and the photographs that are its source.

    `test` is the name of the edit, or of the set of pictures that have no source in the gallery.
    """

    test: str
    picture: str
    sources: tuple[str, ...]
    data: bytes


@dataclass(frozen=True)
class Answer:
    """What was found for a question, as photographs, each once; the question's data is let go."""

    test: str
    picture: str
    sources: tuple[str, ...]
    found: tuple[Found, ...]
    seconds: float

    @property
    def first(self) -> int:
        """How many of its sources are among the first results, of which as many are looked at."""
        looked_at = self.found[: len(self.sources)]
        return sum(each.path in self.sources for each in looked_at)

    def called(self, kinds: Iterable[str]) -> int:
        """Return how many of its sources were given one of some classes."""
        return sum(each.path in self.sources and each.kind in kinds for each in self.found)

    def wrong(self, kinds: Iterable[str] = COPIES) -> list[Found]:
        """Return the results that are no source but were given one of some classes."""
        return [each for each in self.found if each.path not in self.sources and each.kind in kinds]


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN of nothing."""
        return self.hits / self.of if self.of else float("nan")

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.hits} of {self.of})" if self.of else "none"


def ask_all(
    questions: Iterable[Question],
    ask: Ask,
    photograph: Mapping[str, str],
    *,
    on_answer: Callable[[Question, Answer], None] = lambda *_: None,
) -> list[Answer]:
    """Ask one question after the other; `photograph` says what each path of the gallery shows."""
    answers = []
    for question in questions:
        started = time.perf_counter()
        found = ask(question.data)
        seconds = time.perf_counter() - started
        answer = Answer(
            question.test,
            question.picture,
            question.sources,
            _photographs(found, photograph),
            seconds,
        )
        on_answer(question, answer)
        answers.append(answer)
    return answers


def seconds_beyond(files: Iterable[bytes], ask: Ask, other: Ask) -> float:
    """Return how much longer one way to ask takes than another: the median, in seconds.

    Each file is asked for in both ways, one after the other; the first few do not count.
    """
    differences = []
    for data in files:
        moments = [time.perf_counter()]
        for way in (ask, other):
            way(data)
            moments.append(time.perf_counter())
        first, second = np.diff(moments)
        differences.append(first - second)
    return float(np.median(differences[_WARM_UP:] or differences))


def _photographs(found: Iterable[Found], photograph: Mapping[str, str]) -> tuple[Found, ...]:
    """Return one result for each photograph: its best place, class and score among its files."""
    best: dict[str, Found] = {}
    for each in found:
        name = photograph.get(each.path, each.path)
        other = best.get(name)
        if other is None:
            best[name] = Found(name, each.kind, each.score)
        elif each.kind in COPIES and other.kind not in COPIES:
            best[name] = Found(name, each.kind, max(each.score, other.score))
    return tuple(best.values())


def sources_first(answers: Sequence[Answer]) -> Share:
    """Return the share of sources at rank 1; of a picture with n sources, among the first n."""
    return Share(
        sum(each.first for each in answers),
        sum(len(each.sources) for each in answers),
    )


def sources_called(answers: Sequence[Answer], kinds: Iterable[str] = COPIES) -> Share:
    """Return the share of sources that were given one of some classes."""
    kinds = frozenset(kinds)
    return Share(
        sum(each.called(kinds) for each in answers),
        sum(len(each.sources) for each in answers),
    )


def calls_that_are_right(answers: Sequence[Answer], kind: str = EDITED_COPY) -> Share:
    """Return the precision of a class: of the results that were given it, those that are sources.

    A re-saved source that is called an edited copy is right here: the pair is one of copies.
    """
    right = sum(each.called({kind}) for each in answers)
    return Share(right, right + sum(len(each.wrong({kind})) for each in answers))


def with_wrong_copies(answers: Sequence[Answer]) -> Share:
    """Return the share of queries for which something was called a copy that is none."""
    return Share(sum(bool(each.wrong()) for each in answers), len(answers))


def micro_average_precision(answers: Sequence[Answer]) -> float:
    """Return the area under precision over recall of all pairs of query and result, by confidence.

    Douze et al., The 2021 Image Similarity Dataset and Challenge. A source that is not among the
    results counts as never found; pairs of equal confidence come in together. 0 without sources.
    """
    precision, recall = _curve(answers)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def recall_at_precision(answers: Sequence[Answer], precision: float = 0.9) -> float:
    """Return the largest share of sources found by a confidence at which so many pairs are right.

    0 where there is no such confidence.
    """
    precisions, recalls = _curve(answers)
    return float(np.max(recalls[precisions >= precision], initial=0.0))


def _curve(answers: Sequence[Answer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall at each confidence that a pair has, the highest first."""
    pairs = [(found.score, found.path in each.sources) for each in answers for found in each.found]
    sources = sum(len(each.sources) for each in answers)
    if not pairs or not sources:
        return np.zeros(0), np.zeros(0)
    scores, right = (np.array(column) for column in zip(*pairs, strict=True))
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(right[order])[ends]
    return hits / (ends + 1), hits / sources


def milliseconds(answers: Sequence[Answer]) -> tuple[float, float]:
    """Return the median and the 95th percentile of the time of a query."""
    median, p95 = np.percentile([1e3 * each.seconds for each in answers], [50, 95])
    return float(median), float(p95)
