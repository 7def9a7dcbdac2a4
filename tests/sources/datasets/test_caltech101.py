"""Caltech101 gives its pictures in a fixed order, labelled by folder."""

import os
from pathlib import Path

import pytest

from app.errors import DatasetError
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from tests.sources.files import put


@pytest.mark.parametrize(
    "inside", ["", "101_ObjectCategories/", "caltech-101/101_ObjectCategories/"]
)
def test_caltech101_is_labelled_by_folder_wherever_the_archive_left_it(tmp_path, inside):
    home = tmp_path / "caltech101"
    put(home, f"{inside}wrench/image_0002.jpg", f"{inside}wrench/image_0001.jpg")
    put(home, f"{inside}BACKGROUND_Google/image_0001.jpg", f"{inside}BACKGROUND_Google/tmp")
    put(home, f"{inside}ant/.hidden.jpg", f"{inside}ant/image_0001.jpg")

    layout = open_data_set("caltech101", tmp_path)

    assert layout.name == "caltech101"
    assert layout.pictures() == [
        Picture("BACKGROUND_Google/image_0001.jpg", ("BACKGROUND_Google",)),
        Picture("ant/image_0001.jpg", ("ant",)),
        Picture("wrench/image_0001.jpg", ("wrench",)),
        Picture("wrench/image_0002.jpg", ("wrench",)),
    ]
    assert all((layout.folder / picture.path).is_file() for picture in layout.pictures())


def test_caltech101_s_labels_are_composed(tmp_path):
    put(tmp_path / "caltech101", "Cafe\u0301/image_0001.jpg")
    (found,) = open_data_set("caltech101", tmp_path).pictures()
    assert found == Picture("Cafe\u0301/image_0001.jpg", ("Caf\u00e9",))


def test_caltech101_without_class_folders_is_refused(tmp_path):
    put(tmp_path / "caltech101", "image_0001.jpg")
    with pytest.raises(
        DatasetError, match=r"not laid out as published .*data_download\.sh caltech"
    ):
        open_data_set("caltech101", tmp_path)


@pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA names no folder of real data")
def test_the_real_caltech101_has_9144_images_in_102_classes():
    pictures = open_data_set("caltech101", Path(os.environ["REAL_DATA"])).pictures()
    assert len(pictures) == 9144
    assert len({picture.labels for picture in pictures}) == 102
