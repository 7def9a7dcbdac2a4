"""What is exported comes back with the same ids and scores; what others wrote is searched by id."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.build.build import build_gallery
from app.build.transfer import ExportReport, ImportRequest, export_gallery, import_embeddings
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import DatasetError, ModelError, NotFoundError
from app.gallery import Gallery
from app.images import encode
from app.sources.ids import fault_of
from app.sources.own import Listed, open_folder
from app.sources.picture import Picture
from tests.commands import Run
from tests.conftest import Home, encoded, fill, mean_colour, picture


def quiet(stage: str, done: int, total: int) -> None:
    pass


def export(home: Home, name: str, out: Path, **options: Any) -> ExportReport:
    return export_gallery(
        name,
        out,
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        on_progress=quiet,
        **options,
    )


def take(home: Home, folder: Path, name: str = "back", **options: Any) -> None:
    import_embeddings(
        ImportRequest(folder, name, **options),
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda model: mean_colour(),
        on_progress=quiet,
    )


def records(home: Home, name: str) -> list[Any]:
    gallery = Gallery(home.folders(name))
    found = gallery.images(range(gallery.manifest.images))
    gallery.close()
    return found


def foreign(folder: Path, vectors: np.ndarray, part: str = "0", **columns: list[Any]) -> Path:
    """Write what clip-retrieval writes."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / f"img_emb_{part}.npy", vectors)
    columns = columns or {"image_path": [f"/there/{part}/{row}.jpg" for row in range(len(vectors))]}
    pyarrow.parquet.write_table(
        pyarrow.table(columns), folder / "metadata" / f"metadata_{part}.parquet"
    )
    return folder


def npz(file: Path) -> None:
    with file.open("wb") as opened:
        np.savez(opened, a=np.ones((5, 8)))


def some_vectors(count: int, dim: int = 48) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_exported_gallery_comes_back_with_the_same_ids_scores_and_thumbnails(
    home: Home, tmp_path: Path, ris: Run, run: Run, dtype: str
) -> None:
    images = fill(tmp_path / "pictures", 90)
    (images / "broken.jpg").write_bytes(b"no picture")
    home.build(images, index="IVF100,SQ8")
    out = tmp_path / "out"
    code, said, err = ris("export", "mine", out, "--dtype", dtype)
    assert code == 0, err
    assert f"90 images, 48 × {dtype}" in said
    code, said, err = run("--embeddings", out, "--name", "back")
    assert code == 0, err
    service = home.service()
    before, after = records(home, "mine"), records(home, "back")
    assert before == after
    for row in range(90):
        assert service.thumbnail("mine", row) == service.thumbnail("back", row)
        ours, theirs = (service.search(name, row, k=90).hits for name in ("mine", "back"))
        assert [hit.image.id for hit in ours] == [hit.image.id for hit in theirs]
        assert np.allclose([h.score for h in ours], [h.score for h in theirs], rtol=0, atol=1e-6)
    one, two = service.gallery("mine"), service.gallery("back")
    for name in ("model", "dim", "index", "probes", "candidates", "recall_reranked", "floor"):
        assert getattr(one, name) == getattr(two, name), name
    assert two.skipped == 1
    data = encoded(picture(3), quality=90)
    assert (
        service.search("back", data, k=1).hits[0].image.id
        == service.search("mine", data, k=1).hits[0].image.id
    )


def test_the_precision_comes_back_and_the_request_does_not(home: Home, tmp_path: Path) -> None:
    runtime = MeanColourRuntime()
    runtime.precision = "bf16"
    embedder = Embedder(model_named("mean_colour"), runtime, "")
    home.build(fill(tmp_path / "secret place", 12), embedder=embedder)
    out = tmp_path / "out"
    export(home, "mine", out)
    assert "secret place" not in (out / "gallery.json").read_text()
    take(home, out)
    manifest = home.service().gallery("back").manifest
    assert manifest is not None
    assert manifest.precision == "bf16"
    assert manifest.request == {"embeddings": str(out), "name": "back"}


