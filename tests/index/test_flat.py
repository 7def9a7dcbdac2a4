"""The stored vectors are read where they lie, and lengths are found once for all searches."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.index import write_vectors
from app.index.flat import FlatVectors
from tests.index.vectors import clustered


def mapped(path: Path) -> int:
    """Return how many times this process has mapped a file."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return sum(line.endswith(str(path)) for line in lines)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is mapped in a file")
def test_the_file_is_mapped_once_after_the_first_search(tmp_path):
    write_vectors(clustered(5_000).astype(np.float16), tmp_path / "vectors.faiss")
    flat = FlatVectors(tmp_path / "vectors.faiss")
    query = flat.vectors(np.array([3]))
    assert mapped(tmp_path / "vectors.faiss") == 2
    flat.search(query, 5)
    assert mapped(tmp_path / "vectors.faiss") == 1


def test_the_first_searches_may_come_all_at_once(tmp_path):
    vectors = clustered(3_000)
    write_vectors(vectors.astype(np.float16), tmp_path / "vectors.faiss")
    for _ in range(20):
        flat = FlatVectors(tmp_path / "vectors.faiss")
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda row: flat.search(vectors[row][None], 1), range(8)))  # noqa: B023
        assert [int(each.rows[0, 0]) for each in found] == list(range(8))
