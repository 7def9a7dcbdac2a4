"""What a search holds in memory is what docs/scale.md says, and not the gallery."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.gallery import Folders
from app.index import SearchEffort
from tests.conftest import ROOT
from tests.gallery.segments import change, record_of
from tests.index.vectors import unit

DIM, CELLS = 64, 64
ROWS, SEGMENTS = 40_000, 4
AN_IMAGE = 20
A_SEGMENT = 2_500_000 + 4 * CELLS * DIM  # five thumbnails do not fill the other database's cache
AT_FIRST = 40  # an image of one segment, while lengths and contents are found


def made(folders: Folders, segments: int, rows: int) -> None:
    """Make a gallery of segments that each have a shortlist."""
    for first in range(0, segments * rows, rows):
        vectors = unit(np.random.default_rng(first).normal(size=(rows, DIM)))
        records = [record_of(first + row, labels=()) for row in range(rows)]
        effort = SearchEffort(probes=4, candidates=40)
        change(folders, records=records, vectors=vectors, index=f"IVF{CELLS},SQ8", effort=effort)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what a process holds")
def test_a_search_holds_no_more_than_is_said(tmp_path: Path) -> None:
    folders = tmp_path / "features", tmp_path / "indexes"
    made(Folders.of("small", *folders), 2, 39 * CELLS)
    made(Folders.of("large", *folders), SEGMENTS, ROWS)
    most = SEGMENTS * (AN_IMAGE * ROWS + A_SEGMENT)
    held = subprocess.run(
        [sys.executable, "-m", "tests.gallery.memory", *folders, str(most + AT_FIRST * ROWS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert int(held.stdout) <= most
