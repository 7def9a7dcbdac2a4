"""An answer → the query and its results as pictures beside each other, for notebooks."""

import base64
import io
import random
from html import escape
from pathlib import Path

from PIL import Image, ImageOps

from app.library import OpenGallery
from app.results import Hit, ImageRecord, SearchResult

_SIDE = 128
_FIGURE = (
    "display:inline-block;margin:4px;vertical-align:top;text-align:center;font:12px sans-serif"
)
_PICTURE = f"width:{_SIDE}px;height:{_SIDE}px;object-fit:contain"
_CAPTION = f"max-width:{_SIDE}px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"


def any_image(gallery: OpenGallery, *, seed: int | None = None) -> ImageRecord:
    """Return an image of the gallery, drawn afresh at each call unless there is a seed."""
    return random.Random(seed).choice(gallery.images())


def as_html(gallery: OpenGallery, query: ImageRecord | Path, answer: SearchResult) -> str:
    """Return HTML with the query and each result: thumbnail, cosine, labels or else the path.

    It asks no other address: the pictures are part of it. Thumbnails come from the gallery, so its
    originals need not be here; a `query` that is a file is made small.
    """
    if isinstance(query, ImageRecord):
        asked = _figure(gallery.thumbnail(query), "query", _named(query))
    else:
        asked = _figure(_small(query), "query", query.name)
    return "".join(
        [f"<div>{asked}</div><div>", *(_result(gallery, hit) for hit in answer), "</div>"]
    )


def _result(gallery: OpenGallery, hit: Hit) -> str:
    said = f"{hit.rank}: {hit.score:.4f}" + (" (same file)" if hit.same_file else "")
    return _figure(gallery.thumbnail(hit.image), said, _named(hit.image))


def _named(image: ImageRecord) -> str:
    return ", ".join(image.labels) or image.path


def _figure(picture: bytes, said: str, name: str) -> str:
    source = f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
    return (
        f'<figure style="{_FIGURE}"><img src="{source}" style="{_PICTURE}" alt="{escape(name)}">'
        f'<figcaption>{said}<div style="{_CAPTION}" title="{escape(name)}">{escape(name)}</div>'
        "</figcaption></figure>"
    )


def _small(path: Path) -> bytes:
    with Image.open(path) as picture:
        small = ImageOps.exif_transpose(picture).convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "WEBP")
    return file.getvalue()
