"""Two galleries beside each other for one query, and several of one model at once."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.conftest import PHOTOGRAPHS, Home, fill
from tests.doors.page.browser import pictures
from tests.doors.page.browser.conftest import (
    UNRUNNABLE,
    Contexts,
    Server,
    _build_with_weights_of_another_machine,
    run_create_index,
    serving,
    visiting,
)
from tests.doors.page.browser.panel import Panel
from tests.doors.page.browser.test_accessibility import serious_findings
from tests.doors.page.browser.visitor import PHONE, Visitor

ALBUM, COLOURS, MORE, THIRD = "album", "album-colours", "more", "third"
COFFEE = f"?gallery={ALBUM}&photograph=coffee"
BESIDE = f"{COFFEE}&beside={COLOURS}"

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def two_models(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One album in galleries of two models, and two more of the second model."""
    home = Home(tmp_path_factory.mktemp("home"))
    images = tmp_path_factory.mktemp("images")
    pictures.write_album(images / ALBUM)
    run_create_index(home, images / ALBUM, name=ALBUM, model="efficientnet_lite0")
    home.build(images / ALBUM, name=COLOURS)
    home.build(fill(images / MORE, 20, first=100), name=MORE)
    home.build(fill(images / THIRD, 10, first=200), name=THIRD)
    _build_with_weights_of_another_machine(home, fill(images / UNRUNNABLE, 24, first=3000))
    with serving(home, tmp_path_factory.mktemp("server") / "stderr") as server:
        yield server


@pytest.fixture
def visit(two_models: Server, context_with: Contexts) -> Iterator[Visit]:
    with visiting(two_models, context_with) as visit:
        yield visit


def side(visitor: Visitor, name: str) -> Locator:
    return visitor.page.get_by_role("region", name=name, exact=True)


def files(column: Locator) -> list[str]:
    """Return the files of a column's results, best first."""
    found: list[str] = column.locator("li").evaluate_all(
        "(cards) => cards.map((each) => each.dataset.file)"
    )
    return found


def is_whole(visitor: Visitor) -> None:
    expect(visitor.page.locator(".in-both")).to_have_text(re.compile("in both"))


def compare_with(visitor: Visitor, name: str) -> None:
    visitor.page.get_by_label("Compare with").select_option(name)


def test_what_both_galleries_have_found_and_what_only_one_has_is_marked(visit: Visit) -> None:
    visitor = visit(at=COFFEE)
    visitor.hits.first.wait_for()
    offered = visitor.page.get_by_label("Compare with").locator("option").all_inner_texts()
    assert offered[1] == f"{COLOURS}: mean_colour, same folder, 60 images"
    compare_with(visitor, COLOURS)
    is_whole(visitor)
    one, other = side(visitor, ALBUM), side(visitor, COLOURS)
    expect(one).to_contain_text("efficientnet_lite0")
    expect(other).to_contain_text("mean_colour")
    for each in (one, other):
        expect(each.locator("li").first).to_contain_text("coffee")
        expect(each.locator(".timing")).to_contain_text("ms")
    expect(visitor.hits.first).to_be_hidden()
    here, there = files(one), files(other)
    assert len(here) == len(there) == 10
    both = set(here) & set(there)
    expect(visitor.page.locator(".in-both")).to_have_text(f"{len(both)} of 10 in both")
    for file in both:
        mark = one.locator(f"li[data-file='{file}'] .place.both")
        expect(mark).to_have_text(f"no. {there.index(file) + 1} there")

    compare_with(visitor, MORE)  # of other images
    expect(visitor.page.locator(".in-both")).to_have_text("0 of 10 in both")
    expect(side(visitor, MORE).locator(".place.only")).to_have_count(10)
    expect(one.locator(".place.only")).to_have_count(10)

    visitor.button(f"Only {ALBUM}").click()
    expect(visitor.hits.first).to_be_visible()
    expect(visitor.page.get_by_label("Compare with")).to_be_focused()
    assert "beside" not in visitor.page.url


def test_pointing_at_a_result_shows_it_on_the_other_side(visit: Visit) -> None:
    visitor = visit(at=BESIDE)
    is_whole(visitor)
    one, other = side(visitor, ALBUM), side(visitor, COLOURS)
    file = next(each for each in files(one) if each in files(other))
    card = f"li[data-file='{file}']"
    one.locator(card).hover()
    expect(other.locator(f"{card}.twin")).to_have_count(1)
    expect(other.locator(".twin")).to_have_count(1)
    visitor.page.mouse.move(1, 1)
    expect(visitor.page.locator(".twin")).to_have_count(0)
    other.locator(card).get_by_role("button").focus()
    expect(one.locator(f"{card}.twin")).to_have_count(1)


