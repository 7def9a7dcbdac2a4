"""A network on this processor → the precision in which it is the fastest, by measurement."""

import json
import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.values.files import replacing

_WORTH = 1.2  # times as fast; for less nobody gives up digits
_SECONDS = 0.3
_ROUNDS = 3


class _Runs(Protocol):
    def run(self, batch: NDArray[Any], /) -> NDArray[np.float32]: ...


Load = Callable[[str], _Runs]


def fastest(
    network: Path, batch: NDArray[Any], load: Load, *, threads: int, has_bf16: bool
) -> tuple[str, str]:
    """Return "f32" or "bf16", and in a few words why; '' where there is no choice.

    `load` gives a runtime for a precision, which runs `batch` in `threads` threads, as a build
    does. What was measured is kept beside the network, for this processor and that number of
    threads.
    """
    if not has_bf16:
        return "f32", ""
    rates = _known(network, threads)
    if rates is None:
        rates = _measured(batch, load, threads)
        _keep(network, threads, rates)
    chosen = "bf16" if rates["bf16"] >= _WORTH * rates["f32"] else "f32"
    # The machine may have been busy: how the two compare is true all the same.
    return chosen, (
        f"calculated in {'bfloat16' if chosen == 'bf16' else '32 bits'}: on this processor the "
        f"network alone is {rates['bf16'] / rates['f32']:.1f} times as fast in bfloat16 as in "
        "32 bits"
    )


def _measured(batch: NDArray[Any], load: Load, threads: int) -> dict[str, float]:
    """Return images, or texts, per second of each precision: the best of short rounds by turns."""
    runtimes = {precision: load(precision) for precision in ("f32", "bf16")}
    rates = dict.fromkeys(runtimes, 0.0)
    for _ in range(_ROUNDS):
        for precision, runtime in runtimes.items():
            rates[precision] = max(rates[precision], _rate(runtime, batch, threads))
    return rates


def _rate(runtime: _Runs, batch: NDArray[Any], threads: int) -> float:
    done = [0] * threads
    started = time.perf_counter()

    def run(thread: int) -> None:
        while not done[thread] or time.perf_counter() - started < _SECONDS:
            runtime.run(batch)
            done[thread] += len(batch)

    workers = [threading.Thread(target=run, args=[thread]) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - started)


def _place(network: Path) -> Path:
    return network.with_suffix(".speeds.json")


def _here(threads: int) -> str:
    """Return what the speeds depend on, in words."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "flags")):
                name += line.partition(":")[2]
            if line.startswith("flags"):
                break
    return f"{name}; {os.cpu_count()} processors; {threads} threads"


def _known(network: Path, threads: int) -> dict[str, float] | None:
    try:
        kept = json.loads(_place(network).read_text(encoding="utf-8"))
        rates = kept["images_per_second"] if kept["here"] == _here(threads) else None
        return {each: float(rates[each]) for each in ("f32", "bf16")} if rates else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(network: Path, threads: int, rates: dict[str, float]) -> None:
    kept = {"here": _here(threads), "images_per_second": rates}
    with suppress(OSError), replacing(_place(network)) as new:  # it is measured again, then
        new.write_text(json.dumps(kept, indent=1), encoding="utf-8")
