"""What is seen at first: a slim top at every width, and no word that has to be learnt."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.doors.page.browser.conftest import PREBUILT
from tests.doors.page.browser.panel import Panel
from tests.doors.page.browser.visitor import PHONE, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
JARGON = re.compile(r"IVF|PQ\d|recall|\bcells?\b|candidate|probe|re-rank|shortlist", re.IGNORECASE)
TERMS = ("index", "recall@10", "model")
SLIM = 60  # pixels: one row of buttons, and the space around it
WIDTHS: list[dict[str, Any]] = [
    PHONE,
    *({"viewport": {"width": width, "height": 900}} for width in (700, 1024, 1440, 2560)),
]


def test_no_jargon_is_seen_at_first_and_each_term_of_it_is_explained_in_details(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(
        at=f"?gallery={PREBUILT}", panels="", viewport={"width": 1440, "height": 900}
    )
    seen = visitor.page.locator("body")
    expect(visitor.facts.locator("p").first).to_have_text(
        "9,144 images, searched approximately (98 % of the nearest found)"
    )
    assert not JARGON.search(seen.inner_text())
    visitor.choose_photograph("motorcycle")
    expect(visitor.timing.locator("p")).to_contain_text("searched approximately (98 % of")
    assert not JARGON.search(seen.inner_text())
    panel = Panel(visitor, PREBUILT)
    assert not JARGON.search(panel.dialog.inner_text())

    panel.row.locator(".about summary").click()

    for term in TERMS:
        meaning = panel.row.locator(f"dt:text-is('{term}') + dd small")
        assert meaning.inner_text().endswith(".")
    panel.close()
    visitor.timing.get_by_text("Details").click()
    expect(visitor.timing.locator("dt:text-is('candidates') + dd small")).to_be_visible()


@pytest.mark.parametrize("options", WIDTHS, ids=lambda each: str(each["viewport"]["width"]))
def test_the_top_of_the_page_is_one_slim_row_on_both_faces(
    new_visitor: Visit, options: dict[str, Any]
) -> None:
    visitor = new_visitor(at=f"?gallery={PREBUILT}", panels="", **options)
    width = options["viewport"]["width"]
    row = [
        visitor.page.locator("h1"),
        visitor.page.locator("#gallery input"),
        visitor.button("Galleries"),
        visitor.page.locator("#help summary"),
    ]
    for face in ("ask", "see"):
        if face == "see":
            visitor.choose_photograph("coffee")
        areas = [each.bounding_box() for each in row]
        top = visitor.page.locator("#top").bounding_box()
        assert top is not None
        assert top["height"] <= SLIM
        for left, right in itertools.pairwise(areas):
            assert left is not None
            assert right is not None
            assert left["x"] + left["width"] <= right["x"] + 1
            assert right["x"] + right["width"] <= width
            assert right["y"] < top["y"] + top["height"]


@pytest.mark.parametrize("options", WIDTHS[:4], ids=lambda each: str(each["viewport"]["width"]))
def test_nothing_moves_while_the_page_opens(new_visitor: Visit, options: dict[str, Any]) -> None:
    visitor = new_visitor(at=f"?gallery={PREBUILT}", panels="", **options)
    expect(visitor.facts).to_contain_text("9,144 images")
    moved = visitor.page.evaluate(
        """() => new Promise((resolve) => {
            const all = [];
            const observer = new PerformanceObserver((list) => all.push(...list.getEntries()));
            observer.observe({ type: "layout-shift", buffered: true });
            const inTop = ({ sources }) => sources.some(({ node }) => node?.closest?.("#top"));
            setTimeout(() => resolve(all.filter(inTop).map(({ value }) => value)), 100);
        })"""
    )
    assert sum(moved) < 0.02


@pytest.mark.parametrize(("script", "name"), [("galleries", "Galleries"), ("ways", "Random")])
def test_a_button_is_pressed_only_once_its_script_is_there(
    new_visitor: Visit, script: str, name: str
) -> None:
    visitor = new_visitor()
    with visitor.held_back(f"page/{script}.js") as let_through:
        visitor.page.reload(wait_until="commit")
    expect(visitor.button(name)).to_be_disabled()
    let_through()
    expect(visitor.button(name)).to_be_enabled()


def test_what_is_searched_before_the_scripts_are_there_is_found_once_they_are(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(panels="")
    with visitor.held_back("page/places.js") as let_through:
        visitor.page.reload(wait_until="commit")
    visitor.page.get_by_label("Words, or the address of a picture").fill("cat")
    visitor.button("Search").click()
    let_through()
    expect(visitor.timing).to_be_visible()
