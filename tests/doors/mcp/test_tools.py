"""The tools, asked by the official client: the service's answers, and a sentence for errors."""

import asyncio
import base64
import io
import re
from pathlib import Path

import pytest
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image

from app.doors.answers import gallery_answer, image_answer
from app.doors.mcp import make_server
from app.doors.mcp.tools import MOST_PICTURES
from app.search.service import SearchService
from app.values import MAX_PICTURE_BYTES, Box, Edit
from tests.conftest import encoded, is_one_sentence, picture
from tests.doors.mcp.conftest import Asked, Place

BOX = [0.1, 0.2, 0.7, 0.9]


def found(answered: CallToolResult) -> list[tuple[object, float]]:
    """Return ids and scores of an answer, checked against its list of ids."""
    assert not answered.is_error, answered.content
    answer = answered.structured_content
    assert answer
    assert answer["ids"] == [result["id"] for result in answer["results"]]
    return [
        (result["id"], pytest.approx(result["score"], abs=1e-6)) for result in answer["results"]
    ]


def expected(service: SearchService, query: bytes | int, **options: object):
    result = service.search("mine", query, **options)
    return [(hit.image.public_id, hit.score) for hit in result.hits]


def shown(answered: CallToolResult) -> list[Image.Image]:
    """Return the pictures of an answer, decoded."""
    files = [block for block in answered.content if isinstance(block, ImageContent)]
    decoded = []
    for file in files:
        image = Image.open(io.BytesIO(base64.b64decode(file.data)))
        image.load()
        assert file.mime_type == Image.MIME[image.format or ""]
        decoded.append(image)
    return decoded


def sentence(answered: CallToolResult) -> str:
    assert answered.is_error
    assert answered.structured_content is None
    (block,) = answered.content
    assert isinstance(block, TextContent)
    assert is_one_sentence(block.text), block.text
    return block.text


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_each_tool_and_each_of_its_parameters_is_described(asked: Asked) -> None:
    tools = asked.tools()
    assert set(tools) == {"search_similar", "list_galleries", "describe_image", "count_images"}
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert not re.search(r"\n ", tool.description)
        assert tool.annotations
        assert tool.annotations.read_only_hint
        for parameter in tool.input_schema["properties"].values():
            assert parameter["description"]
    taken = tools["search_similar"].input_schema["properties"]
    assert {"image", "gallery", "k", "box", "id"} <= set(taken)
    assert (taken["k"]["minimum"], taken["k"]["maximum"]) == (1, 200)
    assert "context" not in taken


def test_the_client_learns_what_the_server_is_for(asked: Asked) -> None:
    assert asked.client.server_info
    assert asked.client.server_info.name == "reverse-image-search"
    assert "search_similar" in (asked.client.instructions or "")


def test_galleries_are_described_as_at_every_door(asked: Asked, service: SearchService) -> None:
    answered = asked.call("list_galleries").structured_content
    assert answered == {"galleries": [gallery_answer(info) for info in service.galleries()]}
    assert [gallery["name"] for gallery in answered["galleries"]] == ["broken", "mine"]
    refused = asked.call("search_similar", id=1, gallery="broken")
    assert refused.is_error
    assert refused.content[0].text == answered["galleries"][0]["refused"] != ""


@pytest.mark.parametrize("form", ["{}", "data:image/png;base64,{}", "{}\n"])
def test_a_picture_as_base64_finds_what_the_service_finds(
    asked: Asked, service: SearchService, form: str
) -> None:
    for data in (encoded(picture(7)), encoded(picture(7), "PNG")):
        answered = asked.call("search_similar", image=form.format(text(data)), gallery="mine", k=7)
        assert found(answered) == expected(service, data, k=7)


def test_a_picture_at_an_address_finds_what_the_service_finds(
    asked: Asked, service: SearchService, address: str, place: Place
) -> None:
    url = f"{address}/galleries/mine/images/3/image"
    answered = asked.call("search_similar", image=url, gallery="mine")
    row = service.image("mine", 3)
    assert found(answered) == expected(service, (place.pictures / row.path).read_bytes())
    assert answered.structured_content
    assert answered.structured_content["results"][0]["same_file"]


@pytest.mark.parametrize("public_id", [5, "5"])
def test_an_id_of_the_gallery_finds_what_the_service_finds(
    asked: Asked, service: SearchService, public_id: int | str
) -> None:
    answered = asked.call("search_similar", id=public_id, gallery="mine", k=40)
    assert found(answered) == expected(service, 5, k=40)


