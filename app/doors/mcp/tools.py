"""The tools that a language model calls: their arguments → the service → answers and thumbnails."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from anyio import CapacityLimiter, to_thread
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent
from pydantic import Field

from app.doors.answers import counts_answer, gallery_answer, image_answer, search_answer
from app.doors.mcp.picture_argument import picture
from app.doors.parameters import JSON_TYPES, limits_of, with_parameters
from app.errors import UsageError
from app.search.parameter import Parameter
from app.search.picture import Example, File, Query, check_only_one, one_query
from app.search.question import SearchRequest
from app.search.service import SearchService

MOST_PICTURES = 20
MOST_COUNTS = 1000
_MOST_SEARCHES = 16  # at once: they may wait for other servers, in threads that others need

_Gallery = Annotated[str, Field(description="The gallery's name, as list_galleries gives it.")]
_Id = Annotated[str | int, Field(description="The image's id, as in the results of a search.")]


def _annotated(parameter: Parameter) -> Any:
    """Return a search parameter's type and its description for a language model."""
    described = Field(description=parameter.description, json_schema_extra=limits_of(parameter))
    return Annotated[JSON_TYPES[parameter.kind], described]


class Tools:
    """The tools; their docstrings and fields are what a language model reads."""

    def __init__(self, service: SearchService, folders: Sequence[Path] | None) -> None:
        self._service = service
        self._folders = folders
        self._searching = CapacityLimiter(_MOST_SEARCHES)

    async def search_similar(
        self,
        context: "Context[dict[str, Any], Any]",
        image: Annotated[
            str,
            Field(
                description="The picture to search with: its http(s) address, or its file as "
                "base64 (plain or a data: URL). Over stdio also the absolute path of a file in a "
                "folder that the server's RIS_MCP_FOLDERS names. Give either this or id, or words "
                "instead of both."
            ),
        ] = "",
        id: Annotated[
            str | int | None,
            Field(
                description="Instead of image: the id of an image of the same gallery, to find "
                "what is like it."
            ),
        ] = None,
        pictures: Annotated[
            int,
            Field(
                description="How many results, from the best, to add as small pictures to look at.",
                json_schema_extra={"minimum": 0, "maximum": MOST_PICTURES},
            ),
        ] = 10,
        **parameters: Any,
    ) -> CallToolResult:
        """Find the images of a gallery that look like a picture, the most similar first.

        Or those that words describe, or that conditions leave (where, label, sort): without image
        and id. words in the answer says whether the model has understood them ("meaning") or they
        were looked for in labels, paths and metadata ("written").

        The answer has id, path, labels, size and score (a cosine) of each result, whether it is
        the very same file (same_file), the rank of the best result that shows the same picture
        (duplicate_of), and in how many other places of the gallery the same file is (copies,
        places). verdict says in a sentence where the picture is from; the kind of each result
        what it is to the picture (same file, same picture, edited copy, same scene, similar,
        unlike), and match what was done to it. After it come the thumbnails of the best
        results, each behind its rank and id. Where similar_enough is false, nothing in the
        gallery is really like the picture.
        """
        if not 0 <= pictures <= MOST_PICTURES:
            raise UsageError(f"pictures must be from 0 to {MOST_PICTURES}, not {pictures}.")

        def search() -> CallToolResult:
            for name in {"more", "less"} & parameters.keys():
                parameters[name] = [self._example(each) for each in parameters[name]]
            request = SearchRequest.of(self._query(image, id), **parameters)
            result = self._service.answer(request)
            shown: list[ContentBlock] = []
            for hit in result.hits[:pictures]:
                caption = f"Result {hit.rank}: id {hit.image.public_id}, score {hit.score:.3f}"
                shown += [
                    TextContent(text=caption),
                    self._thumbnail(hit.image.gallery or result.gallery, hit.image.id),
                ]
            return _answered(search_answer(result), context, shown)

        return await to_thread.run_sync(search, limiter=self._searching)

    def list_galleries(self) -> CallToolResult:
        """List the galleries: name, number of images, model, index, and how good its recall is.

        A gallery with a reason in `refused` cannot be searched at all; one with a reason in
        `uploads_off` only with its own images, by id.
        """
        return _answered(
            {"galleries": [gallery_answer(info) for info in self._service.galleries()]}
        )

    def describe_image(
        self, context: "Context[dict[str, Any], Any]", gallery: _Gallery, id: _Id
    ) -> CallToolResult:
        """Describe one image of a gallery: path, labels, size, content hash, thumbnail."""
        row = self._service.id_of(gallery, str(id))
        answer = image_answer(gallery, self._service.image(gallery, row))
        return _answered(answer, context, [self._thumbnail(gallery, row)])

    def count_images(
        self,
        gallery: _Gallery,
        column: Annotated[
            str,
            Field(
                description="What to count by: label, folder, or a column of the metadata, such "
                "as camera or taken. Left out: only the columns are listed."
            ),
        ] = "",
        where: Annotated[
            list[str], Field(description="Count only images that are so, as in search_similar.")
        ] = [],  # noqa: B006 - the SDK reads the default, and nothing changes it
        limit: Annotated[
            int,
            Field(
                description="How many values, the most frequent first.",
                json_schema_extra={"minimum": 1, "maximum": MOST_COUNTS},
            ),
        ] = 50,
    ) -> CallToolResult:
        """Count the images of a whole gallery by the values of a column; or list its columns."""
        columns = {"gallery": gallery, "columns": self._service.columns(gallery)}
        if not column:
            return _answered(columns)
        if not 1 <= limit <= MOST_COUNTS:
            raise UsageError(f"limit must be from 1 to {MOST_COUNTS}, not {limit}.")
        counts = self._service.counts(gallery, column, where=where)
        return _answered(columns | counts_answer(counts, limit))

    def _query(self, image: str, public_id: str | int | None) -> Query | None:
        """Return a picture's file, its address, or an image of the gallery; None of nothing."""
        if not image.strip() and public_id is None:
            return None
        check_only_one(("image", image.strip() or None), ("id", public_id))
        if public_id is not None:
            return one_query(id=public_id)
        return picture(image.strip(), self._folders)

    def _example(self, given: str | int) -> Example:
        """Return a further picture: an id or an address as it is, a data: URL's bytes."""
        if isinstance(given, str) and given.strip().lower().startswith("data:"):
            return cast("File", picture(given.strip(), self._folders))
        return given

    def _thumbnail(self, gallery: str, row: int) -> ImageContent:
        data = base64.b64encode(self._service.thumbnail(gallery, row)).decode()
        return ImageContent(data=data, mime_type="image/webp")


# The SDK makes the tool's schema of its signature.
Tools.search_similar.__signature__ = with_parameters(  # type: ignore[attr-defined]
    Tools.search_similar, _annotated
)


def _answered(
    answer: dict[str, Any],
    context: "Context[dict[str, Any], Any] | None" = None,
    shown: Sequence[ContentBlock] = (),
) -> CallToolResult:
    """Return an answer as data, as text for clients that read no data, and its pictures."""
    request = context.request_context.request if context else None
    if request is not None:
        answer = _with_full_addresses(answer, str(request.base_url))
    text = TextContent(text=json.dumps(answer, ensure_ascii=False))
    return CallToolResult(content=[text, *shown], structured_content=answer)


def _with_full_addresses(answer: dict[str, Any], base: str) -> dict[str, Any]:
    addresses = {"image_url", "thumbnail_url"} & answer.keys()
    full: dict[str, Any] = {key: base + answer[key] for key in addresses}
    if "results" in answer:
        full["results"] = [_with_full_addresses(hit, base) for hit in answer["results"]]
    return answer | full
