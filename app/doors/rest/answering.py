"""A search or an image → the JSON of `app.doors.answers`, with addresses that can be followed."""

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

from app.doors import answers
from app.search.question import SearchRequest
from app.search.service import SearchService
from app.values import ImageRecord

_ADDRESSES = ("image_url", "thumbnail_url")
_MOST_FETCHES = 16  # at once: other servers may be slow, and what needs none of them must not wait
_Answer = TypeVar("_Answer")


class Threads:
    """Runs the searches of some routes; those that fetch pictures wait for one another alone."""

    def __init__(self) -> None:
        self._fetching = CapacityLimiter(_MOST_FETCHES)

    async def run(self, search: SearchRequest, answer: Callable[[], _Answer]) -> _Answer:
        """Return what `answer` returns, which it does in a thread."""
        limiter = self._fetching if search.may_fetch else None
        return await to_thread.run_sync(answer, limiter=limiter)


def answer_search(
    request: Request, service: SearchService, search: SearchRequest
) -> dict[str, Any]:
    """Return the answer to one query."""
    answer = answers.search_answer(service.answer(search))
    return answer | {"results": [_from_root(request, hit) for hit in answer["results"]]}


def answer_image(request: Request, gallery: str, record: ImageRecord) -> dict[str, Any]:
    """Return an image's facts."""
    return _from_root(request, answers.image_answer(gallery, record))


def root_of(request: Request) -> str:
    """Return the path that the server is mounted at: '' unless a proxy put it below another."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _from_root(request: Request, image: dict[str, Any]) -> dict[str, Any]:
    root = root_of(request)
    return image | {key: f"{root}/{image[key]}" for key in _ADDRESSES}
