"""`python -m lab ivfpq` measures both clusterings and FAISS, and refuses bad input."""

import numpy as np
import pytest

from lab.__main__ import main
from lab.ivfpq_speed import synthetic


def figures(out: str) -> dict[str, list[float]]:
    rows = [line.strip("|").split("|") for line in out.splitlines() if line.startswith("| ")]
    return {row[0].strip(): [float(value) for value in row[1:]] for row in rows[1:]}


def test_both_clusterings_stand_beside_faiss_with_times_and_recall(capsys):
    assert main(["ivfpq", "--drawn", "600x32", "--index", "IVF10,PQ8", "--queries", "20"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("600 × 32, drawn around 200 centres, IVF10,PQ8, ")
    measured = figures(out)
    assert list(measured) == ["NumPy, k-means of faiss", "NumPy, k-means of sklearn", "FAISS"]
    for *_times, raw, reranked in measured.values():
        assert raw < reranked <= 1
        assert reranked > 0.9
    ours, theirs = measured["NumPy, k-means of faiss"], measured["FAISS"]
    assert ours[-2:] == pytest.approx(theirs[-2:], abs=0.05)


def test_a_query_that_is_among_the_vectors_is_not_its_own_answer(tmp_path, capsys):
    given = synthetic(400, 32, queries=1)
    np.save(tmp_path / "vectors.npy", given.vectors)
    options = ["--vectors", str(tmp_path / "vectors.npy"), "--index", "IVF4,PQ8", "--queries", "30"]
    assert main(["ivfpq", *options]) == 0
    assert all(row[-1] > 0.9 for row in figures(capsys.readouterr().out).values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--drawn", "many"], "'many'"),
        (["--drawn", "600x30"], "'numpy:IVF100,PQ8'"),
        (["--drawn", "9x32", "--index", "IVF10,PQ8"], "10 centroids"),
        (["--drawn", "9x32", "--queries", "0"], "not 0"),
        (["--gallery", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_value(options, message, capsys):
    assert main(["ivfpq", *options]) == 2
    assert message in capsys.readouterr().err
