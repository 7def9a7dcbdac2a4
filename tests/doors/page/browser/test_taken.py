"""A gallery of vectors from elsewhere: searched by id, with grey cards, and it is said why."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from playwright.sync_api import expect

from app.build.transfer import ImportRequest, import_embeddings
from tests.conftest import Home, encoded, mean_colour
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import Visitor, payload

pytestmark = pytest.mark.browser

TAKEN = "taken"


def test_vectors_without_pictures_are_searched_by_id_and_shown_as_grey_cards(
    galleries: Home, visitor: Visitor, tmp_path: Path
) -> None:
    for name in ("img_emb", "metadata"):
        (tmp_path / name).mkdir()
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    np.save(tmp_path / "img_emb" / "img_emb_0.npy", vectors)
    table = pyarrow.table({"image_path": [f"{row}.jpg" for row in range(20)]})
    pyarrow.parquet.write_table(table, tmp_path / "metadata" / "metadata_0.parquet")
    import_embeddings(
        ImportRequest(tmp_path, TAKEN, index="Flat"),
        features_dir=galleries.path / "features",
        indexes_dir=galleries.path / "indexes",
        load_embedder=lambda name, **_: mean_colour(),
        on_progress=lambda stage, done, total: None,
    )
    try:
        visitor.page.reload()
        visitor.choose_gallery(TAKEN)
        expect(visitor.facts).to_contain_text("20 images")
        with visitor.answer():
            visitor.page.locator(f"#examples button:has(img[src*='/{TAKEN}/'])").first.click()
        expect(visitor.hits).to_have_count(10)
        size = visitor.hits.first.locator("img").bounding_box()
        assert size is not None
        assert size["width"] > 50
        assert size["height"] > 30
        visitor.hits.first.locator("button.open").click()
        expect(visitor.page.get_by_role("dialog")).to_contain_text("not known: the picture is not")
        visitor.page.keyboard.press("Escape")
        visitor.upload(payload("cat.jpg", encoded(seen_again("chelsea"))))
        expect(visitor.page.locator("body")).to_contain_text("came from elsewhere")
    finally:
        for kind in ("features", "indexes"):
            shutil.rmtree(galleries.path / kind / TAKEN)
