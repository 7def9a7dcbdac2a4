"""Galleries and images over HTTP, the token, and the document."""

from pathlib import Path

import httpx
import pytest

from app.doors.access import Access
from app.doors.answers import gallery_answer, image_answer, search_answer
from app.doors.problems import kinds, problem
from app.doors.rest.schemas import EXAMPLES, Image, Result, SearchAnswer
from app.errors import TokenError
from app.values import ImageRecord
from tests.conftest import Home, is_one_sentence
from tests.doors.rest.conftest import IMAGES, TOKEN, Served, problem_of, service_of
from tests.doors.rest.test_searching import SEARCH
from tests.doors.test_problems import error_classes

# --- galleries and images ------------------------------------------------------------------------


def test_galleries_and_images_are_as_at_every_door(client: httpx.Client, served: Served) -> None:
    listed = [gallery_answer(info) for info in served.service.galleries()]
    assert client.get("/galleries").json() == {"galleries": listed}
    assert client.get("/galleries/mine").json() == listed[1]
    image = image_answer("mine", served.service.image("mine", 3))
    image |= {key: "/" + image[key] for key in ("image_url", "thumbnail_url")}
    assert client.get("/galleries/mine/images/3").json() == image


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/galleries/nothing", 404, "'nothing'"),
        ("/galleries/" + "x" * 3000, 422, "gallery"),
        (f"/galleries/mine/images/{IMAGES}", 404, str(IMAGES)),
        ("/galleries/mine/images/x%0Ay", 404, "/docs"),
        ("/galleries/mine/images/" + "1" * 2000, 422, "image"),
        ("/galleries/mine/images/7/similar?gallery=mine", 422, "'gallery'"),
        ("/galleries/mine/pictures", 404, "'/galleries/mine/pictures'"),
        ("/problems/nothing", 404, "'nothing'"),
    ],
)
def test_what_is_not_there_is_named(
    client: httpx.Client, path: str, status: int, named: str
) -> None:
    assert named in problem_of(client.get(path), status)


def test_the_wrong_method_is_refused_with_the_right_one(client: httpx.Client) -> None:
    for method, path, right in (
        ("GET", SEARCH, "POST"),
        ("PUT", "/galleries/mine", "GET, HEAD, PATCH, DELETE"),
        ("GET", "/galleries/mine/images", "POST"),
        ("POST", "/galleries/mine/images/3", "GET, HEAD, DELETE"),
        ("DELETE", "/galleries/mine/images/3/image", "GET, HEAD"),
    ):
        answer = client.request(method, path)
        assert method in problem_of(answer, 405)
        assert answer.headers["allow"] == right


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/galleries/mine/images/3/image", "/galleries/mine/images/3/thumbnail"],
)
def test_head_is_answered_as_get_without_the_body(served: Served, path: str) -> None:
    served.wait_until_ready()
    whole, head = served.client.get(path), served.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag"):
        assert head.headers.get(name) == whole.headers.get(name)
    assert served.client.head("/galleries/no/images/3/image").status_code == 404


def test_the_models_of_the_document_have_the_fields_of_the_answers(served: Served) -> None:
    answer = search_answer(served.service.search("mine", 1, k=1))
    assert set(SearchAnswer.model_fields) == set(answer)
    assert set(Result.model_fields) == set(answer["results"][0])
    record = ImageRecord(7, "x.jpg", "", 1, 1, 1)
    assert set(Image.model_fields) == set(image_answer("g", record))


def test_a_problem_leads_to_what_its_kind_means(client: httpx.Client) -> None:
    for name, kind in kinds().items():
        meaning = client.get(problem(kind("x"))["type"]).json()
        assert meaning["kind"] == name
        assert meaning["status"] == kind.http_status
        assert is_one_sentence(f"{meaning['title']}.")
        assert "`" not in meaning["title"]
    assert len(kinds()) == len({kind.__name__ for kind in error_classes()})


