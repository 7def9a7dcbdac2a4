"""Counts of found and named copies, on cases that can be counted by hand."""

import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks.copies.measure import (
    Answer,
    Ask,
    Found,
    Question,
    Share,
    ask_all,
    calls_that_are_right,
    micro_average_precision,
    recall_at_precision,
    seconds_beyond,
    sources_called,
    sources_first,
    with_wrong_copies,
)
from benchmarks.copies.table import errors_of


def answer(*found: tuple[str, str, float], sources: tuple[str, ...] = ("a",)) -> Answer:
    return Answer("test", "a", sources, tuple(Found(*each) for each in found), 0.0)


RIGHT = answer(("a", "edited copy", 0.9), ("b", "similar", 0.3))
SECOND = answer(("b", "edited copy", 0.8), ("a", "edited copy", 0.7))
SIMILAR = answer(("a", "similar", 0.6))
MISSED = answer(("b", "", 0.2), ("c", "", 0.1))
STRANGER = answer(("b", "same picture", 0.5), ("c", "edited copy", 0.4), sources=())
COLLAGE = answer(("a", "edited copy", 0.9), ("x", "", 0.5), ("b", "", 0.4), sources=("a", "b", "c"))


def test_sources_at_rank_1_are_counted() -> None:
    assert sources_first([RIGHT, SECOND, SIMILAR, MISSED]) == Share(2, 4)


def test_of_several_sources_as_many_results_are_looked_at() -> None:
    assert sources_first([COLLAGE]) == Share(2, 3)


def test_sources_called_copies_are_counted_wherever_they_stand() -> None:
    assert sources_called([RIGHT, SECOND, SIMILAR, MISSED]) == Share(2, 4)
    assert sources_called([COLLAGE], {"edited copy"}) == Share(1, 3)


def test_the_precision_of_a_class_counts_its_results() -> None:
    assert calls_that_are_right([RIGHT, SECOND, STRANGER]) == Share(2, 4)
    assert calls_that_are_right([STRANGER], "same picture") == Share(0, 1)


def test_a_query_with_two_wrong_copies_counts_once() -> None:
    assert with_wrong_copies([STRANGER, RIGHT, SECOND]) == Share(2, 3)


def test_a_share_of_nothing_is_no_number() -> None:
    assert np.isnan(Share(0, 0).value)
    assert str(Share(0, 0)) == "none"
    assert str(Share(1, 4)) == "0.250 (1 of 4)"


def test_micro_average_precision_of_pairs_in_one_order() -> None:
    # .9 right, .8 wrong, .7 right, .6 right: precision 1, 2/3 and 3/4 at the three right ones.
    assert micro_average_precision([RIGHT, SECOND, SIMILAR, MISSED]) == pytest.approx(
        (1 + 2 / 3 + 3 / 4) / 4
    )


def test_micro_average_precision_of_no_pairs_and_of_no_sources_is_0() -> None:
    assert micro_average_precision([answer()]) == 0
    assert micro_average_precision([STRANGER]) == 0


def test_pairs_of_equal_confidence_come_in_together() -> None:
    equal = [answer(("a", "", 0.5)), answer(("b", "", 0.5), sources=())]
    assert micro_average_precision(equal) == micro_average_precision(equal[::-1]) == 0.5


def test_micro_average_precision_is_that_of_scikit_learn_where_all_is_found() -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 40, 300) / 40, rng.random(300) < 0.3
    answers = [
        answer(("a", "", score), sources=("a",) if source else ())
        for score, source in zip(scores.tolist(), right.tolist(), strict=True)
    ]
    assert micro_average_precision(answers) == pytest.approx(average_precision_score(right, scores))


def test_recall_at_90_percent_precision_is_the_largest() -> None:
    rights = [answer(("a", "", 1 - place / 100)) for place in range(20)]
    wrong = answer(("b", "", 0.95), ("c", "", 0.5), ("d", "", 0.4), sources=())
    # 20 right and 1 wrong are .952, with two more wrong ones less than .9.
    assert recall_at_precision([*rights, wrong]) == 1.0
    assert recall_at_precision([*rights, wrong, MISSED]) == pytest.approx(20 / 21)
    assert recall_at_precision([answer(("b", "", 0.9), ("a", "", 0.8))]) == 0.0


def test_files_of_one_photograph_are_one_result() -> None:
    results = [Found("copy", "similar", 0.9), Found("b", "", 0.8), Found("a", "same file", 0.7)]
    (made,) = ask_all(
        [Question("test", "a", ("a",), b"")], lambda data: results, {"copy": "a", "a": "a"}
    )
    assert made.found == (Found("a", "same file", 0.9), Found("b", "", 0.8))


def test_errors_name_the_pair() -> None:
    assert list(errors_of(RIGHT)) == []
    assert list(errors_of(SECOND)) == [
        ("test", "a", "found at rank 2", "a", "edited copy", "0.700"),
        ("test", "a", "called a copy", "b", "edited copy", "0.800"),
    ]
    assert list(errors_of(SIMILAR)) == [("test", "a", "not called a copy", "a", "similar", "0.600")]
    assert list(errors_of(MISSED)) == [("test", "a", "not found", "a", "", "")]


def test_the_time_beyond_another_way_is_that_of_each_file_by_itself() -> None:
    asked: list[tuple[str, bytes]] = []

    def ask(name: str, seconds: float) -> Ask:
        def answer(data: bytes) -> list[Found]:
            asked.append((name, data))
            time.sleep(seconds)
            return []

        return answer

    beyond = seconds_beyond([b"%d" % n for n in range(7)], ask("long", 0.02), ask("short", 0.01))
    assert 0.005 < beyond < 0.1
    assert asked[:4] == [("long", b"0"), ("short", b"0"), ("long", b"1"), ("short", b"1")]
