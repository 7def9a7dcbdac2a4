"""`ris duplicates`: groups for people and programs, a table, and decisions."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests import commands
from tests.conftest import PHOTOGRAPHS, Home, encoded, fill
from tests.search.test_duplicates import photograph

run = commands.run
ris = commands.ris


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of "mine": photographs, half of one, and a copy of another."""
    home = Home(tmp_path / "home")
    folder = fill(home.path / "pictures", 8)
    for path in PHOTOGRAPHS:
        shutil.copy(path, folder / path.name)
    coffee = photograph("coffee")
    (folder / "half.jpg").write_bytes(encoded(coffee.resize((coffee.width // 2, 200))))
    (folder / "mirrored.jpg").write_bytes(encoded(coffee.transpose(0)))
    shutil.copy(folder / "chelsea.jpg", folder / "=again.jpg")
    home.build(folder, "mine", copies=True)
    home.build(fill(home.path / "one", 1), "one", copies=True)
    return home


def ids(home: Home) -> dict[str, str]:
    service = home.service()
    return {each.path: str(each.id) for each in service.images("mine", service.ids("mine"))}


def test_groups_are_printed_the_best_first(ris, home):
    code, out, err = ris("duplicates", "mine")
    assert code == 0, err
    lines = out.splitlines()
    first = lines.index(next(line for line in lines if "coffee.jpg" in line))
    assert lines[first].split()[1] == "coffee.jpg"
    assert "half.jpg" in lines[first + 1]
    assert ": same picture (" in lines[first + 1]
    assert ": mirrored (" in lines[first + 2]
    assert "2 groups" in lines[-1]
    assert "3 show the picture of a better one" in lines[-1]
    assert "Comparing" in err
    assert "Comparing" not in out


def test_json_is_one_document_with_everything(ris, home):
    code, out, _ = ris("duplicates", "mine", "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["gallery"], answer["images"], answer["groups_found"]) == ("mine", 16, 2)
    assert answer["others_found"] == 3
    group = answer["groups"][1]
    assert (group["kind"], group["best"]["path"]) == ("edited copy", "coffee.jpg")
    assert {each["path"]: each["match"]["reason"] for each in group["others"]} == {
        "half.jpg": "",
        "mirrored.jpg": "mirrored",
    }
    assert {each["of"] for each in group["others"]} == {group["best"]["id"]}


def test_a_limit_leaves_out_groups_and_says_so(ris):
    _, out, _ = ris("duplicates", "mine", "--limit", "1")
    assert "2 groups" in out
    assert "the first 1" in out
    assert "coffee.jpg" not in out
    _, out, _ = ris("duplicates", "mine", "--limit", "1", "--json")
    answer = json.loads(out)
    assert (len(answer["groups"]), answer["groups_found"]) == (1, 2)


def test_kinds_are_chosen(ris):
    _, out, _ = ris("duplicates", "mine", "--kind", "same-picture", "--kind", "same-file", "--json")
    kinds = [each["kind"] for group in json.loads(out)["groups"] for each in group["others"]]
    assert kinds == ["same file", "same picture"]


def test_the_table_has_a_row_for_each_image(ris, tmp_path):
    file = tmp_path / "table.csv"
    code, _, _ = ris("duplicates", "mine", "--csv", file, "--limit", "1")
    assert code == 0
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["group"], row["kind"]) for row in rows] == [
        ("1", "best"),
        ("1", "same file"),
        ("2", "best"),
        ("2", "same picture"),
        ("2", "edited copy"),
    ]
    assert rows[2]["path"] == "coffee.jpg"
    assert rows[4]["reason"] == "mirrored"
    assert rows[4]["of"] == rows[2]["id"]
    # what a spreadsheet would take for a formula
    assert "'=again.jpg" in {rows[0]["path"], rows[1]["path"]}


def test_a_table_that_cannot_be_written_is_named(ris, tmp_path):
    code, _, err = ris("duplicates", "mine", "--csv", tmp_path / "nowhere" / "table.csv")
    assert code == 7
    assert "nowhere" in err


def test_decisions_are_remembered_and_forgotten(ris, home):
    by_path = ids(home)
    pair = by_path["coffee.jpg"], by_path["half.jpg"]
    assert ris("duplicates", "mine", "--apart", *pair)[:2] == (
        0,
        "mine: 1 pair kept apart from now on\n",
    )
    _, out, _ = ris("duplicates", "mine")
    assert "1 pair kept apart" in out.splitlines()[-1]
    groups = [set(map(str.strip, part.split("\n"))) for part in out.split("\n\n")]
    for group in groups:
        named = " ".join(group)
        assert not ("coffee.jpg" in named and "half.jpg" in named)
    assert ris("duplicates", "mine", "--forget", *pair)[:2] == (
        0,
        "mine: 1 pair no longer kept apart\n",
    )
    _, out, _ = ris("duplicates", "mine", "--json")
    assert json.loads(out)["others_found"] == 3


def test_a_gallery_of_one_image_has_none(ris):
    code, out, _ = ris("duplicates", "one")
    assert (code, out) == (0, "one: no two of 1 images show one picture.\n")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["nothing"], "mine"),
        (["mine", "--limit", "0"], "--limit"),
        (["mine", "--kind", "similar"], "same-picture"),
        (["mine", "--apart", "1"], "two images"),
        (["mine", "--apart", "1", "999"], "999"),
        (["mine", "--apart", "1", "2", "--forget", "1", "2"], "--forget"),
        (["mine", "--apart", "1", "2", "--json"], "--json"),
    ],
)
def test_what_cannot_be_meant_is_refused(ris, typed, said):
    code, out, err = ris("duplicates", *typed)
    assert (code, out) == (2, "")
    assert said in err
