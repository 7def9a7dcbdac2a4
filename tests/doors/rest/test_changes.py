"""Galleries changed over HTTP: updates, images, names, folders; and who may change any."""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn

from app.build.build import build_gallery
from app.doors.access import Access
from app.doors.rest import make_rest
from app.search.service import SearchService
from app.settings import read_settings
from app.sources.own import Listed, open_folder
from tests.build.workshop import Gate, gated
from tests.conftest import Home, encoded, fill, mean_colour, picture
from tests.doors.rest.conftest import OFF, TOKEN, Served, problem_of, service_of

IMAGES = 12
MODEL_DIM = 48


class Album:
    """A home with the gallery "mine" of a folder, and a server that lets it be changed."""

    def __init__(self, home: Home, client: httpx.Client, service: SearchService) -> None:
        self.home = home
        self.client = client
        self.service = service
        self.pictures = home.path / "pictures"

    def nearest(self, seed: int, gallery: str = "mine", **asked: Any) -> dict[str, Any]:
        """Return the nearest image to a picture, as the server finds it now."""
        answer = self.client.post(
            "/similarity-search",
            params={"gallery": gallery, "k": 1} | asked,
            files={"file": encoded(picture(seed), quality=90)},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["results"][0])

    def has(self, seed: int, gallery: str = "mine") -> bool:
        """Return whether the server finds this very picture."""
        return float(self.nearest(seed, gallery)["score"]) > 0.999

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(f"/galleries/mine/{path}", **body)

    def images(self) -> int:
        return int(self.client.get("/galleries/mine").json()["images"])

    def updated(self, **params: Any) -> dict[str, Any]:
        """Begin an update, and return how it ended."""
        begun = self.post("update", params=params)
        assert begun.status_code == 202, begun.text
        return self.end_of_update()

    def end_of_update(self) -> dict[str, Any]:
        while True:
            progress = self.client.get("/galleries/mine/update").json()
            if progress["state"] != "running":
                return dict(progress)


@contextmanager
def changeable(home: Home, *, token: str = "", load: Any = None, off: str = "") -> Iterator[Album]:
    """Serve the routes for programs over real HTTP."""
    service, keeper = service_of(home), home.keeper(load, off=off)
    rest = make_rest(service, keeper=keeper, access=Access(token), not_ready=str)
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(rest, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(60)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            yield Album(home, client, service)
    finally:
        server.should_exit = True
        thread.join(60)
        keeper.close()


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A home of each test's own."""
    home = Home(tmp_path / "home")
    home.build(fill(home.path / "pictures", IMAGES), "mine")
    return home


@pytest.fixture
def album(own: Home) -> Iterator[Album]:
    with changeable(own) as made:
        assert made.has(1), "it is open before it changes"
        yield made


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Album]:
    """Two galleries of the same pictures, for requests that must change neither."""
    home = Home(tmp_path_factory.mktemp("refusing"))
    for name in ("mine", "other"):
        home.build(fill(home.path / "pictures", IMAGES), name)
    with changeable(home) as made:
        yield made


# --- updates -------------------------------------------------------------------------------------


def test_an_update_finds_what_changed_and_the_next_search_sees_it(album: Album) -> None:
    fill(album.pictures, 2, first=100)
    (album.pictures / "kind_1" / "00001.jpg").unlink()
    (album.pictures / "bad.jpg").write_text("a shopping list")
    assert not album.has(100)
    ended = album.updated()
    assert (ended["state"], ended["gallery"], ended["message"]) == ("done", "mine", "")
    report = ended["report"]
    counts = ("added", "changed", "moved", "removed", "unchanged", "embedded")
    assert [report[each] for each in counts] == [2, 0, 0, 1, IMAGES - 1, 3]
    assert [each["path"] for each in report["skipped"]] == ["bad.jpg"]
    assert album.has(100)
    assert not album.has(1)


def test_before_any_update_there_is_no_report(album: Album) -> None:
    progress = album.client.get("/galleries/mine/update").json()
    assert (progress["state"], progress["report"]) == ("idle", None)


