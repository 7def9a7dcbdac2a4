"""Galleries in a precision: kept, asked alike, changed alike, compared only with what goes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.build.build import BuildReport, BuildRequest, build
from app.build.int8 import compared
from app.embed import Embedder, model_named
from app.errors import GalleryError, ModelError, UsageError
from app.gallery import Gallery, read_manifest
from app.values.files import sha256_of
from tests.build.transfer.conftest import export, quiet
from tests.conftest import Home, encoded, fill, is_one_sentence, picture

FEWEST = 100


@dataclass
class Rounding:
    """Mean colours, in the precision that it says; `spoilt` ones are another picture's."""

    precision: str = "f32"
    spoilt: bool = False
    batch: int = 8

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = batch.reshape(len(batch), -1).astype(np.float32) - np.float32(127.5)
        if self.spoilt:
            vectors = np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32)
        return vectors if self.precision == "f32" else np.round(vectors, -1)


class Loader:
    """Loads mean colours in any precision, and remembers what was asked for."""

    def __init__(self, folder: Path, *, best: str = "bf16", spoilt: bool = False) -> None:
        self.folder = folder
        self.best = best  # what this processor can do, and is the fastest
        self.spoilt = spoilt
        self.asked: list[tuple[str, Path | None, int]] = []

    def __call__(
        self,
        name: str,
        /,
        *,
        precision: str = "f32",
        network: Path | None = None,
        calibration: NDArray[np.uint8] | None = None,
    ) -> Embedder:
        self.asked.append((precision, network, 0 if calibration is None else len(calibration)))
        got = self.best if precision in ("auto", "bf16") else precision
        if got == "int8" and network is None:
            assert calibration is not None
            network = self.folder / "fitted.zip"
            network.write_bytes(calibration.tobytes())
        runtime = Rounding(got, spoilt=self.spoilt and got == "int8")
        note = "calculated in bfloat16: it is faster" if precision == "auto" else ""
        return Embedder(
            model_named("mean_colour"),
            runtime,
            weights_sha256="",
            network=network,
            network_sha256=sha256_of(network) if network else "",
            note=note,
        )


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


def made(
    home: Home, loader: Loader, name: str = "mine", *, count: int = 30, **options: Any
) -> BuildReport:
    images = home.path.parent / f"images-{count}"
    if not images.is_dir():
        fill(images, count)
    request = BuildRequest(
        data=None,
        images=images,
        name=name,
        model="mean_colour",
        index="Flat",
        limit=None,
        force=False,
    )
    return build(
        replace(request, **options),
        **{f"{each}_dir": home.path / each for each in ("datasets", "features", "indexes")},
        load_embedder=loader,
        workers=2,
        on_progress=quiet,
    )


def test_auto_is_the_default_and_says_what_it_chose(home: Home, loader: Loader) -> None:
    manifest = made(home, loader).manifest
    assert loader.asked == [("auto", None, 0)]
    assert manifest.precision == "bf16"
    assert manifest.notes[0] == "calculated in bfloat16: it is faster"
    assert "precision" not in manifest.request, "another machine chooses for itself"
    assert ("model", "mean_colour in bf16, 48 dimensions") in manifest.in_words()


def test_what_is_asked_for_is_part_of_the_command(home: Home, loader: Loader) -> None:
    manifest = made(home, loader, precision="f32").manifest
    assert manifest.precision == "f32"
    assert "--precision f32" in manifest.command
    assert manifest.notes == ()


