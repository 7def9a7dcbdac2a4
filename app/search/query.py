"""A query → the vector that a gallery's own are compared with."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.errors import NotFoundError, QueryError, UsageError
from app.features import of_query
from app.images import decode, encode
from app.images.edit import apply_edit
from app.search.galleries import Galleries, SearchableGallery
from app.search.picture import Example, File, Item, Query, Url, is_address
from app.search.question import LESS_WEIGHT, MAX_PICTURES, MORE_WEIGHT, SearchRequest
from app.search.timing import Stopwatch
from app.search.turns import Turns
from app.values import MOST_ELONGATED, Edit, elongation
from app.values.features import LocalFeatures
from app.values.vectors import unit

DISPLAY_SIDE = 1024
_AS_IT_IS = Edit()
_LEAST_LENGTH = 1e-3
_MOST_VECTORS = 256  # some MB
_LOOKED_AT_SIDE = 256  # pixels of the shorter side, that copies are looked for with

Vector = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class QueryVector:
    """A query's (dim,) unit vector, and the ids of the gallery's images that are its own file.

    `is_plain` says that the picture is searched as it is: no edit, no examples. `sha256` is its
    content's hash, '' where that is not known. `picture` is what it shows, None where examples
    or words have moved it elsewhere; `of_words` says that words have.
    """

    vector: Vector
    own: list[int]
    is_plain: bool
    notes: tuple[str, ...] = ()
    sha256: str = ""
    before_expansion: Vector | None = None
    picture: "QueryPicture | None" = None
    of_words: bool = False


class QueryPicture:
    """What a query shows, as edited: looked at only where copies of it are looked for."""

    def __init__(self, read: Callable[[], Pixels]) -> None:
        self._read = read

    @cached_property
    def pixels(self) -> Pixels:
        """The upright (height, width, 3) RGB pixels."""
        return self._read()

    @cached_property
    def mirrored_pixels(self) -> Pixels:
        """The same, mirrored left to right."""
        return np.ascontiguousarray(self.pixels[:, ::-1])

    @cached_property
    def features(self) -> LocalFeatures:
        """Its local features."""
        return of_query(self.pixels)


class _LastVectors:
    """The vectors of the pictures that were searched with last: they are when filters change.

    The notes on each are kept with it; no picture is.
    """

    def __init__(self) -> None:
        self._vectors: OrderedDict[Hashable, tuple[Vector, tuple[str, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, made_of: Hashable) -> tuple[Vector, tuple[str, ...]] | None:
        """Return the vector that was made of this, and notes; None if it is not among the last."""
        with self._lock:
            vector = self._vectors.get(made_of)
            if vector is not None:
                self._vectors.move_to_end(made_of)
            return vector

    def put(self, made_of: Hashable, vector: tuple[Vector, tuple[str, ...]]) -> None:
        """Keep a vector and its notes; the one that was not asked for longest goes."""
        with self._lock:
            self._vectors[made_of] = vector
            if len(self._vectors) > _MOST_VECTORS:
                self._vectors.popitem(last=False)


class Queries:
    """Prepares queries as the gallery's own images were. For many threads."""

    def __init__(
        self, galleries: Galleries, *, fetch: Callable[[str], bytes], at_once: int
    ) -> None:
        self._galleries = galleries
        self._fetch = fetch
        # A small file may be a picture of hundreds of megabytes, and threads are many.
        self._decoding = Turns(at_once)
        self._vectors = _LastVectors()

    def vector_of(
        self, gallery: SearchableGallery, request: SearchRequest, watch: Stopwatch
    ) -> QueryVector:
        """Return the vector that a request's query is compared with; see `SearchRequest`.

        A whole image of the gallery has its stored vector already. Words, where the model knows
        texts, and examples add their vectors, times their weights, and the sum is brought to
        length 1. A gallery that expands queries then adds the nearest images.
        """
        vector: Vector | None = None
        picture: QueryPicture | None = None
        sha256 = ""
        notes: tuple[str, ...] = ()
        if request.query is not None:
            vector, sha256, notes, picture = self._embedded(
                gallery, request.query, request.edit, watch
            )
        own = gallery.stored.ids_of_content(sha256)
        itself = [*own, *_row_of(gallery, request.query)]  # else it would be expanded by itself
        of_words = gallery.knows_texts and bool(request.says or request.without.strip())
        others = self._embedded_texts(gallery, request, watch) if of_words else []
        others += self._embedded_examples(gallery, request, watch)
        with watch.measure("rerank"):
            weight = 1 - request.words_weight if of_words and request.says else 1
            moved = _moved(vector, weight, others)
            compared = gallery.expand_query(moved, itself)
        alone = not (request.more or request.less or of_words)
        return QueryVector(
            compared,
            own,
            is_plain=alone and request.edit.is_nothing,
            notes=notes,
            sha256=sha256,
            before_expansion=moved,
            picture=picture if alone and request.copies else None,
            of_words=of_words,
        )

    def vectors_of(
        self, galleries: Sequence[SearchableGallery], request: SearchRequest, watch: Stopwatch
    ) -> list[QueryVector]:
        """Return a request's query for each of some galleries of one model.

        Ids in the request are those of the first.
        """
        first = self.vector_of(galleries[0], request, watch)
        queries = [first]
        for gallery in galleries[1:]:
            own = gallery.stored.ids_of_content(first.sha256)
            assert first.before_expansion is not None
            with watch.measure("rerank"):
                compared = gallery.expand_query(first.before_expansion, own)
            queries.append(replace(first, vector=compared, own=own, notes=()))
        return queries

    def preview(self, data: bytes, edit: Edit) -> bytes:
        """Return a PNG of an edited picture, for browsers that cannot show the file itself.

        A whole picture is made no larger than needed to look at; a part keeps every pixel.
        """
        shown = None if edit.box else DISPLAY_SIDE
        with self._decoding:
            image = apply_edit(decode.decode(data, min_side=shown), edit)
            return encode.encode_png(image, longer_side=shown)

    def _embedded(
        self, gallery: SearchableGallery, query: Query, edit: Edit, watch: Stopwatch
    ) -> tuple[Vector, str, tuple[str, ...], QueryPicture]:
        """Return a picture's own vector, its content's hash, notes on how it was read, itself."""
        if gallery.holds_texts and not (isinstance(query, Item) and edit.is_nothing):
            raise UsageError(
                f"The gallery {gallery.stored.name} holds texts: search it with words, or with the "
                "id of one of its texts."
            )
        squeezed = bool(gallery.stored.manifest.preprocessing.get("squeezed"))
        for row in _row_of(gallery, query) if edit.is_nothing else ():
            record = gallery.stored.images([row])[0]

            def read() -> Pixels:
                data, _, _ = self._read(gallery, query, watch)
                with self._decoding:
                    return decode.decode(data, min_side=_LOOKED_AT_SIDE)

            shape = () if squeezed else _shape_note(record.width, record.height)
            return gallery.index.vector(row), record.sha256, shape, QueryPicture(read)
        embedder = self._galleries.embedder_of(gallery)
        data, sha256, notes = self._read(gallery, query, watch)

        def decoded() -> tuple[Pixels, tuple[str, ...]]:
            # Like the gallery's own images, so that the same file has the same vector.
            side = None if edit.box else embedder.decoded_side
            whole = decode.read(data, min_side=side)
            return apply_edit(whole.pixels, edit), whole.notes

        def read_again() -> Pixels:
            with self._decoding:
                return decoded()[0]

        # What a thumbnail stands for has the hash of the original: `notes` tell them apart.
        made_of = embedder.name, embedder.weights_sha256, embedder.precision, sha256, edit, notes
        known = self._vectors.get(made_of)
        if known is not None:
            vector, notes = known
            return gallery.projected(vector[None])[0], sha256, notes, QueryPicture(read_again)
        with self._decoding, watch.measure("decode"):
            image, on_reading = decoded()
            prepared = embedder.prepare(image)
        with watch.measure("embed"):  # with those of others that come now
            vectors = embedder.embed_prepared([prepared])
        height, width = image.shape[:2]
        notes = (*notes, *on_reading, *(() if squeezed else _shape_note(width, height)))
        self._vectors.put(made_of, (vectors[0], notes))
        return gallery.projected(vectors)[0], sha256, notes, QueryPicture(lambda: image)

    def _embedded_texts(
        self, gallery: SearchableGallery, request: SearchRequest, watch: Stopwatch
    ) -> list[tuple[Vector, float]]:
        """Return the vectors of a request's words, each with its weight."""
        embedder = self._galleries.embedder_of(gallery)
        weight = request.words_weight if request.query is not None else 1.0
        weighted = ((request.says, weight), (request.without.strip(), LESS_WEIGHT))
        vectors = []
        for text, weight in weighted:
            if not text:
                continue
            made_of = embedder.name, embedder.weights_sha256, embedder.precision, "text", text
            known = self._vectors.get(made_of)
            if known is None:
                with watch.measure("embed"):
                    known = embedder.embed_texts([text])[0], ()
                self._vectors.put(made_of, known)
            vectors.append((gallery.projected(known[0][None])[0], weight))
        return vectors

    def _embedded_examples(
        self, gallery: SearchableGallery, request: SearchRequest, watch: Stopwatch
    ) -> list[tuple[Vector, float]]:
        """Return the vectors of a request's further pictures, each with its weight."""
        weighted = ((request.more, MORE_WEIGHT), (request.less, LESS_WEIGHT))
        examples = [
            (example, _row_of_example(gallery, example), weight)
            for given, weight in weighted
            for example in given
        ]
        elsewhere = sum(row is None for _, row, _ in examples)
        if elsewhere > MAX_PICTURES:
            raise UsageError(
                f"more and less may hold at most {MAX_PICTURES} pictures that are not of the "
                f"gallery, not {elsewhere}: add some of them to the gallery first."
            )
        return [
            (self._embedded_example(gallery, example, row, watch), weight)
            for example, row, weight in examples
        ]

    def _embedded_example(
        self, gallery: SearchableGallery, example: Example, row: int | None, watch: Stopwatch
    ) -> Vector:
        if row is not None:
            return gallery.index.vector(row)
        picture = example if isinstance(example, File) else Url(str(example))
        try:
            return self._embedded(gallery, picture, _AS_IT_IS, watch)[0]
        except QueryError as exc:
            raise type(exc)(f"In more and less: {exc}") from exc

    def _read(
        self, gallery: SearchableGallery, query: Query, watch: Stopwatch
    ) -> tuple[bytes, str, tuple[str, ...]]:
        """Return a query's file, its SHA-256, and a note where the file is not the original."""
        if isinstance(query, Item):
            [row] = _row_of(gallery, query)
            record = gallery.stored.images([row])[0]
            try:
                return self._galleries.originals.read(gallery.stored, record), record.sha256, ()
            except NotFoundError as exc:
                note = f"The thumbnail was edited: the original is not here. {exc}"
                return gallery.stored.thumbnail(row), record.sha256, (note,)
        if isinstance(query, Url):
            with watch.measure("fetch"):
                data = self._fetch(query.url)
        else:
            data = query.data
        return data, hashlib.sha256(data).hexdigest(), ()


