"""Queries that come at the same time share batches, and each gets its own features."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed.shared import TOGETHER, SharedBatches
from app.errors import ModelError


class Gated:
    """A runtime whose features are the pictures' first pixels; it waits for its gate."""

    precision = "f32"

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.ran: list[int] = []

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert len(batch) == self.batch
        self.entered.release()
        assert self.gate.wait(20)
        self.ran.append(int((batch[:, 0, 0, 0] > 0).sum()))
        if (batch == 99).any():
            raise ModelError("It cannot run.")
        return batch[:, 0, 0, :1].astype(np.float32)


def one(number: int) -> NDArray[np.uint8]:
    return np.full((1, 2, 2, 3), number, np.uint8)


def wait_for(is_so: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if is_so():
            return
        threading.Event().wait(0.005)
    pytest.fail("it does not come")


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(16)


def loaded() -> tuple[SharedBatches, Gated, Gated]:
    """Return shared batches whose network for several pictures is loaded."""
    single, several = Gated(1), Gated(TOGETHER)
    shared = SharedBatches(single, lambda: several)
    shared._load()
    return shared, single, several


def test_alone_a_picture_is_run_at_once(pool: ThreadPoolExecutor) -> None:
    shared, single, several = loaded()
    single.gate.set()
    assert shared.run(one(7)).tolist() == [[7]]
    assert (single.ran, several.ran) == ([1], [])


def test_those_that_come_meanwhile_go_together(pool: ThreadPoolExecutor) -> None:
    shared, single, several = loaded()
    first = pool.submit(shared.run, one(1))
    assert single.entered.acquire(timeout=20)
    others = [pool.submit(shared.run, one(number)) for number in range(2, 13)]
    wait_for(lambda: len(shared._waiting) == 11)
    single.gate.set()
    several.gate.set()
    assert [first.result(20).item(), *(each.result(20).item() for each in others)] == list(
        range(1, 13)
    )
    assert several.ran == [4, 4, 3], "the last is filled up with zeros"
    assert single.ran == [1]
    assert shared.run(one(40)).item() == 40, "then it is idle again"


def test_two_are_run_one_after_the_other(pool: ThreadPoolExecutor) -> None:
    shared, single, several = loaded()
    futures = [pool.submit(shared.run, one(1))]
    assert single.entered.acquire(timeout=20)
    futures += [pool.submit(shared.run, one(number)) for number in (2, 3)]
    wait_for(lambda: len(shared._waiting) == 2)
    single.gate.set()
    assert [each.result(20).item() for each in futures] == [1, 2, 3]
    assert several.ran == []


def test_the_larger_network_is_loaded_when_it_is_needed(pool: ThreadPoolExecutor) -> None:
    asked = threading.Event()

    def load() -> Gated:
        asked.set()
        raise ModelError("There is no memory for it.")

    single = Gated(1)
    shared = SharedBatches(single, load)
    futures = [pool.submit(shared.run, one(1))]
    assert single.entered.acquire(timeout=20)
    assert not asked.is_set()
    futures += [pool.submit(shared.run, one(number)) for number in range(2, 8)]
    wait_for(lambda: len(shared._waiting) == 6)
    single.gate.set()
    assert [each.result(20).item() for each in futures] == [1, 2, 3, 4, 5, 6, 7]
    assert asked.wait(20)


def test_an_error_reaches_those_of_its_batch_and_nobody_else(pool: ThreadPoolExecutor) -> None:
    shared, single, several = loaded()
    futures = [pool.submit(shared.run, one(1))]
    assert single.entered.acquire(timeout=20)
    for number in (2, 3, 99, 5, 6, 7, 8):
        futures.append(pool.submit(shared.run, one(number)))
        wait_for(lambda: len(shared._waiting) == len(futures) - 1)
    single.gate.set()
    several.gate.set()
    ended = [each.exception(20) for each in futures]
    assert [type(each) for each in ended] == [type(None)] + [ModelError] * 4 + [type(None)] * 3
    assert [each.result().item() for each in futures[5:]] == [6, 7, 8]


@pytest.mark.parametrize("at_once", [1, 3])
def test_many_threads_for_long(pool: ThreadPoolExecutor, at_once: int) -> None:
    shared, single, several = loaded()
    shared._at_once = at_once
    single.gate.set()
    several.gate.set()
    numbers = [1 + number % 90 for number in range(2_000)]
    found = list(pool.map(lambda number: shared.run(one(number)).item(), numbers))
    assert found == numbers
    assert shared._running == 0


def test_with_several_streams_batches_run_side_by_side(pool: ThreadPoolExecutor) -> None:
    single, several = Gated(1), Gated(TOGETHER)
    shared = SharedBatches(single, lambda: several, at_once=2)
    shared._load()
    futures = [pool.submit(shared.run, one(1))]
    assert single.entered.acquire(timeout=20)
    futures.append(pool.submit(shared.run, one(2)))
    assert single.entered.acquire(timeout=20), "the second stream is free"
    futures += [pool.submit(shared.run, one(number)) for number in range(3, 11)]
    wait_for(lambda: len(shared._waiting) == 8)
    single.gate.set()
    for _ in range(2):
        assert several.entered.acquire(timeout=20), "two batches at once"
    several.gate.set()
    assert sorted(each.result(20).item() for each in futures) == list(range(1, 11))
    assert shared._running == 0
