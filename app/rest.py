"""HTTP routes → the search service: health, and the pictures of a gallery by integer id."""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

import app
from app.errors import AppError, NotFoundError, UsageError
from app.service import SearchService

_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"}


def routes(service: SearchService) -> APIRouter:
    """Return the routes; their errors are AppErrors, answered by the server's handler."""
    router = APIRouter(route_class=_TellingRoute)

    @router.get("/healthz")
    def health() -> dict[str, Any]:
        """Say that the server answers, its version and its galleries."""
        galleries = [asdict(gallery) for gallery in service.galleries()]
        return {"status": "ok", "version": app.__version__, "galleries": galleries}

    @router.get("/galleries/{gallery}/images/{image:path}/thumbnail")
    def thumbnail(request: Request, gallery: str, image: str) -> Response:
        """Send the small WebP picture of an image."""
        row = service.id_of(gallery, image)
        return _picture(request, service.thumbnail(gallery, row), "image/webp")

    @router.get("/galleries/{gallery}/images/{image:path}/image")
    def picture(request: Request, gallery: str, image: str) -> Response:
        """Send the original picture, as a PNG where browsers cannot show it, or its thumbnail."""
        row = service.id_of(gallery, image)
        try:
            data, media_type = service.picture(gallery, row)
            if media_type not in _SHOWN_BY_BROWSERS:
                data, media_type = service.preview(data), "image/png"
        except NotFoundError:
            data, media_type = service.thumbnail(gallery, row), "image/webp"
        return _picture(request, data, media_type)

    return router


def _picture(request: Request, data: bytes, media_type: str) -> Response:
    """Send a picture, or that the browser's copy is still the same.

    A rebuild gives the same ids to other pictures, so a browser asks each time.
    """
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


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