def test_an_update_that_fails_says_why_and_keeps_the_last_report(album: Album) -> None:
    album.updated()
    album.pictures.rename(album.pictures.with_name("away"))
    ended = album.updated()
    assert ended["state"] == "failed"
    assert str(album.pictures) in ended["message"]
    assert ended["report"]["unchanged"] == IMAGES
    assert album.has(1)


def test_many_pictures_go_only_where_that_is_accepted(own: Home) -> None:
    home = Home(own.path / "larger")
    home.build(fill(home.path / "pictures", 60), "mine")
    with changeable(home) as album:
        for number in range(4):
            shutil.rmtree(album.pictures / f"kind_{number}")
        ended = album.updated()
        assert ended["state"] == "failed"
        assert "48 of the 60" in ended["message"]
        assert album.updated(accept_removals=True)["report"]["removed"] == 48


def test_a_second_update_waits_for_the_first(own: Home) -> None:
    gate = Gate(0)
    fill(own.path / "pictures", 2, first=100)
    with changeable(own, load=lambda name, **_: gated(gate)) as album:
        assert album.post("update").json()["state"] == "running"
        assert gate.reached.wait(60)
        assert "mine" in problem_of(album.post("update"), 409)
        running = album.client.get("/galleries/mine/update").json()
        assert (running["state"], running["stage"], running["total"]) == ("running", "embed", 2)
        gate.open.set()
        assert album.end_of_update()["report"]["added"] == 2
        assert album.updated()["report"]["added"] == 0


# --- images --------------------------------------------------------------------------------------


def test_files_are_added_with_their_keys_and_labels(album: Album) -> None:
    sent = [("files", (f"{seed}.jpg", encoded(picture(seed), quality=90))) for seed in (100, 101)]
    given = {"keys": ["a", "b/2"], "labels": ["cat", "night"]}
    answer = album.post("images", files=sent, data=given)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "gallery": "mine",
        "ids": ["a", "b/2"],
        "images": [
            {"name": "100.jpg", "id": "a", "became": "added", "problem": None},
            {"name": "101.jpg", "id": "b/2", "became": "added", "problem": None},
        ],
        "added": 2,
        "replaced": 0,
        "known": 0,
        "skipped": 0,
    }
    found = album.nearest(101)
    assert (found["id"], found["labels"]) == ("b/2", ["cat", "night"])
    shown = album.client.get("/galleries/mine/images/b/2/image")
    assert shown.content == sent[1][1][1], "the picture is kept"


def test_an_image_without_a_key_gets_the_next_number_and_its_copy_is_known(album: Album) -> None:
    sent = {"files": ("x.jpg", encoded(picture(100), quality=90))}
    assert album.post("images", files=sent).json()["ids"] == [IMAGES]
    again = album.post("images", files=sent).json()
    assert (again["ids"], again["known"], again["images"][0]["became"]) == ([IMAGES], 1, "known")
    assert album.images() == IMAGES + 1


def test_an_image_with_the_key_of_another_replaces_it(album: Album) -> None:
    for seed, became in ((100, "added"), (101, "replaced")):
        sent = {"files": ("x.jpg", encoded(picture(seed), quality=90))}
        answer = album.post("images", files=sent, data={"keys": "a"}).json()
        assert (answer["ids"], answer["images"][0]["became"]) == (["a"], became)
    assert album.nearest(101)["id"] == "a"
    assert not album.has(100)
    assert album.images() == IMAGES + 1


def test_an_address_is_fetched(album: Album, site: str) -> None:
    body = {"url": f"{site}/cat.jpg", "key": "cat", "labels": ["pet"]}
    answer = album.post("images", json=body).json()
    assert answer["images"][0]["name"] == f"{site}/cat.jpg"
    assert album.client.get("/galleries/mine/images/cat").json()["labels"] == ["pet"]


