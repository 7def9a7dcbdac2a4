"""Galleries of texts: their files, their building and going on, and how they are searched."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from app.build.texts import TEXT_MODEL, TextRequest, build_texts
from app.embed import Embedder, model_named
from app.errors import DatasetError, ModelError, UsageError
from app.search.picture import File, Item
from app.search.question import SearchRequest
from app.search.service import SearchService
from app.sources.texts import Text, read_texts
from app.values import TEXT, WRITTEN, SearchResult
from tests.conftest import Home, encoded, is_one_sentence, picture

WORDS = ("cat", "dog", "rain", "snow", "bread", "soup", "love", "anger")
MODEL = replace(model_named(TEXT_MODEL), dim=len(WORDS))


class Letters:
    """A text network that knows eight words; `read` counts the texts that it was given."""

    precision = "f32"

    def __init__(self) -> None:
        self.read = 0

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += len(texts)
        known = [[float(word in text) + 0.01 * len(text) / 9 for word in WORDS] for text in texts]
        return np.array(known, np.float32)


def embedder(network: Letters) -> Embedder:
    return Embedder(MODEL, None, "f" * 64, lambda: network)


Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(home: Home) -> None:
    home.path.mkdir()


@pytest.fixture
def network() -> Letters:
    return Letters()


@pytest.fixture
def build(home: Home, network: Letters) -> Build:
    def built(file: Path, name: str = "notes", **given: Any) -> Any:
        return build_texts(
            TextRequest(file, name, **given),
            features_dir=home.path / "features",
            indexes_dir=home.path / "indexes",
            load_embedder=lambda *_, **__: embedder(network),
            find_model=lambda name: (
                replace(MODEL, name=name) if name == TEXT_MODEL else model_named(name)
            ),
            on_progress=lambda stage, done, total: None,
        )

    return built


@pytest.fixture
def service(home: Home, network: Letters) -> SearchService:
    return home.service(lambda *_, **__: embedder(network))


def lines(home: Home, *texts: str) -> Path:
    file = home.path / "notes.txt"
    file.write_text("\n".join(texts), encoding="utf-8")
    return file


def table(home: Home, *rows: Sequence[str]) -> Path:
    file = home.path / "notes.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(rows)
    return file


def said(result: SearchResult) -> list[str]:
    return [str(hit.image.metadata["text"]) for hit in result.hits]


def searched(service: SearchService, words: str, **given: object) -> SearchResult:
    return service.answer(SearchRequest.of(None, gallery="notes", words=words, **given))


# --- the files ------------------------------------------------------------------------------------


def test_a_file_of_lines_has_a_text_in_each(home: Home) -> None:
    file = home.path / "a.txt"
    file.write_bytes("\ufeffone\r\n\r\n  two  \nthrée\n".encode())
    assert [each.text for each in read_texts(file).texts] == ["one", "two", "thrée"]


def rows_of(home: Home, kind: str) -> Path:
    rows = [
        {"id": "a1", "text": "a cat", "label": "pets", "year": 1999},
        {"id": "a2", "text": " ", "label": "pets", "year": 2000},
        {"id": "a3", "text": "rain, and snow", "label": "weather", "year": 2001},
    ]
    file = home.path / f"notes.{kind}"
    if kind == "csv":
        with file.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    elif kind == "json":
        file.write_text(json.dumps(rows))
    else:
        file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "jsonl"])
def test_a_table_of_any_kind_has_ids_labels_and_more(home: Home, kind: str) -> None:
    assert read_texts(rows_of(home, kind)).texts == (
        Text("a cat", "a1", ("pets",), {"year": 1999}),
        Text("rain, and snow", "a3", ("weather",), {"year": 2001}),
    )


@pytest.mark.parametrize(
    ("rows", "given", "error", "says"),
    [
        ([["title"], ["x"]], {}, UsageError, "has no column of texts, but 'title'"),
        ([["text"], ["x"]], {"text_column": "body"}, UsageError, "has no column 'body'"),
        ([["text"], ["x"]], {"label_column": ("l",)}, UsageError, "has no column 'l'"),
        ([["text"], [" "]], {}, DatasetError, "There is no text in the column 'text'"),
        ([["id", "text"], ["1", "x"], ["1", "y"]], {}, DatasetError, "has the id '1' twice"),
        ([["id", "text"], ["1", "x"], ["", "y"]], {}, DatasetError, "Text 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    home: Home, rows: list[list[str]], given: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as refused:
        read_texts(table(home, *rows), **given)
    assert is_one_sentence(str(refused.value).replace(".csv", "").replace(".txt", ""))


def test_a_long_text_is_cut_and_that_is_said(home: Home) -> None:
    read = read_texts(lines(home, "x" * 20_000, "short"))
    assert [len(each.text) for each in read.texts] == [10_000, 5]
    assert read.notes == ("1 text was cut after 10,000 characters.",)


# --- the gallery ----------------------------------------------------------------------------------


def test_texts_are_found_by_words(home: Home, build: Build, service: SearchService) -> None:
    report = build(lines(home, "the cat sat", "a dog barked", "rain on snow", "bread and soup"))
    assert (report.manifest.holds, report.manifest.images, report.embedded) == (TEXT, 4, 4)
    result = searched(service, "a cat", k=2)
    assert said(result)[0] == "the cat sat"
    assert result.words == "meaning"
    assert result.hits[0].score > 0.9
    plain, less = (searched(service, "snow", without=each, k=4).hits[0] for each in ("", "rain"))
    assert plain.image == less.image
    assert less.score < plain.score
    facts = service.gallery("notes")
    assert (facts.holds, facts.pictures_missing, facts.uploads_off) == (TEXT, "", "")


def test_ids_labels_and_columns_are_kept(home: Home, build: Build, service: SearchService) -> None:
    build(rows_of(home, "csv"))
    [hit] = searched(service, "cat", k=1).hits
    assert (hit.image.public_id, hit.image.labels) == ("a1", ("pets",))
    assert hit.image.metadata == {"text": "a cat", "year": 1999}
    like_it = service.answer(SearchRequest.of(Item("a3"), gallery="notes", k=1))
    assert said(like_it) == ["rain, and snow"]
    assert like_it.hits[0].same_file
    by_year = SearchRequest.of(None, gallery="notes", where=["year>=2000"])
    assert said(service.answer(by_year)) == ["rain, and snow"]
    assert service.counts("notes", "label").values == (("pets", 1), ("weather", 1))


def test_equal_texts_are_embedded_once_and_stand_for_each_other(
    home: Home, build: Build, service: SearchService, network: Letters
) -> None:
    report = build(lines(home, "a cat", "a dog", "a cat", "a cat"))
    assert (report.embedded, network.read) == (2, 2)
    assert report.manifest.images == 4
    [first, *_] = searched(service, "cat", k=2).hits
    assert (first.copies, len(first.places)) == (2, 2)


def test_a_stopped_build_goes_on(home: Home, build: Build, network: Letters) -> None:
    file = lines(home, *(f"{word} {number}" for number in range(200) for word in WORDS))
    run = network.run

    def stop(texts: Sequence[str]) -> NDArray[np.float32]:
        if network.read > 1000:
            raise KeyboardInterrupt
        return run(texts)

    network.run = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        build(file)
    done = network.read
    network.run = run  # type: ignore[method-assign]
    report = build(file)
    assert report.manifest.images == 1600
    assert network.read == 1600
    assert report.embedded == 1600 - done


def test_an_index_is_trained_and_exact_searches_agree(
    home: Home, build: Build, service: SearchService
) -> None:
    texts = [f"{word} and {other} {n}" for n in range(40) for word in WORDS for other in WORDS]
    report = build(lines(home, *texts), index="IVF20,Flat")
    assert report.manifest.index == "IVF20,Flat"
    approximate = searched(service, "cat and soup", k=5)
    exact = searched(service, "cat and soup", k=5, exact=True)
    assert [hit.score for hit in approximate.hits] == pytest.approx(
        [hit.score for hit in exact.hits], abs=1e-3
    )


def test_a_picture_is_refused_with_what_can_be_asked(
    home: Home, build: Build, service: SearchService
) -> None:
    build(lines(home, "a cat", "a dog"))
    with pytest.raises(UsageError, match="notes holds texts: search it with words, or with the id"):
        service.search("notes", File(encoded(picture(1))))
    with pytest.raises(UsageError, match="holds texts"):
        service.search("notes", 0, box="0,0,0.5,0.5")
    assert service.thumbnail("notes", 0)[:4] == b"RIFF"  # a grey card, for whoever asks


def test_without_its_model_words_are_looked_for_as_they_are_written(
    home: Home, build: Build
) -> None:
    build(lines(home, "the cat sat", "a dog barked", "a cat and a dog"))

    def load(*_: object, **__: object) -> Embedder:
        raise ModelError("The package is not installed: run pip install it.")

    result = searched(home.service(load), "cat dog")
    assert said(result) == ["a cat and a dog", "the cat sat", "a dog barked"]
    assert (result.words, result.listed) == (WRITTEN, True)
    [note] = result.notes
    assert note.endswith("not by what they mean: The package is not installed: run pip install it.")
    like_it = SearchRequest.of(Item(0), gallery="notes", k=1)
    assert said(home.service(load).answer(like_it)) == ["the cat sat"]


def test_it_is_not_looked_at_again_and_takes_no_pictures(
    home: Home, build: Build, network: Letters
) -> None:
    build(lines(home, "a cat", "a dog"))
    keeper = home.keeper(lambda *_, **__: embedder(network))
    with pytest.raises(UsageError, match=r"holds texts, .*create_index\.py --texts"):
        keeper.update("notes", on_progress=lambda stage, done, total: None)
    assert keeper.names_to_update() == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": ""}, "needs a name"),
        ({"limit": 0}, "limit must be 1 or more"),
        ({"model": "mean_colour"}, "mean_colour"),
        ({"index": "nonsense"}, "nonsense"),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    home: Home, build: Build, given: dict[str, Any], says: str
) -> None:
    file = lines(home, "a cat")
    with pytest.raises(UsageError, match=says):
        build(file, **given)


def test_a_gallery_that_is_there_stays_unless_forced(home: Home, build: Build) -> None:
    build(lines(home, "a cat"))
    with pytest.raises(UsageError, match="exists already"):
        build(lines(home, "a dog"))
    assert build(lines(home, "a dog", "rain"), force=True).manifest.images == 2
