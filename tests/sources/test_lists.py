"""A list is read unchanged, or refused as a whole in a sentence that names the rows."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import AppError, DatasetError, UsageError
from app.sources.lists import Columns, Row, read_csv
from app.sources.parquet import read_parquet
from tests.commands import write_csv

URL = "http://example.org/a.jpg"


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "items.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_ids_are_text_and_stay_unchanged(tmp_path: Path) -> None:
    file = written(tmp_path, "id,url\n007,a\n7,b\n 7,c\n7.0,d\nNaN,e\n1e5,f\n")
    assert [row.key for row in read_csv(file, Columns())] == [
        *("007", "7", " 7", "7.0", "NaN", "1e5")
    ]


def test_two_spellings_of_a_label_are_one(tmp_path: Path) -> None:
    rows = [("id", "url", "kind", "more"), ("1", "a", "Cafe\u0301", "Caf\u00e9")]
    file = write_csv(tmp_path / "items.csv", rows)
    columns = Columns(labels=("kind", "more"))
    assert read_csv(file, columns) == [Row(2, "1", "a", ("Caf\u00e9",))]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected_in_the_header(tmp_path: Path, sign: str) -> None:
    rows = [("id", "url", "kind"), ("1", "http://x/a,b;c|d.jpg", "x")]
    file = write_csv(tmp_path / "items.csv", rows, delimiter=sign)
    columns = Columns(labels=("kind",))
    assert read_csv(file, columns) == [Row(2, "1", "http://x/a,b;c|d.jpg", ("x",))]
    assert read_csv(file, columns, delimiter=sign)


def test_byte_order_mark_line_ends_quotes_and_empty_lines_do_not_matter(tmp_path: Path) -> None:
    text = '\ufeff"id","url"\r\n"a ""b""","x\r\n\r\n'
    file = written(tmp_path, text.replace('"x', '"http://x/1"') + '\r\n"c","http://x/2"\r\n')
    assert [(row.number, row.key) for row in read_csv(file, Columns())] == [(2, 'a "b"'), (5, "c")]
    latin = written(tmp_path, "id,url\nÄ,b\n".encode("cp1252"))
    assert read_csv(latin, Columns(), encoding="cp1252")[0].key == "Ä"


@pytest.mark.parametrize("sign", [",", ";", "\t", "|", ":", "~", "#"])
@pytest.mark.parametrize(
    "line",
    ["sep={}", "\ufeffsep={}", "SEP={}", '"sep={}"', "sep={};;;", "sep={}\r", "\ufeff\ufeffsep={}"],
)
def test_a_first_line_that_names_the_separator_is_no_row(
    tmp_path: Path, line: str, sign: str
) -> None:
    table = f"id{sign}url{sign}kind\n1{sign}http/a,b;c{sign}x\n"
    if sign not in ",;":
        file = written(tmp_path, f"{line.format(sign)}\n{table}")
        row = Row(2, "1", "http/a,b;c", ("x",))
    else:
        file = written(tmp_path, f"{line.format(sign)}\n{table}".replace("a,b;c", "abc"))
        row = Row(2, "1", "http/abc", ("x",))
    columns = Columns(labels=("kind",))
    assert read_csv(file, columns) == [row]
    assert read_csv(file, columns, delimiter=sign) == [row]


def test_a_tab_may_be_named_by_its_escape_and_other_encodings_have_the_line_too(
    tmp_path: Path,
) -> None:
    text = "sep=\\t\nid\turl\n1\ta;b,c\n"
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"):
        data = text.encode(encoding)
        if encoding == "utf-16-le":
            data = b"\xff\xfe" + data
        rows = read_csv(written(tmp_path, data), Columns(), encoding=encoding)
        assert rows == [Row(2, "1", "a;b,c")]
    for alone in ("sep=;", "sep=;\n", "\ufeffsep=;\r\n"):
        with pytest.raises(DatasetError, match="empty"):
            read_csv(written(tmp_path, alone), Columns())


