"""The answers and problems of app.doors, as the OpenAPI document describes them."""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_type_hints

from pydantic import BaseModel, Field, create_model

from app.values import Hit, Timings
from app.values.gallery import GalleryFacts, GalleryStatus

if TYPE_CHECKING:
    Timing: TypeAlias = BaseModel
else:
    Timing = create_model(
        "Timing",
        __doc__=Timings.__doc__,
        **{each.name: (float, ...) for each in fields(Timings)},
    )


class Place(BaseModel):
    """An image of a gallery, by its place."""

    id: Annotated[
        int | str, Field(description="Its key in the list the gallery was made of, or its number.")
    ]
    gallery: Annotated[str, Field(description="The gallery that it is in.")]
    path: Annotated[str, Field(description="Its file, relative to its folder.")]
    source: Annotated[
        int,
        Field(description="Which of the gallery's folders it lies in; -1: it was added by itself."),
    ]
    labels: list[str]


class Image(Place):
    """An image of a gallery."""

    image_url: Annotated[str, Field(description="Where the original picture is.")]
    thumbnail_url: Annotated[str, Field(description="Where its small WebP picture is.")]
    width: int
    height: int
    bytes: int
    sha256: str
    metadata: Annotated[
        dict[str, str | int | float],
        Field(description="What is known of it besides: of its EXIF, or of a table's columns."),
    ]


Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Corner: TypeAlias = Annotated[list[float], Field(min_length=2, max_length=2)]


class Match(BaseModel):
    """How an image shows the very picture, or scene, that the query shows."""

    kind: Annotated[
        Literal["same file", "same picture", "edited copy", "same scene"],
        Field(description="The surest first; the first three show the query's own picture."),
    ]
    score: Annotated[Share, Field(description="How sure that is.")]
    reason: Annotated[str, Field(description="What was done to the picture, in words.")]
    pairs: Annotated[int, Field(description="How many local features agree.")]
    agreeing: Annotated[
        Share, Field(description="The share of what both show in which the pixels agree.")
    ]
    of_query: Annotated[Share, Field(description="The share of the query that both show.")]
    of_image: Annotated[Share, Field(description="The share of the image that both show.")]
    mirrored: Annotated[bool, Field(description="Whether the query is mirrored, left to right.")]
    turn: Annotated[float, Field(description="By how many degrees it is turned, clockwise.")]
    matrix: Annotated[
        list[float],
        Field(
            description="a, b, c, d, e, f: pixel (x, y) of the upright image is pixel "
            "(ax + by + c, dx + ey + f) of the query.",
            min_length=6,
            max_length=6,
        ),
    ]
    in_query: Annotated[
        list[Corner],
        Field(
            description="Where the image lies in the query: a polygon's corners, as fractions of "
            "width and height."
        ),
    ]
    in_image: Annotated[
        list[Corner], Field(description="Where the query lies in the image, likewise.")
    ]
    probably: Annotated[
        bool, Field(description="Whether the original is not here: its thumbnail was compared.")
    ]


_TYPES = get_type_hints(Hit) | {"places": list[Place], "match": Match | None}

if TYPE_CHECKING:
    Result: TypeAlias = Image
else:
    Result = create_model(
        "Result",
        __base__=Image,
        __doc__="One result of a search.",
        **{
            each.name: (_TYPES[each.name], Field(description=each.metadata["description"]))
            for each in fields(Hit)
            if each.metadata
        },
        kind=(
            Literal[
                *("same file", "same picture", "edited copy", "same scene", "similar", "unlike"),
                "matching",
            ],
            Field(description="What it is to the query; the first three are its own picture."),
        ),
        remarks=(list[str], Field(description="What is special about it, for people.")),
    )


class SearchAnswer(BaseModel):
    """The images most similar to a query, best first."""

    verdict: Annotated[
        str,
        Field(
            description="Where the picture is from, in a sentence; empty where that was not "
            "looked for."
        ),
    ]
    ids: Annotated[list[int | str], Field(description="The results' ids, in their order.")]
    results: list[Result]
    gallery: str
    timing_ms: Timing
    exact: Annotated[bool, Field(description="Whether every image was compared.")]
    approximate: Annotated[
        bool, Field(description="Whether scores are the index's, the vectors not being here.")
    ]
    similar_enough: Annotated[
        bool, Field(description="False where nothing in the gallery is really like the query.")
    ]
    candidates: Annotated[int, Field(description="How many images were compared exactly.")]
    recall: Annotated[float, Field(description="The share of true neighbours that are found.")]
    notes: list[str]
    words: Annotated[
        Literal["", "meaning", "written"],
        Field(
            description="How words were understood: by the model, or as they are written of "
            "images; empty where none were given."
        ),
    ]


