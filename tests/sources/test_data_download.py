"""The download is resumed, checked and named in one step, and the application can read it.

Archives of exactly the published layouts come from a server of our own on loopback.
"""

import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "data_download.sh"

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing"),
]


def noise(number_bytes: int) -> bytes:
    return random.Random(number_bytes).randbytes(number_bytes)


def make_tar(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


CALTECH = make_zip(
    {
        "caltech-101/101_ObjectCategories.tar.gz": make_tar(
            {
                "101_ObjectCategories/ant/image_0001.jpg": noise(60_000),
                "101_ObjectCategories/ant/image_0002.jpg": noise(70_000),
                "101_ObjectCategories/BACKGROUND_Google/image_0001.jpg": noise(80_000),
                "101_ObjectCategories/BACKGROUND_Google/tmp": b"",
            },
            "w:gz",
        ),
        "caltech-101/Annotations.tar": make_tar({"Annotations/ant/a.mat": noise(100)}, "w:"),
        "caltech-101/show_annotation.m": b"% Matlab",
        "__MACOSX/caltech-101/._show_annotation.m": b"",
    }
)
VOC = make_tar(
    {
        "VOCdevkit/VOC2012/Annotations/2007_000027.xml": (
            b"<annotation><object><name>person</name></object></annotation>"
        ),
        "VOCdevkit/VOC2012/Annotations/2007_000032.xml": (
            b"<annotation><object><name>aeroplane</name></object></annotation>"
        ),
        "VOCdevkit/VOC2012/ImageSets/Main/train.txt": b"2007_000027\n",
        "VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg": noise(3000),
        "VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg": noise(4000),
        "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png": noise(500),
    },
    "w:",
)
COCO = make_zip(
    {
        "val2014/COCO_val2014_000000000042.jpg": noise(2000),
        "val2014/COCO_val2014_000000000073.jpg": noise(1000),
    }
)
COCO_ANNOTATIONS = make_zip(
    {
        "annotations/instances_train2014.json": b"{}",
        "annotations/instances_val2014.json": json.dumps(
            {
                "images": [{"id": 42, "file_name": "COCO_val2014_000000000042.jpg"}],
                "annotations": [{"image_id": 42, "category_id": 18}],
                "categories": [{"id": 18, "name": "dog"}],
            }
        ).encode(),
        "annotations/captions_val2014.json": b"{}",
    }
)
MARKET = make_zip(
    {
        "Market-1501-v15.09.15/bounding_box_test/-1_c1s1_000401_03.jpg": noise(900),
        "Market-1501-v15.09.15/bounding_box_test/0002_c1s1_000451_03.jpg": noise(800),
        "Market-1501-v15.09.15/bounding_box_test/Thumbs.db": b"",
        "Market-1501-v15.09.15/bounding_box_train/0007_c3s3_077419_03.jpg": noise(700),
        "Market-1501-v15.09.15/gt_bbox/0002_c1s1_000451_00.jpg": noise(600),
        "Market-1501-v15.09.15/gt_query/0002_c2s1_000776_00_good.mat": noise(50),
        "Market-1501-v15.09.15/query/0002_c2s1_000776_00.jpg": noise(500),
        "Market-1501-v15.09.15/readme.txt": b"",
    }
)
TINY = make_zip(
    {
        "tiny-imagenet-200/test/images/test_0.JPEG": noise(300),
        "tiny-imagenet-200/train/n01443537/images/n01443537_0.JPEG": noise(310),
        "tiny-imagenet-200/train/n01443537/n01443537_boxes.txt": b"",
        "tiny-imagenet-200/train/n02123045/images/n02123045_0.JPEG": noise(320),
        "tiny-imagenet-200/val/images/val_0.JPEG": noise(330),
        "tiny-imagenet-200/val/val_annotations.txt": b"val_0.JPEG\tn02123045\t0\t0\t9\t9\n",
        "tiny-imagenet-200/wnids.txt": b"n02123045\nn01443537\n",
        "tiny-imagenet-200/words.txt": (
            b"n01443537\tgoldfish, Carassius auratus\nn02123045\ttabby, tabby cat\n"
        ),
    }
)
PUBLISHED = {
    "CALTECH": ("/caltech-101.zip", CALTECH, 3),
    "VOC": ("/VOCtrainval_11-May-2012.tar", VOC, 2),
    "COCO": ("/val2014.zip", COCO, 2),
    "COCO_ANNOTATIONS": ("/annotations_trainval2014.zip", COCO_ANNOTATIONS, None),
    "MARKET": ("/Market-1501-v15.09.15.zip", MARKET, 3),
    "TINY": ("/tiny-imagenet-200.zip", TINY, 2),
}


@dataclass
class Request:
    path: str
    range: str | None
    sent_bytes: int = 0


@dataclass
class Mirror:
    """What the server serves, how it misbehaves, and every request that it got."""

    files: dict[str, bytes]
    cut_after: int | None = None  # send so many bytes of a body, then cut the connection
    hold: threading.Event | None = None  # keep the connection open until this is set instead
    ranges: bool = True
    requests: list[Request] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def mirror():
    state = Mirror({path: content for path, content, _ in PUBLISHED.values()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            request = Request(self.path, self.headers["Range"])
            state.requests.append(request)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = 0
            if request.range and state.ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", request.range)[1])
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            body = content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.cut_after is not None:
                body = body[: state.cut_after]
                self.close_connection = True
            self.wfile.write(body)
            request.sent_bytes = len(body)
            if state.hold:
                state.hold.wait(30)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Download:
    """One user's machine: a folder for the data, and the variables that name the mirror."""

    datasets: Path
    environment: dict[str, str]

    def command(self, *arguments, **changes):
        environment = {**self.environment, **changes}
        return {
            "args": ["bash", str(SCRIPT), *arguments],
            "env": {name: value for name, value in environment.items() if value is not None},
            "cwd": self.datasets.parent,
            "text": True,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }

    def __call__(self, *arguments, **changes):
        return subprocess.run(**self.command(*arguments, **changes), timeout=60, check=False)

    def tree(self):
        """Every visible file, the archives among them; nothing hidden may stay but the lock."""
        found = {path.relative_to(self.datasets).as_posix() for path in self.datasets.rglob("*")}
        assert {path for path in found if "/." in f"/{path}"} <= {".download.lock"}
        return {
            path: (self.datasets / path).read_bytes()
            for path in found
            if (self.datasets / path).is_file() and not path.startswith(".")
        }


@pytest.fixture
def download(tmp_path, mirror):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),  # no .curlrc of the machine
        "NO_PROXY": "*",
        "PYTHON": sys.executable,
        "RIS_DATASETS_DIR": str(tmp_path / "data sets"),
    }
    for name, (path, content, images) in PUBLISHED.items():
        environment[f"{name}_URL"] = mirror.address + path
        environment[f"{name}_SIZE"] = str(len(content))
        environment[f"{name}_MD5"] = hashlib.md5(content).hexdigest()
        if images is not None:
            environment[f"{name}_IMAGES"] = str(images)
    return Download(tmp_path / "data sets", environment)


def one_sentence(result):
    """Return the only line on standard error."""
    (line,) = result.stderr.splitlines()
    assert line.startswith("data_download.sh: ")
    assert line.endswith(".")
    return line


CALTECH_TREE = {
    "caltech101/BACKGROUND_Google/image_0001.jpg": noise(80_000),
    "caltech101/BACKGROUND_Google/tmp": b"",
    "caltech101/ant/image_0001.jpg": noise(60_000),
    "caltech101/ant/image_0002.jpg": noise(70_000),
}
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
def test_a_data_set_arrives_as_the_application_reads_it_and_a_second_run_asks_nothing(
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
    result = download("caltech", PATH=without("curl", download.datasets.parent))
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


def test_a_host_that_shows_a_page_instead_of_market1501_is_told_with_another_way(download, mirror):
    mirror.files["/Market-1501-v15.09.15.zip"] = b"<html>Too many users have viewed this</html>"
    result = download("market", MARKET_SIZE=None)
    assert result.returncode == 4
    assert re.search(
        r"was removed: run .*, or save what datasets/README\.md links to as .*\.zip and run it",
        one_sentence(result),
    )
    assert download.tree() == {}


def test_a_host_that_cannot_resume_is_asked_from_the_start(download, mirror):
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
    assert f"cannot fetch from {host} (curl error 7): check the network" in sentence
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


# What is asked wrongly, or has no room


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


def test_what_has_arrived_is_not_asked_of_the_disk_again(download):
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


TOOLS = [
    *("awk", "basename", "bash", "curl", "cut", "df", "dirname", "find", "gzip", "md5sum"),
    *("mkdir", "mv", "rm", "rmdir", "tar", "tr", "wc"),
]


def without(tool, folder):
    """Return a search path with all that the script needs but one tool."""
    tools = folder / f"without-{tool}"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        if found and name != tool:
            (tools / name).symlink_to(found)
    return str(tools)


@pytest.mark.parametrize("tool", ["curl", "tar"])
def test_a_missing_tool_is_named(download, tool):
    result = download("caltech", PATH=without(tool, download.datasets.parent))
    assert result.returncode == 1
    assert f"{tool} is needed" in one_sentence(result)


def test_a_missing_python_is_named(download):
    result = download("caltech", PYTHON="no-such-python")
    assert result.returncode == 1
    assert "no-such-python is needed" in one_sentence(result)


def test_two_downloads_into_one_folder_do_not_mix(download, mirror):
    fcntl = pytest.importorskip("fcntl")
    download.datasets.mkdir()
    with (download.datasets / ".download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = download("caltech")
    assert (result.returncode, mirror.requests) == (8, [])
    assert "another download" in one_sentence(result)
    assert download("caltech").returncode == 0


# Killed at any moment


def test_a_download_that_is_killed_is_resumed(download, mirror):
    mirror.cut_after = len(CALTECH) // 2
    mirror.hold = threading.Event()
    part = download.datasets / "caltech-101.zip.part"
    process = subprocess.Popen(**download.command("caltech"), start_new_session=True)
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        mirror.hold.wait(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    arrived = part.stat().st_size
    mirror.hold.set()
    assert 0 < arrived <= len(CALTECH) // 2

    mirror.cut_after = mirror.hold = None
    assert download("caltech").returncode == 0
    assert mirror.requests[-1] == Request(
        "/caltech-101.zip", f"bytes={arrived}-", len(CALTECH) - arrived
    )
    assert download.tree() == CALTECH_TREE


# Around each call of a tool that changes what is on the disk, in the script's order; where
# nothing lies between two calls, after the one is before the other.
MOMENTS = [
    *(("rm", 1, "before"), ("curl", 1, "after")),
    *(("mv", 1, "before"), ("mv", 1, "after")),  # the archive gets its name
    *(("md5sum", 1, "after"), ("rm", 2, "before"), ("mkdir", 3, "after")),  # room to unpack
    *(("tar", 1, "before"), ("tar", 1, "after")),
    *(("mv", 2, "before"), ("mv", 2, "after")),  # the old folder goes aside
    *(("mv", 3, "before"), ("mv", 3, "after")),  # the new one gets its name
    ("rm", 3, "before"),
]


@pytest.mark.parametrize(("tool", "nth", "when"), MOMENTS)
def test_a_run_killed_at_any_step_leaves_old_or_new_and_the_next_run_mends_it(
    download, tmp_path, tool, nth, when
):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing on this machine")
    old = download.datasets / "caltech101" / "ant" / "image_0001.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    kill = f'[ "$(wc -l < "{fakes}/calls")" -ne {nth} ] || kill -KILL 0\n'
    (fakes / tool).write_text(
        f'#!/bin/bash\necho >> "{fakes}/calls"\n'
        + (kill if when == "before" else "")
        + f'"{shutil.which(tool)}" "$@" || exit\n'
        + (kill if when == "after" else "")
    )
    (fakes / tool).chmod(0o755)
    path = f"{fakes}{os.pathsep}{os.environ['PATH']}"

    process = subprocess.Popen(**download.command("caltech", PATH=path), start_new_session=True)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    target = download.datasets / "caltech101"
    assert not target.exists() or {
        file.relative_to(download.datasets).as_posix(): file.read_bytes()
        for file in target.rglob("*")
        if file.is_file()
    } in (CALTECH_TREE, {"caltech101/ant/image_0001.jpg": b"old"})

    assert download("caltech").returncode == 0
    assert download.tree() == {**CALTECH_TREE, "caltech101.old-1/ant/image_0001.jpg": b"old"}


# What is written about it


def test_the_readme_lists_every_variable_and_exit_code_of_the_script():
    script, readme = SCRIPT.read_text(), (ROOT / "datasets" / "README.md").read_text()
    variables = set(re.findall(r"\$\{([A-Z][A-Z0-9_]+):?-", script)) - {"BASH_SOURCE"}
    assert len(variables) == 26
    assert variables == set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`", readme))
    (codes,) = re.findall(r"^readonly (NO_TOOL.*)$", script, re.MULTILINE)
    assert re.findall(r"=(\d)", codes) == re.findall(r"^\| (\d) \|", readme, re.MULTILINE)


def test_the_readme_states_the_published_sizes():
    readme = (ROOT / "datasets" / "README.md").read_text().replace(",", "")
    sizes = re.findall(r"_SIZE:-(\d+)\}", SCRIPT.read_text())
    assert len(sizes) == 5
    assert all(size in readme for size in sizes)
