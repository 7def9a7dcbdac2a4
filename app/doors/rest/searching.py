"""HTTP routes → searches and vectors: of a picture's file, its URL or an image's id."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Query as InAddress
from starlette.datastructures import UploadFile

from app.doors.problems import problem
from app.doors.rest import bodies
from app.doors.rest.answering import Threads, answer_search, root_of
from app.doors.rest.parameters import EmbedParameters, SearchParameters
from app.doors.rest.problem_responses import documented, example
from app.doors.rest.schemas import BatchAnswer, SearchAnswer, Vector
from app.errors import QueryError, TooLargeError
from app.search.picture import File
from app.search.service import SIDE_BY_SIDE, SearchService

_PROBLEMS = documented([401, 403, 404, 408, 413, 415, 422, 429, 502, 503])
_PROBLEMS_OF_A_BATCH = documented([401, 404, 408, 413, 415, 422, 429, 503])
_ID = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}]}
_URL = {
    "type": "string",
    "format": "uri",
    "pattern": "^https?://",
}
_MEDIA_TYPES = {
    "multipart": "multipart/form-data",
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
}
_FILE = {"type": "string", "format": "binary", "description": "A picture of at most 50 MB."}
_FILES = {"type": "array", "items": _FILE, "minItems": 1, "maxItems": bodies.MOST_FILES}


def _body(**content: dict[str, Any]) -> dict[str, Any]:
    """Return a request body's description in the document, by the kinds it may be sent as."""
    return {
        "requestBody": {
            "required": True,
            "content": {_MEDIA_TYPES[kind]: schema for kind, schema in content.items()},
        }
    }


def _one_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has exactly one of these properties, with an example."""
    schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"schema": schema, "example": {"id": 17}}


_A_QUERY = _body(
    # url, id, more and less are taken here too, but the page of the document would fill them in
    # beside a file.
    multipart={"schema": {"type": "object", "properties": {"file": _FILE}}},
    form=_one_of(url=_URL, id=_ID),
    json=_one_of(url=_URL, id=_ID),
)
_SOME_FILES = _body(
    multipart={
        "schema": {
            "type": "object",
            "properties": {"files": _FILES},
            "required": ["files"],
            "additionalProperties": False,
        }
    }
)


def routes_of_searching(service: SearchService) -> APIRouter:
    """Return the routes; each does its work in a thread, and only reads the body outside of it."""
    router = APIRouter(tags=["Search"])
    in_a_thread = Threads().run

    @router.post(
        "/similarity-search",
        response_model=SearchAnswer,
        responses=_PROBLEMS | example("search"),
        openapi_extra=_A_QUERY,
    )
    async def similarity_search(
        request: Request,
        parameters: Annotated[SearchParameters, InAddress()],
        asked: Annotated[bodies.Asked, Depends(bodies.read_query)],
    ) -> dict[str, Any]:
        """Find the images of a gallery that are most similar to a picture, or that words describe.

        The picture is a `file`, a `url` that the server fetches, or the `id` of an image of the
        gallery; one of them, or none where there are `words`, or conditions alone (`where`,
        `label`, `sort`), which list all images that are so. A form may hold further pictures'
        files as `more` and `less`.
        """
        search = parameters.request(asked.query, asked.examples)
        return await in_a_thread(search, lambda: answer_search(request, service, search))

    @router.post(
        "/similarity-search/batch",
        response_model=BatchAnswer,
        responses=_PROBLEMS_OF_A_BATCH | example("batch"),
        openapi_extra=_SOME_FILES,
    )
    def similarity_search_of_files(
        request: Request,
        parameters: Annotated[SearchParameters, InAddress()],
        files: Annotated[list[UploadFile], Depends(bodies.read_files)],
    ) -> dict[str, Any]:
        """Search with several files, up to 32 of together 200 MB; the answers are in their order.

        A file that is no picture gets a problem in place of its answer; what is wrong with all of
        them alike is the problem of the whole request.
        """
        service.default_gallery()  # what is wrong with all alike ends the whole request
        parameters.request(File(b""))
        one = partial(_answer, request, service, parameters=parameters)
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="batch") as pool:
            return {"answers": list(pool.map(one, files))}

    @router.post(
        "/embed",
        response_model=Vector,
        responses=_PROBLEMS | example("vector"),
        openapi_extra=_A_QUERY,
    )
    async def embed(
        parameters: Annotated[EmbedParameters, InAddress()],
        asked: Annotated[bodies.Asked, Depends(bodies.read_query)],
    ) -> dict[str, Any]:
        """Give the unit vector of a picture, as this gallery's searches compare it."""
        search = parameters.request(asked.query, asked.examples)

        def answer() -> dict[str, Any]:
            gallery = search.gallery or service.default_gallery()
            vector = service.embed(search)
            return {
                "vector": vector.tolist(),
                "dim": len(vector),
                "model": service.gallery(gallery).model,
                "gallery": gallery,
            }

        return await in_a_thread(search, answer)

    return router


def _answer(
    request: Request,
    service: SearchService,
    file: UploadFile,
    parameters: SearchParameters,
) -> dict[str, Any]:
    """Return the answer to one file, read only now, or its problem; other errors are raised."""
    name = file.filename or ""
    try:
        search = parameters.request(File(bodies.contents(file)))
        answer = answer_search(request, service, search)
    except (QueryError, TooLargeError) as exc:
        details = problem(exc, root=root_of(request))
        return {"file": name, "answer": None, "problem": details}
    return {"file": name, "answer": answer, "problem": None}
