"""Factory strings: which are taken, which are refused, and what a number of rows can train."""

import pytest

from app.errors import UsageError
from app.index import check_factory, fit_factory
from tests.index.vectors import FACTORIES, SHORTLISTS


@pytest.mark.parametrize(
    "factory",
    [
        *("", " ", "nonsense", "IVF100", "IVF-1,PQ8", "IVF100,PQ7", "PQ0", "Flat ", "\0", "é"),
        *("LSH", "IDMap,Flat", "IVF100,PQ8,RFlat", "NSG32", "IMI2x8,PQ8", "IVF10(", "IVF²,PQ8"),
        *("PCA64,SQ8", "OPQ8_64,PQ8"),  # more numbers than there are
        *("IVF999999999,PQ8", "PQ8x24", "IVF" + 5000 * "9"),  # more than memory or a number holds
        *("IVF0,PQ8", "HNSW0", "HNSW1", "IVF100,PQ8x0"),  # FAISS would end the process
        *("IVF100,PQ8x4fs", "HNSW32,PQ8", "IVF9,FlatDedup"),  # FAISS would not find vectors again
    ],
)
def test_a_factory_string_that_cannot_be_used_is_refused_in_one_sentence(factory):
    with pytest.raises(UsageError) as refused:
        check_factory(factory, 48)
    message = str(refused.value)
    for words in (repr(factory), "48 numbers", "such as IVF100,PQ8"):
        assert words in message
    assert message.endswith(".")
    assert "\n" not in message
    assert "Error in" not in message


@pytest.mark.parametrize(
    "factory",
    [
        *FACTORIES,
        *SHORTLISTS,
        *("OPQ8,IVF100,PQ8", "OPQ8_16,PQ8", "PCAR16,HNSW32_SQfp16", "IVF100,RaBitQ", "PCA48,SQ8"),
        *("IVF4096_HNSW32,PQ8", "IVF100,PQ8x16", "IVF100,PQ8np", "HNSW32,Flat"),
    ],
)
def test_usual_factory_strings_are_accepted(factory):
    check_factory(factory, 48)


@pytest.mark.parametrize(
    ("rows", "factory", "fitted"),
    [
        (10_000, "IVF100,PQ8", "IVF100,PQ8"),
        (3_900, "IVF100,PQ8", "IVF100,PQ8"),
        (3_899, "IVF100,PQ8", "IVF99,PQ8"),
        (256, "IVF100,PQ8", "IVF6,PQ8"),
        (255, "IVF100,PQ8", "Flat"),
        (1, "IVF100,PQ8", "Flat"),
        (255, "PQ8", "Flat"),
        (256, "PQ8", "PQ8"),
        (39, "IVF100,SQ8", "IVF1,SQ8"),
        (38, "IVF100,SQ8", "Flat"),
        (47, "PCA48,SQ8", "Flat"),
        (1, "HNSW32", "HNSW32"),
        (100_000, "Flat", "Flat"),
    ],
)
def test_an_index_too_large_for_its_gallery_is_cut_down_with_a_note(rows, factory, fitted):
    used, note = fit_factory(factory, rows, 48)
    assert used == fitted
    if fitted == factory:
        assert note == ""
    else:
        assert note.startswith(f"{rows} images ")
        assert ("searched exactly" if fitted == "Flat" else fitted) in note
