"""The page's requests → searches and galleries' facts, as JSON."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.doors.answers import gallery_answer, image_answer, search_answer
from app.doors.page.facets import facets_of
from app.doors.page.references import (
    Reference,
    Uploads,
    edit_of,
    entries,
    entry,
    example_of,
    id_of,
    image_reference,
    query_and_edit,
    whole_picture,
)
from app.errors import AppError, DecodeError, NotFoundError, UsageError
from app.search.question import BY_NAME, BY_SCORE, MAX_K, SearchRequest
from app.search.service import SearchService
from app.values import Edit, SearchResult

EXAMPLES = Path(__file__).parent / "examples"
PHOTOGRAPHS = tuple(sorted(path.stem for path in EXAMPLES.glob("*.jpg")))
RANDOM_EXAMPLES = 7
_WITHOUT_A_PICTURE = ("words", "where", "label", "sort", "more")
"""Of these each can be searched for by itself."""

Answer = dict[str, Any]


class Functions:
    """The page's functions, called by its scripts: JSON in, JSON out.

    An AppError becomes {"message": its sentence}; the page keeps the rest as it is.
    """

    def __init__(self, service: SearchService, uploads: Uploads) -> None:
        self._service = service
        self._uploads = uploads

    @property
    def all(self) -> list[Callable[[Any], Answer]]:
        """The functions, under the names that the scripts call them by."""
        return [
            answering(each)
            for each in (self.open, self.gallery, self.ask, self.cut, self.original, self.facets)
        ]

    def open(self, request: Mapping[str, Any]) -> Answer:
        """Return every gallery, for a page that was just opened."""
        infos = self._service.galleries()
        if not infos:
            raise UsageError(
                "There is no gallery yet: make one with "
                "python3 create_index.py --images DIR --name NAME, then load this page again."
            )
        return {
            "galleries": [gallery_answer(info) for info in (*infos, *self._service.together())],
            "photographs": PHOTOGRAPHS,
        }

    def gallery(self, request: Mapping[str, Any]) -> Answer:
        """Return a gallery's facts, and a fresh row of its images."""
        name = _chosen(entry(request, "gallery"))
        info = self._service.gallery(name)
        names = name.split(",")
        drawn_from = [] if info.refused else [random.choice(names) for _ in range(RANDOM_EXAMPLES)]
        counts = Counter(drawn_from)
        return {
            "gallery": gallery_answer(info),
            "examples": [
                image_answer(each, image)
                for each, count in counts.items()
                for image in self._service.random_images(each, count)
            ],
        }

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """Return the query's reference, and the results of searching with it.

        The request holds "gallery", "query", which may be null beside words or conditions, and the
        search's parameters by their names. The query is shown also where the search fails for a
        reason that is not its own: another gallery may take it.
        """
        gallery = entry(request, "gallery")
        query = entry(request, "query")
        if query is None and any(entry(request, name) for name in _WITHOUT_A_PICTURE):
            return {"query": None, "results": self._results(None, _chosen(gallery), request)}
        reference = self._reference(query, gallery)
        try:
            results = self._results(reference, _chosen(gallery), request)
            return {"query": reference, "results": results}
        except DecodeError:
            raise  # it would only show as a broken picture
        except AppError as exc:
            return {"query": reference, "message": str(exc)}

    def cut(self, request: Mapping[str, Any]) -> Answer:
        """Return the reference of a new picture: the query's, with its edits applied."""
        reference = self._reference(entry(request, "query"), None)
        edit = edit_of(reference)
        if edit.is_nothing:
            return {"query": reference}
        data = whole_picture(reference, self._service, self._uploads)
        part = self._service.preview(data, edit)
        return {"query": self._uploads.keep(part, f"part of {reference['name']}")}

    def original(self, request: Mapping[str, Any]) -> Answer:
        """Return why the original of an image is not shown, in a sentence; "" if it is."""
        gallery = _chosen(entry(request, "gallery"))
        row = id_of(self._service, gallery, entry(request, "id"))
        try:
            self._service.picture(gallery, row)
        except NotFoundError as exc:
            return {"missing": str(exc)}
        return {"missing": ""}

    def facets(self, request: Mapping[str, Any]) -> Answer:
        """Return what the images of a gallery differ in, and how many have each value.

        Of those that the conditions on other columns leave.
        """
        gallery = _chosen(entry(request, "gallery"))
        where = SearchRequest.of(None, where=entry(request, "where") or [], sort="path").where
        return {"facets": facets_of(self._service, gallery, where)}

    def _reference(self, query: Any, gallery: object) -> Reference:
        """Return the checked reference of a query of any kind; it keeps a link's edits."""
        kind = entry(query or {}, "kind")
        if kind == "upload":
            name = str(entry(query, "name") or "The picture")
            return self._uploads.reference(str(entry(query, "path")), name)
        if kind == "photograph" and entry(query, "name") in PHOTOGRAPHS:
            file = EXAMPLES / f"{entry(query, 'name')}.jpg"
            return self._uploads.photograph(file) | _edits(query)
        if kind == "url":
            url = str(entry(query, "url") or "").strip()
            if not url:
                raise UsageError("Type or paste the address of a picture first.")
            data = self._service.fetch(url)
            name = Path(urlsplit(url).path).name or url
            return self._uploads.keep(data, name) | {"url": url} | _edits(query)
        if kind == "random":
            drawn_from = random.choice(_chosen(gallery).split(","))
            drawn = self._service.random_images(drawn_from, 1)[0]
            return image_reference(drawn_from, drawn)
        if kind == "image":
            shown_from = _chosen(entry(query, "gallery") or gallery).partition(",")[0]
            row = id_of(self._service, shown_from, entry(query, "id"))
            image = self._service.image(shown_from, row)
            return image_reference(shown_from, image) | _edits(query)
        if kind == "file":
            return self._uploads.known(query) | _edits(query)
        raise UsageError("There is no picture to search with yet: drop or choose one.")

    def _results(
        self, reference: Reference | None, gallery: str, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        query, edit = None, Edit()
        if reference is not None:
            gallery = _led_by(entry(reference, "gallery"), gallery)
            query, edit = query_and_edit(
                reference, gallery.partition(",")[0], self._service, self._uploads
            )
        given = {name: value for name, value in request.items() if name in BY_NAME}
        for name in {"more", "less"} & given.keys():
            given[name] = self._examples(entry(request, name), gallery)
        given |= {"gallery": gallery, "turns": edit.quarter_turns}
        given |= {"mirrored": edit.mirrored, "box": edit.box}
        if given.get("sort") and not self._has(gallery, str(given["sort"])):
            given["sort"] = "path"  # the order was chosen where there is such a column
        search = SearchRequest.of(query, **{"k": MAX_K} | given)
        nearest = self._service.answer(
            replace(search, label="")
        )  # counted for the choice of labels
        result = nearest
        if search.label:
            try:
                result = self._service.answer(search)
            except NotFoundError:  # a label from a link, or from another gallery
                result = replace(nearest, hits=())
        answer = search_answer(result)
        return {
            "hits": answer.pop("results"),
            **answer,
            "listed": result.listed,
            "nearest": _label_counts(nearest),
        }

    def _has(self, gallery: str, sort: str) -> bool:
        return sort.removeprefix("-") in {BY_SCORE, *self._service.columns(gallery)}

    def _examples(self, given: Any, gallery: str) -> Any:
        """Return further pictures: ids as they are, references as the images or files they are."""
        if not isinstance(given, list):
            return given  # refused as no list
        first = gallery.partition(",")[0]
        read = partial(example_of, gallery=first, service=self._service, uploads=self._uploads)
        return [read(each) if isinstance(each, dict) else each for each in given]


def _led_by(first: object, gallery: str) -> str:
    """Return the names of several galleries with the query's own first, whose ids it has."""
    names = gallery.split(",")
    return ",".join(sorted(names, key=lambda each: each != first)) if first in names else gallery


def answering(function: Callable[[Mapping[str, Any]], Answer]) -> Callable[[Any], Answer]:
    """Return the function with an AppError turned into {"message": its sentence}."""

    def answer(request: Any) -> Answer:
        try:
            return function(entries(request))
        except AppError as exc:
            return {"message": str(exc)}

    answer.__name__ = function.__name__
    return answer


def _label_counts(nearest: SearchResult) -> dict[str, Any]:
    """Return how many results there are, and how many of each label, the most frequent first.

    A result has the labels of all its places: chosen, they find it.
    """
    counts = Counter(
        label
        for hit in nearest.hits
        for label in {label for image in (hit.image, *hit.places) for label in image.labels}
    )
    labels = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return {"images": len(nearest.hits), "labels": labels}


def _edits(query: Mapping[str, Any]) -> dict[str, Any]:
    edit = edit_of(query)
    checked = {
        "turns": edit.quarter_turns,
        "mirrored": edit.mirrored,
        "box": list(astuple(edit.box)) if edit.box else None,
    }
    return {key: value for key, value in checked.items() if key in query}


def _chosen(gallery: object) -> str:
    if not gallery:
        raise UsageError("There is no gallery to search in yet: make one first.")
    return str(gallery)