def test_an_export_of_a_newer_version_is_refused_as_such(home: Home, tmp_path: Path) -> None:
    home.build(fill(tmp_path / "images", 12))
    out = tmp_path / "out"
    export(home, "mine", out)
    told = json.loads((out / "gallery.json").read_text())
    told["gallery"]["of_tomorrow"] = 1
    (out / "gallery.json").write_text(json.dumps(told))
    with pytest.raises(DatasetError, match="newer version"):
        take(home, out)


KEYS = st.lists(
    st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12).filter(
        lambda key: not fault_of(key)
    ),
    min_size=1,
    max_size=6,
    unique=True,
)
LABELS = st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keys=KEYS, data=st.data())
def test_any_ids_and_labels_come_back_as_they_were(
    tmp_path: Path, keys: list[str], data: st.DataObject
) -> None:
    shutil.rmtree(tmp_path / "turn", ignore_errors=True)
    home = Home(tmp_path / "turn" / "home")
    images = tmp_path / "turn" / "images"
    images.mkdir(parents=True)
    pictures = []
    for row, key in enumerate(keys):
        (images / f"{row}.png").write_bytes(encoded(picture(row), "PNG"))
        words = {word.strip() for word in data.draw(LABELS)} - {""}
        pictures.append(Picture(f"{row}.png", tuple(sorted(words)), key=key))
    build_gallery(
        Listed("mine", images, pictures),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={},
        workers=1,
        on_progress=quiet,
    )
    out = tmp_path / "turn" / "out"
    export(home, "mine", out)
    take(home, out)
    assert records(home, "mine") == records(home, "back")
    service = home.service()
    for row, key in enumerate(keys):
        assert service.id_of("back", key) == row


def test_vectors_of_an_unknown_model_are_searched_by_id_alone_and_it_is_said_why(
    home: Home, tmp_path: Path
) -> None:
    vectors = some_vectors(30, dim=20)
    foreign(tmp_path / "theirs", vectors[:20] * 3, "00")
    foreign(tmp_path / "theirs", vectors[20:] * 3, "01")
    take(home, tmp_path / "theirs", index="Flat")
    service = home.service()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = service.search("back", 25, k=30).hits
    wanted = units @ units[25]
    assert found[0].image.path == "there/01/5.jpg"
    assert np.allclose([hit.score for hit in found], np.sort(wanted)[::-1], atol=2e-3)
    assert not any(hit.same_file for hit in found)
    info = service.gallery("back")
    assert info.uploads_off == (
        "Only images of back can be searched with: its vectors came from elsewhere, and no model "
        "here made them."
    )
    with pytest.raises(ModelError, match="came from elsewhere"):
        service.search("back", encoded(picture(0)))
    assert any("grey card" in note for note in info.notes)
    assert service.thumbnail("back", 0)[8:12] == b"WEBP"


def test_pictures_that_are_here_give_their_thumbnails_sizes_and_originals(
    home: Home, tmp_path: Path
) -> None:
    images = fill(tmp_path / "pictures", 10)
    paths = [str(path) for path in sorted(images.rglob("*.jpg"))]
    foreign(tmp_path / "theirs", some_vectors(10), image_path=paths, caption=["a cat"] * 10)
    take(home, tmp_path / "theirs", index="Flat", pictures=images, model="mean_colour")
    service = home.service()
    record = service.image("back", 4)
    assert (record.width, record.height, record.labels) == (64, 48, ("a cat",))
    data = Path(paths[4]).read_bytes()
    assert service.picture("back", 4)[0] == data
    assert [hit.same_file for hit in service.search("back", data, k=2).hits] == [True, False]
    assert not service.gallery("back").notes[:-1]


def test_an_export_never_shows_files_of_this_machine_that_its_importer_did_not_name(
    home: Home, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encoded(picture(1)))
    paths = [str(secret), "../secret.jpg", f"x/../../{secret.name}"]
    folder = foreign(tmp_path / "theirs", some_vectors(3), image_path=paths)
    take(home, folder, index="Flat", pictures=folder)
    service = home.service()
    for row in range(3):
        with pytest.raises(NotFoundError):
            service.picture("back", row)
        assert service.image("back", row).sha256 == ""


