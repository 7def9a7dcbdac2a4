"""Turns: so many at once, and in the order in which they came."""

import threading
import time

import pytest

from app.search.turns import Turns


def test_no_more_than_so_many_have_a_turn_at_once() -> None:
    turns, inside, most = Turns(3), [], []

    def take() -> None:
        with turns:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()

    threads = [threading.Thread(target=take) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(most) == 40
    assert max(most) <= 3


def test_who_waits_longest_is_next_and_nobody_passes() -> None:
    turns, order = Turns(1), []

    def take(number: int) -> None:
        with turns:
            order.append(number)

    turns.__enter__()
    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=take, args=[number]))
        threads[-1].start()
        while len(turns._waiting) <= number:
            time.sleep(0.001)
    turns.__exit__()
    for thread in threads:
        thread.join(20)
    assert order == list(range(20))
    with turns:  # it is free again
        assert turns._free == 0


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="no"), turns:
        raise ValueError("no")
    with turns:
        assert turns._free == 0
