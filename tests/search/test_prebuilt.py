"""The gallery that comes with the program answers a photograph."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from app.embed.load import load_embedder
from tests.conftest import PHOTOGRAPHS, ROOT, Home, encoded

PREBUILT = "caltech101-efficientnet_lite0"


def test_the_prebuilt_gallery_is_whole_small_enough_and_says_where_it_comes_from() -> None:
    folders = [ROOT / kind / PREBUILT for kind in ("features", "indexes")]
    files = [path for folder in folders for path in folder.iterdir() if path.name != "lock"]
    assert {path.name for path in files} == {
        *("vectors.faiss", "shortlist.faiss", "gallery.db", "thumbnails.db", "NOTICE"),
    }
    assert sum(path.stat().st_size for path in files) <= 60_000_000
    assert max(path.stat().st_size for path in files) < 50_000_000
    for folder in folders:
        assert "CC BY 4.0" in (folder / "NOTICE").read_text()


def test_the_prebuilt_gallery_answers_a_photograph_of_a_cat_with_wild_cats(
    networks: Path, tmp_path: Path
) -> None:
    service = Home(ROOT).service(
        lambda name, **_: load_embedder(name, weights_dir=None, cache_dir=networks, purpose="query")
    )
    info = service.gallery(PREBUILT)
    assert (info.refused, info.images) == ("", 9144)
    assert info.recall_reranked >= 0.97
    chelsea = next(path for path in PHOTOGRAPHS if path.stem == "chelsea").read_bytes()
    result = service.search(PREBUILT, chelsea, k=5)
    assert not result.approximate
    assert not any(hit.same_file for hit in result.hits)
    assert sum("wild_cat" in hit.image.labels for hit in result.hits) >= 3
    again = service.search(PREBUILT, result.hits[0].image.id, k=5)
    assert again.hits[0].same_file


def test_a_gallery_of_four_says_of_what_is_nothing_like_it_that_it_is_not(
    networks: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    (tmp_path / "four").mkdir()
    for path in PHOTOGRAPHS[:4]:
        shutil.copy(path, tmp_path / "four")
    model = load_embedder(
        "efficientnet_lite0", weights_dir=None, cache_dir=networks, purpose="query"
    )
    home.build(tmp_path / "four", embedder=model)
    service = home.service(lambda name, **_: model)
    assert service.gallery("mine").floor == model.model.unrelated.among(4)  # as the page names it
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    strangers = {
        "white": Image.new("RGB", (300, 200), "white"),
        "one pixel": Image.new("RGB", (1, 1)),
        "noise": Image.fromarray(noise),
        **{path.stem: Image.open(path) for path in PHOTOGRAPHS[4:]},
    }
    for name, image in strangers.items():
        result = service.search("mine", encoded(image, "PNG"), k=4)
        assert not result.similar_enough, name
        assert result.floor == service.gallery("mine").floor
    own = service.search("mine", encoded(Image.open(PHOTOGRAPHS[0]), quality=50), k=4)
    assert own.similar_enough
