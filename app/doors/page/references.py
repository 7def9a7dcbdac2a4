"""The reference of a query picture, as the page holds it → a checked query for the service.

A window of the page holds a reference and never the picture itself: {"kind": "file", "path": …} is
a file that this visitor uploaded, {"kind": "image", "gallery": …, "id": …} an image of a gallery.
With "src", where the browser gets the picture, and "name"; optionally "turns" (clockwise quarters),
"mirrored" and "box" (four fractions of what is seen then). The server keeps no state of a page, and
browsers can send anything, so everything is checked.
"""

import os
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from app.doors.answers import image_url
from app.errors import DecodeError, NotFoundError, StorageError, UsageError
from app.images.formats import HEAD_BYTES, recognise
from app.search.picture import Example, File, Item
from app.search.service import SearchService
from app.values import MAX_PICTURE_BYTES, Box, Edit, ImageRecord

Reference = dict[str, Any]

_GONE = "That picture is not here any more: choose it again."


class Uploads:
    """The folder of uploaded and fetched pictures; it is deleted when the server stops.

    A query picture has at most `MAX_PICTURE_BYTES`; the files for a new gallery may be larger.
    """

    def __init__(self, folder: Path, service: SearchService) -> None:
        self.folder = folder.resolve()
        self._service = service
        self._photographs: dict[str, Reference] = {}
        self._keeping = threading.Lock()

    def reference(self, path: str, name: str) -> Reference:
        """Return the reference of an uploaded file; UsageError for one elsewhere or too large.

        A picture that browsers cannot show (HEIC, TIFF) gets a PNG to look at; the search still
        reads the file itself. DecodeError if it is no picture.
        """
        file = self._picture(path, name)
        shown = file
        with file.open("rb") as stream:
            first_bytes = stream.read(HEAD_BYTES)
        if not first_bytes:
            raise DecodeError(f"{name} is empty: choose a picture.")
        kind = recognise(first_bytes)
        if kind is None or not kind.shown_by_browsers:
            try:
                preview = self._service.preview(file.read_bytes())
            except DecodeError as exc:  # the one of several files that the page has taken
                raise DecodeError(f"{name}: {exc}") from exc
            shown = self.write(preview, ".png")
        return {"kind": "file", "path": str(file), "name": name, "src": _source(shown)}

    def keep(self, data: bytes, name: str) -> Reference:
        """Return the reference of a picture given as bytes (fetched from a URL, or cut out)."""
        return self.reference(str(self.write(data, "")), name)

    def photograph(self, file: Path) -> Reference:
        """Return the reference of one of the page's photographs, kept once for all visitors."""
        with self._keeping:
            kept = self._photographs.get(file.stem)
            if kept is None or not Path(kept["path"]).is_file():
                kept = self.keep(file.read_bytes(), file.stem) | {"photograph": file.stem}
                self._photographs[file.stem] = kept
        return dict(kept)

    def known(self, reference: Mapping[str, Any]) -> Reference:
        """Return the reference of an upload as the page sent it back; UsageError if it is gone."""
        self._picture(str(reference.get("path")))
        kept = ("kind", "path", "name", "src", "photograph", "url")
        return {"name": "The picture"} | {
            key: reference[key] for key in kept if isinstance(reference.get(key), str)
        }

    def read(self, reference: Mapping[str, Any]) -> bytes:
        """Return the bytes of a referenced upload."""
        return self._picture(str(reference.get("path"))).read_bytes()

    def inside(self, path: str, gone: str = _GONE) -> Path:
        """Return an uploaded file; UsageError(gone) if the folder has none at that path."""
        try:
            file = Path(path).resolve()
            if file.is_relative_to(self.folder) and file.is_file():
                return file
        except (OSError, ValueError, RuntimeError):  # no valid path: too long, or links in a ring
            pass
        raise UsageError(gone)

    def _picture(self, path: str, name: str = "The picture") -> Path:
        """Return an uploaded file to search with; one that is too large is deleted."""
        file = self.inside(path)
        with suppress(OSError):
            os.utime(file)  # it was asked for: `app.doors.forgetting` lets it be for another hour
        if file.stat().st_size > MAX_PICTURE_BYTES:
            file.unlink(missing_ok=True)
            raise UsageError(
                f"{name} is larger than {MAX_PICTURE_BYTES / 1e6:.0f} MB: choose a smaller one."
            )
        return file

    def write(self, data: bytes, suffix: str = "") -> Path:
        """Return a new file with these bytes; StorageError if the folder cannot take it."""
        # A name that cannot be guessed: another visitor must not find the picture.
        folder = self.folder / secrets.token_hex(16)
        file = folder / f"picture{suffix}"
        try:
            folder.mkdir()
            file.write_bytes(data)
        except OSError as exc:
            raise StorageError(
                f"The picture cannot be kept in {self.folder} ({exc.strerror}): make room there."
            ) from exc
        return file


