"""The Python door: `open_gallery`, `load_embedder` and `VectorStore`, for scripts and notebooks.

docs/python.md shows them; `from app import open_gallery` loads this when it is first used.
"""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from app.doors.python_changes import ChangeableGallery
from app.doors.python_pictures import Picture, bytes_of_picture
from app.embed import NEEDS_NO_DOWNLOAD, Embedder
from app.embed.load import usable_cores
from app.embed.running import Purpose
from app.errors import GalleryError, UsageError
from app.images import decode
from app.images.edit import crop
from app.index import VectorStore
from app.search.picture import (
    Example,
    File,
    Item,
    PublicId,
    Url,
    check_only_one,
    is_address,
    is_id,
    one_query,
)
from app.search.question import DEFAULT_K, SearchRequest
from app.search.service import SearchService
from app.settings import Settings, read_settings
from app.values import Box, ImageRecord, MetadataValue, SearchResult
from app.values.gallery import GalleryInfo
from app.wiring import make_fetch, make_loader, make_service

if TYPE_CHECKING:
    from app.search.duplicates import Duplicates
    from app.search.pairs import OnProgress

__all__ = ["OpenGallery", "PictureEmbedder", "VectorStore", "load_embedder", "open_gallery"]

Query: TypeAlias = Picture | int | ImageRecord | None
Part: TypeAlias = Box | Sequence[float] | None


def open_gallery(name: str = "", *, home: str | os.PathLike[str] | None = None) -> "OpenGallery":
    """Return the gallery called `name`, by default the first that can be searched.

    It lies in the folder `home`, by default that of RIS_HOME; the other settings are read from
    the environment too. NotFoundError names the galleries there are; GalleryError says how to mend
    a damaged one.
    """
    settings = _settings(home)
    service = make_service(settings)
    name = name or service.default_gallery()
    info = service.gallery(name)
    if info.refused:
        raise GalleryError(info.refused)
    return OpenGallery(service, name, settings)


def load_embedder(name: str = NEEDS_NO_DOWNLOAD, *, download: bool = False) -> "PictureEmbedder":
    """Return the model called `name`; with `download`, weights that are not here are fetched.

    A name may end in a pooling (`resnet50.gem`), or be that of a model file in RIS_HOME/models.
    UsageError names the known models, ModelError says why one cannot run here.
    """
    settings = read_settings()

    def load(purpose: Purpose) -> Embedder:
        return make_loader(settings, purpose, download=download)(name)

    return PictureEmbedder(load, settings)


