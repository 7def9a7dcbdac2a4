"""A gallery that Milvus searches holds to what holds of every store, and says what is wrong."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from app.build.compact import compact
from app.build.storing import give_to_milvus, mend_collection
from app.errors import GalleryError
from app.gallery import Folders, Gallery, MilvusGallery, committing, milvus, opened, read_manifest
from app.gallery.milvus import Collection
from app.search.picture import Item
from app.search.question import SearchRequest
from tests.conftest import Home, fill
from tests.gallery.contract import CANDIDATES, PROBES, Contract, Images, real_vectors
from tests.gallery.milvus_server import Server
from tests.gallery.segments import change, record_of
from tests.index.vectors import clustered

pytestmark = pytest.mark.scale
for package in ("pymilvus", "milvus"):
    pytest.importorskip(package, reason=f"{package} is not here: requirements-scale.txt has it")
# The package of the server is from before today's Python.
pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

MANY, FEW = 100_000, 3_000
IVF_PQ = f"IVF_PQ,nlist=100,m=32,nprobe={PROBES},candidates={CANDIDATES}"


def quietly(stage: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("milvus"))
    started.start()
    yield started
    started.stop()


@dataclass(frozen=True)
class Case:
    """How a gallery is stored: its index in Milvus's words, and whether features/ is here."""

    index: str
    rows: int
    with_features: bool = True


CASES = {
    "IVF_PQ of many": Case(IVF_PQ, MANY),
    "HNSW": Case("HNSW", FEW),
    "FLAT": Case("FLAT", FEW),
    "IVF_PQ without features": Case("IVF_PQ,nlist=20,m=32", FEW, with_features=False),
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def images(case: Case, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Images:
    home = tmp_path_factory.mktemp("contract")
    folders = Folders.of("made", home / "features", home / "indexes")
    made = Images(folders, real_vectors(case.rows))
    made.begin(index="Flat")
    give_to_milvus(folders, server.uri, case.index, quietly)
    made.go_on()
    if not case.with_features:
        folders.features.rename(home / "elsewhere")
    return made


@pytest.fixture(scope="module")
def store(images: Images) -> Iterator[Gallery]:
    gallery = opened(images.folders)
    yield gallery
    gallery.close()


class TestMilvus(Contract):
    """The same tests as of the segments."""

    def test_it_is_milvus_that_searches(self, store: Gallery, case: Case) -> None:
        assert isinstance(store, MilvusGallery)
        assert not store.approximate
        assert store.collection.rows() == store.rows

    def test_it_answers_as_the_segments_do(
        self, images: Images, store: Gallery, case: Case
    ) -> None:
        if not case.with_features:
            pytest.skip("the segments' vectors are elsewhere")
        queries = images.queries()
        segments = Gallery(images.folders)
        mine, theirs = (each.search(queries, 15, exact=True) for each in (store, segments))
        segments.close()
        np.testing.assert_array_equal(mine.rows, theirs.rows)
        np.testing.assert_allclose(mine.scores, theirs.scores, atol=1e-5)

    def test_its_shortlist_finds_as_much_as_that_of_the_segments(
        self, images: Images, store: Gallery, case: Case, tmp_path: Path
    ) -> None:
        if case.rows != MANY:
            pytest.skip("too few images for a difference to mean anything")
        other = Images(Folders.of("made", tmp_path / "f", tmp_path / "i"), images.vectors)
        other.begin(index="IVF100,PQ32")
        other.go_on()
        embedded = opened(other.folders)
        queries = images.queries(500)
        exact = store.search(queries, 10, exact=True).rows
        shares = [
            np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)])
            for found in (store.search(queries, 10).rows, embedded.search(queries, 10).rows)
        ]
        embedded.close()
        assert shares[0] == pytest.approx(shares[1], abs=0.02)


# --- changes -------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path, server: Server) -> Folders:
    """A gallery of 400 images in Milvus."""
    made = Folders.of("mine", tmp_path / "features", tmp_path / "indexes")
    vectors = clustered(400, 16)
    change(made, records=[record_of(image) for image in range(400)], vectors=vectors)
    with committing(made) as commit:
        assert commit.manifest is not None
        commit.write(commit.manifest.__class__(**vars(commit.manifest) | {"name": "mine"}))
    give_to_milvus(made, server.uri, "HNSW", quietly)
    return made