def test_a_file_that_was_changed_after_the_export_is_refused_by_name(
    home: Home, tmp_path: Path
) -> None:
    home.build(fill(tmp_path / "pictures", 5))
    out = tmp_path / "out"
    export(home, "mine", out)
    path = out / "img_emb" / "img_emb_0.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"img_emb_0.npy is not the file that was exported"):
        take(home, out)
    assert not (home.path / "indexes" / "back").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: shutil.rmtree(f / "img_emb"), "holds no embeddings"),
        (lambda f: shutil.rmtree(f / "metadata"), "is missing, or no Parquet file"),
        (lambda f: (f / "img_emb/img_emb_0.npy").write_bytes(b"x"), "not a NumPy file"),
        (lambda f: npz(f / "img_emb/img_emb_0.npy"), "not a NumPy file"),
        (lambda f: foreign(f, np.ones((5, 8)), key=["a\n", *"bcde"]), "Row 0 .* control character"),
        (lambda f: foreign(f, np.ones((5, 8)), key=[" ", *"bcde"]), "Row 0 .* has no id"),
        (lambda f: foreign(f, np.ones((5, 8)), key=["a/image", *"bcde"]), "ends in /image"),
        (lambda f: foreign(f, np.ones((5, 8)), key=["x" * 201, *"bcde"]), "more than 200"),
        (lambda f: np.save(f / "img_emb/img_emb_0.npy", [object()], allow_pickle=True), "NumPy"),
        (lambda f: np.save(f / "img_emb/img_emb_0.npy", np.ones(5)), "not rows of"),
        (lambda f: np.save(f / "img_emb/img_emb_0.npy", np.ones((4, 8))), "has 5 rows and"),
        (lambda f: np.save(f / "img_emb/img_emb_0.npy", np.zeros((5, 8))), "row 0 .* is zero"),
        (lambda f: np.save(f / "img_emb/img_emb_0.npy", np.full((5, 8), np.nan)), "no numbers"),
        (lambda f: foreign(f, np.ones((5, 9)), "1"), "of one model"),
        (lambda f: foreign(f, np.ones((5, 8)), image_path=["a"] * 5), "'a' is in the metadata twi"),
        (lambda f: foreign(f, np.ones((5, 8)), key=["a"] * 5), "key 'a' is in the metadata twice"),
        (lambda f: foreign(f, np.ones((5, 8)), key=["a", *"  bc"][:5]), "key"),
        (lambda f: foreign(f, np.ones((5, 8)), key=["a/similar", *"bcde"]), "ends in /image"),
        (lambda f: (f / "gallery.json").write_text("{"), "gallery.json is damaged"),
    ],
)
def test_a_folder_that_does_not_hold_together_is_refused_in_one_sentence(
    home: Home, tmp_path: Path, spoil: Any, said: str
) -> None:
    folder = foreign(tmp_path / "theirs", some_vectors(5, 8))
    spoil(folder)
    with pytest.raises(DatasetError, match=said):
        take(home, folder, index="Flat")
    assert not (home.path / "indexes" / "back" / "gallery.db").exists()


def test_what_cannot_be_asked_for_is_refused(
    home: Home, tmp_path: Path, run: Run, ris: Run
) -> None:
    folder = foreign(tmp_path / "theirs", some_vectors(5, 8))
    assert run("--embeddings", folder)[0] == 2
    assert (
        "makes vectors of 48"
        in run("--embeddings", folder, "--name", "x", "--model", "mean_colour", "--index", "Flat")[
            2
        ]
    )
    assert run("--embeddings", folder, "--name", "x", "--limit", 3)[0] == 2
    assert run("--images", folder, "--name", "x", "--pictures", folder)[0] == 2
    code, _, said = ris("export", "nothing", tmp_path / "out")
    assert (code, "There is no gallery 'nothing'" in said) == (2, True)
    home.build(fill(tmp_path / "pictures", 5))
    code, _, said = ris("export", "mine", folder)
    assert (code, "holds something already" in said) == (2, True)
    assert ris("export", "mine", tmp_path / "out")[0] == 0
    assert "exists already" in run("--embeddings", tmp_path / "out", "--name", "mine")[2]
    assert (
        "leave --model resnet50 out"
        in run("--embeddings", tmp_path / "out", "--name", "x", "--model", "resnet50")[2]
    )
    shutil.rmtree(home.path / "features" / "mine")
    code, _, said = ris("export", "mine", tmp_path / "other")
    assert code != 0
    assert not (tmp_path / "other").exists()


