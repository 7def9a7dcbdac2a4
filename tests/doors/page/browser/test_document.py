"""The page that shows the programs' routes: complete without a network, and it tries them."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import encoded, picture
from tests.doors.page.browser.conftest import COLOURS, Server

pytestmark = pytest.mark.browser


def test_a_route_is_tried_in_the_browser_and_no_other_host_is_asked(
    server: Server, browser: Browser
) -> None:
    page = browser.new_page()
    hosts: set[str] = set()
    said: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{server.url}/docs")

    expect(page.locator(".opblock")).to_have_count(26)
    route = page.locator("#operations-Search-similarity_search")
    route.locator(".opblock-summary").first.click()
    file = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": encoded(picture(1001))}
    route.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    route.get_by_placeholder("gallery").fill(COLOURS)
    route.get_by_role("button", name="Execute").click()

    answered = route.locator(".live-responses-table")
    expect(answered.locator("tbody .response-col_status").first).to_contain_text("200")
    expect(answered).to_contain_text('"rank": 1')
    page.close()
    assert hosts == {urlsplit(server.url).netloc}
    assert said == []
