"""The number of threads of a search: one, as ann-benchmarks measures, or as `searching` sets it.

Indexes are built with all of the machine's cores.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

from app.embed.load import usable_cores

SEARCH_THREADS = 1

_limit: int | None = None


@contextlib.contextmanager
def searching(threads: int = SEARCH_THREADS) -> Iterator[int]:
    """Let what is done within search with so many threads; gives their number.

    Every adapter's search enters it; within an outer one it changes nothing, which saves the
    milliseconds that it takes: a study enters it once around many searches.
    """
    global _limit
    if _limit is not None:
        yield _limit
        return
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    _limit = threads
    try:
        with threadpool_limits(limits=threads):
            if torch:
                torch.set_num_threads(threads)
            yield threads
    finally:
        _limit = None
        if torch:
            torch.set_num_threads(before)


def building() -> int:
    """Return how many threads build an index: OMP_NUM_THREADS where it is set, else all cores."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdigit() and int(threads) else usable_cores()
