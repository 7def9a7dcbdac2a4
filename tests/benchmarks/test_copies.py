"""A dozen pictures and more, from the folder to the table, through the program's own build."""

import csv
import shutil
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest

from app.values import Hit, ImageRecord
from benchmarks.copies import __main__ as command
from benchmarks.copies.edits import EDITS
from benchmarks.copies.measure import Found
from benchmarks.copies.photographs import Split, photographs, pictures_in, split
from benchmarks.copies.product import found
from benchmarks.copies.questions import count, questions
from tests.conftest import PHOTOGRAPHS, encoded, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, frames of a burst, one of them also cut out, generated pictures, one twice."""
    folder = tmp_path_factory.mktemp("copies") / "pictures"
    for name in ("photographs", "Faces", "Faces_easy", "others"):
        (folder / name).mkdir(parents=True)
    for path in PHOTOGRAPHS:
        shutil.copy(path, folder / "photographs")
    for number in range(1, 7):
        frame = picture(7, (96 + number, 64))
        (folder / "Faces" / f"image_{number:04}.jpg").write_bytes(encoded(frame))
        cut = frame.crop((10, 10, 60, 50))
        (folder / "Faces_easy" / f"image_{number:04}.jpg").write_bytes(encoded(cut))
    for number in range(20):
        data = encoded(picture(100 + number))
        (folder / "others" / f"{number:02}.jpg").write_bytes(data)
    shutil.copy(folder / "others" / "00.jpg", folder / "others" / "again.jpg")
    return folder


def parted(folder: Path, seed: int = 0) -> Split:
    paths = pictures_in(folder)
    photograph = photographs(folder, paths)
    return split(paths, photograph, sources=5, bursts=2, unrelated=4, seed=seed)


def test_files_of_one_photograph_are_held_out_together(folder: Path) -> None:
    for seed in range(10):
        parts = parted(folder, seed)
        shown = {parts.photograph[path] for path in parts.gallery}
        assert not shown & {parts.photograph[path] for path in (*parts.bursts, *parts.unrelated)}
        assert set(parts.sources) <= set(parts.gallery)
        assert len(parts.sources) == 5
        assert len(parts.unrelated) == 4


def test_the_neighbours_of_a_held_out_frame_stay(folder: Path) -> None:
    for seed in range(10):
        parts = parted(folder, seed)
        assert len(parts.bursts) == 2 - 1  # airplanes, half of the bursts, are not there
        for path in parts.bursts:
            number = int(path.removesuffix(".jpg")[-4:])
            beside = {number - 1, number + 1} & set(range(1, 7))
            assert {f"Faces/image_{each:04}.jpg" for each in beside} <= set(parts.gallery)


def test_no_unrelated_photograph_is_of_a_burst(folder: Path) -> None:
    for seed in range(10):
        assert not any("Faces" in path for path in parted(folder, seed).unrelated)


def test_a_folder_is_parted_by_the_seed_alone(folder: Path) -> None:
    assert parted(folder) == parted(folder)
    assert parted(folder, 0).sources != parted(folder, 1).sources


def test_a_list_names_pictures_of_one_photograph(folder: Path, tmp_path: Path) -> None:
    same = tmp_path / "same.csv"
    same.write_text("others/01.jpg,others/02.jpg\nothers/02.jpg,others/03.jpg\nnot,there\n")
    shown = photographs(folder, pictures_in(folder), same)
    assert {shown[f"others/0{number}.jpg"] for number in (1, 2, 3)} == {"others/01.jpg"}
    assert shown["others/again.jpg"] == "others/00.jpg"
    assert shown["Faces_easy/image_0001.jpg"] == "Faces/image_0001.jpg"


def test_every_source_meets_every_edit_and_four_in_five_mixed_queries_have_none(
    folder: Path,
) -> None:
    parts = parted(folder)
    asked = list(questions(folder, parts, seed=0))
    assert len(asked) == count(parts)
    tests = Counter(each.test for each in asked)
    assert {tests[name] for name in EDITS} == {5}
    assert tests["unrelated photograph, 2–4 edits"] == 20
    assert {len(each.sources) for each in asked if each.test == "collage of four"} == {4}
    assert all(set(each.sources) <= set(parts.photograph.values()) for each in asked)


class Kind(Enum):
    EDITED = "edited copy"


@dataclass(frozen=True)
class Match:
    kind: object
    score: float


@dataclass(frozen=True)
class HitWithMatch(Hit):
    match: Match | None = None


@pytest.mark.parametrize("kind", ["edited copy", Kind.EDITED])
def test_a_hit_has_its_match_s_class_and_score(kind: object) -> None:
    record = ImageRecord(0, "a.jpg", "", 1, 1, 1)
    hit = HitWithMatch(record, 0.5, 1, same_file=False, match=Match(kind, 0.8))
    assert found(hit) == Found("a.jpg", "edited copy", 0.8)


def test_a_hit_without_a_match_comes_after_all_that_have_one() -> None:
    record = ImageRecord(0, "a.jpg", "", 1, 1, 1)
    assert found(Hit(record, 0.75, 1, same_file=False)) == Found("a.jpg", "", -0.25)


def test_a_folder_becomes_a_table_and_a_list_of_errors(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--folder", folder, "--queries", 4, "--unrelated", 4, "--model", "mean_colour"]
    words += ["--home", tmp_path / "home", "--errors", tmp_path / "errors", "--build=--index Flat"]
    code = command.main([str(word) for word in words])
    printed = capsys.readouterr().out
    assert code == 1  # a tenth of such soft pictures shows too little
    rows = {
        line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1].removesuffix(" |")
        for line in printed.splitlines()
        if line.startswith("| ")
    }
    assert set(EDITS) <= {row.split(":")[0] for row in rows}
    assert rows["JPEG quality 30: source at rank 1; called a copy"].startswith("1.000 (4 of 4)")
    assert "mixed test, 20 queries: µAP (on DISC21: SSCD 0.724, CopyNCE 0.887)" in rows
    with (tmp_path / "errors" / "errors.csv").open(newline="") as file:
        errors = list(csv.DictReader(file))
    assert "crop 10 %" in {each["test"] for each in errors}


def test_a_gallery_is_built_once_and_asked_without_its_originals(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--folder", folder, "--queries", 4, "--unrelated", 4, "--model", "mean_colour"]
    words += ["--home", tmp_path, "--edit", "half size", "--build=--index Flat"]
    command.main([str(word) for word in words])
    assert "images/s" in capfd.readouterr().out
    command.main([*map(str, words), "--without-originals"])
    assert "images/s" not in capfd.readouterr().out
    assert not list(tmp_path.glob("*/pictures"))
    assert (folder / "others" / "00.jpg").exists()
    command.main([str(word) for word in words])
    assert list(tmp_path.glob("*/pictures/others/*.jpg"))


def test_a_folder_of_too_few_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(encoded(picture(1)))
    with pytest.raises(SystemExit, match="too few"):
        command.main(["--folder", str(tmp_path)])
