"""A search request → its answer, start to end; and the galleries and images that doors show."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.embed import LoadEmbedder
from app.errors import ModelError
from app.gallery import read_apart
from app.images import encode, formats
from app.search.among import Counts, among, check_columns, counts
from app.search.background import BackgroundFinding, FindingProgress
from app.search.duplicates import Duplicates, Found, find_duplicates, kinds_of
from app.search.galleries import Galleries, SearchableGallery
from app.search.listing import (
    AS_FILTER,
    asked_columns,
    check_has_vector,
    is_listing,
    listed_in_all,
    sorted_as_asked,
    widened_by_offset,
    without_first,
)
from app.search.model_cache import Models
from app.search.pairs import OnProgress
from app.search.picture import File, Item, Query, Url
from app.search.query import Queries, QueryVector
from app.search.question import SearchRequest
from app.search.rank import Ranking, hits_of, rank
from app.search.several import merged
from app.search.timing import Stopwatch
from app.search.verify import ReadOriginal, seek
from app.values import MEANING, WRITTEN, Edit, Hit, ImageRecord, SearchResult
from app.values.gallery import GalleryInfo

if TYPE_CHECKING:
    from app.values.board import Board

_AS_IT_IS = Edit()
SIDE_BY_SIDE = 8
"""Requests of one call that are worked on together: two batches of the network."""
LOOKED_UP_AT_ONCE = 1000  # images; SQLite takes 32766 question marks


class Watcher(Protocol):
    """Sees every search, whichever door it came by. For many threads."""

    def search_began(self) -> None:
        """Take note that a search is in progress."""

    def search_ended(self, result: SearchResult | None) -> None:
        """Take note of its result, None where it failed."""


class SearchService:
    """The search service of every door. For many threads; keeps no visitor's picture."""

    def __init__(
        self,
        *,
        datasets_dir: Path,
        features_dir: Path,
        indexes_dir: Path,
        load_embedder: LoadEmbedder,
        fetch: Callable[[str], bytes],
        at_once: int = 2,
        finding_board: "Board[FindingProgress] | None" = None,
    ) -> None:
        """Take folders and functions; at most `at_once` pictures are decoded together.

        On `finding_board` several processes see each other's searches for duplicates.
        """
        self._galleries = Galleries(
            datasets_dir=datasets_dir,
            features_dir=features_dir,
            indexes_dir=indexes_dir,
            models=Models(load_embedder),
        )
        self._fetch = fetch
        self._queries = Queries(self._galleries, fetch=fetch, at_once=at_once)
        self._watchers: list[Watcher] = []
        self._finding = BackgroundFinding(self._find_duplicates, finding_board)

    def answer(self, request: SearchRequest) -> SearchResult:
        """Return the images nearest to a request's query; an AppError's message is for people."""
        with self._watched() as report:
            watch = Stopwatch()
            galleries = self._galleries.asked(request.gallery)
            check_columns(galleries, asked_columns(request))
            if is_listing(galleries[0], request):
                return report(listed_in_all(galleries, request, watch))
            widened = widened_by_offset(request)
            results = self._compared(galleries, widened, watch)
            result = results[0]
            if len(results) > 1:
                result = merged(results, widened.k, watch.timings())
            return report(sorted_as_asked(without_first(result, request), request))

    def _compared(
        self, galleries: Sequence[SearchableGallery], request: SearchRequest, watch: Stopwatch
    ) -> list[SearchResult]:
        """Return what each of some galleries finds by a query's vector.

        A gallery of texts whose model is not here looks for words as they are written.
        """
        try:
            queries = self._queries.vectors_of(galleries, request, watch)
        except ModelError as exc:
            why = str(exc.__cause__ or exc)  # without what cannot be searched with: words can
            off = [replace(each, texts_off=why) for each in galleries if each.holds_texts]
            if not off or not is_listing(off[0], request):
                raise
            return [listed_in_all(off, request, watch)]
        return [
            _answer(gallery, query, request, watch, self._galleries.originals.read)
            for gallery, query in zip(galleries, queries, strict=True)
        ]

    def answer_all(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        """Return the answer to each request, in their order; the first error is raised.

        They are worked on side by side, and pictures that are embedded at the same time share
        batches: for many this takes less time than one after the other.
        """
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="search") as pool:
            return list(pool.map(self.answer, requests))

    def search(
        self, gallery: str, query: bytes | str | int | Query, **parameters: Any
    ) -> SearchResult:
        """Answer a query: a picture's bytes, its URL or an image's id.

        `parameters` are the fields of `SearchRequest`; an `edit` may stand for its three.
        """
        edit: Edit | None = parameters.pop("edit", None)
        if edit is not None:
            parameters |= {"box": edit.box, "turns": edit.quarter_turns % 4}
            parameters |= {"mirrored": edit.mirrored}
        return self.answer(SearchRequest.of(_query(query), gallery=gallery, **parameters))

    def embed(self, request: SearchRequest) -> NDArray[np.float32]:
        """Return the (dim,) unit vector of a request's query, as `answer` compares it."""
        gallery = self._galleries.asked(request.gallery)[0]
        check_has_vector(gallery, request)
        return self._queries.vector_of(gallery, request, Stopwatch()).vector

    def preview(self, data: bytes, edit: Edit = _AS_IT_IS) -> bytes:
        """Return a PNG of an edited picture, for browsers that cannot show the file itself.

        A whole picture is made no larger than needed to look at; a part keeps every pixel.
        """
        return self._queries.preview(data, edit)

    def fetch(self, url: str) -> bytes:
        """Return the picture at a URL, within the limits of `app.images.fetch`."""
        return self._fetch(url)

    def watch(self, watcher: Watcher) -> None:
        """Let `watcher` see every search from now on."""
        self._watchers.append(watcher)

    # --- galleries -------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of the galleries on disk, damaged ones too, in alphabetical order."""
        return self._galleries.names()

    def galleries(self) -> list[GalleryInfo]:
        """Return every gallery on disk, the refused ones with the reason."""
        return self._galleries.infos()

    def together(self) -> list[GalleryInfo]:
        """Return the galleries that can be searched together, as one: all of each model."""
        return self._galleries.together()

    def gallery(self, name: str) -> GalleryInfo:
        """Return a gallery's facts; NotFoundError if there is none of that name.

        Several, with commas between their names, are as one.
        """
        return self._galleries.info(name)

    def default_gallery(self) -> str:
        """Return the first gallery by name that can be searched.

        GalleryError if all are damaged, NotFoundError if there is none.
        """
        return self._galleries.default()

    def folder(self, gallery: str, source: int = 0) -> Path | None:
        """Return the folder that paths of a gallery's `source` start from; None if not known."""
        return self._galleries.folder_of(self._galleries.open(gallery).stored, source)

    def warm_up(self) -> None:
        """Open every gallery and load its model, so that the first query need not wait."""
        self._galleries.warm_up()

    def unreadable(self) -> str:
        """Return why the galleries cannot be read just now, in one sentence; '' where they can."""
        return self._galleries.unreadable()

    def vectors(self, gallery: str) -> NDArray[np.float32]:
        """Return the (images, dim) vectors of a gallery, as stored, in the order of `ids`."""
        stored = self._galleries.open(gallery).stored
        return stored.vectors(stored.ids())

    def ids(self, gallery: str) -> list[int]:
        """Return the ids of all images of a gallery, ascending."""
        ids: list[int] = self._galleries.open(gallery).stored.ids().tolist()
        return ids

    def projected(self, gallery: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, dim) vectors of a gallery for (n, model_dim) unit vectors of its model.

        UsageError for vectors of another length.
        """
        return self._galleries.open(gallery).projected(vectors)

    # --- what is known of images -----------------------------------------------------------------

    def columns(self, gallery: str) -> list[str]:
        """Return what conditions may be put on: the program's own columns, then the metadata's."""
        opened = self._galleries.asked(gallery)
        return list(dict.fromkeys(name for each in opened for name in each.stored.known.columns()))

    def counts(
        self, gallery: str, column: str, *, where: Sequence[str] = (), label: str = ""
    ) -> Counts:
        """Return how many images of a gallery have each value of a column.

        Of those that conditions leave; see `SearchRequest`. UsageError for a column that is none.
        """
        request = SearchRequest.of(None, gallery=gallery, sort=column, where=where, label=label)
        return counts(self._galleries.asked(gallery), column, request)

    # --- duplicates ------------------------------------------------------------------------------

    def duplicates(
        self,
        gallery: str,
        kinds: Collection[str] = (),
        *,
        on_progress: OnProgress = lambda stage, done, total: None,
    ) -> Duplicates:
        """Compare the images of a gallery; return those that show one picture, in groups.

        Of some kinds, all for none; UsageError for others. It takes minutes for 10,000 images.
        """
        kinds = kinds_of(kinds)
        return self._grouped(self._find_duplicates(gallery, on_progress), kinds)

    def start_duplicates(self, gallery: str) -> FindingProgress:
        """Begin to do so in the background; BusyError while such a search is running."""
        self._galleries.open(gallery)
        return self._finding.start(gallery)

    def finding_progress(self, gallery: str) -> FindingProgress:
        """Return how far that is, at no cost."""
        self._galleries.open(gallery)
        return self._finding.progress(gallery)

    def stop_duplicates(self, gallery: str) -> FindingProgress:
        """Stop that at its next step, if it is running for this gallery."""
        self._galleries.open(gallery)
        return self._finding.stop(gallery)

    def duplicates_progress(
        self, gallery: str, kinds: Collection[str] = ()
    ) -> tuple[FindingProgress, Duplicates | None]:
        """Return how far that is, and what the last search has found, less what is apart now."""
        self._galleries.open(gallery)
        progress = self._finding.progress(gallery)
        return progress, self._grouped(progress.found, kinds) if progress.found else None

    def close(self) -> None:
        """Stop the search in the background and wait until it has stopped; `warm_up` ends soon."""
        self._galleries.close()
        self._finding.close()

    def _find_duplicates(self, gallery: str, on_progress: OnProgress) -> Found:
        return find_duplicates(self._galleries.open(gallery).stored, on_progress)

    def _grouped(self, found: Found, kinds: Collection[str]) -> Duplicates:
        stored = self._galleries.open(found.gallery).stored
        grouped = found.duplicates(kinds, read_apart(stored.folders))
        return replace(grouped, outdated=stored.manifest.generation != found.generation)

    # --- images ----------------------------------------------------------------------------------

    def id_of(self, gallery: str, public_id: str) -> int:
        """Return the row of the image with the id `public_id`; NotFoundError if there is none.

        The id is the key from the list of pictures that the gallery was made of, or the row itself.
        """
        return self._galleries.open(gallery).stored.id_of(public_id)

    def image(self, gallery: str, image: int) -> ImageRecord:
        """Return one image of a gallery; NotFoundError if there is none of that id."""
        return self._galleries.open(gallery).stored.images([image])[0]

    def images(self, gallery: str, images: Sequence[int]) -> list[ImageRecord]:
        """Return some images of a gallery, in their order; NotFoundError if one is not there."""
        stored, size = self._galleries.open(gallery).stored, LOOKED_UP_AT_ONCE
        parts = (images[start : start + size] for start in range(0, len(images), size))
        return [record for part in parts for record in stored.images(part)]

    def random_images(self, gallery: str, count: int) -> list[ImageRecord]:
        """Return up to `count` images of a gallery, drawn afresh at each call."""
        stored = self._galleries.open(gallery).stored
        return stored.images(stored.random_ids(count))

    def thumbnail(self, gallery: str, image: int) -> bytes:
        """Return the small WebP picture of an image; NotFoundError if there is none of that id.

        Of a text it is a grey card.
        """
        return self._galleries.open(gallery).stored.thumbnail(image) or encode.no_picture()

    def picture(self, gallery: str, image: int) -> tuple[bytes, str]:
        """Return the original file of an image and its media type.

        NotFoundError if it is not on this machine, or another picture is in its place; the message
        says which command helps.
        """
        stored = self._galleries.open(gallery).stored
        record = stored.images([image])[0]
        data = self._galleries.originals.read(stored, record)
        kind = formats.by_suffix(record.path) or formats.recognise(data)
        return data, kind.media_type if kind else "application/octet-stream"

    def original(self, gallery: str, image: int) -> Path:
        """Return where the original file of an image is, which may hold another picture by now.

        NotFoundError, as of `picture`, if no file is there.
        """
        stored = self._galleries.open(gallery).stored
        return self._galleries.originals.path(stored, stored.images([image])[0])

    @contextmanager
    def _watched(self) -> Iterator[Callable[[SearchResult], SearchResult]]:
        """Report a search to the watchers; the function it gives takes the result."""
        watchers, results = tuple(self._watchers), []

        def report(result: SearchResult) -> SearchResult:
            results.append(result)
            return result

        for watcher in watchers:
            watcher.search_began()
        try:
            yield report
        finally:
            for watcher in watchers:
                watcher.search_ended(results[0] if results else None)


def _query(query: bytes | str | int | Query) -> Query:
    if isinstance(query, bytes):
        return File(query)
    if isinstance(query, str):
        return Url(query)
    return query if isinstance(query, File | Url | Item) else Item(query)


def _answer(
    gallery: SearchableGallery,
    query: QueryVector,
    request: SearchRequest,
    watch: Stopwatch,
    read_original: ReadOriginal,
) -> SearchResult:
    started = time.perf_counter()
    chosen = among(gallery, request)
    allowed = None if chosen is None else chosen.tolist()
    ranking = rank(gallery, query, request, allowed)
    # FAISS takes the shortlist and re-ranks it in one call: both are the shortlist's time.
    stage = "rerank" if ranking.exact else "shortlist"
    watch.add(stage, time.perf_counter() - started)
    with watch.measure("verify"):
        found = seek(
            gallery.stored,
            query,
            list(ranking.scores),
            None if allowed is None else frozenset(allowed),
            read_original,
        )
        sources = [
            image
            for image, match in found.matches.items()
            if match.is_source and (image in ranking.scores or image not in query.own)
        ]
        if sources:
            ranking = ranking.with_sources(sources, gallery.index, query.vector, request)
    with watch.measure("lookup"):
        hits = hits_of(gallery, query, ranking, found.matches)
    return replace(
        _result(gallery, query, request, ranking, hits, watch),
        sought=found.sought,
        too_simple=found.too_simple,
    )


def _result(
    gallery: SearchableGallery,
    query: QueryVector,
    request: SearchRequest,
    ranking: Ranking,
    hits: tuple[Hit, ...],
    watch: Stopwatch,
) -> SearchResult:
    index, manifest = gallery.index, gallery.stored.manifest
    recall = manifest.recall_raw if index.approximate else manifest.recall_reranked
    as_filter = request.says and not query.of_words
    return SearchResult(
        gallery=gallery.stored.name,
        hits=hits,
        approximate=index.approximate,
        exact=ranking.exact,
        candidates=ranking.candidates,
        recall=1.0 if ranking.exact else recall,
        timings=watch.timings(),
        notes=(*query.notes, *_expansion_note(gallery), *([AS_FILTER] if as_filter else [])),
        # How near unrelated pictures come is known of pictures, not of words.
        floor=None if index.approximate or query.of_words else gallery.floor,
        best=ranking.best,
        words=(MEANING if query.of_words else WRITTEN) if request.says else "",
    )


def _expansion_note(gallery: SearchableGallery) -> Iterator[str]:
    if gallery.expansion is not None:
        yield (
            f"Scores are cosines to the query with its {gallery.expansion.neighbours} nearest "
            "images added, as this gallery was made to ask."
        )
