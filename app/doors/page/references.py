"""What a pane of the page holds → what the service is asked; checked, as browsers send anything.

A pane holds a reference and never the picture itself: {"kind": "file", "path": …} is a file that
this visitor uploaded, {"kind": "image", "gallery": …, "id": …} an image of a gallery. With "src",
where the browser gets the picture, and "name"; perhaps "turns" (clockwise quarters), "mirrored"
and "box" (four fractions of what is seen then). The page keeps no state on the server.
"""

import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from app.doors.answers import image_url
from app.errors import DecodeError, NotFoundError, StorageError, UsageError
from app.images.formats import HEAD_BYTES, recognise
from app.search.service import SearchService
from app.values import MAX_PICTURE_BYTES, Box, Edit, ImageRecord

Reference = dict[str, Any]

_GONE = "That picture is not here any more: choose it again."
_MOST_EXAMPLES = 50
_MOST_WEIGHT = 10


class Uploads:
    """The folder of what browsers uploaded and what was fetched; it goes when the server stops.

    A query picture has at most `MAX_PICTURE_BYTES`; what galleries are made of may be larger.
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
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
        if not head:
            raise DecodeError(f"{name} is empty: choose a picture.")
        found = recognise(head)
        if found is None or not found.shown_by_browsers:
            shown = self._write(self._service.preview(file.read_bytes()), ".png")
        return {"kind": "file", "path": str(file), "name": name, "src": _source(shown)}

    def keep(self, data: bytes, name: str) -> Reference:
        """Return the reference of a picture that came as bytes (from a URL, or a part cut out)."""
        return self.reference(str(self._write(data, "")), name)

    def photograph(self, file: Path) -> Reference:
        """Return the reference of a photograph of the program's own, kept once for all visitors."""
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
        """Return an uploaded file; UsageError(gone) if there is none of that path in the folder."""
        try:
            file = Path(path).resolve()
            if file.is_relative_to(self.folder) and file.is_file():
                return file
        except (OSError, ValueError, RuntimeError):  # no path at all: too long, or a ring of links
            pass
        raise UsageError(gone)

    def _picture(self, path: str, name: str = "The picture") -> Path:
        """Return an uploaded file that may be a query; one that is too large is deleted."""
        file = self.inside(path)
        if file.stat().st_size > MAX_PICTURE_BYTES:
            file.unlink(missing_ok=True)
            raise UsageError(
                f"{name} is larger than {MAX_PICTURE_BYTES / 1e6:.0f} MB: choose a smaller one."
            )
        return file

    def _write(self, data: bytes, suffix: str) -> Path:
        # A name that nobody can guess: another visitor must not find it.
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
        "name": image.path,
        "src": image_url(gallery, image),
    }


def question(
    reference: Mapping[str, Any], gallery: str, service: SearchService, uploads: Uploads
) -> tuple[bytes | int, Edit]:
    """Return the query and the edit that the service is asked with, in `gallery`.

    An image of another gallery is asked as a file: its original, or its thumbnail.
    """
    edit = edit_of(reference)
    if entry(reference, "kind") == "image" and entry(reference, "gallery") == gallery:
        return id_of(service, gallery, entry(reference, "id")), edit
    return whole_picture(reference, service, uploads), edit


def whole_picture(reference: Mapping[str, Any], service: SearchService, uploads: Uploads) -> bytes:
    """Return the file that a reference means, without its edits."""
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
    """Return the row of the image that the browser knows by `value`; UsageError for nonsense."""
    if not isinstance(value, str | int):
        raise UsageError(f"An image's id is a number or a word, not {shortened(value)}.")
    return service.id_of(gallery, str(value))


def entries(value: object) -> Mapping[str, Any]:
    """Return what the browser sent, which should have names and values; UsageError if not."""
    if not isinstance(value, Mapping):
        raise UsageError(f"The page sent {shortened(value)}, which means nothing: load it again.")
    return value


def entry(value: object, key: str) -> Any:
    """Return what the browser sent under `key`, None if nothing."""
    return entries(value).get(key)


def edit_of(reference: Mapping[str, Any]) -> Edit:
    """Return the edits of a reference; UsageError for nonsense."""
    return Edit(
        quarter_turns=whole_number(entry(reference, "turns") or 0, "The number of turns") % 4,
        mirrored=bool(entry(reference, "mirrored")),
        box=_box_of(reference),
    )


def examples_of(value: object, gallery: str) -> dict[str, list[int | str]]:
    """Return the ids of further examples, [{"gallery", "id", "weight"}], of this gallery alone."""
    if value is None:
        return {}
    if not isinstance(value, list):
        raise UsageError("The page sent further examples that are no list: load it again.")
    if len(value) > _MOST_EXAMPLES:
        raise UsageError(f"At most {_MOST_EXAMPLES} further examples are taken: take some away.")
    here = [each for each in value if entry(each, "gallery") == gallery]
    return {
        "more": [entry(each, "id") for each in here if _weight(entry(each, "weight")) > 0],
        "less": [entry(each, "id") for each in here if _weight(entry(each, "weight")) < 0],
    }


def _weight(value: object) -> float:
    if isinstance(value, int | float) and -_MOST_WEIGHT <= value <= _MOST_WEIGHT:
        return float(value)
    raise UsageError(f"The weight of an example is not {shortened(value)}, but from -10 to 10.")


def _box_of(reference: Mapping[str, Any]) -> Box | None:
    sides = entry(reference, "box")
    if not sides:
        return None
    try:
        left, top, right, bottom = map(float, sides if isinstance(sides, list) else ())
    except (TypeError, ValueError, OverflowError) as exc:
        raise UsageError(
            "The box of this query is not four fractions of a picture: draw it once more."
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
