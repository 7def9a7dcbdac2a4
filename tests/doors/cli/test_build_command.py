"""The command line: a sentence and a code by kind for what goes wrong, a report for the rest."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import app
from app.build import commit
from app.doors.cli import main
from app.errors import DatasetError, ModelError, StorageError, UsageError
from app.gallery import Gallery
from app.index import choose
from tests import commands
from tests.conftest import ROOT, Home, encoded, fill, picture

HEAVY = {
    "torch",
    "torchvision",
    "openvino",
    "faiss",
    "gradio",
    "sqlite3",
    "numpy",
    "PIL",
    "fastapi",
    "pyarrow",
    "matplotlib",
}
LAST_LINES = re.compile(
    r"""(?P<name>\S+):\ (?P<images>\d+)\ images\ in\ \d+\.\d\ s,\ \d+\.\d\ images/s;
    \ (?P<sizes>[\w.,\ ]+)\n
    (?P<index>\S+),\ (?P<how>.+):\ recall@10\ (?P<recall>[01]\.\d{3})
    \ \([01]\.\d{3}\ without\ re-ranking\),\ measured\ with\ \d+\ of\ its\ own\ images\n\Z""",
    re.VERBOSE,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of each test's own: the other commands share one."""
    return Home(tmp_path / "home")


run = commands.run  # `create_index.py` in this process; the other commands run `ris`


def program(*arguments: object, home: Home | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    environment = os.environ | ({"RIS_HOME": str(home.path)} if home else {})
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def labels(home: Home, name: str) -> dict[str, tuple[str, ...]]:
    gallery = Gallery(home.folders(name))
    found = gallery.images(range(gallery.manifest.images))
    gallery.close()
    return {image.path: image.labels for image in found}


def put(folder: Path, *paths: str) -> None:
    for seed, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encoded(picture(seed)))


# Every layout, start to end


def test_caltech101_is_built_with_the_folders_as_labels(home, run):
    put(
        home.path / "datasets" / "caltech101" / "101_ObjectCategories",
        "ant/image_0001.jpg",
        "ant/image_0002.jpg",
        "BACKGROUND_Google/image_0001.jpg",
    )
    code, out, err = run("--data", "caltech", "--model", "mean_colour")
    assert code == 0, err
    assert labels(home, "caltech101-mean_colour") == {
        "BACKGROUND_Google/image_0001.jpg": ("BACKGROUND_Google",),
        "ant/image_0001.jpg": ("ant",),
        "ant/image_0002.jpg": ("ant",),
    }
    assert LAST_LINES.search(out)["name"] == "caltech101-mean_colour"


def test_voc2012_is_built_with_the_objects_of_its_annotations_as_labels(home, run):
    folder = home.path / "datasets" / "voc2012" / "VOCdevkit" / "VOC2012"
    put(folder, *(f"JPEGImages/2008_00000{number}.jpg" for number in range(3)))
    (folder / "Annotations").mkdir()
    for number, names in enumerate((["person", "dog", "person"], ["car"])):
        objects = "".join(
            f"<object><name>{name}</name><part><name>head</name></part></object>" for name in names
        )
        (folder / "Annotations" / f"2008_00000{number}.xml").write_text(
            f"<annotation>{objects}</annotation>"
        )
    code, _, err = run("--data", "voc2012", "--model", "mean_colour")
    assert code == 0, err
    assert labels(home, "voc2012-mean_colour") == {
        "2008_000000.jpg": ("dog", "person"),
        "2008_000001.jpg": ("car",),
        "2008_000002.jpg": (),
    }


def test_market1501_is_built_with_person_and_camera_as_labels(home, run):
    files = (
        "bounding_box_test/-1_c1s1_000401_03.jpg",
        "bounding_box_test/0002_c1s1_000451_03.jpg",
        "query/0002_c2s1_000776_00.jpg",
    )
    folder = home.path / "datasets" / "market1501" / "Market-1501-v15.09.15"
    put(folder, *files, "bounding_box_train/0007_c3s3_077419_03.jpg")
    code, _, err = run("--data", "market", "--model", "mean_colour")
    assert code == 0, err
    found = {path: set(names) for path, names in labels(home, "market1501-mean_colour").items()}
    assert found == {files[0]: {"-1", "c1"}, files[1]: {"0002", "c1"}, files[2]: {"0002", "c2"}}