class OpenGallery(ChangeableGallery):
    """One gallery, searched and changed from Python; the answers are those of every other door.

    For any number of threads. A picture is a path, a URL, a file's bytes, a PIL image or an
    (H, W, 3) uint8 array in RGB. A query is a picture, or an image of the gallery: its record, or
    its `public_id`, with `id=` or, if that is an integer, alone. A `box` is a part: left, top,
    right and bottom as fractions from 0 to 1.
    """

    def __init__(self, service: SearchService, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._service = service

    def __len__(self) -> int:
        """Return the number of its images."""
        return self.info.facts.images

    def __repr__(self) -> str:
        """Its name and size, for those who type at a prompt."""
        return f"<gallery {self._name}: {len(self)} images>"

    @property
    def info(self) -> GalleryInfo:
        """The gallery's facts: model, index, recall, sizes."""
        return self._service.gallery(self._name)

    def search(
        self,
        query: Query = None,
        k: int = DEFAULT_K,
        *,
        id: PublicId | None = None,
        **parameters: Any,
    ) -> SearchResult:
        """Return the k images nearest to a query, best first; iterating gives the hits.

        The query is a picture or a record, or the image of the gallery with the public id `id`;
        or `words`, also beside it; or neither, for all images that `where`, `label` and `sort`
        leave. The other parameters are those of every door, as `help` lists them: words_weight,
        without, box, turns, mirrored, more, less, exact, min_score, copies and
        leave_out_same_file. UsageError for others.
        """
        return self._service.answer(self._request(query, id, k=k, **parameters))

    def search_many(
        self, queries: Iterable[Query], k: int = DEFAULT_K, **parameters: Any
    ) -> list[SearchResult]:
        """Return the result of `search` for each of some queries, in their order.

        In less time than one after the other. The first query that cannot be asked raises its
        error, and there are no results.
        """
        return self._service.answer_all(
            [self._request(query, None, k=k, **parameters) for query in queries]
        )

    def embed(
        self, query: Query = None, *, id: PublicId | None = None, **parameters: Any
    ) -> NDArray[np.float32]:
        """Return the (dim,) float32 unit vector of a query, as `search` compares it.

        It may be turned, mirrored and cut to a box, as there.
        """
        return self._service.embed(self._request(query, id, **parameters))

    def image(self, public_id: PublicId) -> ImageRecord:
        """Return the image with this public id; NotFoundError if there is none."""
        return self._service.image(self._name, self._row(public_id))

    def thumbnail(self, image: PublicId | ImageRecord) -> bytes:
        """Return the small WebP picture of an image."""
        return self._service.thumbnail(self._name, self._row(image))

    def vectors(self) -> NDArray[np.float32]:
        """Return all (images, dim) float32 vectors, as stored; row i is that of `images()[i]`."""
        return self._service.vectors(self._name)

    def projected(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, dim) vectors to compare with `vectors()`, for (n, model_dim) of its model.

        `PictureEmbedder` makes those, of texts too. Only a gallery of principal components
        changes them. UsageError for vectors of another length.
        """
        return self._service.projected(self._name, np.asarray(vectors, np.float32))

    def images(self) -> list[ImageRecord]:
        """Return all images, in the order of their vectors."""
        return self._service.images(self._name, self._service.ids(self._name))

    def columns(self) -> list[str]:
        """Return what `where` may put conditions on: path, label, size, …, and the metadata's."""
        return self._service.columns(self._name)

    def counts(
        self, column: str, *, where: Sequence[str] = (), label: str = ""
    ) -> list[tuple[MetadataValue, int]]:
        """Return how many images have each value of a column, the most frequent first.

        Of the whole gallery, or of the images that conditions leave; see `search`.
        """
        return list(self._service.counts(self._name, column, where=where, label=label).values)

    def duplicates(
        self, kinds: Collection[str] = (), *, on_progress: "OnProgress | None" = None
    ) -> "Duplicates":
        """Return its images that show one picture, in groups, the best of each first.

        `kinds` are some of "same file", "same picture" and "edited copy", all for none. It takes
        minutes for 10,000 images; `on_progress` is called with a stage, and how much of it is done.
        """
        return self._service.duplicates(
            self._name, kinds, on_progress=on_progress or (lambda stage, done, total: None)
        )

    def _row(self, image: PublicId | ImageRecord) -> int:
        if isinstance(image, ImageRecord):
            return image.id
        return self._service.id_of(self._name, str(image))

    def _request(self, query: Query, public_id: PublicId | None, **given: Any) -> SearchRequest:
        if "gallery" in given:
            raise UsageError(f"This is the gallery {self._name} already: leave gallery out.")
        checked = None
        if query is not None or public_id is not None:
            check_only_one(("query", query), ("id", public_id))
            checked = _query(query) if public_id is None else one_query(id=public_id)
        for name in {"more", "less"} & given.keys():
            if isinstance(given[name], list | tuple):  # else it is refused
                given[name] = [_example(each) for each in given[name]]
        return SearchRequest.of(checked, gallery=self._name, **given)


class PictureEmbedder:
    """A model, usable by itself: pictures → unit vectors, as a gallery of that model has them.

    A gallery of principal components has them projected: see `OpenGallery.projected`.
    """

    def __init__(self, load: Callable[[Purpose], Embedder], settings: Settings) -> None:
        self._load = load
        self._embedder = load("query")
        self._fetch = make_fetch(settings)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._embedder.name

    @property
    def dim(self) -> int:
        """The dimension of a vector."""
        return self._embedder.dim

    def embed(self, picture: Picture, *, box: Part = None) -> NDArray[np.float32]:
        """Return the (dim,) float32 vector of norm 1 of a picture, or of its part `box`."""
        vector: NDArray[np.float32] = self._embedder.embed([self._decoded(picture, _box(box))])[0]
        return vector

    def embed_many(self, pictures: Iterable[Picture]) -> NDArray[np.float32]:
        """Return the (n, dim) float32 vectors of norm 1 of n pictures, read as they are needed.

        Every processor decodes and embeds a batch of its own, as in a build.
        """
        model, cores, rest = self._for_many, usable_cores(), iter(pictures)

        def embedded(part: Sequence[Picture]) -> NDArray[np.float32]:
            return model.embed_prepared([model.prepare(self._decoded(each)) for each in part])

        found = [np.empty((0, self.dim), np.float32)]
        with ThreadPoolExecutor(cores) as pool:
            while some := list(islice(rest, 2 * cores * model.batch)):
                parts = [some[at : at + model.batch] for at in range(0, len(some), model.batch)]
                found += pool.map(embedded, parts)
        return np.concatenate(found)

    @cached_property
    def _for_many(self) -> Embedder:
        """The same model for batches, loaded when they come."""
        return self._load("build")

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the (n, dim) float32 vectors of norm 1 of n texts, in the space of its pictures.

        `all_minilm_l6_v2` embeds texts alone. UsageError if the model embeds no texts.
        """
        return self._embedder.embed_texts(texts)

    def _decoded(self, picture: Picture, box: Box | None = None) -> NDArray[np.uint8]:
        if isinstance(picture, str) and is_address(picture):
            data = self._fetch(picture)
        else:
            data = bytes_of_picture(picture)
        side = None if box else self._embedder.decoded_side
        image = decode.decode(data, min_side=side)
        return crop(image, box) if box else image


def _example(example: Any) -> Example:
    """Return a further picture: a text is an id or an address, where a query may be a path."""
    if isinstance(example, str) or is_id(example):
        return cast("Example", example)
    if isinstance(example, ImageRecord):
        return example.public_id
    return File(bytes_of_picture(example))


def _query(query: Query) -> File | Url | Item:
    if isinstance(query, ImageRecord):
        return Item(query.public_id)
    if isinstance(query, int | np.integer) and not isinstance(query, bool):
        return Item(int(query))
    if isinstance(query, str) and is_address(query):
        return Url(query)
    return File(bytes_of_picture(query))


def _settings(home: str | os.PathLike[str] | None) -> Settings:
    return read_settings(os.environ | ({"RIS_HOME": os.fspath(home)} if home else {}))


def _box(part: Part) -> Box | None:
    if part is None or isinstance(part, Box):
        return part
    return Box.of(part)
