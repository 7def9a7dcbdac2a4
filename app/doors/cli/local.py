"""Queries → answers, from the galleries opened in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.doors.answers import counts_answer, gallery_answer, search_answer
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

    def counts(
        self, gallery: str, column: str, *, limit: int, where: Sequence[str], label: str
    ) -> dict[str, Any]:
        """Return `app.doors.answers.counts_answer` for a column of a gallery."""
        return counts_answer(self._service.counts(gallery, column, where=where, label=label), limit)

    def columns(self, gallery: str) -> list[str]:
        """Return what conditions may be put on in a gallery."""
        return self._service.columns(gallery)

    def thumbnail(self, gallery: str, public_id: str) -> bytes:
        """Return the small WebP picture of an image."""
        return self._service.thumbnail(gallery, self._service.id_of(gallery, public_id))

    def folder(self, gallery: str, source: int = 0) -> Path | None:
        """Return the folder on this machine that paths of a gallery's `source` start from."""
        return self._service.folder(gallery, source)
