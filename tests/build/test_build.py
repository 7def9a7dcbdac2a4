"""A build of a folder or a data set: what is in the gallery, what is skipped, what is refused."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from app.build.build import BuildReport, BuildRequest, build
from app.embed import Embedder
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import DatasetError, ModelError, NotFoundError, UsageError
from app.gallery import Gallery, gallery_names
from app.images import decode, encode
from tests.build.conftest import CountingRuntime, build_with, content
from tests.conftest import Home, encoded, fill, mean_colour, picture

# A whole build


def test_a_build_says_what_it_did(home, images):
    reported: list[tuple[str, int, int]] = []
    options = {"on_progress": lambda *step: reported.append(step)}
    report = build_with(CountingRuntime(), home, images, **options)

    manifest = report.manifest
    assert [stage for stage, _, _ in reported if stage != "embed"] == ["list", "train", "measure"]
    counts = [(done, total) for stage, done, total in reported if stage == "embed"]
    assert counts[0] == (0, 100)
    assert counts[-1] == (100, 100)
    assert counts == sorted(counts)
    assert (manifest.name, manifest.data, manifest.source) == ("mine", "mine", str(images))
    assert manifest.sources == (str(images),)
    assert (manifest.model, manifest.dim) == ("mean_colour", 48)
    assert manifest.request == {"images": "/pictures"}
    assert manifest.command == "python3 create_index.py --images /pictures"
    assert (manifest.images, manifest.skipped, report.embedded) == (97, 3, 100)
    assert (manifest.index_asked, manifest.index) == ("IVF100,SQ8", "IVF2,SQ8")
    assert manifest.recall_reranked >= 0.97
    assert manifest.recall_queries > 40
    assert ["IVF2,SQ8" in note for note in manifest.notes] == [True]
    assert set(manifest.versions) == {"faiss-cpu", "numpy", "openvino", "pillow"}
    [segment] = manifest.segments
    assert set(segment.files) == {"vectors", "shortlist", "thumbnails", "items"}
    assert (segment.rows, segment.first_id, manifest.next_id) == (97, 0, 97)
    found = ("index", "probes", "candidates", "recall_raw", "recall_reranked")
    assert all(getattr(segment, fact) == getattr(manifest, fact) for fact in found)
    assert set(manifest.files) == {"seen", "skipped", "quantiser"}
    assert report.images_per_second > 0
    assert report.seconds >= report.seconds_embedding > 0


def test_a_picture_is_found_by_the_vector_that_a_query_of_its_file_gets(home, images):
    build_with(CountingRuntime(), home, images)
    gallery = Gallery(home.folders("mine"))
    embedder = mean_colour()
    for record in gallery.images(range(0, 97, 8)):
        data = (images / record.path).read_bytes()
        query = embedder.embed([decode.decode(data, min_side=embedder.decoded_side)])
        found = gallery.search(query, 1)
        assert found.rows[0, 0] == record.id
        assert found.scores[0, 0] == pytest.approx(1, abs=1e-3)
    gallery.close()


def test_the_same_pictures_give_the_same_gallery_twice(home, images, whole):
    build_with(CountingRuntime(), home, images, workers=4)
    assert content(home) == whole
    build_with(CountingRuntime(), home, images, workers=3)
    assert content(home) == whole


def test_rows_are_in_the_order_of_the_paths(whole):
    paths = [image.path for image in whole.images]
    assert paths == sorted(paths)
    assert [image.id for image in whole.images] == list(range(97))
    assert whole.labels == [(path.split("/")[0],) for path in paths]


def test_unreadable_pictures_are_skipped_and_listed_with_reasons(home, images):
    report = build_with(CountingRuntime(), home, images)
    reasons = {skip.path: skip.reason for skip in report.skipped}
    words = {
        "kind_1/00000.jpg": "empty",
        "kind_3/text.jpg": "not a picture",
        "zzz.png": "broken|cut|damaged|truncated",
    }
    assert list(reasons) == list(words)
    for path, word in words.items():
        assert re.search(word, reasons[path]), reasons[path]
        assert reasons[path].endswith(".")


def test_a_name_that_is_no_text_costs_its_own_file_only(home, tmp_path):
    fill(tmp_path / "pictures", 3)
    try:
        name = os.fsdecode(b"caf\xe9.png")
        (tmp_path / "pictures" / name).write_bytes(encoded(picture(1)))
    except OSError:
        pytest.skip("this file system takes only names that are text")
    report = build_with(MeanColourRuntime(), home, tmp_path / "pictures")
    (skipped,) = report.skipped
    assert skipped.path == "caf\\udce9.png"
    assert "rename it" in skipped.reason
    assert report.manifest.images == 3


def test_a_picture_that_goes_away_during_the_build_is_skipped_with_the_reason(home, tmp_path):
    pictures = fill(tmp_path / "images", 20)

    def take_one_away(stage: str, done: int, total: int) -> None:
        if stage == "embed":
            (pictures / "kind_4" / "00019.jpg").unlink(missing_ok=True)

    report = build_with(CountingRuntime(), home, pictures, on_progress=take_one_away)

    (skipped,) = report.skipped
    assert skipped.path == "kind_4/00019.jpg"
    assert "No such file or directory" in skipped.reason
    assert report.manifest.images == 19


def test_when_no_picture_can_be_read_there_is_no_gallery_and_mended_ones_are_read(home, tmp_path):
    broken = tmp_path / "images"
    broken.mkdir()
    for number in range(20):
        (broken / f"{number:02}.jpg").write_text("a shopping list")
    with pytest.raises(DatasetError, match=r"No picture of the 20 in .* can be read, the first"):
        build_with(CountingRuntime(), home, broken)
    assert gallery_names(home.path / "indexes") == []
    assert not home.folders("mine").features.exists()

    for number in range(20):
        (broken / f"{number:02}.jpg").write_bytes(encoded(picture(number)))
    assert build_with(CountingRuntime(), home, broken).manifest.images == 20


@pytest.mark.parametrize("workers", [1, 4])
def test_a_content_that_comes_again_at_once_is_decoded_once(home, tmp_path, monkeypatch, workers):
    folder = fill(tmp_path / "pictures", 12)
    (folder / "kind_0" / "text.jpg").write_text("a shopping list")
    for path in sorted(folder.rglob("*.jpg")):
        for again in "abc":  # beside it in the list, and so in the same batch or the next one
            path.with_name(f"{path.stem}_{again}.jpg").write_bytes(path.read_bytes())
    decoded = []

    def count(data: bytes, **options: object) -> object:
        decoded.append(data)
        return real(data, **options)

    real = decode.read
    monkeypatch.setattr(decode, "read", count)
    report = build_with(CountingRuntime(), home, folder, workers=workers)

    assert len(decoded) == len(set(decoded)) == report.embedded == 13
    assert (report.manifest.images, report.manifest.skipped) == (48, 4)
    assert {skip.reason for skip in report.skipped} == {report.skipped[0].reason}
    found = content(home)
    assert [image.path for image in found.images] == sorted(image.path for image in found.images)
    vectors = np.frombuffer(found.vectors, np.float32).reshape(48, -1)
    for image, vector, thumbnail in zip(found.images, vectors, found.thumbnails, strict=True):
        pixels = real((folder / image.path).read_bytes(), min_side=256)[0]
        assert (image.width, image.height) == pixels.shape[1::-1]
        assert vector @ mean_colour().embed([pixels])[0] == pytest.approx(1, abs=1e-3)
        assert thumbnail == encode.thumbnail(pixels)


def test_a_limit_takes_the_first_pictures_only(home, images, whole):
    report = build_with(CountingRuntime(), home, images, limit=21)
    assert report.manifest.images == 21 - report.manifest.skipped
    assert content(home).images == whole.images[: report.manifest.images]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(home, images, limit):
    with pytest.raises(UsageError, match=f"The limit must be 1 or more, not {limit}"):
        build_with(CountingRuntime(), home, images, limit=limit)
    assert not home.path.exists()


@pytest.mark.parametrize("count", [1, 2, 5, 38, 39, 255, 256])
def test_a_gallery_too_small_for_its_index_gets_a_smaller_one_and_says_so(home, tmp_path, count):
    report = build_with(
        CountingRuntime(), home, fill(tmp_path / "images", count), index="IVF100,PQ8"
    )
    manifest = report.manifest
    if count < 256:
        assert manifest.index == "Flat"
        assert "shortlist" not in manifest.segments[0].files
    else:
        assert manifest.index == "IVF6,PQ8"
    (note,) = manifest.notes
    assert f"{count} images" in note
    assert ("searched exactly" if count < 256 else "IVF6,PQ8") in note
    gallery = Gallery(home.folders("mine"))
    vectors = gallery.vectors(np.arange(count))
    found = gallery.search(vectors, 100)
    assert found.rows.shape == (count, min(count, 100))
    assert all(len(set(rows)) == len(rows) for rows in found.rows.tolist())
    assert found.rows[:, 0].tolist() == list(range(count))
    assert found.rows.min() == 0
    gallery.close()


# What is requested


def request_build(home: Home, **changes: object) -> BuildReport:
    request: dict[str, object] = {
        "data": None,
        "images": None,
        "name": None,
        "model": "mean_colour",
        "index": "IVF100,PQ8",
        "limit": None,
        "force": False,
    }
    return build(
        BuildRequest(**(request | changes)),  # type: ignore[arg-type]
        datasets_dir=home.path / "datasets",
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda name, **_: mean_colour(),
        workers=1,
        on_progress=lambda stage, done, total: None,
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": "caltek"}, NotFoundError, "choose one of caltech, caltech101, coco, market"),
        ({"data": "coco"}, DatasetError, "data_download.sh coco"),
        ({"model": "vgg"}, UsageError, "There is no model 'vgg': choose one of resnet50"),
        ({"name": None}, UsageError, "add --name NAME"),
        ({"name": "../x"}, UsageError, "A gallery cannot be called '../x'"),
        ({"index": "IVF100,PQ7"}, UsageError, "The index 'IVF100,PQ7' cannot be made"),
        ({"images": Path("/nowhere")}, DatasetError, "/nowhere does not exist"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_written(
    home, images, changes, error, message
):
    pictures = {} if "data" in changes else {"images": images, "name": "mine"}
    with pytest.raises(error, match=re.escape(message)):
        request_build(home, **(pictures | changes))
    assert not home.path.exists()


def test_an_existing_gallery_is_replaced_only_when_forced(home, images, tmp_path):
    request_build(home, images=images, name="mine")
    before = content(home)
    other = fill(tmp_path / "other", 10, first=300)
    with pytest.raises(UsageError, match="The gallery mine exists already: add --force"):
        request_build(home, images=other, name="mine")
    assert content(home) == before
    assert request_build(home, images=other, name="mine", force=True).manifest.images == 10


def test_a_data_set_s_gallery_is_called_after_it_and_the_model(home):
    for number in range(3):
        place = home.path / "datasets" / "caltech101" / "ant"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"image_{number:04}.jpg").write_bytes(encoded(picture(number)))
    manifest = request_build(home, data="caltech").manifest
    assert (manifest.name, manifest.data, manifest.source) == (
        "caltech101-mean_colour",
        "caltech101",
        "",
    )
    assert request_build(home, data="caltech101", name="ants").manifest.name == "ants"


def test_a_model_that_cannot_run_leaves_nothing_behind(home, images):
    def refuse(name: str, **_: object) -> Embedder:
        raise ModelError("no weights")

    with pytest.raises(ModelError):
        build(
            BuildRequest(None, images, "mine", "mean_colour", "Flat", None, False),
            datasets_dir=home.path / "datasets",
            features_dir=home.path / "features",
            indexes_dir=home.path / "indexes",
            load_embedder=refuse,
            workers=1,
            on_progress=lambda stage, done, total: None,
        )
    assert not home.path.exists()
