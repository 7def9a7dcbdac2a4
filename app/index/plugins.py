"""An index string NAME:REST → a shortlist that another package makes, and reads back.

A package offers one by an entry point of the group `reverse_image_search.shortlists`; its name is
what stands before the colon, its value a `ShortlistMaker`. Ours: `numpy`, the paper's IVFPQ of
lab/ivfpq.py, as in `numpy:IVF100,PQ8`. The application needs no more than the two protocols
below; what it does with any shortlist it does with these: it chooses probes and candidates,
compares the candidates exactly with the stored vectors, and those of a query whose cells run dry
with all of them.

The file of such a shortlist begins with a line that names its maker; what comes after is the
maker's own.
"""

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError, StorageError, UsageError

GROUP = "reverse_image_search.shortlists"
_NAMED = re.compile(r"([a-z][a-z0-9_-]*):(.*)", re.ASCII | re.DOTALL)
_MAGIC = b"reverse-image-search shortlist "
_LONGEST_HEAD = 200

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class Shortlist(Protocol):
    """A trained shortlist; several threads may use it at once, but for `add`."""

    @property
    def rows(self) -> int:
        """The number of vectors that were added."""

    @property
    def dim(self) -> int:
        """The dimension of a vector."""

    @property
    def cells(self) -> int:
        """How many inverted lists there are to be probed; 0 if that is not how it works."""

    @property
    def code_bytes(self) -> int:
        """How many bytes a search reads for each row that it compares."""

    def search(self, queries: Vectors, candidates: int, probes: int) -> tuple[Vectors, Rows]:
        """Return (q, candidates) scores and rows for (q, dim) unit vectors, best first.

        A score is an estimate of the cosine, the larger the nearer. No row is there twice; -1, with
        any score, stands at the end where fewer were found, and never where `probes` is `cells` and
        there are rows left.
        """

    def reconstruct(self, rows: Rows) -> Vectors:
        """Return (n, dim) vectors near those that were added as these rows."""


class NewShortlist(Shortlist, Protocol):
    """A shortlist that can be filled and written."""

    def add(self, vectors: Vectors) -> None:
        """Take (n, dim) vectors as the next n rows."""

    def save(self, file: BinaryIO) -> None:
        """Write it to an open file, from where that stands."""


class ShortlistMaker(Protocol):
    """What an entry point offers; `wanted` is what stands behind the colon of an index string."""

    def check(self, wanted: str, dim: int) -> None:
        """Raise UsageError, saying what can be had, unless such a shortlist can be made."""

    def fit(self, wanted: str, rows: int, dim: int) -> str:
        """Return the string that `rows` vectors can train instead; "Flat" if too few for any."""

    def train(self, vectors: Vectors, wanted: str) -> NewShortlist:
        """Return an empty shortlist that learnt from (n, dim) unit vectors."""

    def load(self, file: BinaryIO) -> Shortlist:
        """Return a shortlist that `save` wrote; ValueError if it is anything else, or cut short."""


def split(factory: str) -> tuple[str, str]:
    """Return the maker's name and the rest; '' and the whole for a FAISS string.

    >>> split("numpy:IVF100,PQ8"), split("IVF100,PQ8")
    (('numpy', 'IVF100,PQ8'), ('', 'IVF100,PQ8'))
    """
    match = _NAMED.fullmatch(factory)
    return (match[1], match[2]) if match else ("", factory)


def maker_named(name: str) -> ShortlistMaker:
    """Return the maker of this name; UsageError says how to get it if no package here has it."""
    offered = entry_points(group=GROUP)
    if name not in offered.names:
        known = ", ".join(sorted(offered.names)) or "none"
        raise UsageError(
            f"No installed package makes indexes called {name!r} (known here: {known}): install "
            "the one that does, for 'numpy' this program itself with python3 -m pip install -e ., "
            "or use a FAISS factory string such as IVF100,PQ8."
        )
    try:
        maker: ShortlistMaker = offered[name].load()
    except (ImportError, AttributeError) as exc:
        raise UsageError(
            f"The package that makes indexes called {name!r} cannot be loaded: {exc}."
        ) from exc
    return maker


def write(name: str, shortlist: NewShortlist, path: Path) -> None:
    """Write a shortlist behind its maker's name; StorageError if the disk cannot take it."""
    try:
        with path.open("wb") as file:
            file.write(_MAGIC + name.encode() + b"\n")
            shortlist.save(file)
    except OSError as exc:
        raise StorageError(
            f"{path} cannot be written: make room, then run the same command again; what is done "
            "is kept."
        ) from exc


def read(path: Path) -> Shortlist | None:
    """Return the shortlist in a file; None if FAISS wrote it, or whatever else is in it.

    GalleryError if its maker is not installed, or cannot read it.
    """
    try:
        file = path.open("rb")
    except OSError:
        return None  # FAISS says the same of it as of any other file
    with file:
        head = file.readline(_LONGEST_HEAD)
        if not head.startswith(_MAGIC):
            return None
        name = head.removeprefix(_MAGIC).decode(errors="replace").strip()
        try:
            return maker_named(name).load(file)
        except UsageError as exc:
            raise GalleryError(f"{path} cannot be read. {exc}") from exc
        except (ValueError, OSError) as exc:
            raise GalleryError(f"{path} is not what {name} wrote, or is cut short.") from exc
