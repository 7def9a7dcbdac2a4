"""Market-1501 gives its pictures in a fixed order, labelled by person and camera."""

import shutil

import pytest

from app.errors import DatasetError
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from tests.sources.datasets.layouts import MARKET, make_market


@pytest.mark.parametrize("inside", ["Market-1501-v15.09.15", "."])
def test_market1501_is_labelled_by_person_and_camera_and_leaves_out_its_training(tmp_path, inside):
    make_market(tmp_path / "market1501" / inside)

    layout = open_data_set("market1501", tmp_path)

    assert layout.name == "market1501"
    assert layout.pictures() == [
        Picture(MARKET[0], ("-1", "c1")),
        Picture(MARKET[1], ("0000", "c3")),
        Picture(MARKET[2], ("0002", "c1")),
        Picture(MARKET[3], ("0002", "c2")),
    ]
    assert all((layout.folder / picture.path).is_file() for picture in layout.pictures())


@pytest.mark.parametrize("name", ["0002.jpg", "2_c1s1_000451_03.jpg", "0002_1s1_000451_03.jpg"])
def test_a_picture_of_market1501_without_person_and_camera_in_its_name_is_reported(tmp_path, name):
    make_market(tmp_path / "market1501", f"query/{name}")
    with pytest.raises(DatasetError, match=rf"query/{name} is not named as in Market-1501"):
        open_data_set("market1501", tmp_path).pictures()


@pytest.mark.parametrize("missing", ["bounding_box_test", "query"])
def test_market1501_without_one_of_its_folders_is_refused(tmp_path, missing):
    make_market(tmp_path / "market1501")
    shutil.rmtree(tmp_path / "market1501" / missing)
    with pytest.raises(DatasetError, match=r"not laid out as published .*data_download\.sh market"):
        open_data_set("market1501", tmp_path)
