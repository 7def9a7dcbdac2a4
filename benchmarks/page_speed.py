"""A running server and Chromium → the page's weight, and the time until one sees results.

Ours of it shall weigh 150 kB at most, as the browser receives it, and the results of an example
stand 150 ms after a click on it.
"""

import os
import shutil
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.report import Report, at_most
from benchmarks.server_speed import GALLERY, running_server

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_VISITS = 5
_CLICKS = 20
_RESULTS_SHOWN = """() => {
    const shown = [...document.querySelectorAll(".hit img")];
    return shown.length > 0 && shown.every((image) => image.loading !== "lazy" || image.complete);
}"""


# Clicks on an example; the milliseconds until its results are drawn, and until their pictures are.
_MILLISECONDS_OF_A_CLICK = """async (number) => {
    const examples = document.querySelectorAll(".example");
    const started = performance.now();
    examples[number % examples.length].click();
    const times = [];
    const isDrawn = () => document.querySelector(".hits")?.childElementCount;
    for (const isThere of [isDrawn, RESULTS_SHOWN]) {
        do await new Promise(requestAnimationFrame); while (!isThere());
        times.push(performance.now() - started);
    }
    return times;
}""".replace("RESULTS_SHOWN", _RESULTS_SHOWN)
_MOST_KILOBYTES, _MOST_MILLISECONDS = 150, 150


def measure(report: Report) -> None:
    """Open a link with an empty and with a filled cache, then click examples; medians."""
    with running_server() as (_, address), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        _measure(browser, address, report)
        browser.close()


def chromium() -> str:
    """Return the browser's path; SystemExit in one sentence without one."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        raise SystemExit("No Chromium was found: install it, or name its program with CHROMIUM.")
    return path


def _measure(browser: Browser, address: str, report: Report) -> None:
    link = f"{address}/?gallery={GALLERY}&image=1234"
    weight = Weight()
    cold, warm = [], []
    for _ in range(_VISITS):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        weight.of(page, address)
        cold.append(_milliseconds(lambda page=page: page.goto(link), page))
        again = context.new_page()
        warm.append(_milliseconds(lambda page=again: page.goto(link), again))
        context.close()
    report.add(
        "page, transferred with an empty cache: Gradio's own, ours, pictures",
        ", ".join(f"{weight.kilobytes(kind):.0f} kB" for kind in ("gradio", "ours", "pictures")),
        at_most(weight.kilobytes("ours"), _MOST_KILOBYTES, f"ours {_MOST_KILOBYTES} kB"),
    )
    report.add("requests of one visit with an empty cache", f"{weight.requests / _VISITS:.0f}")
    report.add(f"link to results seen, empty cache, median of {_VISITS}", f"{median(cold):.0f} ms")
    report.add(f"link to results seen, filled cache, median of {_VISITS}", f"{median(warm):.0f} ms")

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    times = []
    for number in range(_CLICKS):
        page.goto(address)
        page.locator(".example").first.wait_for()
        page.wait_for_load_state("networkidle")
        times.append(page.evaluate(_MILLISECONDS_OF_A_CLICK, number))
    drawn, seen = (median(each) for each in zip(*times, strict=True))
    report.add(
        f"click on an example to results drawn, median of {_CLICKS}",
        f"{drawn:.0f} ms",
        at_most(drawn, _MOST_MILLISECONDS, f"{_MOST_MILLISECONDS} ms"),
    )
    report.add("and to their pictures in the window, median", f"{seen:.0f} ms")


def _milliseconds(act: Callable[[], Any], page: Page) -> float:
    started = time.perf_counter()
    act()
    page.wait_for_function(_RESULTS_SHOWN)
    return 1000 * (time.perf_counter() - started)


class Weight:
    """Bytes of files that the browser received, compressed as they came, by what they are for."""

    def __init__(self) -> None:
        self.requests = 0
        self._bytes = {"gradio": 0, "ours": 0, "pictures": 0}

    def of(self, page: Page, address: str) -> None:
        """Count what `page` gets from now on."""
        addresses: dict[str, str] = {}
        heads: dict[str, float] = {}
        devtools = page.context.new_cdp_session(page)

        def answered(event: Any) -> None:
            addresses[event["requestId"]] = event["response"]["url"].removeprefix(address)
            heads[event["requestId"]] = event["response"]["encodedDataLength"]

        def finished(event: Any) -> None:
            asked = addresses.get(event["requestId"], "")
            kind = "gradio"
            if asked.startswith("/page/"):
                kind = "ours"
            elif asked.startswith(("/galleries/", "/examples/")):
                kind = "pictures"
            self.requests += 1
            head = heads.get(event["requestId"], 0)
            self._bytes[kind] += max(0, event["encodedDataLength"] - head)

        devtools.on("Network.responseReceived", answered)
        devtools.on("Network.loadingFinished", finished)
        devtools.send("Network.enable")

    def kilobytes(self, kind: str) -> float:
        """Return the mean of the visits."""
        return self._bytes[kind] / _VISITS / 1000
