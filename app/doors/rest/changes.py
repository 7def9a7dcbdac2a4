"""HTTP routes → galleries changed, where the operator allows it: updates, images, names."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.build.additions import NewImage
from app.build.keeper import GalleryKeeper
from app.doors.answers import gallery_answer, outcome_answer, progress_answer
from app.doors.problems import problem
from app.doors.rest import bodies
from app.doors.rest.additions import MOST_IMAGES, Additions, read_additions
from app.doors.rest.answering import root_of
from app.doors.rest.image_ids import WHOLE_IMAGE_ROUTE
from app.doors.rest.parameters import ImageId, Name
from app.doors.rest.problem_responses import documented
from app.doors.rest.schemas import Additions as AdditionsAnswer
from app.doors.rest.schemas import Gallery, Merged, Updating
from app.errors import AppError, DecodeError, UsageError
from app.search.picture import is_unicode
from app.search.service import SearchService

_CHANGED_AT_ONCE = 2  # a change may decode a picture, which takes memory, and waits for the others
_READ_AT_ONCE = 8  # other servers may be slow
_PROBLEMS = documented([401, 403, 404, 409, 422, 429, 503, 507])
_PROBLEMS_WITH_A_BODY = documented([401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 507])
_PROBLEMS_OF_IMAGES = _PROBLEMS_WITH_A_BODY | documented([502])
_SETTINGS = {"title": 200, "name": 200, "folder": 4_000, "from": 4_000}
_Answer = TypeVar("_Answer")


class _UpdateParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    accept_removals: Annotated[
        bool, Field(description="Go on where more than half of the pictures are gone.")
    ] = False


def _object(example: dict[str, Any], **properties: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a JSON body with some of these properties."""
    schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
    }
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


