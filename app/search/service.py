"""The query, start to end: bytes, a URL or an image's id → the most similar images of a gallery."""

import hashlib
import mimetypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol

import numpy as np
from numpy.typing import NDArray

from app.embed import Embedder
from app.errors import NotFoundError, UsageError
from app.images import decode
from app.index import VectorIndex
from app.search.galleries import Galleries, Opened
from app.search.model_cache import Models
from app.values import Edit, Example, GalleryInfo, Hit, ImageRecord, SearchResult, Timings

MAX_K = 200
DISPLAY_SIDE = 1024
AS_IT_IS = Edit()
_NEARLY_EQUAL = 0.95  # cosine; resized and recompressed copies of Caltech101's images are above it
_LEAST_LENGTH = 1e-3
_AT_ONCE = 1000  # images that are looked up; SQLite takes 32766 question marks
_Asked = ParamSpec("_Asked")


@dataclass(frozen=True)
class _Embedding:
    vector: NDArray[np.float32]
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """Scores by id, best first; the ids that the index would have missed; how it was searched."""

    scores: dict[int, float]
    missed: set[int]
    exact: bool
    candidates: int

    def without(self, ids: Sequence[int]) -> "_Found":
        left_out = set(ids)
        scores = {image: score for image, score in self.scores.items() if image not in left_out}
        return replace(self, scores=scores, missed=self.missed - left_out)

    def led_by(self, ids: Sequence[int], scores: NDArray[np.float32]) -> "_Found":
        """Return the same after `ids`, which count as not missed, with their scores."""
        first = dict(zip(ids, scores.tolist(), strict=True))
        return replace(self, scores=first | self.scores, missed=self.missed - set(ids))


class Watcher(Protocol):
    """Sees every search, whichever door it came by. For many threads."""

    def search_began(self) -> None:
        """Take note that a search is in progress."""

    def search_ended(self, result: SearchResult | None) -> None:
        """Take note of its result, None where it failed."""


def _watched(
    search: Callable[Concatenate["SearchService", _Asked], SearchResult],
) -> Callable[Concatenate["SearchService", _Asked], SearchResult]:
    """Tell the service's watchers of every search."""

    @wraps(search)
    def watched(
        self: "SearchService", /, *arguments: _Asked.args, **options: _Asked.kwargs
    ) -> SearchResult:
        watchers = tuple(self._watchers)
        result = None
        for watcher in watchers:
            watcher.search_began()
        try:
            result = search(self, *arguments, **options)
        finally:
            for watcher in watchers:
                watcher.search_ended(result)
        return result

    return watched


