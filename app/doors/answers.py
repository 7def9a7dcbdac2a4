"""Results, images and galleries → the one JSON that every door gives, the page too."""

from dataclasses import asdict, fields
from typing import Any
from urllib.parse import quote

from app.values import Hit, ImageRecord, SearchResult
from app.values.gallery import GalleryFacts, GalleryInfo, GalleryStatus

HIT_FIELDS = tuple(each.name for each in fields(Hit) if each.name != "image")


def image_url(gallery: str, record: ImageRecord) -> str:
    """Return the address of an image's picture, relative to the server's root."""
    return f"{_address(gallery, record)}/image"


def thumbnail_url(gallery: str, record: ImageRecord) -> str:
    """Return the address of an image's thumbnail, relative to the server's root."""
    return f"{_address(gallery, record)}/thumbnail"


def search_answer(result: SearchResult) -> dict[str, Any]:
    """Return the answer to one query; `ids` are in the order of `results`."""
    return {
        "ids": [hit.image.public_id for hit in result.hits],
        "results": [_hit(hit.image.gallery or result.gallery, hit) for hit in result.hits],
        "gallery": result.gallery,
        "timing_ms": {stage: round(value, 3) for stage, value in asdict(result.timings).items()},
        "exact": result.exact,
        "approximate": result.approximate,
        "similar_enough": result.similar_enough,
        "candidates": result.candidates,
        "recall": result.recall,
        "notes": list(result.notes),
    }


def image_answer(gallery: str, record: ImageRecord) -> dict[str, Any]:
    """Return an image's facts."""
    return {
        "id": record.public_id,
        "gallery": gallery,
        "path": record.path,
        "source": record.source,
        "labels": list(record.labels),
        "image_url": image_url(gallery, record),
        "thumbnail_url": thumbnail_url(gallery, record),
        "width": record.width,
        "height": record.height,
        "bytes": record.bytes,
        "sha256": record.sha256,
    }


def gallery_answer(info: GalleryInfo) -> dict[str, Any]:
    """Return a gallery's status and facts."""
    shown = (*fields(GalleryStatus), *fields(GalleryFacts))
    return {field.name: getattr(info, field.name) for field in shown} | {
        "notes": list(info.notes),
        "summary": [list(fact) for fact in info.facts.in_words()],
    }


def _hit(gallery: str, hit: Hit) -> dict[str, Any]:
    marks = {name: getattr(hit, name) for name in HIT_FIELDS}
    return image_answer(gallery, hit.image) | marks | {"remarks": list(hit.remarks)}


def _address(gallery: str, record: ImageRecord) -> str:
    return f"galleries/{quote(gallery)}/images/{quote(str(record.public_id), safe='')}"
