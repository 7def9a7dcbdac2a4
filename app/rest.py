"""HTTP routes → the search service: health, and the pictures of a gallery by integer id."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

import app
from app.errors import AppError, NotFoundError, UsageError
from app.service import SearchService

# A gallery can be rebuilt, and its ids then name other pictures: ask again, but cheaply.
_CACHED_AN_HOUR = {"Cache-Control": "private, max-age=3600"}
_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"}


def routes(service: SearchService) -> APIRouter:
    """Return the routes; their errors are AppErrors, answered by the server's handler."""
    router = APIRouter(route_class=_TellingRoute)

    @router.get("/healthz")
    def health() -> dict[str, Any]:
        """Say that the server answers, its version and its galleries."""
        galleries = [asdict(gallery) for gallery in service.galleries()]
        return {"status": "ok", "version": app.__version__, "galleries": galleries}

    @router.get("/galleries/{gallery}/images/{image}/thumbnail")
    def thumbnail(gallery: str, image: int) -> Response:
        """Send the small WebP picture of an image."""
        return Response(
            service.thumbnail(gallery, image), media_type="image/webp", headers=_CACHED_AN_HOUR
        )

    @router.get("/galleries/{gallery}/images/{image}")
    def picture(gallery: str, image: int) -> Response:
        """Send the original picture, as a PNG where browsers cannot show it, or its thumbnail."""
        try:
            data, media_type = service.picture(gallery, image)
            if media_type not in _SHOWN_BY_BROWSERS:
                data, media_type = service.preview(data), "image/png"
        except NotFoundError:
            data, media_type = service.thumbnail(gallery, image), "image/webp"
        return Response(data, media_type=media_type, headers=_CACHED_AN_HOUR)

    return router


class _TellingRoute(APIRoute):
    """Tells a parameter of the wrong kind like every other error: in one sentence."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def tell(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestValidationError as exc:
                first = exc.errors()[0]
                raise UsageError(
                    f"{first['loc'][-1]} cannot be {first['input']!r}: {first['msg']}."
                ) from exc

        return tell


def error_body(error: AppError) -> dict[str, str]:
    """Return the JSON body that tells an error."""
    return {"error": str(error)}
