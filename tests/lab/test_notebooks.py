"""Every notebook runs from top to bottom, is kept light, and leaves the work to app and lab."""

import ast
import json
import os
from pathlib import Path

import nbclient
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
GALLERY = "caltech101-efficientnet_lite0"
MOST_OUTPUT_BYTES = 4_000
SECONDS_A_CELL = 120

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def small_home(tmp_path: Path, networks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a kernel: a home that has the included gallery and nothing else."""
    home = tmp_path / "home"
    for part in ("features", "indexes"):
        (home / part).mkdir(parents=True)
        (home / part / GALLERY).symlink_to(ROOT / part / GALLERY, target_is_directory=True)
    for name in [name for name in os.environ if name.startswith(("DEMO_", "MARKET_", "RIS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RIS_HOME", str(home))
    monkeypatch.setenv("RIS_CACHE_DIR", str(networks))
    monkeypatch.setenv("LAB_SMALL", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # no settings of this machine
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    return home


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each_notebook
def test_a_notebook_runs_from_top_to_bottom(path: Path, small_home: Path) -> None:
    notebook = read(path)
    nbclient.NotebookClient(
        notebook, timeout=SECONDS_A_CELL, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    kinds = {output.output_type for cell in code_of(notebook) for output in cell.outputs}
    assert kinds
    assert "error" not in kinds


@each_notebook
def test_a_notebook_is_kept_light(path: Path) -> None:
    kept = sum(len(json.dumps(cell.outputs)) for cell in code_of(read(path)) if cell.outputs)
    assert kept <= MOST_OUTPUT_BYTES


@each_notebook
def test_a_notebook_defines_nothing(path: Path) -> None:
    for cell in code_of(read(path)):
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        defined = [
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        assert not defined, f"{defined} belong in a file of lab/"


@each_notebook
def test_a_notebook_begins_with_what_it_is_about(path: Path) -> None:
    first, *others = read(path).cells
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert any(cell.cell_type == "markdown" for cell in others)
