"""The accepted part of FAISS's factory language, and what a number of rows can train.

A string with a colon (`numpy:IVF100,PQ8`) is another package's: see app/index/plugins.py.
"""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import re
from typing import Any

import faiss

from app.errors import UsageError
from app.index import plugins

AUTO = "auto"
"""What is asked for where the string is to be chosen, by app/index/choose.py."""
MIN_ROWS_A_CELL = 39  # below that FAISS's k-means warns that centroids are badly placed
# The part of FAISS's language that is tried and tested here. Of the rest it makes some, and then
# cannot search them memory-mapped, read a vector back, or ends the process (HNSW1, IVF0, PQ8x4fs).
_REDUCED = r"(OPQ|PCAR?)[1-9]\d{0,4}(_[1-9]\d{0,4})?,"
_CELLS = r"IVF[1-9]\d{0,5}"
_GRAPH = r"HNSW([2-9]|[1-9]\d{1,2})"
_NUMBERS = r"(Flat|SQ(4|6|8|fp16))"
_CODES = r"PQ[1-9]\d{0,4}(x([1-9]|1[0-6]))?(np)?"
_FACTORY = re.compile(
    f"({_REDUCED})?(({_CELLS}(_{_GRAPH})?,)?({_NUMBERS}|{_CODES})"
    f"|{_CELLS},RaBitQ|{_GRAPH}([,_]{_NUMBERS})?)",
    re.ASCII,
)


def check_factory(factory: str, dim: int) -> None:
    """Raise UsageError unless `factory` names a shortlist index for `dim` numbers a vector."""
    if factory == AUTO:
        return
    name, wanted = plugins.split(factory)
    if name:
        plugins.maker_named(name).check(wanted, dim)
        return
    try:
        possible = bool(_FACTORY.fullmatch(factory))
        if possible:  # but for the dimension
            index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
            possible = bool(inner_of(index).d <= dim)
    except (RuntimeError, MemoryError):
        possible = False
    if not possible:
        raise UsageError(
            f"The index {factory!r} cannot be made for vectors of {dim} numbers: use a FAISS "
            "factory string such as IVF100,PQ8 (where 8 divides that), IVF100,SQ8, HNSW32 or Flat; "
            "or auto, which chooses one."
        )


def fit_factory(factory: str, rows: int, dim: int) -> tuple[str, str]:
    """Return the factory string that `rows` vectors can train, and why it differs ('' if not).

    Cells are cut down to one for every 39 rows; without enough rows for the centroids of the
    codes the search is exact ("Flat"), which is as fast for so few.
    """
    name, wanted = plugins.split(factory)
    if name:
        fitted = plugins.maker_named(name).fit(wanted, rows, dim)
        return _with_note(factory, fitted if fitted == "Flat" else f"{name}:{fitted}", rows)
    inner = inner_of(faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT))
    if isinstance(inner, faiss.IndexFlat):
        return "Flat", ""
    codes = getattr(inner, "pq", None)
    centroids = 2**codes.nbits if codes is not None else 1
    most_cells = rows // MIN_ROWS_A_CELL
    cells = inner.nlist if isinstance(inner, faiss.IndexIVF) else 0
    transformed = factory.startswith(("OPQ", "PCA"))
    least_rows = max(centroids, dim if transformed else 1, MIN_ROWS_A_CELL if cells else 1)
    if rows < least_rows:
        return _with_note(factory, "Flat", rows)
    if cells > most_cells:
        fitted = re.sub(r"IVF\d+", f"IVF{most_cells}", factory)
        return fitted, f"{rows} images fill {most_cells} cells, not {cells}: the index is {fitted}"
    return factory, ""


def _with_note(requested: str, fitted: str, rows: int) -> tuple[str, str]:
    """Return the string that can be trained, and a note where it is not the one requested."""
    if fitted == requested:
        return requested, ""
    instead = "they are searched exactly" if fitted == "Flat" else f"the index is {fitted}"
    return fitted, f"{rows} images are too few for {requested}: {instead}"


def inner_of(index: Any) -> Any:
    """Return the index itself, under pre-transform and numbers; UsageError for no shortlist."""
    inner = index
    for wrapper in (faiss.IndexPreTransform, faiss.IndexIDMap):
        if isinstance(inner, wrapper):
            inner = faiss.downcast_index(inner.index)
    kinds = (
        faiss.IndexIVF,
        faiss.IndexHNSW,
        faiss.IndexFlat,
        faiss.IndexPQ,
        faiss.IndexScalarQuantizer,
    )
    if not isinstance(inner, kinds):
        raise UsageError(f"{type(inner).__name__} is no shortlist.")
    return inner


def numbered_of(index: Any) -> Any:
    """Return the part of an index that numbers its vectors; None where the n-th is row n."""
    if isinstance(index, faiss.IndexPreTransform):
        index = faiss.downcast_index(index.index)
    return index if isinstance(index, faiss.IndexIDMap) else None


def cells_of(index: Any) -> int:
    """Return the number of cells of an index; 0 if it has none."""
    inner = inner_of(index)
    return int(inner.nlist) if isinstance(inner, faiss.IndexIVF) else 0
