"""Pictures of a list are fetched whole, politely, again where that helps, and not twice."""

import csv
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import FetchError, StorageError, UsageError
from app.images.fetch import FetchLimits, fetch
from app.sources.downloads import Downloaded, download, stem_of
from app.sources.lists import Row
from app.sources.schedule import Politeness
from tests.commands import Site, sending, write_csv
from tests.conftest import ROOT, Home, encoded, picture

LIMITS = FetchLimits(allow_loopback=True, max_bytes=100_000, timeout_seconds=5)
QUICK = Politeness(first_wait=0.001, longest_wait=0.01, pause=0.001, longest_pause=0.02)
JPEG = encoded(picture(0))


def get(rows: list[Row], folder: Path, **options: object) -> list[Downloaded]:
    arguments: dict[str, object] = {
        "fetch": partial(fetch, limits=LIMITS),
        "on_progress": lambda stage, done, total: None,
        "politeness": QUICK,
    }
    return download(rows, folder, **(arguments | options))  # type: ignore[arg-type]


def rows_of(site: Site, count: int) -> list[Row]:
    return [Row(n + 2, f"id{n}", site.shows(f"/{n}.jpg", n)) for n in range(count)]


def pictures_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix == ".jpg" and p.name[0] != ".")


def test_what_may_succeed_later_is_tried_again_and_what_cannot_is_not(
    site: Site, tmp_path: Path
) -> None:
    def hang_up(request: BaseHTTPRequestHandler) -> None:
        request.connection.close()

    good = sending(JPEG)
    site.pages = {
        "/500": [sending(b"", 500), sending(b"", 502), good],
        "/429": [sending(b"", 429, Retry_After="3600"), good],
        "/cut": [sending(JPEG[:50], Content_Length="9999"), good],
        "/gone": [hang_up, good],
        "/always": [sending(b"", 503)],
        "/404": [sending(b"", 404), good],
        "/page": [sending(b"<html>"), good],
        "/huge": [sending(JPEG + bytes(200_000)), good],
    }
    rows = [Row(n, path, site.url + path) for n, path in enumerate(site.pages, 2)]
    got = {each.row.key: each for each in get(rows, tmp_path / "shop")}
    for path in ("/500", "/429", "/gone"):
        assert (tmp_path / "shop" / got[path].name).read_bytes() == JPEG, got[path].reason
    assert "503" in got["/always"].reason
    assert "404" in got["/404"].reason
    assert "web page" in got["/page"].reason
    assert "larger than" in got["/huge"].reason
    asked = {path: site.asked[path] for path in site.pages}
    assert asked | {"/cut": 2} == {
        **{"/500": 3, "/429": 2, "/cut": 2, "/gone": 2},
        **{"/always": QUICK.attempts, "/404": 1, "/page": 1, "/huge": 1},
    }


def test_a_server_that_is_too_slow_is_tried_again_and_then_left(site: Site, tmp_path: Path) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        site.over.wait(20)

    site.pages["/slow"] = [drip]

    def impatient(url: str) -> bytes:
        hurry = url.endswith("/slow")
        return fetch(url, limits=replace(LIMITS, timeout_seconds=0.1) if hurry else LIMITS)

    rows = [Row(99, "slow", f"{site.url}/slow"), *rows_of(site, 3)]
    slow, *others = get(rows, tmp_path / "shop", fetch=impatient)
    assert "took longer than" in slow.reason
    assert site.asked["/slow"] == QUICK.attempts
    assert not any(each.reason for each in others)


def test_a_host_has_a_few_connections_at_once_and_others_do_not_wait_for_it(
    site: Site, tmp_path: Path
) -> None:
    waiting = threading.Semaphore(0)
    release = threading.Event()

    def hold(request: BaseHTTPRequestHandler) -> None:
        waiting.release()
        release.wait(20)
        sending(JPEG)(request)

    site.pages = {f"/{n}": [hold] for n in range(12)} | {"/other": [sending(JPEG)]}
    held = [Row(n + 2, f"held{n}", f"{site.url}/{n}") for n in range(12)]
    other = Row(99, "other", site.url.replace("127.0.0.1", "localhost") + "/other")
    done = []

    def on_progress(stage: str, count: int, total: int) -> None:
        done.append(count)
        if count == 1:  # the other host's picture, while this host's are held
            for _ in range(3):
                assert waiting.acquire(timeout=20)
            release.set()

    polite = replace(QUICK, connections=8, connections_a_host=3)
    got = get([*held, other], tmp_path / "shop", on_progress=on_progress, politeness=polite)
    assert not any(each.reason for each in got)
    assert site.most_at_once["127.0.0.1"] == 3
    assert done == list(range(14))


def test_rows_that_wait_for_dead_hosts_hold_up_no_other_host(tmp_path: Path) -> None:
    alive, asked = threading.Event(), list[str]()

    def dead(url: str) -> bytes:
        asked.append(url)
        if "alive" in url:
            alive.set()
            return JPEG
        raise FetchError("no answer", retryable=True, unreachable=True)

    rows = [Row(n, str(n), f"http://dead{n}.example/") for n in range(2, 8)]
    rows.append(Row(9, "9", "http://alive.example/"))
    polite = replace(QUICK, connections=2, first_wait=1000, longest_wait=1000)
    started = threading.Thread(
        target=lambda: get(rows, tmp_path / "shop", fetch=dead, politeness=polite), daemon=True
    )
    started.start()
    assert alive.wait(20)
    assert len(asked) == 7


