"""A running server and Chromium → the page's weight, and the time until one sees results."""

import os
import shutil
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.report import Report
from benchmarks.server_speed import GALLERY, running_server

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_VISITS = 5
_CLICKS = 20
_RESULTS_SHOWN = """() => {
    const shown = [...document.querySelectorAll(".hit img")];
    return shown.length > 0 && shown.every((image) => image.loading !== "lazy" || image.complete);
}"""


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
        f"{weight.kilobytes('gradio')}, {weight.kilobytes('ours')}, {weight.kilobytes('pictures')}",
    )
    report.add("requests of one visit with an empty cache", f"{weight.requests / _VISITS:.0f}")
    report.add(f"link to results seen, empty cache, median of {_VISITS}", f"{median(cold):.0f} ms")
    report.add(f"link to results seen, filled cache, median of {_VISITS}", f"{median(warm):.0f} ms")

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    examples = page.locator(".example")
    examples.first.wait_for()
    clicks = []
    for number in range(_CLICKS):
        page.evaluate("document.querySelector('#results .hits')?.remove()")
        example = examples.nth(number % examples.count())
        clicks.append(_milliseconds(lambda example=example: example.click(), page))
    report.add(
        f"click on an example to results seen, median of {_CLICKS}", f"{median(clicks):.0f} ms"
    )


def _milliseconds(act: Callable[[], Any], page: Page) -> float:
    started = time.perf_counter()
    act()
    page.wait_for_function(_RESULTS_SHOWN)
    return 1000 * (time.perf_counter() - started)


class Weight:
    """Bytes that the browser received, compressed as they came, by what they are for."""

    def __init__(self) -> None:
        self.requests = 0
        self._bytes = {"gradio": 0, "ours": 0, "pictures": 0}

    def of(self, page: Page, address: str) -> None:
        """Count what `page` gets from now on."""
        addresses: dict[str, str] = {}
        devtools = page.context.new_cdp_session(page)

        def answered(event: Any) -> None:
            addresses[event["requestId"]] = event["response"]["url"].removeprefix(address)

        def finished(event: Any) -> None:
            asked = addresses.get(event["requestId"], "")
            kind = "gradio"
            if asked.startswith("/page/"):
                kind = "ours"
            elif asked.startswith(("/galleries/", "/examples/")):
                kind = "pictures"
            self.requests += 1
            self._bytes[kind] += event["encodedDataLength"]

        devtools.on("Network.responseReceived", answered)
        devtools.on("Network.loadingFinished", finished)
        devtools.send("Network.enable")

    def kilobytes(self, kind: str) -> str:
        """Return the mean of the visits in words."""
        return f"{self._bytes[kind] / _VISITS / 1000:.0f} kB"
