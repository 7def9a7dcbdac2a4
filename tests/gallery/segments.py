"""Small galleries that are made of vectors and records, a segment at each change."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from app.gallery import Folders, committing
from app.index import SearchEffort, train_shortlist, write_vectors
from app.values import ImageRecord
from app.values.gallery import Manifest

EVERYTHING = SearchEffort(probes=1024, candidates=1_000_000)
NOTHING = Manifest(
    name="made",
    weights_sha256="",
    preprocessing={},
    index_asked="Flat",
    recall_queries=0,
    versions={},
    model="mean_colour",
)


def record_of(image: int, *, version: int = 0, **facts: object) -> ImageRecord:
    """Return an image of which each fact can be told from its id and version."""
    made: dict[str, object] = {
        "path": f"{image:05}.v{version}.jpg",
        "sha256": f"{image:032x}{version:032x}",
        "labels": tuple(sorted({f"kind {image % 3}", f"version {version}"})),
    }
    return ImageRecord(image, width=4, height=3, bytes=image + 100, **(made | facts))  # type: ignore[arg-type]


def thumbnail_of(record: ImageRecord) -> bytes:
    """Return what stands for an image's thumbnail."""
    return f"webp of {record.path}".encode()


def change(
    folders: Folders,
    *,
    records: Sequence[ImageRecord] = (),
    vectors: np.ndarray | None = None,
    removed: Collection[int] | None = None,
    images: int | None = None,
    index: str = "Flat",
    effort: SearchEffort = EVERYTHING,
) -> Manifest:
    """Add records, ids ascending, with their vectors as a segment; keep all ids that are gone.

    `images` is how many there are after the change, those of before and the new ones if not given.
    """
    with committing(folders) as commit:
        before = commit.manifest or NOTHING
        segments, stored = list(before.segments), dict(before.files)
        if vectors is not None:
            writer = commit.segment_writer()
            write_vectors(vectors.astype(np.float16), writer.vectors_path)
            used, _ = train_shortlist(writer.vectors_path, index, writer.shortlist_path)
            writer.write_images(records, [(each.id, thumbnail_of(each)) for each in records])
            facts = writer.finish(index=used, probes=effort.probes, candidates=effort.candidates)
            segments.append(commit.place(facts, writer.place))
            before = replace(before, dim=vectors.shape[1])
        if removed is not None:
            stored["removed"] = commit.write_removed(np.array(sorted(removed), np.int64))
        return commit.write(
            replace(
                before,
                images=before.images + len(records) if images is None else images,
                segments=tuple(segments),
                files=stored,
                next_id=max([before.next_id, *(each.id + 1 for each in records)]),
            )
        )
