"""A list is taken as it stands, or refused as a whole in a sentence that names the rows."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import AppError, DatasetError, UsageError
from app.sources.lists import Columns, Row, read_csv, read_parquet
from tests.commands import write_csv

URL = "http://example.org/a.jpg"


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "items.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_ids_are_text_as_it_stands(tmp_path: Path) -> None:
    file = written(tmp_path, "id,url\n007,a\n7,b\n 7,c\n7.0,d\nNaN,e\n1e5,f\n")
    assert [row.key for row in read_csv(file, Columns())] == [
        *("007", "7", " 7", "7.0", "NaN", "1e5")
    ]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, sign: str) -> None:
    rows = [("id", "url", "kind"), ("1", "http://x/a,b;c|d.jpg", "x")]
    file = write_csv(tmp_path / "items.csv", rows, delimiter=sign)
    columns = Columns(labels=("kind",))
    assert read_csv(file, columns) == [Row(2, "1", "http://x/a,b;c|d.jpg", ("x",))]
    assert read_csv(file, columns, delimiter=sign)


def test_a_byte_order_mark_lines_ends_quotes_and_empty_lines_are_no_matter(tmp_path: Path) -> None:
    text = '\ufeff"id","url"\r\n"a ""b""","x\r\n\r\n'
    file = written(tmp_path, text.replace('"x', '"http://x/1"') + '\r\n"c","http://x/2"\r\n')
    assert [(row.number, row.key) for row in read_csv(file, Columns())] == [(2, 'a "b"'), (5, "c")]
    latin = written(tmp_path, "id,url\nÄ,b\n".encode("cp1252"))
    assert read_csv(latin, Columns(), encoding="cp1252")[0].key == "Ä"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: its first line must name the columns"),
        ("\n\n", "is empty"),
        ("id,url\n", "lists no picture"),
        ("key,link\n1,2\n", "has no column 'id', but 'key', 'link': say which to take with --id-c"),
        ("id,link\n1,2\n", "has no column 'url', but 'id', 'link'"),
        ("id,url,id\n1,2,3\n", "has more than one column 'id'"),
        ("id,url\n,a\n1,b\n  ,c\n", "Rows 2 and 4 of .* have no id"),
        ("id,url\n.,a\n..,b\n", 'Rows 2 and 3 of .* have the id "." or ".."'),
        *(
            (f"id,url\nx,a\nx/{end},b\n", f"Row 3 of .* has an id that ends in .*/{end}")
            for end in ("image", "thumbnail", "similar")
        ),
        ("id,url\nx,a\ny,b\nx,c\nx,d\n", "Rows 2, 4 and 5 of .* have the same id 'x'"),
        ("id,url\n" + "x,a\n" * 9, "Rows 2, 3, 4, 5, 6 and 4 more of"),
        ('id,url\n"a\nb",a\n', "Row 2 of .* has an id with a control character"),
        (f"id,url\n{'x' * 201},a\n", "Row 2 of .* more than 200 characters"),
        (
            "id,url\n1,http://x/a,b.jpg\n",
            'Row 2 of .* has 3 fields and the header 2: put .*"quotes"',
        ),
        ("id,url\nx/similar,a\n", "Row 2 of .* has an id that ends in /image, /thumbnail, /sim"),
        ("id,url\n,a\n", "Row 2 of .* has no id"),
        ('id,url\n1,"a\n', "is not a CSV file that can be read"),
        (f"id,url\n1,{'x' * 200_000}\n", "that can be read: row 2 is at fault"),
        (b"id,url\n\xff\xfe,a\n", "is not in utf-8: say what it is in, .* --encoding"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_and_it_is_said_why(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(DatasetError, match=said) as told:
        read_csv(file, Columns())
    assert "\n" not in str(told.value)


def test_what_is_typed_wrong_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, "id,url\n1,a\n")
    with pytest.raises(UsageError, match="one character, not '::'"):
        read_csv(file, Columns(), delimiter="::")
    with pytest.raises(UsageError, match="no encoding 'utf-9'"):
        read_csv(file, Columns(), encoding="utf-9")
    with pytest.raises(UsageError, match="is a Parquet file: name it with --parquet"):
        read_csv(written(tmp_path, b"PAR1" + bytes(50)), Columns())
    with pytest.raises(DatasetError, match="No such file"):
        read_csv(tmp_path / "nothing.csv", Columns())
    with pytest.raises(DatasetError, match="cannot be read"):
        read_csv(tmp_path, Columns())


def test_spaces_around_the_names_of_columns_are_no_part_of_them(tmp_path: Path) -> None:
    file = written(tmp_path, "id, url , kind\n 1,a,x\n")
    assert read_csv(file, Columns(labels=("kind",))) == [Row(2, " 1", "a", ("x",))]


def test_text_that_is_not_valid_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    for line in (r"\ud800,a,b", r"1,\ud800,b", r"1,a,\ud800"):
        file = written(tmp_path, f"id,url,kind\n{line}\n")
        with pytest.raises(DatasetError, match=r"Row 2 of .* has .* not valid UTF-8"):
            read_csv(file, Columns(labels=("kind",)), encoding="unicode_escape")
    garbled = pyarrow.array([b"\xff"], pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"id": garbled, "url": ["a"]}), tmp_path / "p")
    with pytest.raises(DatasetError, match="holds text that is not valid UTF-8"):
        read_parquet(tmp_path / "p", Columns())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_rows_or_one_sentence(tmp_path: Path, data: bytes) -> None:
    told = []
    for head in (b"", b"id,url\n"):
        file = written(tmp_path, head + data)
        for read in (read_csv, read_parquet):
            try:
                assert read(file, Columns())
            except AppError as exc:
                told.append(str(exc))
    assert not any("\n" in each for each in told)


def test_a_parquet_file_is_read_like_a_csv(tmp_path: Path) -> None:
    file = tmp_path / "items.parquet"
    table = pyarrow.table(
        {
            "sku": [7, 8],
            "link": [URL, None],
            "kind": ["x", None],
            "tags": [["b", "a"], []],
            "z": [1, 2],
        }
    )
    pyarrow.parquet.write_table(table, file)
    wanted = Columns("sku", "link", ("kind", "tags"))
    assert read_parquet(file, wanted) == [Row(2, "7", URL, ("a", "b", "x")), Row(3, "8", "")]
    with pytest.raises(DatasetError, match="has no column 'id', but 'sku', 'link'"):
        read_parquet(file, Columns())
    with pytest.raises(DatasetError, match="is not a Parquet file whose columns"):
        read_parquet(file, Columns("tags", "link"))
    pyarrow.parquet.write_table(pyarrow.table({"id": ["1", None], "url": ["a", "b"]}), file)
    with pytest.raises(DatasetError, match=r"Row 3 of .* no id"):
        read_parquet(file, Columns())
    file.write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"items\.parquet"):
        read_parquet(file, Columns())
    with pytest.raises(DatasetError, match="No such file"):
        read_parquet(tmp_path / "nothing", Columns())
