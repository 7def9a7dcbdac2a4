"""A gallery without a query: all of it, and what its images differ in; several pictures at once."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.conftest import encoded
from tests.doors.page.browser.conftest import APPROXIMATE
from tests.doors.page.browser.pictures import photograph
from tests.doors.page.browser.visitor import Visitor


def browse(visitor: Visitor) -> None:
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()


def total(visitor: Visitor) -> int:
    shown = visitor.page.locator("#results .verdict").inner_text()
    return int(shown.split()[0].replace(",", ""))


def test_a_gallery_is_browsed_to_its_end_and_again_by_its_link(
    visitor: Visitor, new_visitor: Callable[..., Visitor]
) -> None:
    visitor.choose_gallery(APPROXIMATE)  # 300 images: more than come at once
    browse(visitor)
    every = total(visitor)
    assert every == 300
    assert f"Browse all {every:,} images" not in visitor.page.inner_text("body")
    assert "browse=1" in visitor.page.url
    assert visitor.page.locator(".hit .score").count() == 0
    visitor.page.wait_for_function(
        """(every) => {
            document.querySelector(".timing").scrollIntoView({ behavior: "instant" });
            return document.querySelectorAll(".hit").length === every;
        }""",
        arg=every,
    )
    ids = visitor.hits.evaluate_all("(hits) => hits.map((hit) => hit.dataset.id)")
    assert len(set(ids)) == every
    other = new_visitor(at=visitor.page.url.rpartition("/")[2])
    expect(other.page.locator("#results .verdict")).to_have_text(f"{every:,} images")
    visitor.page.go_back()
    expect(visitor.hits).to_have_count(0)


def test_what_images_differ_in_is_counted_over_all_of_them_and_chosen(visitor: Visitor) -> None:
    browse(visitor)
    every = total(visitor)
    visitor.page.get_by_text("Narrow down").click()
    values = visitor.page.locator(".facets section").first.get_by_role("button")
    name, _, count = values.first.inner_text().rpartition(" ")
    with visitor.answer():
        values.first.click()
    assert total(visitor) == int(count.replace(",", "")) < every
    assert set(visitor.hits.locator(".label").all_inner_texts()) == {name}
    expect(values.first).to_have_attribute("aria-pressed", "true")
    expect(visitor.page.get_by_text(f"label={name}")).to_be_visible()
    visitor.choose_photograph("coffee")  # a new query drops what was chosen
    every_label = visitor.labels()
    with visitor.answer():
        values.first.click()
    assert set(visitor.labels()) == {name}
    with visitor.answer():
        values.first.click()
    assert visitor.labels() == every_label != [name] * len(every_label)


def test_sorting_a_gallery_that_is_browsed_sorts_all_of_it(visitor: Visitor) -> None:
    browse(visitor)
    first = visitor.hits.first.get_attribute("data-id")
    with visitor.answer():
        visitor.page.get_by_label("Sort by").select_option("bytes")
    assert visitor.hits.first.get_attribute("data-id") != first
    with visitor.answer():
        visitor.page.get_by_label("Sort by").select_option("taken")  # nothing is known of that
    expect(visitor.message).to_have_count(0)
    assert visitor.hits.first.get_attribute("data-id") == first


def test_pictures_that_are_dropped_together_are_searched_together(
    visitor: Visitor, tmp_path: Path
) -> None:
    names = ("coffee", "rocket", "chelsea")
    files = [tmp_path / f"{name}.jpg" for name in names]
    for file in files:
        file.write_bytes(encoded(photograph(file.stem)))
    visitor.drop(visitor.page.locator("#title"), *files[:2])
    expect(visitor.page.locator(".chip.more-like")).to_have_text("More like rocket.jpg✕")
    expect(visitor.hits.first).to_be_visible()
    together = visitor.results()
    assert {"coffee", "rocket"} <= {found.label for found in together}
    assert "rocket" not in visitor.page.url  # of an upload nothing is in a link
    with visitor.page.expect_file_chooser() as chooser, visitor.answer():
        visitor.button("Add a picture").click()
        chooser.value.set_files(files[2])
    expect(visitor.page.locator(".chip.more-like")).to_have_count(2)
    assert "chelsea" in {found.label for found in visitor.results()}
    with visitor.answer():
        visitor.button("Remove: More like rocket.jpg").click()
    expect(visitor.page.locator(".chip.more-like")).to_have_count(1)


def test_a_further_picture_that_is_none_is_named_and_the_search_stays(
    visitor: Visitor, tmp_path: Path
) -> None:
    visitor.choose_photograph("coffee")
    before = visitor.results()
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(b"no picture")
    with visitor.page.expect_file_chooser() as chooser:
        visitor.button("Add a picture").click()
    chooser.value.set_files(wrong)
    expect(visitor.message).to_contain_text("wrong.jpg")
    assert visitor.results() == before
