"""No server gets too many requests or too soon, and none holds up another."""

import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import FetchError
from app.sources.lists import Row
from app.sources.schedule import Politeness, Schedule, Turn

QUICK = Politeness(first_wait=0, longest_wait=0, pause=0, longest_pause=0)
FAR = 1000.0  # seconds: longer than any test


def rows_of(*hosts: str) -> list[Row]:
    return [Row(n, str(n), f"http://{host}.example/{n}.jpg") for n, host in enumerate(hosts, 2)]


def taken(schedule: Schedule) -> Turn:
    assert schedule.seconds_to_wait() == 0
    turn = schedule.take()
    assert turn is not None
    return turn


def host_of(turn: Turn) -> str:
    return turn.row.url.split("/")[2].removesuffix(".example")


def unreachable() -> FetchError:
    return FetchError("It cannot be reached.", retryable=True, unreachable=True)


def overloaded(retry_after_seconds: float | None = None) -> FetchError:
    return FetchError(
        "Busy.", retryable=True, overloaded=True, retry_after_seconds=retry_after_seconds
    )


def test_rows_go_in_the_order_of_the_list_and_hosts_by_turns() -> None:
    schedule = Schedule(rows_of("a", "a", "a", "b", "b", "c"))
    assert [taken(schedule).row.number for _ in range(6)] == [2, 5, 7, 3, 6, 4]


def test_a_host_keeps_its_place_when_one_of_its_rows_comes_back() -> None:
    schedule = Schedule(rows_of(*"aabb"))
    first, _ = taken(schedule), taken(schedule)
    schedule.give_back(first, "a.jpg")
    assert taken(schedule).row.number == 3


def test_a_host_gets_no_more_than_its_connections() -> None:
    schedule = Schedule(rows_of(*"aaaab"), replace(QUICK, connections_a_host=2))
    first, _, _ = (taken(schedule) for _ in range(3))
    assert schedule.seconds_to_wait() is None, "both hosts have all that they may get"
    schedule.give_back(first, "a.jpg")
    assert taken(schedule).row.number == 4
    assert schedule.seconds_to_wait() is None


@pytest.mark.parametrize(
    ("asked", "seconds"), [(60.0, 60), (0.0, 0), (9e9, 120), (None, 5)], ids=str
)
def test_a_host_that_asks_for_a_pause_gets_it_for_all_its_rows_up_to_a_bound(
    asked: float | None, seconds: float
) -> None:
    polite = replace(QUICK, pause=5, longest_pause=120)
    schedule = Schedule(rows_of(*"aaa"), polite)
    first, second = taken(schedule), taken(schedule)
    before = time.monotonic()
    assert schedule.give_back(first, overloaded(asked)) == []
    schedule.give_back(second, "was on its way.jpg")
    waits = schedule.seconds_to_wait()
    assert waits is not None
    assert seconds - (time.monotonic() - before) <= waits <= seconds


def test_a_short_pause_does_not_end_a_longer_one() -> None:
    schedule = Schedule(rows_of(*"aaa"), replace(QUICK, longest_pause=FAR))
    first, second = taken(schedule), taken(schedule)
    schedule.give_back(first, overloaded(FAR))
    schedule.give_back(second, overloaded(0))
    assert (schedule.seconds_to_wait() or 0) > FAR / 2


def test_a_row_that_failed_waits_longer_each_time_and_holds_up_no_other() -> None:
    polite = replace(QUICK, attempts=4, first_wait=FAR, longest_wait=3 * FAR)
    schedule = Schedule(rows_of(*"ab"), polite)
    failed = taken(schedule)
    schedule.give_back(failed, FetchError("500", retryable=True))
    assert host_of(taken(schedule)) == "b"
    for attempt, least in ((1, FAR), (2, 2 * FAR), (3, 3 * FAR)):
        schedule = Schedule(rows_of("a"), polite)
        turn = replace(taken(schedule), attempt=attempt)
        assert schedule.give_back(turn, FetchError("500", retryable=True)) == []
        waits = schedule.seconds_to_wait()
        assert waits is not None
        assert least * 0.99 < waits <= least * 1.5
    schedule = Schedule(rows_of("a"), polite)
    error = FetchError("500", retryable=True)
    turn = replace(taken(schedule), attempt=4)
    assert schedule.give_back(turn, error) == [(turn.row, error)]
    assert schedule.take() is None


