"""What is recommended for figures that are made up."""

from typing import Any

from lab.recommend import Recommendation, recommend
from lab.report.results import Point, pareto


def point(method: str, recall: float, milliseconds: float, **values: Any) -> Point:
    given = {"build": {}, "effort": {}, "error": 0.0, "memory_bytes": 1_000, "build_seconds": 1.0}
    return Point(
        method=method,
        recall=recall,
        per_second=1_000 / milliseconds,
        median_ms=milliseconds,
        p95_ms=2 * milliseconds,
        batch_per_second=1.0,
        queries=1_000,
        **(given | values),
    )


def served(factory: str, recall: float, milliseconds: float, **values: Any) -> Point:
    effort = {"chosen": "by measurement"}
    return point("application", recall, milliseconds, factory=factory, effort=effort, **values)


def advised(*points: Point, **values: Any) -> Recommendation:
    facts: dict[str, Any] = {"rows": 9_144, "dim": 1_280, "drawn": 0, "k": 10, "target": 0.97}
    return recommend(points, **(facts | {"metric": "cosine"} | values))


def test_the_fastest_string_that_reaches_the_target_is_recommended() -> None:
    found = advised(
        served("Flat", 1.0, 20.0),
        served("A", 0.98, 0.2),
        served("B", 0.99, 0.5),
        served("C", 0.8, 0.1),
    )
    assert found.factory == "A"
    text = " ".join(found.sentences)
    assert text.startswith("For these 9,144 vectors of 1,280 numbers: **`A`**.")
    assert "100 times as fast as comparing every vector" in text
    assert "Of the 3 index strings tried" in text
    assert "2 reach recall@10 ≥ 0.97" in text
    assert "`create_index.py … --index A`" in text
    assert "(`--index Flat`) takes 20.0 ms a query: enough where one person asks" in text


def test_a_far_smaller_index_that_is_good_enough_is_named_too() -> None:
    large = served("graph", 0.98, 0.2, memory_bytes=4_000_000)
    small = served("codes", 0.97, 0.9, memory_bytes=1_000_000)
    sentences = advised(served("Flat", 1.0, 20.0), large, small).sentences
    assert (
        "Where memory counts, `codes` takes 1.0 MB instead of 4.0 MB, and 0.90 ms a query."
        in sentences
    )
    poor = served("codes", 0.9, 0.9, memory_bytes=1)
    for other in (served("codes", 0.98, 0.9, memory_bytes=1_000_001), poor):
        sentences = advised(served("Flat", 1.0, 20.0), large, other).sentences
        assert not any("memory counts" in sentence for sentence in sentences)


def test_of_those_nearly_as_fast_the_smallest_is_taken() -> None:
    found = advised(
        served("Flat", 1.0, 20.0),
        served("large", 0.98, 0.20, memory_bytes=9_000),
        served("small", 0.98, 0.24, memory_bytes=1_000),
        served("slow", 0.98, 0.30, memory_bytes=1),
    )
    assert found.factory == "small"
    assert "the smallest of those nearly as fast" in found.sentences[1]


def test_within_one_standard_error_the_target_is_reached() -> None:
    flat = served("Flat", 1.0, 20.0)
    assert advised(flat, served("A", 0.968, 0.2, error=0.003)).factory == "A"
    assert advised(flat, served("A", 0.966, 0.2, error=0.003)).factory == "Flat"


def test_exact_search_is_recommended_where_nothing_is_gained() -> None:
    found = advised(served("Flat", 1.0, 0.9), served("A", 0.98, 0.1))
    assert found.factory == "Flat"
    assert "`A` would take 0.10 ms, which nobody notices" in found.sentences[0]
    slower = advised(served("Flat", 1.0, 9.0), served("A", 0.98, 12.0))
    assert slower.factory == "Flat"
    assert "none of the indexes tried reaches recall@10 ≥ 0.97 faster" in slower.sentences[0]


def test_where_exact_search_takes_long_it_is_said() -> None:
    found = advised(served("Flat", 1.0, 180.0), served("A", 0.98, 0.2))
    assert any("180 ms a query: a person waits" in each for each in found.sentences)


def test_a_string_whose_effort_the_application_did_not_choose_is_not_recommended() -> None:
    wide = point("application", 0.99, 0.1, factory="A", effort={"probes": 64, "candidates": 500})
    assert advised(served("Flat", 1.0, 20.0), served("A", 0.9, 0.2), wide).factory == "Flat"


def test_a_faster_library_outside_is_named_with_its_lead() -> None:
    outside = point("hnswlib", 0.98, 0.05, build={"M": 16}, effort={"ef": 64})
    worse = point("annoy", 0.5, 0.01)
    found = advised(served("Flat", 1.0, 20.0), served("A", 0.98, 0.2), outside, worse)
    assert found.sentences[-1] == (
        "Outside this application hnswlib (M=16; ef=64) reached 20,000 queries a second at "
        "recall@10 0.980, 4.0 times the 5,000 of this application's fastest, `A`."
    )


def test_the_recall_of_the_codes_alone_is_given() -> None:
    refined = point("faiss-ivf-pq-refine", 0.98, 0.3, factory="A", build={"m": 8})
    raw = point("faiss-ivf-pq", 0.375, 0.1, build={"m": 8})
    other = point("faiss-ivf-pq", 0.5, 0.1, build={"m": 16})
    found = advised(served("Flat", 1.0, 20.0), served("A", 0.98, 0.2), refined, raw, other)
    assert any("the same codes find 37.5% of them at most" in each for each in found.sentences)


def test_by_another_metric_no_string_is_named() -> None:
    found = advised(point("hnswlib", 0.98, 0.05), metric="l2")
    assert found.factory == ""
    assert "compares by cosine alone" in found.sentences[0]
    without = advised(point("hnswlib", 0.98, 0.05))
    assert "none of this application's own indexes was measured" in without.sentences[0]


def test_drawn_vectors_are_counted() -> None:
    found = advised(served("Flat", 1.0, 0.9), rows=1_000_000, drawn=900_000)
    assert "1,000,000 vectors of 1,280 numbers (900,000 of them drawn" in found.sentences[0]


def test_the_pareto_front_has_what_nothing_beats_in_both() -> None:
    slow, fast, beaten = point("a", 1.0, 9.0), point("b", 0.9, 1.0), point("c", 0.8, 2.0)
    assert pareto([beaten, slow, fast]) == [fast, slow]
