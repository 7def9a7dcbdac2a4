"""Every search gives real rows, each once, best first, with exact scores, at the least effort."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import GalleryError, StorageError, UsageError
from app.index import (
    CALIBRATION_K,
    TARGET_RECALL,
    Calibration,
    Neighbours,
    SearchEffort,
    VectorIndex,
    calibrate,
    check_factory,
    fit_factory,
    recall,
    train_shortlist,
    write_vectors,
)
from app.index import train as train_module
from app.values.vectors import reaches

EVERYTHING = SearchEffort(probes=1024, candidates=1_000_000)
STARVED = SearchEffort(probes=1, candidates=1)
FACTORIES = ["IVF100,PQ8", "IVF100,SQ8", "HNSW32", "Flat"]
SHORTLISTS = ["IVF12,Flat", "IVF12,PQ4x4", "PQ4x4", "SQ8", "HNSW4", "HNSW8,SQ8", "PCA8,IVF12,SQ8"]
SHORTLISTS += ["numpy:IVF12,PQ4x4"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread_of_faiss() -> Iterator[None]:
    """For galleries of a few hundred rows its threads cost far more than they save."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(
    rows: int, dim: int = 16, *, clusters: int = 20, spread: float = 0.3, seed: int = 0
) -> np.ndarray:
    """Return unit vectors around centres of which the first have many more than the last."""
    rng = np.random.default_rng(seed)
    centres = unit(np.random.default_rng(7).normal(size=(clusters, dim)))
    which = (clusters * rng.random(rows) ** 3).astype(int)
    return unit(centres[which] + spread / np.sqrt(dim) * 3 * rng.normal(size=(rows, dim)))


def stored(vectors: np.ndarray) -> np.ndarray:
    """Return what the files keep of unit vectors."""
    return vectors.astype(np.float16).astype(np.float32)


def make(
    folder: Path, vectors: np.ndarray, factory: str, effort: SearchEffort = EVERYTHING
) -> VectorIndex:
    flat, short = folder / "vectors.faiss", folder / "shortlist.faiss"
    write_vectors(vectors.astype(np.float16), flat)
    used, _ = train_shortlist(flat, factory, short)
    return VectorIndex(vectors=flat, shortlist=None if used == "Flat" else short, effort=effort)


def without_vectors(folder: Path, effort: SearchEffort = EVERYTHING) -> VectorIndex:
    return VectorIndex(vectors=None, shortlist=folder / "shortlist.faiss", effort=effort)


def assert_sound(found: Neighbours, rows: int, k: int) -> None:
    """Assert real rows, none twice, exactly min(k, rows) of them, best first, ties by row."""
    assert found.rows.shape == found.scores.shape == (len(found.rows), min(k, rows))
    assert found.rows.min() >= 0
    assert found.rows.max() < rows
    assert (np.diff(np.sort(found.rows, axis=1), axis=1) > 0).all(), "a row is there twice"
    falls = np.diff(found.scores, axis=1)
    assert (falls <= 0).all(), "scores rise"
    assert (np.diff(found.rows, axis=1)[falls == 0] > 0).all(), "equal scores out of order"
    assert np.abs(found.scores).max() <= 1