def test_a_vector_is_added_and_found(album: Album) -> None:
    vector = np.random.default_rng(0).normal(size=MODEL_DIM)
    answer = album.post("images", json={"vector": vector.tolist(), "key": "made"})
    assert answer.json()["ids"] == ["made"]
    stored = album.service.vectors("mine")[-1]
    assert stored @ vector / np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
    near = album.client.get("/galleries/mine/images/made/similar?k=1").json()
    assert near["ids"] == ["made"]


def test_vectors_without_keys_never_take_each_other_s_place(own: Home) -> None:
    """Nor where images are known by keys, and a name is the key of what comes without."""
    keyed = Home(own.path / "keyed")
    folder = fill(keyed.path / "pictures", 2)
    pictures = open_folder(folder, "mine").pictures()
    listed = [replace(each, key=f"key {n}") for n, each in enumerate(pictures)]
    build_gallery(
        Listed("mine", folder, listed),
        mean_colour(),
        folders=keyed.folders("mine"),
        index="Flat",
        limit=None,
        request={},
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    with changeable(keyed) as album:
        for vector in np.random.default_rng(0).normal(size=(2, MODEL_DIM)).tolist():
            answer = album.post("images", json={"vector": vector}).json()
            assert (answer["added"], type(answer["ids"][0])) == (1, str)
        assert album.images() == 4


def test_of_several_images_each_has_its_own_answer_in_their_order(album: Album, site: str) -> None:
    images = [
        {"url": f"{site}/nothing.jpg"},
        {"url": f"{site}/page.html"},
        {"url": f"{site}/cat.jpg"},
        {"vector": [1.0] * MODEL_DIM, "key": "v"},
    ]
    answer = album.post("images", json={"images": images}).json()
    statuses = [each["problem"] and each["problem"]["status"] for each in answer["images"]]
    assert statuses == [502, 502, None, None]
    became = [each["became"] for each in answer["images"]]
    assert became == ["skipped", "skipped", "added", "added"]
    assert answer["ids"] == [None, None, IMAGES, "v"]
    assert (answer["skipped"], answer["known"], answer["added"]) == (2, 0, 2)


def test_the_problem_of_an_image_alone_is_that_of_the_request(album: Album, site: str) -> None:
    assert problem_of(album.post("images", json={"url": f"{site}/nothing.jpg"}), 502)
    assert problem_of(album.post("images", files={"files": ("x.jpg", b"no picture")}), 422)
    assert problem_of(album.post("images", files={"files": ("x.jpg", b"")}), 422)


JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 422, "url or a vector"),
        ({"url": "x", "vector": [1]}, 422, "one of them"),
        ({"url": 7}, 422, "url .*7"),
        ({"url": ""}, 422, "url"),
        ({"url": "http://x/", "key": 7}, 422, "key .*7"),
        ({"url": "http://x/", "name": "x"}, 422, "'name'"),
        ({"url": "http://x/", "labels": "cat"}, 422, "labels"),
        ({"url": "http://x/", "labels": [7]}, 422, "labels .*7"),
        ({"vector": []}, 422, "vector"),
        ({"vector": [True]}, 422, "vector"),
        ({"vector": "1,2"}, 422, "vector"),
        ({"vector": [10**400]}, 422, "too large"),
        ({"vector": [1, 2]}, 422, "48 numbers.*2"),
        ({"vector": [0] * MODEL_DIM}, 422, "zero"),
        ({"vector": [float("nan")] * MODEL_DIM}, 422, "zero|numbers"),
        ({"vector": [1] * MODEL_DIM, "key": "7"}, 422, "'7'"),
        ({"vector": [1] * MODEL_DIM, "key": ".."}, 422, "key"),
        ({"images": []}, 422, "images"),
        ({"images": [7]}, 422, "7"),
        ({"images": [{"images": []}]}, 422, "'images'"),
        ({"images": [{"url": "http://x/"}] * 33}, 422, "32"),
        ({"images": [{"vector": [1]}] * 1001}, 422, "1000"),
        ({"images": [{"vector": [1]}], "key": "x"}, 422, "alone"),
    ],
)
def test_what_is_no_image_is_refused_and_nothing_is_added(
    refusing: Album, body: Any, status: int, named: str
) -> None:
    album = refusing
    answer = album.post("images", content=json.dumps(body), headers={"Content-Type": JSON})
    assert re.search(named, problem_of(answer, status))
    assert album.images() == IMAGES


