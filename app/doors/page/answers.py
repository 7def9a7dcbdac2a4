"""Results and galleries → the JSON that the page's scripts show; they put all of it in as text."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from app.doors.answers import image_url, thumbnail_url
from app.values import GalleryInfo, Hit, ImageRecord, SearchResult


def image(gallery: str, record: ImageRecord) -> dict[str, Any]:
    """Return what the page shows of an image of a gallery."""
    return {
        "gallery": gallery,
        "id": record.public_id,
        "path": record.path,
        "labels": list(record.labels),
        "width": record.width,
        "height": record.height,
        "bytes": record.bytes,
        "picture": image_url(gallery, record),
        "thumbnail": thumbnail_url(gallery, record),
    }


def results(result: SearchResult) -> dict[str, Any]:
    """Return the answer to one query."""
    return {
        "gallery": result.gallery,
        "hits": [_hit(result.gallery, hit) for hit in result.hits],
        "approximate": result.approximate,
        "exact": result.exact,
        "candidates": result.candidates,
        "recall": round(result.recall, 4),
        "floor": result.floor,
        "similarEnough": result.similar_enough,
        "milliseconds": {stage: round(value, 2) for stage, value in asdict(result.timings).items()},
        "notes": list(result.notes),
    }


def label_counts(nearest: SearchResult) -> dict[str, Any]:
    """Return how many images were found, and how many of each label, the most frequent first."""
    counts = Counter(label for hit in nearest.hits for label in hit.image.labels)
    labels = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return {"images": len(nearest.hits), "labels": labels}


def _hit(gallery: str, hit: Hit) -> dict[str, Any]:
    return image(gallery, hit.image) | {
        "rank": hit.rank,
        "score": hit.score,
        "sameFile": hit.same_file,
        "duplicateOf": hit.duplicate_of,
        "missed": hit.missed,
    }


def gallery(info: GalleryInfo) -> dict[str, Any]:
    """Return what the page shows of a gallery."""
    return {
        "name": info.name,
        "refused": info.refused,
        "uploadsOff": info.uploads_off,
        "picturesMissing": info.pictures_missing,
        "approximate": info.approximate,
        "images": info.images,
        "skipped": info.skipped,
        "model": info.model,
        "dim": info.dim,
        "pca": info.pca,
        "expand": info.expand,
        "alpha": info.alpha,
        "index": info.index,
        "probes": info.probes,
        "candidates": info.candidates,
        "recallRaw": round(info.recall_raw, 4),
        "recall": round(info.recall_reranked, 4),
        "floor": info.floor,
        "bytes": info.disk_bytes,
        "created": info.created,
        "notes": list(info.notes),
    }