def cosines(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the (q, n) cosines of queries and what the files keep of vectors, with 64 bits."""
    one, two = queries.astype(np.float64), stored(vectors).astype(np.float64)
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)
    return one @ two.T / lengths


def brute_force(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    scores = cosines(queries, vectors).round(9)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


# Ten thousand queries


@pytest.mark.parametrize("factory", FACTORIES)
def test_10_000_queries_over_galleries_of_every_size_give_real_rows_once(tmp_path, factory):
    rng = np.random.default_rng(1)
    asked = 0
    for rows in range(1, 301):
        vectors = clustered(rows, seed=rows)
        vectors[rng.random(rows) < 0.2] = vectors[0]  # the same picture many times
        effort = SearchEffort(int(rng.integers(1, 4)), int(rng.integers(1, 50)))
        index = make(tmp_path, vectors, factory, effort)
        for k in (1, int(rng.integers(2, 100)), 100, rows + 7):
            queries = np.concatenate([unit(rng.normal(size=(6, 16))), clustered(3, seed=rows + k)])
            found = index.search(queries, k)
            assert_sound(found, rows, k)
            true_scores = np.take_along_axis(queries @ vectors.T, found.rows, axis=1)
            np.testing.assert_allclose(found.scores, true_scores, atol=1e-3)
            asked += len(queries)
    assert asked >= 10_000


@pytest.mark.parametrize("factory", SHORTLISTS)
@pytest.mark.parametrize("k", [1, 5, 60, 100, 1000])
def test_one_probe_into_tiny_cells_still_gives_every_row_asked_for(tmp_path, factory, k):
    vectors = clustered(480, seed=3)
    queries = np.concatenate([vectors[::10], unit(np.random.default_rng(0).normal(size=(40, 16)))])
    assert_sound(make(tmp_path, vectors, factory, STARVED).search(queries, k), 480, k)
    assert_sound(without_vectors(tmp_path, STARVED).search(queries, k), 480, k)


def test_a_query_whose_cell_runs_dry_is_answered_exactly(tmp_path):
    vectors = clustered(480, seed=3)
    index = make(tmp_path, vectors, "IVF12,Flat", STARVED)
    listed = index.shortlist(vectors, SearchEffort(1, 100))
    dry = (listed < 0).any(axis=1)
    assert 0 < dry.sum() < 480, "the test needs cells both smaller and larger than 100"

    found = index.search(vectors, 100)
    exact = index.search(vectors, 100, exact=True)

    np.testing.assert_array_equal(found.rows[dry], exact.rows[dry])
    np.testing.assert_allclose(found.scores[dry], exact.scores[dry], atol=1e-6)


# Exactness


@st.composite
def galleries(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Draw vectors, some of them equal, queries, k and a kind of shortlist."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.sampled_from([8, 16, 48]))
    rows = draw(st.integers(39, 150))
    different = draw(st.integers(1, rows))
    vectors = unit(rng.normal(size=(different, dim)))[rng.integers(0, different, rows)]
    queries = np.concatenate([vectors[:3], unit(rng.normal(size=(3, dim)))])
    factory = draw(st.sampled_from(["IVF3,Flat", "IVF3,SQ8", "SQ8", "SQ4"]))
    return vectors, queries, draw(st.integers(1, 160)), factory


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=galleries())
def test_re_ranking_every_row_equals_brute_force(tmp_path, case):
    vectors, queries, k, factory = case
    index = make(tmp_path, vectors, factory)
    expected_rows, expected_scores = brute_force(vectors, queries, k)
    all_scores = cosines(queries, vectors)

    for found in (index.search(queries, k), index.search(queries, k, exact=True)):
        assert_sound(found, len(vectors), k)
        np.testing.assert_allclose(found.scores, expected_scores, atol=1e-6)
        true_scores = np.take_along_axis(all_scores, found.rows, axis=1)
        np.testing.assert_allclose(found.scores, true_scores, atol=1e-6)
        # Rows differ from brute force at most where scores are closer than a float tells apart.
        differ = found.rows != expected_rows
        np.testing.assert_allclose(true_scores[differ], expected_scores[differ], atol=1e-6)


@pytest.mark.parametrize("dim", [16, 48, 1280])
def test_scores_are_the_exact_cosine_however_the_search_was_done(tmp_path, dim):
    vectors = clustered(200, dim)
    queries = np.concatenate([vectors[:20], clustered(20, dim, seed=1)])
    index = make(tmp_path, vectors, "IVF100,SQ8", SearchEffort(5, 200))
    exact = index.search(queries, 50, exact=True)
    short = index.search(queries, 50)

    for found in (exact, short):
        true_scores = np.take_along_axis(cosines(queries, vectors), found.rows, axis=1)
        np.testing.assert_allclose(found.scores, true_scores, atol=1e-6)
    np.testing.assert_allclose(short.scores, exact.scores, atol=1e-6)
    for query, rows, scores in zip(queries, exact.rows, exact.scores, strict=True):
        np.testing.assert_allclose(index.scores(query, rows), scores, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 7, 59, 60, 61, 100, 299, 300])
def test_of_many_equal_rows_the_first_are_taken(tmp_path, k):
    different = unit(np.random.default_rng(0).normal(size=(5, 16)))
    vectors = different[np.arange(300) % 5]
    index = make(tmp_path, vectors, "IVF100,SQ8")
    for exact in (True, False):
        found = index.search(different, k, exact=exact)
        for query in range(5):
            own = np.arange(query, 300, 5)[:k]
            np.testing.assert_array_equal(found.rows[query, : len(own)], own)
        assert_sound(found, 300, k)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("k", [1, 10, 100, 299])
def test_rows_are_ranked_by_angle_though_stored_vectors_differ_in_length(tmp_path, factory, k):
    rng = np.random.default_rng(0)
    alike = clustered(300, 48, clusters=3, spread=0.02)
    vectors = alike * rng.uniform(0.999, 1.001, (300, 1)).astype(np.float32)
    queries = np.concatenate([alike[:20], -alike[:20]])
    by_product = np.argsort(-queries @ stored(vectors).T, axis=1, kind="stable")[:, :k]
    index = make(tmp_path, vectors, factory)
    expected_rows, expected_scores = brute_force(vectors, queries, k)
    assert (by_product != expected_rows).any(), "the test needs lengths that change the order"
    for found in (index.search(queries, k), index.search(queries, k, exact=True)):
        assert_sound(found, 300, k)
        np.testing.assert_allclose(found.scores, expected_scores, atol=1e-6)
        true_scores = np.take_along_axis(cosines(queries, vectors), found.rows, axis=1)
        np.testing.assert_allclose(true_scores, expected_scores, atol=1e-6)


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_image_scores_one_with_itself(tmp_path, factory):
    vectors = unit(np.random.default_rng(0).normal(size=(300, 48)))
    assert np.ptp(np.linalg.norm(stored(vectors), axis=1)) > 1e-5
    index = make(tmp_path, vectors, factory)
    for row in range(300):
        own = index.vector(row)
        found = [index.search(own[None], 1, exact=exact) for exact in (True, False)]
        among = index.search_among(own, 1, np.array([row, (row + 1) % 300]))
        assert [each.rows.item() for each in (*found, among)] == [row] * 3
        scores = [each.scores.item() for each in (*found, among)]
        assert all(reaches(score, 1) for score in [*scores, *index.scores(own, np.array([row]))])


def test_a_vector_of_zeros_scores_zero(tmp_path):
    vectors = clustered(60, 48)
    vectors[7] = 0
    index = make(tmp_path, vectors, "IVF100,SQ8")
    for exact in (True, False):
        found = index.search(vectors[:1], 60, exact=exact)
        assert_sound(found, 60, 60)
        assert found.scores[0, found.rows[0] == 7].tolist() == [0]


def test_a_vector_that_is_read_back_has_length_one_and_is_the_one_stored(tmp_path):
    vectors = clustered(60, 48)
    index = make(tmp_path, vectors, "Flat")
    for row in (0, 31, 59):
        assert np.linalg.norm(index.vector(row)) == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(index.vector(row), vectors[row], atol=1e-3)
    np.testing.assert_array_equal(index.vectors(np.array([59, 0])), stored(vectors)[[59, 0]])


def test_eight_threads_get_what_one_gets(tmp_path):
    index = make(tmp_path, clustered(400, 48), "IVF100,SQ8", SearchEffort(2, 30))
    asked = [(clustered(3, 48, seed=n), 1 + n % 60, n % 3 == 0) for n in range(160)]

    def ask(case: tuple[np.ndarray, int, bool]) -> Neighbours:
        queries, k, exact = case
        return index.search(queries, k, exact=exact)

    alone = [ask(case) for case in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, asked))

    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_larger_k_takes_candidates_in_proportion(tmp_path):
    index = make(tmp_path, clustered(400), "IVF100,SQ8", SearchEffort(10, 30))
    queries = clustered(2, seed=1)
    assert index.search(queries, 1).candidates == 30
    assert index.search(queries, 10).candidates == 30
    assert index.search(queries, 20).candidates == 60
    assert index.search(queries, 100).candidates == 300
    assert index.search(queries, 300).candidates == 400


# Without the vectors


@pytest.mark.parametrize("factory", SHORTLISTS)
def test_without_vectors_the_shortlist_answers_by_itself(tmp_path, factory):
    vectors = clustered(300, 48, seed=2)
    make(tmp_path, vectors, factory)
    index = without_vectors(tmp_path, SearchEffort(3, 30))
    assert index.approximate
    assert (index.rows, index.dim) == (300, 48)
    for k in (1, 10, 100, 400):
        found = index.search(clustered(20, 48, seed=5), k)
        assert_sound(found, 300, k)
        assert found.candidates == 0, "nothing was compared exactly"
    assert_sound(index.search(vectors, 10, exact=True), 300, 10)


@pytest.mark.parametrize("factory", SHORTLISTS)
def test_without_vectors_a_row_has_the_vector_that_its_code_tells(tmp_path, factory):
    vectors = clustered(300, 16, seed=2)
    make(tmp_path, vectors, factory)
    index = without_vectors(tmp_path)
    read_back = np.stack([index.vector(row) for row in range(300)])
    np.testing.assert_allclose(np.linalg.norm(read_back, axis=1), 1, atol=1e-5)
    assert (read_back * vectors).sum(axis=1).mean() > 0.8


def test_rows_that_no_walk_through_the_graph_reaches_are_found_all_the_same(tmp_path):
    vectors = np.repeat(unit(np.random.default_rng(0).normal(size=(3, 16))), 100, axis=0)
    index = make(tmp_path, vectors, "HNSW4", SearchEffort(0, 20))
    listed = index.shortlist(vectors[:1], SearchEffort(0, 300))
    assert (listed < 0).any(), "the test needs a graph in parts"

    assert_sound(index.search(vectors[::50], 250), 300, 250)
    assert_sound(without_vectors(tmp_path).search(vectors[::50], 250), 300, 250)


# Files


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def write_text(file: Path) -> None:
    file.write_text("a shopping list")


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("name", ["vectors.faiss", "shortlist.faiss"])
@pytest.mark.parametrize("damage", [cut, write_text, empty, Path.unlink])
def test_a_file_that_is_no_index_is_refused_by_name(tmp_path, name, damage):
    make(tmp_path, clustered(120), "IVF3,SQ8")
    damage(tmp_path / name)
    with pytest.raises(GalleryError, match=re.escape(str(tmp_path / name))):
        VectorIndex(
            vectors=tmp_path / "vectors.faiss",
            shortlist=tmp_path / "shortlist.faiss",
            effort=EVERYTHING,
        )


@pytest.mark.parametrize(("rows", "dim"), [(119, 16), (120, 24)])
def test_a_shortlist_of_other_vectors_is_refused(tmp_path, rows, dim):
    make(tmp_path, clustered(120), "IVF3,SQ8")
    other = tmp_path / "other"
    other.mkdir()
    make(other, clustered(rows, dim), "IVF3,SQ8")
    with pytest.raises(GalleryError, match="do not belong together"):
        VectorIndex(
            vectors=tmp_path / "vectors.faiss",
            shortlist=other / "shortlist.faiss",
            effort=EVERYTHING,
        )


def test_an_index_of_no_file_is_refused():
    with pytest.raises(GalleryError, match="neither"):
        VectorIndex(vectors=None, shortlist=None, effort=EVERYTHING)


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path):
    write_vectors(clustered(120).astype(np.float16), tmp_path / "vectors.faiss")
    nowhere = tmp_path / "missing" / "file.faiss"
    with pytest.raises(StorageError, match=re.escape(str(nowhere))):
        write_vectors(clustered(3).astype(np.float16), nowhere)
    with pytest.raises(StorageError, match=re.escape(str(nowhere))):
        train_shortlist(tmp_path / "vectors.faiss", "IVF3,SQ8", nowhere)


def test_no_shortlist_of_an_earlier_try_is_left_where_none_is_needed(tmp_path):
    make(tmp_path, clustered(120), "IVF3,SQ8")
    used, _ = train_shortlist(tmp_path / "vectors.faiss", "Flat", tmp_path / "shortlist.faiss")
    assert used == "Flat"
    assert not (tmp_path / "shortlist.faiss").exists()


# Factory strings


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
    assert message.startswith(f"The index {factory!r} cannot be made for vectors of 48 numbers:")
    assert "IVF100,PQ8" in message.removeprefix(f"The index {factory!r}")
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
    ("rows", "factory", "fitted", "reason"),
    [
        (10_000, "IVF100,PQ8", "IVF100,PQ8", ""),
        (3_900, "IVF100,PQ8", "IVF100,PQ8", ""),
        (3_899, "IVF100,PQ8", "IVF99,PQ8", "3899 images fill 99 cells, not 100: the index is"),
        (256, "IVF100,PQ8", "IVF6,PQ8", "256 images fill 6 cells, not 100: the index is"),
        (255, "IVF100,PQ8", "Flat", "255 images are too few for IVF100,PQ8: they are searched"),
        (1, "IVF100,PQ8", "Flat", "1 images are too few for IVF100,PQ8: they are searched"),
        (255, "PQ8", "Flat", "255 images are too few for PQ8"),
        (256, "PQ8", "PQ8", ""),
        (39, "IVF100,SQ8", "IVF1,SQ8", "39 images fill 1 cells, not 100"),
        (38, "IVF100,SQ8", "Flat", "38 images are too few for IVF100,SQ8"),
        (47, "PCA48,SQ8", "Flat", "47 images are too few for PCA48,SQ8"),
        (1, "HNSW32", "HNSW32", ""),
        (100_000, "Flat", "Flat", ""),
    ],
)
def test_an_index_too_large_for_its_gallery_is_cut_down_with_the_reason(
    rows, factory, fitted, reason
):
    used, note = fit_factory(factory, rows, 48)
    assert used == fitted
    assert note.startswith(reason) if reason else note == ""


def test_too_few_images_for_each_centroid_is_said_once_in_our_words(tmp_path, capfd):
    write_vectors(clustered(300).astype(np.float16), tmp_path / "vectors.faiss")
    used, note = train_shortlist(
        tmp_path / "vectors.faiss", "IVF5,PQ8x6", tmp_path / "shortlist.faiss"
    )
    assert used == "IVF5,PQ8x6"
    assert note.startswith("300 images train 64 centroids with fewer than the 39 each")
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", ""), "FAISS's own warning reached the terminal"


def test_an_index_that_cannot_be_trained_after_all_is_replaced_by_exact_search(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(train_module, "fit_factory", lambda factory, rows, dim: (factory, ""))
    write_vectors(clustered(100).astype(np.float16), tmp_path / "vectors.faiss")
    used, note = train_shortlist(
        tmp_path / "vectors.faiss", "IVF200,Flat", tmp_path / "shortlist.faiss"
    )
    assert (used, (tmp_path / "shortlist.faiss").exists()) == ("Flat", False)
    assert note == "100 images could not train IVF200,Flat: they are searched exactly"


# Calibration


def true_neighbours(index: VectorIndex, queries: np.ndarray) -> np.ndarray:
    return index.search(queries, CALIBRATION_K, exact=True).rows


@dataclass(frozen=True)
class Calibrated:
    """A gallery of 2,000 rows and what `calibrate` says of it."""

    folder: Path
    report: Calibration

    def index(self, effort: SearchEffort | None = None) -> VectorIndex:
        return VectorIndex(
            vectors=self.folder / "vectors.faiss",
            shortlist=self.folder / "shortlist.faiss",
            effort=effort or self.report.effort,
        )


@pytest.fixture(scope="module", params=["IVF40,PQ8x6", "IVF100,SQ4", "PQ8x6", "HNSW4"])
def calibrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Calibrated:
    folder = tmp_path_factory.mktemp("calibrated")
    index = make(folder, clustered(2_000, 32, clusters=40, spread=0.4), request.param)
    return Calibrated(folder, calibrate(index))


@pytest.mark.parametrize(
    "factory", ["IVF40,PQ8x6", "IVF100,SQ4", "PQ8x6", "HNSW32", "numpy:IVF40,PQ8x6"]
)
def test_the_chosen_effort_reaches_the_target_for_queries_never_seen(tmp_path, factory):
    index = make(tmp_path, clustered(2_000, 32, clusters=40, spread=0.4), factory)
    index.effort = calibrate(index).effort
    queries = clustered(2_000, 32, clusters=40, spread=0.4, seed=99)
    truth, found = true_neighbours(index, queries), index.search(queries, CALIBRATION_K).rows
    hits = (truth[:, :, None] == found[:, None, :]).any(axis=2).mean(axis=1)
    # The target was chosen on one sample; on another it is reached but for chance.
    assert hits.mean() + 2 * hits.std() / np.sqrt(len(hits)) >= TARGET_RECALL


def test_less_than_the_chosen_effort_would_miss_the_target(calibrated):
    index, effort = calibrated.index(), calibrated.report.effort
    queries = index.vectors(np.arange(0, 2_000, 2))
    truth = index.search(queries, CALIBRATION_K + 1, exact=True).rows
    assert effort.candidates < 2_000
    fewer = [SearchEffort(effort.probes, int(0.75 * effort.candidates))]
    if effort.probes > 1:
        fewer.append(SearchEffort(effort.probes // 2, effort.candidates))
    for less in fewer:
        # The row itself is found first, and is not one of the ten.
        listed = index.shortlist(queries, less)
        assert recall(truth[:, 1:], listed) < TARGET_RECALL + 0.005, less


def test_calibration_gives_the_same_twice(calibrated):
    assert calibrate(calibrated.index(STARVED)) == calibrated.report


def test_what_calibration_reports_is_what_a_search_finds(calibrated):
    index, report = calibrated.index(), calibrated.report
    queries = index.vectors(np.arange(2_000))
    truth, found = (
        index.search(queries, CALIBRATION_K + 1, exact=exact).rows for exact in (True, False)
    )
    assert report.queries == 1_000
    assert report.recall_reranked == pytest.approx(recall(truth, found), abs=0.01)
    assert report.recall_raw <= report.recall_reranked


def test_the_floor_is_what_nearly_all_of_the_gallerys_own_rows_reach(tmp_path):
    vectors = clustered(3_000, 64)
    index = make(tmp_path, vectors, "Flat")
    floor = calibrate(index).floor
    assert floor is not None
    scores = stored(vectors) @ stored(vectors).T
    np.fill_diagonal(scores, -1)
    assert (scores.max(axis=1) >= floor).mean() == pytest.approx(0.95, abs=0.02)
    strangers = unit(np.random.default_rng(1).normal(size=(100, 64)))
    assert (index.search(strangers, 1).scores < floor).mean() > 0.95
    assert calibrate(make(tmp_path, vectors[:19], "Flat")).floor is None, "too few to tell"


def test_copies_of_one_picture_do_not_make_a_search_harder(tmp_path):
    vectors = clustered(3_000)
    copies = vectors.copy()
    for number, rows in enumerate(
        np.random.default_rng(0).permutation(3_000)[:600].reshape(20, 30)
    ):
        copies[rows] = vectors[number]
    efforts = []
    for each in (vectors, copies):
        index = make(tmp_path, each, "IVF20,PQ8")
        efforts.append(calibrate(index).effort.candidates)
    assert efforts[1] <= 1.3 * efforts[0]


@pytest.mark.parametrize("rows", [1, 2, 5, 30])
@pytest.mark.parametrize("factory", ["IVF100,PQ8", "HNSW32", "SQ8"])
def test_a_gallery_of_few_rows_is_calibrated_too(tmp_path, rows, factory):
    index = make(tmp_path, clustered(rows), factory)
    report = calibrate(index)
    assert report.recall_reranked >= (TARGET_RECALL if rows > 5 else 1)
    assert report.queries <= rows
    chosen = VectorIndex(
        vectors=tmp_path / "vectors.faiss",
        shortlist=None if index.exact_only else tmp_path / "shortlist.faiss",
        effort=report.effort,
    )
    assert_sound(chosen.search(clustered(4, seed=1), 10), rows, 10)


def test_an_index_that_cannot_reach_the_target_takes_all_it_may_and_says_what_it_reaches(tmp_path):
    index = make(tmp_path, unit(np.random.default_rng(0).normal(size=(500, 32))), "HNSW2")
    report = calibrate(index)
    assert report.effort.candidates == 500
    assert 0.5 < report.recall_reranked < TARGET_RECALL
