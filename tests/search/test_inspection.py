"""A survey sees every picture of a folder or a gallery, and says the same in each of its forms."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import nbclient
import nbformat
import pytest
from PIL import Image

from app.search.inspection import Pair, Survey, as_json, as_text, report, survey_folder
from tests.commands import Run
from tests.conftest import ROOT, Home, encoded, fill, picture

NOTEBOOK = ROOT / "notebooks" / "eda.ipynb"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder of three formats, a copy, a grey picture, and two that cannot be read."""
    folder = tmp_path / "mixed"
    (folder / "cats & <dogs>").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(encoded(picture(0, (80, 40))))
    (folder / "b.png").write_bytes(encoded(picture(1, (40, 80)), "PNG"))
    (folder / "cats & <dogs>" / "c.png").write_bytes(encoded(picture(1, (40, 80)), "PNG"))
    (folder / "grey.webp").write_bytes(encoded(Image.new("RGB", (50, 50), (90, 90, 90)), "WEBP"))
    (folder / "text.jpg").write_bytes(b"not a picture")
    (folder / "empty.jpg").write_bytes(b"")
    return folder


def survey(folder: Path) -> Survey:
    return survey_folder(folder, workers=2, on_progress=lambda stage, done, total: None)


def test_a_folder_is_surveyed_picture_by_picture(mixed: Path) -> None:
    seen = survey(mixed)
    facts = as_json(seen)
    assert [(look.path, look.format, look.width, look.height) for look in seen.looks] == [
        ("a.jpg", "JPEG", 80, 40),
        ("b.png", "PNG", 40, 80),
        ("cats & <dogs>/c.png", "PNG", 40, 80),
        ("grey.webp", "WebP", 50, 50),
    ]
    assert facts["formats"] == {"PNG": 2, "JPEG": 1, "WebP": 1}
    assert facts["orientation"] == {"landscape": 1, "portrait": 2, "square": 1}
    assert facts["aspect_ratio"] == {"least": 0.5, "median": 0.75, "most": 2.0}
    assert facts["duplicates"] == [["b.png", "cats & <dogs>/c.png"]]
    assert [look.grey for look in seen.looks] == [False, False, False, True]
    assert all(abs(channel - 90) <= 1 for channel in seen.looks[3].colour)
    assert facts["grey_share"] == 0.25
    assert facts["labels"] == {"cats & <dogs>": 1}
    assert facts["unlabelled"] == 3
    assert [each["path"] for each in facts["failures"]] == ["empty.jpg", "text.jpg"]
    assert facts["near_duplicates"] is None


def test_a_gallery_without_its_pictures_is_surveyed_like_the_folder_it_was_made_of(
    home: Home, mixed: Path
) -> None:
    from app.search.inspection import survey_gallery

    here = as_json(survey(mixed))
    (mixed / "near.png").write_bytes(encoded(picture(0, (80, 40)), "PNG"))
    home.build(mixed)
    shutil.rmtree(mixed)
    seen = survey_gallery(
        "mine",
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        on_progress=lambda stage, done, total: None,
    )
    facts = as_json(seen)
    assert facts["images"] == here["images"] + 1
    for same in ("duplicates", "labels", "failures"):
        assert facts[same] == here[same], same
    assert facts["grey_share"] == 0.2
    assert [(p["one"], p["other"]) for p in facts["near_duplicates"]] == [("a.jpg", "near.png")]


def test_the_command_prints_text_or_json_and_writes_the_report(
    ris: Run, home: Home, mixed: Path, tmp_path: Path
) -> None:
    page = tmp_path / "out.html"
    code, out, err = ris("inspect", "--images", mixed, "--report", page)
    assert code == 0, err
    assert re.search(r"^Same content: *1\b", out, re.MULTILINE)
    assert re.search(r"text\.jpg: .*text", out)
    assert page.read_text().count("<svg") == 3
    home.build(mixed)
    code, out, err = ris("inspect", "--gallery", "mine", "--json")
    assert (code, json.loads(out)["images"]) == (0, 4), err


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_takes_names_as_text_and_asks_no_other_address(mixed: Path) -> None:
    page = Page()
    text = report(survey(mixed))
    page.feed(text)
    assert not page.tags & {"dogs", "script", "img", "link", "iframe"}
    assert not [address for address in page.addresses if not address.startswith("#")]
    assert "cats &amp; &lt;dogs&gt;" in text
    assert text == report(survey(mixed))


