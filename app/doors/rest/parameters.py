"""The part of an address after the question mark → what the service is asked for besides."""

from collections import Counter
from typing import Annotated

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict, Field

from app.errors import UsageError
from app.search.service import AS_IT_IS, MAX_K
from app.values import Box, Edit

# Whether a number is in range is for the service to say: the document only tells it too.
_A_COSINE = {"minimum": -1, "maximum": 1}
_LONGEST_NAME = 200
_LONGEST_LABEL = 1000
_LONGEST_ID = 1000
_LONGEST_BOX = 200
_FRACTION = r"(0(\.[0-9]{1,15})?|1(\.0)?)"

Name = Annotated[str, Path(description="A gallery's name.", max_length=_LONGEST_NAME)]
ImageId = Annotated[
    str,
    Path(
        description="The image's key in the list that the gallery was made of, or its row.",
        max_length=_LONGEST_ID,
    ),
]


async def refuse_twice(request: Request) -> None:
    """Raise UsageError for a parameter that comes more than once: which is meant is not known."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in counts.items():
        if count > 1:
            raise UsageError(f"{name[:50]} is asked for {count} times: ask for it once.")


class _Strict(BaseModel):
    """A parameter that does not exist is refused, for it is mostly one mistyped."""

    model_config = ConfigDict(extra="forbid")


class _Part(_Strict):
    box: Annotated[
        str | None,
        Field(
            description="Search with a part of the picture: left, top, right and bottom as "
            "fractions of the upright picture's width and height.",
            examples=["0.25,0,0.75,0.5"],
            max_length=_LONGEST_BOX,
            json_schema_extra={"pattern": f"^{_FRACTION}(,{_FRACTION}){{3}}$"},
        ),
    ] = None

    @property
    def edit(self) -> Edit:
        """What is done to the query before it is searched; UsageError for a box that is none."""
        return Edit(box=Box.of(self.box)) if self.box is not None else AS_IT_IS


class _Chosen(_Strict):
    gallery: Annotated[
        str | None,
        Field(
            description="The gallery that is asked; the first that can be searched if left out.",
            max_length=_LONGEST_NAME,
        ),
    ] = None


class Wanted(_Part):
    """What any search is asked for."""

    k: Annotated[
        int,
        Field(
            description=f"How many results, from 1 to {MAX_K}.",
            json_schema_extra={"minimum": 1, "maximum": MAX_K},
        ),
    ] = 10
    exact: Annotated[
        bool, Field(description="Compare with every image, not with the index's candidates alone.")
    ] = False
    min_score: Annotated[
        float,
        Field(
            description="Leave out results with a lower cosine, from -1 to 1.",
            json_schema_extra=_A_COSINE,
        ),
    ] = -1.0
    label: Annotated[
        str,
        Field(description="Search among the images of this label.", max_length=_LONGEST_LABEL),
    ] = ""


class SearchParameters(Wanted, _Chosen):
    """What a search is asked for."""


class SimilarParameters(Wanted):
    """What a search by an image of a gallery is asked for."""


class EmbedParameters(_Part, _Chosen):
    """What a vector is asked for."""
