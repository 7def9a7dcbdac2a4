"""`ris galleries`, `info`, `evaluate`, `verify`, and `ris` itself."""

import json
import re
import shutil

import numpy as np
import pytest

from app.doors.cli import main
from app.errors import GalleryError
from app.search.evaluation import evaluate
from tests.conftest import Home, fill, picture
from tests.doors.cli.conftest import IMAGES


@pytest.fixture
def damaged(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Home:
    """A home of its own with a whole gallery and two with a byte changed."""
    own = Home(tmp_path / "own")
    shutil.copytree(home.path, own.path)
    for name in ("broken", "worse"):
        own.build(fill(tmp_path / name, 3), name)
    for file in (
        own.folders("broken").features / "1" / "vectors.faiss",
        own.folders("worse").indexes / "1" / "thumbnails.db",
    ):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    monkeypatch.setenv("RIS_HOME", str(own.path))
    return own


def test_verify_says_that_whole_galleries_are_whole(run):
    code, out, err = run("verify")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["mine", "other"]
    assert all(re.search(r": whole, \d+ images, \d+\.\d MB$", line) for line in lines)


def test_verify_names_each_damaged_file_and_what_mends_it_and_ends_with_code_5(run, damaged):
    code, out, _ = run("verify")
    assert code == GalleryError.exit_code == 5
    found = dict(line.split(": ", 1) for line in out.splitlines())
    assert set(found) == {"broken", "mine", "other", "worse"}
    assert found["mine"].startswith("whole")
    assert str(damaged.folders("broken").features / "1" / "vectors.faiss") in found["broken"]
    assert "--name broken --force" in found["broken"]
    assert "thumbnails.db" in found["worse"]


def test_verify_of_one_gallery_says_nothing_of_the_others(run, damaged):
    assert run("verify", "mine")[0] == 0
    code, out, _ = run("verify", "broken", "mine")
    assert code == 5
    assert len(out.splitlines()) == 2


def test_verify_of_a_gallery_that_is_not_there_names_those_that_are(run):
    code, out, _ = run("verify", "nix", "mine")
    assert code == 2
    assert re.search("nix.*mine, other", out.splitlines()[0])
    assert out.splitlines()[1].startswith("mine: whole")


def test_verify_names_a_gallery_without_its_vectors(run, home, tmp_path, monkeypatch):
    own = Home(tmp_path / "own")
    own.build(fill(tmp_path / "many", 120), "many", index="IVF3,SQ8")
    shutil.rmtree(own.folders("many").features)
    monkeypatch.setenv("RIS_HOME", str(own.path))
    code, out, _ = run("verify")
    assert (code, out.startswith("many: without its vectors")) == (0, True)


def test_info_shows_model_index_recall_and_size(run):
    code, out, err = run("info", "mine")
    assert (code, err) == (0, "")
    assert re.search(rf"^  images    {IMAGES} of mine$", out, re.MULTILINE)
    assert "  model     mean_colour, 48 dimensions\n" in out
    assert "  index     Flat, exact\n" in out
    assert "  recall@10 1.000" in out


def test_info_of_a_damaged_gallery_ends_with_code_5(run, damaged):
    code, out, _ = run("info", "broken")
    assert code == 5
    assert "vectors.faiss" in out
    assert run("info")[0] == 0, "without a name it lists all, damaged ones too"


def test_info_and_galleries_in_json_are_what_rest_gives(run, home):
    from app.doors.answers import gallery_answer

    expected = [gallery_answer(info) for info in home.service().galleries()]
    for command in ("info", "galleries"):
        _, out, _ = run(command, "--json")
        assert [json.loads(line) for line in out.splitlines()] == expected
    assert json.loads(run("info", "mine", "--json")[1]) == expected[0]


def test_galleries_by_name_alone_opens_none(run, damaged):
    assert run("galleries", "--names") == (0, "broken\nmine\nother\nworse\n", "")


@pytest.mark.parametrize("command", ["info", "evaluate"])
def test_a_gallery_that_is_not_there_ends_with_code_2_and_the_names(run, command):
    code, out, err = run(command, "nix")
    assert (code, out) == (2, "")
    assert re.search("'nix'.*mine, other", err)


# evaluate


def test_evaluate_gives_recall_and_precision(run):
    code, out, _ = run("evaluate", "mine", "-k", "3", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["gallery"], found["queries"], found["k"]) == ("mine", IMAGES, 3)
    assert found["recall_reranked"] == 1, "it is searched exactly"
    assert found["labelled_queries"] == IMAGES
    assert 0 < found["precision_index"] == found["precision_exact"] < 1
    _, text, _ = run("evaluate", "mine", "-k", "3")
    assert "recall@3     1.0000" in text
    assert f"precision@3  {found['precision_index']:.4f}" in text
    assert f"mAP           {found['mean_average_precision']:.4f}" in text


def test_evaluate_agrees_with_a_count_by_hand(home):
    k, service = 4, home.service()
    vectors = service.vectors("mine")
    labels = [service.image("mine", row).labels for row in range(IMAGES)]
    precisions, averages = [], []
    for row in range(IMAGES):
        order = [other for other in np.argsort(-(vectors @ vectors[row])) if other != row]
        right = [labels[other] == labels[row] for other in order]
        precisions.append(np.mean(right[:k]))
        places = np.flatnonzero(right)
        averages.append(np.mean([(at + 1) / (place + 1) for at, place in enumerate(places)]))
    found = evaluate(home.folders("mine"), k=k, sample=1000, without="")
    assert found.precision_exact == pytest.approx(np.mean(precisions))
    assert found.mean_average_precision == pytest.approx(np.mean(averages))


def test_evaluate_measures_what_an_index_misses(home, tmp_path):
    own = Home(tmp_path / "own")
    report = own.build(fill(tmp_path / "many", 400), "many", index="IVF20,PQ8")
    found = evaluate(own.folders("many"), k=10, sample=400, without="")
    assert found.recall_raw < found.recall_reranked <= 1
    assert found.recall_reranked == pytest.approx(report.manifest.recall_reranked, abs=0.05)
    assert found.recall_raw == pytest.approx(report.manifest.recall_raw, abs=0.1)


def test_images_of_a_label_left_out_neither_ask_nor_answer(home):
    whole = evaluate(home.folders("mine"), k=3, sample=1000, without="")
    less = evaluate(home.folders("mine"), k=3, sample=1000, without="kind_0")
    assert less.labelled_queries == whole.labelled_queries - IMAGES // 5
    assert less.queries == whole.queries
    assert less.mean_average_precision > whole.mean_average_precision, "fewer wrong ones are left"


@pytest.mark.parametrize("k", [1, 3, 10])
def test_images_left_out_do_not_take_the_places_of_others(tmp_path, k):
    own = Home(tmp_path / "own")
    images = tmp_path / "images"
    for label, seeds in {"junk": range(10), "one": range(10, 12), "two": range(12, 14)}.items():
        (images / label).mkdir(parents=True)
        for seed in seeds:
            picture(seed).save(images / label / f"{seed}.png")
    own.build(images, "mine")
    found = evaluate(own.folders("mine"), k=k, sample=100, without="junk")
    assert found.labelled_queries == 4
    assert found.precision_index == found.precision_exact > 0


def test_an_index_is_asked_until_enough_that_count_are_found(home, tmp_path):
    own = Home(tmp_path / "own")
    own.build(fill(tmp_path / "many", 400, labels=2), "many", index="IVF20,PQ8")
    junk = evaluate(own.folders("many"), k=20, sample=400, without="kind_1")
    assert junk.precision_exact == junk.precision_index == 1, "every image left is a right one"


def test_evaluate_reports_its_progress_to_the_end(home):
    reported = []
    evaluate(
        home.folders("mine"),
        k=3,
        sample=20,
        without="",
        on_progress=lambda *done: reported.append(done),
    )
    assert reported[-1] == (20, 20)


def test_images_without_labels_have_no_precision(run, tmp_path, monkeypatch):
    own = Home(tmp_path / "own")
    images = fill(tmp_path / "plain", 6, labels=6)  # each label has one image
    own.build(images, "plain")
    monkeypatch.setenv("RIS_HOME", str(own.path))
    code, out, _ = run("evaluate", "plain")
    assert code == 0
    assert "label" in out
    assert "mAP" not in out
    assert json.loads(run("evaluate", "plain", "--json")[1])["mean_average_precision"] is None


def test_a_gallery_of_one_image_can_be_evaluated(run, tmp_path, monkeypatch):
    own = Home(tmp_path / "own")
    own.build(fill(tmp_path / "one", 1), "one")
    monkeypatch.setenv("RIS_HOME", str(own.path))
    assert run("evaluate", "one")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["-k", "0"], 2, "-k .*1.*1000000.*0"),
        (["-k", "-1"], 2, "-k .*1.*1000000.*-1"),
        (["--sample", "0"], 2, "--sample .*1.*1000000.*0"),
        (["--sample", "10000000000"], 2, "--sample .*1.*1000000"),
        (["--without", "nix"], 2, "label.*'nix'"),
    ],
)
def test_what_cannot_be_evaluated_ends_with_one_sentence(run, arguments, code, named):
    ended, out, err = run("evaluate", "mine", *arguments)
    assert (ended, out) == (code, "")
    assert re.search(named, err.splitlines()[-1])


def test_without_vectors_there_is_nothing_to_compare_with(run, tmp_path, monkeypatch):
    own = Home(tmp_path / "own")
    own.build(fill(tmp_path / "many", 120), "many", index="IVF3,SQ8")
    shutil.rmtree(own.folders("many").features)
    monkeypatch.setenv("RIS_HOME", str(own.path))
    code, out, err = run("evaluate", "many")
    assert (code, out) == (5, "")
    assert "many" in err
    assert "--force" in err


# ris itself


def test_python_m_app_is_ris_by_another_name(capsys):
    for program in ("ris", "python -m app"):
        with pytest.raises(SystemExit):
            main(["--help"], program=program)
        assert capsys.readouterr().out.startswith(f"usage: {program} ")
