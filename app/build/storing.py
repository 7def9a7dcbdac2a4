"""A gallery on disk → the same one, searched by Milvus; and a collection that lags, filled anew."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from app.build.embedding import OnProgress
from app.errors import GalleryError
from app.gallery import (
    Commit,
    Folders,
    Gallery,
    MilvusGallery,
    MilvusIndex,
    committing,
    is_in_step,
    read_manifest,
)
from app.index import CALIBRATION_K
from app.values.gallery import Manifest, StoredElsewhere

_QUERIES = 200  # of its own images, by which the index is measured
_SEED = 0


def give_to_milvus(folders: Folders, uri: str, index: str, on_progress: OnProgress) -> Manifest:
    """Fill a collection with a gallery's images, and have it searched there from now on.

    Nothing is embedded. Return the manifest, with how many of the nearest the index finds.
    GalleryError if Milvus does not take it: then the gallery stays as it was.
    """
    with committing(folders) as commit:
        manifest = _with_vectors(commit)
        commit.on_rows = lambda done, total: on_progress("store", done, total)
        request = manifest.request | {"store": "milvus", "uri": uri, "index": index}
        store = StoredElsewhere(uri=uri, index=index)
        # No segment trains a shortlist from now on: Milvus gives the candidates.
        commit.write(replace(manifest, store=store, request=request, index_asked="Flat"))
    on_progress("measure", 0, 0)
    with closing(MilvusGallery(folders, hashed=False)) as gallery:
        measured = _measured(gallery)
    with committing(folders) as commit:
        now = _with_vectors(commit)
        return commit.write(replace(now, **measured)) if now.store else now


def mend_collection(folders: Folders, on_progress: OnProgress) -> bool:
    """Fill a new collection from the segments where the one there is lags; say whether it did."""
    if is_in_step(read_manifest(folders)):
        return False
    with committing(folders) as commit:
        commit.on_rows = lambda done, total: on_progress("store", done, total)
        commit.write(_with_vectors(commit))
    return True


def _with_vectors(commit: Commit) -> Manifest:
    """Return the manifest; GalleryError where there is none, or the vectors are not here."""
    name = commit.folders.indexes.name
    if commit.manifest is None:
        raise GalleryError(f"The gallery {name} is gone.")
    with closing(Gallery(commit.folders, hashed=False)) as gallery:
        if gallery.approximate:
            raise GalleryError(
                f"The vectors of {name} are not here ({gallery.folders.features}): copy them to "
                "this machine first."
            )
    return commit.manifest


def _measured(gallery: MilvusGallery) -> dict[str, Any]:
    """Return what the manifest says of the index, measured with some of the gallery's images."""
    assert gallery.manifest.store is not None
    index = MilvusIndex.of(gallery.manifest.store.index, rows=gallery.rows, dim=gallery.dim)
    chosen = np.random.default_rng(_SEED).permutation(gallery.ids())[:_QUERIES]
    k = min(CALIBRATION_K, gallery.rows)
    queries = gallery.vectors(chosen)
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    exact = gallery.search(queries, k, exact=True).rows
    found = gallery.search(queries, k).rows, gallery.search_codes(queries, k).rows
    reranked, raw = (_share(each, exact) for each in found)
    return {
        "index": f"Milvus {index.kind}",
        "probes": index.searched.get("nprobe", 0),
        "candidates": index.candidates,
        "recall_raw": raw,
        "recall_reranked": reranked,
        "recall_queries": len(chosen),
    }


def _share(found: np.ndarray, exact: np.ndarray) -> float:
    pairs = zip(found.tolist(), exact.tolist(), strict=True)
    shares = [len(set(one) & set(other)) / max(1, len(other)) for one, other in pairs]
    return float(np.mean(shares)) if shares else 1.0
