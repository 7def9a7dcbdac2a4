"""A shortlist that another package makes is searched, re-ranked and kept like FAISS's own."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from app.errors import GalleryError, StorageError, UsageError
from app.gallery import Gallery
from app.index import (
    SearchEffort,
    VectorIndex,
    check_factory,
    fit_factory,
    plugins,
    train_shortlist,
)
from app.search.evaluation import evaluate
from tests.conftest import Home, encoded, fill, picture
from tests.index.vectors import EVERYTHING, assert_sound, clustered, make, without_vectors

NUMPY = "numpy:IVF12,PQ4x4"


# Search


@pytest.mark.parametrize("k", [1, 10, 77, 300])
def test_with_every_row_compared_the_answers_are_those_of_faiss(tmp_path, k):
    vectors, queries = clustered(300, 48), clustered(30, 48, seed=1)
    (tmp_path / "faiss").mkdir()
    theirs = make(tmp_path / "faiss", vectors, "IVF12,PQ4x4").search(queries, k)
    ours = make(tmp_path, vectors, NUMPY).search(queries, k)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    differ = ours.rows != theirs.rows
    assert differ.mean() < 0.01, "but where scores are closer than a float can distinguish"
    assert ours.candidates == theirs.candidates == 300


@pytest.mark.parametrize("k", [1, 7, 59, 61, 299])
def test_of_many_equal_rows_the_first_are_taken(tmp_path, k):
    different = clustered(5, 16)
    vectors = different[np.arange(300) % 5]
    found = make(tmp_path, vectors, "numpy:IVF3,PQ4x4").search(different, k)
    assert_sound(found, 300, k)
    for query in range(5):
        own = np.arange(query, 300, 5)[:k]
        np.testing.assert_array_equal(found.rows[query, : len(own)], own)


def test_a_query_whose_cell_runs_dry_is_answered_exactly(tmp_path):
    vectors = clustered(480, seed=3)
    index = make(tmp_path, vectors, NUMPY, SearchEffort(1, 1))
    dry = (index.shortlist(vectors, SearchEffort(1, 100)) < 0).any(axis=1)
    assert 0 < dry.sum() < 480, "the test needs cells both smaller and larger than 100"
    found, exact = index.search(vectors, 100), index.search(vectors, 100, exact=True)
    assert_sound(found, 480, 100)
    np.testing.assert_array_equal(found.rows[dry], exact.rows[dry])


def test_eight_threads_get_what_one_gets(tmp_path):
    index = make(tmp_path, clustered(400, 48), NUMPY, SearchEffort(2, 30))
    asked = [(clustered(3, 48, seed=n), 1 + n % 60) for n in range(80)]
    alone = [index.search(*case) for case in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda case: index.search(*case), asked))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_without_vectors_its_scores_are_the_cosines_to_what_its_codes_give(tmp_path):
    vectors, queries = clustered(300, 48), clustered(9, 48, seed=1)
    make(tmp_path, vectors, NUMPY)
    index = without_vectors(tmp_path)
    found = index.search(queries, 20)
    restored = index.vectors(np.arange(300))
    true = np.take_along_axis(queries @ restored.T, found.rows, axis=1)
    np.testing.assert_allclose(found.scores, np.clip(true, -1, 1), atol=1e-5)


# Index strings


@pytest.mark.parametrize("wanted", ["IVF100,PQ8", "IVF1,PQ48", "IVF100,PQ16x4", "IVF9,PQ1x1"])
def test_strings_of_the_paper_s_ivfpq_are_taken(wanted):
    check_factory(f"numpy:{wanted}", 48)


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        " ",
        "Flat",
        "IVF100",
        "IVF0,PQ8",
        "PQ8",
        "IVF9,PQ7",
        "IVF9,PQ8x9",
        "IVF9,PQ8\n",
        "HNSW32",
    ],
)
def test_others_are_refused_in_one_sentence(wanted):
    with pytest.raises(UsageError) as refused:
        check_factory(f"numpy:{wanted}", 48)
    message = str(refused.value)
    for words in (f"numpy:{wanted.strip()}", "48 numbers", "such as numpy:IVF100,PQ8"):
        assert words in message


@pytest.mark.parametrize(
    ("rows", "fitted", "words"),
    [
        (4_000, "numpy:IVF100,PQ8", ()),
        (390, "numpy:IVF10,PQ8", ("390 images", "numpy:IVF100,PQ8", "numpy:IVF10,PQ8")),
        (99, "Flat", ("99 images", "numpy:IVF100,PQ8", "searched exactly")),
    ],
)
def test_an_index_too_large_for_its_gallery_is_cut_down_with_a_note(rows, fitted, words):
    used, note = fit_factory("numpy:IVF100,PQ8", rows, 48)
    assert used == fitted
    assert bool(note) == bool(words)
    assert all(word in note for word in words)


def test_a_name_that_no_package_offers_is_refused_with_those_that_are(tmp_path):
    for factory in ("other:IVF100,PQ8", "other:"):
        with pytest.raises(UsageError, match=r"called 'other' \(known here: numpy\): install"):
            check_factory(factory, 48)


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make it so that these, and no other, packages offer shortlists."""

    def install(**values: str) -> None:
        points = [EntryPoint(name, value, plugins.GROUP) for name, value in values.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints(points))

    return install


