"""Queries → answers, from the galleries opened in this process."""

from pathlib import Path
from typing import Any

from app.doors.answers import gallery_answer, search_answer
from app.search.question import SearchRequest
from app.settings import Settings
from app.wiring import make_service


class LocalGalleries:
    """Opens galleries and models in this process when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._service = make_service(settings)

    def search(self, request: SearchRequest) -> dict[str, Any]:
        """Return the JSON of the answer to a request."""
        return search_answer(self._service.answer(request))

    def names(self) -> list[str]:
        """Return the names of all galleries, without opening any."""
        return self._service.names()

    def galleries(self) -> list[dict[str, Any]]:
        """Return `app.doors.answers.gallery_answer` for every gallery."""
        return [gallery_answer(gallery) for gallery in self._service.galleries()]

    def gallery(self, name: str) -> dict[str, Any]:
        """Return `app.doors.answers.gallery_answer` for one gallery."""
        return gallery_answer(self._service.gallery(name))

    def thumbnail(self, gallery: str, public_id: str) -> bytes:
        """Return the small WebP picture of an image."""
        return self._service.thumbnail(gallery, self._service.id_of(gallery, public_id))

    def folder(self, gallery: str, source: int = 0) -> Path | None:
        """Return the folder on this machine that paths of a gallery's `source` start from."""
        return self._service.folder(gallery, source)
