"""An index that does not fit on the disk is an error, down to its last byte."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from app.errors import StorageError
from app.index import train_shortlist, write_vectors
from app.values.vectors import unit

VECTORS = unit(np.random.default_rng(0).normal(size=(80, 16)).astype(np.float32))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("missing", [1, 500])
def test_vectors_of_which_the_last_bytes_do_not_fit_are_not_called_written(tmp_path, missing):
    path = tmp_path / "vectors.faiss"
    write_vectors(VECTORS.astype(np.float16), path)
    with largest_file(path.stat().st_size - missing), pytest.raises(StorageError, match="room"):
        write_vectors(VECTORS.astype(np.float16), path)


def test_a_shortlist_of_which_the_last_bytes_do_not_fit_is_not_called_written(tmp_path):
    vectors, path = tmp_path / "vectors.faiss", tmp_path / "shortlist.faiss"
    write_vectors(VECTORS.astype(np.float16), vectors)
    train_shortlist(vectors, "IVF2,SQ8", path)
    with largest_file(path.stat().st_size - 1), pytest.raises(StorageError, match="room"):
        train_shortlist(vectors, "IVF2,SQ8", path)
