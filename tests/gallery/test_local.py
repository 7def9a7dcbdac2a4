"""An open gallery is seen whole or as it was before; what does not belong is refused by name."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.errors import GalleryError, NotFoundError
from app.gallery import Draft, files
from app.values import ImageRecord
from app.values.gallery import StoredFile
from tests.conftest import Home, encoded, fill, picture
from tests.gallery.conftest import PICTURES


def files_below(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


# Without the vectors


def test_without_its_features_folder_a_gallery_opens_and_is_approximate(galleries, open_gallery):
    shutil.rmtree(galleries.folders("mine").features)
    gallery = open_gallery(galleries)
    assert (gallery.approximate, gallery.rows) == (True, PICTURES)


def test_the_draft_of_a_rebuild_is_no_features_folder(galleries, open_gallery):
    shutil.rmtree(galleries.folders("mine").features)
    draft = Draft(galleries.folders("mine"), recipe="another", dim=48)
    assert galleries.folders("mine").features.is_dir()

    gallery = open_gallery(galleries)

    assert gallery.approximate
    draft.discard()
    assert not galleries.folders("mine").features.exists()
    assert open_gallery(galleries).approximate


def test_a_gallery_that_is_only_searched_exactly_cannot_do_without_its_features(
    galleries, open_gallery
):
    galleries.build(galleries.path / "mine", index="Flat")
    path = galleries.folders("mine").features / "2" / "vectors.faiss"
    shutil.rmtree(galleries.folders("mine").features)
    with pytest.raises(GalleryError) as refused:
        open_gallery(galleries)
    assert f"{path} is missing" in str(refused.value)
    assert f"--images {galleries.path / 'mine'} --name mine --force" in str(refused.value)


# Generations


def test_a_gallery_that_is_open_keeps_answering_while_it_is_replaced(galleries, open_gallery):
    before = open_gallery(galleries)
    rows = [3, 79, 0]
    images, thumbnail = before.images(rows), before.thumbnail(79)
    expected = before.search(before.vectors(np.array(rows)), 20)
    assert not before.replaced()

    galleries.build(fill(galleries.path / "new", 50, first=500), index="IVF100,SQ8")

    assert before.replaced()
    assert before.images(rows) == images
    assert before.thumbnail(79) == thumbnail
    found = before.search(before.vectors(np.array(rows)), 20)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.scores, expected.scores)
    after = open_gallery(galleries)
    assert (after.manifest.images, after.replaced()) == (50, False)
    assert after.images([0])[0].path == "kind_0/00500.jpg"


def test_opening_while_a_rebuild_ends_gives_the_new_gallery(galleries, monkeypatch, open_gallery):
    verify = files.verify_file

    def verify_after_a_rebuild(path: Path, file: StoredFile, mend: str, *, hashed: bool) -> None:
        monkeypatch.setattr(files, "verify_file", verify)
        galleries.build(fill(galleries.path / "new", 50, first=500), index="IVF100,SQ8")
        verify(path, file, mend, hashed=hashed)

    monkeypatch.setattr(files, "verify_file", verify_after_a_rebuild)
    assert open_gallery(galleries).manifest.images == 50


def test_a_gallery_that_was_removed_counts_as_replaced(galleries, open_gallery):
    gallery = open_gallery(galleries)
    shutil.rmtree(galleries.folders("mine").indexes)
    assert gallery.replaced()


def test_reading_a_gallery_writes_nothing(galleries, open_gallery):
    before = files_below(galleries.path)
    gallery = open_gallery(galleries)
    gallery.images([0])
    gallery.thumbnail(0)
    gallery.labels()
    gallery.search(np.ones((1, 48), np.float32), 5)
    gallery.skipped()
    gallery.seen()
    gallery.close()
    assert files_below(galleries.path) == before


# What is in it


def test_an_image_has_its_path_size_content_and_labels(original, open_gallery):
    gallery = open_gallery(original)
    record = gallery.images([34])[0]  # 16 pictures of each of kind_0, kind_1, then kind_2
    assert record == ImageRecord(
        id=34,
        path="kind_2/00012.jpg",
        sha256=hashlib.sha256((original.path / "mine/kind_2/00012.jpg").read_bytes()).hexdigest(),
        width=64,
        height=48,
        bytes=(original.path / "mine/kind_2/00012.jpg").stat().st_size,
        labels=("kind_2",),
    )


def test_images_come_in_the_order_of_the_given_ids_also_twice(original, open_gallery):
    gallery = open_gallery(original)
    assert [image.id for image in gallery.images([7, 79, 7, 0])] == [7, 79, 7, 0]
    assert gallery.images([]) == []


@pytest.mark.parametrize("image", [-1, PICTURES, 2**31, 2**70, -(2**70)])
def test_an_unknown_image_is_not_found(original, image, open_gallery):
    gallery = open_gallery(original)
    with pytest.raises(NotFoundError, match=f"no image {image}: its ids go from 0 to 79"):
        gallery.images([0, image])
    with pytest.raises(NotFoundError, match=f"no image {image}: its ids go from 0 to 79"):
        gallery.thumbnail(image)


def test_every_image_has_another_small_webp(original, open_gallery):
    gallery = open_gallery(original)
    thumbnails = [gallery.thumbnail(image) for image in range(PICTURES)]
    assert all(data[:4] == b"RIFF" and data[8:12] == b"WEBP" for data in thumbnails)
    assert len(set(thumbnails)) == PICTURES


def test_the_same_content_is_found_under_every_path_it_has(tmp_path, open_gallery):
    home = Home(tmp_path)
    images = fill(tmp_path / "images", 12, labels=3)
    for name in ("kind_1/aaa.jpg", "zzz.jpg"):
        shutil.copyfile(images / "kind_0/00003.jpg", images / name)
    home.build(images)
    gallery = open_gallery(home)
    digest = hashlib.sha256((images / "zzz.jpg").read_bytes()).hexdigest()

    ids = gallery.ids_of_content(digest)

    assert [image.path for image in gallery.images(ids)] == [
        "kind_0/00003.jpg",
        "kind_1/aaa.jpg",
        "zzz.jpg",
    ]
    assert ids == sorted(ids)
    assert gallery.ids_of_content("00" * 32) == []


def test_an_image_may_have_several_labels_or_none(tmp_path, open_gallery):
    home = Home(tmp_path)
    images = tmp_path / "images"
    for path in ("plain.jpg", "zoo/big/lion.jpg", "zoo/big/cat's.jpg", "zoo/zoo/twice.jpg"):
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        (images / path).write_bytes(encoded(picture(len(path))))
    home.build(images)
    gallery = open_gallery(home)
    labels = {image.path: image.labels for image in gallery.images(range(4))}
    assert labels == {
        "plain.jpg": (),
        "zoo/big/cat's.jpg": ("big", "zoo"),
        "zoo/big/lion.jpg": ("big", "zoo"),
        "zoo/zoo/twice.jpg": ("zoo",),
    }
    assert gallery.labels() == [image.labels for image in gallery.images(range(4))]


def test_random_images_are_different_from_each_other_and_at_each_call(original, open_gallery):
    gallery = open_gallery(original)
    draws = [gallery.random_ids(20) for _ in range(5)]
    assert all(len(set(ids)) == 20 and set(ids) <= set(range(PICTURES)) for ids in draws)
    assert len({tuple(ids) for ids in draws}) == 5
    assert sorted(gallery.random_ids(1000)) == list(range(PICTURES))