def test_a_host_that_cannot_be_reached_is_left_alone_longer_with_each_round() -> None:
    polite = replace(QUICK, connections_a_host=2, first_wait=FAR, longest_wait=FAR * 100)
    schedule = Schedule(rows_of(*"aab"), polite)
    first, _, third = taken(schedule), taken(schedule), taken(schedule)
    assert [host_of(turn) for turn in (first, third)] == ["a", "a"]
    schedule.give_back(first, unreachable())
    once = schedule.seconds_to_wait() or 0
    schedule.give_back(third, unreachable())
    twice = schedule.seconds_to_wait() or 0
    assert FAR * 0.99 < once <= FAR * 1.5
    assert FAR * 1.99 < twice <= FAR * 3


def test_a_host_that_cannot_be_reached_is_given_up_with_all_its_rows_and_no_other() -> None:
    polite = replace(QUICK, failures_in_a_row=3, connections_a_host=1, attempts=99)
    schedule = Schedule(rows_of(*"aaaabbbb"), polite)
    asked, done = [], []
    while (turn := schedule.take()) is not None:
        asked.append(host_of(turn))
        done += schedule.give_back(turn, unreachable() if asked[-1] == "a" else "b.jpg")
    assert sorted(asked) == [*"aaabbbb"]
    assert sorted(row.number for row, _ in done) == list(range(2, 10))
    given_up = [reason for _, reason in done if isinstance(reason, FetchError)]
    assert len(given_up) == 4
    for reason in given_up[1:]:
        assert "a.example" in str(reason)
        assert "cannot be reached" in str(reason)


def test_an_answer_in_between_starts_the_count_again() -> None:
    polite = replace(QUICK, failures_in_a_row=2, connections_a_host=1, attempts=99)
    schedule = Schedule(rows_of(*"aaa"), polite)
    for outcome in (unreachable(), FetchError("404"), unreachable()):
        assert len(schedule.give_back(taken(schedule), outcome)) == (not outcome.unreachable)
    assert len(schedule.give_back(taken(schedule), unreachable())) == 2


def test_a_thread_that_waits_is_woken_by_a_row_that_comes_back_and_by_the_end() -> None:
    schedule = Schedule(rows_of(*"aa"), replace(QUICK, connections_a_host=1))
    first = taken(schedule)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(schedule.take) for _ in range(2)]
        schedule.give_back(first, "a.jpg")
        (woken,) = wait(waiting, timeout=60, return_when=FIRST_COMPLETED).done
        assert woken.result() == Turn(0, 1, rows_of(*"aa")[1])
        schedule.stop()
        assert sum(each.result() is None for each in waiting) == 1
    assert schedule.take() is None


@given(
    hosts=st.lists(st.sampled_from("abcd"), max_size=30),
    outcomes=st.lists(st.sampled_from(["ok", "404", "500", "429", "dead"]), min_size=1),
    held=st.integers(1, 6),
)
def test_every_row_is_done_once_whatever_its_server_answers(
    hosts: list[str], outcomes: list[str], held: int
) -> None:
    errors = {
        "404": FetchError("404"),
        "500": FetchError("500", retryable=True),
        "429": overloaded(0),
        "dead": unreachable(),
    }
    rows = rows_of(*hosts)
    schedule = Schedule(rows, replace(QUICK, connections_a_host=2, failures_in_a_row=4))
    out: list[Turn] = []
    done: list[int] = []
    asked = 0
    while len(done) < len(rows):
        if schedule.seconds_to_wait() == 0 and len(out) < held:
            out.append(taken(schedule))
            assert max(map([host_of(turn) for turn in out].count, "abcd")) <= 2
            continue
        outcome = outcomes[asked % len(outcomes)]
        asked += 1
        done += [row.number for row, _ in schedule.give_back(out.pop(0), errors.get(outcome, "x"))]
    assert sorted(done) == [row.number for row in rows]
    assert schedule.take() is None
