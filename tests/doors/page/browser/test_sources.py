"""Where a picture is from: said above the results, outlined on both pictures, laid over it."""

import re
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Locator, expect

from tests.conftest import PHOTOGRAPHS, Home, encoded, fill
from tests.doors.page.browser.conftest import (
    Contexts,
    Server,
    run_create_index,
    serving,
    visiting,
)
from tests.doors.page.browser.pictures import photograph
from tests.doors.page.browser.test_accessibility import AT, serious_findings
from tests.doors.page.browser.visitor import PHONE, File, Visitor, payload

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

CUT = (0.2, 0.1, 0.85, 0.8)  # of the cat: left, top, right, bottom
COFFEE, ASTRONAUT = (0.52, 0.075, 0.94, 0.425), (0.6, 0.55, 0.9, 0.925)  # of the collage

# Where an outline, or a picture, is drawn: left, top, right and bottom as fractions of an element.
DRAWN = """([drawn, whole]) => {
    const [inner, outer] = [drawn, whole].map((each) => each.getBoundingClientRect());
    return [(inner.left - outer.left) / outer.width, (inner.top - outer.top) / outer.height,
            (inner.right - outer.left) / outer.width, (inner.bottom - outer.top) / outer.height];
}"""


def part_of_cat() -> File:
    """Return a part of the cat, mirrored."""
    cat = photograph("chelsea")
    sides = [round(each * side) for each, side in zip(CUT, cat.size * 2, strict=True)]
    return payload("part.jpg", encoded(ImageOps.mirror(cat.crop(tuple(sides))), quality=90))


def collage() -> File:
    """Return a white page with the coffee, mirrored, and the astronaut on it."""
    page = Image.new("RGB", (1000, 800), "white")
    page.paste(ImageOps.mirror(photograph("coffee")).resize((420, 280)), (520, 60))
    page.paste(photograph("astronaut").resize((300, 300)), (600, 440))
    return payload("collage.jpg", encoded(page, quality=90))


@pytest.fixture(scope="module")
def own_server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of "photographs": those of the examples, among 30 soft pictures."""
    home = Home(tmp_path_factory.mktemp("sources"))
    images = fill(home.path / "pictures", 30)
    for path in PHOTOGRAPHS:
        shutil.copy(path, images)
    run_create_index(home, images, name="photographs", model="efficientnet_lite0")
    with serving(home, tmp_path_factory.mktemp("server") / "stderr") as server:
        yield server


@pytest.fixture
def visit(own_server: Server, context_with: Contexts) -> Iterator[Visit]:
    with visiting(own_server, context_with) as visit:
        yield visit


def drawn(inner: Locator, outer: Locator) -> list[float]:
    handles = [each.element_handle() for each in (inner, outer)]
    return list(outer.page.evaluate(DRAWN, handles))


def verdict(visitor: Visitor) -> Locator:
    return visitor.page.locator("#results .verdict")


def card(visitor: Visitor, path: str) -> Locator:
    return visitor.hits.filter(has=visitor.page.locator(f".label[title='{path}']"))


def compare(visitor: Visitor, path: str) -> Locator:
    """Open a result's comparison; return the two pictures."""
    card(visitor, path).locator(".open").click()
    visitor.page.keyboard.press("c")
    pictures = visitor.detail.locator(".window img")
    expect(pictures).to_have_count(2)
    for each in pictures.all():
        each.evaluate("(image) => image.decode()")
    return pictures


# --- said ----------------------------------------------------------------------------------------