def image_reference(gallery: str, image: ImageRecord) -> Reference:
    """Return the reference of an image of a gallery."""
    return {
        "kind": "image",
        "gallery": gallery,
        "id": image.public_id,
        "name": image.path if image.width else str(image.metadata.get("text") or image.path)[:200],
        "src": f"{image_url(gallery, image)}?fallback=thumbnail",
    }


def query_and_edit(
    reference: Mapping[str, Any], gallery: str, service: SearchService, uploads: Uploads
) -> tuple[Item | File, Edit]:
    """Return the query and the edit to search `gallery` with.

    An image of another gallery is searched as a file: its original, or its thumbnail.
    """
    edit = edit_of(reference)
    if entry(reference, "kind") == "image" and entry(reference, "gallery") == gallery:
        return Item(entry(reference, "id")), edit
    return File(whole_picture(reference, service, uploads)), edit


def example_of(
    reference: Mapping[str, Any], gallery: str, service: SearchService, uploads: Uploads
) -> Example:
    """Return what is given as a further picture of a search of `gallery`: an id, or a file."""
    query, edit = query_and_edit(reference, gallery, service, uploads)
    if not edit.is_nothing:
        data = query.data if isinstance(query, File) else whole_picture(reference, service, uploads)
        return File(service.preview(data, edit))
    return query.id if isinstance(query, Item) else query


def whole_picture(reference: Mapping[str, Any], service: SearchService, uploads: Uploads) -> bytes:
    """Return the file of a reference, without its edits."""
    if entry(reference, "kind") == "image":
        gallery = str(entry(reference, "gallery"))
        return picture_of(service, gallery, id_of(service, gallery, entry(reference, "id")))
    return uploads.read(reference)


def picture_of(service: SearchService, gallery: str, image: int) -> bytes:
    """Return the original file of an image, or its thumbnail where the original is not here."""
    try:
        return service.picture(gallery, image)[0]
    except NotFoundError:
        return service.thumbnail(gallery, image)


def id_of(service: SearchService, gallery: str, value: object) -> int:
    """Return the row of the image with the public id `value`; UsageError for nonsense."""
    if not isinstance(value, str | int):
        raise UsageError(f"An image's id is a number or a word, not {shortened(value)}.")
    return service.id_of(gallery, str(value))


def entries(value: object) -> Mapping[str, Any]:
    """Return the JSON object that the browser sent; UsageError for anything else."""
    if not isinstance(value, Mapping):
        raise UsageError(f"The page sent {shortened(value)}, which means nothing: load it again.")
    return value


def entry(value: object, key: str) -> Any:
    """Return the value that the browser sent under `key`, None if there is none."""
    return entries(value).get(key)


def edit_of(reference: Mapping[str, Any]) -> Edit:
    """Return the edits of a reference; UsageError for nonsense."""
    return Edit(
        quarter_turns=whole_number(entry(reference, "turns") or 0, "The number of turns") % 4,
        mirrored=bool(entry(reference, "mirrored")),
        box=_box_of(reference),
    )


def _box_of(reference: Mapping[str, Any]) -> Box | None:
    sides = entry(reference, "box")
    if not sides:
        return None
    try:
        left, top, right, bottom = map(float, sides if isinstance(sides, list) else ())
    except (TypeError, ValueError, OverflowError) as exc:
        raise UsageError(
            "The box of this query is not four fractions of a picture: draw it again."
        ) from exc
    return Box(left, top, right, bottom)


def whole_number(value: object, what: str) -> int:
    """Return a number that the browser sent; UsageError, about `what`, for anything else."""
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and number != value):
        raise UsageError(f"{what} must be a whole number, not {shortened(value)}.")
    return int(number)


def _source(file: Path) -> str:
    return f"gradio_api/file={file}"