def test_forms_that_do_not_fit_are_refused(refusing: Album) -> None:
    album = refusing
    file = ("files", ("x.jpg", encoded(picture(100))))
    assert "2 keys" in problem_of(
        album.post("images", files=[file], data={"keys": ["a", "b"]}), 422
    )
    assert "'key'" in problem_of(album.post("images", files=[file], data={"key": "a"}), 422)
    assert "files" in problem_of(album.post("images", files={"keys": (None, "a")}), 422)
    assert "form" in problem_of(album.post("images", files=[file] * 33), 422)
    assert "JSON" in problem_of(album.post("images", content=b"x"), 415)
    assert album.images() == IMAGES


def test_a_removed_image_is_found_no_more(album: Album) -> None:
    image = album.nearest(1)["id"]
    answer = album.client.delete(f"/galleries/mine/images/{image}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not album.has(1)
    assert problem_of(album.client.get(f"/galleries/mine/images/{image}"), 404)
    assert problem_of(album.client.delete(f"/galleries/mine/images/{image}"), 404)
    assert (album.pictures / "kind_1" / "00001.jpg").is_file()
    assert album.updated()["report"]["added"] == 0, "an update does not bring it back"


def test_the_first_image_and_all_of_them_can_be_removed(album: Album) -> None:
    for image in range(IMAGES):
        assert album.client.delete(f"/galleries/mine/images/{image}").status_code == 204
        assert album.images() == IMAGES - image - 1
    sent = {"files": ("x.jpg", encoded(picture(100), quality=90))}
    assert album.post("images", files=sent).json()["ids"] == [IMAGES]
    assert album.has(100)


# --- galleries -----------------------------------------------------------------------------------


def test_a_gallery_gets_a_title_a_name_and_a_folder_at_once(album: Album, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    album.pictures.rename(moved)
    given = {"title": "Mine and yours", "name": "ours", "folder": str(moved)}
    answer = album.client.patch("/galleries/mine", json=given)
    assert answer.status_code == 200, answer.text
    facts = answer.json()
    assert (facts["name"], facts["title"], facts["sources"]) == (
        "ours",
        "Mine and yours",
        [str(moved)],
    )
    assert album.client.get("/galleries/ours").json() == facts
    assert album.client.get("/galleries/mine").status_code == 404
    assert album.has(1, "ours")
    assert album.client.get("/galleries/ours/images/1/image").status_code == 200


@pytest.mark.parametrize(
    ("given", "status", "named"),
    [
        ({}, 422, "title"),
        ({"from": "/x"}, 422, "folder"),
        ({"title": 7}, 422, "title"),
        ({"title": "x" * 201}, 422, "200"),
        ({"title": "a\nb"}, 422, "title"),
        ({"name": "other"}, 422, "other"),
        ({"name": "../x"}, 422, "'../x'"),
        ({"folder": "pictures"}, 422, "'pictures'"),
        ({"folder": "/\0"}, 422, "folder"),
        ({"folder": "/" + "x" * 1000}, 404, "mine"),
        ({"folder": "/", "from": "/nowhere"}, 422, "/nowhere"),
        ({"images": 7}, 422, "'images'"),
    ],
)
def test_what_cannot_be_changed_is_refused_in_one_sentence(
    refusing: Album, given: dict[str, Any], status: int, named: str
) -> None:
    album = refusing
    before = album.client.get("/galleries/mine").json()
    assert named in problem_of(album.client.patch("/galleries/mine", json=given), status)
    assert album.client.get("/galleries/mine").json() == before


def test_a_deleted_gallery_is_gone_and_its_pictures_stay(album: Album) -> None:
    assert album.client.delete("/galleries/mine").status_code == 204
    assert album.client.get("/galleries").json() == {"galleries": []}
    answer = album.client.post("/similarity-search?gallery=mine", json={"id": 1})
    assert problem_of(answer, 404)
    assert (album.pictures / "kind_1" / "00001.jpg").is_file()
    assert problem_of(album.client.delete("/galleries/mine"), 404)


def test_another_gallery_is_merged_into_one(album: Album) -> None:
    others = fill(album.home.path / "others", 3, first=100)
    (others / "copy.jpg").write_bytes((album.pictures / "kind_1" / "00001.jpg").read_bytes())
    album.home.build(others, "other")
    answer = album.post("merge", json={"gallery": "other"})
    assert answer.json() == {"gallery": "mine", "images": IMAGES + 3, "added": 3, "known": 1}
    assert album.has(101)
    assert album.has(101, "other"), "the other one stays"
    image = album.nearest(101)["id"]
    shown = album.client.get(f"/galleries/mine/images/{image}/image").content
    assert shown == (others / "kind_1" / "00101.jpg").read_bytes()
    for body in ({}, {"gallery": 7}, {"gallery": ""}, {"gallery": "mine"}):
        assert problem_of(album.post("merge", json=body), 422)
    assert "'nix'" in problem_of(album.post("merge", json={"gallery": "nix"}), 404)


# --- who may -------------------------------------------------------------------------------------

CHANGES = (
    ("POST", "/galleries/mine/update"),
    ("POST", "/galleries/mine/images"),
    ("DELETE", "/galleries/mine/images/3"),
    ("PATCH", "/galleries/mine"),
    ("DELETE", "/galleries/mine"),
    ("POST", "/galleries/mine/merge"),
)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_where_the_operator_allows_none_every_change_is_refused(
    served: Served, method: str, path: str
) -> None:
    answer = served.client.request(method, path)
    assert problem_of(answer, 403) == OFF
    assert answer.json()["type"] == "/problems/not-allowed"
    assert served.client.get("/galleries/mine/update").json()["state"] == "idle"


@pytest.mark.parametrize(("method", "path"), [*CHANGES, ("GET", "/galleries/mine/update")])
def test_where_there_is_a_token_every_change_needs_it(own: Home, method: str, path: str) -> None:
    with changeable(own, token=TOKEN) as album:
        for header in ({}, {"Authorization": "Bearer x"}):
            problem_of(album.client.request(method, path, headers=header), 401)
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        answer = album.client.request(method, path, headers=allowed)
        assert answer.status_code in (200, 202, 204, 415)
        if answer.status_code == 202:
            while album.client.get(path, headers=allowed).json()["state"] == "running":
                pass


@pytest.mark.parametrize(
    ("environment", "off"),
    [
        ({}, "RIS_CREATE_GALLERIES"),
        ({"RIS_CREATE_GALLERIES": "1"}, ""),
        ({"RIS_CREATE_GALLERIES": "1", "HOST": "0.0.0.0"}, "RIS_API_TOKEN"),
        ({"RIS_CREATE_GALLERIES": "1", "HOST": "0.0.0.0", "RIS_API_TOKEN": "x"}, ""),
        ({"RIS_API_TOKEN": "x"}, "RIS_CREATE_GALLERIES"),
    ],
)
def test_who_may_change_galleries_is_for_the_operator_to_say(
    environment: dict[str, str], off: str
) -> None:
    said = read_settings(environment).changing_off
    assert (off in said) if off else (said == "")


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_gallery_that_is_not_there_is_named(refusing: Album, method: str, path: str) -> None:
    body: dict[str, Callable[[], dict[str, Any]]] = {
        "/images": lambda: {"json": {"vector": [1.0] * MODEL_DIM}},
        "mine": lambda: {"json": {"title": "x"}},
        "/merge": lambda: {"json": {"gallery": "mine"}},
    }
    given = next((make() for end, make in body.items() if path.endswith(end)), {})
    if method == "DELETE":
        given = {}
    answer = refusing.client.request(method, path.replace("mine", "nix", 1), **given)
    assert "'nix'" in problem_of(answer, 404)
