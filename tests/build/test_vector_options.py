"""Galleries that keep principal components or expand queries: built, asked, moved, taken back."""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client

from app import open_gallery
from app.build.transfer import ImportRequest, export_gallery, import_embeddings
from app.doors.mcp import make_server
from app.doors.page.functions import Functions
from app.doors.page.references import Uploads
from app.embed import model_named
from app.errors import DatasetError, GalleryError, UsageError
from app.gallery import Gallery, manifest_from_json, manifest_to_json
from app.index import Projection
from app.search.evaluation import _subject, evaluate
from app.search.question import File, Item, SearchRequest
from app.search.service import SearchService
from app.values import Manifest, VectorOptions
from app.values.vectors import unit
from tests.build.test_build import BATCH, CountingRuntime, StoppedError, build_with
from tests.commands import Run, Site, write_csv
from tests.conftest import Home, encoded, fill, mean_colour, picture
from tests.doors.cli.conftest import serving

IMAGES = 40
PCA = VectorOptions(pca=10)
BOTH = VectorOptions(pca=10, expand=3, alpha=2.0)
read_manifest = partial(manifest_from_json, place=Path("gallery.db"), mend="")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "plain", "pca", "expand" and "both", of the same pictures, two of them equal."""
    home = Home(tmp_path_factory.mktemp("options") / "home")
    images = fill(home.path / "pictures", IMAGES)
    shutil.copy(images / "kind_2" / "00007.jpg", images / "kind_2" / "again.jpg")
    home.build(images, "plain", index="SQ8")
    home.build(images, "pca", index="SQ8", options=PCA)
    home.build(images, "expand", index="SQ8", options=VectorOptions(expand=3))
    home.build(images, "both", index="SQ8", options=BOTH)
    return home


@pytest.fixture
def copied(built: Home, tmp_path: Path) -> Home:
    """The same home at another place, for tests that change it."""
    shutil.copytree(built.path, tmp_path / "home")
    return Home(tmp_path / "home")


def embedded_by(
    service: SearchService, gallery: str, query: bytes | int, *, mirrored: bool = False
) -> np.ndarray:
    asked = File(query) if isinstance(query, bytes) else Item(query)
    return service.embed(SearchRequest(query=asked, gallery=gallery, mirrored=mirrored))


def manifest_of(home: Home, name: str) -> Manifest:
    gallery = Gallery(home.folders(name))
    gallery.close()
    return gallery.manifest


def file_of(home: Home, seed: int) -> Path:
    return home.path / "pictures" / f"kind_{seed % 5}" / f"{seed:05}.jpg"


def row_of(home: Home, seed: int) -> int:
    records = open_gallery("plain", home=home.path).images()
    return next(each.id for each in records if each.path.endswith(f"{seed:05}.jpg"))


# --- principal components ------------------------------------------------------------------------


def test_a_picture_asks_with_the_vector_that_is_stored_of_it(built: Home) -> None:
    service = built.service()
    for name in ("plain", "pca"):
        stored = service.vectors(name)
        for seed in (0, 7, 21):
            vector = embedded_by(service, name, file_of(built, seed).read_bytes())
            assert vector == pytest.approx(stored[row_of(built, seed)], abs=1e-3), name
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_the_stored_vectors_are_the_projected_ones_of_the_model(built: Home) -> None:
    gallery = Gallery(built.folders("pca"))
    assert gallery.projection_path is not None
    projection = Projection.read(gallery.projection_path)
    gallery.close()
    service = built.service()
    raw = service.vectors("plain")
    assert projection.mean == pytest.approx(raw.mean(axis=0), abs=1e-6)
    assert service.vectors("pca") == pytest.approx(projection.apply(raw), abs=1e-3)
    assert service.vectors("pca").shape == (IMAGES + 1, 10)


def test_parts_and_strangers_are_projected_too(built: Home) -> None:
    service = built.service()
    gallery = Gallery(built.folders("pca"))
    projection = Projection.read(gallery.projection_path)  # type: ignore[arg-type]
    gallery.close()
    for query, mirrored in (
        (encoded(picture(999)), False),
        (file_of(built, 3).read_bytes(), True),
    ):
        own = embedded_by(service, "plain", query, mirrored=mirrored)
        assert embedded_by(service, "pca", query, mirrored=mirrored) == pytest.approx(
            projection.apply(own[None])[0], abs=1e-6
        )


def test_vectors_of_the_model_are_made_such_as_the_gallery_has(built: Home) -> None:
    plain, pca = (open_gallery(name, home=built.path) for name in ("plain", "pca"))
    assert pca.projected(plain.vectors()) == pytest.approx(pca.vectors(), abs=1e-3)
    assert pca.projected(plain.vectors()[:0]).shape == (0, 10)
    assert plain.projected(plain.vectors()).tobytes() == plain.vectors().tobytes()
    for vectors in (pca.vectors(), plain.vectors()[0]):
        with pytest.raises(UsageError, match=r"The model of pca, mean_colour, .* \(n, 48\), not"):
            pca.projected(vectors)


def test_the_manifest_says_what_was_done_and_the_facts_do(built: Home) -> None:
    told = {
        name: (facts.dim, facts.pca, facts.expand, facts.alpha)
        for name in ("plain", "pca", "expand", "both")
        for facts in (manifest_of(built, name), built.service().gallery(name))
    }
    assert told == {
        "plain": (48, 0, 0, 0.0),
        "pca": (10, 10, 0, 0.0),
        "expand": (48, 0, 3, 3.0),
        "both": (10, 10, 3, 2.0),
    }
    for name in told:
        manifest = manifest_of(built, name)
        assert read_manifest(manifest_to_json(manifest)) == manifest
        assert ("projection" in manifest.files) == bool(manifest.pca)


def test_a_manifest_of_before_is_read_as_one_that_changes_nothing(built: Home) -> None:
    values = json.loads(manifest_to_json(manifest_of(built, "plain")))
    for key in ("pca", "expand", "alpha", "precision"):
        del values[key]
    assert read_manifest(json.dumps(values)) == manifest_of(built, "plain")


def test_a_changed_byte_of_the_projection_is_found(copied: Home, ris: Run, monkeypatch) -> None:
    monkeypatch.setenv("RIS_HOME", str(copied.path))
    path = copied.folders("pca").indexes / "projection.safetensors"
    whole = path.read_bytes()
    assert ris("verify", "pca")[0] == 0
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    code, said, _ = ris("verify", "pca")
    assert (code, f"{path} is not the file its gallery was built with" in said) == (5, True)
    path.unlink()
    code, said, _ = ris("verify", "pca")
    assert (code, f"{path} is missing" in said) == (5, True)


def test_a_projection_of_other_dimensions_is_refused(copied: Home, monkeypatch) -> None:
    """Only a wrong program writes such a gallery: its hash is right."""
    read = Projection.read
    monkeypatch.setattr(
        Projection, "read", lambda path: Projection(read(path).mean, read(path).components[:9])
    )
    with pytest.raises(GalleryError, match="does not belong to its database"):
        copied.service().search("pca", 0)


def test_a_gallery_without_its_features_still_projects(copied: Home) -> None:
    shutil.rmtree(copied.folders("pca").features)
    result = copied.service().search("pca", file_of(copied, 4).read_bytes(), k=3)
    assert result.approximate
    assert result.hits[0].image.id == row_of(copied, 4)


def test_a_rebuilt_gallery_has_the_projection_it_asked_for_and_no_other(copied: Home) -> None:
    images, folder = copied.path / "pictures", copied.folders("pca").indexes
    copied.build(images, "pca", index="SQ8", options=VectorOptions(pca=5))
    assert [path.name for path in folder.glob("proj*")] == ["projection.2.safetensors"]
    assert copied.service().gallery("pca").dim == 5
    copied.build(images, "pca", index="SQ8")
    assert not list(folder.glob("proj*"))
    assert copied.service().vectors("pca").tobytes() == (
        copied.service().vectors("plain").tobytes()
    )


def test_a_stopped_build_goes_on_with_other_options_and_embeds_nothing_again(
    built: Home, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = built.path / "pictures"
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(3), home, images, options=VectorOptions(pca=20))
    runtime = CountingRuntime()
    report = build_with(runtime, home, images, index="SQ8", options=PCA)
    assert report.embedded == IMAGES + 1 - 3 * BATCH
    whole = built.service().vectors("pca")
    assert home.service().vectors("mine").tobytes() == whole.tobytes()
    # Stopped after the projection: the next run wants none.
    stop = StoppedError()
    with monkeypatch.context() as patched:
        patched.setattr("app.build.commit.calibrate", lambda *_, **__: (_ for _ in ()).throw(stop))
        with pytest.raises(StoppedError):
            build_with(CountingRuntime(), home, images, "late", options=PCA)
    runtime = CountingRuntime()
    report = build_with(runtime, home, images, "late")
    assert (runtime.batches, report.embedded) == (0, 0)
    assert set(report.manifest.files) == {"vectors", "shortlist", "thumbnails"}
    assert home.service().gallery("late").dim == 48


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pca", "49"), "The model's vectors have 48 numbers"),
        (("--pca", "0"), "Principal components are 1 or more, not 0"),
        (
            ("--pca", "48", "--index", "Flat"),
            "41 images have at most 41 principal components, not 48",
        ),
        (("--pca", "16", "--limit", "9"), "9 images have at most 9 principal components, not 16"),
        (("--pca", "7", "--index", "IVF2,PQ8"), "of 7 numbers"),
        (("--expand", "201"), "1 to 200 of its nearest images, not 201"),
        (("--alpha", "2"), "leave --alpha out, or add --expand"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_embedded(
    built: Home, home: Home, run: Run, options: tuple[str, ...], message: str
) -> None:
    of = ("--images", built.path / "pictures", "--name", "mine", "--model", "mean_colour")
    code, said, err = run(*of, *options)
    assert (code, said) == (2, "")
    assert message in err
    assert "Embedding" not in err
    assert not (home.path / "indexes" / "mine").exists()


def test_too_few_readable_pictures_are_told_and_what_is_embedded_is_kept(
    home: Home, tmp_path: Path
) -> None:
    images = fill(tmp_path / "pictures", 8)
    (images / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="8 images have at most 8 principal components, not 9"):
        home.build(images, index="Flat", options=VectorOptions(pca=9))
    runtime = CountingRuntime()
    build_with(runtime, home, images, options=VectorOptions(pca=8), index="Flat")
    assert runtime.batches == 0


# --- expanded queries ----------------------------------------------------------------------------


def by_hand(home: Home, name: str, plain: np.ndarray, own: set[int]) -> np.ndarray:
    """Return the expanded query that brute force makes of a plain one."""
    manifest, vectors = manifest_of(home, name), home.service().vectors(name)
    scores = vectors @ plain
    nearest = [row for row in np.argsort(-scores) if row not in own][: manifest.expand]
    total = plain + np.maximum(scores[nearest], 0) ** manifest.alpha @ vectors[nearest]
    return total / np.linalg.norm(total)


@pytest.mark.parametrize(("name", "without"), [("expand", "plain"), ("both", "pca")])
def test_a_query_is_compared_with_its_nearest_images_added(
    built: Home, name: str, without: str
) -> None:
    service = built.service()
    twin = open_gallery(name, home=built.path).images()
    twins = {each.id for each in twin if each.path.endswith(("00007.jpg", "again.jpg"))}
    assert len(twins) == 2
    rows = {row_of(built, 3)}
    for query, own in (
        (encoded(picture(999)), set()),
        (file_of(built, 3).read_bytes(), rows),
        (*rows, rows),
        (row_of(built, 7), twins),
    ):
        expected = by_hand(built, name, embedded_by(service, without, query), own)
        asked = embedded_by(service, name, query)
        assert asked == pytest.approx(expected, abs=1e-3)
        for exact in (False, True):
            result = service.search(name, query, k=IMAGES, exact=exact)
            vectors = unit(service.vectors(name))
            for hit in result:
                assert hit.score == pytest.approx(float(vectors[hit.image.id] @ asked), abs=1e-5)
        assert {hit.image.id for hit in result.hits[: len(own)]} == own, "the same file is first"
        assert all(hit.same_file == (hit.image.id in own) for hit in result)


def test_the_answer_says_that_the_query_was_expanded(built: Home) -> None:
    service = built.service()
    assert service.search("plain", 0).notes == service.search("pca", 0).notes == ()
    (note,) = service.search("expand", 0).notes
    assert note.startswith("Scores are cosines to the query with its 3 nearest images added")


@pytest.mark.parametrize("name", ["expand", "both"])
def test_evaluate_asks_as_the_service_asks(built: Home, name: str) -> None:
    gallery = Gallery(built.folders(name))
    try:
        rows = np.arange(IMAGES + 1)
        asked = _subject(gallery, "").queries(rows)
    finally:
        gallery.close()
    service = built.service()
    assert asked == pytest.approx(np.stack([embedded_by(service, name, int(row)) for row in rows]))
    found = evaluate(built.folders(name), k=5, sample=100, without="")
    plain = evaluate(built.folders("plain"), k=5, sample=100, without="")
    assert found.mean_average_precision != plain.mean_average_precision


def test_the_floor_is_that_of_expanded_queries(built: Home) -> None:
    floors = [built.service().gallery(name).floor for name in ("plain", "expand")]
    assert None not in floors
    assert floors[1] > floors[0] + 0.01  # type: ignore[operator]


# --- doors ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(built: Home) -> Iterator[str]:
    with serving(built) as address:
        yield address


@pytest.mark.parametrize("name", ["pca", "expand", "both"])
def test_every_door_gives_the_same(
    built: Home,
    address: str,
    ris: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv("RIS_HOME", str(built.path))
    file, service, python = file_of(built, 12), built.service(), open_gallery(name, home=built.path)
    expected = [(hit.image.id, hit.score) for hit in service.search(name, file.read_bytes(), k=20)]
    assert [(hit.image.id, hit.score) for hit in python.search(file, k=20)] == expected
    sent = {"files": {"file": file.read_bytes()}, "params": {"gallery": name, "k": 20}}
    with httpx.Client(base_url=address, trust_env=False) as client:
        answer = client.post("/similarity-search", **sent).json()
        del sent["params"]["k"]  # type: ignore[attr-defined]
        embedded = client.post("/embed", **sent).json()
        facts = client.get(f"/galleries/{name}").json()
    assert [(each["id"], each["score"]) for each in answer["results"]] == expected
    assert embedded["dim"] == facts["dim"] == service.gallery(name).dim
    assert embedded["vector"] == pytest.approx(
        embedded_by(service, name, file.read_bytes()), abs=1e-6
    )
    assert embedded["vector"] == pytest.approx(python.embed(file), abs=1e-6)
    page = Functions(service, Uploads(tmp_path, service))
    upload = {"kind": "upload", "path": str(shutil.copy(file, tmp_path)), "name": file.name}
    shown = page.ask({"gallery": name, "query": upload})["results"]
    assert shown["gallery"] == name
    assert [(each["id"], each["score"]) for each in shown["hits"][:20]] == expected
    sent_as = base64.b64encode(file.read_bytes()).decode()
    arguments = {"gallery": name, "image": sent_as, "k": 20, "pictures": 0}
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(make_server(service, folders=None))) as mcp,
    ):
        told = portal.call(mcp.call_tool, "search_similar", arguments).structured_content
    assert [(each["id"], each["score"]) for each in told["results"]] == expected
    for where in (("--no-server",), ("--server", address)):
        code, said, err = ris("search", file, "--gallery", name, "-k", 20, "--json", *where)
        assert code == 0, err
        found = json.loads(said)["results"]
        assert [(each["id"], each["score"]) for each in found] == expected


def test_info_tells_of_it(built: Home, ris: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIS_HOME", str(built.path))
    _, said, _ = ris("info", "both")
    assert "mean_colour, 10 dimensions, centred principal components\n" in said
    assert "  queries   with their 3 nearest images added, alpha 2\n" in said
    _, said, _ = ris("info", "plain")
    assert "mean_colour, 48 dimensions\n" in said
    assert "queries" not in said


# --- export, import, lists -----------------------------------------------------------------------


def quiet(stage: str, done: int, total: int) -> None:
    pass


def take(home: Home, folder: Path, name: str = "back", **options: object) -> None:
    import_embeddings(
        ImportRequest(folder, name, **options),  # type: ignore[arg-type]
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda model: mean_colour(),
        on_progress=quiet,
    )


def exported(home: Home, name: str, folder: Path) -> Path:
    places = {key: home.path / key.removesuffix("_dir") for key in ("features_dir", "indexes_dir")}
    export_gallery(name, folder, on_progress=quiet, **places)
    return folder


def test_an_exported_gallery_comes_back_with_its_projection_and_its_queries(
    built: Home, home: Home, tmp_path: Path
) -> None:
    folder = exported(built, "both", tmp_path / "out")
    assert "projection.safetensors" in json.loads((folder / "gallery.json").read_text())["files"]
    take(home, folder)
    ours, theirs = built.service(), home.service()
    assert theirs.vectors("back").tobytes() == ours.vectors("both").tobytes()
    one, two = ours.gallery("both"), theirs.gallery("back")
    for key in ("dim", "pca", "expand", "alpha", "floor", "recall_reranked"):
        assert getattr(one, key) == getattr(two, key), key
    query = encoded(picture(999))
    assert embedded_by(theirs, "back", query) == pytest.approx(
        embedded_by(ours, "both", query), abs=1e-6
    )


def test_what_is_taken_in_can_be_projected_and_expanded_then(
    built: Home, home: Home, tmp_path: Path, run: Run
) -> None:
    folder = exported(built, "plain", tmp_path / "out")
    command = ("--embeddings", folder, "--name", "back")
    assert run(*command, "--pca", "10", "--expand", "3", "--alpha", "2")[0] == 0
    assert home.service().vectors("back").tobytes() == built.service().vectors("pca").tobytes()
    assert (told := home.service().gallery("back")).dim == 10
    assert (told.expand, told.alpha) == (3, 2.0)
    assert "--pca 10 --expand 3 --alpha 2.0" in manifest_of(home, "back").command
    again = exported(home, "back", tmp_path / "again")
    with pytest.raises(UsageError, match="are 10 principal components already: leave --pca out"):
        take(home, again, "third", pca=5)
    take(home, again, "third", expand=0)
    assert home.service().gallery("third").expand == 0
    with pytest.raises(UsageError, match="41 images have at most 41"):
        take(home, folder, "fourth", pca=45)


def test_a_projection_that_was_lost_or_changed_on_the_way_is_told(
    built: Home, home: Home, tmp_path: Path
) -> None:
    folder = exported(built, "pca", tmp_path / "out")
    path = folder / "projection.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DatasetError, match="not the file that was exported"):
        take(home, folder)
    values = json.loads((folder / "gallery.json").read_text())
    del values["files"]["projection.safetensors"]
    (folder / "gallery.json").write_text(json.dumps(values))
    Projection(np.zeros(47, np.float32), np.eye(10, 47, dtype=np.float32)).write(path)
    with pytest.raises(DatasetError, match=r"makes 10 numbers of 47.* are 10 of 48"):
        take(home, folder)
    path.unlink()
    with pytest.raises(DatasetError, match="is missing or damaged"):
        take(home, folder)


def test_a_model_of_the_same_name_here_does_not_keep_an_exported_gallery_out(
    built: Home, home: Home, tmp_path: Path
) -> None:
    folder = exported(built, "pca", tmp_path / "out")
    values = json.loads((folder / "gallery.json").read_text())
    values["gallery"]["model"] = "shoes"  # of the other machine's own, of 48 numbers
    (folder / "gallery.json").write_text(json.dumps(values))
    import_embeddings(
        ImportRequest(folder, "back"),
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda model: mean_colour(),
        find_model=lambda name: replace(model_named("mean_colour"), name=name, dim=512),
        on_progress=quiet,
    )
    facts = home.service().gallery("back")
    assert (facts.model, facts.dim, facts.pca) == ("shoes", 10, 10)


def test_a_list_takes_the_options_and_keeps_them_when_asked_again(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    rows = [("id", "url"), *((str(n), site.shows(f"/{n}.jpg", n)) for n in range(6))]
    file = write_csv(tmp_path / "items.csv", [*rows, ("b", f"{site.url}/b.jpg")])
    command = ("--csv", file, "--name", "shop", "--model", "mean_colour", "--index", "Flat")
    assert run(*command, "--pca", "4", "--expand", "2")[0] == 0
    site.shows("/b.jpg", 20)
    code, _, err = run("--csv", file, "--name", "shop", "--retry-failed", "--pca", "3")
    assert (code, "was built with another --pca" in err) == (2, True)
    assert run("--csv", file, "--name", "shop", "--retry-failed")[0] == 0
    told = home.service().gallery("shop")
    assert (told.images, told.dim, told.pca, told.expand, told.alpha) == (7, 4, 4, 2, 3.0)
