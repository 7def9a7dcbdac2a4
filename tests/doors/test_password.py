"""A server with a password answers those alone who send it, or the token."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.doors import access
from app.doors.access import Access
from app.doors.server import make_application
from app.settings import read_settings
from app.wiring import make_keeper, make_maker
from tests.conftest import Home, fill, is_one_sentence
from tests.doors.conftest import asgi

PATHS = [
    *("/", "/config", "/galleries", "/galleries/mine/images/0/thumbnail", "/docs", "/nothing"),
    *("/openapi.json", "/gradio_api/info", "/mcp", "/healthz/x"),
]
PASSWORD, TOKEN = "Grüße, Jürgen: 1:2", "a-token"


def basic(password: str, name: str = "anybody") -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def application(loops_closed: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = Home(tmp_path_factory.mktemp("behind") / "home")
    home.build(fill(home.path / "pictures", 4), "mine")
    settings = read_settings({"RIS_HOME": str(home.path)})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(access, "WRONG_SECONDS", 0.01)
        yield make_application(
            home.service(),
            home.path,
            make_maker(settings),
            make_keeper(settings),
            host="0.0.0.0",
            access=Access(TOKEN),
            password=PASSWORD,
        )


def asked(application: Any, path: str, authorization: str = "") -> httpx.Response:
    headers = {"Authorization": authorization.encode()} if authorization else {}
    return asgi(application, "GET", path, headers)


@pytest.mark.parametrize(
    "authorization",
    [
        *("", basic(""), basic(PASSWORD.upper()), basic(PASSWORD)[:-4], f"Bearer {PASSWORD}"),
        *("Bearer wrong", "Bearer ", "Basic", "Basic ÿ", f"Digest {TOKEN}", basic(TOKEN)),
    ],
)
def test_without_it_nothing_is_answered(application: Any, authorization: str) -> None:
    for path in PATHS if not authorization else PATHS[:2]:
        answer = asked(application, path, authorization)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert answer.json()["type"] == "/problems/password"
        assert is_one_sentence(answer.json()["detail"])
        assert PASSWORD not in answer.text


def test_with_it_or_the_token_everything_is(application: Any) -> None:
    assert asked(application, "/", basic(PASSWORD)).status_code == 200
    assert asked(application, "/", basic(PASSWORD, name="")).status_code == 200
    assert asked(application, "/galleries", f"Bearer {TOKEN}").status_code == 200
    image = "/galleries/mine/images/0/thumbnail"
    assert asked(application, image, basic(PASSWORD)).status_code == 200


def test_health_is_told_to_all(application: Any) -> None:
    for path in ("/healthz", "/readyz"):
        assert asked(application, path).status_code in (200, 503)


def test_the_password_is_a_setting_that_is_not_shown(tmp_path: Path) -> None:
    settings = read_settings({"RIS_PASSWORD": PASSWORD})
    assert settings.password == PASSWORD
    assert PASSWORD not in repr(settings)
    assert read_settings({}).password == ""
