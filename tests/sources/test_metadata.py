"""A table's facts keep their values and their types, or the table is refused with the reason."""

import json
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import AppError, DatasetError, UsageError
from app.sources.metadata import JOINS, Metadata, MetadataRow, read_metadata
from tests.commands import write_csv


def written(folder: Path, text: str | bytes, name: str = "facts.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def parquet(folder: Path, **columns: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "facts.parquet")
    return folder / "facts.parquet"


def facts(metadata: Metadata) -> list[tuple[str, dict[str, Any]]]:
    return [(row.join, dict(row.facts)) for row in metadata.rows]


def values(metadata: Metadata, column: str) -> list[Any]:
    return [row.facts.get(column) for row in metadata.rows]


ROWS: list[tuple[str, dict[str, Any]]] = [
    ("a/1.jpg", {"year": 1969, "size": 1.5, "place": "Ærø"}),
    ("a/2.jpg", {"year": -3, "place": "Bornholm, east"}),
    ("a/3.jpg", {"size": 20.0}),
]
TABLE = (
    *(("path", "year", " size ", "place"), ("a/1.jpg", "1969", "1.5", "Ærø")),
    *(("a/2.jpg", "-3", "", "Bornholm, east"), ("a/3.jpg", "", "20", "  ")),
)
OBJECTS = [{"path": join, **row} for join, row in ROWS]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_a_csv_file_is_read_as_lists_of_pictures_are(tmp_path: Path, sign: str) -> None:
    file = write_csv(tmp_path / "facts.csv", TABLE, delimiter=sign)
    read = read_metadata(file)
    assert (read.column, read.columns, read.notes) == ("path", ("year", "size", "place"), ())
    assert facts(read) == ROWS
    assert [type(value) for value in values(read, "size")] == [float, type(None), float]
    text = file.read_text()
    for variant, encoding in (
        ("\ufeff" + text, "utf-8"),
        (f"sep={sign}\n{text}", "utf-8"),
        (text, "cp1252"),
        (text, "utf-16"),
    ):
        file.write_bytes(variant.encode(encoding))
        assert facts(read_metadata(file, encoding=encoding)) == ROWS


def test_the_name_says_that_a_table_of_one_column_more_has_tabs(tmp_path: Path) -> None:
    file = written(tmp_path, "path\ta, b; c\nx\t1\n", "facts.tsv")
    assert facts(read_metadata(file)) == [("x", {"a, b; c": 1})]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OBJECTS),
        " \n" + json.dumps(OBJECTS, indent=2, ensure_ascii=False),
        "\ufeff" + json.dumps(OBJECTS),
        "".join(json.dumps(each) + "\n" for each in OBJECTS),
        "\r\n\r\n".join(json.dumps(each) for each in OBJECTS),
    ],
)
def test_json_and_json_lines_are_told_apart_by_their_content(tmp_path: Path, text: str) -> None:
    for name in ("facts.json", "facts.jsonl", "facts.txt"):
        assert facts(read_metadata(written(tmp_path, text, name))) == ROWS
    assert facts(read_metadata(written(tmp_path, text.lstrip("\ufeff").encode("utf-16")))) == ROWS


def test_a_parquet_file_is_read_without_its_pictures(tmp_path: Path) -> None:
    struct = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    file = parquet(
        tmp_path,
        image=pyarrow.array([{"bytes": b"x", "path": "1.jpg"}, None], struct),
        ID=["007", "8"],
        year=pyarrow.array([1969, None], pyarrow.int16()),
        size=pyarrow.array([1.5, float("nan")]),
        tags=[["sea", "sand"], []],
        day=[date(1969, 7, 20), None],
        at=pyarrow.array([datetime(1969, 7, 20, 20, 17), None], pyarrow.timestamp("ns")),
        price=[Decimal("10.50"), Decimal("9.00")],
        kind=pyarrow.array(["x", "y"]).dictionary_encode(),
        good=[True, None],
        raw=[b"ab", b"c"],
    )
    read = read_metadata(file)
    assert read.column == "ID"
    assert facts(read) == [
        (
            "007",
            {
                **{"image.path": "1.jpg", "year": 1969, "size": 1.5, "tags": "sea, sand"},
                **{"day": "1969-07-20", "at": "1969-07-20T20:17:00", "price": 10.5},
                **{"kind": "x", "good": "true"},
            },
        ),
        ("8", {"price": 9.0, "kind": "y"}),
    ]
    assert "'image.bytes', 'raw'" in " ".join(read.notes)


