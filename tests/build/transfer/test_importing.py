"""Embeddings of an export or of other programs become a gallery, or are refused by name."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from app.errors import DatasetError, ModelError, NotFoundError
from app.gallery import Gallery, gallery_names
from app.images import encode
from tests.build.transfer.conftest import export, foreign, some_vectors, take
from tests.commands import Run
from tests.conftest import Home, encoded, fill, picture
from tests.gallery.sealing import sealed


def npz(file: Path) -> None:
    with file.open("wb") as archive:
        np.savez(archive, a=np.ones((5, 8)))


def test_an_export_of_a_newer_version_is_refused_as_such(home: Home, tmp_path: Path) -> None:
    home.build(fill(tmp_path / "images", 12))
    out = tmp_path / "out"
    export(home, "mine", out)
    values = json.loads((out / "gallery.json").read_text())
    values["gallery"]["of_tomorrow"] = 1
    values["gallery"] = json.loads(sealed(values["gallery"]))
    (out / "gallery.json").write_text(json.dumps(values))
    with pytest.raises(DatasetError, match="newer version"):
        take(home, out)


def test_vectors_of_an_unknown_model_are_searched_by_id_alone_with_the_reason(
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
    for words in ("Only images of back", "came from elsewhere"):
        assert words in info.uploads_off
    with pytest.raises(ModelError, match="came from elsewhere"):
        service.search("back", encoded(picture(0)))
    assert any("grey card" in note for note in info.notes)
    assert service.thumbnail("back", 0)[8:12] == b"WEBP"


def test_pictures_that_are_here_give_their_thumbnails_sizes_and_originals(
    home: Home, tmp_path: Path
) -> None:
    images = fill(tmp_path / "pictures", 10)
    paths = [str(path) for path in sorted(images.rglob("*.jpg"))]
    foreign(tmp_path / "theirs", some_vectors(10), image_path=paths, caption=["a cafe\u0301"] * 10)
    take(home, tmp_path / "theirs", index="Flat", pictures=images, model="mean_colour")
    service = home.service()
    record = service.image("back", 4)
    assert (record.width, record.height, record.labels) == (64, 48, ("a caf\u00e9",))
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
    assert "back" not in gallery_names(home.path / "indexes")


def test_what_cannot_be_imported_or_exported_is_refused(
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


def test_an_import_that_is_stopped_leaves_nothing(
    home: Home, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.build.transfer.importing.finish_gallery", stop)
    folder = foreign(tmp_path / "theirs", some_vectors(3))
    code, _, err = run("--embeddings", folder, "--name", "back")
    assert (code, "Nothing is kept: the same command begins anew" in err) == (130, True)
    assert not list((home.path / "indexes").glob("back/building"))
