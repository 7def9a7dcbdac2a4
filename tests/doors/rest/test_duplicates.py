"""Near duplicates over HTTP: found in the background, and decisions where they are allowed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import open_gallery
from app.doors.answers import duplicates_answer
from app.errors import UsageError
from tests.conftest import PHOTOGRAPHS, Home, fill
from tests.doors.rest.conftest import OFF, problem_of
from tests.doors.rest.test_changes import Album, changeable
from tests.search.test_duplicates import write_edits

DUPLICATES = "/galleries/mine/duplicates"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("duplicates"))
    home.build(write_edits(home.path / "pictures"), "mine", copies=True)
    return home


@pytest.fixture(scope="module")
def album(own: Home) -> Iterator[Album]:
    with changeable(own) as made:
        yield made


def found_by(album: Album, **shown: Any) -> dict[str, Any]:
    """Begin a search, and return what it has found."""
    begun = album.client.post(DUPLICATES)
    assert begun.status_code == 202, begun.text
    assert begun.json()["state"] == "running"
    while True:
        progress = album.client.get(DUPLICATES, params=shown).json()
        if progress["state"] != "running":
            assert (progress["state"], progress["gallery"]) == ("done", "mine")
            return dict(progress["duplicates"])


def test_before_any_search_there_is_none(own: Home) -> None:
    with changeable(own) as album:
        progress = album.client.get(DUPLICATES).json()
    assert (progress["state"], progress["duplicates"]) == ("idle", None)


def test_the_answer_is_that_of_every_door(album: Album, own: Home) -> None:
    answer = found_by(album)
    expected = duplicates_answer(open_gallery("mine", home=own.path).duplicates())
    assert answer.pop("seconds") > 0
    del expected["seconds"]
    for group in answer["groups"]:
        for image in (group["best"], *group["others"]):
            for name in ("image_url", "thumbnail_url"):
                address = image.pop(name)
                assert album.client.get(f"/{address.lstrip('/')}").status_code == 200
    for group in expected["groups"]:
        for image in (group["best"], *group["others"]):
            del image["image_url"], image["thumbnail_url"]
    assert answer == expected
    assert answer["groups_found"] == 3


def test_kinds_and_a_limit_are_taken(album: Album) -> None:
    answer = found_by(album, kind="same-file,same-picture", limit=2)
    assert (answer["groups_found"], len(answer["groups"])) == (3, 2)
    kinds = {each["kind"] for group in answer["groups"] for each in group["others"]}
    assert kinds == {"same file", "same picture"}


@pytest.mark.parametrize(
    "shown", ["kind=similar", "kind=", "limit=0", "limit=many", "kind=same-file&kind=same-file"]
)
def test_what_cannot_be_meant_is_refused(album: Album, shown: str) -> None:
    problem_of(album.client.get(f"{DUPLICATES}?{shown}"), 422)


def test_an_unknown_gallery_is_refused(album: Album) -> None:
    for method in ("GET", "POST"):
        answer = album.client.request(method, "/galleries/nothing/duplicates")
        assert "mine" in problem_of(answer, 404)


def test_decisions_hold_for_what_was_found_before(own: Home, tmp_path: Path) -> None:
    for name in ("features", "indexes"):
        shutil.copytree(own.path / name, tmp_path / name)
    with changeable(Home(tmp_path)) as album:
        before = found_by(album)
        first = before["groups"][-1]
        ids = [first["best"]["id"], first["others"][0]["id"]]
        assert album.post("duplicates/apart", json={"ids": ids}).json() == {
            "gallery": "mine",
            "pairs": 1,
        }
        after = album.client.get(DUPLICATES).json()["duplicates"]
        assert after["apart"] == 1
        for group in after["groups"]:
            grouped = {group["best"]["id"], *(each["id"] for each in group["others"])}
            assert not set(ids) <= grouped
        assert album.post("duplicates/forget", json={"ids": ids}).json()["pairs"] == 1
        assert album.client.get(DUPLICATES).json()["duplicates"] == before
        for wrong in ([ids[0]], [ids[0], ids[0]], ["1.5", 2], [True, False]):
            status = 404 if "1.5" in wrong else 422
            problem_of(album.post("duplicates/apart", json={"ids": wrong}), status)


@pytest.mark.parametrize("body", [b"x\xff", b'{"ids": [1, ', b"", b"\xff\xfe{\0}\0", b"null"])
def test_a_body_that_is_no_json_is_a_problem_in_a_sentence(album: Album, body: bytes) -> None:
    for what in ("apart", "forget"):
        sent = album.client.post(
            f"{DUPLICATES}/{what}", content=body, headers={"Content-Type": "application/json"}
        )
        problem_of(sent, 422)


def test_decisions_need_the_operator_s_leave_and_looking_needs_none(own: Home) -> None:
    with changeable(own, off=OFF) as album:
        assert found_by(album)["groups_found"] == 3
        for what in ("apart", "forget"):
            problem_of(album.post(f"duplicates/{what}", json={"ids": [1, 2]}), 403)


def test_python_takes_decisions_by_ids_and_records(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = fill(home.path / "pictures", 3)
    for number, quality in enumerate((95, 60)):
        from tests.conftest import encoded
        from tests.search.test_duplicates import photograph

        (folder / f"{number}.jpg").write_bytes(encoded(photograph("coffee"), quality=quality))
    shutil.copy(PHOTOGRAPHS[0], folder)
    home.build(folder, "mine", copies=True)
    gallery = open_gallery("mine", home=home.path)
    stages: list[str] = []
    (group,) = gallery.duplicates(on_progress=lambda stage, done, total: stages.append(stage))
    assert stages[0] == "near"
    (other,) = group.others
    assert gallery.keep_apart([group.best, other.image.public_id]) == 1
    assert not gallery.duplicates().groups
    assert gallery.forget_apart([group.best, other.image]) == 1
    assert len(gallery.duplicates(["same picture"]).groups) == 1
    with pytest.raises(UsageError):
        gallery.duplicates(["similar"])
