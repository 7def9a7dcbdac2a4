"""A Parquet file with the pictures inside it, as Hugging Face's datasets are, becomes a gallery."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from app.errors import DatasetError
from app.sources.downloads import Downloaded, download
from app.sources.lists import Columns
from app.sources.parquet import pictures_inside, read_parquet
from tests.commands import Run, Site
from tests.conftest import Home, encoded, picture

PICTURE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
OWN = ("--name", "pets", "--model", "mean_colour")


def cell(seed: int | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": None if seed is None else encoded(picture(seed)), "path": path}


def write(
    file: Path, cells: Sequence[object], kind: Any = PICTURE, *, features: Any = None, **more: Any
) -> Path:
    """Write a table with an `image` column and `more` columns, and Hugging Face's metadata."""
    table = pyarrow.table({"image": pyarrow.array(cells, kind), **more})
    if features is not None:
        text = features if isinstance(features, str) else json.dumps(features)
        table = table.replace_schema_metadata({"huggingface": text})
    pyarrow.parquet.write_table(table, file)
    return file


def features(**columns: object) -> dict[str, object]:
    return {"info": {"features": columns}}


CLASSES = {"names": ["cat", "dog"], "_type": "ClassLabel"}


def take(
    file: Path, folder: Path, columns: Columns | None = None, **options: Any
) -> list[Downloaded]:
    columns = columns or Columns()
    inside = pictures_inside(file, columns)
    assert inside is not None
    limits = {"most_picture_bytes": 100_000} | options
    return download(
        read_parquet(file, columns),
        folder,
        fetch=lambda url: encoded(picture(int(url.rpartition("/")[2]))),
        on_progress=lambda stage, done, total: None,
        inside=lambda rows: inside.of(rows, **limits),
    )


def test_a_hugging_face_file_becomes_a_gallery_with_the_names_of_its_classes(
    run: Run, home: Home, tmp_path: Path
) -> None:
    cells = [cell(0, "a.jpg"), cell(1, "b.jpg"), cell(2, "c.jpg")]
    file = write(
        tmp_path / "train.parquet",
        cells,
        label=[1, 0, -1],
        width=[64, 64, 64],
        features=features(image={"_type": "Image"}, label=CLASSES, width={"_type": "Value"}),
    )
    code, out, err = run("--parquet", file, *OWN)
    assert (code, "3 images" in out) == (0, True), err
    service = home.service()
    for seed, (key, labels) in enumerate(
        {"a.jpg": ("dog",), "b.jpg": ("cat",), "c.jpg": ()}.items()
    ):
        row = service.id_of("pets", key)
        assert service.picture("pets", row)[0] == encoded(picture(seed))
        assert service.image("pets", row).labels == labels
    assert (home.path / "datasets" / "pets" / "failed.csv").read_text() == "row,id,url,reason\n"


def test_ids_are_those_of_a_column_else_paths_else_numbers(tmp_path: Path) -> None:
    cells, file = [cell(0, "a.jpg"), cell(1, "b.jpg")], tmp_path / "p"

    def keys(columns: Columns | None = None) -> list[str]:
        return [row.key for row in read_parquet(file, columns or Columns())]

    write(file, cells, id=[7, 8])
    assert keys() == ["7", "8"]
    write(file, cells, sku=["x", "y"])
    assert keys() == ["a.jpg", "b.jpg"]
    assert keys(Columns("sku")) == ["x", "y"]
    with pytest.raises(DatasetError, match=r"no column 'nr', but 'image', 'sku'.*--id-column"):
        keys(Columns("nr"))
    for paths in (["a.jpg", "a.jpg"], ["a.jpg", None], ["a.jpg", "b/image"]):
        write(file, [cell(n, path) for n, path in enumerate(paths)])
        assert keys() == ["0", "1"]
    write(file, cells, id=["x", "x"])
    with pytest.raises(DatasetError, match="same id 'x'"):
        keys()