def test_a_host_that_cannot_be_reached_is_given_up_with_all_its_rows(tmp_path: Path) -> None:
    asked = list[str]()

    def fetch_it(url: str) -> bytes:
        asked.append(url)
        if "dead" in url:
            raise FetchError("It cannot be reached.", retryable=True, unreachable=True)
        return JPEG

    rows = [Row(n, str(n), f"http://dead.example/{n}") for n in range(2, 100)]
    rows.append(Row(100, "100", "http://alive.example/"))
    polite = replace(QUICK, failures_in_a_row=5, connections_a_host=1)
    *dead, alive = get(rows, tmp_path / "shop", fetch=fetch_it, politeness=polite)
    assert not alive.reason
    assert len(asked) == 6
    assert all("cannot be reached" in each.reason for each in dead)
    assert "dead.example was given up" in dead[-1].reason
    assert len((tmp_path / "shop" / "failed.csv").read_text().splitlines()) == 99


def test_what_is_there_is_not_fetched_again_and_what_failed_is(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    rows = rows_of(site, 4)
    del site.pages["/2.jpg"]
    first = get(rows, folder)
    assert [bool(each.reason) for each in first] == [False, False, True, False]
    with (folder / "failed.csv").open(encoding="utf-8", newline="") as file:
        failed = list(csv.DictReader(file))
    assert [(each["row"], each["id"], each["url"]) for each in failed] == [
        ("4", "id2", rows[2].url)
    ]
    assert "404" in failed[0]["reason"]
    site.shows("/2.jpg", 2)
    site.asked.clear()
    second = get(rows, folder)
    assert dict(site.asked) == {"/2.jpg": 1}
    assert [each.new for each in second] == [False, False, True, False]
    assert (folder / "failed.csv").read_text() == "row,id,url,reason\n"
    moved = [replace(rows[0], url=site.shows("/moved.jpg", 9)), *rows[1:]]
    assert (folder / get(moved, folder)[0].name).read_bytes() == encoded(picture(9))


def test_a_download_that_was_stopped_goes_on(site: Site, tmp_path: Path) -> None:
    rows = rows_of(site, 30)

    def stop(stage: str, done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(rows, tmp_path / "shop", on_progress=stop)
    there = pictures_in(tmp_path / "shop")
    assert len(there) >= 10
    assert not any(each.reason for each in get(rows, tmp_path / "shop"))
    assert max(site.asked.values()) <= 2
    assert len(pictures_in(tmp_path / "shop")) == 30


def test_kill_9_in_the_middle_costs_at_most_what_was_under_way(
    site: Site, home: Home, tmp_path: Path
) -> None:
    held, release = threading.Semaphore(0), threading.Event()

    def hold(request: BaseHTTPRequestHandler) -> None:
        held.release()
        release.wait(60)
        sending(JPEG)(request)

    rows = rows_of(site, 20)
    for n in range(12, 20):
        site.pages[f"/{n}.jpg"] = [hold]
    file = write_csv(tmp_path / "items.csv", [("id", "url"), *((row.key, row.url) for row in rows)])
    command = [sys.executable, "create_index.py", "--csv", str(file), "--name", "shop"]
    command += ["--model", "mean_colour"]
    environment = os.environ | {"RIS_HOME": str(home.path), "RIS_ALLOW_LOOPBACK_URLS": "1"}
    started = partial(subprocess.Popen, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    killed = started(command, stdout=subprocess.DEVNULL)
    for _ in range(4):
        assert held.acquire(timeout=60)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    folder = home.path / "datasets" / "shop"
    there = pictures_in(folder)
    assert len(there) >= 8
    assert not (home.path / "indexes" / "shop").exists()
    (folder / ".half.jpg.part").write_bytes(JPEG[:20])
    release.set()
    site.asked.clear()
    again = started(command, stdout=subprocess.PIPE, text=True)
    printed, _ = again.communicate()
    assert again.returncode == 0
    assert "20 images" in printed
    assert sum(site.asked.values()) == 20 - len(there)
    assert not list(folder.glob("*.part"))
    service = home.service()
    assert [service.id_of("shop", row.key) for row in rows] == list(range(20))


def test_a_folder_with_other_pictures_is_not_written_to(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.jpg").write_bytes(JPEG)
    with pytest.raises(UsageError, match=r"mine holds .*choose another name"):
        get(rows_of(site, 1), tmp_path / "mine")
    assert pictures_in(tmp_path / "mine") == ["holiday.jpg"]
    assert not site.asked


def test_two_downloads_into_one_folder_are_refused(site: Site, tmp_path: Path) -> None:
    rows = rows_of(site, 1)

    def second(stage: str, done: int, total: int) -> None:
        with pytest.raises(UsageError, match=r"shop is running"):
            get(rows, tmp_path / "shop")

    get(rows, tmp_path / "shop", on_progress=second)


def test_a_disk_that_is_full_ends_it_in_one_sentence_and_keeps_what_is_there(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if "id3" in self.name:
            raise OSError(28, "No space left on device", str(self))
        return real(self, data)

    rows = rows_of(site, 4)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        StorageError, match=r"id3.*No space left on device.*run the same command again"
    ):
        get(rows, tmp_path / "shop", politeness=replace(QUICK, connections=1))
    assert len(pictures_in(tmp_path / "shop")) == 3


@given(key=st.text(min_size=1), url=st.text())
def test_a_files_name_is_safe_and_its_own(key: str, url: str) -> None:
    try:
        name = stem_of(Row(2, key, url))
    except UnicodeEncodeError:
        return
    assert 0 < len(name.encode()) < 80
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    assert name != stem_of(Row(2, key + "x", url))
    assert name.lower() != stem_of(Row(2, key, url + "x")).lower()