def test_a_file_whose_name_is_not_valid_cannot_be_read_and_the_report_is_whole(
    ris: Run, mixed: Path, tmp_path: Path
) -> None:
    (mixed / "caf\udce9.jpg").write_bytes(encoded(picture(1)))
    page = tmp_path / "r.html"
    code, out, err = ris("inspect", "--images", mixed, "--report", page)
    assert code == 0, err
    assert re.search(r"caf\\udce9\.jpg: .*UTF-8.*rename", out)
    assert page.read_text(encoding="utf-8").endswith("</html>\n")
    assert not list(tmp_path.glob(".*"))
    code, out, err = ris("inspect", "--images", mixed.rename(tmp_path / "m\udce9"))
    assert (code, r"m\udce9" in out) == (0, True), err


@pytest.mark.parametrize("widths", [(60, 70, 85), (64, 64), (4, 40, 900)])
def test_plots_have_few_and_plain_numbers(tmp_path: Path, widths: tuple[int, ...]) -> None:
    for number, width in enumerate(widths):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(picture(number, (width, 50))))
    plots = report(survey(tmp_path)).split("<figure>")[1:]
    assert len(plots) == 3
    for plot in plots:
        assert "tspan" not in plot  # as in 6 × 10¹
        marks = re.findall(r"<text [^>]*>([^<]*)</text>", plot)
        numbers = [mark for mark in marks if re.fullmatch(r"[\d.,]+", mark)]
        assert len(numbers) + 2 == len(marks), marks
        first = marks.index("width, pixels") if "width, pixels" in marks else 2
        assert first >= 2, marks
        assert len(numbers) <= 20, marks
    counted = re.findall(r"<text [^>]*>([^<]*)</text>", plots[1])
    assert all(mark.isdigit() for mark in counted[counted.index("width / height") + 1 : -1])


def test_a_list_that_is_cut_says_how_many_more_there_are(tmp_path: Path) -> None:
    for seed in range(24):
        folder = tmp_path / f"kind_{seed:02}"
        folder.mkdir()
        for name in ("a.jpg", "b.jpg"):
            (folder / name).write_bytes(encoded(picture(seed)))
        (folder / "text.jpg").write_text("no picture")
    seen = survey(tmp_path)
    near = tuple(Pair(f"one_{n}", f"other_{n}", 0.99) for n in range(24))
    text = as_text(replace(seen, near=near))
    lines = text.splitlines()
    (labels,) = (line for line in lines if line.startswith("Labels:"))
    assert labels.count("kind_") == 5
    assert labels.endswith(" and 19 more")
    cut = [line.strip() for line in lines if line.strip().startswith("and ")]
    assert cut == ["and 19 more"] * 3, text  # duplicates, pairs, failures
    for kind in ("= kind_", "≈ other_", "text.jpg:"):
        assert text.count(kind) == 5
    page = report(replace(seen, near=near)).partition("</pre>")[2]
    assert page.count("<p>and 4 more</p>") == 4  # labels too


def test_a_short_list_is_whole(mixed: Path) -> None:
    assert "more" not in as_text(survey(mixed)).replace("more than needed", "")


def test_what_cannot_be_inspected_ends_with_its_code(ris: Run, home: Home, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert ris("inspect", "--images", empty)[0] == 4
    assert ris("inspect", "--images", tmp_path / "nothing")[0] == 4
    assert ris("inspect", "--gallery", "nothing")[0] == 2
    assert ris("inspect")[0] == 2
    (empty / "a.jpg").write_bytes(b"x")
    code, _, err = ris("inspect", "--images", empty)
    assert (code, str(empty) in err) == (4, True)
    images = fill(tmp_path / "pictures", 2)
    page = tmp_path / "no" / "r.html"
    code, _, err = ris("inspect", "--images", images, "--report", page)
    assert (code, str(page) in err) == (7, True)


@pytest.mark.parametrize("name", ["report.txt", "report", "report.html.bak"])
def test_a_report_whose_name_is_not_a_page_s_is_refused(
    ris: Run, mixed: Path, tmp_path: Path, name: str
) -> None:
    code, out, err = ris("inspect", "--images", mixed, "--report", tmp_path / name)
    assert (code, out) == (2, "")
    assert name in err
    assert ".html" in err
    assert err.count("\n") == 1
    assert not (tmp_path / name).exists()


def test_the_notebook_runs_and_says_what_the_command_says(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDA_IMAGES", str(mixed))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert as_text(survey(mixed)) in printed


def test_the_notebook_is_kept_without_outputs_and_holds_no_logic() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert not re.search(r"^\s*(def|class|for|while) ", "\n".join(c.source for c in code), re.M)


def test_the_python_lines_of_the_documentation_run(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (ROOT / "docs" / "galleries.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    mixed.rename(mixed.with_name("pictures"))
    monkeypatch.chdir(mixed.parent)
    exec(compile(lines, "galleries.md", "exec"), {})
    assert "Pictures:     4" in capsys.readouterr().out
