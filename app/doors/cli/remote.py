"""Queries → answers, from a running server over its REST routes; the standard library alone.

A library for HTTP takes longer to import than a server takes to answer.
"""

import http.client
import json
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from app.doors.problems import kinds
from app.doors.running import RunningServer
from app.errors import AppError, NoServerError, PasswordError, TokenError, UsageError
from app.search.picture import File, Item, Url
from app.search.question import SearchRequest
from app.settings import Settings

_CONNECT_SECONDS = 10
HEALTH_SECONDS = 2
_ANSWER_SECONDS = 300  # a model may have to be loaded first, a URL to be fetched
_FAILED = 400
_HEALTH = "healthz"
_ELSE = "something else answers there"


class RemoteServer:
    """A server at `address`; with `settings`, one that was found on this machine.

    Nothing is sent to a server that was found before it is certain that `running` listens there.
    """

    def __init__(
        self,
        address: str,
        token: str,
        settings: Settings | None = None,
        running: RunningServer | None = None,
    ) -> None:
        """Take an address; UsageError if it is none."""
        self._address = address.rstrip("/") + "/"
        self._token = token
        self._settings = settings
        self._running = running
        self._connection = _connection(address)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def check(self) -> None:
        """Raise AppError unless a server of this program answers, and soon; it needs no token."""
        health = self._json("GET", _HEALTH, seconds=HEALTH_SECONDS)
        if not isinstance(health, dict) or "version" not in health:
            raise self._no_server(_ELSE)

    def search(self, request: SearchRequest) -> dict[str, Any]:
        """Return the JSON of the answer to a request, its pictures with whole addresses."""
        parameters = urlencode(request.as_text, doseq=True)
        body, kind = _body(request)
        answer = self._json("POST", f"similarity-search?{parameters}", body, kind)
        if not isinstance(answer, dict) or "results" not in answer:
            raise self._no_server(_ELSE)
        for result in answer["results"]:
            for key in ("image_url", "thumbnail_url"):
                result[key] = urljoin(self._address, result[key])
        return answer

    def names(self) -> list[str]:
        """Return the names of all galleries."""
        return [gallery["name"] for gallery in self.galleries()]

    def galleries(self) -> list[dict[str, Any]]:
        """Return `app.doors.answers.gallery_answer` for every gallery."""
        answer = self._json("GET", "galleries")
        galleries = answer.get("galleries") if isinstance(answer, dict) else answer
        if not isinstance(galleries, list):
            raise self._no_server(_ELSE)
        return galleries

    def gallery(self, name: str) -> dict[str, Any]:
        """Return `app.doors.answers.gallery_answer` for one gallery."""
        answer = self._json("GET", f"galleries/{quote(name, safe='')}")
        if not isinstance(answer, dict) or "name" not in answer:
            raise self._no_server(_ELSE)
        return answer

    def counts(
        self, gallery: str, column: str, *, limit: int, where: Sequence[str], label: str
    ) -> dict[str, Any]:
        """Return `app.doors.answers.counts_answer` for a column of a gallery."""
        given = {"column": column, "limit": limit, "where": list(where), "label": label}
        asked = urlencode({name: value for name, value in given.items() if value}, doseq=True)
        answer = self._json("GET", f"galleries/{quote(gallery, safe='')}/counts?{asked}")
        if not isinstance(answer, dict) or "counts" not in answer:
            raise self._no_server(_ELSE)
        return answer

    def columns(self, gallery: str) -> list[str]:
        """Return what conditions may be put on in a gallery."""
        answer = self._json("GET", f"galleries/{quote(gallery, safe='')}/columns")
        columns = answer.get("columns") if isinstance(answer, dict) else None
        if not isinstance(columns, list):
            raise self._no_server(_ELSE)
        return columns

    def thumbnail(self, gallery: str, public_id: str) -> bytes:
        """Return the small WebP picture of an image."""
        image = f"galleries/{quote(gallery, safe='')}/images/{quote(public_id, safe='')}"
        return self._ask("GET", f"{image}/thumbnail")

    def folder(self, gallery: str, source: int = 0) -> Path | None:
        """Return the folder that paths of a `source` start from, where the server runs here."""
        if self._settings is None:
            return None
        from app.wiring import make_service

        return make_service(self._settings).folder(gallery, source)

    def _json(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "",
        *,
        seconds: float = _ANSWER_SECONDS,
    ) -> Any:
        answer = self._ask(method, path, body, kind, seconds=seconds)
        try:
            return json.loads(answer)
        except ValueError as exc:
            raise self._no_server(_ELSE) from exc

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "",
        *,
        seconds: float = _ANSWER_SECONDS,
    ) -> bytes:
        """Return the body of an answer; an error of the server is raised as the same class here."""
        headers: dict[str, str] = {"Accept": "application/json, */*"}
        headers |= {"Content-Type": kind} if kind else {}
        if self._token and path != _HEALTH:
            headers["Authorization"] = f"Bearer {self._token}"
        root = urlsplit(self._address).path
        try:
            self._connect(seconds)
            self._connection.request(method, root + path, body or None, headers)
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._connection.close()
            raise self._no_server(
                getattr(exc, "strerror", None) or str(exc) or "no answer"
            ) from exc
        if response.status >= _FAILED:
            raise self._error(response.status, data)
        return data

    def _connect(self, seconds: float) -> None:
        """Open the connection if it is not; a server that was found must still run then."""
        if self._connection.sock is None:
            self._connection.timeout = min(seconds, _CONNECT_SECONDS)
            self._connection.connect()
            if self._running is not None and not self._running.is_running():
                raise ConnectionError(_ELSE)
        assert self._connection.sock is not None
        self._connection.sock.settimeout(seconds)

    def _error(self, status: int, data: bytes) -> AppError:
        """Return the error that a problem's details (RFC 9457) describe."""
        try:
            problem = json.loads(data)
        except ValueError:
            problem = None
        if not isinstance(problem, Mapping) or not isinstance(problem.get("detail"), str):
            return self._no_server(f"{_ELSE}, with status {status}")
        error = kinds().get(str(problem.get("type", "")).rpartition("/")[2])
        if error is TokenError:
            given = "is not the one of" if self._token else "is missing, which is needed by"
            return TokenError(
                f"The token {given} the server at {self._address}: set RIS_API_TOKEN to the one "
                "that it was started with, or use --no-server."
            )
        if error is PasswordError:
            return PasswordError(
                f"The server at {self._address} asks for a password: start it with RIS_API_TOKEN "
                "too and set that here, or use --no-server."
            )
        if error is None and status == HTTPStatus.NOT_FOUND:  # no route of ours: a wrong path
            return self._no_server(f"{_ELSE}, with status {status}")
        return (error or UsageError)(problem["detail"])

    def _no_server(self, why: str) -> NoServerError:
        advice = "ask again, or with --no-server."
        if self._settings is None:
            advice = "start one with ris serve, or leave --server out."
        return NoServerError(
            f"No server of this program answers at {self._address} ({why}): {advice}"
        )


