"""The Python door: galleries, embedders and stores of vectors, for scripts."""

import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from app import VectorStore, load_embedder, open_gallery
from app.build.build import build_gallery
from app.errors import AppError, DecodeError, GalleryError, NotFoundError, UsageError
from app.gallery import Gallery
from app.sources.own import OwnFolder
from app.sources.picture import Picture
from app.values import Box, Edit
from tests.conftest import PHOTOGRAPHS, ROOT, Home, fill, is_one_sentence, mean_colour, picture

IMAGES = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("library"))
    home.build(fill(home.path / "pictures", IMAGES), "mine")
    return home


@pytest.fixture
def gallery(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RIS_HOME", str(home.path))
    return open_gallery("mine")


@pytest.fixture
def file(home: Home) -> Path:
    return home.path / "pictures" / "kind_3" / "00003.jpg"


def found(result) -> list[tuple[int, float]]:
    return [(hit.image.id, hit.score) for hit in result]


def test_the_answers_are_the_service_s_own(home, gallery, file):
    service = home.service()
    box = Box(0.25, 0, 0.75, 0.5)
    asked = {"k": 4, "exact": True, "label": "kind_1", "min_score": 0.1}
    expected = service.search("mine", file.read_bytes(), edit=Edit(box=box), **asked)
    for part in (box, (0.25, 0, 0.75, 0.5), [0.25, 0, 0.75, 0.5]):
        assert found(gallery.search(file, box=part, **asked)) == found(expected)


def test_every_kind_of_query_of_the_same_picture_finds_the_same(gallery, file):
    expected = [image for image, _ in found(gallery.search(file, k=5))]
    data = file.read_bytes()
    for query in (str(file), data, bytearray(data), memoryview(data)):
        assert found(gallery.search(query, k=5)) == found(gallery.search(file, k=5))
    with Image.open(file) as opened:
        pixels = np.asarray(opened)
        for query in (opened, pixels, pixels[::1]):
            # The file itself is decoded at the size that the model needs.
            assert [image for image, _ in found(gallery.search(query, k=5))] == expected
        assert gallery.embed(opened) == pytest.approx(gallery.embed(pixels))
        assert gallery.embed(opened) == pytest.approx(gallery.embed(file), abs=0.02)


def test_an_image_of_the_gallery_is_asked_by_id_or_record(gallery):
    for query in (7, np.int64(7), gallery.image(7), gallery.image("7")):
        assert found(gallery.search(query, k=3)) == found(gallery.search(7, k=3))
    assert found(gallery.search(7, k=1))[0] == (7, pytest.approx(1, abs=1e-3))


class WithKeys(OwnFolder):
    """A folder whose pictures have keys, as those of a list have."""

    def __init__(self, folder: Path, name: str, *, keys: tuple[str, ...]) -> None:
        super().__init__([folder], name)
        self.keys = keys

    def pictures(self) -> list[Picture]:
        pairs = zip(super().pictures(), self.keys, strict=True)
        return [replace(picture, key=key) for picture, key in pairs]


@pytest.fixture
def keyed(tmp_path: Path):
    """A gallery of three images with ids that a list gave them, two of which look like rows."""

    folder = fill(tmp_path / "pictures", 3)
    build_gallery(
        WithKeys(folder, "shop", keys=("1", "0", "a")),
        mean_colour(),
        folders=Home(tmp_path).folders("shop"),
        index="Flat",
        limit=None,
        request={},
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    return open_gallery("shop", home=tmp_path)


def test_an_image_is_asked_by_the_id_that_the_list_gave_it(keyed):
    assert [image.public_id for image in keyed.images()] == ["1", "0", "a"]
    for image in keyed.images():
        asked = [{"query": image}, {"id": image.public_id}]
        if image.public_id != "a":
            asked += [{"query": int(image.public_id)}, {"id": int(image.public_id)}]
        for query in asked:
            assert keyed.search(k=1, **query).hits[0].image == image, query
            assert keyed.embed(**query) == pytest.approx(keyed.embed(image))
        for public_id in {image.public_id, image}:
            assert keyed.thumbnail(public_id) == keyed.thumbnail(image)
        assert keyed.image(image.public_id) == image
    with pytest.raises(NotFoundError, match="'2'"):
        keyed.search(2)


def test_a_query_and_an_id_are_not_asked_together(gallery, file):
    for ask in (gallery.search, gallery.embed):
        with pytest.raises(UsageError, match="query and id"):
            ask(file, id=3)


def test_a_text_that_is_no_address_is_a_path_and_no_id(gallery):
    with pytest.raises(NotFoundError, match="'7'"):
        gallery.search("7")


def test_an_address_is_asked(gallery):
    with pytest.raises(AppError, match=r"127\.0\.0\.1"):
        gallery.search("http://127.0.0.1:1/x.jpg")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "YCbCr", "HSV"])