@pytest.fixture
def open_it(folders: Folders) -> Iterator[Callable[[], MilvusGallery]]:
    """Return what opens that gallery."""
    made: list[Gallery] = []

    def open_now() -> MilvusGallery:
        made.append(opened(folders))
        assert isinstance(made[-1], MilvusGallery)
        return made[-1]

    yield open_now
    for each in made:
        each.close()


Open = Callable[[], MilvusGallery]
QUERY = clustered(1, 16, seed=5)


def collection_of(folders: Folders) -> Collection:
    manifest = read_manifest(folders)
    assert manifest.store is not None
    return Collection(manifest.store, manifest.name, manifest.dim)


def test_compaction_writes_no_row_again(
    folders: Folders, open_it: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folders, records=[record_of(500)], vectors=QUERY)
    change(folders, removed={7}, images=400)
    name = collection_of(folders).place.collection
    monkeypatch.setattr(Collection, "insert", lambda *_: pytest.fail("rows are inserted"))
    written: list[int] = []
    upsert = Collection.upsert

    def seen(self: Collection, rows: object) -> None:
        listed = list(rows)  # type: ignore[call-overload]
        written.extend(row.id for row in listed)
        upsert(self, listed)

    monkeypatch.setattr(Collection, "upsert", seen)
    assert compact(folders, everything=True)
    assert set(written) == {milvus.MARKER}
    assert collection_of(folders).place.collection == name
    assert open_it().search(QUERY, 1).rows.tolist() == [[500]]


def test_a_reader_of_before_a_change_searches_on(folders: Folders, open_it: Open) -> None:
    before = open_it()
    assert before.search(QUERY, 5).rows.shape == (1, 5)
    change(folders, records=[record_of(500)], vectors=QUERY)
    change(folders, removed={3}, images=400)
    found = before.search(QUERY, 400)
    assert sorted(found.rows[0].tolist()) == list(range(400))