@pytest.mark.parametrize(
    ("before", "number"),
    [
        *[
            ("\n", 3),
            ("\r\n\r\n", 4),
            ("\ufeff\n", 3),
            ("  \n \t\n", 4),
            (";;\n", 3),
            ('"";""\n', 3),
        ],
        *[("sep=;\n\n", 3), ("\nsep=;\n", 3), ("\n sep=;\n;;\n", 4)],
    ],
)
def test_empty_lines_before_the_header_are_counted_and_skipped(
    tmp_path: Path, before: str, number: int
) -> None:
    file = written(tmp_path, f"{before}id;url\n1;a\n;\n\n2;b\n")
    assert read_csv(file, Columns()) == [Row(number, "1", "a"), Row(number + 3, "2", "b")]
    twice = written(tmp_path, f'{before}id;url\n1;a\n1;b\n2;"c\n')
    with pytest.raises(DatasetError, match=f"row {number + 2} cannot be read"):
        read_csv(twice, Columns())


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        *[("sep= ;", ";"), ("sep = ;", ";"), (" sep=; ", ";"), ('"sep = ; "', ";")],
        *[("sep= \\t", "\t"), ("sep=  |  ", "|"), ("sep= ", " "), ("sep= ,", ",")],
    ],
)
def test_spaces_around_the_separator_that_is_named_do_not_matter(
    tmp_path: Path, line: str, sign: str
) -> None:
    file = written(tmp_path, f"{line}\nid{sign}url\n1{sign}a\n")
    assert read_csv(file, Columns()) == [Row(2, "1", "a")]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_cell_may_hold_a_picture_of_any_length_quoted_or_not(tmp_path: Path, sign: str) -> None:
    url = "data:image/png;charset=utf-8;base64," + "A" * 1_000_000
    rows = [("id", "url", "kind"), ("1", url, "x"), ("2", "y" * 200_000, "")]
    columns, wanted = Columns(labels=("kind",)), [Row(2, "1", url, ("x",)), Row(3, "2", rows[2][1])]
    assert read_csv(write_csv(tmp_path / "q.csv", rows, delimiter=sign), columns) == wanted
    bare = written(tmp_path, "".join(sign.join(row) + "\n" for row in rows))
    assert read_csv(bare, columns) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("id,url\n", "no picture"),
        ("key,link\n1,2\n", "'id'.*'key', 'link'.*--id-column"),
        ("id,link\n1,2\n", "'url'.*'id', 'link'.*--url-column"),
        ("id,url,id\n1,2,3\n", "more than one.*'id'.*--id-column"),
        ("id,url\n,a\n1,b\n  ,c\n", "Rows 2 and 4 of .*no id"),
        ("id,url\n.,a\n..,b\n", r'Rows 2 and 3 of .*"\."'),
        *(
            (f"id,url\nx,a\nx/{end},b\n", f"Row 3 of .*/{end}")
            for end in ("image", "thumbnail", "similar")
        ),
        ("id,url\nx,a\ny,b\nx,c\nx,d\n", "Rows 2, 4 and 5 of .*same id 'x'"),
        ("id,url\n" + "x,a\n" * 9, "Rows 2, 3, 4, 5, 6 and 4 more of"),
        ('id,url\n"a\nb",a\n', "Row 2 of .*control character"),
        (f"id,url\n{'x' * 201},a\n", "Row 2 of .*200 characters"),
        ("id,url\n1,http://x/a,b.jpg\n", "Row 2 of .*3 fields.*2.*quotes"),
        ("id,url\n,a\n", "Row 2 of .*no id"),
        ('id,url\n1,"a\n', r"items\.csv.*row 2"),
        (b"id,url\n\xff\xfe,a\n", "utf-8.*--encoding"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(DatasetError, match=words) as refusal:
        read_csv(file, Columns())
    assert "\n" not in str(refusal.value)


def test_a_wrong_option_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "id,url\n1,a\n")
    with pytest.raises(UsageError, match="'::'"):
        read_csv(file, Columns(), delimiter="::")
    with pytest.raises(UsageError, match="'utf-9'"):
        read_csv(file, Columns(), encoding="utf-9")
    with pytest.raises(UsageError, match="--parquet"):
        read_csv(written(tmp_path, b"PAR1" + bytes(50)), Columns())
    with pytest.raises(DatasetError, match="No such file"):
        read_csv(tmp_path / "nothing.csv", Columns())
    with pytest.raises(DatasetError, match="cannot be read"):
        read_csv(tmp_path, Columns())


def test_spaces_around_column_names_are_ignored(tmp_path: Path) -> None:
    file = written(tmp_path, "id, url , kind\n 1,a,x\n")
    assert read_csv(file, Columns(labels=("kind",))) == [Row(2, " 1", "a", ("x",))]


def test_text_that_is_not_valid_utf_8_is_refused_in_every_column(tmp_path: Path) -> None:
    for line in (r"\ud800,a,b", r"1,\ud800,b", r"1,a,\ud800"):
        file = written(tmp_path, f"id,url,kind\n{line}\n")
        with pytest.raises(DatasetError, match=r"Row 2 of .*not valid UTF-8"):
            read_csv(file, Columns(labels=("kind",)), encoding="unicode_escape")
    garbled = pyarrow.array([b"\xff"], pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"id": garbled, "url": ["a"]}), tmp_path / "p")
    with pytest.raises(DatasetError, match="not valid UTF-8"):
        read_parquet(tmp_path / "p", Columns())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_give_rows_or_one_sentence(tmp_path: Path, data: bytes) -> None:
    messages = []
    for head in (b"", b"id,url\n"):
        file = written(tmp_path, head + data)
        for read in (read_csv, read_parquet):
            try:
                assert read(file, Columns())
            except AppError as exc:
                messages.append(str(exc))
    assert not any("\n" in each for each in messages)


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
    with pytest.raises(DatasetError, match=r"'id'.*'sku', 'link'.*--id-column"):
        read_parquet(file, Columns())
    with pytest.raises(DatasetError, match="'tags' and 'link'"):
        read_parquet(file, Columns("tags", "link"))
    pyarrow.parquet.write_table(pyarrow.table({"id": ["1", None], "url": ["a", "b"]}), file)
    with pytest.raises(DatasetError, match=r"Row 3 of .*no id"):
        read_parquet(file, Columns())
    file.write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"items\.parquet"):
        read_parquet(file, Columns())
    with pytest.raises(DatasetError, match="No such file"):
        read_parquet(tmp_path / "nothing", Columns())
