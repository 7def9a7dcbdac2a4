"""The query, start to end: bytes, a URL or an image's id → the most similar images of a gallery."""

import hashlib
import mimetypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path, PurePosixPath
from typing import Concatenate, ParamSpec, Protocol

import numpy as np
from numpy.typing import NDArray

from app import decode, layouts
from app.embed import Embedder
from app.errors import AppError, GalleryError, ModelError, NotFoundError, UsageError
from app.gallery import Folders, Gallery, gallery_names
from app.index import SearchEffort, VectorIndex
from app.loading import Models
from app.results import Edit, Example, GalleryInfo, Hit, ImageRecord, SearchResult, Timings

MAX_K = 200
DISPLAY_SIDE = 1024
AS_IT_IS = Edit()
_NEARLY_EQUAL = 0.95  # cosine; resized and recompressed copies of Caltech101's images are above it
_LEAST_LENGTH = 1e-3
_Asked = ParamSpec("_Asked")
_DOWNLOADS = {name: alias for alias, name in layouts.ALIASES.items()}


@dataclass(frozen=True)
class _Open:
    gallery: Gallery
    index: VectorIndex


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
    ) -> None:
        self._datasets_dir = datasets_dir
        self._features_dir = features_dir
        self._indexes_dir = indexes_dir
        self._models = Models(load_embedder)
        self._fetch = fetch
        self._opened: dict[str, _Open] = {}
        self._folders: dict[str, Path] = {}
        self._opening = threading.Lock()
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Let `watcher` see every search from now on."""
        self._watchers.append(watcher)

    def galleries(self) -> list[GalleryInfo]:
        """Return every gallery on disk, the refused ones with the reason."""
        infos = []
        for name in gallery_names(self._indexes_dir):
            with suppress(NotFoundError):  # removed a moment ago
                infos.append(self.gallery(name))
        return infos

    def first_gallery(self) -> str:
        """Return the first gallery by name that can be searched; NotFoundError if none can."""
        for info in self.galleries():
            if not info.refused:
                return info.name
        raise NotFoundError(
            "There is no gallery that can be searched: "
            "make one with python3 create_index.py --images DIR --name NAME."
        )

    def gallery(self, name: str) -> GalleryInfo:
        """Return what there is to say of one gallery; NotFoundError if there is none."""
        try:
            opened = self._open(name)
        except GalleryError as exc:
            return GalleryInfo(name, refused=str(exc))
        manifest = opened.gallery.manifest
        return GalleryInfo(
            name=name,
            uploads_off=self._uploads_off(opened.gallery),
            pictures_missing=self._pictures_missing(opened.gallery),
            approximate=opened.index.approximate,
            images=manifest.images,
            data=manifest.data,
            model=manifest.model,
            dim=manifest.dim,
            index=manifest.index,
            probes=manifest.probes,
            candidates=manifest.candidates,
            recall_raw=manifest.recall_raw,
            recall_reranked=manifest.recall_reranked,
            created=manifest.created,
            skipped=manifest.skipped,
            floor=manifest.floor,
            disk_bytes=sum(file.bytes for file in manifest.files.values()),
            notes=manifest.notes,
        )

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
        image of the gallery is searched by its stored vector. Raises an AppError whose message is
        for people.
        """
        if not 1 <= k <= MAX_K:
            raise UsageError(f"k must be from 1 to {MAX_K}, not {k}.")
        if not -1 <= min_score <= 1:  # nor is NaN
            raise UsageError(f"The least score is a cosine, from -1 to 1, not {min_score}.")
        clock = _Clock()
        opened = self._open(gallery)
        embedding = self._embed_query(opened, query, edit, clock)
        index, manifest = opened.index, opened.gallery.manifest
        vector = _moved(embedding.vector, examples, opened)
        same = opened.gallery.ids_of_content(embedding.sha256)
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
            notes=embedding.notes,
            floor=None if index.approximate else manifest.floor,
        )

    def embed(
        self, gallery: str, query: bytes | str | int, *, edit: Edit = AS_IT_IS
    ) -> NDArray[np.float32]:
        """Return the (dim,) unit vector of a query, as `search` compares it; see there."""
        return self._embed_query(self._open(gallery), query, edit, _Clock()).vector

    def id_of(self, gallery: str, public_id: str) -> int:
        """Return the id of the image that people know by `public_id`; NotFoundError if none is.

        That is the key from the list of pictures that the gallery was made of, or the id itself.
        """
        return self._open(gallery).gallery.id_of(public_id)

    def image(self, gallery: str, image: int) -> ImageRecord:
        """Return one image of a gallery; NotFoundError if there is none of that id."""
        return self._open(gallery).gallery.images([image])[0]

    def random_images(self, gallery: str, count: int) -> list[ImageRecord]:
        """Return up to `count` images of a gallery, drawn afresh at each call."""
        opened = self._open(gallery).gallery
        return opened.images(opened.random_ids(count))

    def thumbnail(self, gallery: str, image: int) -> bytes:
        """Return the small WebP picture of an image; NotFoundError if there is none of that id."""
        return self._open(gallery).gallery.thumbnail(image)

    def picture(self, gallery: str, image: int) -> tuple[bytes, str]:
        """Return the original file of an image and its media type.

        NotFoundError if it is not on this machine; the message says which command fetches it.
        """
        opened = self._open(gallery).gallery
        record = opened.images([image])[0]
        data = _file_of(record, self._folder_of(opened))
        if data is None:
            raise NotFoundError(self._pictures_missing(opened) or f"{record.path} is missing.")
        return data, mimetypes.guess_type(record.path)[0] or "application/octet-stream"

    def fetch(self, url: str) -> bytes:
        """Return the picture at a URL, within the limits of `app.fetch`."""
        return self._fetch(url)

    def preview(self, data: bytes, edit: Edit = AS_IT_IS) -> bytes:
        """Return a PNG of an edited picture, for browsers that cannot show the file itself.

        A whole picture is made no larger than needed to look at; a part keeps every pixel.
        """
        if edit.box:
            return decode.encode_png(_edited(decode.decode(data), edit))
        image = decode.decode(data, min_side=DISPLAY_SIDE)
        return decode.encode_png(_edited(image, edit), longer_side=DISPLAY_SIDE)

    def warm_up(self) -> None:
        """Open every gallery and load its model, so that the first query need not wait."""
        for name in gallery_names(self._indexes_dir):
            try:
                manifest = self._open(name).gallery.manifest
                self._models.get(manifest.model)
            except AppError:
                continue  # `galleries` says why

    def _embed_query(
        self, opened: _Open, query: bytes | str | int, edit: Edit, clock: "_Clock"
    ) -> _Embedding:
        notes: tuple[str, ...] = ()
        if isinstance(query, int) and edit.is_nothing:
            record = opened.gallery.images([query])[0]
            return _Embedding(opened.index.vector(query), record.sha256)
        off = self._uploads_off(opened.gallery, wait=True)
        if off:
            raise ModelError(off)
        if isinstance(query, int):
            record = opened.gallery.images([query])[0]
            data = _file_of(record, self._folder_of(opened.gallery))
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
        embedder = self._models.get(opened.gallery.manifest.model)
        with clock.measure("decode"):
            # Decoded like the gallery's own images, so that the same file has the same vector.
            side = None if edit.box else embedder.decoded_side
            image = _edited(decode.decode(data, min_side=side), edit)
        with clock.measure("embed"):
            vector = embedder.embed([image])[0]
        return _Embedding(vector, sha256, notes)

    def _open(self, name: str) -> _Open:
        opened = self._opened.get(name)
        if opened is not None and not opened.gallery.replaced():
            return opened
        with self._opening:
            opened = self._opened.get(name)
            if opened is not None and not opened.gallery.replaced():
                return opened
            self._opened.pop(name, None)
            names = gallery_names(self._indexes_dir)
            if name not in names:
                raise NotFoundError(
                    f"There is no gallery {name!r}: "
                    + (
                        f"choose one of {', '.join(names)}."
                        if names
                        else "make one with python3 create_index.py --images DIR --name NAME."
                    )
                )
            gallery = Gallery(Folders.of(name, self._features_dir, self._indexes_dir))
            index = VectorIndex(
                vectors=gallery.vectors_path,
                shortlist=gallery.shortlist_path,
                effort=SearchEffort(gallery.manifest.probes, gallery.manifest.candidates),
            )
            if (index.rows, index.dim) != (gallery.manifest.images, gallery.manifest.dim):
                gallery.close()
                raise GalleryError(
                    f"The index of {name} does not belong to its database. "
                    f"Run: {gallery.manifest.command} --force"
                )
            opened = self._opened[name] = _Open(gallery, index)
            return opened

    def _uploads_off(self, gallery: Gallery, *, wait: bool = False) -> str:
        """Return why this gallery takes no new pictures as queries; '' if it does.

        Without `wait` a model that is still being loaded counts as one that will run.
        """
        manifest = gallery.manifest
        if not wait and manifest.model not in self._models:
            return ""
        only = f"Only images of {gallery.name} can be searched with: "
        try:
            embedder = self._models.get(manifest.model)
        except AppError as exc:
            return only + str(exc)
        if embedder.weights_sha256 != manifest.weights_sha256 or (
            embedder.model.preprocessing_facts() != manifest.preprocessing
        ):
            return (
                f"{only}it was built with other weights of {manifest.model} than are here; "
                f"build it anew with: {manifest.command} --force"
            )
        return ""

    def _folder_of(self, gallery: Gallery) -> Path | None:
        manifest = gallery.manifest
        if manifest.source:
            return Path(manifest.source)
        known = self._folders.get(manifest.data)
        if known is None or not known.is_dir():
            try:
                known = layouts.open_data_set(manifest.data, self._datasets_dir).folder
            except AppError:
                return None
            self._folders[manifest.data] = known
        return known

    def _pictures_missing(self, gallery: Gallery) -> str:
        folder = self._folder_of(gallery)
        if folder is not None and (folder / gallery.images([0])[0].path).is_file():
            return ""
        manifest = gallery.manifest
        if manifest.source:
            return f"The original pictures are not in {manifest.source} any more."
        return (
            "The original pictures are not on this machine: thumbnails are shown. To fetch them, "
            f"run: bash data_download.sh {_DOWNLOADS.get(manifest.data, manifest.data)}"
        )


def _edited(image: NDArray[np.uint8], edit: Edit) -> NDArray[np.uint8]:
    if edit.quarter_turns % 4:
        image = decode.rotate(image, edit.quarter_turns)
    if edit.mirrored:
        image = decode.mirror(image)
    return decode.crop(image, edit.box) if edit.box else image


def _moved(
    vector: NDArray[np.float32], examples: Sequence[Example], opened: _Open
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


def _file_of(record: ImageRecord, folder: Path | None) -> bytes | None:
    """Return the bytes of a gallery's file, or None; a path never leads out of its folder.

    Links do: the build follows them too, and whoever owns the folder has put them there.
    """
    path = PurePosixPath(record.path)
    if folder is None or path.is_absolute() or ".." in path.parts:
        return None
    try:
        return (folder / path).read_bytes()
    except (OSError, ValueError):  # gone, or may not be read, or a name that no file can have
        return None


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