def test_a_change_that_milvus_does_not_take_does_not_happen(
    folders: Folders, open_it: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_manifest(folders)

    def lost(*_: object) -> None:
        raise GalleryError("It is lost.")

    with monkeypatch.context() as broken:
        broken.setattr(Collection, "upsert", lost)
        with pytest.raises(GalleryError, match="It is lost"):
            change(folders, records=[record_of(500)], vectors=QUERY)
    assert read_manifest(folders) == before
    change(folders, records=[record_of(500)], vectors=QUERY)
    assert open_it().search(QUERY, 1).rows.tolist() == [[500]]


def test_a_change_that_was_cut_short_is_made_good_by_the_next(
    folders: Folders, open_it: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(BaseException):
        pass

    def stop(*_: object) -> None:
        raise StoppedError

    with monkeypatch.context() as broken:  # rows are in Milvus, and the manifest is not written
        broken.setattr("app.gallery.commit.manifest_to_json", stop)
        with pytest.raises(StoppedError):
            change(folders, records=[record_of(3, version=9)], vectors=QUERY, images=400)
    assert open_it().search(QUERY, 1, exact=True).scores[0][0] < 0.999
    assert mend_collection(folders, quietly)
    assert not mend_collection(folders, quietly), "it is in step, and is filled again"
    shutil.rmtree(folders.features)
    assert open_it().search(QUERY, 1, exact=True).scores[0][0] < 0.999, (
        "Milvus keeps what never was"
    )


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_collection_that_was_dropped_is_filled_again(folders: Folders, open_it: Open) -> None:
    gallery = open_it()
    truth = gallery.search(QUERY, 5).rows.tolist()
    collection_of(folders).drop()
    for each in (gallery, open_it()):
        with pytest.raises(GalleryError, match=r"has no collection .*: run ris update mine"):
            each.search(QUERY, 5)
    assert mend_collection(folders, quietly)
    assert open_it().search(QUERY, 5).rows.tolist() == truth


def test_a_collection_of_another_dimension_is_refused(
    folders: Folders, open_it: Open, server: Server
) -> None:
    place = collection_of(folders).place
    Collection(place, "mine", 8).create()
    with pytest.raises(GalleryError, match=r"vectors of 8 numbers, and mine has 16: run ris up"):
        open_it().search(QUERY, 5)
    assert mend_collection(folders, quietly)
    assert open_it().search(QUERY, 5).rows.shape == (1, 5)


def test_a_collection_that_lags_behind_is_refused(folders: Folders, open_it: Open) -> None:
    state = collection_of(folders).state()
    assert state is not None
    change(folders, records=[record_of(500)], vectors=QUERY)
    collection_of(folders).mark(state)
    with pytest.raises(GalleryError, match=r"has not all images of mine: run ris update mine"):
        open_it().search(QUERY, 5)


def test_a_server_that_is_too_old_is_refused(
    folders: Folders, open_it: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymilvus import MilvusClient

    monkeypatch.setattr(MilvusClient, "get_server_version", lambda *_, **__: "v2.2.14")
    with pytest.raises(GalleryError, match=r"is version v2\.2\.14, and 2\.3 or a later one"):
        open_it().search(QUERY, 5)


def test_a_package_that_is_missing_is_named(
    folders: Folders, open_it: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.setattr(milvus, "_CLIENTS", {})
    with pytest.raises(GalleryError, match=r"run pip install -r requirements-scale\.txt"):
        open_it().search(QUERY, 5)


def test_nothing_secret_is_written_down(
    folders: Folders, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus, "_TOKENS", ["root:secret"])
    monkeypatch.setattr(milvus, "_CLIENTS", {})
    change(folders, records=[record_of(500)], vectors=QUERY)
    assert "secret" not in (folders.indexes / "manifest.json").read_text()


# --- through the service -------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    for name, first in (("mine", 0), ("yours", 1000)):
        made.build(fill(made.path / name, 80, first=first), name, index="Flat")
    return made


def test_galleries_of_both_stores_are_searched_together(home: Home, server: Server) -> None:
    service = home.service()
    request = SearchRequest.of(Item(3), gallery="mine,yours", k=30)
    before = service.answer(request)
    give_to_milvus(home.folders("mine"), server.uri, "IVF_PQ,m=16", quietly)
    after = service.answer(request)
    one, other = (
        [(hit.image.path, hit.image.id, hit.score) for hit in each.hits] for each in (before, after)
    )
    assert [each[:2] for each in one] == [each[:2] for each in other]
    assert [each[2] for each in one] == pytest.approx([each[2] for each in other], abs=1e-5)


def test_images_are_added_and_removed_by_the_same_commands(home: Home, server: Server) -> None:
    give_to_milvus(home.folders("mine"), server.uri, "HNSW", quietly)
    keeper, service = home.keeper(), home.service()
    fill(home.path / "mine", 3, first=5000)
    report = keeper.update("mine", on_progress=quietly)
    assert report.added == 3
    keeper.remove("mine", ["4"])
    gallery = service._galleries.open("mine").stored
    assert isinstance(gallery, MilvusGallery)
    assert gallery.collection.rows() == 82
    keeper.rename("mine", "ours")
    assert service._galleries.open("ours").stored.search(np.eye(1, 48, dtype=np.float32), 3)
    keeper.delete("ours")
    with pytest.raises(GalleryError, match="has no collection"):
        gallery._collection.rows()


def test_a_server_that_is_killed_and_comes_back_is_used_again(home: Home, server: Server) -> None:
    give_to_milvus(home.folders("mine"), server.uri, "HNSW", quietly)
    service = home.service()
    requests = [SearchRequest.of(Item(3), gallery=name, k=5) for name in ("mine", "yours")]
    before = service.answer(requests[0])
    server.kill()
    try:
        with pytest.raises(GalleryError, match=r"does not answer: start it, and mine is searched"):
            service.answer(requests[0])
        assert service.answer(requests[1]).hits
        with pytest.raises(GalleryError, match="does not answer"):
            home.keeper().remove("mine", ["4"])
        assert service._galleries.open("mine").stored.has(4), "a change has happened without Milvus"
    finally:
        server.start()
    after = service.answer(requests[0])
    assert [hit.image.id for hit in after.hits] == [hit.image.id for hit in before.hits]
