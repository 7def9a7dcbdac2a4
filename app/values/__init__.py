"""The plain values that travel between the layers."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from reprlib import repr as shortened

from app.errors import UsageError

MAX_PICTURE_BYTES = 50_000_000
"""Of a query, in every door, and of a picture in a shard: no photograph is larger."""

MOST_PLACES = 50
"""Listed of one content: a hit of a picture with thousands of copies is still one hit."""

MOST_EXPAND = 200
MOST_ALPHA = 100


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

    @classmethod
    def of(cls, sides: object) -> "Box":
        """Return the box of four numbers, or of a text of them; UsageError if they are none.

        >>> Box.of("0.25,0,0.75,0.5") == Box.of([0.25, 0, 0.75, 0.5])
        True
        """
        try:
            left, top, right, bottom = map(
                float,
                sides.split(",") if isinstance(sides, str) else sides,  # type: ignore[call-overload]
            )
        except (TypeError, ValueError, OverflowError) as exc:
            raise UsageError(
                f"The box {shortened(sides)} is not four numbers, left, top, right and bottom as "
                "fractions from 0 to 1, as in 0.25,0,0.75,0.5."
            ) from exc
        return cls(left, top, right, bottom)

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True)
class Edit:
    """What is done to an upright picture before it is searched, in this order.

    Turned clockwise by `quarter_turns` × 90°, mirrored left to right, cut to `box` (in fractions of
    what is seen then).
    """

    quarter_turns: int = 0
    mirrored: bool = False
    box: Box | None = None

    @property
    def is_nothing(self) -> bool:
        """True where the picture stays as it is."""
        return self.quarter_turns % 4 == 0 and not self.mirrored and self.box is None


@dataclass(frozen=True)
class VectorOptions:
    """How a gallery changes its model's vectors, and those of queries.

    `pca`: they are centred by the gallery's mean and projected on so many principal components, 0
    for not at all. `expand`: so many of the nearest images are added to each query, times their
    score to the power `alpha`; 0 for none. UsageError for what none of them can be.
    """

    pca: int = 0
    expand: int = 0
    alpha: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.expand <= MOST_EXPAND:
            raise UsageError(f"expand must be 0 to {MOST_EXPAND}, not {self.expand}.")
        if not 0 <= self.alpha <= MOST_ALPHA:  # nor is NaN
            raise UsageError(f"Alpha is a power from 0 to {MOST_ALPHA}, not {self.alpha}.")

    @classmethod
    def of(
        cls, pca: int | None = None, expand: int | None = None, alpha: float | None = None
    ) -> "VectorOptions":
        """Return the options with the values that were given, None where one was not.

        >>> VectorOptions.of(expand=5)
        VectorOptions(pca=0, expand=5, alpha=3.0)
        """
        if pca is not None and pca < 1:
            raise UsageError(f"Principal components are 1 or more, not {pca}.")
        if alpha is not None and not expand:
            raise UsageError("Alpha goes with --expand: leave --alpha out, or add --expand N.")
        return cls(pca or 0, expand or 0, cls.alpha if alpha is None else alpha)

    def given(self) -> dict[str, int | float]:
        """Return the options that change anything, by name.

        >>> VectorOptions(pca=64).given()
        {'pca': 64}
        """
        expansion = {"expand": self.expand, "alpha": self.alpha} if self.expand else {}
        return ({"pca": self.pca} if self.pca else {}) | expansion

    def dim_of(self, model_dim: int) -> int:
        """Return how many numbers the gallery's vectors have; UsageError if that is impossible."""
        if self.pca > model_dim:
            raise UsageError(
                f"The model's vectors have {model_dim} numbers, and so at most as many principal "
                f"components, not {self.pca}: choose fewer."
            )
        return self.pca or model_dim

    def check_images(self, images: int) -> None:
        """Raise UsageError if so few images cannot have that many principal components."""
        if self.pca > images:
            raise UsageError(
                f"{images} images have at most {images} principal components, not {self.pca}: "
                "choose fewer."
            )


PICTURE, TEXT = "picture", "text"
"""What the items of a gallery are."""

MetadataValue = str | int | float
Metadata = Mapping[str, MetadataValue]
"""What is known of an image besides, by name: of its EXIF, or the columns of a table."""


