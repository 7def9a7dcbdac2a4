"""The tools → an MCP server, over stdio or as an application for HTTP; errors → one sentence."""

import inspect
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

import app
from app.doors import problems
from app.doors.access import EVERYBODY, Access
from app.doors.mcp.tools import Tools
from app.errors import AppError, TokenError
from app.search.service import SearchService
from app.values import MAX_PICTURE_BYTES

_MOST_BYTES_OF_A_REQUEST = MAX_PICTURE_BYTES * 4 // 3 + 64 * 1024
_INSTRUCTIONS = (
    "Reverse image search: finds the images of a gallery that look like a picture. "
    "Ask list_galleries which galleries there are, search_similar with a picture's address, its "
    "base64, the id of an image of the gallery or words, describe_image about one image, and "
    "count_images by what is known of them. "
    "A score is a cosine from -1 to 1, and 1 means that two pictures are alike to the last detail; "
    "where similar_enough is false, nothing in the gallery is really like the picture."
)
_ONLY_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_ASKS_OTHER_HOSTS = _ONLY_READS.model_copy(update={"open_world_hint": True})


def make_server(
    service: SearchService, *, folders: Sequence[Path] | None
) -> "MCPServer[dict[str, Any]]":
    """Return the MCP server with its tools.

    A picture may be named by its path if it lies in one of `folders`, links resolved; None, for a
    server that others reach over a network, allows no paths at all.
    """
    server = _OneSentenceServer(
        "reverse-image-search",
        title="Reverse image search",
        instructions=_INSTRUCTIONS,
        version=app.__version__,
        log_level="WARNING",
    )
    tools = Tools(service, folders)
    for tool, title, annotations in (
        (tools.search_similar, "Search similar images", _ASKS_OTHER_HOSTS),
        (tools.list_galleries, "List galleries", _ONLY_READS),
        (tools.describe_image, "Describe an image", _ONLY_READS),
        (tools.count_images, "Count images", _ONLY_READS),
    ):
        described = inspect.getdoc(tool)  # without the indents
        server.add_tool(tool, title=title, description=described, annotations=annotations)
    return server


class OverHttp:
    """The tools as Streamable HTTP: an ASGI application at `path`, alive while `running`.

    It keeps no sessions, so it sends nothing of its own accord and takes POST alone, as the
    protocol allows. Which pages may ask is decided around it, for all routes alike; which programs,
    by their token.
    """

    path = "/mcp"

    def __init__(self, service: SearchService, *, access: Access = EVERYBODY) -> None:
        self._access = access
        self._server = make_server(service, folders=None)
        self._application = self._server.streamable_http_app(
            streamable_http_path=self.path,
            json_response=True,
            stateless_http=True,
            max_request_body_size=_MOST_BYTES_OF_A_REQUEST,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    @asynccontextmanager
    async def running(self, application: object) -> AsyncIterator[None]:
        """Answer until left; the lifespan of the application around."""
        async with self._server.session_manager.run():
            yield

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        answer: Any = self._application
        root = scope.get("root_path", "")
        try:
            self._access.check(Headers(scope=scope).get("authorization", ""))
            if scope["method"] != "POST":
                detail = f"{root}{self.path} is for MCP clients, which ask with POST."
                answer = _problem(problems.problem_of_status(405, detail), {"Allow": "POST"})
        except TokenError as exc:
            answer = _problem(problems.problem(exc, root=root))
        await answer(scope, receive, send)


class _OneSentenceServer(MCPServer[dict[str, Any]]):
    """Answers an error with one sentence, without the SDK's prefix and pydantic's lines."""

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        context: "Context[dict[str, Any], Any] | None" = None,
    ) -> Any:
        """Call a tool; its AppErrors and wrong arguments become answers of one sentence."""
        for tool in await self.list_tools():
            known = set(tool.input_schema["properties"])
            if tool.name != name:
                continue
            if arguments.keys() - known:
                first = sorted(arguments.keys() - known)[0]
                known_ones = ", ".join(tool.input_schema["properties"]) or "no arguments at all"
                return _error(f"{name} does not take {shortened(first)}, but {known_ones}.")
            for given, value in arguments.items():
                kind = tool.input_schema["properties"][given].get("type")
                if isinstance(value, bool) and kind != "boolean":  # pydantic takes true for 1
                    return _error(f"{given} cannot be {str(value).lower()}.")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as exc:
            if isinstance(exc.__cause__, AppError):
                return _error(str(exc.__cause__))
            if isinstance(exc.__cause__, ValidationError):
                return _error(_first_of(exc.__cause__))
            raise


def _problem(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    status = body["status"]
    return JSONResponse(
        body,
        status,
        headers=problems.headers(status) | dict(headers or {}),
        media_type=problems.MEDIA_TYPE,
    )


def _error(sentence: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=sentence)], is_error=True)


def _first_of(error: ValidationError) -> str:
    """Return the first wrong argument in one sentence."""
    first = error.errors()[0]
    name = first["loc"][0] if first["loc"] else "An argument"
    if first["type"] == "missing":
        return f"{name} is missing."
    of_one = [each for each in error.errors() if each["loc"][:1] == first["loc"][:1]]
    if isinstance(first["loc"][-1], int):  # a place in a list
        return problems.wrong_value(f"Each number of {name}", [first])
    return problems.wrong_value(name, of_one)
