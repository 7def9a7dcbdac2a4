"""Every storage format is measured, and the table says by how much each is larger or slower."""

import argparse
from pathlib import Path

import pytest

from app.errors import UsageError
from lab.commands.formats import add_arguments, run
from lab.formats import measure, table


def test_every_format_is_measured_and_nothing_is_left_behind(tmp_path: Path) -> None:
    measured = {each.name: each for each in measure(tmp_path, rows=600, dim=8)}
    values = 600 * 8
    assert 4 * values <= measured["npy"].size_bytes <= 4 * values + 200
    assert measured["HDF5"].size_bytes >= 4 * values
    text = measured["text (savetxt)"]
    assert text.scaled_from == 500
    assert text.size_bytes > 20 * values  # 18 digits and more for each of 4 bytes
    flat = measured["flat fp16 index, mapped: the first vector"]
    assert 2 * values <= flat.size_bytes <= 2 * values + 200
    assert all(each.load_seconds > 0 for each in measured.values())
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_a_table_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = tmp_path / "formats.md"
    assert run(parser.parse_args(["--rows", "20", "--dim", "4", "--out", str(out)])) == 0
    printed = capsys.readouterr().out
    assert out.read_text() == printed
    lines = printed.splitlines()
    assert lines[0].startswith("20 × 4 float32 vectors")
    assert len({line.count("|") for line in lines[2:]}) == 1
    assert len(lines) == 2 + 2 + len(measure(tmp_path, rows=1, dim=1))


def test_the_text_that_was_scaled_up_is_marked(tmp_path: Path) -> None:
    text = table(measure(tmp_path, rows=501, dim=2), rows=501, dim=2)
    assert "| text (savetxt) (from 500 rows) |" in text


@pytest.mark.parametrize(("rows", "dim"), [(0, 4), (3, 0)])
def test_nothing_to_write_is_refused(tmp_path: Path, rows: int, dim: int) -> None:
    with pytest.raises(UsageError, match=f"{rows} vectors of {dim} numbers"):
        measure(tmp_path, rows=rows, dim=dim)
