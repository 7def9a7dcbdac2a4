"""Files that change while a gallery is built, or between a stop and going on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.errors import DatasetError
from app.gallery import Gallery
from tests.build.conftest import CountingRuntime, StoppedError, build_with
from tests.conftest import Home, encoded, fill, picture


def stop_after(home: Home, images: Path, batches: int) -> None:
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(fails_at=batches), home, images)


def vectors_by_path(home: Home) -> dict[str, np.ndarray]:
    gallery = Gallery(home.folders("mine"))
    try:
        ids = gallery.ids()
        records = gallery.images(ids.tolist())
        return {
            each.path: vector for each, vector in zip(records, gallery.vectors(ids), strict=True)
        }
    finally:
        gallery.close()


def test_a_build_goes_on_after_its_list_has_changed(home, tmp_path):
    images = fill(tmp_path / "pictures", 60)
    stop_after(home, images, 4)
    (images / "aaa.jpg").write_bytes(encoded(picture(500)))  # before all others
    (images / "kind_0" / "00000.jpg").unlink()
    rest = CountingRuntime()
    report = build_with(rest, home, images)
    assert report.embedded == 60 - (4 * rest.batch - 1), "one of those that were done is gone"
    whole = Home(tmp_path / "whole")
    build_with(CountingRuntime(), whole, images)
    mine, others = vectors_by_path(home), vectors_by_path(whole)
    assert mine.keys() == others.keys()
    for path, vector in mine.items():
        np.testing.assert_array_equal(vector, others[path], err_msg=path)


def test_a_picture_replaced_between_a_stop_and_going_on_is_embedded_anew(home, tmp_path):
    images = fill(tmp_path / "pictures", 60)
    stop_after(home, images, 4)
    before = (images / "kind_0" / "00000.jpg").read_bytes()
    (images / "kind_0" / "00000.jpg").write_bytes(encoded(picture(500)))
    build_with(CountingRuntime(), home, images)
    gallery = Gallery(home.folders("mine"))
    [record] = gallery.images(gallery.ids_of_path("kind_0/00000.jpg"))
    assert record.bytes != len(before)
    expected = build_with(CountingRuntime(), home, images, "again").manifest
    again = Gallery(home.folders("again"))
    np.testing.assert_array_equal(
        gallery.vectors(np.array(gallery.ids_of_path("kind_0/00000.jpg"))),
        again.vectors(np.array(again.ids_of_path("kind_0/00000.jpg"))),
    )
    assert expected.images == 60
    gallery.close()
    again.close()


@pytest.mark.parametrize("what", ["all of it", "a part"])
def test_a_folder_that_goes_away_during_a_rebuild_leaves_the_gallery(home, tmp_path, what):
    images = fill(tmp_path / "pictures", 60)
    build_with(CountingRuntime(), home, images)
    for seed in range(60):  # so that each has to be read
        (images / f"kind_{seed % 5}" / f"{seed:05}.jpg").write_bytes(encoded(picture(900 + seed)))

    class GoingAway(CountingRuntime):
        def run(self, batch):
            for folder in ["kind_1", "kind_2", "kind_3", "kind_4"]:
                shutil.rmtree(images / folder, ignore_errors=True)
            if what == "all of it":
                shutil.rmtree(images, ignore_errors=True)
            return super().run(batch)

    with pytest.raises(DatasetError, match="the gallery stays as it was"):
        build_with(GoingAway(), home, images)
    gallery = Gallery(home.folders("mine"))
    assert (gallery.rows, gallery.manifest.generation) == (60, 1)
    gallery.close()


def test_links_to_one_file_are_embedded_once(home, tmp_path):
    images = fill(tmp_path / "pictures", 20)
    for number in range(31):
        (images / f"link_{number}.jpg").symlink_to(images / "kind_0" / "00000.jpg")
    runtime = CountingRuntime()
    report = build_with(runtime, home, images)
    assert report.manifest.images == 51
    assert report.embedded <= 20 + runtime.batch, "but for those that are under way together"