def test_a_verdict_says_where_a_picture_is_from(visit: Visit) -> None:
    visitor = visit()
    expect(verdict(visitor)).to_have_text("")
    visitor.upload(part_of_cat())

    expect(verdict(visitor)).to_have_text(re.compile(r"^Found: this is chelsea\.jpg, cropped to "))
    announced = visitor.page.locator("#announcement [role=status]")
    expect(announced).to_contain_text("Found: this is chelsea.jpg, cropped to ")
    assert int(verdict(visitor).evaluate("(each) => getComputedStyle(each).fontWeight")) >= 600
    first = visitor.hits.first
    expect(first.locator(".kind")).to_have_text("edited copy")
    expect(first.locator(".why")).to_have_text(re.compile(r"^cropped to \d+ %, mirrored$"))
    expect(first.locator(".open")).to_have_attribute("aria-label", re.compile("edited copy: crop"))
    first.locator(".open").click()
    expect(visitor.detail).to_contain_text("edited copy: cropped to")
    expect(visitor.detail).to_contain_text(re.compile(r"\d+ % of this picture, all of the query"))


def test_the_file_itself_is_called_so_once(visit: Visit) -> None:
    visitor = visit()
    visitor.choose_photograph("rocket")
    expect(verdict(visitor)).to_have_text("Found: this is rocket.jpg.")
    expect(visitor.hits.first.locator(".mark")).to_have_text(["same file"])
    expect(visitor.page.locator(".hit .outline")).to_have_count(0)


def test_what_is_not_here_or_too_simple_is_called_so(visit: Visit) -> None:
    visitor = visit()
    noise = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    visitor.upload(payload("noise.jpg", encoded(Image.fromarray(noise))))
    expect(verdict(visitor)).to_have_text("Nothing like it here.")
    expect(visitor.page.locator(".notice")).to_contain_text("similar from a score of")
    expect(visitor.hits.first.locator(".kind")).to_have_text("unlike")
    visitor.upload(payload("white.jpg", encoded(Image.new("RGB", (300, 200), "white"))))
    expect(verdict(visitor)).to_contain_text("Too simple to tell")


# --- outlined ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"viewport": {"width": 1440, "height": 900}}, PHONE])
def test_the_part_is_outlined_on_the_result(visit: Visit, options: dict[str, object]) -> None:
    visitor = visit(**options)
    visitor.upload(part_of_cat())
    opened = visitor.hits.first.locator(".open")
    picture = opened.locator("img")
    picture.evaluate("(image) => image.decode()")
    left, top, right, bottom = drawn(opened.locator("polygon").last, picture)
    # The thumbnail is as wide as the card, or as high as its place: the outline follows it.
    width, height = photograph("chelsea").size
    shown = picture.evaluate("(image) => image.clientWidth / image.clientHeight")
    wide, high = min(1.0, width / height / shown), min(1.0, shown * height / width)
    expected = [
        0.5 + (each - 0.5) * share for each, share in zip(CUT, [wide, high] * 2, strict=True)
    ]
    assert [left, top, right, bottom] == pytest.approx(expected, abs=0.03)

    opened.click()
    large = visitor.detail.locator(".large img")
    large.evaluate("(image) => image.decode()")
    assert drawn(visitor.detail.locator(".large polygon").last, large) == pytest.approx(
        CUT, abs=0.02
    )
    # The whole query is a part of the result: there is nothing to outline on it.
    expect(visitor.edit.locator(".outline")).to_have_count(0)