def test_pil_images_of_every_mode_can_be_asked(gallery, mode):
    image = picture(3)
    image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    assert len(list(gallery.search(image, k=2))) == 2


def test_pil_images_with_deep_grey_are_as_those_of_8_bits(gallery):
    grey = picture(3).convert("L")
    numbers = np.asarray(grey).astype(np.uint16) * 257
    deep = [Image.fromarray(numbers), Image.fromarray(numbers.astype(">u2"))]
    deep += [Image.fromarray(numbers.astype(np.int32)), grey.convert("I"), grey.convert("F")]
    assert [each.mode for each in deep] == ["I;16", "I;16B", "I", "I", "F"]
    for image in deep:
        assert np.array_equal(gallery.embed(image), gallery.embed(grey))


@pytest.mark.parametrize("colour", ["white", "black"])
def test_pil_images_of_every_transparent_mode_lie_on_one_ground(gallery, colour):
    alpha = Image.new("L", (64, 48))
    alpha.paste(255, (8, 8, 50, 20))
    drawing = Image.new("RGB", alpha.size, colour)
    drawing.putalpha(alpha)
    flat = Image.new("RGB", alpha.size, "black" if colour == "white" else "white")
    flat.paste(colour, (8, 8, 50, 20))
    for mode in ("RGBA", "LA", "RGBa", "PA", "P"):
        image = drawing.quantize(8) if mode == "P" else drawing.convert(mode.replace("PA", "RGBA"))
        if mode == "PA":
            image = image.quantize(8).convert("PA")
        assert image.mode == mode
        assert gallery.embed(image) == pytest.approx(gallery.embed(flat), abs=1e-3)


def test_a_tiff_as_a_pil_image_is_as_its_file(gallery, tmp_path):
    numbers = np.asarray(picture(3).convert("L")).astype(np.uint16) * 257
    exif = Image.Exif()
    exif[274] = 6
    file = tmp_path / "deep.tiff"
    Image.fromarray(65535 - numbers).save(file, tiffinfo={262: 0}, exif=exif)
    with Image.open(file) as opened:
        assert np.array_equal(gallery.embed(opened), gallery.embed(file))


