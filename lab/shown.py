"""A query → its results as pictures or lines, and a control that takes a picture: for notebooks."""

import base64
import random
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from app.doors.python import OpenGallery
from app.errors import AppError
from app.images import decode
from app.images.encode import thumbnail
from app.images.formats import CHOSEN_IN_BROWSERS
from app.values import Hit, ImageRecord, SearchResult

_SIDE = 128
_NO_WIDGETS = (
    "<p>Uploading here needs ipywidgets, which is not installed: run <code>pip install -r "
    "requirements-lab.txt</code> and start Jupyter again, or give the picture's path below.</p>"
)
_FIGURE = (
    "display:inline-block;margin:4px;vertical-align:top;text-align:center;font:12px sans-serif"
)
_PICTURE = f"width:{_SIDE}px;height:{_SIDE}px;object-fit:contain"
_CAPTION = f"max-width:{_SIDE}px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"


def any_image(gallery: OpenGallery, *, seed: int | None = None) -> ImageRecord:
    """Return an image of the gallery, drawn afresh at each call unless there is a seed."""
    return random.Random(seed).choice(gallery.images())


def as_html(
    gallery: OpenGallery,
    query: ImageRecord | Path | bytes,
    answer: SearchResult,
    *,
    name: str = "",
) -> str:
    """Return HTML with the query and each result: thumbnail, cosine, labels or else the path.

    It asks no other address: the pictures are part of it. Thumbnails come from the gallery, so its
    originals need not be here; a `query` that is a file, or the bytes of one called `name`, is made
    small.
    """
    if isinstance(query, ImageRecord):
        asked = _figure(gallery.thumbnail(query), "query", _label_of(query))
    elif isinstance(query, Path):
        asked = _figure(_small(query.read_bytes()), "query", query.name)
    else:
        asked = _figure(_small(query), "query", name)
    return "".join(
        [f"<div>{asked}</div><div>", *(_result(gallery, hit) for hit in answer), "</div>"]
    )


def nearest_in_words(
    gallery: OpenGallery, pictures: Sequence[Path], *, k: int = 3
) -> Iterator[str]:
    """Yield a line for each picture: the labels of its k nearest images, and their cosines."""
    for picture in pictures:
        hits = gallery.search(picture, k=k)
        neighbours = [f"{_label_of(hit.image)} {hit.score:.2f}" for hit in hits]
        yield "  ".join([f"{picture.stem:12}", *neighbours])


def upload(gallery: OpenGallery, *, k: int = 10) -> Any:
    """Return a control that takes a picture's file, and shows the gallery's answer below itself.

    A file is searched with as soon as it is there; where that fails, a sentence says why.
    Where ipywidgets, which makes the control, is not installed, a sentence says so instead.
    """
    try:
        import ipywidgets
    except ImportError:
        from IPython.display import HTML

        return HTML(_NO_WIDGETS)  # type: ignore[no-untyped-call]
    chosen = ipywidgets.FileUpload(
        accept=CHOSEN_IN_BROWSERS, multiple=False, description="A picture"
    )
    shown = ipywidgets.HTML()

    def ask(change: Any) -> None:
        for file in chosen.value:
            shown.value = "Searching …"
            shown.value = _answer_to(gallery, bytes(file["content"]), file["name"], k)

    chosen.observe(ask, "value")
    return ipywidgets.VBox([chosen, shown])


def _answer_to(gallery: OpenGallery, data: bytes, name: str, k: int) -> str:
    try:
        return as_html(gallery, data, gallery.search(data, k=k), name=name)
    except AppError as exc:
        return f"<p>{escape(name)}: {escape(str(exc))}</p>"


def _result(gallery: OpenGallery, hit: Hit) -> str:
    caption = f"{hit.rank}: {hit.score:.4f}" + (" (same file)" if hit.same_file else "")
    return _figure(gallery.thumbnail(hit.image), caption, _label_of(hit.image))


def _label_of(image: ImageRecord) -> str:
    return ", ".join(image.labels) or image.path


def _figure(picture: bytes, caption: str, name: str) -> str:
    source = f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
    return (
        f'<figure style="{_FIGURE}"><img src="{source}" style="{_PICTURE}" alt="{escape(name)}">'
        f'<figcaption>{caption}<div style="{_CAPTION}" title="{escape(name)}">{escape(name)}</div>'
        "</figcaption></figure>"
    )


def _small(data: bytes) -> bytes:
    return thumbnail(decode.decode(data, min_side=_SIDE), longer_side=_SIDE)
