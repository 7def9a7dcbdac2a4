"""A list that has changed: new rows alone are fetched and embedded, the others keep their ids."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from app.build.update import UpdateReport
from app.embed import Embedder, model_named
from app.gallery import Gallery
from app.settings import read_settings
from app.wiring import make_updater
from tests.build.conftest import CountingRuntime
from tests.commands import Run, Site, write_csv
from tests.conftest import Home, fill

OWN = ("--name", "shop", "--model", "mean_colour")


@pytest.fixture
def update(home: Home):
    def run() -> tuple[UpdateReport, int]:
        runtime = CountingRuntime()
        embedder = Embedder(model_named("mean_colour"), runtime, weights_sha256="")
        settings = read_settings(
            {"RIS_HOME": str(home.path), "RIS_ALLOW_LOOPBACK_URLS": "1", "RIS_CACHE_DIR": "/tmp"}
        )
        report = make_updater(settings)(
            "shop", load_embedder=lambda name, **_: embedder, on_progress=lambda *_: None
        )
        return report, runtime.batches

    return run


def keys(home: Home) -> dict[str, int]:
    gallery = Gallery(home.folders("shop"))
    try:
        return {image.key: image.id for image in gallery.images(gallery.ids().tolist())}
    finally:
        gallery.close()


def test_more_rows_are_fetched_and_embedded_alone(
    run: Run, site: Site, home: Home, tmp_path: Path, update
) -> None:
    rows = [(f"k{n}", site.shows(f"/{n}.jpg", n)) for n in range(8)]
    file = write_csv(tmp_path / "items.csv", [("id", "url"), *rows[:5]])
    assert run("--csv", file, *OWN)[0] == 0
    before = keys(home)
    site.asked.clear()
    write_csv(file, [("id", "url"), *reversed(rows)])
    report, batches = update()
    assert (report.added, report.removed, report.unchanged, batches) == (3, 0, 5, 1)
    assert set(site.asked) == {"/5.jpg", "/6.jpg", "/7.jpg"}
    assert keys(home) == before | {"k5": 7, "k6": 6, "k7": 5}
    assert update()[0].did_something is False


def test_a_row_that_is_gone_is_found_no_more_and_new_labels_need_no_embedding(
    run: Run, site: Site, home: Home, tmp_path: Path, update
) -> None:
    rows = [(f"k{n}", site.shows(f"/{n}.jpg", n), "old") for n in range(5)]
    file = write_csv(tmp_path / "items.csv", [("id", "url", "kind"), *rows])
    assert run("--csv", file, *OWN, "--label-column", "kind")[0] == 0
    changed = [(key, url, "new" if key == "k3" else kind) for key, url, kind in rows[1:]]
    write_csv(file, [("id", "url", "kind"), *changed])
    report, batches = update()
    assert (report.changed, report.removed, report.added, batches) == (1, 1, 0, 0)
    assert keys(home) == {f"k{n}": n for n in range(1, 5)}
    gallery = Gallery(home.folders("shop"))
    assert gallery.ids_of_label("new") == [3]
    gallery.close()


def test_a_parquet_file_grows_as_a_csv_does(
    run: Run, site: Site, home: Home, tmp_path: Path, update
) -> None:
    ids = [f"k{n}" for n in range(6)]
    urls = [site.shows(f"/{n}.jpg", n) for n in range(6)]
    file = tmp_path / "items.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": ids[:4], "url": urls[:4]}), file)
    assert run("--parquet", file, *OWN)[0] == 0
    pyarrow.parquet.write_table(pyarrow.table({"id": ids, "url": urls}), file)
    report, batches = update()
    assert (report.added, report.unchanged, batches) == (2, 4, 1)


@pytest.mark.parametrize(
    ("environ", "added"),
    [
        ({"HOST": "0.0.0.0"}, 0),
        ({"RIS_HOSTS": "photos.example"}, 0),
        ({"HOST": "0.0.0.0", "RIS_LIST_FOLDERS": "elsewhere"}, 0),
        ({"HOST": "0.0.0.0", "RIS_LIST_FOLDERS": "pictures"}, 1),
        ({}, 1),
    ],
)
def test_a_list_of_a_server_names_files_where_the_settings_say_so_alone(
    run: Run, home: Home, tmp_path: Path, environ: dict[str, str], added: int
) -> None:
    pictures = fill(tmp_path / "pictures", 3)
    one, two, three = sorted(each for each in pictures.rglob("*") if each.is_file())
    (tmp_path / "elsewhere").mkdir()
    file = write_csv(tmp_path / "items.csv", [("id", "url"), ("a", one), ("b", two.as_uri())])
    assert run("--csv", file, *OWN)[0] == 0
    write_csv(file, [("id", "url"), ("a", one), ("b", two.as_uri()), ("c", three)])
    folders = {key: str(tmp_path / value) for key, value in environ.items() if "LIST" in key}
    settings = read_settings({"RIS_HOME": str(home.path), **environ, **folders})
    report = make_updater(settings, for_server=True)("shop", on_progress=lambda *_: None)
    assert (report.added, report.unchanged) == (added, 2)
    if not added:
        (skipped,) = report.skipped
        assert "RIS_LIST_FOLDERS" in skipped.reason
