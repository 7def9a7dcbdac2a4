"""How near unrelated photographs come: what is fitted, and that strangers are not fitted on."""

from pathlib import Path

import numpy as np
import pytest

from app.embed.models import Unrelated
from benchmarks import unrelated
from benchmarks.copies import crops
from tests.conftest import encoded, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, kind in enumerate(("things", "others", "more", "strangers")):
        (tmp_path / kind).mkdir()
        for seed in range(12):
            grains = picture(100 * number + seed, (160, 120))
            (tmp_path / kind / f"{seed}.jpg").write_bytes(encoded(grains))
    return tmp_path


def test_the_two_numbers_give_what_one_in_twenty_reaches(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unrelated, "_SIZES", (1, 4))
    monkeypatch.setattr(unrelated, "_SHOWN", (4,))
    monkeypatch.setattr(unrelated, "_ASKED", 6)
    monkeypatch.setattr(unrelated, "_TRIALS", 4)
    words = ["--folder", str(folder), "--model", "mean_colour", "--strangers", "strangers"]
    assert unrelated.main(words) in (0, 1)
    printed = capsys.readouterr().out
    assert "ln n" in printed
    assert "4 images: strangers that count as similar" in printed
    assert "4 images: copies that count as similar, of the worst edit" in printed


def test_what_is_fitted_grows_as_the_nearest_does() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kind = np.repeat([f"kind {number}" for number in range(20)], 20)
    fitted = Unrelated(*unrelated._fitted(vectors, kind, unrelated.Random(0)))
    for size in (4, 64):
        asked, gallery = vectors[:100], vectors[random.integers(100, 400, size)]
        above = (unrelated._nearest(asked, gallery) > fitted.among(size)).mean()
        assert above < 0.15


def test_distractors_are_parts_of_what_is_not_asked_with(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    words = ["--folder", str(folder), "--out", str(out), "--count", "30", "--queries", "4"]
    assert crops.main(words) == 0
    made = sorted(out.rglob("*.jpg"))
    assert len(made) == 30
    again = {path: path.read_bytes() for path in made}
    crops.main(words)
    assert all(path.read_bytes() == data for path, data in again.items())