def test_an_export_fills_an_empty_folder_and_tells_no_path_of_this_machine(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.build(fill(tmp_path / "pictures", 5))
    out = tmp_path / "out"
    out.mkdir()
    before = out.stat().st_ino
    rename, rmdir = Path.rename, Path.rmdir

    def refuse(of: Any) -> Any:
        def instead(self: Path, *arguments: Any) -> Any:
            if self == out or out in arguments:  # as for a mount point
                raise OSError(16, "Device or resource busy", str(self))
            return of(self, *arguments)

        return instead

    monkeypatch.setattr(Path, "rename", refuse(rename))
    monkeypatch.setattr(Path, "rmdir", refuse(rmdir))
    export(home, "mine", out)
    assert out.stat().st_ino == before
    names = ["gallery.json", "img_emb", "metadata", "thumbnails"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert str(tmp_path) not in (out / "gallery.json").read_text()
    take(home, out)
    assert home.service().gallery("back").images == 5


def test_a_thumbnail_that_is_damaged_becomes_a_grey_card_and_is_left_out_of_a_survey(
    home: Home, tmp_path: Path, ris: Run
) -> None:
    folder = foreign(tmp_path / "theirs", some_vectors(3))
    good = encode.thumbnail(np.full((20, 30, 3), 90, np.uint8))
    large = encode.thumbnail(np.zeros((9, 1_500, 3), np.uint8), longer_side=1_500)
    (folder / "thumbnails").mkdir()
    table = pyarrow.table({"webp": [good, good[:12] + bytes(50), large]})
    pyarrow.parquet.write_table(table, folder / "thumbnails" / "thumbnails_0.parquet")
    take(home, folder, index="Flat")
    shown = [home.service().thumbnail("back", row) for row in range(3)]
    assert shown == [good, encode.no_picture(), encode.no_picture()]
    code, out, err = ris("inspect", "--gallery", "back", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["mean_colour"], facts["grey_share"], facts["images"]) == ("#5a5a5a", 1.0, 3)
    assert facts["bytes"] == {"sum": 0}
    assert "their sizes are not known" in ris("inspect", "--gallery", "back")[1]


def test_one_damaged_thumbnail_does_not_end_a_survey(
    home: Home, tmp_path: Path, ris: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.build(fill(tmp_path / "pictures", 3))
    monkeypatch.setattr(Gallery, "thumbnail", lambda self, row: b"RIFF....WEBPnone")
    code, out, err = ris("inspect", "--gallery", "mine", "--report", tmp_path / "r.html")
    assert (code, "Colour:       not known" in out) == (0, True), err


def test_an_import_that_is_stopped_leaves_nothing_and_says_so(
    home: Home, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.build.transfer.importing.finish_gallery", stop)
    folder = foreign(tmp_path / "theirs", some_vectors(3))
    code, _, err = run("--embeddings", folder, "--name", "back")
    assert (code, "Nothing is kept: the same command begins anew" in err) == (130, True)
    assert not list((home.path / "indexes").glob("back/building"))


def test_what_is_exported_is_what_clip_retrieval_and_autofaiss_read(
    home: Home, tmp_path: Path
) -> None:
    home.build(fill(tmp_path / "pictures", 5))
    export(home, "mine", tmp_path / "out", dtype="float32")
    vectors = np.load(tmp_path / "out" / "img_emb" / "img_emb_0.npy")
    assert (vectors.shape, vectors.dtype) == ((5, 48), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "metadata" / "metadata_0.parquet")
    assert table["image_path"].to_pylist() == [
        each.path for each in open_folder(tmp_path / "pictures", "x").pictures()
    ]
    assert table["caption"].to_pylist() == [f"kind_{n}" for n in range(5)]
    assert set(table.column_names) >= {"image_path", "key", "caption", "width", "height", "sha256"}
    assert json.loads((tmp_path / "out" / "gallery.json").read_text())["format"] == 1
