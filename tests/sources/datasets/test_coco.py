"""COCO gives its pictures in a fixed order, labelled by their categories."""

import json
import shutil
from pathlib import Path

import pytest

from app.errors import DatasetError
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from tests.sources.files import put


def make_coco(home: Path) -> Path:
    put(home, "val2014/COCO_val2014_000000000042.jpg", "val2014/COCO_val2014_000000000007.jpg")
    put(home, "val2014/COCO_val2014_000000000099.jpg")
    published = {
        "info": {"year": 2014},
        "images": [
            {"id": 42, "file_name": "COCO_val2014_000000000042.jpg", "height": 1, "width": 1},
            {"id": 7, "file_name": "COCO_val2014_000000000007.jpg", "height": 1, "width": 1},
        ],
        "categories": [
            {"id": 18, "name": "dog", "supercategory": "animal"},
            {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
        ],
        "annotations": [
            {"id": 1, "image_id": 42, "category_id": 90, "segmentation": [[1.5, 2.5]]},
            {"id": 2, "image_id": 42, "category_id": 18, "segmentation": {"counts": [1]}},
            {"id": 3, "image_id": 42, "category_id": 18, "segmentation": []},
        ],
    }
    file = home / "annotations" / "instances_val2014.json"
    file.parent.mkdir()
    file.write_text(json.dumps(published))
    return file


def test_coco_is_labelled_by_the_names_of_its_categories(tmp_path):
    make_coco(tmp_path / "coco")

    layout = open_data_set("coco", tmp_path)

    assert layout.name == "coco"
    assert layout.pictures() == [
        Picture("COCO_val2014_000000000007.jpg", ()),  # no annotation
        Picture("COCO_val2014_000000000042.jpg", ("dog", "toothbrush")),
        Picture("COCO_val2014_000000000099.jpg", ()),  # not in the file at all
    ]
    assert all((layout.folder / picture.path).is_file() for picture in layout.pictures())


def test_the_missing_annotations_of_coco_are_named(tmp_path):
    make_coco(tmp_path / "coco").unlink()
    with pytest.raises(DatasetError, match=r"instances_val2014\.json is missing.*sh coco"):
        open_data_set("coco", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"images": [',
        b"\xff\xfe",
        b"[]",
        b'{"images": [], "annotations": []}',
        b'{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 2}]}',
        b'{"images": [], "categories": [3], "annotations": []}',
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
)
def test_broken_annotations_of_coco_are_named(tmp_path, content):
    make_coco(tmp_path / "coco").write_bytes(content)
    with pytest.raises(DatasetError, match=r"instances_val2014\.json is not the published file"):
        open_data_set("coco", tmp_path).pictures()


def test_coco_without_images_is_refused(tmp_path):
    make_coco(tmp_path / "coco")
    shutil.rmtree(tmp_path / "coco" / "val2014")
    with pytest.raises(DatasetError, match=r"val2014/\*\.jpg"):
        open_data_set("coco", tmp_path)
