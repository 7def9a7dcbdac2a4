"""A picture that was searched with a moment ago is not embedded again."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.search import query as module
from app.search.service import SearchService
from app.values import Box, Edit
from tests.conftest import Home, encoded, fill, picture


class Counting(MeanColourRuntime):
    """Counts what it runs."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.runs += 1
        return super().run(batch)


@pytest.fixture
def runtime() -> Counting:
    return Counting()


@pytest.fixture
def service(tmp_path: Path, runtime: Counting) -> SearchService:
    home = Home(tmp_path)
    for name, count in (("mine", 30), ("other", 20)):
        home.build(fill(tmp_path / name, count), name)
    embedder = Embedder(model_named("mean_colour"), runtime, "")
    return home.service(lambda name, **_: embedder)


QUERY = encoded(picture(3), quality=60)


def test_the_same_picture_asked_otherwise_is_embedded_once(
    service: SearchService, runtime: Counting
) -> None:
    first = service.search("mine", QUERY, k=5)
    assert runtime.runs == 1
    again = service.search("mine", QUERY, k=8, exact=True)
    assert [hit.score for hit in again.hits[:5]] == [hit.score for hit in first.hits]
    assert again.timings.embed == again.timings.decode == 0
    service.search("other", QUERY)
    assert runtime.runs == 1


def test_another_part_or_another_picture_is_embedded(
    service: SearchService, runtime: Counting
) -> None:
    service.search("mine", QUERY)
    edits = (Edit(box=Box(0, 0, 0.5, 0.5)), Edit(quarter_turns=1), Edit(mirrored=True))
    for edit in edits:
        service.search("mine", QUERY, edit=edit)
    service.search("mine", encoded(picture(4), quality=60))
    assert runtime.runs == 5
    for edit in edits:
        service.search("mine", QUERY, edit=edit)
    assert runtime.runs == 5


def test_only_the_last_are_kept(
    service: SearchService, runtime: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_VECTORS", 2)
    for seed in (1, 2, 1, 3, 1, 2):  # 2 goes when 3 comes
        service.search("mine", encoded(picture(seed)))
    assert runtime.runs == 4
