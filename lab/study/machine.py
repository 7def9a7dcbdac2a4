"""The machine that measures → in words, without its name."""

import os
import platform

import psutil


def machine() -> str:
    """Return the kind of machine, its processors and memory, and Python's version."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {cores()} cores, {memory:.0f} GiB of memory, "
        f"Python {platform.python_version()}"
    )


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
