"""A CSV of URLs → a gallery: its ids kept, what fails listed, bad lists refused in one sentence."""

from pathlib import Path

import numpy as np

from tests.conftest import Home
from tests.lists.conftest import Run, Site, sending, write_csv

OWN = ("--name", "shop", "--model", "mean_colour")


def test_a_list_becomes_a_gallery_known_by_its_own_ids(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    ids = ["007", "7", "a/b c", "Ärger", "..."]
    rows = [(key, site.shows(f"/{n}.jpg", n), f"kind {n % 2}") for n, key in enumerate(ids)]
    file = write_csv(tmp_path / "items.csv", [("id", "url", "category"), *rows])
    code, out, err = run("--csv", file, *OWN, "--label-column", "category")
    assert (code, "5 images" in out) == (0, True), err
    service = home.service()
    for row, key in enumerate(ids):
        assert service.id_of("shop", key) == row
        record = service.image("shop", row)
        assert (record.public_id, record.labels) == (key, (f"kind {row % 2}",))
        assert service.picture("shop", row)[0]
    assert service.search("shop", service.id_of("shop", "7"), k=1).hits[0].image.key == "7"
    assert service.gallery("shop").index == "Flat"
    assert np.isclose(np.linalg.norm(service.embed("shop", 0)), 1, atol=1e-3)


def test_a_row_that_fails_is_listed_with_its_reason_and_the_others_go_on(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    site.pages["/page"] = [sending(b"<!doctype html><html></html>")]
    file = write_csv(
        tmp_path / "items.csv",
        [
            ("id", "url"),
            ("good", site.shows("/a.jpg", 1)),
            ("gone", f"{site.url}/gone.jpg"),
            ("blank", " "),
            ("page", f"{site.url}/page"),
        ],
    )
    code, out, _ = run("--csv", file, *OWN)
    assert code == 0
    assert "Skipped row 3: Its id is 'gone'. 127.0.0.1 answered 404 Not Found, no picture." in out
    assert "Skipped row 4: Its id is 'blank'. The list has no address for it." in out
    assert "is a web page, not a picture" in out
    failed = (home.path / "datasets" / "shop" / "failed.csv").read_text().splitlines()
    assert failed[0] == "row,id,url,reason"
    assert sorted(line.split(",")[1] for line in failed[1:]) == ["blank", "gone", "page"]
    assert home.service().gallery("shop").skipped == 3