def test_a_pil_image_is_turned_upright_as_its_file_is(gallery, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.png"
    picture(3).save(turned, exif=exif)
    with Image.open(turned) as opened:
        assert gallery.embed(opened) == pytest.approx(gallery.embed(turned))
    assert not np.allclose(gallery.embed(turned), gallery.embed(picture(3)))


def test_vectors_and_images_are_in_the_same_order(gallery):
    vectors, images = gallery.vectors(), gallery.images()
    assert vectors.shape == (IMAGES, 48)
    assert [image.id for image in images] == list(range(IMAGES)) == list(range(len(gallery)))
    assert gallery.embed(images[5]) == pytest.approx(vectors[5], abs=1e-3)


def test_all_images_are_looked_up_in_a_few_questions(gallery, monkeypatch):
    asked = []
    looked_up = Gallery.images
    monkeypatch.setattr("app.search.service.LOOKED_UP_AT_ONCE", 10)
    monkeypatch.setattr(
        Gallery, "images", lambda self, ids: asked.append(len(ids)) or looked_up(self, ids)
    )
    assert [image.id for image in gallery.images()] == list(range(IMAGES))
    assert sum(asked) - IMAGES <= 1  # one more shows whether the pictures are here
    assert len(asked) <= -(-IMAGES // 10) + 1


def test_a_gallery_has_a_name_facts_and_thumbnails(gallery):
    assert (gallery.name, gallery.info.model, repr(gallery)) == (
        "mine",
        "mean_colour",
        f"<gallery mine: {IMAGES} images>",
    )
    with Image.open(io.BytesIO(gallery.thumbnail(3))) as small:
        assert small.format == "WEBP"
    assert gallery.thumbnail(gallery.image(3)) == gallery.thumbnail("3")


def test_a_home_may_be_named_and_a_gallery_left_out(home, monkeypatch, tmp_path):
    monkeypatch.setenv("RIS_HOME", str(tmp_path))
    assert open_gallery(home=home.path).name == "mine"
    with pytest.raises(NotFoundError, match=r"create_index\.py"):
        open_gallery()


def test_a_gallery_that_cannot_be_opened_says_why(home, tmp_path):
    with pytest.raises(NotFoundError, match=r"nix.*mine"):
        open_gallery("nix", home=home.path)
    broken = Home(tmp_path)
    broken.build(fill(tmp_path / "pictures", 3), "broken")
    (broken.folders("broken").indexes / "1" / "thumbnails.db").unlink()
    with pytest.raises(GalleryError, match=r"thumbnails\.db"):
        open_gallery("broken", home=tmp_path)
    with pytest.raises(GalleryError, match=r"ris verify.*\bbroken\b"):
        open_gallery(home=tmp_path)


@pytest.mark.parametrize(
    ("query", "error", "named"),
    [
        (None, UsageError, r"a picture \(file, url or id\), words"),
        (1.5, UsageError, "float"),
        (True, UsageError, "bool"),
        (99, NotFoundError, r"99.*\b0\b.*\b11\b"),
        (-1, NotFoundError, "-1"),
        ("nix.jpg", NotFoundError, "'nix.jpg'"),
        ("/", UsageError, "'/'"),
        (b"", DecodeError, "empty"),
        (b"text", DecodeError, "text"),
        (np.zeros((4, 4), np.uint8), UsageError, r"\(4, 4\) uint8"),
        (np.zeros((4, 4, 4), np.uint8), UsageError, r"\(4, 4, 4\) uint8"),
        (np.zeros((4, 4, 3)), UsageError, "float64"),
        (np.zeros((0, 4, 3), np.uint8), UsageError, r"\(0, 4, 3\)"),
    ],
)
def test_what_is_no_query_is_refused_in_one_sentence(gallery, query, error, named):
    with pytest.raises(error, match=named) as refusal:
        gallery.search(query)
    assert is_one_sentence(str(refusal.value))


@pytest.mark.parametrize(
    "options",
    [
        *({"k": 0}, {"k": 10**9}, {"min_score": float("nan")}, {"label": "nix"}),
        *({"box": (0.5, 0, 0.1, 1)}, {"box": (-1, 0, 1, 1)}, {"box": (0, 0, float("nan"), 1)}),
        *({"box": (0, 1)}, {"box": "text"}, {"box": 7}),
    ],
)
def test_what_cannot_be_asked_is_refused(gallery, options):
    with pytest.raises(UsageError):
        gallery.search(3, **options)


# An embedder by itself


def test_many_queries_in_one_call_have_the_answers_of_each(gallery, file, home):
    files = sorted((home.path / "pictures").rglob("*.jpg"))
    queries = [file, 3, picture(77), *files]
    together = gallery.search_many(queries, 3, min_score=-0.5)
    alone = [gallery.search(query, 3, min_score=-0.5) for query in queries]
    assert [found(result) for result in together] == [found(result) for result in alone]
    assert gallery.search_many([]) == []
    for bad in ([file, b"no picture"], [file, "no/such/file.jpg"]):
        with pytest.raises(AppError):
            gallery.search_many(bad)


def test_an_embedder_gives_the_vectors_of_a_gallery_of_its_model(gallery, file, home):
    embedder = load_embedder("mean_colour")
    assert (embedder.name, embedder.dim) == ("mean_colour", 48)
    assert embedder.embed(file) == pytest.approx(gallery.embed(file))
    box = (0, 0, 0.5, 0.5)
    assert embedder.embed(file, box=box) == pytest.approx(gallery.embed(file, box=box))
    both = embedder.embed_many([file, picture(1)])
    assert both.shape == (2, 48)
    assert np.linalg.norm(both, axis=1) == pytest.approx(1)
    assert embedder.embed_many([]).shape == (0, 48)
    pictures = [picture(seed) for seed in range(50)]
    many = embedder.embed_many(each for each in pictures)
    assert many == pytest.approx(np.stack([embedder.embed(each) for each in pictures]), abs=1e-6)


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"vgg.*resnet50.*efficientnet_lite0"):
        load_embedder("vgg")


# A store by itself


def test_a_store_gives_the_cosines_of_its_vectors_best_first():
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(50, 7)), rng.normal(size=(4, 7))
    store = VectorStore(vectors[:20])
    store.add(vectors[20:])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for query, answer in zip(queries, store.search_many(queries, k=5), strict=True):
        cosines = units @ query / np.linalg.norm(query)
        order = np.argsort(-cosines)[:5]
        assert [name for name, _ in answer] == order.tolist()
        assert [score for _, score in answer] == pytest.approx(cosines[order], abs=1e-5)
    assert store.vectors() == pytest.approx(units, abs=1e-6)
    assert (len(store), store.dim, store.ids) == (50, 7, list(range(50)))


