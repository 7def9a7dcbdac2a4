"""HTTP routes → the server's health, readiness and measurements; what kinds of problems mean."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.params import Depends

import app
from app.doors import problems
from app.doors.access import Access
from app.doors.answers import gallery_answer
from app.doors.rest import metrics
from app.doors.rest.problem_responses import documented, status_response
from app.doors.rest.schemas import Health, Kind, Readiness
from app.errors import NotFoundError, TokenError
from app.search.service import SearchService
from app.values.gallery import GalleryInfo


def routes_of_operations(
    service: SearchService,
    measured: metrics.Metrics,
    *,
    access: Access,
    not_ready: Callable[[], str],
    programs: Sequence[Depends],
) -> APIRouter:
    """Return the routes; `programs` are the dependencies that check the token for /metrics.

    `not_ready` says in one sentence why the server is not to be asked now, '' where it is.
    """
    router = APIRouter(tags=["Operations"])

    # Of their own: searches may have taken all others, and a folder that hangs one of these.
    health_threads, readiness_threads = CapacityLimiter(1), CapacityLimiter(1)

    @router.get("/healthz", response_model=Health)
    async def health(request: Request) -> dict[str, Any]:
        """Say that the server answers, its version and its galleries.

        Where a token is needed, only who sends it gets the galleries.
        """
        galleries: list[GalleryInfo] = []
        with suppress(TokenError):
            access.check(request.headers.get("authorization", ""))
            galleries = await to_thread.run_sync(service.galleries, limiter=health_threads)
        answers = [gallery_answer(gallery) for gallery in galleries]
        return {"status": "ok", "version": app.__version__, "galleries": answers}

    @router.get("/readyz", response_model=Readiness, responses=documented([503]))
    async def readiness() -> Any:
        """Say whether every gallery was opened, its model loaded or refused, and requests may come.

        A server that is about to stop says that it is not ready, and answers what still comes.
        """
        why_not = await to_thread.run_sync(not_ready, limiter=readiness_threads)
        return status_response(503, why_not) if why_not else {"status": "ready"}

    @router.get(
        "/metrics",
        dependencies=programs,
        response_class=Response,
        responses=documented([401]) | {200: {"content": {metrics.MEDIA_TYPE: {}}}},
    )
    def measurements() -> Response:
        """Return requests, stage timings, searches in progress and sizes, for Prometheus."""
        return Response(measured.text(), media_type=metrics.MEDIA_TYPE)

    @router.get("/problems/{kind}", response_model=Kind, responses=documented([404, 422]))
    def kind_of_problem(kind: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
        """Explain a kind of problem; its `type` leads here."""
        error = problems.kinds().get(kind)
        if error is None:
            known = ", ".join(sorted(problems.kinds()))
            raise NotFoundError(f"There is no kind of problem {kind!r}: there are {known}.")
        return {"kind": kind, "title": problems.title(error), "status": error.http_status}

    return router
