"""Our IVFPQ ↔ FAISS's `IndexIVFPQ` with the same codebooks: the two answer alike."""

from typing import Any

import faiss
import numpy as np

from lab.ivfpq import IVFPQ


def as_faiss(index: IVFPQ) -> Any:
    """Return a `faiss.IndexIVFPQ` with the centroids and codebooks of `index`; empty."""
    kind = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}[index.metric]
    coarse = faiss.IndexFlat(index.dim, kind)
    coarse.add(index.coarse)
    nbits = index.codebooks.shape[1].bit_length() - 1
    other = faiss.IndexIVFPQ(coarse, index.dim, index.cells, index.m, nbits, kind)
    faiss.copy_array_to_vector(index.codebooks.ravel(), other.pq.centroids)
    other.is_trained = True
    other.precompute_table()
    return other


def from_faiss(other: Any) -> IVFPQ:
    """Return an empty IVFPQ with the centroids and codebooks of a trained `faiss.IndexIVFPQ`."""
    quantizer = faiss.downcast_index(other.quantizer)
    coarse = quantizer.reconstruct_n(0, other.nlist)
    codebooks = faiss.vector_to_array(other.pq.centroids).reshape(
        other.pq.M, other.pq.ksub, other.pq.dsub
    )
    by_product = other.metric_type == faiss.METRIC_INNER_PRODUCT
    return IVFPQ(coarse, codebooks, metric="ip" if by_product else "l2")


def codes_in_faiss(other: Any, rows: int) -> tuple[Any, Any]:
    """Return the (rows,) cells and (rows, m) codes that a `faiss.IndexIVFPQ` keeps."""
    cells, codes = np.empty(rows, np.int64), np.empty((rows, other.pq.M), np.uint8)
    for cell in range(other.nlist):
        size = other.invlists.list_size(cell)
        if not size:
            continue
        ids = faiss.rev_swig_ptr(other.invlists.get_ids(cell), size)
        packed = faiss.rev_swig_ptr(other.invlists.get_codes(cell), size * other.code_size)
        cells[ids] = cell
        codes[ids] = faiss.unpack_bitstrings(packed.reshape(size, -1), other.pq.M, other.pq.nbits)
    return cells, codes
