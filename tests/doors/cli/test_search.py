"""`ris search` over galleries opened here: what is asked, how it is shown, what goes wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from app.doors.answers import search_answer
from app.doors.cli import sheet
from app.doors.cli.table import lines_of
from app.values import Box, Edit
from tests.conftest import ROOT, encoded, picture

BOX = "0.25,0,0.75,0.5"


RESULT = {
    **{"rank": 1, "score": 0.5, "labels": ["a", "b"], "path": "c.jpg"},
    **{"same_file": False, "duplicate_of": None, "missed": False, "remarks": []},
    **{"kind": "similar", "match": None},
}
ANSWER = {"verdict": "", "notes": [], "similar_enough": True, "results": [RESULT], "gallery": "g"}


def assert_one_sentence(said: str) -> None:
    assert said.count("\n") == 1, said
    assert said.endswith("\n")
    assert "Traceback" not in said


def without_times(answer: dict) -> dict:
    return {key: value for key, value in answer.items() if key != "timing_ms"}


# What is asked


def test_the_answer_in_json_is_the_service_s_own(home, run, picture_of):
    code, out, err = run("search", picture_of(7), "--gallery", "mine", "-k", "4", "--json")
    assert (code, err) == (0, "")
    expected = search_answer(home.service().search("mine", picture_of(7).read_bytes(), k=4))
    assert without_times(json.loads(out)) == without_times(json.loads(json.dumps(expected)))
    assert json.loads(out)["results"][0]["same_file"]


def test_every_option_reaches_the_search(home, run, picture_of):
    options = ("--box", BOX, "--exact", "--label", "kind_2", "--min-score", "0.1", "-k", "3")
    _, out, _ = run("search", picture_of(7), "--gallery", "mine", *options, "--json")
    expected = home.service().search(
        "mine",
        picture_of(7).read_bytes(),
        k=3,
        edit=Edit(box=Box(0.25, 0, 0.75, 0.5)),
        exact=True,
        label="kind_2",
        min_score=0.1,
    )
    assert without_times(json.loads(out)) == without_times(
        json.loads(json.dumps(search_answer(expected)))
    )
    whole = json.loads(run("search", picture_of(7), "--gallery", "mine", "-k", "3", "--json")[1])
    assert json.loads(out)["ids"] != whole["ids"]


def test_an_image_of_the_gallery_is_asked_by_its_id(run):
    code, out, _ = run("search", "--id", "7", "--gallery", "mine", "-k", "1", "--json")
    assert (code, json.loads(out)["ids"]) == (0, [7])


def test_a_picture_comes_from_standard_input(run, picture_of):
    data = picture_of(9).read_bytes()
    _, piped, _ = run("search", "-", "--gallery", "mine", "--json", stdin=data)
    _, named, _ = run("search", picture_of(9), "--gallery", "mine", "--json")
    assert without_times(json.loads(piped)) == without_times(json.loads(named))


def test_without_a_gallery_the_first_that_can_be_searched_is_asked(run):
    assert json.loads(run("search", "--id", "0", "--json")[1])["gallery"] == "mine"


# How it is shown


def test_the_table_shows_rank_score_labels_and_path(run, picture_of):
    code, out, err = run("search", picture_of(7), "--gallery", "mine", "-k", "2")
    assert (code, err) == (0, "")
    verdict, head, first, _ = out.splitlines()
    assert verdict == "Found: this is kind_2/00007.jpg."
    assert head.split() == ["rank", "score", "labels", "path", "kind"]
    assert first.split() == ["1", "1.0000", "kind_2", "kind_2/00007.jpg", "same", "file"]


def test_nothing_like_it_is_said_first():
    answer = ANSWER | {"notes": ["edited"], "similar_enough": False}
    note, nothing, head, *_ = lines_of(answer)
    assert "edited" in note
    assert "g" in nothing.split()
    assert head == "rank  score   labels  path   kind"


def test_where_the_picture_is_from_is_said_first_and_how_with_each_result():
    match = {"kind": "edited copy", "reason": "cropped to 37 %, mirrored"}
    found = RESULT | {"kind": "edited copy", "match": match, "remarks": ["in 2 places"]}
    answer = ANSWER | {"verdict": "Found: this is a\x1b.jpg.", "results": [found, RESULT]}
    verdict, _, first, second = lines_of(answer)
    assert verdict == "Found: this is a\ufffd.jpg."
    assert first.endswith("  edited copy, cropped to 37 %, mirrored, in 2 places")
    assert second.endswith("  similar")


def test_a_verdict_of_nothing_is_not_said_twice():
    answer = ANSWER | {"verdict": "Nothing like it here.", "similar_enough": False}
    verdict, head, *_ = lines_of(answer)
    assert verdict == "Nothing like it here."
    assert head.startswith("rank")


def test_no_result_at_all_is_said(run, picture_of):
    _, out, _ = run(
        "search", picture_of(7), "--gallery", "mine", "--min-score", "1", "--label", "kind_1"
    )
    assert "filters" in out
    assert "mine" in out
    assert_one_sentence(out)


def test_a_file_s_name_cannot_send_the_terminal_anything():
    result = RESULT | {"labels": ["a\x1b[2J"], "path": "b\nc", "remarks": ["missed by the index"]}
    shown = list(lines_of(ANSWER | {"results": [result]}))[1]
    said = "similar, missed by the index"
    assert shown.split(maxsplit=4)[2:] == ["a\ufffd[2J", "b\ufffdc", said]


def test_paths_alone_are_absolute_where_the_files_are_here(home, run, picture_of):
    code, out, err = run("search", picture_of(7), "--gallery", "mine", "-k", "5", "--paths")
    assert (code, err) == (0, "")
    paths = out.splitlines()
    assert len(paths) == 5
    assert paths[0] == str(picture_of(7))
    assert all(Path(path).is_file() for path in paths)


def test_paths_of_files_that_are_gone_are_relative(home, run, picture_of):
    original, elsewhere = home.path / "pictures", home.path / "moved"
    original.rename(elsewhere)
    try:
        asked = "--id", "7", "--id", "7", "--gallery", "mine"
        _, out, err = run("search", *asked, "-k", "1", "--paths")
    finally:
        elsewhere.rename(original)
    assert out == "kind_1/00006.jpg\n" * 2
    assert "relative" in err
    assert_one_sentence(err)


def test_several_queries_are_answered_one_after_the_other_under_headings(run, picture_of):
    code, out, _ = run(
        "search", picture_of(3), picture_of(4), "--id", "5", "--gallery", "mine", "-k", "1"
    )
    assert code == 0
    blocks = [block.splitlines() for block in out.split("\n\n")]
    assert [block[0] for block in blocks] == [str(picture_of(3)), str(picture_of(4)), "image 5"]
    assert [block[3].split()[3][-9:] for block in blocks[:2]] == ["00003.jpg", "00004.jpg"]


def test_where_one_query_fails_the_others_are_answered_and_its_code_is_kept(run, picture_of):
    code, out, err = run(
        *("search", ROOT / "pyproject.toml", picture_of(4), "no such", "--gallery", "mine"),
        *("-k", "1", "--json"),
    )
    assert code == 3, "of the text file, which came first"
    failed, answered, missing = map(json.loads, out.splitlines())
    assert "text" in failed["error"]
    assert answered["results"][0]["same_file"]
    assert "'no such'" in missing["error"]
    assert [line.split(": ")[0] for line in err.splitlines()] == [
        str(ROOT / "pyproject.toml"),
        "no such",
    ]


def test_the_contact_sheet_is_a_png_with_every_query(run, picture_of, tmp_path):
    sheets = tmp_path / "one.png", tmp_path / "deep" / "two.png"
    queries = picture_of(3), "--id", "5"
    assert run("search", *queries[:1], "--gallery", "mine", "--sheet", sheets[0])[0] == 0
    assert run("search", *queries, "--gallery", "mine", "--sheet", sheets[1])[0] == 0
    one, two = (Image.open(sheet) for sheet in sheets)
    assert one.format == "PNG"
    assert two.height > 1.9 * one.height
    # The query's own picture stands first, the best result, its equal, beside it.
    cells = [one.crop((10 + 180 * at, 40, 170 + 180 * at, 190)).tobytes() for at in (0, 1)]
    assert len(set(cells[0])) > 50
    one.close()
    two.close()


def test_a_sheet_shows_the_part_that_was_searched(run, picture_of, tmp_path):
    whole, part = tmp_path / "whole.png", tmp_path / "part.png"
    run("search", picture_of(3), "--gallery", "mine", "--sheet", whole)
    run("search", picture_of(3), "--gallery", "mine", "--sheet", part, "--box", "0,0,0.5,0.5")
    places = [Image.open(sheet).crop((10, 40, 170, 200)).tobytes() for sheet in (whole, part)]
    assert places[0] != places[1]


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "x" * 10_000, ""])
def test_a_sheet_takes_names_of_any_kind(name):
    contact = sheet.ContactSheet()
    results = [RESULT | {"labels": [name]}, RESULT | {"labels": [], "path": name}]
    contact.add(name, None, {"gallery": "g", "results": results})
    assert contact.to_png(lambda result: encoded(picture(1))).startswith(b"\x89PNG")


def test_a_sheet_has_an_end_and_says_what_it_leaves_out(run, picture_of, tmp_path, monkeypatch):
    file = tmp_path / "sheet.png"
    asked = ("search", picture_of(3), "--id", "4", "--id", "5", "--gallery", "mine", "-k", "12")
    assert run(*asked, "--sheet", file)[2] == ""
    monkeypatch.setattr("app.doors.cli.sheet.MAX_HEIGHT", 1100)
    code, _, err = run(*asked, "--sheet", file)
    assert code == 0
    assert "17 of 36" in err, "three rows of the first query, one of the second"
    assert_one_sentence(err)
    with Image.open(file) as drawn:
        assert 800 < drawn.height <= 1100


def test_a_sheet_keeps_thumbnails_alone():
    contact = sheet.ContactSheet()
    large = encoded(picture(1, (1200, 800)), "PNG")
    contact.add("large", large, {"gallery": "g", "results": []})
    assert len(contact.sections[0].picture) < 100_000 < len(large)


def test_open_opens_the_sheet(run, picture_of, cache, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert run("search", picture_of(3), "--gallery", "mine", "--open")[0] == 0
    assert opened == [(cache / "last-search.png").as_uri()]
    assert (cache / "last-search.png").is_file()


def test_where_nothing_opens_pictures_the_place_of_the_sheet_is_printed(
    run, picture_of, cache, monkeypatch
):
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    code, _, err = run("search", picture_of(3), "--gallery", "mine", "--open")
    assert code == 2
    assert str(cache / "last-search.png") in err
    assert_one_sentence(err)


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ([], 2, "picture"),
        (["nix.jpg"], 2, "'nix.jpg'"),
        (["/"], 2, "'/'"),
        (["a\0b"], 2, "a.*b"),
        (["~nobody-of-that-name/x.jpg"], 2, "~nobody-of-that-name/x.jpg"),
        (["-"], 3, "[Ss]tandard input"),
        (["pyproject.toml"], 3, "text"),
        (["--id", "30"], 2, r"\b30\b.*\b0\b.*\b29\b"),
        (["--id", "x"], 2, "'x'"),
        (["--id", "-1"], 2, "'-1'"),
        (["--id", "7", "-k", "-5"], 2, "^k .*1.*200.*-5"),
        (["--id", "7", "--gallery", "nix"], 2, "'nix'.*mine, other"),
        (["--id", "7", "--gallery", "../mine"], 2, "'../mine'.*mine, other"),
        (["--id", "7", "-k", "0"], 2, "^k .*1.*200.*0"),
        (["--id", "7", "-k", "1000000000"], 2, "^k .*1.*200.*1000000000"),
        (["--id", "7", "--min-score", "nan"], 2, "^min_score .*-1.*1.*nan"),
        (["--id", "7", "--min-score", "2"], 2, "^min_score .*-1.*1.*2"),
        (["--id", "7", "--box", "0.5,0,0.2,1"], 2, "box.*0.5"),
        (["--id", "7", "--box=-0.5,0,0.2,1"], 2, "box.*-0.5"),
        (["--id", "7", "--box", "-0.1,0,0.1,1"], 2, "box.*-0.1"),
        (["--id", "7", "--box", "-.5,0,1,1", "--json"], 2, "box.*-0.5"),
        (["--id", "7", "--min-score", "-inf"], 2, "^min_score .*-1.*1.*-inf"),
        (["--id", "7", "--min-score", "-1e3"], 2, "^min_score .*-1.*1.*-1000"),
        (["--id", "7", "--box", "0,0,nan,1"], 2, "box.*nan"),
        (["--id", "7", "--box", "left"], 2, "box 'left'"),
        (["--id", "7", "--box", ""], 2, "box ''"),
        (["--id", "7", "--box", "0,0,1"], 2, "box '0,0,1'"),
        (["--id", "7", "--label", "kind_9"], 2, "'kind_9'.*kind_"),
        (["http://127.0.0.1:1/x.jpg"], 3, r"127\.0\.0\.1"),
        (["file:///etc/passwd"], 3, "file:///etc/passwd"),
    ],
)
def test_what_cannot_be_asked_ends_with_its_code_and_one_sentence(
    run, monkeypatch, arguments, code, named
):
    monkeypatch.chdir(ROOT)
    ended, out, err = run("search", *arguments)
    assert (ended, out) == (code, ""), err
    assert re.search(named, err)
    assert_one_sentence(err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "many"],
        ["--min-score", "high"],
        ["--json", "--paths"],
        ["--box", "--json"],
        ["--server", "http://x", "--no-server"],
    ],
)
def test_options_that_make_no_search_end_with_code_2_and_the_usage(run, arguments):
    code, out, err = run("search", "--id", "7", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: ris search")


def test_a_home_without_galleries_says_how_to_make_one(run, monkeypatch, tmp_path):
    monkeypatch.setenv("RIS_HOME", str(tmp_path))
    code, out, err = run("search", "--id", "7")
    assert (code, out) == (2, "")
    assert "create_index.py --images DIR" in err
    assert_one_sentence(err)


@pytest.mark.parametrize("name", ["x.txt", "x.jpg", "x", "png", ".png", "x.png.bak", ""])
def test_a_sheet_whose_name_is_not_a_png_s_is_refused_before_the_search(run, tmp_path, name):
    place = tmp_path / name if name else ""
    code, out, err = run("search", "--id", "7", "--gallery", "mine", "--sheet", place)
    assert (code, out) == (2, "")
    assert repr(str(place or Path())) in err
    assert ".png" in err
    assert_one_sentence(err)
    assert not list(tmp_path.glob("*.*"))


def test_a_sheet_s_suffix_may_be_in_capitals(run, tmp_path):
    place = tmp_path / "X.PNG"
    assert run("search", "--id", "7", "--gallery", "mine", "--sheet", place)[0] == 0
    assert place.read_bytes().startswith(b"\x89PNG")


def test_a_sheet_that_cannot_be_written_ends_with_code_7_after_the_answer(run, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    code, out, err = run(
        "search", "--id", "7", "--gallery", "mine", "--sheet", tmp_path / "file" / "x.png"
    )
    assert code == 7
    assert out.splitlines()[1].startswith("rank")
    assert_one_sentence(err)


def test_whoever_stops_reading_ends_the_search_quietly(home, cache):
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "app", "search", "--id", "7", "-k", "30"],
        cwd=ROOT,
        env=os.environ | {"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(cache)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("asked", ["galleries", "search --id 7 -k 30", "info"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_ends_with_code_7_and_one_sentence(home, cache, asked, unbuffered):
    own = {"RIS_HOME": home.path, "RIS_CACHE_DIR": cache, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "app", *asked.split()],
            cwd=ROOT,
            env=os.environ | {key: str(value) for key, value in own.items()},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 7
    assert "No space left on device" in ended.stderr
    assert_one_sentence(ended.stderr)


@pytest.mark.parametrize(("asked", "code"), [("--id 7", 0), ("-", 3)])
def test_standard_input_may_be_closed(home, cache, asked, code):
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m app search {asked} <&-'],
        cwd=ROOT,
        env=os.environ | {"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False)


def test_ctrl_c_ends_with_code_130(run, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.doors.cli.local.LocalGalleries.search", interrupt)
    code, out, err = run("search", "--id", "7")
    assert (code, out) == (130, "")
    assert "Traceback" not in err


def test_more_bytes_than_a_picture_has_are_not_read(run, monkeypatch, tmp_path):
    monkeypatch.setattr("app.doors.inputs.MAX_PICTURE_BYTES", 1_000_000)
    (tmp_path / "film.mp4").write_bytes(bytes(1_000_001))
    for code, out, err in (
        run("search", tmp_path / "film.mp4"),
        run("search", "/dev/zero"),
        run("search", "-", stdin=bytes(1_000_001)),
    ):
        assert (code, out) == (2, "")
        assert "1 MB" in err
        assert_one_sentence(err)


def test_a_huge_picture_is_refused_by_its_size(run, tmp_path):
    # A PNG whose header promises 60,000 x 60,000 pixels.
    bomb = tmp_path / "bomb.png"
    data = bytearray(encoded(picture(1), "PNG"))
    data[16:24] = (60_000).to_bytes(4) * 2
    bomb.write_bytes(data)
    code, out, err = run("search", bomb)
    assert (code, out) == (3, "")
    assert_one_sentence(err)
