"""Searches beside a writer: each is answered from one state, and from none older than it began."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.build.additions import NewImage
from app.gallery import Gallery
from app.images import decode
from app.index import Neighbours
from app.values.vectors import unit
from tests.build.lives.world import (
    DIM,
    EMBEDDER,
    Item,
    Items,
    World,
    direction,
    jpeg,
)
from tests.conftest import Home

QUERIES = np.stack([direction(seed) for seed in range(500)])
K = 10


class State:
    """What a gallery holds in one generation, and the scores of all queries with it."""

    def __init__(self, items: Items) -> None:
        self.ids = np.array(sorted(items), np.int64)
        vectors = np.array([items[image].vector for image in self.ids.tolist()], np.float32)
        self.vectors = unit(vectors.reshape(-1, DIM))
        self.scores = QUERIES @ self.vectors.T
        self.best = -np.sort(-self.scores, axis=1)[:, :K]

    def check(self, found: Neighbours, *, complete: bool) -> None:
        """Check answers for all queries; `complete` says that they are the best there are."""
        assert found.rows.shape == self.best.shape
        assert (np.diff(np.sort(found.rows, axis=1), axis=1) > 0).all(), "an id is there twice"
        places = np.searchsorted(self.ids, found.rows)
        assert (np.append(self.ids, -1)[places] == found.rows).all(), "an id is not of this state"
        scores = np.take_along_axis(self.scores, places, axis=1)
        np.testing.assert_allclose(found.scores, scores, atol=2e-6)
        if complete:
            np.testing.assert_allclose(found.scores, self.best, atol=2e-6)


class Writer:
    """Changes a gallery all the time. `states` has a generation before it can be seen."""

    def __init__(self, world: World) -> None:
        self.world = world
        gallery = world.open()
        self.items: Items = {
            record.id: Item.of((world.pictures / record.path).read_bytes())
            for record in gallery.images(gallery.ids().tolist())
        }
        self.paths = {record.path: record.id for record in gallery.images(gallery.ids().tolist())}
        self.done = gallery.manifest.generation
        self.next_id = gallery.manifest.next_id
        gallery.close()
        self.states = {self.done: State(self.items)}
        self.stop = threading.Event()
        self._numbers = count(1_000)
        self._drawn = np.random.default_rng(0)

    def run(self) -> None:
        changes = (self.add, self.remove, self.add, self.update, self.remove, self.compact)
        for turn in count():
            if self.stop.is_set():
                return
            changes[turn % len(changes)]()

    def add(self) -> None:
        data = [jpeg(next(self._numbers)) for _ in range(3)]
        for number, each in enumerate(data):
            self.items[self.next_id + number] = Item.of(each)
        with self.committing():
            self.world.add(*(NewImage(f"{len(each)}.jpg", each) for each in data))
        self.next_id += 3

    def remove(self) -> None:
        excess = max(0, len(self.items) - 60)
        chosen = self._drawn.choice(sorted(self.items), 1 + excess, replace=False).tolist()
        kept = set(self.paths.values()) - {max(self.paths.values())}
        chosen = [image for image in chosen if image not in kept or self._drawn.random() < 0.5]
        for image in chosen:
            del self.items[image]
        if chosen:
            with self.committing():
                self.world.remove(*chosen)

    def update(self) -> None:
        """Change a picture, which keeps its id where that was not removed."""
        path = self._drawn.choice(sorted(self.paths))
        data = jpeg(next(self._numbers))
        self.world.write(path, data)
        if self.paths[path] not in self.items:
            self.paths[path], self.next_id = self.next_id, self.next_id + 1
        self.items[self.paths[path]] = Item.of(data)
        with self.committing():
            self.world.update()

    def compact(self) -> None:
        with self.committing():
            assert self.world.compact()

    @contextmanager
    def committing(self) -> Iterator[None]:
        self.states[self.done + 1] = State(self.items)
        yield
        self.done += 1


class Searcher:
    """Searches in a gallery that it opens again when it has changed; or through a service."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.searches = 0
        self.generations: set[int] = set()
        self._gallery: Gallery | None = None

    def search(self, *, exact: bool) -> None:
        oldest = self.writer.done
        if self._gallery is None or self._gallery.replaced():
            self._gallery = Gallery(self.writer.world.folders, before=self._gallery)
        generation = self._gallery.manifest.generation
        assert generation >= oldest, "an old state was searched"
        found = self._gallery.search(QUERIES, K, exact=exact)
        self.writer.states[generation].check(found, complete=exact)
        self.searches += len(QUERIES)
        self.generations.add(generation)


