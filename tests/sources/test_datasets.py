"""Published data sets and other folders give pictures in a fixed order with the right labels."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DatasetError, UsageError
from app.sources.datasets.register import ALIASES, DATA_SETS, open_data_set
from app.sources.own import open_folder
from app.sources.picture import Picture


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a picture")


def annotate(folder: Path, stem: str, *objects: str) -> None:
    body = "".join(f"<object>{inner}</object>" for inner in objects)
    file = folder / f"{stem}.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<annotation><filename>{stem}.jpg</filename>{body}</annotation>")


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


# Caltech101


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


# VOC2012


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


# COCO


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


# Market-1501


MARKET = (
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/0000_c3s1_000151_01.jpg",
    "bounding_box_test/0002_c1s1_000451_03.jpg",
    "query/0002_c2s1_000776_00.jpg",
)


def make_market(home: Path, *more: str) -> None:
    put(home, *MARKET, *more, "bounding_box_train/0007_c3s3_077419_03.jpg")
    put(home, "bounding_box_test/Thumbs.db", "gt_bbox/0002_c1s1_000451_00.jpg", "readme.txt")
    put(home, "gt_query/0002_c2s1_000776_00_good.mat")


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


# tiny-ImageNet-200


def make_tiny(home: Path) -> Path:
    put(home, "train/n02123045/images/n02123045_0.JPEG", "train/n02123045/images/n02123045_10.JPEG")
    put(home, "train/n03126707/images/n03126707_0.JPEG", "train/n02012849/images/n02012849_0.JPEG")
    put(home, "train/n02123045/n02123045_boxes.txt", "wnids.txt", "test/images/test_0.JPEG")
    put(home, "val/images/val_0.JPEG", "val/val_annotations.txt")
    words = home / "words.txt"
    words.write_text(
        "n00001740\tentity\nn02012849\tcrane\nn02123045\ttabby, tabby cat\nn03126707\tcrane\n"
    )
    return words


@pytest.mark.parametrize("inside", ["tiny-imagenet-200", "."])
def test_tiny_imagenet_is_labelled_by_the_first_name_of_each_class(tmp_path, inside):
    make_tiny(tmp_path / "tiny_imagenet" / inside)

    layout = open_data_set("tiny_imagenet", tmp_path)

    assert layout.name == "tiny_imagenet"
    assert layout.pictures() == [
        Picture("n02012849/images/n02012849_0.JPEG", ("crane (n02012849)",)),
        Picture("n02123045/images/n02123045_0.JPEG", ("tabby",)),
        Picture("n02123045/images/n02123045_10.JPEG", ("tabby",)),
        Picture("n03126707/images/n03126707_0.JPEG", ("crane (n03126707)",)),
    ]
    assert all((layout.folder / picture.path).is_file() for picture in layout.pictures())


def test_the_missing_words_of_tiny_imagenet_are_named(tmp_path):
    make_tiny(tmp_path / "tiny_imagenet").unlink()
    with pytest.raises(DatasetError, match=r"words\.txt is missing.*sh tiny"):
        open_data_set("tiny_imagenet", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"n02123045 tabby\n", b"n0\tentity\n"])
def test_broken_words_of_tiny_imagenet_are_named(tmp_path, content):
    make_tiny(tmp_path / "tiny_imagenet").write_bytes(content)
    with pytest.raises(DatasetError, match=r"words\.txt is not the published file"):
        open_data_set("tiny_imagenet", tmp_path).pictures()


@pytest.mark.parametrize("wrong", ["train/n02123045/n02123045_0.JPEG", "n02123045/images/a.JPEG"])
def test_tiny_imagenet_without_images_is_refused(tmp_path, wrong):
    put(tmp_path / "tiny_imagenet" / "tiny-imagenet-200", wrong, "words.txt")
    with pytest.raises(DatasetError, match=r"train/n01443537/images/\*\.JPEG.*sh tiny"):
        open_data_set("tiny_imagenet", tmp_path)


# Names


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


# A folder of your own


def test_an_own_folder_is_labelled_by_every_folder_on_the_way(tmp_path):
    put(tmp_path, "z.JPG", "pets/dogs/a b.HEIC", "pets/dogs/pets/c.webp", "pets-old/é.tiff")
    put(tmp_path, "pets/notes.txt", "pets/jpg", "pets/.hidden.jpg", ".trash/d.jpg", "pets/e.svg")
    (tmp_path / "folder.jpg").mkdir()

    layout = open_folder(tmp_path, "holiday")

    assert layout.name == "holiday"
    assert layout.folder == tmp_path
    assert layout.pictures() == [
        Picture("pets-old/é.tiff", ("pets-old",)),
        Picture("pets/dogs/a b.HEIC", ("dogs", "pets")),
        Picture("pets/dogs/pets/c.webp", ("dogs", "pets")),
        Picture("z.JPG", ()),
    ]


@pytest.mark.parametrize(
    "suffix",
    [".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"],
)
def test_every_kind_of_image_is_found_in_an_own_folder(tmp_path, suffix):
    put(tmp_path, f"a{suffix}", f"b{suffix.upper()}")
    assert [picture.path for picture in open_folder(tmp_path, "own").pictures()] == [
        f"a{suffix}",
        f"b{suffix.upper()}",
    ]


def test_loops_of_links_end_and_linked_folders_never_hide_real_ones(tmp_path):
    put(tmp_path, "own/real/1.jpg", "own/real/deep/2.jpg", "elsewhere/there/3.jpg")
    own = tmp_path / "own"
    (own / "a-link").symlink_to("real", target_is_directory=True)
    (own / "z-link").symlink_to("real", target_is_directory=True)
    (own / "real" / "deep" / "up").symlink_to("..", target_is_directory=True)
    (own / "real" / "self").symlink_to("self")
    (own / "real" / "gone.jpg").symlink_to("nowhere.jpg")
    (own / "outside").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(own, target_is_directory=True)
    (own / "linked.jpg").symlink_to(tmp_path / "elsewhere" / "there" / "3.jpg")

    assert open_folder(own, "own").pictures() == [
        Picture("linked.jpg", ()),
        Picture("outside/there/3.jpg", ("outside", "there")),
        Picture("real/1.jpg", ("real",)),
        Picture("real/deep/2.jpg", ("deep", "real")),
    ]


def test_an_own_folder_that_is_itself_a_link_is_read(tmp_path):
    put(tmp_path, "real/1.jpg")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    assert open_folder(tmp_path / "link", "own").pictures() == [Picture("1.jpg", ())]


@pytest.mark.parametrize("problem", ["does not exist", "is not a folder"])
def test_an_own_folder_that_is_none_is_refused(tmp_path, problem):
    if problem == "is not a folder":
        put(tmp_path, "own")
    with pytest.raises(DatasetError, match=problem):
        open_folder(tmp_path / "own", "own")


def test_an_own_folder_without_images_is_refused(tmp_path):
    put(tmp_path, "notes.txt")
    with pytest.raises(DatasetError, match=r"holds no image .*\.jpg"):
        open_folder(tmp_path, "own").pictures()


@pytest.mark.parametrize("method", ["iterdir", "is_dir"])
def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch, method):
    put(tmp_path, "locked/1.jpg")
    layout = open_folder(tmp_path, "own")
    published = getattr(Path, method)

    def refuse(path, *args):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return published(path, *args)

    monkeypatch.setattr(Path, method, refuse)
    if method == "iterdir":
        assert Picture("locked", ()) in layout.pictures()  # for the build to skip and list
    with pytest.raises(DatasetError, match=r"cannot be read \(Permission denied\)"):
        open_folder(tmp_path / "locked", "own").pictures()


NAMES = st.text("ab-.", min_size=1, max_size=3).filter(lambda name: name.strip("."))


@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map(tuple), max_size=12))
def test_every_visible_image_is_found_once_and_in_order(tmp_path_factory, ways):
    folder = tmp_path_factory.mktemp("own")
    wanted = {}
    for way in ways:
        path = "/".join((*(f"{name}_" for name in way[:-1]), f"{way[-1]}.png"))
        put(folder, path)
        if not any(name.startswith(".") for name in path.split("/")):
            wanted[path] = tuple(sorted(set(path.split("/")[:-1])))
    put(folder, "always.png")
    wanted["always.png"] = ()

    pictures = open_folder(folder, "own").pictures()

    assert [picture.path for picture in pictures] == sorted(wanted)
    assert {picture.path: picture.labels for picture in pictures} == wanted
