"""HTTP routes → the near duplicates of a gallery, found in the background; decisions on them."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from app.build.keeper import GalleryKeeper
from app.doors.answers import finding_answer
from app.doors.rest.parameters import Name
from app.doors.rest.problem_responses import documented
from app.doors.rest.schemas import Apart, Finding
from app.search.duplicates import KINDS, kinds_of
from app.search.service import SearchService

_GROUPS = 1_000
_MOST_GROUPS = 100_000
_MOST_IDS = 100
_KIND = f"({'|'.join(KINDS)})"
_PROBLEMS = documented([401, 404, 422, 503])
_PROBLEMS_OF_DECISIONS = documented([401, 403, 404, 408, 409, 422, 429, 503, 507])


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Annotated[
        str | None,
        Field(
            description="Only duplicates of these kinds, with commas between them.",
            json_schema_extra={"pattern": f"^{_KIND}(,{_KIND})*$"},
            max_length=200,
        ),
    ] = None
    limit: Annotated[
        int, Field(description="How many groups are listed.", ge=1, le=_MOST_GROUPS)
    ] = _GROUPS


class Decision(BaseModel):
    """Images of a gallery."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[
        list[Annotated[int, Field(strict=True)] | Annotated[str, Field(max_length=1000)]],
        Field(description="Two or more images.", min_length=2, max_length=_MOST_IDS),
    ]


def routes_of_duplicates(service: SearchService, keeper: GalleryKeeper) -> APIRouter:
    """Return the routes; decisions are refused where the keeper is off."""
    router = APIRouter(tags=["Duplicates"])
    allowed = [Depends(keeper.check_on)]

    @router.post(
        "/galleries/{gallery}/duplicates",
        status_code=202,
        response_model=Finding,
        responses=_PROBLEMS | documented([409, 429]),
    )
    def find_duplicates(gallery: Name) -> dict[str, Any]:
        """Begin to look for images of a gallery that show one picture, in the background."""
        started = service.start_duplicates(gallery)
        return finding_answer(gallery, started, None, _GROUPS)

    @router.get("/galleries/{gallery}/duplicates", response_model=Finding, responses=_PROBLEMS)
    def duplicates(gallery: Name, shown: Annotated[_Shown, Query()]) -> dict[str, Any]:
        """Say how far that is, and what the last search since the server's start has found."""
        kinds = kinds_of(shown.kind.split(",") if shown.kind is not None else ())
        progress, found = service.duplicates_progress(gallery, kinds)
        return finding_answer(gallery, progress, found, shown.limit)

    @router.post(
        "/galleries/{gallery}/duplicates/apart",
        response_model=Apart,
        responses=_PROBLEMS_OF_DECISIONS,
        dependencies=allowed,
    )
    def keep_apart(gallery: Name, decision: Decision) -> dict[str, Any]:
        """Remember that no two of some images are duplicates: they are never grouped again."""
        return {"gallery": gallery, "pairs": keeper.keep_apart(gallery, _texts(decision.ids))}

    @router.post(
        "/galleries/{gallery}/duplicates/forget",
        response_model=Apart,
        responses=_PROBLEMS_OF_DECISIONS,
        dependencies=allowed,
    )
    def forget_apart(gallery: Name, decision: Decision) -> dict[str, Any]:
        """Forget such decisions on some images."""
        return {"gallery": gallery, "pairs": keeper.forget_apart(gallery, _texts(decision.ids))}

    return router


def _texts(ids: Sequence[int | str]) -> list[str]:
    return [str(each) for each in ids]