def test_class_labels_have_their_names(tmp_path: Path) -> None:
    feature = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    table = pyarrow.table({"path": ["a", "b"], "animal": [1, -1]}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": {"animal": feature}}})}
    )
    pyarrow.parquet.write_table(table, tmp_path / "facts.parquet")
    assert values(read_metadata(tmp_path / "facts.parquet"), "animal") == ["dog", None]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-20", "0"], [1, -20, 0]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["0.30000000000000004", ".5", "-2."], [0.1 + 0.2, 0.5, -2.0]),
        (["007", "8"], ["007", "8"]),
        (["1", "2a"], ["1", "2a"]),
        (["1,5", "2,5"], ["1,5", "2,5"]),
        (["1" * 15, "2"], [int("1" * 15), 2]),
        (["1" * 16, "2"], ["1" * 16, "2"]),
        (["1e400", "1"], ["1e400", "1"]),
        (["+4930123456", "1"], ["+4930123456", "1"]),
        (["1969-07-20", "1970"], ["1969-07-20", "1970"]),
        (["٣", "1"], ["٣", "1"]),
        (["nan", "inf"], ["nan", "inf"]),
        (["True", " x  y "], ["True", "x  y"]),
        (["1_000", "2"], ["1_000", "2"]),
    ],
)
def test_a_column_is_numbers_if_all_its_cells_are(
    tmp_path: Path, cells: list[str], expected: list[Any]
) -> None:
    rows = [("path", "x"), *((str(number), cell) for number, cell in enumerate(cells))]
    read = values(read_metadata(write_csv(tmp_path / "facts.csv", rows)), "x")
    assert read == expected
    assert list(map(type, read)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2.5], [1.0, 2.5]),
        (["1", "2"], ["1", "2"]),
        ([1, "x", None], ["1", "x", None]),
        ([True, False, 3], ["true", "false", "3"]),
        ([10**15, 1], ["1" + "0" * 15, "1"]),
        ([float("nan"), 1], [None, 1]),
        ([["a", 1, None, True], [], "x"], ["a, 1, true", None, "x"]),
    ],
)
def test_json_says_itself_what_is_a_number(
    tmp_path: Path, cells: list[Any], expected: list[Any]
) -> None:
    objects = [{"path": str(number), "x": cell} for number, cell in enumerate(cells)]
    assert values(read_metadata(written(tmp_path, json.dumps(objects))), "x") == expected


def test_objects_are_columns_with_dots_in_their_names(tmp_path: Path) -> None:
    item = {"path": "a", "camera": {"make": "Leica", "lens": {"mm": 35}, "none": {}}}
    read = read_metadata(written(tmp_path, json.dumps([item])))
    assert facts(read) == [("a", {"camera.make": "Leica", "camera.lens.mm": 35})]


def test_the_column_to_join_by_is_found_or_named(tmp_path: Path) -> None:
    for number, name in enumerate(JOINS):
        header = ",".join(["sku", *reversed(JOINS[number:])])
        line = ",".join(["s", *(f"<{each}>" for each in reversed(JOINS[number:]))])
        file = written(tmp_path, f"{header.upper()}\n{line}\n")
        read = read_metadata(file)
        assert (read.column, read.rows[0].join) == (name.upper(), f"<{name}>")
        assert read_metadata(file, join="Sku").rows[0].join == "s"
    with pytest.raises(UsageError, match="no column 'x', but 'SKU', 'KEY'"):
        read_metadata(file, join="x")
    with pytest.raises(UsageError, match=r"'path'.*but 'a', 'b'"):
        read_metadata(written(tmp_path, "a,b\n1,2\n"))


def test_what_rows_are_joined_by_stays_text(tmp_path: Path) -> None:
    file = written(tmp_path, "id,x\n007,1\n 8,2\n,3\n1.0,4\n")
    read = read_metadata(file)
    assert facts(read) == [("007", {"x": 1}), (" 8", {"x": 2}), ("1.0", {"x": 4})]
    assert "1 of 4 rows have no 'id'" in read.notes[0]
    file = parquet(tmp_path, id=[7.0, None, 8.5])
    assert [row.join for row in read_metadata(file).rows] == ["7", "8.5"]


