"""What gradio_client gets from the running page by the names of its endpoints."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.doors.answers import gallery_answer, search_answer
from app.search.question import PARAMETERS
from app.values import Box, Edit
from tests.doors.rest.conftest import IMAGES, TOKEN, Served

ASKED = "/search"
# Gradio's queue counts with pandas, in ways that pandas 4 will not have.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def asking(served: Served) -> Iterator[Client]:
    with closing(Client(served.address, verbose=False)) as client:
        yield client


def untimed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without its times, its paths under the name that they have here."""
    results = [
        {"file" if key == "path" else key: value for key, value in hit.items()}
        for hit in answer["results"]
    ]
    return answer | {"timing_ms": None, "results": results}


def one_of(served: Served) -> Path:
    return served.pictures / "kind_1" / "00001.jpg"


def test_a_file_is_searched_as_by_every_other_door(asking: Client, served: Served) -> None:
    file = one_of(served)
    answer = asking.predict(handle_file(file), api_name=ASKED)
    assert len(answer["ids"]) == 10
    expected = search_answer(served.service.search("mine", file.read_bytes()))
    assert untimed(answer) == untimed(expected)


def test_a_file_is_searched_as_it_is_asked(asking: Client, served: Served) -> None:
    file = one_of(served)
    answer = asking.predict(
        image=handle_file(file),
        gallery="mine",
        k=3,
        exact=True,
        min_score=0.5,
        label="kind_2",
        box=[0, 0, 0.5, 1],
        api_name=ASKED,
    )
    expected = served.service.search(
        "mine",
        file.read_bytes(),
        k=3,
        exact=True,
        min_score=0.5,
        label="kind_2",
        edit=Edit(box=Box(0, 0, 0.5, 1)),
    )
    assert untimed(answer) == untimed(search_answer(expected))


def test_a_url_is_searched_as_text(asking: Client, served: Served, site: str) -> None:
    url = f"{site}/cat.jpg"
    answer = asking.predict(url, k=4, api_name=ASKED)
    assert untimed(answer) == untimed(search_answer(served.service.search("mine", url, k=4)))


def test_an_image_of_the_gallery_is_searched_by_its_id(asking: Client, served: Served) -> None:
    for public_id in (7, "7"):
        answer = asking.predict(id=public_id, k=4, api_name=ASKED)
        assert untimed(answer) == untimed(search_answer(served.service.search("mine", 7, k=4)))


def test_galleries_are_listed(asking: Client, served: Served) -> None:
    listed = asking.predict(api_name="/galleries")
    assert listed == [gallery_answer(info) for info in served.service.galleries()]
    assert [gallery["images"] for gallery in listed] == [0, IMAGES]


def test_the_endpoints_are_described_with_their_arguments(asking: Client) -> None:
    named = asking.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/search", "/galleries"}
    arguments = [each["parameter_name"] for each in named["/search"]["parameters"]]
    assert arguments == ["image", *(each.name for each in PARAMETERS), "id"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"gallery": "nothing"}, "'nothing'"),
        ({"k": 0}, "^k .*1.*200.*0"),
        ({"box": [0, 0, 1]}, r"box.*\[0, 0, 1\]"),
        ({"box": [0.5, 0, 0.2, 1]}, "box.*0.5"),
        ({"label": "nobody"}, "'nobody'"),
        ({"min_score": 2}, "^min_score .*-1.*1.*2"),
        ({"id": 3}, "image and id"),
        ({"image": None}, "image and id"),
        ({"image": None, "id": True}, r"\bid\b.*True"),
        ({"image": None, "id": 10**6}, "image 1000000"),
        ({"image": 17}, "^image .*handle_file"),
        ({"image": "/etc/passwd"}, "picture"),
        ({"image": {"path": "/etc/passwd"}}, "picture"),
    ],
)
def test_what_is_wrong_is_raised_in_one_sentence(
    asking: Client, served: Served, arguments: dict[str, Any], named: str
) -> None:
    asked = {"image": handle_file(one_of(served))} | arguments
    with pytest.raises(AppError) as raised:
        asking.predict(**asked, api_name=ASKED)
    assert re.search(named, str(raised.value))


def test_where_programs_need_a_token_these_do(guarded: Served) -> None:
    with (
        closing(Client(guarded.address, verbose=False)) as client,
        pytest.raises(AppError) as raised,
    ):
        client.predict(api_name="/galleries")
    assert "RIS_API_TOKEN" in str(raised.value)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with closing(Client(guarded.address, verbose=False, headers=headers)) as client:
        assert len(client.predict(api_name="/galleries")) == 2