@dataclass(frozen=True)
class ImageRecord:
    """One image of a gallery: `id` is its own for good, `path` is relative to its folder.

    `key` is the name that a list of pictures gave it (a CSV's own id), '' where there was none;
    `source` which of the gallery's folders it lies in, -1 for a picture that was added by itself;
    `gallery` the gallery's name where several were searched together.
    """

    id: int
    path: str
    sha256: str
    width: int
    height: int
    bytes: int
    labels: tuple[str, ...] = ()
    key: str = ""
    source: int = 0
    gallery: str = ""
    metadata: Metadata = field(default_factory=dict, hash=False)

    @property
    def public_id(self) -> int | str:
        """The id that every door shows: its key, or its own where it has none."""
        return self.key or self.id


@dataclass(frozen=True)
class Skipped:
    """A file that a build could not read, the reason in one sentence, and its folder's number."""

    path: str
    reason: str
    source: int = 0


@dataclass(frozen=True)
class Noted:
    """A picture that a build read though something about it is not as it should be, in a sentence.

    `path` is as in its gallery.
    """

    path: str
    note: str


MOST_ELONGATED = 2.5
"""A picture whose longer side is more times the shorter one is hardly seen in its middle square."""


def elongation(width: int, height: int) -> float:
    """Return how many times the longer side of a picture is as long as the shorter one.

    >>> elongation(300, 900)
    3.0
    """
    return max(width, height) / max(1, min(width, height))


def _means(description: str) -> dict[str, str]:
    """Return a field's metadata: what it means, in one sentence."""
    return {"description": description}


Corners = tuple[tuple[float, float], ...]
"""A polygon's corners, as fractions of a picture's width and height."""

SAME_FILE, SAME_PICTURE, EDITED_COPY = "same file", "same picture", "edited copy"
SAME_SCENE, SIMILAR, UNLIKE = "same scene", "similar", "unlike"
MATCHING = "matching"
"""The kind of a hit that was not compared with a picture, but found by words or conditions."""
SOURCES = (SAME_FILE, SAME_PICTURE, EDITED_COPY)
"""The kinds of hits that show the query's own picture, the surest first."""


@dataclass(frozen=True)
class Match:
    """How an image shows the very picture, or scene, that the query shows.

    `kind` is one of SOURCES or SAME_SCENE, `score` how sure that is, from 0 to 1, `reason` what
    was done to the picture, in words. `pairs` counts the local features that agree, `agreeing` is
    the share of the overlap's textured blocks whose pixels do. `of_query` and `of_image` are the
    shares of both pictures' areas that show the same; `in_query` and `in_image` where that is.
    `matrix` maps pixels of the upright image to those of the query, as (a, b, c, d, e, f) with
    x' = ax + by + c and y' = dx + ey + f. `probably` says that the original was not there, and
    its thumbnail was compared.
    """

    kind: str
    score: float
    reason: str = ""
    pairs: int = 0
    agreeing: float = 1.0
    of_query: float = 1.0
    of_image: float = 1.0
    mirrored: bool = False
    turn: float = 0.0
    matrix: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    in_query: Corners = ()
    in_image: Corners = ()
    probably: bool = False

    @property
    def is_source(self) -> bool:
        """Whether the image is the query's own picture, edited or not."""
        return self.kind in SOURCES