def _connection(address: str) -> http.client.HTTPConnection:
    """Return a connection, not opened yet, to http(s); UsageError if `address` is no such."""
    schemes: dict[str, type[http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    try:
        parts = urlsplit(address)
        if parts.hostname and not parts.query and not parts.fragment:
            return schemes[parts.scheme](parts.hostname, parts.port)
    except (KeyError, ValueError, http.client.InvalidURL):
        pass  # another scheme; a port that is no number, a bracket not closed; a space
    raise UsageError(f"{address!r} is not a server's address: write it like http://127.0.0.1:7860")


def _body(request: SearchRequest) -> tuple[bytes, str]:
    """Return the body that a query is sent as, and its media type; an empty object for none."""
    fields: list[tuple[str, str | bytes]] = []
    match request.query:
        case File(data):
            fields = [("file", data)]
        case Url(url):
            fields = [("url", url)]
        case Item(id):
            fields = [("id", str(id))]
    for name in ("more", "less"):
        pictures = [each for each in getattr(request, name) if isinstance(each, File)]
        fields += [(name, each.data) for each in pictures]
    if any(isinstance(value, bytes) for _, value in fields):
        return _as_form(fields)
    return json.dumps(dict(fields)).encode(), "application/json"


def _as_form(fields: Sequence[tuple[str, str | bytes]]) -> tuple[bytes, str]:
    """Return the multipart/form-data (RFC 7578) with these fields, and its media type."""
    boundary = secrets.token_hex(16)
    body = bytearray()
    for name, value in fields:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(value, bytes):
            body += b'; filename="query"\r\nContent-Type: application/octet-stream'
        body += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return bytes(body) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