def _shape_note(width: int, height: int) -> tuple[str, ...]:
    """Return the note on a query of which the network sees little more than the middle square."""
    times = elongation(width, height)
    if times <= MOST_ELONGATED:
        return ()
    shape = "wide as it is high" if width > height else "high as it is wide"
    return (
        f"Only the middle of this picture, which is {times:.1f} times as {shape}, is compared: "
        "choose a part of it to search with that.",
    )


def _row_of_example(gallery: SearchableGallery, example: Example) -> int | None:
    """Return the row of an image of the gallery; None for a file, or an address of none."""
    if isinstance(example, File):
        return None
    try:
        return gallery.stored.id_of(str(example))
    except NotFoundError:
        if is_address(str(example)):
            return None
        raise


def _row_of(gallery: SearchableGallery, query: Query | None) -> list[int]:
    """Return the row of the image that is the query; none for a picture from elsewhere."""
    return [gallery.stored.id_of(str(query.id))] if isinstance(query, Item) else []


def _moved(vector: Vector | None, weight: float, others: Sequence[tuple[Vector, float]]) -> Vector:
    """Return the unit vector along a picture's own and others, each times its weight."""
    if vector is not None and not others:
        return vector
    weighted = [*others, *([] if vector is None else [(vector, weight)])]
    total: NDArray[np.float64] = np.sum([np.float64(by) * each for each, by in weighted], axis=0)
    if np.linalg.norm(total) < _LEAST_LENGTH:
        raise UsageError("The parts of the query cancel each other out: take one of them away.")
    return unit(total)