def test_box_label_least_score_and_exactness_are_handed_on(
    asked: Asked, service: SearchService
) -> None:
    data = encoded(picture(7))
    edit = Edit(box=Box(*BOX))
    whole = expected(service, data, k=40)
    for options, meant in (
        ({"box": BOX}, {"edit": edit}),
        ({"box": str(BOX)}, {"edit": edit}),  # as some clients send lists
        ({"label": "kind_2"}, {"label": "kind_2"}),
        ({"min_score": whole[20][1]}, {"min_score": whole[20][1]}),
    ):
        answered = asked.call("search_similar", image=text(data), gallery="mine", k=40, **options)
        assert found(answered) == expected(service, data, k=40, **meant)
        assert found(answered) != whole
    answered = asked.call("search_similar", image=text(data), gallery="mine", exact=True)
    assert answered.structured_content
    assert answered.structured_content["exact"] is True


def test_without_a_name_the_first_gallery_that_can_be_searched_answers(asked: Asked) -> None:
    answered = asked.call("search_similar", id=1)
    assert answered.structured_content
    assert answered.structured_content["gallery"] == "mine"


def test_the_best_results_are_shown_in_their_order(asked: Asked, service: SearchService) -> None:
    answered = asked.call("search_similar", id=4, gallery="mine", k=5, pictures=3)
    assert answered.structured_content
    ids = answered.structured_content["ids"][:3]
    images = [block for block in answered.content if isinstance(block, ImageContent)]
    assert [base64.b64decode(image.data) for image in images] == [
        service.thumbnail("mine", image) for image in ids
    ]
    lines = [block.text for block in answered.content if isinstance(block, TextContent)][1:]
    assert [line.split(",")[0] for line in lines] == [
        f"Result {rank}: id {image}" for rank, image in enumerate(ids, 1)
    ]


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 10), ({"k": 4}, 4), ({"pictures": 0}, 0), ({"k": 40, "pictures": 20}, MOST_PICTURES)],
)
def test_no_more_pictures_come_than_wanted_and_they_can_be_decoded(
    asked: Asked, options: dict[str, int], count: int
) -> None:
    images = shown(asked.call("search_similar", **({"id": 4, "k": 30} | options)))
    assert len(images) == count
    assert all(max(image.size) <= 160 for image in images)


def test_the_text_says_the_same_as_the_data(asked: Asked) -> None:
    import json

    answered = asked.call("search_similar", id=4)
    (first, *_) = answered.content
    assert isinstance(first, TextContent)
    assert json.loads(first.text) == answered.structured_content


def test_an_image_is_described_and_shown(asked: Asked, service: SearchService) -> None:
    answered = asked.call("describe_image", gallery="mine", id=6)
    answer = answered.structured_content
    assert answer
    expected = image_answer("mine", service.image("mine", 6))
    assert answer.keys() == expected.keys()
    for key, value in expected.items():
        if key in ("image_url", "thumbnail_url"):
            assert answer[key].endswith(value)
        else:
            assert answer[key] == value
    (image,) = shown(answered)
    assert image.width * 3 == image.height * 4


def test_over_http_the_addresses_of_pictures_can_be_opened(over_http: Asked, address: str) -> None:
    import httpx

    answer = over_http.call("search_similar", id=6, k=2).structured_content
    assert answer
    for result in answer["results"]:
        for key in ("image_url", "thumbnail_url"):
            assert result[key].startswith(f"{address}/galleries/mine/images/")
            assert httpx.get(result[key], trust_env=False).status_code == 200