def test_bfloat16_is_refused_where_the_processor_has_none(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot calculate in bf16 here") as caught:
        made(home, Loader(tmp_path, best="f32"), precision="bf16")
    assert is_one_sentence(str(caught.value))
    with pytest.raises(UsageError, match="There is no precision 'half'"):
        made(home, Loader(tmp_path), precision="half")


def test_queries_and_changes_use_the_precision_of_the_gallery(home: Home, loader: Loader) -> None:
    made(home, loader, precision="bf16")
    service = home.service(loader)
    [hit, *_] = service.search("mine", encoded(picture(3), quality=90), k=3)
    assert hit.score == pytest.approx(1, abs=1e-5)
    assert loader.asked[-1] == ("bf16", None, 0)
    loader.asked.clear()
    (home.path.parent / "images-30" / "new.jpg").write_bytes(encoded(picture(900)))
    keeper = home.keeper(loader)
    assert keeper.update("mine", on_progress=quiet).added == 1
    assert loader.asked == [("bf16", None, 0)]


def test_a_gallery_in_bfloat16_is_used_where_there_is_none(home: Home, tmp_path: Path) -> None:
    made(home, Loader(tmp_path), precision="bf16")
    elsewhere = Loader(tmp_path, best="f32")
    service = home.service(elsewhere)
    assert service.gallery("mine").uploads_off == ""
    [hit, *_] = service.search("mine", encoded(picture(3), quality=90), k=3)
    assert hit.image.path.endswith("00003.jpg")
    (home.path.parent / "images-30" / "new.jpg").write_bytes(encoded(picture(900)))
    assert home.keeper(elsewhere).update("mine", on_progress=quiet).added == 1


def test_galleries_in_32_bits_and_bfloat16_are_searched_and_merged_together(
    home: Home, loader: Loader
) -> None:
    made(home, loader, "one", precision="bf16")
    made(home, loader, "two", count=20, precision="f32")
    service = home.service(loader)
    assert len(service.search("one,two", encoded(picture(3)), k=5).hits) == 5
    manifest, added, _ = home.keeper().merge("one", "two")
    assert (manifest.images, added) == (30, 0), "they are of the same files"


def test_an_int8_network_belongs_to_its_gallery(home: Home, loader: Loader) -> None:
    report = made(home, loader, count=120, precision="int8")
    manifest = report.manifest
    assert [each[0] for each in loader.asked] == ["f32", "int8"]
    assert loader.asked[1][2] == 60, "half of the pictures are held out"
    assert manifest.precision == "int8"
    assert manifest.notes[0].startswith("calculated in INT8: of 60 pictures that it was not fitted")
    gallery = Gallery(home.folders("mine"))
    network = gallery.network_path
    gallery.close()
    assert network is not None
    assert network.parent == home.folders("mine").indexes
    assert manifest.network_sha256 == sha256_of(network)
    (loader.folder / "fitted.zip").unlink()
    service = home.service(loader)
    [hit, *_] = service.search("mine", encoded(picture(3), quality=90), k=3)
    assert hit.score == pytest.approx(1, abs=1e-5)
    assert loader.asked[-1] == ("int8", network, 0)
    (home.path.parent / "images-120" / "new.jpg").write_bytes(encoded(picture(900)))
    assert (
        home.keeper(loader).update("mine", on_progress=quiet).manifest.network_sha256
        == manifest.network_sha256
    )
    assert loader.asked[-1] == ("int8", network, 0)


def test_a_flipped_byte_in_an_int8_network_is_found(home: Home, loader: Loader) -> None:
    made(home, loader, count=120, precision="int8")
    gallery = Gallery(home.folders("mine"))
    assert gallery.network_path is not None
    network = bytearray(gallery.network_path.read_bytes())
    network[100] ^= 1
    gallery.network_path.write_bytes(network)
    gallery.close()
    with pytest.raises(GalleryError):
        Gallery(home.folders("mine"))


def test_it_travels_with_an_export(home: Home, loader: Loader, tmp_path: Path) -> None:
    from app.build.transfer import ImportRequest, import_embeddings

    before = made(home, loader, count=120, precision="int8").manifest
    export(home, "mine", tmp_path / "out")
    assert (tmp_path / "out" / "network.zip").is_file()

    def take(name: str) -> None:
        import_embeddings(
            ImportRequest(tmp_path / "out", name),
            features_dir=home.path / "features",
            indexes_dir=home.path / "indexes",
            load_embedder=loader,
            on_progress=quiet,
        )

    take("back")
    after = read_manifest(home.folders("back"))
    assert (after.precision, after.network_sha256) == ("int8", before.network_sha256)
    assert len(home.service(loader).search("mine,back", encoded(picture(3)), k=5).hits) == 5
    (tmp_path / "out" / "network.zip").unlink()
    with pytest.raises(Exception, match="copy the folder anew"):
        take("again")


def test_a_spoilt_int8_network_is_refused_with_the_figures(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is refused: of 60 pictures .* at least 80%") as caught:
        made(home, Loader(tmp_path, spoilt=True), count=120, precision="int8")
    assert "choose another precision" in str(caught.value)
    assert not home.folders("mine").indexes.exists()


def test_too_few_pictures_for_an_int8_network_are_counted(home: Home, loader: Loader) -> None:
    with pytest.raises(UsageError, match=f"at least {FEWEST} pictures, and 30 can be read"):
        made(home, loader, precision="int8")


def test_a_model_without_a_network_has_no_int8(home: Home) -> None:
    with pytest.raises(UsageError, match="mean_colour has no network"):
        made(
            home,
            lambda name, **_: Embedder(model_named("mean_colour"), Rounding(), ""),  # type: ignore[arg-type]
            count=120,
            precision="int8",
        )


def test_int8_goes_with_its_own_network_alone(home: Home, loader: Loader, tmp_path: Path) -> None:
    made(home, loader, "one", count=120, precision="int8")
    made(home, loader, "two", count=110, precision="int8")
    made(home, loader, "plain", count=120, precision="f32")
    service = home.service(loader)
    for others in ("one,two", "one,plain"):
        with pytest.raises(UsageError, match="different models"):
            service.search(others, encoded(picture(3)), k=5)
    with pytest.raises(UsageError, match="INT8 networks of their own"):
        home.keeper().merge("one", "two")
    with pytest.raises(UsageError, match="int8 and plain in f32, which cannot be compared"):
        home.keeper().merge("one", "plain")


def test_the_overlap_and_the_loss_are_those_of_the_nearest() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = [(str(row % 5),) for row in range(50)]
    assert compared(vectors, vectors, labels) == (1.0, 0.0)
    other = rng.normal(size=(50, 8)).astype(np.float32)
    overlap, _ = compared(vectors, other / np.linalg.norm(other, axis=1, keepdims=True), labels)
    assert overlap < 0.5
    centres = np.eye(8, dtype=np.float32)[np.arange(50) % 5]
    _, loss = compared(centres, vectors, labels)
    assert loss > 0.5
    assert compared(centres, vectors, [()] * 50)[1] == 0
