"""HTTP routes → the search service: health, and the pictures of a gallery by integer id."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

import app
from app.errors import AppError, NotFoundError
from app.service import SearchService

# A gallery can be rebuilt, and its ids then name other pictures: ask again, but cheaply.
_CACHED_AN_HOUR = {"Cache-Control": "private, max-age=3600"}
_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"}


def routes(service: SearchService) -> APIRouter:
    """Return the routes; their errors are AppErrors, answered by the server's handler."""
    router = APIRouter()

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


def error_body(error: AppError) -> dict[str, str]:
    """Return the JSON body that tells an error."""
    return {"error": str(error)}
