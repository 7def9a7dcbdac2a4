"""HTTP routes → what those who run the server ask: is it well, is it ready, what does it do."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.params import Depends

import app
from app import problems
from app.errors import NotFoundError
from app.rest import metrics
from app.rest.models import Health, Kind, Readiness
from app.rest.tell import documented, told_status
from app.service import SearchService

_OPENING = "The galleries are still being opened: ask again in a moment."


def routes_of_operations(
    service: SearchService,
    measured: metrics.Metrics,
    *,
    is_ready: Callable[[], bool],
    programs: Sequence[Depends],
) -> APIRouter:
    """Return the routes; `programs` lets those ask for measurements who may."""
    router = APIRouter(tags=["Operations"])

    @router.get("/healthz", response_model=Health)
    def health() -> dict[str, Any]:
        """Say that the server answers, its version and its galleries."""
        galleries = [asdict(gallery) for gallery in service.galleries()]
        return {"status": "ok", "version": app.__version__, "galleries": galleries}

    @router.get("/readyz", response_model=Readiness, responses=documented([503]))
    def readiness() -> Any:
        """Say whether every gallery was opened, and its model loaded or refused."""
        return {"status": "ready"} if is_ready() else told_status(503, _OPENING)

    @router.get(
        "/metrics",
        dependencies=programs,
        response_class=Response,
        responses=documented([401]) | {200: {"content": {metrics.MEDIA_TYPE: {}}}},
    )
    def measurements() -> Response:
        """Tell requests, stage timings, searches in progress and sizes, for Prometheus."""
        return Response(measured.text(), media_type=metrics.MEDIA_TYPE)

    @router.get("/problems/{kind}", response_model=Kind, responses=documented([404, 422]))
    def kind_of_problem(kind: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
        """Explain a kind of problem; its `type` leads here."""
        found = problems.kinds().get(kind)
        if found is None:
            known = ", ".join(sorted(problems.kinds()))
            raise NotFoundError(f"There is no kind of problem {kind!r}: there are {known}.")
        return {"kind": kind, "title": problems.title(found), "status": found.http_status}

    return router
