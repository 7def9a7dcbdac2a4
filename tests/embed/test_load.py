"""How many processors are used: those that are there, and no more than a container may take."""

import os
from pathlib import Path

import pytest

from app.embed import load


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with eight processors, and the folder of its control groups."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(load, "_CGROUPS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        *(("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("20000 100000", 1)),
        *(("1600000 100000", 8), ("", 8), ("nonsense", 8), ("100000 0", 8)),
    ],
)
def test_a_containers_share_is_kept_to(eight: Path, limit: str, cores: int) -> None:
    (eight / "cpu.max").write_text(f"{limit}\n")
    assert load.usable_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3), ("50000", 1)])
def test_of_the_first_version_of_control_groups_too(eight: Path, quota: str, cores: int) -> None:
    (eight / "cpu").mkdir()
    (eight / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (eight / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert load.usable_cores() == cores


def test_without_control_groups_all_processors_are_used(
    eight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load.usable_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5}, raising=False)
    assert load.usable_cores() == 2
