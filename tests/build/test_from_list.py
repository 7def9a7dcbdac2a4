"""A CSV of URLs → a gallery: its ids kept, what fails listed, bad lists refused in one sentence."""

import base64
import shlex
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from app.gallery import Gallery
from app.search.picture import Item
from app.search.question import SearchRequest
from app.sources.picture import Picture
from tests.commands import Run, Site, sending, write_csv
from tests.conftest import Home, encoded, fill, picture

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
    assert service.search("shop", Item("7"), k=1).hits[0].image.key == "7"
    assert service.gallery("shop").index == "Flat"
    vector = service.embed(SearchRequest(query=Item("7"), gallery="shop"))
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-3)


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
    skipped = {line for line in out.splitlines() if line.startswith("Skipped ")}
    for words in (("row 3", "'gone'", "404"), ("row 4", "'blank'", "no address"), ("web page",)):
        assert any(all(word in line for word in words) for line in skipped), words
    failed = (home.path / "datasets" / "shop" / "failed.csv").read_text().splitlines()
    assert failed[0] == "row,id,url,reason"
    assert sorted(line.split(",")[1] for line in failed[1:]) == ["blank", "gone", "page"]
    assert home.service().gallery("shop").skipped == 3


def test_a_picture_in_the_list_itself_and_one_beside_it_are_read(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    large = base64.b64encode(encoded(picture(1, (400, 300)), "BMP")).decode()
    assert len(large) > 2**17  # the csv module's own limit
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "3.jpg").write_bytes(encoded(picture(3), "JPEG"))
    rows = [
        ("id", "url"),
        ("long", f"data:image/bmp;base64,{large}"),
        ("bad", "data:image/png;base64,AAA!"),
        ("words", "data:text/plain,no%20picture"),
        ("webp", f"data:image/webp,{quote(encoded(picture(2), 'WEBP'), safe='')}"),
        ("beside", "sub/3.jpg"),
        ("there", (tmp_path / "sub" / "3.jpg").as_uri()),
        ("gone", "sub/4.jpg"),
        ("url", site.shows("/5.jpg", 5)),
    ]
    code, out, err = run("--csv", write_csv(tmp_path / "items.csv", rows), *OWN)
    assert code == 0, err
    skipped = sorted(line for line in out.splitlines() if line.startswith("Skipped "))
    assert [line.split(": ")[0] for line in skipped] == [f"Skipped row {n}" for n in (3, 4, 8)]
    assert max(map(len, skipped)) < 250
    service = home.service()
    for key in ("long", "webp", "beside", "there", "url"):
        assert service.picture("shop", service.id_of("shop", key))[0]
    failed = (home.path / "datasets" / "shop" / "failed.csv").read_text()
    assert len(failed) < 2000
    code, _, err = run("--csv", tmp_path / "items.csv", *OWN, "--retry-failed")
    assert code == 4, err


