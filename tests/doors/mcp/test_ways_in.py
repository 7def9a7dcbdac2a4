"""The two ways in: what is on standard output, what is imported, who is answered over HTTP."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from mcp import Client, StdioServerParameters

from app.doors.access import EVERYBODY, Access
from app.doors.mcp import OverHttp, make_server
from app.search.service import SearchService
from tests.conftest import ROOT, Home
from tests.doors.mcp.conftest import Place

DOCUMENT = (ROOT / "docs" / "mcp.md").read_text()
HEAVY = {"torch", "torchvision", "gradio", "fastapi"}
HEADERS = {"Accept": "application/json, text/event-stream"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def asking(name: str, arguments: dict[str, Any], number: int = 2) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def talk(script: str, place: Place, *messages: object, **environment: str) -> tuple[list[Any], str]:
    """Run Python on stdio with messages for it; return what it answered, and its standard error."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | place.environment | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        assert program.stdout
        assert program.stderr
        answers = []
        for message in messages:
            program.stdin.write(f"{message if isinstance(message, str) else json.dumps(message)}\n")
            program.stdin.flush()
            if isinstance(message, dict) and "id" in message:
                answers.append(json.loads(program.stdout.readline()))
        program.stdin.close()
        left, errors = program.stdout.read(), program.stderr.read()
    assert not left
    assert program.returncode == 0, errors
    return answers, errors


MAIN = "import sys; from app.doors.cli import main; sys.exit(main(['mcp']))"


def test_nothing_but_the_protocol_is_on_standard_output_and_it_ends_with_its_input(
    place: Place,
) -> None:
    noisy = (
        "import app.images.decode as d; o = d.read; "
        f"d.read = lambda *a, **k: print('x') or o(*a, **k); {MAIN}"
    )
    file = str(next(place.pictures.rglob("*.jpg")))
    answers, errors = talk(
        noisy, place, HELLO, READY, asking("search_similar", {"image": file, "box": [0, 0, 1, 0.5]})
    )
    assert answers[0]["result"]["serverInfo"]["name"] == "reverse-image-search"
    assert answers[1]["result"]["structuredContent"]["ids"]
    assert errors == "x\n"


def test_stdio_imports_neither_the_page_nor_torch(place: Place) -> None:
    script = (
        "import sys; from app.doors.cli import main; code = main(['mcp']); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    file = str(next(place.pictures.rglob("*.jpg")))
    answers, modules = talk(script, place, HELLO, READY, asking("search_similar", {"image": file}))
    assert answers[1]["result"]["structuredContent"]["ids"]
    assert "faiss" in modules.split()
    assert HEAVY.isdisjoint(modules.split())


def test_without_allowed_folders_a_path_is_refused_with_what_to_set(place: Place) -> None:
    file = str(next(place.pictures.rglob("*.jpg")))
    answers, _ = talk(
        MAIN, place, HELLO, READY, asking("search_similar", {"image": file}), RIS_MCP_FOLDERS=""
    )
    assert answers[1]["result"]["isError"]
    assert "RIS_MCP_FOLDERS" in answers[1]["result"]["content"][0]["text"]


def test_what_the_document_has_a_client_run_works_from_any_folder(
    place: Place, portal: BlockingPortal, tmp_path: Path
) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    configured = json.loads(block)["mcpServers"]["reverse-image-search"]
    program = "/opt/reverse-image-search"
    assert configured["command"] == f"{program}/.venv/bin/python"
    assert set(configured["env"]) == {"PYTHONPATH", "RIS_MCP_FOLDERS"}
    search_path = configured["env"]["PYTHONPATH"].replace(program, str(ROOT))
    command = StdioServerParameters(
        command=sys.executable,
        args=configured["args"],
        env=place.environment | {"PYTHONPATH": search_path},
        cwd=tmp_path,
    )
    with portal.wrap_async_context_manager(Client(command)) as client:
        tools = portal.call(client.list_tools).tools
    rows = re.findall(r"^\| `\w+` \|.*", DOCUMENT, re.MULTILINE)
    for row, tool in zip(rows, tools, strict=True):
        assert row.startswith(f"| `{tool.name}` |")
        parameters = set(tool.input_schema["properties"])
        assert set(re.findall(r"`(\w+)`", row)) == {tool.name} | parameters


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_clients_of_either_age_are_answered_over_http(
    address: str, portal: BlockingPortal, mode: str
) -> None:
    """With the handshake, and without it, as the protocol has it since 2026."""
    with portal.wrap_async_context_manager(Client(f"{address}/mcp", mode=mode)) as client:
        for image in (3, 4):
            asked = {"gallery": "mine", "id": image}
            answer = portal.call(client.call_tool, "describe_image", asked)
            assert answer.structured_content["id"] == image


def test_a_crash_shows_the_client_no_more_than_that(place: Place) -> None:
    broken = f"import app.search.service as s; s.SearchService.galleries = lambda _: 1/0; {MAIN}"
    answers, errors = talk(broken, place, HELLO, READY, asking("list_galleries", {}))
    assert answers[1]["result"]["isError"]
    assert answers[1]["result"]["content"] == [
        {"type": "text", "text": "Error executing tool list_galleries"}
    ]
    assert "ZeroDivisionError" in errors


def test_a_server_without_galleries_says_how_to_make_one(tmp_path: Any) -> None:
    server = make_server(Home(tmp_path).service(), folders=())
    answered = asyncio.run(server.call_tool("search_similar", {"id": 1}))
    assert "create_index.py" in answered.content[0].text
    assert answered.is_error


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:7860"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_what_another_sites_page_asks_is_refused(address: str, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{address}/mcp", json=HELLO, headers=HEADERS | headers, trust_env=False)
    assert answer.status_code == 403


