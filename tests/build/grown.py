"""Galleries that grow by segments of random vectors, for what folds those."""

from dataclasses import replace
from typing import Any

import faiss
import numpy as np

from app.gallery import Folders, Gallery, committing
from app.values.gallery import Manifest
from tests.gallery.segments import change, record_of
from tests.index.vectors import unit

DIM = 16


def grow(folders: Folders, *sizes: int, asked: str = "IVF8,SQ8", spread: float = 1.0) -> Manifest:
    """Add segments of so many images, none with a shortlist yet; return the manifest."""
    for size in sizes:
        before = manifest_of(folders)
        first = before.next_id if before else 0
        random = np.random.default_rng(first)
        vectors = unit(spread * random.normal(size=(size, DIM)) + 1 - spread)
        change(folders, records=[record_of(first + row) for row in range(size)], vectors=vectors)
    with committing(folders) as commit:
        assert commit.manifest
        return commit.write(replace(commit.manifest, index_asked=asked))


def manifest_of(folders: Folders) -> Manifest | None:
    """Return the manifest; None where there is no gallery."""
    with committing(folders) as commit:
        return commit.manifest


def shortlists(folders: Folders) -> list[Any]:
    """Return the inverted lists of a gallery's segments, in their order."""
    opened = []
    for segment in Gallery(folders).manifest.segments:
        path = folders.below(segment.name).path_of("shortlist", segment.files["shortlist"])
        opened.append(faiss.read_index(str(path)))
    return opened


def centroids(index: Any) -> bytes:
    """Return the centres of an index's cells."""
    found: bytes = index.quantizer.reconstruct_n(0, index.nlist).tobytes()
    return found


def contents(folders: Folders) -> dict[str, bytes]:
    """Return the files of a segment by their names."""
    return {
        path.name: path.read_bytes()
        for folder in (folders.features, folders.indexes)
        for path in folder.iterdir()
    }
