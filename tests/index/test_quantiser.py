"""What was trained once, written and read again is filled as it was the first time."""

from pathlib import Path

import numpy as np
import pytest

from app.index import Quantiser, fill_shortlist, train_quantiser, write_vectors
from tests.index.vectors import unit

ROWS, DIM = 700, 32


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flat") / "vectors.faiss"
    random = unit(np.random.default_rng(0).normal(size=(ROWS, DIM)))
    write_vectors(random.astype(np.float16), path)
    return path


@pytest.mark.parametrize(
    "asked",
    [
        *("IVF8,SQ8", "IVF8,PQ8", "IVF8,PQ8x4np", "IVF8,Flat", "IVF8,RaBitQ", "PQ8", "SQ4"),
        *("OPQ8_16,IVF8,PQ8x6", "PCAR16,IVF4,SQfp16", "IVF8_HNSW8,SQ8"),
    ],
)
def test_the_same_rows_give_the_same_file(vectors, tmp_path, asked):
    first, again = tmp_path / "first", tmp_path / "again"
    used, _, trained = train_quantiser(vectors, asked, first)
    assert (trained.asked, trained.factory, trained.rows) == (asked, used, ROWS)
    trained.write(tmp_path / "kept.safetensors")
    kept = Quantiser.read(tmp_path / "kept.safetensors")
    assert kept.empty().ntotal == 0
    fill_shortlist(vectors, kept, again)
    assert first.read_bytes() == again.read_bytes()


def test_it_suits_what_it_was_asked_for_up_to_rows_that_train_more_cells(vectors, tmp_path):
    _, _, trained = train_quantiser(vectors, "IVF100,SQ8", tmp_path / "shortlist")
    assert trained.factory == "IVF17,SQ8"
    assert trained.suits("IVF100,SQ8", 1, DIM)
    assert trained.suits("IVF100,SQ8", 4 * ROWS, DIM)
    assert not trained.suits("IVF100,SQ8", 4 * ROWS + 1, DIM)
    assert not trained.suits("IVF17,SQ8", ROWS, DIM)
    assert not trained.suits("IVF100,SQ8", ROWS, DIM + 1)
