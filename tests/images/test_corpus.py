"""Pictures that are broken on purpose: Pillow's own, and mutations of good ones."""

import os
import subprocess
import sys
import tarfile
import time
import warnings
from pathlib import Path

import PIL
import pytest
from PIL import Image

from app.errors import AppError
from app.images.decode import decode
from tests import fuzz

FEWEST = 900  # files in Pillow's folder of test pictures


@pytest.fixture(scope="module")
def pillows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pictures of Pillow's tests, from the source of the version that is installed."""
    kept = Path(request.config.cache.mkdir("pillow-source"))
    archive = kept / f"pillow-{PIL.__version__}.tar.gz"
    if not archive.is_file():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--no-build-isolation", "--no-binary", ":all:", "--dest", str(kept)),
                f"pillow=={PIL.__version__}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if not archive.is_file():
            why = f"Pillow's source could not be fetched: {done.stderr[-500:]}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    folder = tmp_path_factory.mktemp("pillow")
    with tarfile.open(archive) as tar:
        names = [each for each in tar.getmembers() if "/Tests/images/" in each.name]
        tar.extractall(folder, members=names, filter="data")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_pillows_pictures_are_read_or_refused_in_a_sentence(pillows: list[Path]) -> None:
    assert len(pillows) >= FEWEST
    read, wrong = set(), []
    for path in pillows:
        started = time.monotonic()
        try:
            decode(path.read_bytes())
            read.add(path)
        except AppError as exc:
            if "damaged" in str(exc) and _pillow_reads(path):
                wrong.append(f"{path.name} is whole, and was refused: {exc}")
        except Exception as exc:  # noqa: BLE001 (that is what is looked for)
            wrong.append(f"{path.name}: {exc!r}")
        if time.monotonic() - started > fuzz.MOST_SECONDS + 1:
            wrong.append(f"{path.name}: took too long")
    assert not wrong, "\n".join(wrong)
    assert len(read) > 600


def _pillow_reads(path: Path) -> bool:
    """Whether Pillow itself makes pixels of it, as its own users ask it to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                image.convert("RGB")
        except Exception:  # noqa: BLE001 (whatever it says of a broken file)
            return False
    return True


def test_mutations_are_read_or_refused_in_a_sentence() -> None:
    found = fuzz.try_part(seed=2_026, count=2_000)
    assert not found.wrong
    assert found.most_bytes < 4 * 2**30
    outcomes = {outcome for _, outcome in found.outcomes}
    assert "read" in outcomes
    assert any("damaged" in outcome for outcome in outcomes)
    assert {kind for kind, _ in found.outcomes} == set(fuzz.good())


def test_what_must_not_be_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(data: bytes, *, min_side: int | None = None) -> None:
        raise ValueError("a fault of the decoder")

    monkeypatch.setattr("app.images.decode.decode", faulty)
    found = fuzz.try_part(seed=1, count=3)
    assert len(found.wrong) == 3
    assert "a fault of the decoder" in found.wrong[0]