_TEXT = {"type": "string"}
_LABELS = {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": 100}
_IMAGE: dict[str, dict[str, Any]] = {
    "url": {"type": "string", "format": "uri", "pattern": "^https?://"},
    "vector": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "key": {"type": "string", "maxLength": 200},
    "labels": _LABELS,
}
_IMAGES = _object(
    {"url": "https://example.org/cat.jpg", "key": "cat-1", "labels": ["cat"]},
    **_IMAGE,
    images={
        "type": "array",
        "items": {"type": "object", "properties": _IMAGE, "additionalProperties": False},
        "minItems": 1,
        "maxItems": MOST_IMAGES,
    },
)
_FILE = {"type": "string", "format": "binary", "description": "A picture of at most 50 MB."}
_IMAGES["requestBody"]["content"]["multipart/form-data"] = {
    "schema": {
        "type": "object",
        "properties": {
            "files": {
                "type": "array",
                "items": _FILE,
                "minItems": 1,
                "maxItems": bodies.MOST_FILES,
            },
            "keys": {"type": "array", "items": _TEXT, "maxItems": bodies.MOST_FILES},
            "labels": _LABELS,
        },
        "required": ["files"],
        "additionalProperties": False,
    }
}


def routes_of_changes(service: SearchService, keeper: GalleryKeeper) -> APIRouter:
    """Return the routes; all that change anything are refused where the keeper is off."""
    router = APIRouter(tags=["Changes"])
    allowed = [Depends(keeper.check_on)]
    changing, reading = CapacityLimiter(_CHANGED_AT_ONCE), CapacityLimiter(_READ_AT_ONCE)

    async def change(work: Callable[[], _Answer]) -> _Answer:
        return await to_thread.run_sync(work, limiter=changing)

    @router.post(
        "/galleries/{gallery}/update",
        status_code=202,
        response_model=Updating,
        responses=_PROBLEMS,
        dependencies=allowed,
    )
    def update_gallery(
        gallery: Name, parameters: Annotated[_UpdateParameters, Query()]
    ) -> dict[str, Any]:
        """Begin to bring a gallery up to date with its folders or its list, in the background."""
        started = keeper.start_update(gallery, accept_removals=parameters.accept_removals)
        return progress_answer(gallery, started)

    @router.get(
        "/galleries/{gallery}/update",
        response_model=Updating,
        responses=documented([401, 404, 422, 503]),
    )
    def update_progress(gallery: Name) -> dict[str, Any]:
        """Say how far a gallery's update is, or what the last one since the server's start did."""
        return progress_answer(gallery, keeper.update_progress(gallery))

    @router.post(
        "/galleries/{gallery}/images",
        response_model=AdditionsAnswer,
        responses=_PROBLEMS_OF_IMAGES,
        dependencies=allowed,
        openapi_extra=_IMAGES,
    )
    async def add_images(
        request: Request,
        gallery: Name,
        additions: Annotated[Additions, Depends(read_additions)],
    ) -> dict[str, Any]:
        """Add images: files in a form, or URLs and vectors of the gallery's model as JSON.

        An image with a `key` that the gallery has is replaced. The answers are in the images'
        order; where a request is for one image, its problem is that of the request.
        """
        await change(partial(keeper.size, gallery))
        read = partial(additions.read, service.fetch)
        images = await to_thread.run_sync(read, limiter=reading)
        return await change(partial(_add, request, keeper, gallery, additions, images))

    @router.delete(WHOLE_IMAGE_ROUTE, status_code=204, responses=_PROBLEMS, dependencies=allowed)
    async def remove_image(gallery: Name, image: ImageId) -> None:
        """Take an image out of a gallery; its file stays, and no update brings it back."""
        await change(partial(keeper.remove, gallery, [image]))

    @router.patch(
        "/galleries/{gallery}",
        response_model=Gallery,
        responses=_PROBLEMS_WITH_A_BODY,
        dependencies=allowed,
        openapi_extra=_object(
            {"title": "Photographs since 1998"},
            **{name: {"type": "string", "maxLength": most} for name, most in _SETTINGS.items()},
        ),
    )
    async def edit_gallery(request: Request, gallery: Name) -> dict[str, Any]:
        """Say where a gallery's pictures are now, give it a title, another name; in this order.

        `folder` is a whole path of the server's machine, and `from` which of several folders has
        moved.
        """
        example = '{"title": "…"}, {"name": "…"} or {"folder": "/…"}'
        given = await bodies.read_object(request, _SETTINGS, example=example)
        return await change(partial(_edit, service, keeper, gallery, given))

    @router.delete(
        "/galleries/{gallery}", status_code=204, responses=_PROBLEMS, dependencies=allowed
    )
    async def delete_gallery(gallery: Name) -> None:
        """Delete a gallery; its pictures stay where they are."""
        await change(partial(keeper.delete, gallery))

    @router.post(
        "/galleries/{gallery}/merge",
        response_model=Merged,
        responses=_PROBLEMS_WITH_A_BODY,
        dependencies=allowed,
        openapi_extra=_object({"gallery": "holidays"}, gallery={"type": "string"}),
    )
    async def merge_galleries(request: Request, gallery: Name) -> dict[str, Any]:
        """Add the images of another gallery of the same model, which stays."""
        given = await bodies.read_object(request, {"gallery"}, example='{"gallery": "other"}')
        other = _setting(given, "gallery", _SETTINGS["name"])
        if not other:
            raise UsageError('Name the gallery to merge, as {"gallery": "other"}.')
        manifest, added, known = await change(partial(keeper.merge, gallery, other))
        return {"gallery": gallery, "images": manifest.images, "added": added, "known": known}

    return router


def _add(
    request: Request,
    keeper: GalleryKeeper,
    gallery: str,
    additions: Additions,
    images: list[NewImage | AppError],
) -> dict[str, Any]:
    """Add what could be read; return what became of each image, in their order."""
    new = [each for each in images if isinstance(each, NewImage)]
    outcomes = iter(keeper.add(gallery, new).outcomes if new else ())
    answers = []
    for name, image in zip(additions.names, images, strict=True):
        error = image if isinstance(image, AppError) else None
        answer: dict[str, Any] = {"name": name, "id": None, "became": "skipped", "problem": None}
        if error is None:
            outcome = next(outcomes)
            answer |= outcome_answer(outcome)
            error = DecodeError(outcome.reason) if outcome.became == "skipped" else None
        if error is not None:
            if additions.alone:
                raise error
            answer["problem"] = problem(error, root=root_of(request))
        answers.append(answer)
    counts = Counter(each["became"] for each in answers)
    return {
        "gallery": gallery,
        "ids": [each["id"] for each in answers],
        "images": answers,
        **{each: counts[each] for each in ("added", "replaced", "known", "skipped")},
    }


def _edit(
    service: SearchService, keeper: GalleryKeeper, gallery: str, given: dict[str, Any]
) -> dict[str, Any]:
    """Change what is given of a gallery; return its facts as they are then."""
    if not given.keys() - {"from"}:
        raise UsageError("Give a title, a name or a folder.")
    values = {name: _setting(given, name, most) for name, most in _SETTINGS.items()}
    folder, title, new_name = values["folder"], values["title"], values["name"]
    if folder is not None:
        if not Path(folder).is_absolute():
            raise UsageError(f"Give the folder's whole path, from / on, not {folder!r}.")
        keeper.move(gallery, Path(folder), before=values["from"] or "")
    elif values["from"] is not None:
        raise UsageError("from says which folder has moved: give folder, where it is now, too.")
    if title is not None:
        keeper.set_title(gallery, title)
    if new_name is not None and new_name != gallery:
        gallery = keeper.rename(gallery, new_name).name
    return gallery_answer(service.gallery(gallery))


def _setting(given: dict[str, Any], name: str, most: int) -> str | None:
    """Return a text of a body, None where it is not given."""
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, str) or len(value) > most or not is_unicode(value) or "\0" in value:
        raise UsageError(f"{name} must be text of at most {most} characters.")
    return value