def test_an_empty_store_finds_nothing():
    store = VectorStore()
    assert store.search([1, 2, 3]) == []
    assert (len(store), store.dim, store.vectors().shape) == (0, 0, (0, 0))


def test_more_than_there_are_cannot_be_found():
    assert len(VectorStore(np.eye(3), ids="abc").search([1, 0, 0], k=10**9)) == 3


@pytest.mark.parametrize(
    ("vectors", "ids"),
    [
        (np.eye(3)[0], None),
        (np.zeros((1, 3)), None),
        ([[1, 2, np.nan]], None),
        ([[1, 2, np.inf]], None),
        ([[1, 2]], None),
        (np.eye(3), ["x", "y"]),
        (np.eye(3), ["x", "y", "x"]),
        (np.eye(3), ["x", "y", "a"]),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_none_is_kept(vectors, ids):
    store = VectorStore(np.eye(3), ids=["a", "b", "c"])
    with pytest.raises(UsageError):
        store.add(vectors, ids)
    assert store.ids == ["a", "b", "c"]
    assert len(store.search([1, 1, 1], k=10)) == 3


@pytest.mark.parametrize("k", [0, -1])
def test_a_store_is_asked_for_one_or_more(k):
    with pytest.raises(UsageError, match=rf"^k .*{k}"):
        VectorStore(np.eye(3)).search([1, 0, 0], k=k)


# app itself


def test_the_package_offers_these_names_and_no_other():
    assert set(app.__all__) == {"open_gallery", "load_embedder", "VectorStore"}
    with pytest.raises(AttributeError, match="has no attribute 'nix'"):
        _ = app.nix


@pytest.mark.parametrize(
    ("document", "says"),
    [("docs/python.md", "is not inside the picture"), ("README.md", "0.669")],
)
def test_the_code_of_a_document_runs_from_top_to_bottom(networks, tmp_path, document, says):
    text = (ROOT / document).read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    shutil.copy(next(p for p in PHOTOGRAPHS if p.stem == "chelsea"), tmp_path / "photo.jpg")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "RIS_CACHE_DIR": str(networks), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "wild_cat/image_0028.jpg ('wild_cat',)" in ended.stdout
    assert says in ended.stdout


def test_the_open_gallery_takes_no_other_gallery(gallery, file):
    with pytest.raises(UsageError, match=r"mine .*gallery"):
        gallery.search(file, gallery="other")