def search_much(writer: Writer, wanted: int, states: int) -> None:
    """Let threads search until they have made so many searches in so many states together."""
    searchers = [Searcher(writer) for _ in range(3)]
    failures: list[BaseException] = []

    def done() -> bool:
        generations = frozenset().union(*(list(each.generations) for each in searchers))
        return sum(each.searches for each in searchers) >= wanted and len(generations) >= states

    def work(searcher: Searcher) -> None:
        try:
            while not done() and not failures:
                searcher.search(exact=searcher.searches // len(QUERIES) % 2 == 0)
        except BaseException as exc:
            failures.append(exc)
            raise

    running = [threading.Thread(target=work, args=[each]) for each in searchers]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def writing(home: Path) -> Iterator[Writer]:
    """Give a writer that is at work."""
    world = World(Home(home))
    for n in range(60):
        world.write(f"{n:03}.jpg", jpeg(n))
    world.build()
    writer = Writer(world)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            writer.run()
        except BaseException as exc:
            failures.append(exc)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield writer
    finally:
        writer.stop.set()
        thread.join()
    assert not failures, failures


def test_every_search_beside_a_writer_is_answered_from_one_state(tmp_path):
    with writing(tmp_path) as writer:
        search_much(writer, 2_000, states=4)


@pytest.mark.slow
def test_a_million_searches_beside_a_writer_are_answered_from_one_state_each(tmp_path):
    with writing(tmp_path) as writer:
        search_much(writer, 1_000_000, states=50)


def ask_service(writer: Writer, wanted: int) -> None:
    """Let threads ask one service for pictures; each answer is that of a state since then."""
    service = writer.world.home.service()
    asked, failures = count(), []

    def work() -> None:
        try:
            while (number := next(asked)) < wanted and not failures:
                ask(jpeg(number % 60))
        except BaseException as exc:
            failures.append(exc)
            raise

    def ask(data: bytes) -> None:
        first = writer.done
        result = service.search("mine", data, k=K, exact=True)
        last = max(writer.states)
        found = [(hit.image.id, hit.score) for hit in result.hits]
        states = [writer.states[each] for each in range(first, last + 1)]
        assert any(answers(state, data, found) for state in states), (first, last, found)

    running = [threading.Thread(target=work) for _ in range(3)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


def answers(state: State, data: bytes, found: list[tuple[int, float]]) -> bool:
    """Return whether a state has the ids with these scores, and no better ones."""
    scores = query_of(data) @ state.vectors.T
    places = np.searchsorted(state.ids, [image for image, _ in found])
    if not (np.append(state.ids, -1)[places] == [image for image, _ in found]).all():
        return False
    given = np.array([score for _, score in found])
    best = np.sort(scores)[::-1][:K]
    return (
        len(set(places.tolist())) == len(best) == len(found)
        and np.allclose(given, scores[places], atol=2e-6)
        and np.allclose(np.sort(given)[::-1], best, atol=2e-6)
    )


def query_of(data: bytes) -> NDArray[np.float32]:
    pixels = decode.decode(data, min_side=EMBEDDER.decoded_side)
    query: NDArray[np.float32] = EMBEDDER.embed([pixels])[0]
    return query


def test_a_service_beside_a_writer_answers_from_one_state(tmp_path):
    with writing(tmp_path) as writer:
        ask_service(writer, 150)


@pytest.mark.slow
def test_a_service_beside_a_writer_answers_10000_times_from_one_state(tmp_path):
    with writing(tmp_path) as writer:
        ask_service(writer, 10_000)
