"""Results and galleries → HTML. Everything that comes from a file or a person is escaped."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from app.results import GalleryInfo, Hit, ImageRecord, SearchResult


def thumbnail_url(gallery: str, image: int) -> str:
    """Return the address of a thumbnail, relative to the page."""
    return f"galleries/{quote(gallery)}/images/{image}/thumbnail"


def results(result: SearchResult) -> str:
    """Return the grid of results."""
    cards = "".join(_card(result.gallery, hit) for hit in result.hits)
    return f'<ol class="hits" aria-label="Results">{cards}</ol>'


def _card(gallery: str, hit: Hit) -> str:
    image = hit.image
    label = ", ".join(image.labels) or "no label"
    mark = '<span class="same">same file</span>' if hit.same_file else ""
    return (
        f'<li class="hit" data-id="{image.id}">'
        f'<img src="{thumbnail_url(gallery, image.id)}" loading="lazy" '
        f'width="{image.width}" height="{image.height}" alt="{escape(label)}">'
        f'<div class="caption"><span class="score" title="cosine similarity">{hit.score:.3f}</span>'
        f'{mark}<span class="label" title="{escape(image.path)}">{escape(label)}</span></div>'
        f'<button type="button" class="reuse" data-gallery="{escape(gallery)}" '
        f'data-id="{image.id}">Search with this</button></li>'
    )


def timing(result: SearchResult) -> str:
    """Return the line under the results: how long it took, and how sure it is."""
    spent = result.timings
    stages = [
        f"{name} {value:.1f} ms"
        for name, value in (
            ("fetch", spent.fetch),
            ("decode", spent.decode),
            ("embed", spent.embed),
            ("search", spent.search),
        )
        if value
    ]
    how = (
        "exact search of every image"
        if result.exact
        else f"{result.candidates} candidates compared exactly"
    )
    if result.approximate:
        how = "approximate: the gallery's vectors (its features folder) are not here"
    notes = "".join(f" {escape(note)}" for note in result.notes)
    return (
        f'<p class="timing">{len(result.hits)} results in {spent.total:.1f} ms '
        f"({', '.join(stages)}); {how}; recall@10 of this index {result.recall:.3f}.{notes}</p>"
    )


def gallery(info: GalleryInfo) -> str:
    """Return the line under the gallery's name, and what is missing in it."""
    if info.refused:
        return f'<p class="message error" role="alert">{escape(info.refused)}</p>'
    facts = (
        f"{info.images:,} images, {escape(info.model)} ({info.dim} numbers each), "
        f"{escape(info.index)}"
    )
    remarks = [info.uploads_off, info.pictures_missing]
    if info.approximate:
        remarks.append("Scores are approximate: the gallery's features folder is not here.")
    lines = "".join(f"<p>{escape(remark)}</p>" for remark in remarks if remark)
    return f'<div class="gallery-facts"><p>{facts}</p>{lines}</div>'


def message(text: str) -> str:
    """Return an error's sentence, announced to screen readers; '' clears it."""
    return f'<p class="message error" role="alert">{escape(text)}</p>' if text else ""


def examples(photographs: Sequence[str], gallery: str, images: Sequence[ImageRecord]) -> str:
    """Return the row of example queries: committed photographs, then images of the gallery."""
    fixed = "".join(
        f'<button type="button" class="example" data-photograph="{escape(name)}" '
        f'title="{escape(name)}"><img src="examples/{escape(name)}.jpg" '
        f'alt="{escape(name)}"></button>'
        for name in photographs
    )
    drawn = "".join(
        f'<button type="button" class="example" data-gallery="{escape(gallery)}" '
        f'data-id="{image.id}" '
        f'title="{escape(", ".join(image.labels))}"><img src="{thumbnail_url(gallery, image.id)}" '
        f'alt="{escape(", ".join(image.labels) or image.path)}"></button>'
        for image in images
    )
    return f'<div class="examples">{fixed}<span class="divider"></span>{drawn}</div>'
