"""The panel of all galleries, as a visitor uses it."""

from playwright.sync_api import Locator, expect

from tests.conftest import is_one_sentence
from tests.doors.page.browser.visitor import Visitor

_OF_A_GALLERY = ("Use", "Update", "Near duplicates")


class Panel:
    """The panel of a visitor's page, opened; `name` is the gallery that is managed in it."""

    def __init__(self, visitor: Visitor, name: str = "mine") -> None:
        self.visitor = visitor
        self.page = visitor.page
        self.name = name
        self.dialog = visitor.page.locator("dialog.galleries")
        if not self.dialog.is_visible():
            # Once the gallery's own images are there, nothing moves under the pointer any more.
            visitor.button("Galleries").click()
        self.dialog.wait_for()

    @property
    def row(self) -> Locator:
        return self.dialog.locator(f"[data-gallery='{self.name}']")

    @property
    def problem(self) -> Locator:
        return self.dialog.get_by_role("alert").locator("p")

    @property
    def outcome(self) -> Locator:
        return self.dialog.locator(".job .outcome")

    @property
    def running(self) -> Locator:
        return self.dialog.locator(".job .running")

    @property
    def state(self) -> Locator:
        """Whether the gallery is up to date."""
        return self.row.locator(".waiting-for")

    def button(self, name: str) -> Locator:
        of_row = name in _OF_A_GALLERY
        named = f"{name}: {self.name}" if of_row else name
        return self.dialog.get_by_role("button", name=named, exact=True)

    def close(self) -> None:
        self.button("Close").click()
        self.dialog.wait_for(state="hidden")

    def refuses(self, words: str) -> None:
        expect(self.problem).to_contain_text(words)
        assert is_one_sentence(self.problem.inner_text())


class Managing(Panel):
    """The panel with the forms of one gallery open."""

    def __init__(self, visitor: Visitor, name: str = "mine", *, open_forms: bool = True) -> None:
        super().__init__(visitor, name)
        if open_forms:
            self.row.locator(".change > summary").click()

    def field(self, label: str) -> Locator:
        return self.row.get_by_label(label)

    def change(self, label: str, value: str, button: str) -> None:
        self.field(label).fill(value)
        self.button(button).click()


class Line:
    """The line beside the panel's button: what is done to a gallery, and how that ended."""

    def __init__(self, visitor: Visitor) -> None:
        self.whole = visitor.page.locator(".job-line")

    @property
    def end(self) -> Locator:
        return self.whole.get_by_role("status")

    def button(self, name: str) -> Locator:
        return self.whole.get_by_role("button", name=name, exact=True)
