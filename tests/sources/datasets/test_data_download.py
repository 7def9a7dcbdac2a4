"""The download is resumed, checked and named in one step, and the application can read it."""

import re
import shutil
import socket
from pathlib import Path

import pytest

from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from tests.sources.datasets.conftest import (
    CALTECH,
    CALTECH_TREE,
    MARKET,
    PUBLISHED,
    VOC,
    Request,
    one_sentence,
)

PICTURES = {
    "caltech": [
        Picture("BACKGROUND_Google/image_0001.jpg", ("BACKGROUND_Google",)),
        Picture("ant/image_0001.jpg", ("ant",)),
        Picture("ant/image_0002.jpg", ("ant",)),
    ],
    "voc": [
        Picture("2007_000027.jpg", ("person",)),
        Picture("2007_000032.jpg", ("aeroplane",)),
    ],
    "coco": [
        Picture("COCO_val2014_000000000042.jpg", ("dog",)),
        Picture("COCO_val2014_000000000073.jpg", ()),
    ],
    "market": [
        Picture("bounding_box_test/-1_c1s1_000401_03.jpg", ("-1", "c1")),
        Picture("bounding_box_test/0002_c1s1_000451_03.jpg", ("0002", "c1")),
        Picture("query/0002_c2s1_000776_00.jpg", ("0002", "c2")),
    ],
    "tiny": [
        Picture("n01443537/images/n01443537_0.JPEG", ("goldfish",)),
        Picture("n02123045/images/n02123045_0.JPEG", ("tabby",)),
    ],
}


# What arrives


@pytest.mark.parametrize("name", PICTURES)
def test_a_data_set_arrives_as_the_application_reads_it_and_a_second_run_requests_nothing(
    download, mirror, name
):
    first = download(name)
    assert (first.returncode, first.stderr) == (0, "")
    assert open_data_set(name, download.datasets).pictures() == PICTURES[name]
    tree = download.tree()
    assert not [path for path in tree if path.endswith((".zip", ".tar", ".part"))]

    mirror.requests.clear()
    second = download(name)
    assert (second.returncode, second.stderr) == (0, "")
    assert "nothing to do" in second.stdout
    assert mirror.requests == []
    assert download.tree() == tree


def test_the_data_sets_lie_in_the_home_that_is_named(download, tmp_path):
    result = download("caltech", RIS_DATASETS_DIR="", RIS_HOME=str(tmp_path / "home"))
    assert result.returncode == 0, result.stderr
    assert open_data_set("caltech101", tmp_path / "home" / "datasets").pictures()


def test_everything_arrives_at_once_where_the_readme_says(download, mirror):
    assert download("all").returncode == 0
    tree = download.tree()
    assert {path: tree[path] for path in CALTECH_TREE} == CALTECH_TREE
    assert {
        "voc2012/VOCdevkit/VOC2012/Annotations/2007_000027.xml",
        "voc2012/VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg",
        "coco/val2014/COCO_val2014_000000000042.jpg",
        "coco/annotations/instances_val2014.json",
        "market1501/Market-1501-v15.09.15/query/0002_c2s1_000776_00.jpg",
        "tiny_imagenet/tiny-imagenet-200/val/images/val_0.JPEG",
    } <= set(tree)
    assert sorted(request.path for request in mirror.requests) == sorted(mirror.files)


def test_what_a_host_refuses_to_programs_at_times_keeps_nobody_from_the_others(download, mirror):
    del mirror.files["/Market-1501-v15.09.15.zip"]
    assert download("all").returncode == 3
    for name in set(PICTURES) - {"market"}:
        assert open_data_set(name, download.datasets).pictures() == PICTURES[name]


@pytest.mark.parametrize(("name", "folder"), [("market", "market1501"), ("tiny", "tiny_imagenet")])
def test_a_data_set_without_its_outer_folder_is_left_alone(download, mirror, name, folder):
    assert download(name).returncode == 0
    (outer,) = (download.datasets / folder).iterdir()
    for inside in outer.iterdir():
        inside.rename(download.datasets / folder / inside.name)
    outer.rmdir()
    mirror.requests.clear()
    result = download(name)
    assert (result.returncode, result.stderr, mirror.requests) == (0, "", [])
    assert open_data_set(name, download.datasets).pictures() == PICTURES[name]


def test_only_the_missing_part_of_coco_is_fetched(download, mirror):
    assert download("coco").returncode == 0
    shutil.rmtree(download.datasets / "coco" / "annotations")
    mirror.requests.clear()
    assert download("coco").returncode == 0
    assert [request.path for request in mirror.requests] == ["/annotations_trainval2014.zip"]
    assert open_data_set("coco", download.datasets).pictures() == PICTURES["coco"]


@pytest.mark.parametrize(
    "inside", ["101_ObjectCategories", "caltech-101/101_ObjectCategories", "."]
)
def test_an_archive_unpacked_by_hand_is_left_alone(download, mirror, inside):
    for path, content in CALTECH_TREE.items():
        file = download.datasets / "caltech101" / inside / Path(path).relative_to("caltech101")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    before = download.tree()
    result = download("caltech")
    assert (result.returncode, result.stderr, mirror.requests) == (0, "", [])
    assert download.tree() == before