JPEG = text(encoded(picture(1)))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, r"a picture \(file, url or id\), words"),
        ({"image": "  "}, r"a picture \(file, url or id\), words"),
        ({"image": JPEG, "id": 1}, "image and id"),
        ({"image": "not base64!"}, "base64"),
        ({"image": JPEG[:101] + "?"}, "file|RIS_MCP_FOLDERS|HTTP|base64"),
        ({"image": "data:text/plain,hello"}, "base64.*text/plain"),
        ({"image": "aGVsbG8gd29ybGQ="}, "picture"),
        ({"image": JPEG[:400]}, "damaged"),
        ({"image": "ftp://example.com/cat.jpg"}, "http"),
        ({"image": "http://10.0.0.1/cat.jpg"}, r"10\.0\.0\.1"),
        ({"id": 1, "gallery": "nobody"}, "'nobody'"),
        ({"id": 40, "gallery": "mine"}, "40"),
        ({"id": "../1"}, "'../1'"),
        ({"id": 1, "k": 0}, "^k .*1.*200.*0"),
        ({"id": 1, "k": 10**9}, "^k .*1.*200.*1000000000"),
        ({"id": 1, "k": "many"}, "^k .*whole number.*'many'"),
        ({"id": 1, "k": 1.5}, r"^k .*whole number.*1\.5"),
        ({"id": 1, "box": [0.7, 0.1, 0.2, 0.9]}, "box.*0.7"),
        ({"id": 1, "box": [-0.1, 0, 1, 1]}, "box.*-0.1"),
        ({"id": 1, "box": ["nan", 0, 1, 1]}, "box.*nan"),
        ({"id": 1, "box": [0, 0, 1]}, "box.*four"),
        ({"id": 1, "box": "left half"}, "^box .*'left half'"),
        ({"id": 1, "box": ["x", 0, 1, 1]}, "box.*'x'"),
        ({"id": [1]}, r"^id .*\[1\]"),
        ({"id": True}, "^id .*true"),
        ({"id": 1, "k": True}, "^k .*true"),
        ({"id": 1, "min_score": 2}, "^min_score .*-1.*1"),
        ({"id": 1, "min_score": "nan"}, "^min_score .*-1.*1"),
        ({"id": 1, "label": "nothing"}, "label.*'nothing'"),
        ({"id": 1, "pictures": -1}, "^pictures .*0.*20"),
        ({"id": 1, "pictures": 10**9}, "^pictures .*0.*20"),
        ({"id": 1, "url": "http://example.com/cat.jpg"}, "'url'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_question_is_refused_in_one_sentence(
    asked: Asked, arguments: dict[str, object], named: str
) -> None:
    assert re.search(named, sentence(asked.call("search_similar", **arguments)))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"gallery": "mine"}, "^id "),
        ({"gallery": "mine", "id": 99}, "99"),
        ({"gallery": "nobody", "id": 1}, "'nobody'"),
        ({"gallery": ["mine"], "id": 1}, r"^gallery .*\['mine'\]"),
    ],
)
def test_a_bad_description_is_refused_in_one_sentence(
    asked: Asked, arguments: dict[str, object], named: str
) -> None:
    assert re.search(named, sentence(asked.call("describe_image", **arguments)))


def test_a_path_is_refused_over_http(over_http: Asked, place: Place) -> None:
    file = next(place.pictures.rglob("*.jpg"))
    for path in (str(file), file.as_uri(), "~/cat.jpg", "../cat.jpg", "C:\\cat.jpg"):
        assert "HTTP" in sentence(over_http.call("search_similar", image=path))


def test_a_path_in_an_allowed_folder_finds_what_the_service_finds(
    over_stdio: Asked, service: SearchService, place: Place
) -> None:
    for file in sorted(place.pictures.rglob("*.jpg"))[:3]:
        for path in (str(file), file.as_uri(), f"{file.parent}/../{file.parent.name}/{file.name}"):
            answered = over_stdio.call("search_similar", image=path, gallery="mine")
            assert found(answered) == expected(service, file.read_bytes())


def test_a_path_outside_the_allowed_folders_is_refused_whether_or_not_it_exists(
    over_stdio: Asked, place: Place, tmp_path: Path
) -> None:
    outside = tmp_path / "cat.jpg"
    outside.write_bytes(encoded(picture(1)))
    beside = place.pictures.with_name(place.pictures.name + "-more") / "cat.jpg"
    beside.parent.mkdir()
    beside.write_bytes(encoded(picture(1)))
    link = place.pictures / "link.jpg"
    link.symlink_to(outside)
    for path in (
        outside,
        tmp_path / "gone.jpg",
        beside,
        link,
        place.pictures / ".." / "cat.jpg",
        Path("/etc/passwd"),
    ):
        assert "RIS_MCP_FOLDERS" in sentence(over_stdio.call("search_similar", image=str(path)))
    link.unlink()


def test_what_is_no_file_in_an_allowed_folder_is_named(over_stdio: Asked, place: Place) -> None:
    for path in (place.pictures, place.pictures / "gone.jpg"):
        assert str(path) in sentence(over_stdio.call("search_similar", image=str(path)))
    for name in ("x" * 300 + ".jpg", "a\0b.jpg"):
        file = f"{place.pictures}/{name}"
        assert file[:10] in sentence(over_stdio.call("search_similar", image=file))


def test_base64_of_a_file_that_is_too_large_is_refused(service: SearchService) -> None:
    server = make_server(service, folders=None)
    large = "A" * (MAX_PICTURE_BYTES // 3 * 4 + 8)
    assert "50 MB" in sentence(asyncio.run(server.call_tool("search_similar", {"image": large})))


def test_a_file_that_is_too_large_is_not_read(over_stdio: Asked, place: Place) -> None:
    large = place.pictures / "large.jpg"
    with large.open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)
    try:
        assert "50 MB" in sentence(over_stdio.call("search_similar", image=str(large)))
    finally:
        large.unlink()