def test_below_another_path_every_address_begins_with_it(home: Home, tmp_path: Path) -> None:
    import asyncio

    from starlette.applications import Starlette

    from app.doors.rest import RestRoutes, make_rest

    rest = make_rest(service_of(home), keeper=home.keeper(), access=Access(), not_ready=str)
    application = Starlette(routes=[RestRoutes(rest)])

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(application, root_path="/below")
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    image = asyncio.run(ask("/below/galleries/mine/images/3")).json()
    assert image["image_url"] == "/below/galleries/mine/images/3/image"
    assert asyncio.run(ask("/below/galleries/no")).json()["type"] == "/below/problems/not-found"
    assert '"/below/docs-files/swagger-ui.css"' in asyncio.run(ask("/below/docs")).text


# --- the token -----------------------------------------------------------------------------------

PROGRAMS = (
    ("POST", SEARCH),
    ("POST", "/similarity-search/batch"),
    ("POST", "/embed"),
    ("GET", "/galleries"),
    ("GET", "/galleries/mine"),
    ("GET", "/galleries/mine/images/3"),
    ("GET", "/galleries/mine/images/3/similar"),
    ("GET", "/metrics"),
)


@pytest.mark.parametrize(("method", "path"), PROGRAMS)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
)
def test_programs_must_send_the_token(
    guarded: Served, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = guarded.client.request(method, path, headers=headers)
    assert "RIS_API_TOKEN" in problem_of(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


NOTHING_SENT = {"/similarity-search": 422, "/embed": 422}  # words might be, in the address


@pytest.mark.parametrize(("method", "path"), PROGRAMS)
def test_with_the_token_programs_are_answered(guarded: Served, method: str, path: str) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        answer = guarded.client.request(method, path, headers=headers)
        assert answer.status_code == (NOTHING_SENT.get(path, 415) if method == "POST" else 200)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/healthz",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/problems/token",
        "/galleries/mine/images/3/image",
        "/galleries/mine/images/3/thumbnail",
    ],
)
def test_the_page_and_its_pictures_need_no_token(guarded: Served, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


def test_a_token_of_other_characters_is_compared_too() -> None:
    with pytest.raises(TokenError):
        Access("token").check("Bearer tökén\ud800")
    Access().check("")


# --- the document --------------------------------------------------------------------------------


def test_the_document_names_a_token_where_one_is_needed(served: Served, guarded: Served) -> None:
    assert "securitySchemes" not in served.client.get("/openapi.json").json()["components"]
    document = guarded.client.get("/openapi.json").json()
    paths = document["paths"]
    assert paths[SEARCH]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in paths["/healthz"]["get"]


def test_every_answer_of_the_document_has_a_schema_and_every_problem_an_example(
    client: httpx.Client,
) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")):
                    content = answer["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                    assert content["example"]["status"] == int(status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_image_of_the_examples_is_one_as_answers_have_it() -> None:
    image = EXAMPLES["image"]
    assert image["path"] == "butterfly/image_0017.jpg"
    assert set(image) == set(Image.model_fields)


# --- addresses that there are not --------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/galleries//images/3",
        "/galleries//images/",
        "/galleries/mine/image",
        "/problems/",
        "/similarity-search/x",
        "//galleries",
    ],
)
def test_an_address_that_is_no_route_is_called_so(client: httpx.Client, path: str) -> None:
    """And not an image or a gallery without a name."""
    for method in ("GET", "POST"):
        answer = client.request(method, str(client.base_url) + path, follow_redirects=True)
        assert answer.status_code == 404
        problem = answer.json()
        assert problem["type"] == "about:blank"
        assert repr(path) in problem["detail"]
        assert "/docs" in problem["detail"]
    head = client.head(str(client.base_url) + path, follow_redirects=True)
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("path", ["/image", "/thumbnail", "3/", "3//", "/3"])
def test_an_id_with_a_slash_is_named_whole(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{client.base_url}/galleries/mine/images/{path}", follow_redirects=True)
    assert answer.status_code == 404
    assert repr(path) in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/galleries", "/galleries/mine", "/healthz", "/readyz"])
def test_a_slash_at_the_end_leads_to_the_route(client: httpx.Client, path: str) -> None:
    client.get("/readyz")
    answer = client.get(f"{path}/", follow_redirects=True)
    assert answer.history[0].status_code == 307
    assert answer.url.path == path
    assert answer.status_code == 200