def test_images_that_lie_deeper_than_published_do_not_count(download, mirror):
    for path, content in CALTECH_TREE.items():
        file = download.datasets / "caltech101" / "deeper" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert download("caltech").returncode == 0
    assert len(mirror.requests) == 1


def test_archives_that_came_another_way_are_unpacked(download, mirror):
    download.datasets.mkdir()
    for path, content in mirror.files.items():
        (download.datasets / path.strip("/")).write_bytes(content)
    assert download("all").returncode == 0
    assert mirror.requests == []
    for name, pictures in PICTURES.items():
        assert open_data_set(name, download.datasets).pictures() == pictures


def test_a_folder_that_lacks_images_is_fetched_again_and_kept_beside(download):
    own = download.datasets / "caltech101" / "ant" / "image_0001.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    result = download("caltech")
    assert "is now in" in result.stdout
    assert download.tree() == {**CALTECH_TREE, "caltech101.old-1/ant/image_0001.jpg": b"mine"}


# What breaks on the way


def test_a_connection_cut_half_way_is_resumed_by_the_next_run(download, mirror):
    half = len(CALTECH) // 2
    mirror.cut_after = half
    first = download("caltech")
    assert first.returncode == 3
    assert "127.0.0.1" in one_sentence(first)
    assert 'run "bash data_download.sh caltech", it goes on from there' in one_sentence(first)
    assert download.tree() == {"caltech-101.zip.part": CALTECH[:half]}

    mirror.cut_after = None
    second = download("caltech")
    assert (second.returncode, second.stderr) == (0, "")
    assert mirror.requests == [
        Request("/caltech-101.zip", None, half),
        Request("/caltech-101.zip", f"bytes={half}-", len(CALTECH) - half),
    ]
    assert download.tree() == CALTECH_TREE


def test_an_archive_of_unknown_size_is_resumed_and_known_by_its_checksum(download, mirror):
    mirror.cut_after = 1000
    first = download("market", MARKET_SIZE="")
    assert first.returncode == 3
    assert "of about 160 MB: run" in one_sentence(first)
    mirror.cut_after = None
    assert download("market", MARKET_SIZE="").returncode == 0
    assert [request.range for request in mirror.requests] == [None, "bytes=1000-"]
    assert open_data_set("market", download.datasets).pictures() == PICTURES["market"]


@pytest.mark.parametrize("size", ["", None])
def test_an_archive_of_unknown_size_that_is_all_here_is_unpacked(download, mirror, size):
    download.datasets.mkdir()
    (download.datasets / "Market-1501-v15.09.15.zip.part").write_bytes(MARKET)
    result = download("market", MARKET_SIZE=size)
    assert (result.returncode, result.stderr) == (0, "")
    assert open_data_set("market", download.datasets).pictures() == PICTURES["market"]


def test_a_page_instead_of_market1501_is_reported_with_another_way(download, mirror):
    mirror.files["/Market-1501-v15.09.15.zip"] = b"<html>Too many users have viewed this</html>"
    result = download("market", MARKET_SIZE=None)
    assert result.returncode == 4
    assert re.search(
        r"was removed: run .*, or save what datasets/README\.md links to as .*\.zip and run it",
        one_sentence(result),
    )
    assert download.tree() == {}


def test_from_a_host_that_cannot_resume_all_is_fetched_again(download, mirror):
    download.datasets.mkdir()
    (download.datasets / "caltech-101.zip.part").write_bytes(CALTECH[:1000])
    mirror.ranges = False
    result = download("caltech")
    assert (result.returncode, result.stderr) == (0, "")
    assert [request.range for request in mirror.requests] == ["bytes=1000-", None]
    assert download.tree() == CALTECH_TREE


def test_a_part_longer_than_the_archive_is_thrown_away(download, mirror):
    download.datasets.mkdir()
    (download.datasets / "caltech-101.zip.part").write_bytes(CALTECH + b"more")
    assert download("caltech").returncode == 0
    assert [request.range for request in mirror.requests] == [None]
    assert download.tree() == CALTECH_TREE


@pytest.mark.parametrize(
    "served", [CALTECH[:-1] + b"?", CALTECH[:-1], b"<html>Please log in</html>"]
)
def test_an_archive_that_is_not_the_published_one_is_refused_and_removed(download, mirror, served):
    mirror.files["/caltech-101.zip"] = served
    result = download("caltech")
    assert result.returncode == 4
    difference = "the MD5" if len(served) == len(CALTECH) else f"{len(served)} bytes instead of"
    assert re.search(rf"had {difference} .* was removed", one_sentence(result))
    assert download.tree() == {}

    mirror.files["/caltech-101.zip"] = CALTECH
    assert download("caltech").returncode == 0
    assert download.tree() == CALTECH_TREE