def test_tiny_imagenet_is_built_with_words_as_labels_and_its_originals_are_jpegs(home, run):
    folder = home.path / "datasets" / "tiny_imagenet" / "tiny-imagenet-200"
    file = "n01443537/images/n01443537_0.JPEG"
    put(folder, f"train/{file}", "val/images/val_0.JPEG", "test/images/test_0.JPEG")
    (folder / "words.txt").write_text("n01443537\tgoldfish, Carassius auratus\n")
    code, _, err = run("--data", "tiny", "--model", "mean_colour")
    assert code == 0, err
    assert labels(home, "tiny_imagenet-mean_colour") == {file: ("goldfish",)}
    data, kind = home.service().picture("tiny_imagenet-mean_colour", 0)
    assert (data, kind) == ((folder / "train" / file).read_bytes(), "image/jpeg")


def test_coco_is_built_by_the_script_with_the_categories_as_labels(home):
    folder = home.path / "datasets" / "coco"
    files = [f"COCO_val2014_{number:012}.jpg" for number in (7, 42, 99)]
    put(folder, *(f"val2014/{file}" for file in files))
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_val2014.json").write_text(
        json.dumps(
            {
                "images": [{"id": 7, "file_name": files[0]}, {"id": 42, "file_name": files[1]}],
                "categories": [{"id": 1, "name": "cat"}, {"id": 90, "name": "toothbrush"}],
                "annotations": [
                    {"id": 1, "image_id": 42, "category_id": 90},
                    {"id": 2, "image_id": 42, "category_id": 1},
                    {"id": 3, "image_id": 42, "category_id": 1},
                ],
            }
        )
    )
    ended = program("create_index.py", "--data", "coco", "--model", "mean_colour", home=home)
    assert ended.returncode == 0, ended.stderr
    assert labels(home, "coco-mean_colour") == {
        files[0]: (),
        files[1]: ("cat", "toothbrush"),
        files[2]: (),
    }
    assert LAST_LINES.search(ended.stdout)["images"] == "3"


def test_a_folder_of_one_s_own_is_built_by_either_command(home, run, tmp_path):
    images = fill(tmp_path / "images", 6, labels=2)
    own = ("--images", images, "--model", "mean_colour", "--name")
    assert run(*own, "one")[0] == 0
    assert run("create-index", *own, "two", command=main)[0] == 0
    assert labels(home, "one") == labels(home, "two")
    assert labels(home, "one")["kind_1/00005.jpg"] == ("kind_1",)


# The report


def test_a_build_ends_with_count_seconds_rate_sizes_and_recall(run, tmp_path):
    images = fill(tmp_path / "images", 120)
    code, out, err = run(
        *("--images", images, "--name", "mine", "--model", "mean_colour", "--index", "IVF100,SQ8")
    )
    assert code == 0
    said = LAST_LINES.search(out)
    assert (said["name"], said["images"], said["index"]) == ("mine", "120", "IVF3,SQ8")
    assert re.fullmatch(r"[123] probes, \d+ candidates", said["how"])
    assert float(said["recall"]) >= 0.97
    assert re.fullmatch(
        r"items \d+\.\d MB, local features \d+\.\d MB, shortlist \d+\.\d MB, "
        r"thumbnails \d+\.\d MB, vectors \d+\.\d MB",
        said["sizes"],
    )
    assert re.search("^Note: .*120.*IVF3,SQ8", out, re.MULTILINE)
    for stage in ("Listing the pictures", "Embedding", "Training the index", "Measuring"):
        assert stage in err
    assert "120/120" in err


def test_a_small_gallery_says_that_it_is_searched_exactly(run, tmp_path):
    images = fill(tmp_path / "images", 5)
    code, out, _ = run("--images", images, "--name", "mine", "--model", "mean_colour")
    assert code == 0
    assert re.search("^Note: .*5.*IVF100,PQ8", out, re.MULTILINE)
    assert LAST_LINES.search(out).group("index", "how", "recall") == ("Flat", "exact", "1.000")


def test_auto_chooses_an_index_and_says_which_and_why(home, run, tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "FEW_ROWS", 100)
    images = fill(tmp_path / "images", 300)
    asked = ("--images", images, "--name", "mine", "--model", "mean_colour")
    code, out, _ = run(*asked, "--index", "auto", "--no-copies")
    assert code == 0
    gallery = Gallery(home.folders("mine"))
    manifest = gallery.manifest
    assert manifest.index_asked == "auto"
    assert manifest.index in ("HNSW32", "IVF7,RaBitQ")
    assert manifest.recall_reranked >= 0.97
    [note] = re.findall("^Note: (.*)[.]$", out, re.MULTILINE)
    assert note.startswith(f"auto chose {manifest.index} (")
    assert manifest.notes == (note,)
    assert LAST_LINES.search(out)["index"] == manifest.index
    assert "shortlist" in manifest.segments[0].files


