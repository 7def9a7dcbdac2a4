"""What a pane of the page holds → what the service is asked; checked, since it comes from the browser.

A pane holds a reference and never the picture itself: {"kind": "file", "path": …} is a file that
this visitor uploaded, {"kind": "image", "gallery": …, "id": …} an image of a gallery. With "src",
where the browser gets the picture, "name", and "box" (four fractions) or null. The page keeps no
state on the server.
"""

import secrets
from pathlib import Path
from typing import Any

from app.errors import DecodeError, NotFoundError, UsageError
from app.results import Box
from app.service import SearchService

Reference = dict[str, Any]

_SHOWN_BY_BROWSERS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF", b"BM")


class Uploads:
    """The folder of uploaded and fetched query pictures, which goes when the server stops."""

    def __init__(self, folder: Path, service: SearchService) -> None:
        self._folder = folder.resolve()
        self._service = service

    def reference(self, path: str, name: str) -> Reference:
        """Return the reference of an uploaded file; UsageError if it lies elsewhere.

        A picture that browsers cannot show (HEIC, TIFF) gets a PNG to look at; the search still
        reads the file itself. DecodeError if it is no picture.
        """
        file = self._inside(path)
        shown = file
        with file.open("rb") as opened:
            head = opened.read(16)
        if not head:
            raise DecodeError(f"{name} is empty: choose a picture.")
        if not head.startswith(_SHOWN_BY_BROWSERS):
            shown = self._write(self._service.preview(file.read_bytes()), ".png")
        return {"kind": "file", "path": str(file), "name": name, "src": _source(shown), "box": None}

    def keep(self, data: bytes, name: str) -> Reference:
        """Return the reference of a picture that came as bytes (from a URL, or a part cut out)."""
        return self.reference(str(self._write(data, "")), name)

    def read(self, reference: Reference) -> bytes:
        """Return the bytes of a referenced upload."""
        return self._inside(str(reference.get("path"))).read_bytes()

    def _write(self, data: bytes, suffix: str) -> Path:
        # A name that nobody can guess: another visitor must not find it.
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir()
        file = folder / f"picture{suffix}"
        file.write_bytes(data)
        return file

    def _inside(self, path: str) -> Path:
        file = Path(path).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            raise UsageError("That picture is not here any more: choose it again.")
        return file


def image_reference(gallery: str, image: int, name: str) -> Reference:
    """Return the reference of an image of a gallery."""
    source = f"galleries/{gallery}/images/{image}"
    return {
        "kind": "image",
        "gallery": gallery,
        "id": image,
        "name": name,
        "src": source,
        "box": None,
    }


def question(
    reference: Reference, gallery: str, service: SearchService, uploads: Uploads
) -> tuple[bytes | int, Box | None]:
    """Return the query and the box that the service is asked with, in `gallery`.

    An image of another gallery is asked as a file: its original, or its thumbnail.
    """
    box = Box(*map(float, reference["box"])) if reference.get("box") else None
    if reference.get("kind") == "image":
        home, image = str(reference.get("gallery")), int(reference.get("id", -1))
        if home == gallery:
            return image, box
        return picture_of(service, home, image), box
    return uploads.read(reference), box


def picture_of(service: SearchService, gallery: str, image: int) -> bytes:
    """Return the original file of an image, or its thumbnail where the original is not here."""
    try:
        return service.picture(gallery, image)[0]
    except NotFoundError:
        return service.thumbnail(gallery, image)


def _source(file: Path) -> str:
    return f"gradio_api/file={file}"