def test_what_a_gallery_knows_itself_is_left_out_with_a_note(tmp_path: Path) -> None:
    file = written(tmp_path, "file_name,id,Width,height,taken,,x\na,1,2,3,1969,junk,4\n")
    read = read_metadata(file)
    assert facts(read) == [("a", {"taken": 1969, "x": 4})]
    assert "'id', 'Width', 'height'" in read.notes[0]
    assert "without a name" in read.notes[1]


def test_a_name_that_means_something_else_is_refused_until_the_column_is_left_out(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, "path,Label,score,x\na,1,2,3\n")
    with pytest.raises(UsageError, match="'Label', 'score'"):
        read_metadata(file)
    assert facts(read_metadata(file, without=("Label", "score"))) == [("a", {"x": 3})]
    with pytest.raises(UsageError, match="'Lable'"):
        read_metadata(file, without=("Lable", "score"))


def test_long_cells_are_cut_and_pictures_left_out_with_a_note(tmp_path: Path) -> None:
    rows = [("path", "text", "url"), ("a", "x" * 10_001, "data:image/png;base64,AAAA")]
    read = read_metadata(write_csv(tmp_path / "facts.csv", rows))
    assert read.rows == (MetadataRow("a", {"text": "x" * 10_000}),)
    assert len(read.notes) == 2


NAMES = ",".join(f"c{number}" for number in range(201))
DEEP = '{"path":1,"a":' + '{"a":' * 40 + "1" + "}" * 41


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("path,x\n", "no row with a 'path'"),
        ("path,x\n,1\n", "no row with a 'path'"),
        ("path,x,x\na,1,2\n", "more than one column 'x'"),
        (f"path,{'x' * 65}\na,1\n", "64 characters"),
        (f"path,{NAMES}\na,1\n", "201 columns"),
        ("path,x\na,1\nb,2,3\n", "Row 3 of .*3 fields.*2.*quotes"),
        ('path,x\na,"1\n', "row 2"),
        (b"path,x\n\xff\xfe,1\n", "utf-8.*--encoding"),
        ("[1, 2]", "Item 1 of .*not an object"),
        ('[{"path": 1},\n{"path": 2]', "line 2"),
        ('{"path": 1}\n\n{"path": 2\n', "line 3"),
        ('{"path": 1}\n[2]\n', "Line 2 of .*not an object"),
        ('{\n"path": 1}\n', "from line 1 on"),
        ('[{"path": 1, "x": [{"y": 2}]}]', "Item 1 of .*'x'"),
        ('[{"path": 1, "x": [[2]]}]', "Item 1 of .*'x'"),
        ('[{"path": 1, "x": "\\ud800"}]', "Item 1 of .*UTF-8"),
        ('[{"path": "\\ud800"}]', "Item 1 of .*UTF-8"),
        ('[{"path": 1, "a.b": 1, "a": {"b": 2}}]', "Item 1 of .*'a.b' twice"),
        (DEEP, "64 characters"),
        ("[" * 100_000, "not JSON"),
        ('[{"path": ' + "1" * 5000 + "}]", "not JSON"),
        (b'[{"path": "\xff"}]', "not JSON"),
        (b'{"path": "\xff"}', "UTF-8"),
        (b"PAR1" + bytes(50), "cannot be read|damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises((DatasetError, UsageError), match=words) as refusal:
        read_metadata(written(tmp_path, text))
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(DatasetError, match="cannot be read"):
            read_metadata(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([b"", b"path,x\n", b"[", b'{"path":1', b"PAR1"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, start: bytes) -> None:
    with suppress(AppError):
        read_metadata(written(tmp_path, start + data))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(-(10**14), 10**14), st.text("ab1.-e", max_size=6))))
def test_no_value_of_a_csv_file_is_lost(tmp_path: Path, cells: list[int | str]) -> None:
    rows = [("path", "x"), *((f"p{number}", cell) for number, cell in enumerate(cells))]
    file = write_csv(tmp_path / "facts.csv", [*rows, ("last", "z")])
    read = read_metadata(file)
    assert values(read, "x")[:-1] == [str(cell) or None for cell in cells]