def test_a_name_in_the_settings_may_be_asked_with_its_own_page_alone(address: str) -> None:
    headers = HEADERS | {"Host": "Photos.example:8443"}
    for origin, status in (("https://photos.example:8443", 200), ("https://b.example", 403)):
        asked = {**headers, "Origin": origin}
        answer = httpx.post(f"{address}/mcp", json=HELLO, headers=asked, trust_env=False)
        assert answer.status_code == status


def test_the_servers_own_page_may_ask(address: str) -> None:
    headers = HEADERS | {"Origin": address}
    answer = httpx.post(f"{address}/mcp", json=HELLO, headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["result"]["serverInfo"]["name"] == "reverse-image-search"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_other_methods_than_post_are_not_taken(address: str, method: str) -> None:
    answer = httpx.request(method, f"{address}/mcp", headers=HEADERS, trust_env=False)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_a_question_that_is_too_large_is_refused(address: str) -> None:
    large = asking("search_similar", {"image": "A" * 70_000_000})
    answer = httpx.post(f"{address}/mcp", json=large, headers=HEADERS, trust_env=False)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("given", "status"), [("Bearer secret", 200), ("", 401), ("Bearer secrets", 401)]
)
def test_where_there_is_a_token_programs_send_it(
    service: SearchService, given: str, status: int
) -> None:
    answer = asked_under(service, Access("secret"), {"Authorization": given})
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "RIS_API_TOKEN" in answer.json()["detail"]


def test_a_server_at_a_public_address_answers_to_any_name(service: SearchService) -> None:
    """Who is answered is decided by the server's own guard, not by the SDK's list of hosts."""

    assert asked_under(service).status_code == 200


def asked_under(
    service: SearchService, access: Access = EVERYBODY, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Return what the tools' own application answers under a public name."""

    async def ask() -> httpx.Response:
        tools = OverHttp(service, access=access)
        transport = httpx.ASGITransport(app=tools)
        async with (
            tools.running(None),
            httpx.AsyncClient(transport=transport, base_url="https://photos.example") as client,
        ):
            return await client.post("/mcp", json=HELLO, headers=HEADERS | (headers or {}))

    return asyncio.run(ask())
