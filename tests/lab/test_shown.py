"""An answer is shown whole: every picture, score and name, and no name as markup."""

import base64
import io
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.doors.python import open_gallery
from lab.shown import any_image, as_html, nearest_in_words, upload
from tests.conftest import Home, encoded, fill, picture

PICTURE = re.compile(r'src="data:image/webp;base64,([^"]+)"')


def test_the_query_and_every_result_are_shown_with_score_and_labels(
    home: Home, tmp_path: Path
) -> None:
    images = fill(tmp_path / "pictures", 6, labels=2)
    home.build(images, "mine")
    gallery = open_gallery("mine", home=home.path)
    query = any_image(gallery, seed=1)
    answer = gallery.search(query, k=4)
    html = as_html(gallery, query, answer)
    shown = [base64.b64decode(each) for each in PICTURE.findall(html)]
    assert shown == [gallery.thumbnail(query), *(gallery.thumbnail(hit.image) for hit in answer)]
    for hit in answer:
        assert f"{hit.rank}: {hit.score:.4f}" in html
        assert hit.image.labels[0] in html
    assert html.count("(same file)") == 1
    assert "http" not in html


def test_a_file_that_asks_is_shown_small_and_upright_and_its_name_is_text(
    home: Home, tmp_path: Path
) -> None:
    home.build(fill(tmp_path / "pictures", 3, labels=1), "mine")
    gallery = open_gallery("mine", home=home.path)
    file = tmp_path / "<b>&.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    file.write_bytes(encoded(picture(0, (640, 480)), exif=exif))
    html = as_html(gallery, file, gallery.search(any_image(gallery), k=1))
    assert "&lt;b&gt;&amp;.jpg" in html
    assert "<b>" not in html
    with Image.open(io.BytesIO(base64.b64decode(PICTURE.findall(html)[0]))) as asked:
        assert asked.size == (96, 128)


def test_a_picture_that_is_uploaded_asks_and_a_file_that_is_none_is_refused(
    home: Home, tmp_path: Path
) -> None:
    pictures = fill(tmp_path / "pictures", 6, labels=2)
    home.build(pictures, "mine")
    gallery = open_gallery("mine", home=home.path)
    chosen, shown = upload(gallery, k=4).children
    file = next(pictures.rglob("*.jpg"))
    chosen.value = (uploaded("<b>own.jpg", file.read_bytes()),)
    answer = gallery.search(file, k=4)
    assert [base64.b64decode(each) for each in PICTURE.findall(shown.value)][1:] == [
        gallery.thumbnail(hit.image) for hit in answer
    ]
    assert "&lt;b&gt;own.jpg" in shown.value
    assert "(same file)" in shown.value
    chosen.value = (uploaded("<i>.txt", b"no picture"),)
    assert shown.value.startswith("<p>&lt;i&gt;.txt: ")
    assert "<img" not in shown.value


def uploaded(name: str, content: bytes) -> dict[str, Any]:
    """Return a file as ipywidgets describes it."""
    return {
        "name": name,
        "type": "image/jpeg",
        "size": len(content),
        "content": memoryview(content),
        "last_modified": datetime(2026, 1, 1, tzinfo=UTC),
    }


def test_where_nothing_can_be_uploaded_a_sentence_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    html = upload(None).data  # type: ignore[arg-type]
    assert "needs ipywidgets, which is not installed" in html
    assert "requirements-lab.txt" in html


def test_the_nearest_are_named_by_label_or_else_by_path(home: Home, tmp_path: Path) -> None:
    labelled = fill(tmp_path / "labelled", 4, labels=2)
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in labelled.rglob("*.jpg"):
        shutil.copy(file, flat)
    home.build(labelled, "labelled")
    home.build(flat, "flat")
    query = flat / "00001.jpg"
    for name, first in (("labelled", "kind_1"), ("flat", "00001.jpg")):
        gallery = open_gallery(name, home=home.path)
        (line,) = nearest_in_words(gallery, [query], k=2)
        second = gallery.search(query, k=2).hits[1]
        assert line.startswith(f"00001         {first} 1.00  ")
        assert line.endswith(f"{second.score:.2f}")


def test_any_image_is_another_one_each_time_but_for_a_seed(home: Home, tmp_path: Path) -> None:
    home.build(fill(tmp_path / "pictures", 12), "mine")
    gallery = open_gallery("mine", home=home.path)
    assert len({any_image(gallery).id for _ in range(60)}) > 1
    assert any_image(gallery, seed=5) == any_image(gallery, seed=5)
