"""The documents name what exists, and what exists is named in them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from fastapi.routing import APIRoute
from PIL import Image
from starlette.routing import Match

from app import settings
from app.doors import answers
from app.doors.access import Access
from app.doors.rest import make_rest
from app.doors.rest.application import FIRST_PARTS
from app.doors.rest.pictures import routes_of_pictures
from app.embed import MODELS, Model
from app.search.question import PARAMETERS
from app.values import ImageRecord
from docs import performance, walk
from tests.conftest import ROOT, Home

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name / "README.md" for name in ("datasets", "features", "indexes", "benchmarks")),
]


def section(title: str) -> str:
    """Return the part of the architecture under a heading."""
    return ARCHITECTURE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def names_in_first_column(table: str) -> set[str]:
    rows = [line.split("|")[1].strip(" `") for line in table.splitlines() if line.startswith("|")]
    return set(rows[2:])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_named_in_a_document_exists(document: Path) -> None:
    text = document.read_text()
    code = re.findall(r"`((?:app|tests|docs|benchmarks)/[\w./]*|\w+\.(?:py|sh|toml))`", text)
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    missing = [name for name in code if not (ROOT / name).exists()]
    missing += [name for name in links if not (document.parent / name).exists()]
    assert not missing


def test_the_document_of_performance_has_the_figures_of_the_results() -> None:
    text = performance.DOCUMENT.read_text(encoding="utf-8")
    assert performance.filled(text) == text, "run: python -m docs.performance"
    assert text.count("| measure | figure |") >= 6


def test_the_walk_of_the_readme_is_a_minute_of_the_steps() -> None:
    seconds = [each for _, _, each in walk.STEPS + walk.STEPS_ON_PHONE]
    assert sum(seconds) == pytest.approx(60, abs=3)
    assert "(docs/screenshots/walk.webp)" in README
    shown = []
    with Image.open(ROOT / "docs" / "screenshots" / "walk.webp") as frames:
        for number in range(frames.n_frames):
            frames.seek(number)
            frames.load()
            shown.append(frames.info["duration"] / 1000)
    assert shown == seconds, "run: make screenshots"


def test_the_code_map_names_every_file_of_the_application() -> None:
    mapped = set(re.findall(r"`(app/[\w./]+|\w+\.(?:py|sh))`", section("Code map")))
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "app").rglob("*")
        if path.suffix in (".py", ".js", ".css") and path.name != "__init__.py"
    }
    assert there - mapped == set()


def test_the_dependencies_are_those_of_the_requirements_each_with_a_reason() -> None:
    pinned = {
        line.split("==")[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert names_in_first_column(section("Dependencies")) == pinned


def test_every_requirement_is_pinned_exactly() -> None:
    for name in sorted(ROOT.glob("requirements*.txt")):
        lines = name.read_text().splitlines()
        pinned = r"#|-r |(--no-deps )?[\w.-]+==[\w.]+$|$"
        loose = [line for line in lines if not re.match(pinned, line)]
        assert not loose


def test_every_package_that_a_model_needs_is_in_the_requirements() -> None:
    text = "".join(path.read_text() for path in ROOT.glob("requirements*.txt"))
    pinned = set(re.findall(r"^(?:--no-deps )?([\w.-]+)==", text, re.MULTILINE))
    needed = {model.library for model in MODELS.values()} - {""}
    packages = {model.weights.package for model in MODELS.values() if model.weights} - {None}
    assert needed <= pinned
    assert {str(name).replace("_", "-") for name in packages} <= pinned


def test_the_settings_are_those_that_are_read() -> None:
    read = set(re.findall(r'"((?:RIS_\w+)|HOST|PORT)"', Path(settings.__file__).read_text()))
    assert names_in_first_column(section("Settings")) == read


def test_the_layers_are_those_that_are_checked() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    checked = re.search(r'id = "layers".*?layers = \[(.*?)\]', project, re.DOTALL)
    assert checked
    layers = re.findall(r'"([^"]+)"', checked[1])
    assert "\n".join(layers) in section("Invariants")


def test_the_models_named_in_the_readme_exist() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `--model`"))
    named = set(re.findall(r"`([a-z]\w+)`", row))
    assert named
    assert named <= set(MODELS)


def test_the_table_of_models_is_the_registry() -> None:
    document = (ROOT / "docs" / "models.md").read_text()
    rows = [line for line in document.splitlines() if line.startswith("| `")]
    assert rows[: len(MODELS)] == [row_of(model) for model in MODELS.values()]


def row_of(model: Model) -> str:
    """Return the row of a model in docs/models.md."""
    weights = model.weights
    source = "none needed"
    if weights:
        where = f"[{weights.name}]({weights.url})" if weights.url else f"in `{weights.package}`"
        known = weights.sha256_prefix
        source = f"{where}, {known[:8]}…" if known else f"{where}, no hash published"
    cells = [
        f"`{model.name}`",
        str(model.dim),
        "texts" if model.kind == "text" else str(model.picture_preprocessing.crop),
        "yes" if model.pool else "no",
        source,
        model.licence,
        model.paper,
    ]
    return f"| {' | '.join(cells)} |"


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^|`|\n)make ([a-z-]+)", document.read_text()))
        assert named <= targets, document


def test_every_make_target_is_listed_by_help() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    result = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.split()[0] for line in result.stdout.splitlines()} == set(phony[1].split())


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["DATA=caltech"], "create_index.py --data caltech"),
        (
            ["IMAGES=/my pictures", "NAME=mine", "MODEL=efficientnet_lite0", "FORCE=1"],
            "create_index.py --images /my pictures --name mine --model efficientnet_lite0 --force",
        ),
        (
            ["DATA=voc", "INDEX=Flat", "LIMIT=9"],
            "create_index.py --data voc --index Flat --limit 9",
        ),
        (["DATA=voc", "PCA=128", "EXPAND=5"], "create_index.py --data voc --pca 128 --expand 5"),
        (["DATA=voc", "POOL=gem", "PCA=9"], "create_index.py --data voc --pool gem --pca 9"),
        (["CSV=my items.csv", "NAME=x"], "create_index.py --csv my items.csv --name x"),
        (["PARQUET=a", "NAME=x"], "create_index.py --parquet a --name x"),
        (["WEBDATASET=a", "NAME=x"], "create_index.py --webdataset a --name x"),
        (["EMBEDDINGS=a", "NAME=x"], "create_index.py --embeddings a --name x"),
    ],
)
def test_make_index_asks_for_what_it_was_given(given: list[str], command: str) -> None:
    result = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "index", *given],
        cwd=ROOT,
        env=os.environ | {"NAME": "the name of this computer"},
        capture_output=True,
        text=True,
        check=True,
    )
    words = shlex.split(result.stdout.replace("\\\n", " "))
    assert " ".join(words).endswith(command)


def test_make_index_takes_the_data_set_from_the_environment_too() -> None:
    environment = os.environ | {"DATA": "coco", "NAME": "the name of this computer"}
    result = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "index"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    words = shlex.split(result.stdout.replace("\\\n", " "))
    assert " ".join(words).endswith("create_index.py --data coco")


def test_every_option_of_create_index_is_in_the_documents_and_the_other_way_round() -> None:
    result = subprocess.run(
        [sys.executable, "create_index.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    options = set(re.findall(r"--[a-z][a-z-]+", result)) - {"--help"}
    galleries = (ROOT / "docs" / "galleries.md").read_text()
    of_others = {"--dtype", "--gallery", "--report", "--json", "--without"}
    of_others |= {"--watch", "--rescan", "--apart", "--where", "--sort"}
    of_others |= {"--id", "--words", "--no-deps"}
    assert set(re.findall(r"--[a-z][a-z-]+", galleries)) - of_others == options
    documents = "".join((ROOT / "docs" / name).read_text() for name in ("cli.md", "lab.md"))
    of_others = {*re.findall(r"--[a-z][a-z-]+", documents), "--build"}
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= options | of_others


def test_the_routes_of_the_pictures_are_those_that_every_answer_names(home: Home) -> None:
    record = ImageRecord(7, "x.jpg", "", 1, 1, 1, key="a b/7")
    for address in (answers.thumbnail_url("g", record), answers.image_url("g", record)):
        asked = {"type": "http", "path": "/" + unquote(address), "method": "GET"}
        matched = [
            (route.path_format, found["path_params"])
            for route in routes_of_pictures(home.service()).routes
            if isinstance(route, APIRoute)
            for match, found in [route.matches(asked)]
            if match is Match.FULL
        ]
        path = "/galleries/{gallery}/images/{image}/" + address.rpartition("/")[2]
        assert matched == [(path, {"gallery": "g", "image": "a b/7"})]


def test_the_document_of_the_routes_names_every_route(home: Home) -> None:
    application = make_rest(home.service(), keeper=home.keeper(), access=Access(), not_ready=str)
    routes = set(application.openapi()["paths"])
    document = (ROOT / "docs" / "rest.md").read_text()
    assert set(re.findall(r"^\| `[A-Z]+ (/\S+)`", document, re.MULTILINE)) == routes
    assert {route.split("/")[1] for route in routes} <= FIRST_PARTS


@pytest.mark.parametrize("name", ["rest", "python", "mcp"])
def test_the_document_of_a_door_names_every_search_parameter(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text()
    taken = {each.name for each in PARAMETERS} - ({"gallery"} if name == "python" else set())
    assert {each for each in taken if not re.search(rf"`[^`\n]*\b{each}\b", text)} == set()