class Columns(BaseModel):
    """What conditions may be put on, in a gallery."""

    gallery: str
    columns: list[str]


class Count(BaseModel):
    """How many images have a value."""

    value: str | int | float
    images: int


class Counts(BaseModel):
    """How many images of a gallery have each value of a column, the most frequent first."""

    gallery: str
    column: str
    images: Annotated[int, Field(description="How many images the conditions leave.")]
    values: Annotated[int, Field(description="How many different values there are.")]
    counts: Annotated[list[Count], Field(description="The first of them.")]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: Annotated[str, Field(description="Its kind, an address that explains it.")]
    title: Annotated[str, Field(description="What the kind means.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="One sentence: what happened and what to do.")]


class FileAnswer(BaseModel):
    """What became of one file of a batch: an answer, or a problem of this file alone."""

    file: Annotated[str, Field(description="Its name, as it was sent.")]
    answer: SearchAnswer | None
    problem: Problem | None


class BatchAnswer(BaseModel):
    """The answers to several files, in their order."""

    answers: list[FileAnswer]


class Vector(BaseModel):
    """The vector of a query."""

    vector: Annotated[list[float], Field(description="Unit length: its products are cosines.")]
    dim: int
    model: str
    gallery: str


@dataclass(frozen=True)
class Gallery(GalleryFacts, GalleryStatus):
    """A gallery.

    `refused` says why it cannot be searched at all ('' when it can); `uploads_off` why only its
    own images can be queries; `pictures_missing` which original pictures are not here, as far as
    some of them were looked for, and what to do.
    `pca`, `expand` and `alpha` say how vectors and queries are changed, 0 where they are not.
    `copies` says whether pictures are known again that were cropped, turned or edited.
    `summary` holds the facts as people read them, each after its title.
    """

    summary: list[list[str]] = field(default_factory=list)


class Galleries(BaseModel):
    """Every gallery, those that cannot be searched with the reason."""

    galleries: list[Gallery]


class Added(BaseModel):
    """What became of one image that was to be added."""

    name: Annotated[str, Field(description="Its file's name, its address or its key.")]
    id: Annotated[int | str | None, Field(description="Its id; null where it was skipped.")]
    became: Annotated[
        Literal["added", "replaced", "known", "skipped"],
        Field(
            description="New; in place of the image with its key; there already, with the same "
            "content; or not added, because of the problem."
        ),
    ]
    problem: Problem | None


class Additions(BaseModel):
    """What became of images, in their order, and how many became what."""

    gallery: str
    ids: list[int | str | None]
    images: list[Added]
    added: int
    replaced: int
    known: int
    skipped: int


class Unreadable(BaseModel):
    """A file that cannot be read."""

    path: str
    reason: Annotated[str, Field(description="One sentence.")]


class Updated(BaseModel):
    """What an update did, in numbers of images; `embedded` is how many files were decoded."""

    added: int
    changed: int
    moved: int
    removed: int
    unchanged: int
    embedded: int
    skipped: list[Unreadable]
    left_out: Annotated[
        dict[str, int], Field(description="Why files were passed over, and how many.")
    ]
    notes: Annotated[
        list[str], Field(description="What is odd about pictures that were taken, in sentences.")
    ]
    seconds: float


class Updating(BaseModel):
    """How far the update of a gallery is, or how the last one ended."""

    gallery: str
    state: Literal["idle", "running", "stopped", "failed", "done"]
    stage: str
    done: int
    total: int
    message: Annotated[str, Field(description="Why it failed, in one sentence.")]
    report: Annotated[Updated | None, Field(description="Of the last update that succeeded.")]


class Duplicate(Image):
    """An image that shows the picture of a better one."""

    kind: Literal["same file", "same picture", "edited copy"]
    match: Annotated[
        Match, Field(description="How it, as the query, shows the picture of the image `of`.")
    ]
    of: Annotated[
        int | str,
        Field(
            description="The id of the best of its group, or of the member of it through which it "
            "came in."
        ),
    ]


class Group(BaseModel):
    """Images that show one picture."""

    kind: Annotated[
        Literal["same file", "same picture", "edited copy"],
        Field(description="The least sure of its images' kinds."),
    ]
    best: Annotated[
        Image, Field(description="That of the most pixels, then bytes, then the oldest file.")
    ]
    others: Annotated[list[Duplicate], Field(description="The others, the surest first.")]


class Duplicates(BaseModel):
    """The near duplicates of a gallery. Nothing is deleted."""

    gallery: str
    images: Annotated[int, Field(description="How many the gallery had.")]
    compared: Annotated[int, Field(description="How many pairs of them were compared.")]
    seconds: Annotated[float, Field(description="How long that took.")]
    apart: Annotated[int, Field(description="How many pairs were decided to be none.")]
    outdated: Annotated[
        bool, Field(description="Whether the gallery has changed since: look for them again.")
    ]
    groups_found: int
    others_found: Annotated[
        int, Field(description="How many images show the picture of a better one.")
    ]
    others_bytes: Annotated[int, Field(description="The bytes of their files.")]
    groups: Annotated[list[Group], Field(description="The first groups, the surest first.")]


class Finding(BaseModel):
    """How far the search for a gallery's duplicates is, or how the last one ended."""

    gallery: str
    state: Literal["idle", "running", "stopped", "failed", "done"]
    stage: str
    done: int
    total: int
    message: Annotated[str, Field(description="Why it failed, in one sentence.")]
    duplicates: Annotated[
        Duplicates | None, Field(description="Of the last search that succeeded.")
    ]


class Apart(BaseModel):
    """On how many pairs of images something was decided that was not so before."""

    gallery: str
    pairs: int


class Merged(BaseModel):
    """How many images another gallery gave, and how many of its were there already."""

    gallery: str
    images: Annotated[int, Field(description="How many it has now.")]
    added: int
    known: int


class Health(Galleries):
    """That the server answers."""

    status: str
    version: str


class Readiness(BaseModel):
    """That every gallery was opened, and its model loaded or refused."""

    status: str


class Kind(BaseModel):
    """A kind of problem."""

    kind: str
    title: Annotated[str, Field(description="What it means.")]
    status: Annotated[int, Field(description="The HTTP status that it comes with.")]


_IMAGE = {
    "id": 17,
    "gallery": "caltech101-efficientnet_lite0",
    "path": "butterfly/image_0017.jpg",
    "source": 0,
    "labels": ["butterfly"],
    "image_url": "/galleries/caltech101-efficientnet_lite0/images/17/image",
    "thumbnail_url": "/galleries/caltech101-efficientnet_lite0/images/17/thumbnail",
    "width": 300,
    "height": 200,
    "bytes": 11250,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "metadata": {"taken": "2021-05-04T12:30:00", "camera": "Canon EOS 5D"},
}
_MATCH = {
    "kind": "edited copy",
    "score": 0.9731,
    "reason": "cropped to 25 %",
    "pairs": 41,
    "agreeing": 0.9742,
    "of_query": 1.0,
    "of_image": 0.25,
    "mirrored": False,
    "turn": 0.0,
    "matrix": [1.0, 0.0, -75.0, 0.0, 1.0, -50.0],
    "in_query": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    "in_image": [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]],
    "probably": False,
}
_SEARCH = {
    "verdict": "Found: this is butterfly/image_0017.jpg, cropped to 25 %.",
    "ids": [17],
    "results": [
        _IMAGE
        | {"score": 0.8731, "rank": 1, "same_file": False, "duplicate_of": None, "missed": False}
        | {"kind": "edited copy", "match": _MATCH}
        | {"copies": 1, "remarks": ["in 2 places"]}
        | {"places": [{"id": 90, "path": "best/image_0017.jpg", "labels": ["best"]}]}
    ],
    "gallery": "caltech101-efficientnet_lite0",
    "timing_ms": {
        "fetch": 0.0,
        "decode": 3.1,
        "embed": 9.8,
        "shortlist": 0.4,
        "rerank": 0.6,
        "verify": 48.2,
        "lookup": 0.3,
        "total": 62.6,
    },
    "exact": False,
    "approximate": False,
    "similar_enough": True,
    "candidates": 200,
    "recall": 0.985,
    "notes": [],
    "words": "",
}
EXAMPLES: dict[str, dict[str, object]] = {
    "image": _IMAGE,
    "search": _SEARCH,
    "batch": {"answers": [{"file": "butterfly.jpg", "answer": _SEARCH, "problem": None}]},
    "vector": {
        "vector": [0.6, 0.0, 0.8],
        "dim": 3,
        "model": "efficientnet_lite0",
        "gallery": "caltech101-efficientnet_lite0",
    },
}
