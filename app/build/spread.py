"""Where batches of pictures are embedded: in threads of this process, or anywhere else."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from app.build.work import Batch, Work
from app.sources.picture import Picture


class Pending(Protocol):
    """A batch that is being embedded."""

    def result(self) -> Batch:
        """Wait for it; an AppError says why it cannot be had."""

    def cancel(self) -> object:
        """Give it up, where it has not begun."""


@dataclass(frozen=True)
class Lanes:
    """A way for batches that is open: at most so many pictures in one, so many batches under way.

    What is under way is what memory has to hold.
    """

    submit: Callable[[Sequence[Picture]], Pending]
    pictures: int
    ahead: int


class Spread(Protocol):
    """What embeds batches."""

    def open(self, work: Work) -> AbstractContextManager[Lanes]:
        """Make ready for the batches of one build."""


@dataclass(frozen=True)
class Threads:
    """Threads of this process, as many as are said."""

    workers: int

    @contextmanager
    def open(self, work: Work) -> Iterator[Lanes]:
        """Give each batch, as large as the network's, to a thread."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="embed") as pool:

            def submit(pictures: Sequence[Picture]) -> "Future[Batch]":
                return pool.submit(work.embed, pictures)

            yield Lanes(submit, work.embedder.batch, 2 * self.workers)
