"""HTTP routes → galleries, their images, and the images similar to one of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from app.doors.answers import counts_answer, gallery_answer
from app.doors.rest.answering import Threads, answer_image, answer_search
from app.doors.rest.image_ids import IMAGE_ROUTE, WHOLE_IMAGE_ROUTE
from app.doors.rest.parameters import CountParameters, ImageId, Name, SimilarParameters
from app.doors.rest.problem_responses import documented, example
from app.doors.rest.schemas import Columns, Counts, Galleries, Gallery, Image, SearchAnswer
from app.search.picture import Item
from app.search.service import SearchService

_PROBLEMS = documented([401, 404, 422, 503])
_PROBLEMS_OF_WORK = documented([401, 404, 422, 429, 503])
_PROBLEMS_OF_A_SEARCH = documented([401, 403, 404, 422, 429, 502, 503])


def routes_of_galleries(service: SearchService) -> APIRouter:
    """Return the routes; an image's id may hold slashes, so they come after the pictures'."""
    router = APIRouter(tags=["Galleries"])
    in_a_thread = Threads().run

    @router.get("/galleries", response_model=Galleries, responses=documented([401]))
    def galleries() -> dict[str, Any]:
        """List every gallery, those that cannot be searched with the reason."""
        return {"galleries": [gallery_answer(info) for info in service.galleries()]}

    @router.get("/galleries/{gallery}", response_model=Gallery, responses=_PROBLEMS)
    def gallery(gallery: Name) -> dict[str, Any]:
        """Describe one gallery."""
        return gallery_answer(service.gallery(gallery))

    @router.get(
        "/galleries/{gallery}/columns",
        response_model=Columns,
        responses=_PROBLEMS,
    )
    def columns(gallery: Name) -> dict[str, Any]:
        """List what conditions may be put on: path, size, labels, and the metadata's columns."""
        return {"gallery": gallery, "columns": service.columns(gallery)}

    @router.get(
        "/galleries/{gallery}/counts",
        response_model=Counts,
        responses=_PROBLEMS,
    )
    def counts(gallery: Name, parameters: Annotated[CountParameters, Query()]) -> dict[str, Any]:
        """Count the images of a whole gallery by the values of a column, the most frequent first.

        With conditions (`where`, `label`), only those that they leave.
        """
        given = parameters.model_dump()
        column, limit = given.pop("column"), given.pop("limit")
        return counts_answer(service.counts(gallery, column, **given), limit)

    @router.get(
        f"{IMAGE_ROUTE}/similar",
        response_model=SearchAnswer,
        responses=_PROBLEMS_OF_A_SEARCH | example("search"),
    )
    async def similar(
        request: Request,
        gallery: Name,
        image: ImageId,
        parameters: Annotated[SimilarParameters, Query()],
    ) -> dict[str, Any]:
        """Find the images of a gallery that are most similar to one of them."""
        search = parameters.request(Item(image), gallery=gallery)
        return await in_a_thread(search, lambda: answer_search(request, service, search))

    @router.get(
        WHOLE_IMAGE_ROUTE,
        response_model=Image,
        responses=_PROBLEMS_OF_WORK | example("image"),
    )
    def image(request: Request, gallery: Name, image: ImageId) -> dict[str, Any]:
        """Describe one image."""
        record = service.image(gallery, service.id_of(gallery, image))
        return answer_image(request, gallery, record)

    return router