def test_a_package_that_cannot_be_loaded_is_named_with_the_reason(offer):
    offer(broken="no_such_module:MAKER", older="lab.shortlist:MISSING")
    with pytest.raises(UsageError, match=r"'broken' cannot be loaded: .*no_such_module"):
        check_factory("broken:x", 48)
    with pytest.raises(UsageError, match=r"'older' cannot be loaded: .*MISSING"):
        check_factory("older:x", 48)


class Halves:
    """Another package's shortlist: all rows, in an order of no use, and no cells."""

    cells, code_bytes = 0, 1

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    rows = property(lambda self: len(self.vectors))
    dim = property(lambda self: self.vectors.shape[1])

    def add(self, vectors: np.ndarray) -> None:
        self.vectors = np.concatenate([self.vectors, vectors])

    def search(self, queries, candidates, probes):
        order = np.argsort(-(queries.round(1) @ self.vectors.T), axis=1)[:, :candidates]
        order[:, -1:] = -1
        return np.zeros(order.shape, np.float32), order

    def reconstruct(self, rows):
        return self.vectors[rows]

    def save(self, file):
        np.save(file, self.vectors)


class HalvesMaker:
    def check(self, wanted, dim):
        pass

    def fit(self, wanted, rows, dim):
        return wanted

    def train(self, vectors, wanted):
        return Halves(np.empty((0, vectors.shape[1]), np.float32))

    def load(self, file):
        return Halves(np.load(file))


MAKER = HalvesMaker()


def test_any_package_can_offer_one_even_without_cells(tmp_path, offer):
    offer(halves=f"{__name__}:MAKER")
    vectors = clustered(300)
    index = make(tmp_path, vectors, "halves:", SearchEffort(0, 40))
    assert (index.cells, index.is_graph, index.rows, index.dim) == (0, True, 300, 16)
    assert_sound(index.search(clustered(9, seed=1), 300), 300, 300)
    assert_sound(without_vectors(tmp_path).search(vectors[:9], 300), 300, 300)


# Files


def test_the_file_names_who_reads_it(tmp_path, offer):
    make(tmp_path, clustered(300), NUMPY)
    path = tmp_path / "shortlist.faiss"
    assert path.read_bytes().startswith(b"reverse-image-search shortlist numpy\nPK")
    offer()
    with pytest.raises(GalleryError, match=rf"{re.escape(str(path))} cannot .* \(known here: none"):
        without_vectors(tmp_path)


@pytest.mark.parametrize("keep", [40, 200, -100])
def test_a_file_that_is_cut_short_is_refused_by_name(tmp_path, keep):
    make(tmp_path, clustered(300), NUMPY)
    path = tmp_path / "shortlist.faiss"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(GalleryError, match=rf"{re.escape(str(path))} is not what numpy wrote"):
        VectorIndex(vectors=tmp_path / "vectors.faiss", shortlist=path, effort=EVERYTHING)


def test_a_shortlist_of_other_vectors_is_refused(tmp_path):
    make(tmp_path, clustered(300), NUMPY)
    (tmp_path / "other").mkdir()
    make(tmp_path / "other", clustered(299), NUMPY)
    with pytest.raises(GalleryError, match=r"\(300 × 16\) .* \(299 × 16\) do not belong together"):
        VectorIndex(
            vectors=tmp_path / "vectors.faiss",
            shortlist=tmp_path / "other" / "shortlist.faiss",
            effort=EVERYTHING,
        )


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path):
    make(tmp_path, clustered(300), NUMPY)
    nowhere = tmp_path / "missing" / "shortlist.faiss"
    with pytest.raises(StorageError, match=re.escape(str(nowhere))):
        train_shortlist(tmp_path / "vectors.faiss", NUMPY, nowhere)


# A gallery


def test_a_gallery_of_it_is_built_measured_verified_and_searched_like_any_other(
    home: Home, tmp_path
):
    report = home.build(fill(tmp_path / "pictures", 300), index="numpy:IVF100,PQ8")
    manifest = report.manifest
    assert (manifest.index_asked, manifest.index) == ("numpy:IVF100,PQ8", "numpy:IVF7,PQ8")
    assert "too few for numpy:IVF100,PQ8: the index is numpy:IVF7,PQ8" in manifest.notes[0]
    assert manifest.recall_reranked >= 0.97
    [segment] = manifest.segments
    place = home.folders("mine").below(segment.name)
    shortlist = place.path_of("shortlist", segment.files["shortlist"])

    measured = evaluate(home.folders("mine"), k=10, sample=100, without="")
    assert measured.recall_reranked >= 0.95
    service = home.service()
    for asked in (encoded(picture(17), quality=90), 17):
        found = service.search("mine", asked, k=5)
        assert len(found.hits) == 5
        exact = service.search("mine", asked, k=5, exact=True)
        assert [hit.score for hit in found.hits] == pytest.approx(
            [hit.score for hit in exact.hits], abs=1e-6
        )

    shortlist.write_bytes(shortlist.read_bytes()[:-1] + b"?")
    with pytest.raises(GalleryError, match="is not the file its gallery was built with"):
        Gallery(home.folders("mine"))
