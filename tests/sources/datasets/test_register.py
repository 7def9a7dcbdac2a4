"""A data set opens by its name; an unknown or missing one is refused."""

import pytest

from app.errors import DatasetError, UsageError
from app.sources.datasets.register import ALIASES, DATA_SETS, open_data_set
from tests.sources.datasets.layouts import make_market, make_tiny
from tests.sources.files import put


@pytest.mark.parametrize(("short", "full"), ALIASES.items())
def test_a_short_name_opens_the_same_data_set(tmp_path, short, full):
    put(tmp_path / "caltech101", "ant/image_0001.jpg")
    put(tmp_path / "voc2012", "JPEGImages/1.jpg", "Annotations/2.xml")
    make_market(tmp_path / "market1501")
    make_tiny(tmp_path / "tiny_imagenet")
    assert open_data_set(short, tmp_path).name == full
    assert open_data_set(short, tmp_path).pictures() == open_data_set(full, tmp_path).pictures()


@pytest.mark.parametrize("name", ["caltech256", "", "Coco", "../coco"])
def test_an_unknown_name_is_refused_with_the_accepted_ones(tmp_path, name):
    with pytest.raises(UsageError) as raised:
        open_data_set(name, tmp_path)
    assert all(accepted in str(raised.value) for accepted in (*DATA_SETS, *ALIASES))


def test_no_data_set_has_a_dash_in_its_name_for_a_dash_ends_it_in_a_gallery_s_name():
    assert not any("-" in name for name in DATA_SETS)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        *(("caltech101", "caltech"), ("voc", "voc"), ("coco", "coco")),
        *(("market", "market"), ("tinyimagenet", "tiny")),
    ],
)
def test_a_missing_data_set_is_refused_with_the_folder_and_the_command(tmp_path, name, command):
    with pytest.raises(DatasetError) as raised:
        open_data_set(name, tmp_path)
    assert f"The folder {tmp_path / ALIASES.get(name, name)} is missing" in str(raised.value)
    assert f'"bash data_download.sh {command}"' in str(raised.value)
