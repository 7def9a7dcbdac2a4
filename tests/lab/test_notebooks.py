"""Every notebook runs from top to bottom, is kept light, and leaves the work to app and lab."""

import ast
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
GALLERY, TEXTS = "caltech101-efficientnet_lite0", "wordnet-nouns"
MOST_OUTPUT_BYTES = 4_000
SECONDS_A_CELL = 120
OWN_VARIABLES = ("DEMO_", "LAB_", "MARKET_", "RIS_")
WORK = {
    ast.FunctionDef: "a function",
    ast.AsyncFunctionDef: "a function",
    ast.ClassDef: "a class",
    ast.Lambda: "a lambda",
    ast.For: "a loop",
    ast.While: "a loop",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def small_home(tmp_path: Path, networks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a kernel: a home that has the included galleries and nothing else."""
    home = tmp_path / "home"
    for part in ("features", "indexes"):
        (home / part).mkdir(parents=True)
        for name in (GALLERY, TEXTS):
            (home / part / name).symlink_to(ROOT / part / name, target_is_directory=True)
    for name in [name for name in os.environ if name.startswith(OWN_VARIABLES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RIS_HOME", str(home))
    # A copy: other networks that are converted here are none of the other tests'.
    monkeypatch.setenv("RIS_CACHE_DIR", str(shutil.copytree(networks, tmp_path / "cache")))
    monkeypatch.setenv("LAB_SMALL", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # other tests run beside, on the other processors
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # no settings of this machine
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    return home


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each_notebook
def test_a_notebook_runs_from_top_to_bottom(path: Path, small_home: Path) -> None:
    notebook = read(path)
    nbclient.NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        resources={"metadata": {"path": str(path.parent)}},
        shutdown_kernel="immediate",  # what it leaves in TMPDIR goes with the test's folder
    ).execute()
    kinds = {output.output_type for cell in code_of(notebook) for output in cell.outputs}
    assert kinds
    assert "error" not in kinds


@each_notebook
def test_a_notebook_is_kept_light(path: Path) -> None:
    kept = sum(len(json.dumps(cell.outputs)) for cell in code_of(read(path)) if cell.outputs)
    assert kept <= MOST_OUTPUT_BYTES


def code_trees(path: Path) -> Iterator[ast.AST]:
    for cell in code_of(read(path)):
        yield from ast.walk(ast.parse(TransformerManager().transform_cell(cell.source)))


@each_notebook
def test_a_notebook_defines_nothing_and_repeats_nothing(path: Path) -> None:
    work = [WORK[type(node)] for node in code_trees(path) if type(node) in WORK]
    assert not work, f"{work} belong in a file of lab/"
    drawn_here = [
        node.names[0].name
        for node in code_trees(path)
        if isinstance(node, ast.Import) and "matplotlib" in node.names[0].name
    ]
    assert not drawn_here, "figures belong in lab/figures/"


def variables_of(path: Path) -> dict[str, str]:
    """Return the environment variables that a notebook reads, each with the code that does so."""
    found = {}
    for node in code_trees(path):
        if isinstance(node, ast.Compare | ast.Call):
            for name in re.findall(r"^os\.environ\.get\('(\w+)'", ast.unparse(node)):
                found.setdefault(name, ast.unparse(node))
    return found


def test_the_table_of_variables_is_what_the_notebooks_read() -> None:
    document = (ROOT / "docs" / "lab.md").read_text()
    documented = {
        (name, number)
        for names, of, _ in re.findall(
            r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| (.*?) \| (.*) \|$", document, re.M
        )
        for name in re.findall(r"`(\w+)`", names)
        for number in ([path.stem[:2] for path in NOTEBOOKS] if of == "all" else of.split(", "))
    }
    read_there = {(name, path.stem[:2]) for path in NOTEBOOKS for name in variables_of(path)}
    assert documented == read_there
    assert {name for name, _ in documented if not name.startswith(OWN_VARIABLES)} == set()


@each_notebook
def test_every_notebook_is_small_by_the_same_variable(path: Path) -> None:
    assert variables_of(path)["LAB_SMALL"] == "os.environ.get('LAB_SMALL') == '1'"


@each_notebook
def test_a_notebook_begins_with_what_it_is_about(path: Path) -> None:
    first, *others = read(path).cells
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert any(cell.cell_type == "markdown" for cell in others)
