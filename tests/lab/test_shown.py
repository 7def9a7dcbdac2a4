"""An answer is shown whole: every picture, score and name, and no name as markup."""

import base64
import io
import re
from pathlib import Path

from PIL import Image

from app.library import open_gallery
from lab.shown import any_image, as_html
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


def test_any_image_is_another_one_each_time_but_for_a_seed(home: Home, tmp_path: Path) -> None:
    home.build(fill(tmp_path / "pictures", 12), "mine")
    gallery = open_gallery("mine", home=home.path)
    assert len({any_image(gallery).id for _ in range(60)}) > 1
    assert any_image(gallery, seed=5) == any_image(gallery, seed=5)