def test_a_plain_column_of_bytes_called_image_and_a_struct_of_any_name_are_taken(
    tmp_path: Path,
) -> None:
    data = encoded(picture(3))
    for number, kind in enumerate((pyarrow.binary(), pyarrow.large_binary())):
        file = write(tmp_path / f"{number}", [data, None], kind)
        got = take(file, tmp_path / f"out{number}")
        assert [each.row.key for each in got] == ["0", "1"]
        assert (tmp_path / f"out{number}" / got[0].name).read_bytes() == data
        assert "no bytes" in got[1].reason
    only_bytes = pyarrow.array([{"bytes": data}], pyarrow.struct([("bytes", pyarrow.binary())]))
    for name, columns in (("img", Columns()), ("photo", Columns(url="photo"))):
        more = {"second": only_bytes} if name == "photo" else {}
        pyarrow.parquet.write_table(pyarrow.table({name: only_bytes, **more}), tmp_path / name)
        (got_one,) = take(tmp_path / name, tmp_path / f"out-{name}", columns)
        assert (tmp_path / f"out-{name}" / got_one.name).read_bytes() == data


def test_a_column_of_urls_goes_before_pictures_and_urls_may_be_bytes(tmp_path: Path) -> None:
    url = "http://example.org/1"
    file = write(tmp_path / "p", [cell(0)], id=["a"], url=pyarrow.array([url.encode()]))
    assert pictures_inside(file, Columns()) is None
    assert [row.url for row in read_parquet(file, Columns())] == [url]
    file = write(tmp_path / "p", ["no picture"], pyarrow.string(), id=["a"])
    assert pictures_inside(file, Columns()) is None
    with pytest.raises(DatasetError, match="no column 'url'"):
        read_parquet(file, Columns())


def test_a_row_without_bytes_is_downloaded_or_listed_with_its_reason(
    run: Run, site: Site, home: Home, tmp_path: Path
) -> None:
    cells = [
        cell(0, "a.jpg"),
        cell(None, site.shows("/b.jpg", 1)),
        cell(None, "/etc/passwd"),
        None,
        {"bytes": b"no picture", "path": None},
    ]
    file = write(tmp_path / "p", cells, id=list("abcde"))
    code, out, err = run("--parquet", file, *OWN)
    assert code == 0, err
    service = home.service()
    assert service.gallery("pets").images == 2
    assert service.picture("pets", service.id_of("pets", "b"))[0] == encoded(picture(1))
    for words in (("'c'", "'/etc/passwd'", "no bytes"), ("'d'", "no address"), ("'e'",)):
        assert any(all(word in line for word in words) for line in out.splitlines()), words
    failed = (home.path / "datasets" / "pets" / "failed.csv").read_text()
    assert [line.split(",")[1] for line in failed.splitlines()[1:]] == ["c", "d"]
    write(file, [cell(None, "a.jpg"), cell(None, "b.jpg")])
    code, _, err = run("--parquet", file, "--name", "none", "--model", "mean_colour")
    assert (code, "No picture of the 2" in err, "'a.jpg'" in err) == (4, True, True)


def test_class_names_are_used_where_they_fit_and_whatever_the_metadata_holds(
    tmp_path: Path,
) -> None:
    def labels(columns: Columns, **options: Any) -> list[tuple[str, ...]]:
        file = write(tmp_path / "p", [cell(0), cell(1)], **options)
        return [row.labels for row in read_parquet(file, columns)]

    many = {"feature": CLASSES, "_type": "Sequence"}
    assert labels(Columns(), tags=[[0, 1], []], features=features(tags=many)) == [
        *(("cat", "dog"), ())
    ]
    assert labels(Columns(), tags=[[1], None], features=features(tags=[CLASSES])) == [("dog",), ()]
    named = Columns(labels=("label",))
    both = {"label": [0, 5], "other": [1, 1]}
    assert labels(named, **both, features=features(label=CLASSES, other=CLASSES)) == [
        *(("cat",), ("5",))
    ]
    assert labels(named, label=["x", None], features=features(label=CLASSES)) == [("x",), ()]
    for odd in (
        *("", "[", "[]", "null", '{"info": 3}', '{"info": {"features": []}}'),
        *(features(label=3), features(label={"_type": "ClassLabel", "names": 3})),
        *(features(label=[CLASSES] * 2), features(gone=CLASSES)),
    ):
        assert labels(Columns(), label=[0, 1], features=odd) == [(), ()]
        assert labels(named, label=[0, 1], features=odd) == [("0",), ("1",)]