@dataclass(frozen=True)
class Hit:
    """One result of a search; its other fields are in every door's JSON, described as here.

    It stands for all images with its content, which is there once.
    """

    image: ImageRecord
    score: float = field(
        metadata=_means(
            "The exact cosine to the query, expanded where the gallery does so. Without a picture "
            "or a model that knows texts: the share of the words that is written of it, or 1."
        )
    )
    rank: int = field(metadata=_means("Its place, from 1."))
    same_file: bool = field(metadata=_means("Whether it is the query's own file."))
    duplicate_of: int | None = field(
        default=None, metadata=_means("The rank of the best result that shows the same picture.")
    )
    missed: bool = field(
        default=False, metadata=_means("In an exact search: the index would have missed it.")
    )
    copies: int = field(
        default=0, metadata=_means("How many other images of the gallery have its content.")
    )
    places: tuple[ImageRecord, ...] = field(
        default=(), metadata=_means(f"Those images, at most {MOST_PLACES}, by their ids.")
    )
    match: Match | None = field(
        default=None,
        metadata=_means("How it shows the query's own picture; null where it doesn't."),
    )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is special about it, in few words each, for people."""
        remarks = (
            (self.same_file, "same file"),
            (self.duplicate_of, f"nearly equals no. {self.duplicate_of}"),
            (self.missed, "missed by the index"),
            (self.copies, f"in {self.copies + 1:,} places"),
        )
        return tuple(words for holds, words in remarks if holds)


@dataclass(frozen=True)
class Timings:
    """Milliseconds spent in each stage of one query; 0 for a stage that did not run.

    `shortlist` is the shortlist and its exact re-ranking, which FAISS does in one call; `rerank` is
    the comparison with every image, or every one of a label, and the expansion of the query;
    `verify` the search for copies of the picture itself.
    """

    fetch: float = 0.0
    decode: float = 0.0
    embed: float = 0.0
    shortlist: float = 0.0
    rerank: float = 0.0
    verify: float = 0.0
    lookup: float = 0.0
    total: float = 0.0


MEANING, WRITTEN = "meaning", "written"
"""How words were understood: by the model, or as they are written of images."""


@dataclass(frozen=True)
class SearchResult:
    """The answer to one query.

    `floor` is the score that nearly all of the gallery's own images reach with another one, and
    that unrelated photographs hardly reach where the model is known so well; None where neither is.
    `best` is the score that is compared with it, whatever filters leave.
    `sought` says whether copies of the picture itself were looked for, `too_simple` that it shows
    too little to know them by. `words` is MEANING where the model has understood words, WRITTEN
    where they were looked for as they are, in labels, paths and metadata; "" where none were given.
    `listed` says that nothing was compared: words or conditions alone have found the hits.
    """

    gallery: str
    hits: tuple[Hit, ...]
    approximate: bool
    exact: bool
    candidates: int
    recall: float
    timings: Timings
    notes: tuple[str, ...] = ()
    floor: float | None = None
    best: float | None = None
    sought: bool = False
    too_simple: bool = False
    words: str = ""
    listed: bool = False

    def __iter__(self) -> Iterator[Hit]:
        """Give the hits, best first."""
        return iter(self.hits)

    @property
    def similar_enough(self) -> bool:
        """False where nothing in the gallery is really like the query."""
        return (
            bool(self.sources)
            or self.floor is None
            or (self.best is not None and self.best >= self.floor)
        )

    @property
    def sources(self) -> tuple[Hit, ...]:
        """The hits that are the query's own picture, edited or not."""
        return tuple(hit for hit in self.hits if hit.match and hit.match.is_source)

    def kind_of(self, hit: Hit) -> str:
        """Return what a hit is to the query: how it matches, or else whether it is similar."""
        if hit.match:
            return hit.match.kind
        if self.listed:
            return MATCHING
        return SIMILAR if self.floor is None or hit.score >= self.floor else UNLIKE

    @property
    def verdict(self) -> str:
        """Where the picture is from, in a sentence; '' where that was not looked for."""
        if self.sources:
            return _found(self.sources)
        if not self.sought:
            return ""
        if self.too_simple:
            return "Too simple to tell: the picture shows too little to know it again by."
        if self.similar_enough and self.hits:
            return "The picture itself is not here; these look like it."
        return "Nothing like it here."


def _found(sources: tuple[Hit, ...]) -> str:
    first = sources[0]
    assert first.match is not None
    how = f", {first.match.reason}" if first.match.reason else ""
    says = "Probably this is" if first.match.probably else "Found: this is"
    others = ""
    if len(sources) > 1:
        others = f" {len(sources) - 1} more {'is' if len(sources) == 2 else 'are'} below."
    return f"{says} {first.image.path}{how}.{others}"


@dataclass(frozen=True)
class Evaluation:
    """What was measured with some of a gallery's own images; None where labels are missing."""

    gallery: str
    queries: int
    k: int
    recall_raw: float
    recall_reranked: float
    labelled_queries: int = 0
    precision_exact: float | None = None
    precision_index: float | None = None
    mean_average_precision: float | None = None
