"""Unit vectors → the nearest rows: train a shortlist, search it, re-rank exactly.

The only folder that names FAISS.
Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011, in the words
used below: a shortlist index cuts the space into `nlist` cells (inverted lists), visits the
`nprobe` cells nearest to the query ("probes") and compares short codes there: `m` sub-vectors of
`nbits` bits, each naming one of 2^nbits centroids. The best "candidates" of that are then compared
exactly, with the fp16 vectors themselves, which stay on disk and are memory-mapped.
"""

from app.index.calibrate import TARGET_RECALL, Calibration, calibrate, recall
from app.index.choose import Choice, choose_shortlist
from app.index.expansion import Expansion, expanded
from app.index.factory import AUTO, check_factory, fit_factory
from app.index.local import (
    LOCAL_TRAINING_ROWS,
    LocalIndex,
    LocalMatches,
    write_local_index,
)
from app.index.neighbours import Neighbours
from app.index.plugins import NewShortlist, Shortlist, ShortlistMaker
from app.index.projection import Projection, train_projection
from app.index.quantiser import Quantiser
from app.index.rows_only import RowsOnly
from app.index.search import CALIBRATION_K, SearchEffort, VectorIndex
from app.index.threads import beside_searches
from app.index.train import (
    fill_shortlist,
    native_output_hidden,
    train_quantiser,
    train_shortlist,
    write_vectors,
)
from app.index.vector_store import VectorStore

__all__ = [
    "AUTO",
    "CALIBRATION_K",
    "LOCAL_TRAINING_ROWS",
    "TARGET_RECALL",
    "Calibration",
    "Choice",
    "Expansion",
    "LocalIndex",
    "LocalMatches",
    "Neighbours",
    "NewShortlist",
    "Projection",
    "Quantiser",
    "RowsOnly",
    "SearchEffort",
    "Shortlist",
    "ShortlistMaker",
    "VectorIndex",
    "VectorStore",
    "beside_searches",
    "calibrate",
    "check_factory",
    "choose_shortlist",
    "expanded",
    "fill_shortlist",
    "fit_factory",
    "native_output_hidden",
    "recall",
    "train_projection",
    "train_quantiser",
    "train_shortlist",
    "write_local_index",
    "write_vectors",
]
