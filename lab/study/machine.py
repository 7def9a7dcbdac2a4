"""The machine that measures → in words, without its name."""

import platform

import psutil

from app.embed.load import usable_cores


def machine() -> str:
    """Return the kind of machine, its processors and memory, and Python's version."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {usable_cores()} cores, "
        f"{memory:.0f} GiB of memory, Python {platform.python_version()}"
    )