def test_skipped_pictures_are_listed_with_their_reasons(run, tmp_path):
    images = fill(tmp_path / "images", 5)
    (images / "kind_0" / "text.jpg").write_text("a shopping list")
    (images / "empty.png").write_bytes(b"")
    code, out, _ = run("--images", images, "--name", "mine", "--model", "mean_colour")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("Skipped empty.png: ")
    assert lines[1].startswith("Skipped kind_0/text.jpg: ")
    assert "2 of 7" in lines[2]
    assert LAST_LINES.search(out)["images"] == "5"


def test_a_build_that_goes_on_says_from_where(run, tmp_path, monkeypatch):
    images = fill(tmp_path / "images", 20)
    own = ("--images", images, "--name", "mine", "--model", "mean_colour")
    with monkeypatch.context() as patched:
        patched.setattr(commit, "train_quantiser", interrupt)
        assert run(*own)[0] == 130
    code, _, err = run(*own)
    assert code == 0
    assert "20 of 20" in err


def test_the_command_that_a_gallery_keeps_builds_it_again_from_anywhere(
    home, run, tmp_path, monkeypatch
):
    fill(tmp_path / "my images", 12)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = ("--images", "my images", "--name", "mine", "--model", "mean_colour")
    assert run(*asked, "--limit", "7", "--index", "HNSW16")[0] == 0
    before = Gallery(home.folders("mine"))

    monkeypatch.chdir(tmp_path / "elsewhere")
    words = shlex.split(before.manifest.command)
    assert words[:2] == ["python3", "create_index.py"]
    assert run(*words[2:])[0] == 2, "it exists already"
    assert run(*words[2:], "--force")[0] == 0

    after = Gallery(home.folders("mine"))
    assert after.images(range(7)) == before.images(range(7))
    assert (after.manifest.images, after.manifest.index) == (7, "HNSW16")
    assert after.manifest.command == before.manifest.command
    before.close()
    after.close()


# What goes wrong


def interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def assert_one_sentence(said: str) -> None:
    assert said.endswith(".\n")
    assert said.count("\n") == 1, said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "caltek"], "caltek.*caltech, caltech101, coco, market"),
        (["--images", "."], "--name NAME"),
        (["--images", ".", "--name", "../x"], "'../x'"),
        (["--images", ".", "--name", "x", "--model", "vgg"], "vgg.*resnet50"),
        (["--images", ".", "--name", "x", "--index", "IVF100,PQ7"], "IVF100,PQ7.*IVF100,PQ8"),
        (["--images", ".", "--name", "x", "--limit", "0"], "limit.*1.*0"),
    ],
)
def test_what_was_asked_wrongly_ends_with_code_2_and_one_sentence(
    home, run, monkeypatch, tmp_path, arguments, named
):
    monkeypatch.chdir(fill(tmp_path / "images", 3))
    code, out, err = run("--model", "mean_colour", *arguments)
    assert (code, out) == (2, "")
    assert re.search(named, err)
    assert_one_sentence(err)
    assert not home.path.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--name", "mine"],
        ["--name", "mine", "--model", "mean_colour"],
        ["--data", "coco", "--images", "."],
        ["--data", "coco", "--limit", "many"],
        ["--data"],
        ["--data", "coco", "--fast"],
    ],
)
def test_options_that_make_no_request_end_with_code_2_and_the_usage(home, run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: create_index.py")
    assert "create_index.py: error: " in err.splitlines()[-1]
    assert not home.path.exists()


def test_an_existing_gallery_is_not_built_again_without_force(home, run, tmp_path):
    own = ("--images", fill(tmp_path / "images", 3), "--name", "mine", "--model", "mean_colour")
    assert run(*own)[0] == 0
    code, out, err = run(*own)
    assert (code, out) == (2, "")
    assert "mine" in err
    assert "--force" in err
    assert_one_sentence(err)
    assert run(*own, "--force")[0] == 0
    gallery = Gallery(home.folders("mine"))
    assert gallery.manifest.generation == 2
    gallery.close()


def test_a_bad_setting_ends_with_code_2_and_its_name(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PORT", "many")
    code, out, err = run("--images", tmp_path, "--name", "mine", "--model", "mean_colour")
    assert (code, out) == (2, "")
    assert "PORT" in err
    assert_one_sentence(err)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        *(("caltech", "caltech101"), ("voc", "voc2012"), ("coco", "coco")),
        *(("market", "market1501"), ("tiny", "tiny_imagenet")),
    ],
)
def test_a_data_set_that_is_not_here_ends_with_code_4_and_what_fetches_it(home, run, short, full):
    for name in (short, full):
        code, out, err = run("--data", name, "--model", "mean_colour")
        assert (code, out) == (DatasetError.exit_code, "") == (4, "")
        assert str(home.path / "datasets" / full) in err
        assert f"bash data_download.sh {short}" in err
        assert_one_sentence(err)


