"""HTTP routes → a gallery's thumbnails and original pictures, in formats that browsers show."""

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from app.doors.answers import thumbnail_url
from app.doors.rest.answering import root_of
from app.doors.rest.image_ids import IMAGE_ROUTE
from app.doors.rest.parameters import ImageId, Name
from app.doors.rest.problem_responses import documented
from app.errors import NotFoundError
from app.images.formats import FORMATS
from app.search.service import SearchService

Fallback = Annotated[
    Literal["thumbnail"] | None,
    Query(description="What to send where the original is not here; left out: a problem, 404."),
]

_NONE: Mapping[str, str] = MappingProxyType({})
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
    def picture(
        request: Request, gallery: Name, image: ImageId, fallback: Fallback = None
    ) -> Response:
        """Send the original picture, as a PNG where browsers cannot show it.

        404 where it is not here any more or has changed, or with `fallback=thumbnail` its small
        WebP picture, whose address is then in the header Content-Location.
        """
        row = service.id_of(gallery, image)
        record = service.image(gallery, row)
        name = PurePosixPath(record.path)
        try:
            data, media_type = service.picture(gallery, row)
        except NotFoundError:
            if fallback is None:
                raise
            named = _named(f"{name.stem} thumbnail.webp")  # not to be taken for the original
            address = {"Content-Location": f"{root_of(request)}/{thumbnail_url(gallery, record)}"}
            return _picture(request, service.thumbnail(gallery, row), "image/webp", named | address)
        if media_type not in _SHOWN_BY_BROWSERS:
            return _picture(request, service.preview(data), "image/png", _named(f"{name.stem}.png"))
        return _picture(request, data, media_type, _named(name.name))

    return router


def _named(name: str) -> dict[str, str]:
    """Return the header with the name that a saved picture gets (RFC 6266)."""
    return {"Content-Disposition": f"inline; filename*=UTF-8''{quote(name, '', errors='replace')}"}


def _picture(
    request: Request, data: bytes, media_type: str, headers: Mapping[str, str] = _NONE
) -> Response:
    """Send a picture, or 304 if the browser's copy is still the same.

    A rebuild gives the same ids to other pictures, so a browser has to ask each time.
    """
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    sent = {"Cache-Control": "private, no-cache", "ETag": tag, **headers}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=sent)
    return Response(data, media_type=media_type, headers=sent)


def _pictures(*media_types: str) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {"description": "The picture.", "content": dict.fromkeys(media_types, schema)},
        304: {"description": "The copy with the ETag in If-None-Match is still the same."},
    }
