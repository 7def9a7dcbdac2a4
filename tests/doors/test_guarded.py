"""Every answer has the headers that protect it, every body a limit, and a full disk a sentence."""

import asyncio
import errno
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from app.doors import forgetting
from app.doors.guarded import Guarded
from app.doors.upload_folder import folder_for_uploads
from app.errors import SettingsError, StorageError
from app.settings import read_settings
from tests.conftest import is_one_sentence
from tests.doors.conftest import Served, asgi

PATHS = [
    *("/", "/config", "/docs", "/galleries", "/galleries/mine/images/1/thumbnail", "/healthz"),
    *("/nothing", "/mcp", "/gradio_api/info", "/similarity-search", "/openapi.json"),
]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers_that_protect_it(served: Served, path: str) -> None:
    headers = served.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert policy.endswith("frame-ancestors 'self'")
    assert len(headers.get_list("content-security-policy")) == 1


async def reading(scope: Any, receive: Any, send: Any) -> None:
    size = len(await Request(scope, receive).body())
    await PlainTextResponse(str(size))(scope, receive, send)


def test_other_sites_may_show_the_page_where_the_setting_says_so() -> None:
    sites = read_settings({"RIS_FRAME_ANCESTORS": "https://a.example, https://*.b.example"})
    guarded = Guarded(reading, most_bytes_of_a_form=9, frame_ancestors=sites.frame_ancestors)
    headers = asgi(guarded, "GET", "/").headers
    assert headers["content-security-policy"].endswith(
        "frame-ancestors 'self' https://a.example https://*.b.example"
    )
    assert "x-frame-options" not in headers
    for wrong in ("a.example", "https://a.example; script-src *", "'none'"):
        with pytest.raises(SettingsError, match="RIS_FRAME_ANCESTORS"):
            read_settings({"RIS_FRAME_ANCESTORS": wrong})


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in pieces"])
@pytest.mark.parametrize(
    ("path", "most"),
    [("/gradio_api/upload", 1_100_000), ("/gradio_api/queue/join", 16_000_000)],
)
def test_a_body_beyond_the_limit_of_its_door_is_refused(
    path: str, most: int, declared: bool
) -> None:
    guarded = Guarded(reading, most_bytes_of_a_form=1_000_000)

    async def ask(size: int) -> httpx.Response:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, size, 100_000):
                yield bytes(min(100_000, size - start))

        transport = httpx.ASGITransport(guarded)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post(path, content=bytes(size) if declared else pieces())

    assert asyncio.run(ask(most)).text == str(most)
    refused = asyncio.run(ask(most + 1))
    assert refused.status_code == 413
    assert refused.json()["type"] == "/problems/too-large"
    assert is_one_sentence(refused.json()["detail"])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EROFS, os.strerror(errno.EROFS)),
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
    ],
    ids=["full", "read-only", "absent"],
)
@pytest.mark.parametrize("path", ["/similarity-search?gallery=mine", "/gradio_api/upload"])
def test_an_upload_that_the_disk_does_not_take_is_a_problem_of_the_server_s(
    served: Served, path: str, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)  # where large forms are put
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)  # where Gradio puts them
    for module in (
        "starlette.formparsers.SpooledTemporaryFile",
        "gradio.route_utils.NamedTemporaryFile",
    ):
        monkeypatch.setattr(module, fail)
    name = "files" if "upload" in path else "file"
    answer = served.client.post(path, files={name: ("a.jpg", bytes(17_000_000))})
    assert answer.status_code == 507
    assert answer.json()["type"] == "/problems/storage"
    assert is_one_sentence(answer.json()["detail"])
    assert "RIS_TEMP_DIR" in answer.json()["detail"]


def test_without_a_folder_for_uploads_the_start_fails_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(StorageError, match="RIS_TEMP_DIR") as refused:
        folder_for_uploads(read_settings({})).__enter__()
    assert is_one_sentence(str(refused.value))
    (tmp_path / "file").write_text("no folder")
    for setting in ("RIS_TEMP_DIR", "RIS_SHARED_DIR"):
        below_a_file = read_settings({setting: str(tmp_path / "file" / "below")})
        with pytest.raises(StorageError, match=setting):
            folder_for_uploads(below_a_file).__enter__()
    settings = read_settings({"RIS_TEMP_DIR": str(tmp_path / "mine")})
    assert settings.temp_dir == tmp_path / "mine"
    with folder_for_uploads(settings) as folder:
        assert folder.parent == tmp_path / "mine"
        assert tempfile.gettempdir() == str(tmp_path / "mine")
    assert not folder.exists()


def test_a_folder_for_uploads_that_is_shared_stays_when_one_server_ends(tmp_path: Path) -> None:
    settings = read_settings({"RIS_SHARED_DIR": str(tmp_path / "shared")})
    with folder_for_uploads(settings) as mine, folder_for_uploads(settings) as other:
        assert mine == other
        (mine / "picture").write_bytes(b"of a visitor")
    assert [path.name for path in mine.iterdir()] == ["picture"]
    assert not mine.stat().st_mode & 0o077  # nobody else of the machine reads visitors' pictures


def test_uploads_go_an_hour_after_they_were_asked_for(tmp_path: Path) -> None:
    now = time.time()

    def put(name: str, hours: float) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")
        os.utime(path, (now, now - 3600 * hours))
        return path

    old, new = put("a/cat-1.jpg", 1.1), put("b/cat-2.jpg", 0.9)  # of two visitors
    arriving = [put(f"{each}/k3x9-{each}", 3 - each) for each in range(4)]  # still being sent
    left_lying = [put(f"9{each}/q7z-{each}", 3 - each / 2) for each in range(4)]
    forgetting.forget_old(tmp_path, now)
    assert not old.parent.exists()
    assert new.exists()
    assert all(path.exists() for path in arriving)
    assert not any(path.exists() for path in left_lying)
    assert tmp_path.is_dir()


def test_old_uploads_are_looked_for_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_LOOK_SECONDS", 0.01)
    old = tmp_path / "old.jpg"
    old.write_bytes(b"a picture")
    os.utime(old, (0, 0))
    with forgetting.forgetting(tmp_path):
        ends = time.monotonic() + 10
        while old.exists() and time.monotonic() < ends:
            time.sleep(0.01)
    assert not old.exists()


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO])
def test_old_uploads_go_although_a_folder_cannot_be_listed_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_LOOK_SECONDS", 0.01)
    scandir, failed = os.scandir, threading.Event()

    def failing_once(path: str = ".") -> Any:
        if Path(path).name == "b" and not failed.is_set():
            failed.set()
            raise OSError(number, os.strerror(number), path)
        return scandir(path)

    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.jpg").write_bytes(b"a picture")
        os.utime(tmp_path / name / "old.jpg", (0, 0))
    monkeypatch.setattr(os, "scandir", failing_once)
    with forgetting.forgetting(tmp_path):
        ends = time.monotonic() + 10
        while any(tmp_path.iterdir()) and time.monotonic() < ends:
            time.sleep(0.01)
    assert failed.is_set()
    assert not any(tmp_path.iterdir())
