"""The plain values that travel between the layers."""

from dataclasses import astuple, dataclass, field

from app.errors import UsageError


@dataclass(frozen=True)
class Box:
    """A part of a picture, as fractions of the upright picture's width and height.

    Raises UsageError unless ``0 <= left < right <= 1`` and ``0 <= top < bottom <= 1``.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise UsageError(
                f"The box {astuple(self)} is not inside the picture: left, top, right and bottom "
                "are fractions from 0 to 1, with left < right and top < bottom."
            )


@dataclass(frozen=True)
class ImageRecord:
    """One image of a gallery: `id` is its row, `path` is relative to its data set's folder."""

    id: int
    path: str
    sha256: str
    width: int
    height: int
    bytes: int
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A file that a build could not read, and the reason in one sentence."""

    path: str
    reason: str


@dataclass(frozen=True)
class Hit:
    """One result: image, cosine to the query, place from 1, and whether it is the same file."""

    image: ImageRecord
    score: float
    rank: int
    same_file: bool


@dataclass(frozen=True)
class Timings:
    """Milliseconds spent in each stage of one query; 0 for a stage that did not run."""

    fetch: float = 0.0
    decode: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class SearchResult:
    """The answer to one query."""

    gallery: str
    hits: tuple[Hit, ...]
    approximate: bool
    exact: bool
    candidates: int
    recall: float
    timings: Timings
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GalleryInfo:
    """What the edges show of a gallery.

    `refused` says why it cannot be searched at all ('' when it can); `uploads_off` why only its
    own images can be queries; `pictures_missing` which command fetches the original pictures.
    """

    name: str
    refused: str = ""
    uploads_off: str = ""
    pictures_missing: str = ""
    approximate: bool = False
    images: int = 0
    data: str = ""
    model: str = ""
    dim: int = 0
    index: str = ""
    probes: int = 0
    candidates: int = 0
    recall_raw: float = 0.0
    recall_reranked: float = 0.0
    created: str = ""
    notes: tuple[str, ...] = field(default=())
