"""HTTP routes → a gallery's thumbnails and original pictures, in formats that browsers show."""

import hashlib
from typing import Any

from fastapi import APIRouter, Request, Response

from app.doors.rest.image_ids import IMAGE_ROUTE
from app.doors.rest.parameters import ImageId, Name
from app.doors.rest.problem_responses import documented
from app.errors import NotFoundError
from app.images.formats import FORMATS
from app.search.service import SearchService

_SHOWN_BY_BROWSERS = tuple(each.media_type for each in FORMATS if each.shown_by_browsers)
_PROBLEMS = documented([404, 422, 503])


def routes_of_pictures(service: SearchService) -> APIRouter:
    """Return the routes, which need no token: the page shows the pictures."""
    router = APIRouter(tags=["Pictures"])

    @router.get(
        f"{IMAGE_ROUTE}/thumbnail",
        response_class=Response,
        responses=_PROBLEMS | _pictures("image/webp"),
    )
    def thumbnail(request: Request, gallery: Name, image: ImageId) -> Response:
        """Send the small WebP picture of an image."""
        row = service.id_of(gallery, image)
        return _picture(request, service.thumbnail(gallery, row), "image/webp")

    @router.get(
        f"{IMAGE_ROUTE}/image",
        response_class=Response,
        responses=_PROBLEMS | _pictures(*_SHOWN_BY_BROWSERS),
    )
    def picture(request: Request, gallery: Name, image: ImageId) -> Response:
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
    """Send a picture, or 304 if the browser's copy is still the same.

    A rebuild gives the same ids to other pictures, so a browser has to ask each time.
    """
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def _pictures(*media_types: str) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {"description": "The picture.", "content": dict.fromkeys(media_types, schema)},
        304: {"description": "The copy with the ETag in If-None-Match is still the same."},
    }
