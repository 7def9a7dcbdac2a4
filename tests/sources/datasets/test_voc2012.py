"""VOC2012 gives its pictures in a fixed order, labelled by their objects."""

import shutil
from pathlib import Path

import pytest

from app.errors import DatasetError
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from tests.sources.files import put


def annotate(folder: Path, stem: str, *objects: str) -> None:
    body = "".join(f"<object>{inner}</object>" for inner in objects)
    file = folder / f"{stem}.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<annotation><filename>{stem}.jpg</filename>{body}</annotation>")


@pytest.mark.parametrize("inside", ["VOCdevkit/VOC2012", "."])
def test_voc2012_is_labelled_by_the_objects_and_not_by_their_parts(tmp_path, inside):
    home = tmp_path / "voc2012" / inside
    put(home, "JPEGImages/2008_000003.jpg", "JPEGImages/2007_000027.jpg")
    put(home, "JPEGImages/2007_000999.jpg")
    person = "<name>person</name><part><name>head</name></part>"
    annotate(home / "Annotations", "2008_000003", "<name>train</name>", person, person)
    annotate(home / "Annotations", "2007_000027", person)
    annotate(home / "Annotations", "2012_004331", "<name>sofa</name>")  # no such image

    layout = open_data_set("voc2012", tmp_path)

    assert layout.name == "voc2012"
    assert layout.pictures() == [
        Picture("2007_000027.jpg", ("person",)),
        Picture("2007_000999.jpg", ()),
        Picture("2008_000003.jpg", ("person", "train")),
    ]
    assert all((layout.folder / picture.path).is_file() for picture in layout.pictures())


@pytest.mark.parametrize(
    "content",
    [b"", b"<annotation><object>", b"\x00\xff", b"<?xml version='1.0' encoding='x'?><a/>"],
)
def test_a_broken_annotation_of_voc2012_is_named(tmp_path, content):
    home = tmp_path / "voc2012" / "VOCdevkit" / "VOC2012"
    put(home, "JPEGImages/2007_000027.jpg", "Annotations/2007_000027.xml")
    (home / "Annotations/2007_000027.xml").write_bytes(content)
    with pytest.raises(DatasetError, match=r"2007_000027\.xml is not an XML file"):
        open_data_set("voc2012", tmp_path).pictures()


@pytest.mark.parametrize("missing", ["JPEGImages", "Annotations"])
def test_voc2012_without_one_of_its_folders_is_refused(tmp_path, missing):
    home = tmp_path / "voc2012" / "VOCdevkit" / "VOC2012"
    put(home, "JPEGImages/2007_000027.jpg", "Annotations/2007_000027.xml")
    shutil.rmtree(home / missing)
    with pytest.raises(DatasetError, match=r"not laid out as published .*data_download\.sh voc"):
        open_data_set("voc2012", tmp_path)
