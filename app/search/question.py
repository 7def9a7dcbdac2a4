"""A search request as one frozen, checked value; every door makes its parameters from its fields.

A new search parameter is one more field of `SearchRequest`. Its metadata, a `Parameter`, holds all
that a door needs for it: REST's and MCP's schema, the command line's option, Python's signature and
the parameter of a request to a running server.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from reprlib import repr as shortened
from typing import Any

from app.errors import UsageError
from app.search.parameter import LISTS, Kind, Parameter
from app.search.picture import Example, Query, Url, in_words, is_address
from app.values import Box, Edit
from app.values.conditions import LONGEST, Condition

MAX_K = 200
DEFAULT_K = 10
MAX_OFFSET = 1_000_000_000
MAX_EXAMPLES = 50
MAX_PICTURES = 10  # of these, pictures that are not of the gallery: each is fetched and embedded
MAX_CONDITIONS = 50
MAX_WORDS = 1000  # characters; a text network reads about 75 words
BY_SCORE = "score"
MORE_WEIGHT, LESS_WEIGHT = 1.0, -0.5
"""The weights of examples that results should be like, or unlike, beside the query's 1.

Rocchio, Relevance Feedback in Information Retrieval, 1971: what is liked counts more than what is
not, since there are many ways to be unlike.
"""


def _parameter(kind: Kind, description: str, **limits: Any) -> dict[str, Any]:
    """Return a field's metadata: its parameter, without the name and default of the field."""
    return {"parameter": {"kind": kind, "description": description, **limits}}


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """One search of a gallery. UsageError for a value that is out of range.

    It is for a picture, for words, for both, or, with neither, for all images that its conditions
    leave. The picture is turned, then mirrored, then cut to the box, in fractions of what is seen
    then.
    """

    query: Query | None
    gallery: str = field(
        default="",
        metadata=_parameter(
            "text",
            "The gallery to search in, several of one model with commas between them, or all; left "
            "out: the first that can be searched.",
            max_length=2000,
            prepares_query=True,
        ),
    )
    words: str = field(
        default="",
        metadata=_parameter(
            "text",
            "What the pictures should show, in words. A gallery whose model knows no texts looks "
            "for them in labels, paths and metadata.",
            max_length=MAX_WORDS,
            prepares_query=True,
        ),
    )
    words_weight: float = field(
        default=0.5,
        metadata=_parameter(
            "number",
            "How much words count beside a picture: 0 for the picture alone, 1 for words alone.",
            minimum=0,
            maximum=1,
            prepares_query=True,
        ),
    )
    without: str = field(
        default="",
        metadata=_parameter(
            "text",
            "What the pictures should not show, in words; beside a picture or words.",
            max_length=MAX_WORDS,
            prepares_query=True,
        ),
    )
    k: int = field(
        default=DEFAULT_K,
        metadata=_parameter(
            "integer", "How many results, the best first.", minimum=1, maximum=MAX_K
        ),
    )
    offset: int = field(
        default=0,
        metadata=_parameter(
            "integer",
            "Leave out so many of the first results, to read on; of the nearest images at most 200 "
            "with k, of a list (words as they are written, or conditions alone) any number.",
            minimum=0,
            maximum=MAX_OFFSET,
        ),
    )
    box: Box | None = field(
        default=None,
        metadata=_parameter(
            "box",
            "Search with a part of the picture: left, top, right and bottom as fractions, from 0 "
            "to 1, of the upright picture's width and height.",
            prepares_query=True,
        ),
    )
    turns: int = field(
        default=0,
        metadata=_parameter(
            "integer",
            "Turn the picture clockwise by so many quarters first.",
            minimum=0,
            maximum=3,
            prepares_query=True,
        ),
    )
    mirrored: bool = field(
        default=False,
        metadata=_parameter(
            "boolean", "Mirror the picture, left to right, first.", prepares_query=True
        ),
    )
    more: tuple[Example, ...] = field(
        default=(),
        metadata=_parameter(
            "examples",
            "Images of the gallery, by their ids, or pictures, by their addresses, that results "
            "should be like, too.",
            max_length=MAX_EXAMPLES,
            prepares_query=True,
        ),
    )
    less: tuple[Example, ...] = field(
        default=(),
        metadata=_parameter(
            "examples",
            "Images of the gallery, by their ids, or pictures, by their addresses, that results "
            "should be unlike.",
            max_length=MAX_EXAMPLES,
            prepares_query=True,
        ),
    )
    exact: bool = field(
        default=False,
        metadata=_parameter(
            "boolean",
            "Compare every image, not only the index's candidates, and mark what the index missed.",
        ),
    )
    label: str = field(
        default="",
        metadata=_parameter(
            "text", "Search among the images that have this label.", max_length=1000
        ),
    )
    where: tuple[str, ...] = field(
        default=(),
        metadata=_parameter(
            "texts",
            "Search among the images that are so: column=value, column~part, column>=least, "
            "column=least..most, column!=value, or column alone for those that have one. Columns "
            "are path, name, folder, label, key, width, height, bytes, and those of the metadata, "
            "such as taken and camera.",
            max_length=MAX_CONDITIONS,
        ),
    )
    sort: str = field(
        default=BY_SCORE,
        metadata=_parameter(
            "text",
            "Put the k results in the order of a column, with - before it from the last to the "
            "first; score is from the best.",
            max_length=LONGEST,
        ),
    )
    min_score: float = field(
        default=-1.0,
        metadata=_parameter(
            "number", "Leave out results with a lower cosine.", minimum=-1, maximum=1
        ),
    )
    copies: bool = field(
        default=True,
        metadata=_parameter(
            "boolean",
            "Look for the picture itself first, also cropped, turned or edited, where the gallery "
            "can find such copies.",
        ),
    )
    leave_out_same_file: bool = field(
        default=False,
        metadata=_parameter("boolean", "Leave out images whose file is the query's own."),
    )

    def __post_init__(self) -> None:
        for parameter in PARAMETERS:
            parameter.check(getattr(self, parameter.name))
        conditions = self.conditions or self.label or self.ordered
        if self.query is None and not (self.says or self.more or conditions):
            raise UsageError(
                "There is nothing to search for: give a picture (file, url or id), words, or both; "
                "or where, label or sort alone, for all images that are so."
            )
        searched = self.query is not None or self.says or self.more
        if not searched and (self.without.strip() or self.less):
            raise UsageError(
                "without and less change a query: give a picture, words or more to search for, too."
            )

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of `where`."""
        return tuple(Condition.of(each) for each in self.where)

    @property
    def may_fetch(self) -> bool:
        """Whether a picture of it may have to come from another server."""
        texts = [each for each in (*self.more, *self.less) if isinstance(each, str)]
        return isinstance(self.query, Url) or any(map(is_address, texts))

    @property
    def says(self) -> str:
        """The words, without spaces around."""
        return self.words.strip()

    @property
    def ordered(self) -> tuple[str, bool] | None:
        """The column that results are sorted by, and whether descending; None for the score."""
        column = self.sort.strip().removeprefix("-").strip()
        return None if column in ("", BY_SCORE) else (column, self.sort.strip().startswith("-"))

    @classmethod
    def of(cls, query: Query | None, **given: Any) -> "SearchRequest":
        """Return the request with values as doors get them, None for one that was left out.

        A box may be a text or a sequence of four numbers. UsageError for an unknown name too.
        """
        unknown = min(given.keys() - BY_NAME.keys(), default=None)
        if unknown is not None:
            raise UsageError(
                f"There is no search parameter {unknown!r}: use {in_words(list(BY_NAME))}."
            )
        return cls(
            query=query,
            **{
                name: _converted(BY_NAME[name], value)
                for name, value in given.items()
                if value is not None
            },
        )

    @property
    def edit(self) -> Edit:
        """The edit of the query's picture: turns, mirroring and box."""
        return Edit(self.turns, self.mirrored, self.box)

    @property
    def as_text(self) -> dict[str, str | list[str]]:
        """The parameters that differ from their defaults, as a request to a server has them."""
        given = {each: getattr(self, each.name) for each in PARAMETERS}
        return {
            each.name: each.as_text(value) for each, value in given.items() if value != each.default
        }


PARAMETERS: tuple[Parameter, ...] = tuple(
    Parameter(name=each.name, default=each.default, **each.metadata["parameter"])
    for each in fields(SearchRequest)
    if each.metadata
)
BY_NAME: Mapping[str, Parameter] = {each.name: each for each in PARAMETERS}
QUERY_PARAMETERS = tuple(each for each in PARAMETERS if each.prepares_query)


def _converted(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "box" and not isinstance(value, Box):
        return Box.of(value)
    if parameter.kind in LISTS:
        if isinstance(value, str) or not isinstance(value, Iterable):
            many = parameter.kind
            raise UsageError(f"{parameter.name} must be a list of {many}, not {shortened(value)}.")
        return tuple(value)
    return value
