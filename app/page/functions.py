"""What the page's events call: each translates between the browser's values and the service."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from app.errors import AppError, UsageError
from app.page import markup
from app.page.queries import Reference, Uploads, image_reference, question
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
                    "python create_index.py --images DIR --name NAME, then load this page again."
                ),
                markup.examples(PHOTOGRAPHS, "", []),
            )
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
        return self._arrived(
            self._uploads.reference(event["path"], event["name"]), gallery, k, leave_out
        )

    def addressed(self, gallery: str, k: int, leave_out: bool, url: str) -> Answer:
        """Search with the picture at an address."""
        url = (url or "").strip()
        if not url:
            raise UsageError("Type or paste the address of a picture first.")
        name = Path(urlsplit(url).path).name or url
        return self._arrived(
            self._uploads.keep(self._service.fetch(url), name), gallery, k, leave_out
        )

    def exemplified(self, gallery: str, k: int, leave_out: bool, event: Any) -> Answer:
        """Search with an example that was clicked: a photograph's name, or an image's id."""
        name = event.get("photograph")
        if name in PHOTOGRAPHS:
            data = (EXAMPLES / f"{name}.jpg").read_bytes()
            return self._arrived(self._uploads.keep(data, name), gallery, k, leave_out)
        return self.reused(gallery, k, leave_out, event)

    def reused(self, gallery: str, k: int, leave_out: bool, event: Any) -> Answer:
        """Search with an image of the gallery."""
        image = self._service.image(gallery, int(event["id"]))
        return self._arrived(image_reference(gallery, image.id, image.path), gallery, k, leave_out)

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
        return UNCHANGED, {**original, "box": None}, "", UNCHANGED, UNCHANGED

    def mirrored_to_original(self, edit: Reference | None) -> Answer:
        """Make what the edit pane shows, cut to its box, the original."""
        if not edit:
            raise UsageError("There is nothing in the edit window yet.")
        if not edit.get("box"):
            return edit, UNCHANGED, "", UNCHANGED, UNCHANGED
        data, box = question(edit, "", self._service, self._uploads)
        assert isinstance(data, bytes)  # no gallery is called "": nothing is asked by id
        cut = self._uploads.keep(self._service.preview(data, box), f"part of {edit['name']}")
        return cut, cut, "", UNCHANGED, UNCHANGED

    def _arrived(self, reference: Reference, gallery: str, k: int, leave_out: bool) -> Answer:
        """Show a new query in both panes and search with it; a failed search still shows it."""
        try:
            found = self._found(reference, gallery, k, leave_out)
        except AppError as exc:
            # A file that is no picture would only show as a broken one.
            shown = reference if reference["kind"] == "image" else None
            return shown, shown, markup.message(str(exc)), UNCHANGED, UNCHANGED
        return reference, reference, *found

    def _found(self, reference: Reference, gallery: str, k: int, leave_out: bool) -> Answer:
        if not gallery:
            raise UsageError("There is no gallery to search in yet: make one first.")
        query, box = question(reference, gallery, self._service, self._uploads)
        result = self._service.search(
            gallery, query, k=int(k), box=box, leave_out_same_file=leave_out
        )
        return "", markup.results(result), markup.timing(result)