def test_edits_filters_and_how_many_go_to_both_sides(visit: Visit) -> None:
    visitor = visit(at=BESIDE)
    is_whole(visitor)
    one, other = side(visitor, ALBUM), side(visitor, COLOURS)
    before = files(one), files(other)
    visitor.drag((0.0, 0.0), (0.3, 0.3))
    for each, were in zip((one, other), before, strict=True):
        expect(each.locator("li").nth(0)).to_be_visible()
        visitor.page.wait_for_function(
            """([name, were]) => [...document.querySelectorAll(`section[aria-label="${name}"] li`)]
                .map((each) => each.dataset.file).join() !== were""",
            arg=[each.get_attribute("aria-label"), ",".join(were)],
        )
    is_whole(visitor)
    visitor.page.get_by_label("Label", exact=True).select_option("rocket")
    for each in (one, other):
        expect(each.locator("li").filter(has_text="coffee")).to_have_count(0)
        expect(each.locator("li").filter(has_text="rocket").first).to_be_visible()
    visitor.choose_how_many(3)
    for each in (one, other):
        expect(each.locator("li")).to_have_count(3)


def test_an_image_of_one_gallery_is_searched_for_in_the_other(visit: Visit) -> None:
    visitor = visit(at=f"?gallery={ALBUM}&image=3&beside={COLOURS}")
    is_whole(visitor)
    best = side(visitor, COLOURS).locator("li").first
    assert best.get_attribute("data-file") == files(side(visitor, ALBUM))[0]
    expect(best.locator(".score")).to_have_text("1.000")
    best.get_by_role("button").click()
    expect(visitor.detail).to_contain_text("no. 1")
    visitor.page.keyboard.press("ArrowRight")
    second = side(visitor, COLOURS).locator("li").nth(1).locator(".label").inner_text()
    expect(visitor.detail).to_contain_text("no. 2")
    expect(visitor.detail.get_by_role("heading").first).to_contain_text(second)


@pytest.mark.parametrize("first", [ALBUM, UNRUNNABLE])
def test_a_side_that_fails_has_its_sentence_and_leaves_the_other(visit: Visit, first: str) -> None:
    (second,) = {ALBUM, UNRUNNABLE} - {first}
    visitor = visit(at=f"?gallery={first}&photograph=coffee&beside={second}")
    expect(side(visitor, UNRUNNABLE).get_by_role("alert")).to_contain_text("resnet50")
    expect(side(visitor, UNRUNNABLE).locator("li")).to_have_count(0)
    expect(side(visitor, ALBUM).locator("li")).to_have_count(10)
    expect(visitor.page.locator("#message .message")).to_have_count(0)


def test_links_reload_and_back_keep_what_is_beside(visit: Visit) -> None:
    visitor = visit(at=COFFEE)
    visitor.hits.first.wait_for()
    compare_with(visitor, COLOURS)
    is_whole(visitor)
    found = files(side(visitor, COLOURS))
    visitor.page.reload()
    is_whole(visitor)
    assert files(side(visitor, COLOURS)) == found
    other = visit(at=visitor.page.url.rpartition("/")[2])
    is_whole(other)
    assert files(side(other, COLOURS)) == found
    visitor.page.go_back()
    expect(visitor.page.locator(".sides")).to_be_hidden()
    visitor.page.go_forward()
    is_whole(visitor)
    assert files(side(visitor, COLOURS)) == found
    visitor.choose_gallery(COLOURS)  # they change places
    expect(visitor.page.locator(".columns section").nth(1)).to_have_accessible_name(ALBUM)
    is_whole(visitor)
    assert files(side(visitor, COLOURS)) == found


def test_a_gallery_is_compared_with_its_own_exact_search(visit: Visit) -> None:
    visitor = visit(at=COFFEE)
    visitor.hits.first.wait_for()
    compare_with(visitor, ALBUM)
    is_whole(visitor)
    columns = visitor.page.locator(".columns section")
    expect(columns.nth(0).locator(".by")).to_have_text("efficientnet_lite0, search by its index")
    expect(columns.nth(1).locator(".by")).to_have_text("efficientnet_lite0, exact search")
    assert files(columns.nth(0)) == files(columns.nth(1))  # few enough that nothing is missed
    assert f"beside={ALBUM}" in visitor.page.url