def test_each_source_of_a_collage_is_outlined_when_its_card_is_pointed_at(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(collage())
    expect(verdict(visitor)).to_contain_text("1 more is below.")
    outline, picture = visitor.edit.locator("polygon").last, visitor.edit.locator(".frame img")
    where = {"coffee.jpg": COFFEE, "astronaut.jpg": ASTRONAUT}
    first = visitor.hits.first.locator(".label").get_attribute("title")
    assert drawn(outline, picture) == pytest.approx(where[first or ""], abs=0.02)

    for path, place in where.items():
        card(visitor, path).hover()
        assert drawn(outline, picture) == pytest.approx(place, abs=0.02)
    visitor.page.mouse.move(0, 0)
    assert drawn(outline, picture) == pytest.approx(where[first or ""], abs=0.02)
    for path, place in where.items():
        card(visitor, path).locator(".open").focus()
        assert drawn(outline, picture) == pytest.approx(place, abs=0.02)


def test_an_outline_stays_inside_the_part_that_was_searched(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(collage())
    with visitor.answer():
        visitor.drag((0.5, 0.5), (1, 1))  # the astronaut and its margin
    expect(verdict(visitor)).to_contain_text("astronaut.jpg")
    outline = visitor.edit.locator("polygon").last
    assert drawn(outline, visitor.edit.locator(".frame img")) == pytest.approx(ASTRONAUT, abs=0.03)


# --- compared ------------------------------------------------------------------------------------


def test_a_copy_is_compared_as_it_lies_in_the_query(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(part_of_cat())
    query, result = compare(visitor, "chelsea.jpg").all()
    # Of the mirrored whole, the query shows what was cut out.
    left, top, right, bottom = CUT
    across, down = right - left, bottom - top
    whole = [-(1 - right) / across, -top / down, 1 + left / across, 1 + (1 - bottom) / down]
    assert drawn(result, query) == pytest.approx(whole, abs=0.03)
    visitor.button("Whole").click()
    assert drawn(result, query) == pytest.approx(whole, abs=0.03)
    inside = drawn(result, visitor.detail.locator(".window").first)
    assert min(inside) >= -0.01
    assert max(inside) <= 1.01


def test_the_ways_to_compare_are_chosen_by_keys_and_sliders(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(part_of_cat())
    compare(visitor, "chelsea.jpg")
    press = visitor.page.keyboard.press
    slider = visitor.detail.get_by_label("How much of the query is shown")
    figures = visitor.detail.locator(".stages figure")

    def opacities() -> list[float]:
        return [float(each.evaluate("(one) => one.style.opacity")) for each in figures.all()]

    assert opacities() == [0.5, 1]
    slider.fill("20")
    assert opacities() == [0.2, 1]
    visitor.detail.locator(".comparison").focus()
    press("b")
    expect(visitor.button("Blink")).to_have_attribute("aria-pressed", "true")
    expect(slider).to_be_hidden()
    assert opacities() == [1, 0]
    press("b")  # where motion is not wanted, each press shows the other
    assert opacities() == [0, 1]
    press("w")
    slider.fill("30")
    clips = visitor.detail.locator(".window").evaluate_all(
        "(all) => all.map((each) => each.style.clipPath)"
    )
    assert ["70%" in clips[0], "30%" in clips[1]] == [True, True]
    slider.focus()
    press("ArrowRight")
    expect(slider).to_have_value("31")
    visitor.detail.locator(".comparison").focus()
    press("s")
    expect(visitor.detail.locator(".stages.over")).to_have_count(0)
    press("Escape")
    expect(visitor.detail.locator(".large img")).to_be_visible()


def test_pictures_blink_by_themselves_where_motion_is_welcome(visit: Visit) -> None:
    visitor = visit(reduced_motion="no-preference")
    visitor.upload(part_of_cat())
    compare(visitor, "chelsea.jpg")
    visitor.button("Blink").click()
    shown = visitor.detail.locator(".stages figure").first
    for opacity in ("0", "1", "0"):
        expect(shown).to_have_css("opacity", opacity)


def test_what_only_looks_like_the_query_is_compared_beside_it(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(part_of_cat())
    visitor.hits.last.locator(".open").click()
    visitor.button("Compare").click()
    expect(visitor.detail.locator(".window img")).to_have_count(2)
    expect(visitor.button("Overlay")).to_have_count(0)
    expect(visitor.button("One over the other")).to_be_visible()


@pytest.mark.parametrize("at", AT)
def test_axe_finds_nothing_serious_where_a_source_is_shown(at: str, visit: Visit) -> None:
    visitor = visit(**AT[at])
    visitor.upload(collage())
    found = {"results": serious_findings(visitor)}
    visitor.hits.first.locator(".open").click()
    found["one result"] = serious_findings(visitor)
    visitor.button("Compare").click()
    for mode in ("Overlay", "Wipe", "Blink", "Side by side"):
        visitor.button(mode).click()
        found[mode] = serious_findings(visitor)
        widest = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert visitor.page.evaluate(widest) <= 0
    assert {state: findings for state, findings in found.items() if findings} == {}
