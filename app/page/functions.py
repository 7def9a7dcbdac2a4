"""What the page's events call: each translates between the browser's values and the service."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from app.errors import AppError, DecodeError, UsageError
from app.page import markup
from app.page.queries import (
    Reference,
    Uploads,
    box_of,
    entries,
    entry,
    image_reference,
    question,
    whole_number,
    whole_picture,
)
from app.service import SearchService

EXAMPLES = Path(__file__).parent / "examples"
PHOTOGRAPHS = tuple(sorted(path.stem for path in EXAMPLES.glob("*.jpg")))
RANDOM_EXAMPLES = 7

Answer = tuple[Any, ...]
UNCHANGED: Any = gr.skip()


def telling(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Turn an AppError into the message beside the query; all else on the page stays as it is."""

    @functools.wraps(function)
    def told(*arguments: Any) -> Answer:
        try:
            return function(*arguments)
        except AppError as exc:
            return UNCHANGED, UNCHANGED, markup.message(str(exc)), UNCHANGED, UNCHANGED

    return told


def emptying(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Answer for the address field too: empty once its picture is shown, else as it is."""

    @functools.wraps(function)
    def emptied(*arguments: Any) -> Answer:
        answer = function(*arguments)
        return *answer, "" if answer[2] == "" else UNCHANGED

    return emptied


class Functions:
    """The page's functions. An answer is (original, edit, message, results, timing)."""

    def __init__(self, service: SearchService, uploads: Uploads) -> None:
        self._service = service
        self._uploads = uploads

    def opened(self, current: str | None) -> Answer:
        """Return the gallery choice, its facts and examples for a page that was just opened."""
        infos = self._service.galleries()
        names = [info.name for info in infos]
        usable = [info.name for info in infos if not info.refused]
        chosen = current if current in names else next(iter(usable or names), None)
        return gr.Dropdown(choices=names, value=chosen), *self.described(chosen)

    def described(self, gallery: str | None) -> Answer:
        """Return the facts and examples of a gallery, and its refusal if it has one."""
        if not gallery:
            return (
                markup.message(
                    "There is no gallery yet: make one with "
                    "python3 create_index.py --images DIR --name NAME, then load this page again."
                ),
                markup.examples(PHOTOGRAPHS, "", []),
            )
        gallery = str(gallery)
        try:
            info = self._service.gallery(gallery)
            drawn = [] if info.refused else self._service.random_images(gallery, RANDOM_EXAMPLES)
        except AppError as exc:
            return markup.message(str(exc)), markup.examples(PHOTOGRAPHS, gallery, [])
        return markup.gallery(info), markup.examples(PHOTOGRAPHS, gallery, drawn)

    def example_row(self, gallery: str | None) -> str:
        """Return a fresh row of examples."""
        return str(self.described(gallery)[1])

    def uploaded(self, gallery: str, k: int, leave_out: bool, event: Any) -> Answer:
        """Search with a file that the browser has just uploaded."""
        path, name = str(entry(event, "path")), str(entry(event, "name") or "The picture")
        return self._arrived(self._uploads.reference(path, name), gallery, k, leave_out)

    def addressed(self, gallery: str, k: int, leave_out: bool, url: str) -> Answer:
        """Search with the picture at an address."""
        url = str(url or "").strip()
        if not url:
            raise UsageError("Type or paste the address of a picture first.")
        data = self._service.fetch(url)
        name = Path(urlsplit(url).path).name or url
        return self._arrived(self._uploads.keep(data, name), gallery, k, leave_out)

    def exemplified(self, gallery: str, k: int, leave_out: bool, event: Any) -> Answer:
        """Search with an example that was clicked: a photograph's name, or an image's id."""
        name = entry(event, "photograph")
        if name in PHOTOGRAPHS:
            data = (EXAMPLES / f"{name}.jpg").read_bytes()
            return self._arrived(self._uploads.keep(data, name), gallery, k, leave_out)
        return self.reused(gallery, k, leave_out, event)

    def reused(self, gallery: str, k: int, leave_out: bool, event: Any) -> Answer:
        """Search with an image of a gallery: the one it was shown from, whichever is chosen now."""
        shown_from = str(entry(event, "gallery") or _chosen(gallery))
        number = whole_number(entry(event, "id"), "An image's id")
        image = self._service.image(shown_from, number)
        reference = image_reference(shown_from, image.id, image.path)
        return self._arrived(reference, gallery, k, leave_out)

    def asked(
        self, gallery: str, k: int, leave_out: bool, edit: Reference | None, url: str
    ) -> Answer:
        """Search with the address that was typed, or else with what the edit pane holds."""
        if str(url or "").strip():
            return self.addressed(gallery, k, leave_out, url)
        return self.searched(gallery, k, leave_out, edit)

    def searched(self, gallery: str, k: int, leave_out: bool, edit: Reference | None) -> Answer:
        """Search with what the edit pane holds, its box included."""
        if not edit:
            raise UsageError("There is no picture to search with yet: drop or choose one.")
        return UNCHANGED, UNCHANGED, *self._found(edit, gallery, k, leave_out)

    def searched_again(
        self, gallery: str, k: int, leave_out: bool, edit: Reference | None
    ) -> Answer:
        """Search with what the edit pane holds in another gallery; nothing yet is no error."""
        if not edit:
            return (UNCHANGED,) * 5
        return self.searched(gallery, k, leave_out, edit)

    def mirrored_to_edit(self, original: Reference | None) -> Answer:
        """Put the original into the edit pane, whole."""
        if not original:
            raise UsageError("There is no original picture yet: drop or choose one.")
        return UNCHANGED, {**entries(original), "box": None}, "", UNCHANGED, UNCHANGED

    def mirrored_to_original(self, edit: Reference | None) -> Answer:
        """Make what the edit pane shows, cut to its box, the original."""
        if not edit:
            raise UsageError("There is nothing in the edit window yet.")
        box = box_of(edit)
        if box is None:
            return edit, UNCHANGED, "", UNCHANGED, UNCHANGED
        data = whole_picture(edit, self._service, self._uploads)
        cut = self._uploads.keep(self._service.preview(data, box), f"part of {edit.get('name')}")
        return cut, cut, "", UNCHANGED, UNCHANGED

    def _arrived(self, reference: Reference, gallery: str, k: int, leave_out: bool) -> Answer:
        """Show a new query in both panes and search with it.

        It is also shown where the search fails for a reason that is not its own: another gallery
        may take it.
        """
        try:
            found = self._found(reference, gallery, k, leave_out)
        except DecodeError:
            raise  # it would only show as a broken picture
        except AppError as exc:
            return reference, reference, markup.message(str(exc)), UNCHANGED, UNCHANGED
        return reference, reference, *found

    def _found(self, reference: Reference, gallery: str, k: int, leave_out: bool) -> Answer:
        gallery = _chosen(gallery)
        query, box = question(reference, gallery, self._service, self._uploads)
        result = self._service.search(
            gallery,
            query,
            k=whole_number(k, "The number of results"),
            box=box,
            leave_out_same_file=bool(leave_out),
        )
        return "", markup.results(result), markup.timing(result)


def _chosen(gallery: object) -> str:
    if not gallery:
        raise UsageError("There is no gallery to search in yet: make one first.")
    return str(gallery)