def test_a_part_of_another_file_is_found_by_the_checksum(download, mirror):
    download.datasets.mkdir()
    (download.datasets / "caltech-101.zip.part").write_bytes(b"?" * 1000)
    assert download("caltech").returncode == 4
    assert download.tree() == {}


def test_an_archive_that_lacks_files_does_not_become_a_data_set(download):
    result = download("voc", VOC_IMAGES="3")
    assert result.returncode == 4
    assert "lacks files" in one_sentence(result)
    assert download.tree() == {"VOCtrainval_11-May-2012.tar": VOC}


@pytest.mark.parametrize("name", ["caltech", "coco"])
def test_an_archive_that_cannot_be_unpacked_says_why(download, mirror, name):
    variable = name.upper()
    mirror.files[PUBLISHED[variable][0]] = b"no zip"
    result = download(name, **{f"{variable}_SIZE": "6", f"{variable}_MD5": ""})
    assert result.returncode == 7
    assert "File is not a zip file" in one_sentence(result)
    assert not (download.datasets / "coco" / "val2014").exists()
    assert not (download.datasets / "caltech101").exists()
    assert b"no zip" in download.tree().values()


def test_a_host_that_cannot_be_reached_is_named_with_what_to_do(download):
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        result = download("voc", VOC_URL=f"http://{host}/voc.tar")
    assert result.returncode == 3
    sentence = one_sentence(result)
    assert f"cannot fetch from {host} (Connection refused): check the network" in sentence
    assert f"http://{host}/voc.tar by other means" in sentence
    assert str(download.datasets / "VOCtrainval_11-May-2012.tar") in sentence
    assert download.tree() == {}


def test_a_file_that_the_host_does_not_have_is_named(download, mirror):
    mirror.files.clear()
    result = download("coco")
    assert result.returncode == 3
    assert "HTTP 404" in one_sentence(result)


def test_addresses_that_are_not_http_are_refused(download, tmp_path):
    (tmp_path / "caltech-101.zip").write_bytes(CALTECH)
    result = download("caltech", CALTECH_URL=f"file://{tmp_path}/caltech-101.zip")
    assert result.returncode == 3
    assert download.tree() == {}


# Wrong arguments, and no room


@pytest.mark.parametrize("arguments", [(), ("imagenet",), ("",), ("caltech", "voc"), ("--all",)])
def test_an_unknown_argument_is_refused_in_one_sentence(download, mirror, arguments):
    result = download(*arguments)
    assert (result.returncode, result.stdout, mirror.requests) == (2, "", [])
    assert "caltech|voc|coco|market|tiny|all" in one_sentence(result)
    assert not download.datasets.exists()


def test_help_names_the_data_sets(download):
    result = download("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "caltech|voc|coco|market|tiny|all" in result.stdout


@pytest.mark.parametrize("name", ["caltech", "all"])
def test_a_disk_without_room_is_refused_before_anything_is_fetched(download, mirror, name):
    result = download(name, CALTECH_SIZE=str(10**15))
    assert (result.returncode, mirror.requests) == (7, [])
    assert re.search(r"3500000000 MB are needed and \d+ MB are free", one_sentence(result))
    assert download.tree() == {}


def test_what_has_arrived_needs_no_more_room(download):
    download.datasets.mkdir()
    with (download.datasets / "caltech-101.zip.part").open("wb") as part:
        part.truncate(10**9)  # a hole: takes no room
    result = download("caltech", CALTECH_SIZE=str(10**15))
    assert "3499999000 MB are needed" in one_sentence(result)


def test_a_folder_that_cannot_be_written_is_refused(download, mirror, tmp_path):
    (tmp_path / "file").touch()
    result = download("caltech", RIS_DATASETS_DIR=str(tmp_path / "file" / "datasets"))
    assert (result.returncode, mirror.requests) == (7, [])
    assert "cannot write to" in one_sentence(result)
    assert "RIS_DATASETS_DIR" in one_sentence(result)


def test_a_full_disk_is_named(download):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    download.datasets.mkdir()
    (download.datasets / "caltech-101.zip.part").symlink_to("/dev/full")
    result = download("caltech")
    assert result.returncode == 7
    assert re.search(r"cannot write .*\.part: make room.*sh caltech", one_sentence(result))


@pytest.mark.parametrize("name", ["CALTECH_SIZE", "CALTECH_IMAGES"])
@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_variable_that_is_no_number_is_refused(download, mirror, name, value):
    result = download("caltech", **{name: value})
    assert (result.returncode, mirror.requests) == (2, [])
    assert name in one_sentence(result)
    assert f'"{value}"' in one_sentence(result)


def test_two_downloads_into_one_folder_do_not_mix(download, mirror):
    fcntl = pytest.importorskip("fcntl")
    download.datasets.mkdir()
    with (download.datasets / ".download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = download("caltech")
    assert (result.returncode, mirror.requests) == (8, [])
    assert "another download" in one_sentence(result)
    assert download("caltech").returncode == 0
