"""Measured figures → a Markdown table, one PASS or FAIL line for each expectation, an exit code."""

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parent / "results"
_TOLD_VERSIONS = ("faiss-cpu", "openvino", "gradio", "pillow", "numpy")


@dataclass(frozen=True)
class Expectation:
    """What a figure has to reach, in words, and whether it does."""

    words: str
    met: bool


class Report:
    """Gathers figures under a title; every figure is printed as soon as it is there."""

    def __init__(self, title: str, command: str) -> None:
        self._title = title
        self._command = command
        self._load = OtherWork()
        self._rows: list[tuple[str, str]] = []
        self._expected: list[tuple[str, Expectation]] = []
        self._numbers: dict[str, Any] = {}

    def keep(self, **numbers: Any) -> None:
        """Keep figures as numbers too, for the JSON alone."""
        self._numbers |= numbers

    def add(self, measure: str, figure: str, expected: Expectation | None = None) -> None:
        """Take one figure, and what it had to be if anything was expected of it."""
        self._rows.append((measure, figure))
        if expected is not None:
            self._expected.append((measure, expected))
        print(f"{measure}: {figure}", flush=True)

    def text(self) -> str:
        """Return the report as Markdown."""
        lines = [f"# {self._title}", "", f"`{self._command}` on {machine()}.", ""]
        lines += [f"Other work took {self._load.share():.0%} of the processors meanwhile.", ""]
        lines += ["| measure | figure |", "|---|---|"]
        lines += [f"| {measure} | {figure} |" for measure, figure in self._rows]
        if self._expected:
            lines += [""]
        for measure, expected in self._expected:
            verdict = "PASS" if expected.met else "FAIL"
            lines += [f"- {verdict}: {measure}, expected {expected.words}"]
        return "\n".join(lines) + "\n"

    def as_json(self) -> str:
        """Return the report as JSON, from which docs/performance.md is made."""
        values = {
            "title": self._title,
            "command": self._command,
            "machine": machine(),
            **self._numbers,
            "other_work": round(self._load.share(), 2),
            "figures": dict(self._rows),
            "expected": [
                {"measure": measure, "words": expected.words, "met": expected.met}
                for measure, expected in self._expected
            ],
        }
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"

    def finish(self, save: str | None) -> int:
        """Print all, keep it as results/`save`.md and .json if named.

        Return 1 if an expectation failed.
        """
        print(f"\n{self.text()}")
        if save:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{save}.md").write_text(self.text(), encoding="utf-8")
            (RESULTS / f"{save}.json").write_text(self.as_json(), encoding="utf-8")
        return 0 if all(expected.met for _, expected in self._expected) else 1


def at_least(value: float, least: float, words: str) -> Expectation:
    """Return the expectation that `value` is `least` or more; `words` writes the bound."""
    return Expectation(f"≥ {words}", bool(value >= least))


def at_most(value: float, most: float, words: str) -> Expectation:
    """Return the expectation that `value` is `most` or less; `words` writes the bound."""
    return Expectation(f"≤ {words}", bool(value <= most))


class OtherWork:
    """Watches, from when it is made, what other programs take of the processors."""

    def __init__(self) -> None:
        self._started, self._others = time.perf_counter(), _seconds_of_others()

    def share(self) -> float:
        """Return the share of all processors' time since then that went elsewhere, 0 to 1."""
        elapsed = time.perf_counter() - self._started
        return max(0.0, _seconds_of_others() - self._others) / (elapsed * (os.cpu_count() or 1))


def _seconds_of_others() -> float:
    machine = psutil.cpu_times()
    busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    own = psutil.Process().cpu_times()
    return float(busy - sum(own) + getattr(own, "iowait", 0.0))


def machine() -> str:
    """Return the kind of machine and the versions that the figures depend on."""
    versions = ", ".join(f"{name} {version(name)}" for name in _TOLD_VERSIONS)
    return (
        f"{platform.system()} {platform.machine()}, {cores()} cores{instructions()}, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"Python {platform.python_version()}, {versions}; {datetime.now(UTC):%Y-%m-%d}"
    )


def instructions() -> str:
    """Return what makes a processor's networks fast, as " with AMX"; '' where that is not known."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return ""
    known = {"amx_tile": "AMX", "avx512_bf16": "AVX-512 BF16", "avx512_vnni": "AVX-512 VNNI"}
    return next((f" with {name}" for flag, name in known.items() if flag in flags), "")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(psutil.Process().cpu_affinity() or []) or os.cpu_count() or 1


def real_data() -> Path | None:
    """Return the folder that REAL_DATA names, which holds caltech101/; None if it is not set."""
    folder = os.environ.get("REAL_DATA")
    return Path(folder).resolve() if folder else None


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with the option that both commands share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--save", metavar="NAME", help="keep the table as benchmarks/results/NAME.md"
    )
    return parser