class SearchService:
    """Every door of the application asks this. For many threads; keeps no visitor's data."""

    def __init__(
        self,
        *,
        datasets_dir: Path,
        features_dir: Path,
        indexes_dir: Path,
        load_embedder: Callable[[str], Embedder],
        fetch: Callable[[str], bytes],
        at_once: int = 2,
    ) -> None:
        """Take the folders and what is asked for; `at_once` pictures are decoded, others wait."""
        self._galleries = Galleries(
            datasets_dir=datasets_dir,
            features_dir=features_dir,
            indexes_dir=indexes_dir,
            models=Models(load_embedder),
        )
        self._fetch = fetch
        # A small file may be a picture of hundreds of megabytes, and threads are many.
        self._working = threading.BoundedSemaphore(at_once)
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Let `watcher` see every search from now on."""
        self._watchers.append(watcher)

    def names(self) -> list[str]:
        """Return the names of the galleries on disk, damaged ones too, in alphabetical order."""
        return self._galleries.names()

    def galleries(self) -> list[GalleryInfo]:
        """Return every gallery on disk, the refused ones with the reason."""
        return self._galleries.infos()

    def gallery(self, name: str) -> GalleryInfo:
        """Return what there is to say of one gallery; NotFoundError if there is none."""
        return self._galleries.info(name)

    def default_gallery(self) -> str:
        """Return the first gallery by name that can be searched.

        GalleryError if all are damaged, NotFoundError if there is none.
        """
        return self._galleries.default()

    def folder(self, gallery: str) -> Path | None:
        """Return the folder that a gallery's paths start from; None where it is not known here."""
        return self._galleries.folder_of(self._galleries.open(gallery).gallery)

    def warm_up(self) -> None:
        """Open every gallery and load its model, so that the first query need not wait."""
        self._galleries.warm_up()

    @_watched
    def search(
        self,
        gallery: str,
        query: bytes | str | int,
        *,
        k: int = 10,
        edit: Edit = AS_IT_IS,
        examples: Sequence[Example] = (),
        exact: bool = False,
        label: str = "",
        min_score: float = -1.0,
        leave_out_same_file: bool = False,
    ) -> SearchResult:
        """Return the k images nearest to `query`: a picture's bytes, its URL, or an image's id.

        `edit` is done to the query first. With `examples`, images of the same gallery, the score is
        the cosine to the unit vector along the query's own plus each example's, times its weight
        (Rocchio, Relevance Feedback in Information Retrieval, 1971). Images whose file is the
        query's own file come first, marked; or are left out. An `exact` search marks what the index
        would have missed. With a `label` every image that has it is compared, and no other. A whole
        image of the gallery is searched by its stored vector. A gallery that expands queries adds
        the nearest images to the vector before it is compared, by whichever way. Raises an AppError
        whose message is for people.
        """
        if not 1 <= k <= MAX_K:
            raise UsageError(f"k must be from 1 to {MAX_K}, not {k}.")
        if not -1 <= min_score <= 1:  # nor is NaN
            raise UsageError(f"The least score is a cosine, from -1 to 1, not {min_score}.")
        clock = _Clock()
        opened = self._galleries.open(gallery)
        embedding = self._embed_query(opened, query, edit, clock)
        index, manifest = opened.index, opened.gallery.manifest
        same = opened.gallery.ids_of_content(embedding.sha256)
        with clock.measure("rerank"):
            own = _own(query, same)
            vector = opened.as_asked(_moved(embedding.vector, examples, opened), own)
        among = opened.gallery.ids_of_label(label) if label else None
        if among is not None:
            same = sorted(set(same) & set(among))
        asked = k + len(same) if leave_out_same_file else k
        found = _nearest(index, vector, asked, clock, exact=exact, among=among)
        if leave_out_same_file:
            found = found.without(same)
        elif same and edit.is_nothing and not examples:
            # The file itself is an answer whether or not the shortlist holds it.
            found = found.led_by(same, index.scores(vector, np.array(same, np.int64)))
        ids = [image for image, score in found.scores.items() if score >= min_score][:k]
        with clock.measure("lookup"):
            images = opened.gallery.images(ids)
        copies = _near_duplicates(index, ids)
        hits = tuple(
            Hit(
                image,
                found.scores[image.id],
                rank,
                same_file=image.id in same,
                duplicate_of=copies.get(rank),
                missed=image.id in found.missed,
            )
            for rank, image in enumerate(images, 1)
        )
        recall = manifest.recall_raw if index.approximate else manifest.recall_reranked
        return SearchResult(
            gallery=gallery,
            hits=hits,
            approximate=index.approximate,
            exact=found.exact,
            candidates=found.candidates,
            recall=1.0 if found.exact else recall,
            timings=clock.timings(),
            notes=(*embedding.notes, *_expansion_note(opened)),
            floor=None if index.approximate else manifest.floor,
        )

    def embed(
        self, gallery: str, query: bytes | str | int, *, edit: Edit = AS_IT_IS
    ) -> NDArray[np.float32]:
        """Return the (dim,) unit vector of a query, as `search` compares it; see there."""
        opened = self._galleries.open(gallery)
        embedding = self._embed_query(opened, query, edit, _Clock())
        same = opened.gallery.ids_of_content(embedding.sha256)
        return opened.as_asked(embedding.vector, _own(query, same))

    def vectors(self, gallery: str) -> NDArray[np.float32]:
        """Return the (images, dim) vectors of a gallery, as stored, in the order of the rows."""
        index = self._galleries.open(gallery).index
        return index.vectors(np.arange(index.rows))

    def projected(self, gallery: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a gallery's (n, dim) vectors of (n, model_dim) unit vectors of its model.

        UsageError for vectors of another length.
        """
        return self._galleries.open(gallery).of_model(vectors)

    def id_of(self, gallery: str, public_id: str) -> int:
        """Return the id of the image that people know by `public_id`; NotFoundError if none is.

        That is the key from the list of pictures that the gallery was made of, or the id itself.
        """
        return self._galleries.open(gallery).gallery.id_of(public_id)

    def image(self, gallery: str, image: int) -> ImageRecord:
        """Return one image of a gallery; NotFoundError if there is none of that id."""
        return self._galleries.open(gallery).gallery.images([image])[0]

    def images(self, gallery: str, images: Sequence[int]) -> list[ImageRecord]:
        """Return some images of a gallery, in their order; NotFoundError if one is not there."""
        opened = self._galleries.open(gallery).gallery
        parts = (images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE))
        return [record for part in parts for record in opened.images(part)]

    def random_images(self, gallery: str, count: int) -> list[ImageRecord]:
        """Return up to `count` images of a gallery, drawn afresh at each call."""
        opened = self._galleries.open(gallery).gallery
        return opened.images(opened.random_ids(count))

    def thumbnail(self, gallery: str, image: int) -> bytes:
        """Return the small WebP picture of an image; NotFoundError if there is none of that id."""
        return self._galleries.open(gallery).gallery.thumbnail(image)

    def picture(self, gallery: str, image: int) -> tuple[bytes, str]:
        """Return the original file of an image and its media type.

        NotFoundError if it is not on this machine; the message says which command fetches it.
        """
        opened = self._galleries.open(gallery).gallery
        record = opened.images([image])[0]
        data = self._galleries.file_of(opened, record)
        if data is None:
            missing = self._galleries.pictures_missing(opened)
            raise NotFoundError(missing or f"{record.path} is missing.")
        return data, mimetypes.guess_type(record.path)[0] or "application/octet-stream"

    def fetch(self, url: str) -> bytes:
        """Return the picture at a URL, within the limits of `app.images.fetch`."""
        return self._fetch(url)

    def preview(self, data: bytes, edit: Edit = AS_IT_IS) -> bytes:
        """Return a PNG of an edited picture, for browsers that cannot show the file itself.

        A whole picture is made no larger than needed to look at; a part keeps every pixel.
        """
        shown = None if edit.box else DISPLAY_SIDE
        with self._working:
            image = _edited(decode.decode(data, min_side=shown), edit)
            return decode.encode_png(image, longer_side=shown)

    def _embed_query(
        self, opened: Opened, query: bytes | str | int, edit: Edit, clock: "_Clock"
    ) -> _Embedding:
        notes: tuple[str, ...] = ()
        if isinstance(query, int) and edit.is_nothing:
            record = opened.gallery.images([query])[0]
            return _Embedding(opened.index.vector(query), record.sha256)
        embedder = self._galleries.embedder_of(opened)
        if isinstance(query, int):
            record = opened.gallery.images([query])[0]
            data = self._galleries.file_of(opened.gallery, record)
            if data is None:
                data = opened.gallery.thumbnail(query)
                notes = ("The thumbnail was edited: the original is not here.",)
            sha256 = record.sha256
        elif isinstance(query, str):
            with clock.measure("fetch"):
                data = self._fetch(query)
            sha256 = hashlib.sha256(data).hexdigest()
        else:
            data, sha256 = query, hashlib.sha256(query).hexdigest()
        with self._working:
            with clock.measure("decode"):
                # Decoded like the gallery's own images, so that the same file has the same vector.
                side = None if edit.box else embedder.decoded_side
                image = _edited(decode.decode(data, min_side=side), edit)
            with clock.measure("embed"):
                vectors = embedder.embed([image])
        return _Embedding(opened.of_model(vectors)[0], sha256, notes)


def _edited(image: NDArray[np.uint8], edit: Edit) -> NDArray[np.uint8]:
    if edit.quarter_turns % 4:
        image = decode.rotate(image, edit.quarter_turns)
    if edit.mirrored:
        image = decode.mirror(image)
    return decode.crop(image, edit.box) if edit.box else image


def _own(query: bytes | str | int, same: Sequence[int]) -> list[int]:
    """Return the images that are the query itself: they would only expand it by itself."""
    return [*same, query] if isinstance(query, int) else list(same)


def _expansion_note(opened: Opened) -> Iterator[str]:
    if opened.expansion is not None:
        yield (
            f"Scores are cosines to the query with its {opened.expansion.neighbours} nearest "
            "images added, as this gallery was made to ask."
        )


def _moved(
    vector: NDArray[np.float32], examples: Sequence[Example], opened: Opened
) -> NDArray[np.float32]:
    """Return the unit vector along the query's own and the weighted examples'."""
    if not examples:
        return vector
    opened.gallery.images([example.image for example in examples])  # NotFoundError if one is not
    total = vector + sum(
        np.float32(example.weight) * opened.index.vector(example.image) for example in examples
    )
    length = np.linalg.norm(total)
    if not np.isfinite(length) or length < _LEAST_LENGTH:
        raise UsageError("The examples cancel the query out: take one of them away.")
    moved: NDArray[np.float32] = (total / length).astype(np.float32)
    return moved


def _nearest(
    index: VectorIndex,
    vector: NDArray[np.float32],
    k: int,
    clock: "_Clock",
    *,
    exact: bool,
    among: Sequence[int] | None = None,
) -> _Found:
    """Return the k images nearest to a vector; an exact search asks the index too, to compare.

    `among` some images each is compared, whatever the index would have found.
    """
    if among is not None:
        with clock.measure("rerank"):
            found = index.search_among(vector, k, np.array(among, np.int64))
        scores = dict(zip(found.rows[0].tolist(), found.scores[0].tolist(), strict=True))
        return _Found(scores, set(), exact=not index.approximate, candidates=len(among))
    with clock.measure("rerank"):
        found = index.search(vector[None], k, exact=exact)
    scores = dict(zip(found.rows[0].tolist(), found.scores[0].tolist(), strict=True))
    if index.approximate or not (exact or index.exact_only):
        clock.take("rerank", "shortlist", index.shortlist_seconds(vector, k))
        return _Found(scores, set(), exact=False, candidates=found.candidates)
    missed: set[int] = set()
    if not index.exact_only:
        missed = set(scores) - set(index.search(vector[None], k).rows[0].tolist())
    return _Found(scores, missed, exact=True, candidates=index.rows)


def _near_duplicates(index: VectorIndex, ids: Sequence[int]) -> dict[int, int]:
    """Return, by rank, the rank of a better result that an image nearly equals.

    Nothing where the vectors are not here: many images share a code.
    """
    if index.approximate or not ids:
        return {}
    vectors = index.vectors(np.array(ids, np.int64))
    alike = vectors @ vectors.T >= _NEARLY_EQUAL
    first = alike.argmax(axis=1)  # the best result that each one equals, or itself
    return {rank: int(of) + 1 for rank, of in enumerate(first, 1) if of + 1 < rank}


class _Clock:
    """Milliseconds by stage, from the moment it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        before = time.perf_counter()
        yield
        self._spent[stage] = self._spent.get(stage, 0.0) + 1000 * (time.perf_counter() - before)

    def take(self, stage: str, part: str, seconds: float) -> None:
        """Say that `part` of what was measured as `stage` took so long."""
        self._spent[part] = min(1000 * seconds, self._spent[stage])
        self._spent[stage] -= self._spent[part]

    def timings(self) -> Timings:
        return Timings(**self._spent, total=1000 * (time.perf_counter() - self._started))
