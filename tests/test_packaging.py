"""The project, installed: the command `ris`, the package and its assets, and no data."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, Home, fill
from tests.test_docker import arguments_of, copied


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is needed to install, and of a folder with data; a build writes beside it."""
    copy = tmp_path_factory.mktemp("installed") / "source"
    shutil.copytree(ROOT / "app", copy / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.txt", "README.md", "create_index.py"):
        shutil.copy(ROOT / name, copy)
    Home(copy).build(fill(copy / "datasets" / "pictures", 3), "mine")
    (copy / "benchmarks").mkdir()
    (copy / "benchmarks" / "__init__.py").touch()
    return copy


def pip(*arguments: object, cwd: Path = ROOT) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        check=True,
        capture_output=True,
        cwd=cwd,
    )


def environment_in(folder: Path) -> Path:
    """Make an environment that sees the installed requirements; return its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def ris(programs: Path, *arguments: str, home: Path, **environment: str) -> str:
    own = {key: value for key, value in os.environ.items() if not key.startswith("RIS_")}
    own |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), **environment}
    own.pop("PYTHONPATH", None)
    ended = subprocess.run(
        [programs / "ris", *arguments],
        env=own,
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def test_a_wheel_holds_the_package_with_its_assets_and_nothing_else(source, tmp_path):
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"app"}
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "app").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        if not path.name.endswith(".d.ts")  # what only the check of types reads
    }
    assert there - set(names) == set()


def test_an_installed_package_keeps_its_galleries_in_the_user_s_data_folder(source, tmp_path):
    programs = environment_in(tmp_path / "environment")
    pip(
        *("--python", programs / "python", "install", "--no-deps", "--no-build-isolation"),
        *("--quiet", source),
    )
    own = tmp_path / "data" / "reverse-image-search"
    assert ris(programs, "galleries", "--names", home=tmp_path) == ""
    Home(own).build(fill(tmp_path / "pictures", 3), "own")
    assert ris(programs, "galleries", "--names", home=tmp_path) == "own\n"


def test_an_editable_install_serves_the_galleries_where_they_are(source, tmp_path):
    programs = environment_in(tmp_path / "environment")
    pip(
        *("--python", programs / "python", "install", "--no-deps", "--no-build-isolation"),
        *("--quiet", "--editable", source),
    )
    assert ris(programs, "galleries", "--names", home=tmp_path) == "mine\n"
    out = ris(programs, "search", "--id", "1", "-k", "1", "--paths", "--no-server", home=tmp_path)
    assert out == f"{source}/datasets/pictures/kind_1/00001.jpg\n"
    copied = [path for path in (tmp_path / "environment").rglob("*") if path.suffix == ".faiss"]
    assert not copied


# What was installed in an environment's own folder, without what only the laboratory needs.
OFFERED = """
import sys
from importlib.metadata import distributions
import numpy as np
sys.modules["sklearn"] = sys.modules["h5py"] = sys.modules["threadpoolctl"] = None
found = [entry for each in distributions(path=sys.argv[1:]) for entry in each.entry_points]
makers = {entry.name: entry.load() for entry in found if entry.group.endswith(".shortlists")}
vectors = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
print(makers["numpy"].train(vectors, "IVF4,PQ2x4").cells)
"""


def test_what_the_image_copies_and_installs_makes_numpy_indexes(tmp_path):
    image = tmp_path / "image"
    image.mkdir()
    for name in copied():
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, image)
        elif not name.startswith(("features/", "indexes/")):
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, image / name, ignore=skipped)
    programs = environment_in(tmp_path / "environment")
    (install,) = re.findall(r"pip install (--no-deps .*?) &&", " ".join(arguments_of("RUN")))
    pip(
        *("--python", programs / "python", "install", "--no-build-isolation"),
        *install.split(),
        cwd=image,
    )
    (packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    result = subprocess.run(
        [programs / "python", "-c", OFFERED, packages],
        cwd=image,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "4\n"