def test_a_list_that_grew_shrank_or_is_in_another_order_writes_only_what_is_new(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    cells = {key: cell(seed, f"{key}.jpg") for seed, key in enumerate("abcd")}

    def again(keys: str) -> list[str]:
        file = write(tmp_path / "p", [cells[key] for key in keys])
        got = take(file, out)
        assert [each.row.key for each in got] == [f"{key}.jpg" for key in keys]
        for key, each in zip(keys, got, strict=True):
            assert (out / each.name).read_bytes() == cells[key]["bytes"]
        return [each.row.key for each in got if each.new]

    assert again("ab") == ["a.jpg", "b.jpg"]
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.jpg")}
    assert again("dbca") == ["d.jpg", "c.jpg"]
    assert again("cb") == []
    cells["b"] = cell(99, "b.jpg")
    assert again("cb") == ["b.jpg"]
    for name, when in before.items():
        assert (out / name).stat().st_mtime_ns == when


def test_a_file_that_is_too_large_is_left_out_and_too_many_are_refused(tmp_path: Path) -> None:
    cells = [cell(0, "a"), {"bytes": bytes(200_000), "path": "b"}, cell(1, "http://x/1")]
    file = write(tmp_path / "p", cells)
    got = take(file, tmp_path / "out", most_picture_bytes=150_000)
    assert [bool(each.reason) for each in got] == [False, True, False]
    assert "0 MB, too many" in got[1].reason
    with pytest.raises(DatasetError, match=r"more than 20 GB.*--limit"):
        take(file, tmp_path / "other", most_bytes=150_000)


def test_a_few_rows_are_in_memory_at_a_time(tmp_path: Path) -> None:
    cells = pyarrow.array(
        [{"bytes": os.urandom(100_000), "path": str(n)} for n in range(600)], PICTURE
    )
    file = tmp_path / "p"
    table = pyarrow.table({"image": cells})
    pyarrow.parquet.write_table(table, file, row_group_size=600, write_batch_size=8)
    del cells, table
    inside = pictures_inside(file, Columns())
    assert inside is not None
    before, most = pyarrow.total_allocated_bytes(), 0
    for _ in inside.of(read_parquet(file, Columns()), most_picture_bytes=1_000_000):
        most = max(most, pyarrow.total_allocated_bytes() - before)
    assert most < 15_000_000


def test_a_damaged_file_is_refused_in_one_sentence_and_what_was_whole_is_kept(
    tmp_path: Path,
) -> None:
    cells = [{"bytes": os.urandom(50_000), "path": str(n)} for n in range(40)]
    table = pyarrow.table({"image": pyarrow.array(cells, PICTURE)})
    file, out = tmp_path / "p", tmp_path / "out"
    pyarrow.parquet.write_table(
        table, file, row_group_size=10, write_page_checksum=True, use_dictionary=False
    )
    damaged = bytearray(file.read_bytes())
    whole = bytes(damaged)
    for place in range(1_500_000, 1_500_400):
        damaged[place] ^= 0xFF
    file.write_bytes(damaged)
    with pytest.raises(DatasetError, match=r"p cannot be read .*damaged"):
        take(file, out)
    kept = {path.name for path in out.glob("*.img")}
    assert 10 <= len(kept) < 40
    file.write_bytes(whole)
    got = take(file, out)
    assert {(out / each.name).read_bytes() for each in got} == {each["bytes"] for each in cells}
    assert {each.name for each in got if not each.new} == kept
