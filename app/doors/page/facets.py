"""A gallery → what its images differ in, and how many have each value, for a visitor to choose."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from app.search.service import SearchService
from app.values import MetadataValue
from app.values.columns import OWN_COLUMNS
from app.values.conditions import Condition

MOST_VALUES = 500  # of a facet, the most frequent ones
_MOST_FACETS = 12
_LEAST_VALUES = 2
_FIRST = ("label", "folder")
_LEFT_OUT = ("latitude", "longitude", "text")  # places, and what is itself the content
_DATE = re.compile(r"\d{4}-\d\d(-|$)")
_LEAST_SHARED = 2  # images that a value has on average: what is different in each divides nothing

Facet = dict[str, Any]


def facets_of(service: SearchService, gallery: str, where: Sequence[str]) -> list[Facet]:
    """Return each column that divides the images, with its values, the most frequent first.

    Of every column those images are counted that the conditions on other columns leave; of dates
    their years, the newest first. Several columns that divide them in the same way are one.
    """
    facets: list[Facet] = []
    for column in _columns(service, gallery):
        others = [each for each in where if Condition.of(each).name.casefold() != column.casefold()]
        counts = service.counts(gallery, column, where=others)
        values = _years(counts.values) or list(counts.values)
        same = any(each["values"] == _listed(values) for each in facets)
        shared = counts.images >= _LEAST_SHARED * len(values)
        if len(values) >= _LEAST_VALUES and shared and not same:
            facets.append({"column": column, "values": _listed(values), "of": len(values)})
        if len(facets) == _MOST_FACETS:
            break
    return facets


def _columns(service: SearchService, gallery: str) -> Iterator[str]:
    yield from _FIRST
    for name in service.columns(gallery):
        if name not in OWN_COLUMNS and name.casefold() not in _LEFT_OUT:
            yield name


def _years(values: Sequence[tuple[MetadataValue, int]]) -> list[tuple[MetadataValue, int]]:
    """Return how many images are of each year, the newest first; none if these are no dates."""
    dates = [(value, n) for value, n in values if isinstance(value, str) and _DATE.match(value)]
    if not dates or len(dates) < len(values):
        return []
    years: Counter[str] = Counter()
    for value, n in dates:
        years[value[:4]] += n
    return sorted(years.items(), reverse=True)


def _listed(values: Sequence[tuple[MetadataValue, int]]) -> list[list[Any]]:
    return [[value, n] for value, n in values[:MOST_VALUES]]