def test_pictures_none_of_which_can_be_read_end_with_code_4(home, run, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "text.jpg").write_text("a shopping list")
    own = ("--images", tmp_path / "images", "--name", "mine", "--model", "mean_colour")
    code, out, err = run(*own)
    assert (code, out) == (4, "")
    assert str(tmp_path / "images") in err.splitlines()[-1]
    assert "Traceback" not in err
    assert run("galleries", command=main)[:2] == (0, "")


def test_a_model_whose_weights_cannot_be_used_ends_with_code_6(home, run, tmp_path, monkeypatch):
    monkeypatch.setenv("RIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "resnet50-0676ba61.pth").write_text("no weights")
    images = fill(tmp_path / "images", 3)
    code, out, err = run("--images", images, "--name", "mine", "--model", "resnet50")
    assert (code, out) == (ModelError.exit_code, "") == (6, "")
    assert "resnet50-0676ba61.pth" in err
    assert "Traceback" not in err
    assert not home.path.exists()


def test_a_folder_that_cannot_be_written_ends_with_code_7(home, run, tmp_path):
    home.path.mkdir()
    (home.path / "features").write_text("a file where the folder should be")
    images = fill(tmp_path / "images", 3)
    code, out, err = run("--images", images, "--name", "mine", "--model", "mean_colour")
    assert (code, out) == (StorageError.exit_code, "") == (7, "")
    assert str(home.path / "features") in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_full_disk_ends_with_code_7(home, run, tmp_path, monkeypatch):
    images = fill(tmp_path / "images", 3)
    nothing_free = shutil.disk_usage(tmp_path)._replace(free=0)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: nothing_free)
        code, out, err = run("--images", images, "--name", "mine", "--model", "mean_colour")
    assert (code, out) == (7, "")
    assert "0 MB" in err.splitlines()[-1]
    assert run("galleries", command=main)[:2] == (0, "")
    assert run("--images", images, "--name", "mine", "--model", "mean_colour")[0] == 0


def test_an_interrupt_ends_with_code_130_and_says_that_nothing_is_lost(run, tmp_path, monkeypatch):
    from app.build import build

    monkeypatch.setattr(build, "build_gallery", interrupt)
    images = fill(tmp_path / "images", 3)
    code, out, err = run("--images", images, "--name", "mine", "--model", "mean_colour")
    assert (code, out) == (130, "")
    assert err.startswith("\nStopped.")
    assert "same command" in err


def test_the_script_itself_ends_with_the_code_and_without_a_traceback(home):
    ended = program("create_index.py", "--data", "caltek", home=home)
    assert (ended.returncode, ended.stdout) == (UsageError.exit_code, "")
    assert_one_sentence(ended.stderr)


# The other commands


def test_galleries_are_listed_and_the_damaged_one_says_why(home, run, tmp_path):
    for name, count in (("cats", 3), ("dogs", 4)):
        home.build(fill(tmp_path / name, count), name)
    code, out, err = run("galleries", command=main)
    assert (code, err) == (0, "")
    assert out == (
        f"cats: 3 images of {tmp_path / 'cats'}, mean_colour, Flat\n"
        f"dogs: 4 images of {tmp_path / 'dogs'}, mean_colour, Flat\n"
    )

    (home.folders("cats").indexes / "1" / "thumbnails.db").unlink()
    code, out, err = run("galleries", command=main)

    assert (code, err) == (0, "")
    refused, whole = out.splitlines()
    assert refused.startswith("cats: ")
    assert str(home.folders("cats").indexes / "1" / "thumbnails.db") in refused
    assert whole == f"dogs: 4 images of {tmp_path / 'dogs'}, mean_colour, Flat"


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["galleries", "--fast"]])
def test_an_unknown_command_ends_with_code_2(run, arguments):
    code, out, err = run(*arguments, command=main)
    assert (code, out) == (2, "")
    assert err.startswith("usage: python -m app")


def test_the_version_is_printed(run):
    assert run("--version", command=main) == (0, f"{app.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "app", "--help"],
        ["-m", "app", "create-index", "--help"],
        ["-m", "app", "search", "--help"],
        ["create_index.py", "--help"],
        ["-c", "import app"],
    ],
)
def test_help_comes_without_loading_what_a_search_needs(arguments):
    ended = program("-X", "importtime", *arguments)
    assert ended.returncode == 0, ended.stderr
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert "app" in loaded
    assert not loaded & HEAVY
    if "--help" in arguments:
        assert ended.stdout.startswith("usage: ")


def test_help_names_every_option_with_its_default():
    said = " ".join(program("create_index.py", "--help").stdout.split())
    for option in ("--data", "--images", "--name", "--model", "--index", "--limit", "--force"):
        assert option in said
    for word in ("caltech", "voc2012", "coco", "else resnet50", "default: IVF100,PQ8"):
        assert word in said
