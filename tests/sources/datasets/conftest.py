"""A host on loopback with archives of exactly the published layouts, and a machine that asks it."""

import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import threading
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import pytest

from app.sources.datasets.__main__ import main
from tests.conftest import ROOT

SCRIPT = ROOT / "data_download.sh"


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
            request.sent_bytes = len(body)  # before its last byte, which lets the reader go on
            self.wfile.write(body)
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
        """Run what the command runs, in this process."""
        command = self.command(*arguments, **changes)
        with (
            mock.patch.dict(os.environ, command["env"], clear=True),
            redirect_stdout(io.TextIOWrapper(io.BytesIO())) as stdout,
            redirect_stderr(io.TextIOWrapper(io.BytesIO())) as stderr,
        ):
            code = main(arguments, os.environ)
        written = [os.fsdecode(stream.buffer.getvalue()) for stream in (stdout, stderr)]
        return subprocess.CompletedProcess(command["args"], code, *written)

    def bash(self, *arguments, **changes):
        """Run the command."""
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
        "HOME": str(tmp_path),
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


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
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
