"""The service → the application of the programs' routes, with their document at /docs."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, params
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.routing import Match, Mount

import app
from app.build.keeper import GalleryKeeper
from app.doors.access import Access
from app.doors.rest.answering import root_of
from app.doors.rest.changes import routes_of_changes
from app.doors.rest.duplicates import routes_of_duplicates
from app.doors.rest.galleries import routes_of_galleries
from app.doors.rest.head_requests import AnsweringHead
from app.doors.rest.metrics import Counting, Metrics
from app.doors.rest.operations import routes_of_operations
from app.doors.rest.parameters import refuse_repeated
from app.doors.rest.pictures import routes_of_pictures
from app.doors.rest.problem_responses import handle_errors
from app.doors.rest.searching import routes_of_searching
from app.search.service import SearchService

_ABOUT = """Ask a gallery of pictures for those that look like yours.

Every error is [problem details](https://www.rfc-editor.org/rfc/rfc9457) with one sentence that says
what happened and what to do. Where the server was started with RIS_API_TOKEN, searches, vectors,
galleries, changes and measurements need the header `Authorization: Bearer TOKEN`.
"""
# The page has all other addresses.
FIRST_PARTS = {
    "similarity-search",
    "embed",
    "galleries",
    "healthz",
    "readyz",
    "metrics",
    "problems",
    "openapi.json",
    "docs",
    "docs-files",
}
_FILES_OF_THE_DOCUMENT = "/docs-files"
_READ_ALONE = {"GET", "HEAD", "OPTIONS"}
_COST_LITTLE = re.compile(
    r"healthz|readyz|metrics|problems/.*|openapi\.json|docs|docs-files/.*"
    r"|galleries(/[^/]+(/update|/duplicates|/images/.+/(image|thumbnail))?)?"
)


def make_rest(
    service: SearchService,
    *,
    keeper: GalleryKeeper,
    access: Access,
    not_ready: Callable[[], str],
) -> FastAPI:
    """Return the application of the programs' routes; it answers its own 404 and 405 too."""
    application = FastAPIOffline(
        title="Reverse image search",
        dependencies=[params.Depends(refuse_repeated)],
        version=app.__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        static_url=_FILES_OF_THE_DOCUMENT,
        generate_unique_id_function=lambda route: route.name,
        swagger_ui_parameters={"docExpansion": "list", "tryItOutEnabled": True},
    )
    _add_docs(application)
    measured = Metrics(service)
    programs = _check_of(access)
    application.include_router(routes_of_searching(service), dependencies=programs)
    application.include_router(routes_of_pictures(service))
    application.include_router(routes_of_duplicates(service, keeper), dependencies=programs)
    application.include_router(routes_of_galleries(service), dependencies=programs)
    application.include_router(routes_of_changes(service, keeper), dependencies=programs)
    application.include_router(
        routes_of_operations(
            service, measured, access=access, not_ready=not_ready, programs=programs
        )
    )
    handle_errors(application)
    application.state.measured = measured
    application.add_middleware(Counting, metrics=measured)
    application.add_middleware(AnsweringHead)
    return application


def _add_docs(application: FastAPI) -> None:
    """Add the page of the document, whose addresses are right below a root path too.

    FastAPIOffline's own has one for OAuth 2, which nothing here uses, without the root path.
    """

    @application.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        root = root_of(request)
        files = f"{root}{_FILES_OF_THE_DOCUMENT}"
        return get_swagger_ui_html(
            openapi_url=f"{root}{application.openapi_url}",
            title=f"{application.title} - Swagger UI",
            swagger_js_url=f"{files}/swagger-ui-bundle.js",
            swagger_css_url=f"{files}/swagger-ui.css",
            swagger_favicon_url=f"{files}/favicon.png",
            swagger_ui_parameters=application.swagger_ui_parameters,
        )


def _check_of(access: Access) -> list[params.Depends]:
    """Return the dependencies of routes for programs: the token's check, if one is needed."""
    if not access.needs_token:
        return []
    bearer = HTTPBearer(auto_error=False, description="The value of RIS_API_TOKEN.")

    async def check(request: Request, _: Annotated[Any, Depends(bearer)]) -> None:
        access.check(request.headers.get("authorization", ""))

    return [params.Depends(check)]


class RestRoutes(Mount):
    """Leads every address that begins like one of the programs' to their application.

    So an unknown address gets its problem as an answer, and not the page at /.
    """

    def __init__(self, application: FastAPI) -> None:
        super().__init__("/", application)

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Match by the first part of the path."""
        if scope["type"] != "http" or _first_part(scope) not in FIRST_PARTS:
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self.app}  # also where a line ends in the address


class CountingDoors(Counting):
    """Counts the requests of the other doors under one name each: their addresses are many."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, and count what the programs' application has not counted."""
        counted = scope["type"] == "http" and _first_part(scope) in FIRST_PARTS
        await (self._application if counted else super().__call__)(scope, receive, send)

    def route_of(self, scope: Any) -> str:
        """Return the name of a door."""
        return "/mcp" if _first_part(scope) == "mcp" else "page"


def costs_little(scope: Any) -> bool:
    """Return whether a request is for what is there already, so that limits need not count it.

    That is a GET of the page and its files, a picture, a gallery's facts or its progress, health,
    measurements and the document. All other routes for programs count, new ones too.
    """
    if scope["method"] not in _READ_ALONE:
        return False
    path = _path_of(scope)
    return _first_part(scope) not in FIRST_PARTS or bool(_COST_LITTLE.fullmatch(path))


def _first_part(scope: Any) -> str:
    return _path_of(scope).partition("/")[0]


def _path_of(scope: Any) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", "")).lstrip("/")