def test_with_folders_named_a_list_reads_no_file_outside_them(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for place in (inside / "1.jpg", tmp_path / "2.jpg"):
        place.write_bytes(encoded(picture(1)))
    (inside / "link.jpg").symlink_to(tmp_path / "2.jpg")
    rows = [("id", "url"), ("1", "1.jpg"), ("2", "../2.jpg"), ("3", "link.jpg")]
    monkeypatch.setenv("RIS_LIST_FOLDERS", str(inside))
    code, out, err = run("--csv", write_csv(inside / "items.csv", rows), *OWN)
    assert code == 0, err
    assert home.service().gallery("shop").images == 1
    assert out.count("RIS_LIST_FOLDERS") == 2


def test_what_failed_is_retried_alone_and_the_gallery_gets_it(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    rows = [("id", "url"), ("a", site.shows("/a.jpg", 1)), ("b", f"{site.url}/b.jpg")]
    command = ("--csv", write_csv(tmp_path / "items.csv", rows), *OWN)
    assert run(*command)[0] == 0
    code, _, err = run(*command)
    assert (code, "exists already" in err) == (2, True)
    code, _, err = run(*command, "--retry-failed")
    assert code == 4
    assert "No picture of the 1 that had failed came this time" in err
    assert home.service().gallery("shop").images == 1
    site.shows("/b.jpg", 2)
    site.asked.clear()
    assert run(*command, "--retry-failed")[0] == 0
    assert dict(site.asked) == {"/b.jpg": 1}
    assert home.service().id_of("shop", "b") == 1
    code, _, err = run(*command, "--retry-failed")
    assert (code, "Every picture of the list is there" in err) == (2, True)


def test_a_retry_of_what_failed_never_builds_another_gallery(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    pages = [(str(n), site.shows(f"/{n}.jpg", n), f"kind {n}") for n in range(3)]
    rows = [("sku", "url", "cat"), *pages, ("b", f"{site.url}/b.jpg", "late")]
    file = write_csv(tmp_path / "items.csv", rows)
    columns = ("--id-column", "sku", "--label-column", "cat")
    assert run("--csv", file, *OWN, *columns, "--index", "Flat")[0] == 0
    again = ("--csv", file, "--name", "shop", "--retry-failed")
    other = write_csv(tmp_path / "other.csv", rows)
    for options in (
        (*again, "--limit", "2"),
        (*again, "--model", "efficientnet_lite0"),
        (*again, "--label-column", "sku"),
        (*again, "--index", "IVF10,PQ8"),
        ("--csv", other, *again[2:]),
    ):
        code, _, err = run(*options)
        assert (code, "was built with another" in err, err.count("\n")) == (2, True, 1), err
    site.shows("/b.jpg", 9)
    code, _, err = run(*again)
    assert code == 0, err
    service = home.service()
    info = service.gallery("shop")
    assert (info.images, info.model, info.index) == (4, "mean_colour", "Flat")
    assert service.image("shop", service.id_of("shop", "b")).labels == ("late",)
    code, _, err = run(*again, "--model", "mean_colour", "--limit", "2", *columns, "--force")
    assert code == 0, err
    assert home.service().gallery("shop").images == 2


def test_a_gallery_of_something_else_has_nothing_that_failed(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    home.build(fill(tmp_path / "pictures", 3), name="shop")
    file = write_csv(tmp_path / "i.csv", [("id", "url"), ("a", site.shows("/a.jpg", 1))])
    code, _, err = run("--csv", file, *OWN, "--retry-failed")
    assert (code, "was not made of a list of URLs" in err) == (2, True)
    assert home.service().gallery("shop").images == 3


def test_a_picture_that_comes_and_cannot_be_decoded_has_failed_and_is_retried(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    whole = encoded(picture(2))
    site.pages["/cut.jpg"] = [sending(whole[: len(whole) // 2])]
    rows = [("id", "url"), ("a", site.shows("/a.jpg", 1)), ("b", f"{site.url}/cut.jpg")]
    command = ("--csv", write_csv(tmp_path / "items.csv", rows), *OWN)
    code, out, _ = run(*command)
    assert (code, "'b'" in out, "damaged" in out) == (0, True, True)
    failed = (home.path / "datasets" / "shop" / "failed.csv").read_text()
    assert "is damaged or incomplete" in failed
    site.pages["/cut.jpg"] = [sending(whole)]
    assert run(*command, "--retry-failed")[0] == 0
    assert home.service().id_of("shop", "b") == 1


def test_a_list_of_which_nothing_comes_makes_no_gallery(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    rows = [("id", "url"), ("a", f"{site.url}/a.jpg"), ("b", "ftp://x/y"), ("c", "")]
    code, _, err = run("--csv", write_csv(tmp_path / "items.csv", rows), *OWN)
    assert code == 4
    assert all(words in err for words in ("of the 3", "127.0.0.1", "404"))
    assert not (home.path / "indexes" / "shop").exists()
    site.shows("/a.jpg", 1)
    assert run("--csv", tmp_path / "items.csv", *OWN)[0] == 0


def test_addresses_of_this_machine_are_not_asked_unless_a_setting_says_so(
    run: Run, site: Site, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIS_ALLOW_LOOPBACK_URLS")
    rows = [("id", "url"), ("a", site.shows("/a.jpg", 1))]
    code, _, err = run("--csv", write_csv(tmp_path / "items.csv", rows), *OWN)
    assert (code, "is not a public address" in err) == (4, True)
    assert not site.asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--name", "caltech101"), "is for other pictures"),
        (("--name", "uploaded"), "is for other pictures"),
        (("--name", "a/b"), "cannot be called"),
        ((), "needs a name"),
        (("--name", "x", "--limit", "0"), "must be 1 or more"),
        (("--name", "x", "--model", "nothing"), "There is no model 'nothing'"),
        (("--name", "x", "--index", "nothing"), "cannot be made"),
        (("--name", "x", "--id-column", "sku"), "has no column 'sku', but 'id', 'url'"),
        (("--name", "x", "--label-column", "z"), "choose one with --label-column"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_downloaded(
    run: Run, site: Site, home: Home, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    file = write_csv(tmp_path / "i.csv", [("id", "url"), ("a", site.shows("/a.jpg", 1))])
    defaults = () if "--model" in options else ("--model", "mean_colour")
    code, _, err = run("--csv", file, *options, *defaults)
    assert (code in (2, 4), said in err, err.count("\n")) == (True, True, 1), err
    assert not site.asked
    assert not (home.path / "datasets").exists()


def test_options_of_a_table_go_with_a_table_alone(run: Run, tmp_path: Path) -> None:
    for option in (("--id-column", "x"), ("--delimiter", ";"), ("--retry-failed",)):
        code, _, err = run("--images", tmp_path, "--name", "x", *option)
        assert (code, f"{option[0]} goes with --csv" in err) == (2, True)
    assert run("--parquet", tmp_path / "x", "--name", "x", "--delimiter", ";")[0] == 2
    for option in ("--csv", "--parquet", "--webdataset", "--embeddings"):
        code, _, err = run(option, "", "--name", "x")
        assert (code, f"argument {option}: it names nothing" in err) == (2, True)


def test_a_parquet_file_of_urls_becomes_a_gallery(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "items.parquet"
    urls = [site.shows(f"/{n}.jpg", n) for n in range(3)]
    table = pyarrow.table({"sku": ["007", "x", "y"], "link": urls, "tags": [["a"], [], None]})
    pyarrow.parquet.write_table(table, file)
    columns = ("--id-column", "sku", "--url-column", "link", "--label-column", "tags")
    code, _, err = run("--parquet", file, *OWN, *columns)
    assert code == 0, err
    service = home.service()
    assert service.image("shop", service.id_of("shop", "007")).labels == ("a",)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_list_that_grew_shrank_or_is_in_another_order_downloads_only_what_is_new(
    run: Run, site: Site, home: Home, tmp_path: Path, form: str
) -> None:
    urls = {key: site.shows(f"/{key}.jpg", seed) for seed, key in enumerate("abcd")}

    def asked_for(keys: str) -> list[str]:
        file = tmp_path / f"items.{form}"
        if form == "csv":
            write_csv(file, [("id", "url"), *((key, urls[key]) for key in keys)])
        else:
            table = pyarrow.table({"url": [urls[key] for key in keys], "id": list(keys)})
            pyarrow.parquet.write_table(table, file)
        site.asked.clear()
        code, _, err = run(f"--{form}", file, *OWN, "--force")
        assert code == 0, err
        service = home.service()
        assert service.gallery("shop").images == len(keys)
        for row, key in enumerate(keys):
            assert service.id_of("shop", key) == row
            shown = service.picture("shop", row)[0]
            assert shown == encoded(picture("abcd".index(key)))
        return sorted(site.asked)

    assert asked_for("ab") == ["/a.jpg", "/b.jpg"]
    assert asked_for("abc") == ["/c.jpg"]
    assert asked_for("cdba") == ["/d.jpg"]
    assert asked_for("ca") == []
    urls["a"] = site.shows("/elsewhere.jpg", 0)
    assert asked_for("bca") == ["/elsewhere.jpg"]


def test_the_command_that_builds_it_anew_is_kept(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    rows = [("sku", "url"), ("a", site.shows("/a.jpg", 1))]
    file = write_csv(tmp_path / "my items.csv", rows, delimiter="|")
    assert run("--csv", file, *OWN, "--id-column", "sku", "--delimiter", "|")[0] == 0
    gallery = Gallery(home.folders("shop"))
    words = shlex.split(gallery.manifest.command)
    assert gallery.manifest.request == {
        **{"csv": str(file), "name": "shop", "model": "mean_colour", "index": "IVF100,PQ8"},
        **{"id_column": "sku", "delimiter": "|"},
    }
    gallery.close()
    assert words[:2] == ["python3", "create_index.py"]
    assert run(*words[2:], "--force")[0] == 0


def test_a_folders_draft_goes_on_though_pictures_can_have_keys_now() -> None:
    assert repr(Picture("a.jpg", ("x",))) == "Picture(path='a.jpg', labels=('x',))"
