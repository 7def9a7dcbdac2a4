"""Galleries that keep principal components or expand queries: built, rebuilt, searched."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app import open_gallery
from app.errors import GalleryError, UsageError
from app.gallery import Gallery, manifest_from_json, manifest_to_json
from app.index import Projection
from app.search.evaluation import evaluate
from app.values import VectorOptions
from app.values.vectors import unit
from tests.build.conftest import BATCH, CountingRuntime, StoppedError, build_with
from tests.build.options import IMAGES, PCA, embedded_by, file_of, manifest_of, row_of
from tests.commands import Run, Site, write_csv
from tests.conftest import Home, encoded, fill, picture
from tests.gallery.format_1 import rewrite_as_format_1, values_of_format_1

read_manifest = partial(manifest_from_json, place=Path("manifest.json"), mend="")


def test_a_picture_is_compared_with_the_vector_that_is_stored_of_it(built: Home) -> None:
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


def test_the_manifest_and_the_facts_have_the_options(built: Home) -> None:
    facts_of = {
        name: (facts.dim, facts.pca, facts.expand, facts.alpha)
        for name in ("plain", "pca", "expand", "both")
        for facts in (manifest_of(built, name), built.service().gallery(name))
    }
    assert facts_of == {
        "plain": (48, 0, 0, 0.0),
        "pca": (10, 10, 0, 0.0),
        "expand": (48, 0, 3, 3.0),
        "both": (10, 10, 3, 2.0),
    }
    for name in facts_of:
        manifest = manifest_of(built, name)
        assert read_manifest(manifest_to_json(manifest)) == manifest
        assert ("projection" in manifest.files) == bool(manifest.pca)


def test_a_manifest_of_before_is_read_as_one_that_changes_nothing(copied: Home) -> None:
    rewrite_as_format_1(copied.folders("plain"))
    values = values_of_format_1(copied.folders("plain"))
    for key in ("pca", "expand", "alpha", "precision"):
        del values[key]
    assert read_manifest(json.dumps(values)) == manifest_of(copied, "plain")


def test_a_changed_byte_of_the_projection_is_found(copied: Home, ris: Run, monkeypatch) -> None:
    monkeypatch.setenv("RIS_HOME", str(copied.path))
    path = copied.folders("pca").indexes / "projection.1.safetensors"
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
    with pytest.raises(GalleryError, match="The projection of pca does not belong"):
        copied.service().search("pca", 0)


def test_a_gallery_without_its_features_still_projects(copied: Home) -> None:
    shutil.rmtree(copied.folders("pca").features)
    result = copied.service().search("pca", file_of(copied, 4).read_bytes(), k=3)
    assert result.approximate
    assert result.hits[0].image.id == row_of(copied, 4)


def test_a_rebuilt_gallery_has_its_own_projection_and_no_other(copied: Home) -> None:
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
    # Of the rest one has the content of a picture that is embedded already.
    assert report.embedded == IMAGES - 3 * BATCH
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
    assert "projection" not in report.manifest.files
    assert not list(home.folders("late").indexes.rglob("projection.*"))
    assert home.service().gallery("late").dim == 48


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pca", "49"), ["48"]),
        (("--pca", "0"), ["not 0"]),
        (("--pca", "48", "--index", "Flat"), ["at most 41", "not 48"]),
        (("--pca", "16", "--limit", "9"), ["at most 9", "not 16"]),
        (("--pca", "7", "--index", "IVF2,PQ8"), ["'IVF2,PQ8'", "7 numbers"]),
        (("--expand", "201"), ["not 201"]),
        (("--alpha", "2"), ["leave --alpha out, or add --expand"]),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_embedded(
    built: Home, home: Home, run: Run, options: tuple[str, ...], words: list[str]
) -> None:
    of = ("--images", built.path / "pictures", "--name", "mine", "--model", "mean_colour")
    code, said, err = run(*of, *options)
    assert (code, said) == (2, "")
    assert all(word in err for word in words), err
    assert "Embedding" not in err
    assert not (home.path / "indexes" / "mine").exists()


def test_too_few_readable_pictures_are_refused_and_what_is_embedded_is_kept(
    home: Home, tmp_path: Path
) -> None:
    images = fill(tmp_path / "pictures", 8)
    (images / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="8 images have at most 8 principal components, not 9"):
        home.build(images, index="Flat", options=VectorOptions(pca=9))
    runtime = CountingRuntime()
    build_with(runtime, home, images, options=VectorOptions(pca=8), index="Flat")
    assert runtime.batches == 0


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
        compared = embedded_by(service, name, query)
        assert compared == pytest.approx(expected, abs=1e-3)
        for exact in (False, True):
            result = service.search(name, query, k=IMAGES, exact=exact)
            vectors = unit(service.vectors(name))
            for hit in result:
                assert hit.score == pytest.approx(float(vectors[hit.image.id] @ compared), abs=1e-5)
        same = [hit for hit in result if hit.same_file]
        assert {image.id for hit in same for image in (hit.image, *hit.places)} == own
        assert [hit.rank for hit in same] == [1][: len(own)], "the same file is first"


def test_the_answer_notes_that_the_query_was_expanded(built: Home) -> None:
    service = built.service()
    assert service.search("plain", 0).notes == service.search("pca", 0).notes == ()
    (note,) = service.search("expand", 0).notes
    assert "3 nearest images" in note


@pytest.mark.parametrize("name", ["expand", "both"])
def test_an_evaluation_searches_with_the_services_queries(built: Home, name: str) -> None:
    service = built.service()
    vectors = unit(service.vectors(name))
    labels = [image.labels for image in open_gallery(name, home=built.path).images()]
    precisions = []
    for row in range(IMAGES + 1):
        scores = vectors @ embedded_by(service, name, row)
        ranked = [other for other in np.argsort(-scores, kind="stable") if other != row]
        right = np.array([labels[other] == labels[row] for other in ranked])
        precisions.append((np.cumsum(right) / np.arange(1, IMAGES + 1))[right].mean())
    found = evaluate(built.folders(name), k=5, sample=100, without="")
    assert found.queries == IMAGES + 1
    assert found.mean_average_precision == pytest.approx(np.mean(precisions), abs=1e-6)
    plain = evaluate(built.folders("plain"), k=5, sample=100, without="")
    assert found.mean_average_precision != pytest.approx(plain.mean_average_precision, abs=1e-5)


def test_the_floor_is_that_of_expanded_queries(built: Home) -> None:
    floors = [built.service().gallery(name).floor for name in ("plain", "expand")]
    assert None not in floors
    assert floors[1] > floors[0] + 0.005  # type: ignore[operator]


def test_a_list_takes_the_options_and_keeps_them_when_retried(
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
    facts = home.service().gallery("shop")
    assert (facts.images, facts.dim, facts.pca) == (7, 4, 4)
    assert (facts.expand, facts.alpha) == (2, 3.0)
