"""Results, images and galleries → the one JSON that every door gives, the page too."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.values import Hit, ImageRecord, Match, SearchResult
from app.values.gallery import GalleryFacts, GalleryInfo, GalleryStatus

if TYPE_CHECKING:
    from app.build.additions import Outcome
    from app.build.update import UpdateReport
    from app.build.updates import UpdateProgress
    from app.search.among import Counts
    from app.search.background import FindingProgress
    from app.search.duplicates import Duplicate, Duplicates, Group

_REGIONS = ("in_query", "in_image")
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
        "verdict": result.verdict,
        "ids": [hit.image.public_id for hit in result.hits],
        "results": [
            _hit(hit.image.gallery or result.gallery, hit, result.kind_of(hit))
            for hit in result.hits
        ],
        "gallery": result.gallery,
        "timing_ms": {stage: round(value, 3) for stage, value in asdict(result.timings).items()},
        "exact": result.exact,
        "approximate": result.approximate,
        "similar_enough": result.similar_enough,
        "candidates": result.candidates,
        "recall": result.recall,
        "notes": list(result.notes),
        "words": result.words,
    }


def image_answer(gallery: str, record: ImageRecord) -> dict[str, Any]:
    """Return an image's facts."""
    return _place(gallery, record) | {
        "image_url": image_url(gallery, record),
        "thumbnail_url": thumbnail_url(gallery, record),
        "width": record.width,
        "height": record.height,
        "bytes": record.bytes,
        "sha256": record.sha256,
        "metadata": dict(record.metadata),
    }


def counts_answer(counts: "Counts", limit: int) -> dict[str, Any]:
    """Return the first `limit` values of a column, with how many images have each."""
    return {
        "gallery": counts.gallery,
        "column": counts.column,
        "images": counts.images,
        "values": len(counts.values),
        "counts": [{"value": value, "images": n} for value, n in counts.values[:limit]],
    }


def gallery_answer(info: GalleryInfo) -> dict[str, Any]:
    """Return a gallery's status and facts."""
    shown = (*fields(GalleryStatus), *fields(GalleryFacts))
    return {field.name: getattr(info, field.name) for field in shown} | {
        "sources": list(info.sources),
        "notes": list(info.notes),
        "summary": [list(fact) for fact in info.facts.in_words()],
    }


def update_answer(report: "UpdateReport") -> dict[str, Any]:
    """Return what an update of a gallery did."""
    counts = ("added", "changed", "moved", "removed", "unchanged", "embedded")
    return {name: getattr(report, name) for name in counts} | {
        "skipped": [{"path": each.path, "reason": each.reason} for each in report.skipped],
        "left_out": dict(report.left_out),
        "notes": list(report.notes),
        "seconds": round(report.seconds, 3),
    }


def progress_answer(gallery: str, progress: "UpdateProgress") -> dict[str, Any]:
    """Return how far an update in the background is, and what the last one did, if any."""
    shown = ("state", "stage", "done", "total", "message")
    return (
        {"gallery": gallery}
        | {name: getattr(progress, name) for name in shown}
        | {"report": update_answer(progress.report) if progress.report else None}
    )


def outcome_answer(outcome: "Outcome") -> dict[str, Any]:
    """Return what became of an image that was to be added."""
    return {"name": outcome.name, "id": outcome.public_id, "became": outcome.became}


def duplicates_answer(duplicates: "Duplicates", limit: int | None = None) -> dict[str, Any]:
    """Return a gallery's near duplicates: the numbers of all, and the first `limit` groups."""
    others = duplicates.others
    return {
        "gallery": duplicates.gallery,
        "images": duplicates.images,
        "compared": duplicates.compared,
        "seconds": round(duplicates.seconds, 3),
        "apart": duplicates.apart,
        "outdated": duplicates.outdated,
        "groups_found": len(duplicates.groups),
        "others_found": len(others),
        "others_bytes": sum(each.image.bytes for each in others),
        "groups": [_group(duplicates.gallery, each) for each in duplicates.groups[:limit]],
    }


def finding_answer(
    gallery: str, progress: "FindingProgress", duplicates: "Duplicates | None", limit: int
) -> dict[str, Any]:
    """Return how far a search for duplicates is, and what the last one has found, if any."""
    shown = ("state", "stage", "done", "total", "message")
    return (
        {"gallery": gallery}
        | {name: getattr(progress, name) for name in shown}
        | {"duplicates": duplicates_answer(duplicates, limit) if duplicates else None}
    )


def _group(gallery: str, group: "Group") -> dict[str, Any]:
    return {
        "kind": group.kind,
        "best": image_answer(gallery, group.best),
        "others": [_duplicate(gallery, each) for each in group.others],
    }


def _duplicate(gallery: str, duplicate: "Duplicate") -> dict[str, Any]:
    return image_answer(gallery, duplicate.image) | {
        "kind": duplicate.match.kind,
        "match": _match(duplicate.match),
        "of": duplicate.of.public_id,
    }


def _hit(gallery: str, hit: Hit, kind: str) -> dict[str, Any]:
    marks = {name: getattr(hit, name) for name in HIT_FIELDS}
    places = [_place(image.gallery or gallery, image) for image in hit.places]
    marks |= {"kind": kind, "places": places, "remarks": list(hit.remarks)}
    marks["match"] = _match(hit.match) if hit.match else None
    return image_answer(gallery, hit.image) | marks


def _match(match: Match) -> dict[str, Any]:
    """Return how a hit shows the query's picture, its tuples as JSON has them."""
    corners = {name: [list(each) for each in getattr(match, name)] for name in _REGIONS}
    return asdict(match) | corners | {"matrix": list(match.matrix)}


def _place(gallery: str, record: ImageRecord) -> dict[str, Any]:
    """Return where an image is: its facts without those that all of its content share."""
    return {
        "id": record.public_id,
        "gallery": gallery,
        "path": record.path,
        "source": record.source,
        "labels": list(record.labels),
    }


def _address(gallery: str, record: ImageRecord) -> str:
    return f"galleries/{quote(gallery)}/images/{quote(str(record.public_id), safe='')}"
