"""Searches for words: by a model that knows texts, or as they are written; and by conditions."""

import shutil
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import ModelError, NotFoundError, UsageError
from app.search.picture import File, Item
from app.search.question import MAX_WORDS, SearchRequest
from app.search.service import SearchService
from app.values import MATCHING, MEANING, WRITTEN, SearchResult
from tests.conftest import Home, encoded, fill, is_one_sentence
from tests.search.conftest import paths

COLOURS = ("red", "lime", "blue", "white", "black", "yellow")
CLIP = replace(model_named("mean_colour"), name="clip_vit_b_32", has_texts=True)


class ColoursByName:
    """A text network that knows colours by name: a text's features are those of such pictures."""

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        runtime = MeanColourRuntime()
        seen = [ImageColor.getrgb(text) for text in texts]
        pictures = np.array([np.full((4, 4, 3), colour, np.uint8) for colour in seen])
        return np.concatenate([runtime.run(picture[None]) for picture in pictures])


def clip() -> Embedder:
    return Embedder(CLIP, MeanColourRuntime(), "", ColoursByName)


def flat(colour: str) -> bytes:
    return encoded(Image.new("RGB", (64, 48), colour), "PNG")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with "seen", of a model that knows texts, and "named", of one that knows none."""
    home = Home(tmp_path_factory.mktemp("shop"))
    for colour in COLOURS:
        folder = home.path / "seen" / f"of {colour}"
        folder.mkdir(parents=True)
        (folder / f"{colour}.png").write_bytes(flat(colour))
    home.build(home.path / "seen", "seen", embedder=clip())
    named = fill(home.path / "named", 30)
    (named / "Äpfel und 猫の写真").mkdir()
    shutil.copy(named / "kind_0" / "00000.jpg", named / "Äpfel und 猫の写真" / "rote_äpfel.jpg")
    (named / "apple").mkdir()
    for seed, name in ((1, "apples on a tree"), (2, "Apple-tree"), (3, "treetop"), (4, "IMG_0004")):
        source = next(named.glob(f"kind_*/{seed:05}.jpg"))
        (named / "apple" / f"{name}.jpg").write_bytes(source.read_bytes() + bytes(seed))
    home.build(named, "named")
    return home


@pytest.fixture(scope="module")
def service(shop: Home) -> SearchService:
    return shop.service(lambda name, **_: clip() if name == CLIP.name else plain())


def plain() -> Embedder:
    return Embedder(model_named("mean_colour"), MeanColourRuntime(), "")


def searched(
    service: SearchService, query: File | Item | None = None, **given: object
) -> SearchResult:
    return service.answer(SearchRequest.of(query, **given))


# --- a model that knows texts ---------------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_words_find_what_they_describe(service: SearchService, colour: str) -> None:
    result = searched(service, gallery="seen", words=colour, k=1)
    assert paths(result) == [f"of {colour}/{colour}.png"]
    assert result.hits[0].score == pytest.approx(1, abs=1e-3)
    assert result.words == MEANING
    assert result.floor is None  # how near unrelated pictures come says nothing of words
    assert result.verdict == ""


def test_words_and_a_picture_are_mixed_by_the_weight(service: SearchService) -> None:
    picture = File(flat("red"))

    def first(**given: object) -> list[str]:
        return paths(searched(service, picture, gallery="seen", words="lime", k=2, **given))

    assert first(words_weight=0.0)[0] == "of red/red.png"
    assert first(words_weight=1.0)[0] == "of lime/lime.png"
    of_red = []
    for weight in (0.2, 0.4, 0.6):
        mixed = searched(service, picture, gallery="seen", words="lime", words_weight=weight, k=6)
        of_red += [hit.score for hit in mixed.hits if "red" in hit.image.path]
        vectors = clip().embed_texts(["red", "lime"])
        expected = (1 - weight) * vectors[0] + weight * vectors[1]
        assert of_red[-1] == pytest.approx(
            float(expected @ vectors[0] / np.linalg.norm(expected)), abs=1e-3
        )
    assert of_red == sorted(of_red, reverse=True)
    assert not mixed.sources  # it is no copy that is asked for


def test_words_say_what_results_should_not_show(service: SearchService) -> None:
    plain = searched(service, gallery="seen", words="yellow", k=6)
    less = searched(service, gallery="seen", words="yellow", without="lime", k=6)
    assert paths(plain).index("of lime/lime.png") < paths(less).index("of lime/lime.png")
    assert paths(less)[0] in ("of yellow/yellow.png", "of red/red.png")


def test_the_vector_of_words_is_that_of_every_door(service: SearchService) -> None:
    request = SearchRequest.of(None, gallery="seen", words="blue")
    assert service.embed(request) == pytest.approx(clip().embed_texts(["blue"])[0])


def test_conditions_go_with_words(service: SearchService) -> None:
    result = searched(service, gallery="seen", words="red", where=["folder!=of red"], k=1)
    assert paths(result) != ["of red/red.png"]


def test_without_its_weights_it_says_why_there_are_no_words(shop: Home) -> None:
    def load(name: str, **_: object) -> Embedder:
        raise ModelError("The weights cannot be downloaded: put them there.")

    with pytest.raises(ModelError, match="The weights cannot be downloaded"):
        searched(shop.service(load), gallery="seen", words="red")


# --- as they are written --------------------------------------------------------------------------


def test_words_are_looked_for_where_they_are_written(service: SearchService) -> None:
    result = searched(service, gallery="named", words="apple tree", k=20)
    assert [(hit.image.path, hit.score) for hit in result.hits[:2]] == [
        ("apple/Apple-tree.jpg", 1.0),
        ("apple/apples on a tree.jpg", 1.0),
    ]
    # Others of the folder have one of the words, "treetop" begins with the other.
    assert paths(result)[2:] == ["apple/treetop.jpg", "apple/IMG_0004.jpg"]
    assert all(0 < hit.score <= 1 for hit in result.hits)
    assert result.words == WRITTEN
    assert {result.kind_of(hit) for hit in result.hits} == {MATCHING}
    assert result.exact
    assert any("knows no texts" in note for note in result.notes)


@pytest.mark.parametrize(
    "words",
    ["äpfel", "ÄPFEL", "apfel", "a\u0308pfel", "写真", "猫", "猫の写真", "rote", "Rote_Äpfel"],
)
def test_words_are_found_however_they_are_written(service: SearchService, words: str) -> None:
    found = searched(service, gallery="named", words=words, k=1)
    assert paths(found) == ["Äpfel und 猫の写真/rote_äpfel.jpg"]


@pytest.mark.parametrize(
    "words", ['"', "*", "NEAR(apple", "apple OR tree", "apple:", "-apple", "^a"]
)
def test_words_are_no_query_language(service: SearchService, words: str) -> None:
    if words.strip('"*'):
        result = searched(service, gallery="named", words=words)
        assert all(0 < hit.score <= 1 for hit in result.hits)
    else:
        with pytest.raises(UsageError, match="There is no word"):
            searched(service, gallery="named", words=words)


def test_words_that_are_written_nowhere_find_nothing(service: SearchService) -> None:
    result = searched(service, gallery="named", words="zeppelin")
    assert result.hits == ()
    assert result.candidates == 0


def test_words_beside_a_picture_are_a_filter(service: SearchService, shop: Home) -> None:
    data = (shop.path / "named" / "kind_3" / "00003.jpg").read_bytes()
    result = searched(service, File(data), gallery="named", words="apple tree", k=20)
    assert set(paths(result)) == {
        "apple/Apple-tree.jpg", "apple/apples on a tree.jpg", "apple/treetop.jpg"
    }  # fmt: skip
    assert paths(result)[0] == "apple/treetop.jpg"  # nearly the same file
    assert result.words == WRITTEN
    assert any("only images of which all are written were compared" in n for n in result.notes)


def test_words_that_should_not_be_written_leave_images_out(service: SearchService) -> None:
    result = searched(service, gallery="named", words="apple", without="tree", k=20)
    assert paths(result) == ["apple/IMG_0004.jpg"]


def test_a_picture_with_words_that_nothing_has_finds_nothing(service: SearchService) -> None:
    result = searched(service, Item(0), gallery="named", words="zeppelin")
    assert result.hits == ()
    assert result.words == WRITTEN


def test_images_alone_are_a_query_too(service: SearchService) -> None:
    alone = searched(service, gallery="named", more=[3], k=4)
    assert paths(alone) == paths(searched(service, Item(3), gallery="named", k=4))
    both = searched(service, gallery="named", more=[3, 9], less=[20], k=4)
    assert {3, 9} <= {hit.image.id for hit in both.hits}
    filtered = searched(service, gallery="named", words="apple", more=[20], k=20)
    assert {hit.image.labels for hit in filtered.hits} == {("apple",)}
    assert filtered.hits[0].score < 1
    assert not filtered.listed


# --- conditions alone -----------------------------------------------------------------------------


def test_conditions_alone_list_all_that_are_so(service: SearchService) -> None:
    result = searched(service, gallery="named", where=["folder=apple"], k=2)
    assert len(result.hits) == 2
    assert result.candidates == 4
    assert result.listed
    assert result.words == ""
    every = searched(service, gallery="named", where=["folder=apple", "name~tree"], sort="name")
    names = [path.rpartition("/")[2] for path in paths(every)]
    assert names == ["Apple-tree.jpg", "apples on a tree.jpg", "treetop.jpg"]
    backwards = searched(service, gallery="named", where=["folder=apple"], sort="-bytes", k=200)
    sizes = [hit.image.bytes for hit in backwards.hits]
    assert sizes == sorted(sizes, reverse=True)
    assert [hit.rank for hit in backwards.hits] == [1, 2, 3, 4]


def test_a_search_is_sorted_too(service: SearchService) -> None:
    by_score = searched(service, Item(0), gallery="named", k=8)
    by_name = searched(service, Item(0), gallery="named", k=8, sort="name")
    assert sorted(paths(by_name)) == sorted(paths(by_score))
    names = [path.rpartition("/")[2].casefold() for path in paths(by_name)]
    assert names == sorted(names)
    assert [hit.rank for hit in by_name.hits] == list(range(1, 9))


def test_several_galleries_are_listed_as_one(shop: Home, service: SearchService) -> None:
    home = Home(shop.path.parent / "several")
    home.build(fill(home.path / "one", 8), "one")
    home.build(fill(home.path / "two", 8, first=100), "two")
    both = home.service()
    result = searched(both, gallery="one,two", sort="-name", k=10)
    names = [path.rpartition("/")[2] for path in paths(result)]
    assert names == sorted(names, reverse=True)
    assert names[0] == "00107.jpg"
    assert len(names) == 10
    assert {hit.image.gallery for hit in result.hits} == {"one", "two"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, r"There is nothing to search for: give a picture \(file, url or id\), words, or both"),
        ({"words": "  "}, "There is nothing to search for"),
        ({"words": "...", "gallery": "named"}, "There is no word in '...'"),
        ({"words": "a" * 10_000}, f"words must be at most {MAX_WORDS} characters, not 10000."),
        ({"where": ["colour=red"]}, "None of these galleries has a column 'colour'|has no column"),
        ({"sort": "colour"}, "has no column 'colour': there are path, name, folder"),
        ({"where": "folder=a"}, "where must be a list of texts"),
        ({"where": ["="]}, "The condition '=' cannot be understood"),
        ({"without": "apple"}, "There is nothing to search for"),
        ({"without": "apple", "sort": "name"}, "without and less change a query"),
        ({"less": [1], "label": "apple"}, "without and less change a query"),
        ({"words": "a", "words_weight": 1.5}, "words_weight must be from 0 to 1, not 1.5."),
    ],
)
def test_what_cannot_be_asked_is_refused(
    service: SearchService, given: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        searched(service, **{"gallery": "named"} | given)
    assert is_one_sentence(str(refused.value))


def test_a_label_that_none_has_is_not_found_in_a_listing_either(service: SearchService) -> None:
    with pytest.raises(NotFoundError, match="has the label 'aple': perhaps apple is meant"):
        searched(service, gallery="named", label="aple")


def test_words_have_no_vector_where_the_model_knows_no_texts(service: SearchService) -> None:
    with pytest.raises(UsageError, match="knows no texts: give a picture"):
        service.embed(SearchRequest.of(None, gallery="named", words="apple"))


# --- counts ---------------------------------------------------------------------------------------


def test_values_are_counted_over_the_whole_gallery(service: SearchService) -> None:
    counts = service.counts("named", "label")
    assert counts.images == 35
    assert counts.values[:2] == (("kind_0", 6), ("kind_1", 6))
    assert ("apple", 4) in counts.values
    few = service.counts("named", "Width", where=["folder=apple"])
    assert (few.column, few.images, few.values) == ("width", 4, ((64, 4),))
    with pytest.raises(UsageError, match="named has no column 'camera': there are path, name"):
        service.counts("named", "camera")


def test_the_columns_are_named(service: SearchService) -> None:
    assert service.columns("named") == [
        *("path", "name", "folder", "label", "key", "width", "height", "bytes")
    ]
