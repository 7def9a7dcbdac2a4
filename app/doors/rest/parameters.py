"""The part of an address after the question mark → a search request; one model a kind of route."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict, Field, create_model

from app.doors.parameters import JSON_TYPES, default_of, limits_of
from app.errors import UsageError
from app.search.parameter import LISTS, Parameter
from app.search.picture import File, Query
from app.search.question import BY_NAME, PARAMETERS, QUERY_PARAMETERS, SearchRequest

NO_EXAMPLES: Mapping[str, Iterable[File]] = {}
_LONGEST_ID = 1000
MOST_COUNTS = 1000
_LONGEST_BOX = 200
_FRACTION = r"(0(\.[0-9]{1,15})?|1(\.0)?)"
_TYPES: Mapping[str, Any] = {
    **JSON_TYPES,
    "box": str | None,
    "examples": list[str],
}  # in an address

Name = Annotated[
    str, Path(description="A gallery's name.", max_length=BY_NAME["gallery"].max_length)
]
ImageId = Annotated[
    str,
    Path(
        description="The image's key in the list that the gallery was made of, or its row.",
        max_length=_LONGEST_ID,
    ),
]


async def refuse_repeated(request: Request) -> None:
    """Raise UsageError for a parameter that is given twice: which is meant is not known."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in counts.items():
        known = BY_NAME.get(name)
        if count > 1 and (known is None or known.kind not in LISTS):
            raise UsageError(f"{name[:50]} is given {count} times: give it once.")


class _Parameters(BaseModel):
    """A parameter that does not exist is refused, for it is mostly one mistyped."""

    model_config = ConfigDict(extra="forbid")

    def request(
        self,
        query: Query | None,
        examples: Mapping[str, Iterable[File]] = NO_EXAMPLES,
        *,
        gallery: str = "",
    ) -> SearchRequest:
        """Return the search request; UsageError for a value out of range.

        `examples` are the files of `more` and `less`, which no address holds.
        """
        given = self.model_dump()
        given |= {name: [*given[name], *files] for name, files in examples.items()}
        return SearchRequest.of(query, **given | ({"gallery": gallery} if gallery else {}))


def _model(name: str, parameters: Iterable[Parameter], **more: Any) -> Any:
    described: dict[str, Any] = more | {
        each.name: (Annotated[_TYPES[each.kind], _described(each)], default_of(each))
        for each in parameters
    }
    return create_model(name, __base__=_Parameters, **described)


def _described(parameter: Parameter) -> Any:
    """Return a parameter's description in the document; the search request checks its range."""
    is_box = parameter.kind == "box"
    box: dict[str, Any] = {"pattern": f"^{_FRACTION}(,{_FRACTION}){{3}}$"}
    return Field(
        description=parameter.description,
        examples=["0.25,0,0.75,0.5"] if is_box else None,
        max_length=_LONGEST_BOX if is_box else parameter.max_length,
        json_schema_extra=box if is_box else limits_of(parameter),
    )


if TYPE_CHECKING:
    SearchParameters: TypeAlias = _Parameters
    SimilarParameters: TypeAlias = _Parameters
    EmbedParameters: TypeAlias = _Parameters
    CountParameters: TypeAlias = _Parameters
else:
    SearchParameters = _model("SearchParameters", PARAMETERS)
    # The gallery stands in the route's path.
    SimilarParameters = _model(
        "SimilarParameters", (each for each in PARAMETERS if each.name != "gallery")
    )
    EmbedParameters = _model("EmbedParameters", QUERY_PARAMETERS)
    CountParameters = _model(
        "CountParameters",
        (each for each in PARAMETERS if each.name in ("where", "label")),
        column=(Annotated[str, Field(description="A column, as in where.", max_length=1000)], ...),
        limit=(Annotated[int, Field(description="How many values.", ge=1, le=MOST_COUNTS)], 50),
    )
