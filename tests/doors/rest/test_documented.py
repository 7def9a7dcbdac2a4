"""The documents' curl lines and Python lines, run as they are written against a running server."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.doors.access import Access
from tests.conftest import ROOT, Home, fill
from tests.doors.rest.conftest import TOKEN, Served, service_of, serving

PREBUILT = "caltech101-efficientnet_lite0"
REST = (ROOT / "docs" / "rest.md").read_text()
LINES = [
    line
    for document in ("docs/rest.md", "README.md")
    for block in re.findall(r"```(?:sh|bash)\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("curl ")
]
ADDRESS = "http://127.0.0.1:7860"
# What the answer to each route holds.
SHAPES = {
    "/similarity-search/batch": {"answers"},
    "/similarity-search": {"ids", "results", "gallery", "timing_ms"},
    "/embed": {"vector", "dim", "model", "gallery"},
    "/galleries": {"galleries"},
    "/galleries/{gallery}": {"name", "images", "model"},
    "/galleries/{gallery}/columns": {"gallery", "columns"},
    "/galleries/{gallery}/counts": {"column", "images", "values", "counts"},
    "/galleries/{gallery}/images/{image}": {"id", "path", "image_url"},
    "/galleries/{gallery}/images/{image}/similar": {"ids", "results", "gallery", "timing_ms"},
    "/galleries/{gallery}/duplicates": {"state", "stage", "duplicates"},
    "/galleries/{gallery}/duplicates/apart": {"gallery", "pairs"},
    "/galleries/{gallery}/duplicates/forget": {"gallery", "pairs"},
    "/galleries/{gallery}/update": {"state", "stage", "report"},
    "/galleries/{gallery}/images": {"ids", "images", "added"},
    "/galleries/{gallery}/merge": {"images", "added", "known"},
    "/healthz": {"status", "version", "galleries"},
    "/readyz": {"status"},
    "/problems/{kind}": {"kind", "title", "status"},
}


@pytest.fixture(scope="module")
def prebuilt(uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a small gallery under the name of the prebuilt one, and two to be changed."""
    home = Home(tmp_path_factory.mktemp("documented"))
    images = home.path / "pictures" / "butterfly"
    images.mkdir(parents=True)
    examples = sorted((ROOT / "app" / "doors" / "page" / "examples").glob("*.jpg"))
    for number in range(20):
        shutil.copy(examples[number % len(examples)], images / f"{number:02}.jpg")
    home.build(home.path / "pictures", PREBUILT)
    for number, name in enumerate(("mine", "holidays")):  # those that the lines change
        home.build(fill(home.path / name, 6, first=100 * number), name)
    service = service_of(home)
    with serving(home, uploads, service=service, access=Access(TOKEN), off="") as running:
        running.wait_until_ready()
        yield running


def route_of(line: str) -> str:
    path = next(word for word in shlex.split(line) if word.startswith(ADDRESS))
    path = path.removeprefix(ADDRESS).partition("?")[0]
    path = re.sub("^/galleries/[^/]+", "/galleries/{gallery}", path)
    path = re.sub("/images/[^/]+", "/images/{image}", path)
    return re.sub("^/problems/.+", "/problems/{kind}", path)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("line", LINES)
def test_every_curl_line_runs_as_it_is_written(prebuilt: Served, line: str, tmp_path: Path) -> None:
    (tmp_path / "app").symlink_to(ROOT / "app")
    (tmp_path / ".curlrc").write_text(f'header = "Authorization: Bearer {TOKEN}"\n')
    done = subprocess.run(
        ["bash", "-c", line.replace(ADDRESS, prebuilt.address) + " --no-progress-meter --fail"],
        cwd=tmp_path,
        env={**os.environ, "CURL_HOME": str(tmp_path), "RIS_API_TOKEN": TOKEN, "no_proxy": "*"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    if "--output" in line:
        (written,) = tmp_path.glob("*.webp")
        assert written.read_bytes()[8:12] == b"WEBP"
    elif "-X DELETE" in line:
        assert done.stdout == b""
    elif route_of(line) == "/metrics":
        assert b"ris_requests_total{" in done.stdout
    else:
        answer = json.loads(done.stdout)
        assert set(answer) >= SHAPES[route_of(line)]
        assert answer.get("ids") != []


def test_every_route_has_a_line() -> None:
    shown = set(map(route_of, LINES))
    routes = set(re.findall(r"^\| `\w+ (/\S*)`", REST, re.MULTILINE))
    assert routes - shown == {"/galleries/{gallery}/images/{image}/image"}


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # see test_gradio_client
def test_the_lines_for_gradio_client_run_as_they_are_written(prebuilt: Served) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", REST, re.DOTALL)
    address = json.dumps(prebuilt.address)
    headers = json.dumps({"Authorization": f"Bearer {TOKEN}"})
    script = block.replace(f'Client("{ADDRESS}")', f"Client({address}, headers={headers})")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\[\d+(, \d+){4}\]$", done.stdout, re.MULTILINE)