def opened_several(visitor: Visitor) -> Panel:
    """Open the panel of all galleries, and in it the choice of several."""
    panel = Panel(visitor)
    visitor.page.get_by_text("Search more galleries too").click()
    return panel


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_it_is_for_everybody(visit: Visit, options: dict[str, object]) -> None:
    visitor = visit(at=BESIDE, panels="", ready=False, **options)
    is_whole(visitor)
    assert serious_findings(visitor) == []
    panel = opened_several(visitor)
    assert serious_findings(visitor) == []
    panel.close()
    lefts = [
        side(visitor, name).evaluate("(each) => each.getBoundingClientRect().left")
        for name in (ALBUM, COLOURS)
    ]
    assert lefts[0] < lefts[1]  # on a phone too: equal ranks lie beside each other
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    cards = side(visitor, ALBUM).locator("li button")
    cards.first.focus()
    visitor.page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    visitor.page.keyboard.press("Tab")
    expect(side(visitor, ALBUM).locator("summary")).to_be_focused()  # Details
    visitor.page.keyboard.press("Tab")
    expect(side(visitor, COLOURS).locator("li button").first).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.detail).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(side(visitor, COLOURS).locator("li button").first).to_be_focused()


def test_any_galleries_of_one_model_are_searched_at_once(visit: Visit) -> None:
    visitor = visit(at=f"?gallery={MORE}&photograph=coffee")
    visitor.hits.first.wait_for()
    panel = opened_several(visitor)
    ticked = visitor.page.get_by_label(f"{THIRD}, 10")
    expect(visitor.page.get_by_label(f"{MORE}, 20")).to_be_disabled()  # one there must be
    ticked.focus()
    visitor.page.keyboard.press("Space")
    expect(visitor.facts).to_contain_text("2 galleries of mean_colour")
    expect(visitor.facts).not_to_contain_text("All")  # there is one more
    expect(visitor.facts).to_contain_text("30 images")
    expect(ticked).to_be_focused()
    panel.close()
    visitor.choose_how_many(30)
    expect(visitor.hits).to_have_count(30)
    assert set(visitor.hits.locator(".label.of").all_inner_texts()) == {MORE, THIRD}
    expect(visitor.page.get_by_label("Gallery", exact=True)).to_have_value(MORE)
    assert f"gallery={MORE}%2C{THIRD}" in visitor.page.url
    visitor.page.reload()
    expect(visitor.facts).to_contain_text("30 images")
    visitor.button("2 galleries").click()
    expect(visitor.page.get_by_text(f"2 galleries are searched: {MORE}, {THIRD}")).to_be_visible()

    visitor.page.get_by_text("2 galleries are searched").click()
    visitor.page.get_by_label(f"{COLOURS}, 60").check()
    expect(visitor.page.get_by_label("Gallery", exact=True)).to_have_value(re.compile("^All 3"))
    for name in (f"{COLOURS}, 60", f"{MORE}, 20"):
        visitor.page.get_by_label(name).click()
        expect(visitor.page.get_by_label(name)).not_to_be_checked()
    expect(visitor.facts).to_contain_text("10 images")
    expect(visitor.page.get_by_label("Gallery", exact=True)).to_have_value(THIRD)


def test_galleries_of_another_model_are_shown_beside_and_not_together(visit: Visit) -> None:
    visitor = visit(at=f"?gallery={MORE}&photograph=coffee")
    visitor.hits.first.wait_for()
    panel = opened_several(visitor)
    expect(visitor.page.get_by_label(f"{ALBUM}, efficientnet_lite0")).to_be_disabled()
    expect(visitor.page.locator(".several")).to_contain_text("Scores of another model")
    visitor.button(f"Side by side with {ALBUM}").click()
    panel.close()
    is_whole(visitor)
    expect(side(visitor, ALBUM).locator("li")).to_have_count(10)
    refused = visit(at=f"?gallery={MORE},{ALBUM}&photograph=coffee", ready=False)
    expect(refused.facts).to_contain_text("are of different models")


def test_photographs_are_searched_for_beside_each_other_one_after_another(visit: Visit) -> None:
    visitor = visit(at=BESIDE)
    is_whole(visitor)
    names = [path.stem for path in PHOTOGRAPHS if path.stem != "coffee"][:2]
    for name in names:
        visitor.button(name).and_(visitor.page.locator("[data-photograph]")).click()
        for each in (ALBUM, COLOURS):
            expect(side(visitor, each).locator("li").first).to_contain_text(name)
    assert f"beside={COLOURS}" in visitor.page.url
