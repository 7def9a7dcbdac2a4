"""Pairs of pictures → the weights of the evidence, of pictures that the evaluation does not use."""

from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from benchmarks.copies import fit
from benchmarks.copies.photographs import BURSTS, photographs, pictures_in, split
from tests.conftest import encoded, picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photographs of two kinds and frames of one scene, and small numbers of each."""
    monkeypatch.setattr(fit, "_ASKED", {"sources": 4, "bursts": 0, "unrelated": 4})
    monkeypatch.setattr(fit, "_SOURCES", 4)
    monkeypatch.setattr(fit, "_UNALIKE", 10)
    monkeypatch.setattr(fit, "_FRAMES", {"frames": 5, "none": 5})
    monkeypatch.setattr(fit, "EDITS", ("grey", "crop 80 %"))
    for kind in ("things", "others", "frames"):
        (tmp_path / kind).mkdir()
        for seed in range(8):
            grains = picture(seed + 10 * len(kind), (320, 240))
            (tmp_path / kind / f"{seed}.jpg").write_bytes(encoded(grains))
    return tmp_path


def test_no_picture_of_the_evaluation_is_fitted_on(folder):
    paths = pictures_in(folder)
    asked = split(
        paths,
        photographs(folder, paths),
        sources=4,
        bursts=0,
        unrelated=4,
        burst_folders=BURSTS,
        seed=0,
    )
    pairs = list(fit.pairs(folder))
    used = {pair.image.relative_to(folder).as_posix() for pair in pairs}
    assert used
    assert not used & {*asked.sources, *asked.unrelated}
    assert {pair.kind for pair in pairs} == {"copies", "frames of frames", "other pictures"}
    assert all(pair.is_copy == (pair.kind == "copies") for pair in pairs)


def test_the_terms_are_those_that_the_application_weighs(folder):
    copy = next(pair for pair in fit.pairs(folder) if pair.is_copy)
    about, terms = fit._measured(copy)
    assert about == ("copies", True)
    share, closeness, pairs = terms
    assert 0.9 < share <= 1
    assert closeness > 3
    assert pairs > 0
