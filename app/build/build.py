"""The build, start to end: a folder of pictures → a gallery that can be searched."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.build.commit import AS_THE_MODEL, Origin, check_room, finish_gallery, made_by_model
from app.embed import Embedder, Model, model_named
from app.errors import DatasetError, DecodeError, UsageError
from app.gallery import Draft, Folders, check_name, gallery_names, recipe_of
from app.images import decode, encode
from app.index import check_factory
from app.sources.datasets.register import open_data_set
from app.sources.own import open_folder
from app.sources.picture import Layout, Picture, file_of
from app.values import ImageRecord, Skipped, VectorOptions
from app.values.gallery import Manifest, request_of
from app.values.names import text_of

PROGRESS_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class BuildRequest:
    """What to build: a published data set (`data`) or a folder (`images`, with a `name`).

    `options` say how vectors and queries are changed.
    """

    data: str | None
    images: Path | None
    name: str | None
    model: str
    index: str
    limit: int | None
    force: bool
    options: VectorOptions = AS_THE_MODEL

    def kept(self) -> dict[str, Any]:
        """Return the request as the gallery's manifest keeps it."""
        return request_of(
            data=self.data,
            images=self.images,
            name=self.name,
            model=self.model,
            index=self.index,
            limit=self.limit,
            **self.options.given(),
        )


@dataclass(frozen=True)
class BuildReport:
    """What a build did; `seconds` are of this run, which may have gone on with an earlier one."""

    manifest: Manifest
    skipped: tuple[Skipped, ...]
    embedded: int
    seconds_embedding: float
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Pictures read, decoded and embedded in this run, by the second."""
        return self.embedded / self.seconds_embedding if self.seconds_embedding else 0.0


@dataclass(frozen=True)
class _Embedded:
    images: list[ImageRecord]
    thumbnails: list[bytes]
    vectors: NDArray[np.float32]
    skipped: list[Skipped]


def build(
    request: BuildRequest,
    *,
    datasets_dir: Path,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: Callable[[str], Embedder],
    find_model: Callable[[str], Model] = model_named,
    workers: int,
    on_progress: Callable[[str, int, int], None],
) -> BuildReport:
    """Check a request, then build its gallery; see `build_gallery`.

    UsageError for an unknown data set, model, index or name, and for a gallery that exists already
    unless `force` is set; DatasetError for a missing folder; ModelError for missing weights.
    """
    model = find_model(request.model)
    if request.images is not None:
        if not request.name:
            raise UsageError("A gallery of your own folder needs a name: add --name NAME.")
        source = text_of(request.images.resolve())
        layout = open_folder(request.images.resolve(), request.name)
    else:
        source = ""
        layout = open_data_set(request.data or "", datasets_dir)
    name = request.name or f"{layout.name}-{model.name}"
    check_new(
        name,
        model,
        request.index,
        options=request.options,
        indexes_dir=indexes_dir,
        force=request.force,
    )
    folders = Folders.of(name, features_dir, indexes_dir)
    return build_gallery(
        layout,
        load_embedder(request.model),
        folders=folders,
        index=request.index,
        options=request.options,
        limit=request.limit,
        request=request.kept(),
        source=source,
        workers=workers,
        on_progress=on_progress,
    )


def check_new(
    name: str,
    model: Model,
    index: str,
    *,
    options: VectorOptions = AS_THE_MODEL,
    indexes_dir: Path,
    force: bool,
) -> None:
    """Raise UsageError unless a gallery can have this name, model, index and options.

    A gallery of that name must not exist yet, unless `force` is set.
    """
    check_name(name)
    check_factory(index, options.dim_of(model.dim))
    if name in gallery_names(indexes_dir) and not force:
        raise UsageError(f"The gallery {name} exists already: add --force to build it anew.")


def build_gallery(
    layout: Layout,
    embedder: Embedder,
    *,
    folders: Folders,
    index: str,
    limit: int | None,
    request: dict[str, Any],
    source: str = "",
    options: VectorOptions = AS_THE_MODEL,
    workers: int,
    on_progress: Callable[[str, int, int], None],
) -> BuildReport:
    """Embed the pictures of `layout`, train its index, put the gallery in place.

    `request` is kept in the manifest; `source` is the folder that paths start from, '' for a
    published data set. `on_progress(stage, done, total)` is called as it goes on. Stopped at any
    moment, the next call with the same pictures and model goes on, whatever its index and
    `options`; the gallery that was there before stays until the new one is whole. Raises
    DatasetError if no picture can be read, UsageError for a bad `index`, `limit` or `options`,
    StorageError if the disk cannot take it.
    """
    started = time.perf_counter()
    check_factory(index, options.dim_of(embedder.dim))
    if limit is not None and limit < 1:
        raise UsageError(f"The limit must be 1 or more, not {limit}.")
    on_progress("list", 0, 0)
    pictures = layout.pictures()[:limit]
    if not pictures:
        raise DatasetError(f"There is no picture in {layout.folder}.")
    options.check_images(sum(not picture.missing for picture in pictures))
    recipe = recipe_of(
        [embedder.name, embedder.weights_sha256, embedder.precision]
        + [embedder.model.preprocessing, *pictures]
        # The reason why a picture is missing may be worded otherwise each time.
        + [
            (picture.key, bool(picture.missing))
            for picture in pictures
            if picture.key or picture.missing
        ]
    )
    draft = Draft(folders, recipe=recipe, dim=embedder.dim)
    try:
        check_room(folders, len(pictures), draft.done, embedder.dim)
        before = draft.done
        _embed_rest(draft, pictures, layout.folders, embedder, workers, on_progress)
        seconds_embedding = time.perf_counter() - started
        if not draft.rows:
            reason = draft.skipped()[0].reason
            draft.discard()  # the files may be mended before the next run, under their old names
            raise DatasetError(
                f"No picture of the {len(pictures)} in {layout.folder} can be read, "
                f"the first because: {reason}"
            )
        skipped = tuple(draft.skipped())
        manifest = finish_gallery(
            draft,
            Origin(
                data=layout.name,
                source=source,
                request=request,
                **made_by_model(embedder),
            ),
            index=index,
            dim=embedder.dim,
            options=options,
            on_progress=on_progress,
        )
    except BaseException:
        draft.close()
        raise
    return BuildReport(
        manifest,
        skipped,
        len(pictures) - before,
        seconds_embedding,
        time.perf_counter() - started,
    )


def _embed_rest(
    draft: Draft,
    pictures: Sequence[Picture],
    folders: Sequence[Path],
    embedder: Embedder,
    workers: int,
    on_progress: Callable[[str, int, int], None],
) -> None:
    """Embed what the draft does not have yet.

    Each worker takes a whole batch from file to vector, so that a picture never waits for another
    thread; this thread writes, in the order of the list.
    """
    on_progress("embed", draft.done, len(pictures))
    reported = time.perf_counter()
    rest = pictures[draft.done :]
    batches = [rest[i : i + embedder.batch] for i in range(0, len(rest), embedder.batch)]
    with ThreadPoolExecutor(workers, thread_name_prefix="embed") as pool:

        def submit(batch: Sequence[Picture]) -> "Future[_Embedded]":
            return pool.submit(_embed_batch, batch, folders, embedder)

        # Closed before the pool is: after Ctrl-C the batches that wait are not embedded any more.
        with closing(_in_order(batches, submit, ahead=2 * workers)) as embedded:
            for done in embedded:
                draft.add(done.images, done.thumbnails, done.vectors, done.skipped)
                if time.perf_counter() - reported > PROGRESS_EVERY_SECONDS:
                    reported = time.perf_counter()
                    on_progress("embed", draft.done, len(pictures))
    on_progress("embed", draft.done, len(pictures))


def _in_order(
    batches: Sequence[Sequence[Picture]],
    submit: Callable[[Sequence[Picture]], "Future[_Embedded]"],
    *,
    ahead: int,
) -> Generator[_Embedded, None, None]:
    """Yield the results in the order of the batches, with `ahead` of them under way."""
    waiting: deque[Future[_Embedded]] = deque()
    try:
        for batch in batches:
            waiting.append(submit(batch))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _embed_batch(
    pictures: Sequence[Picture], folders: Sequence[Path], embedder: Embedder
) -> _Embedded:
    images, thumbnails, inputs, skipped = [], [], [], []
    for picture in pictures:
        if picture.missing:
            skipped.append(_skip(picture, picture.missing))
            continue
        try:
            picture.path.encode()
            data = file_of(folders, picture).read_bytes()
            # The network never needs more pixels than that; the query is prepared alike.
            image, (width, height) = decode.decode_and_measure(data, min_side=embedder.decoded_side)
        except UnicodeEncodeError:
            skipped.append(_skip(picture, "Its name is not valid UTF-8: rename it."))
            continue
        except OSError as exc:
            skipped.append(_skip(picture, f"It cannot be read: {exc.strerror}."))
            continue
        except DecodeError as exc:
            skipped.append(_skip(picture, str(exc)))
            continue
        inputs.append(embedder.prepare(image))
        thumbnails.append(encode.thumbnail(image))
        digest = hashlib.sha256(data).hexdigest()
        images.append(
            ImageRecord(
                -1,
                picture.path,
                digest,
                width,
                height,
                len(data),
                labels=picture.labels,
                key=picture.key,
            )
        )
    return _Embedded(images, thumbnails, embedder.embed_prepared(inputs), skipped)


def _skip(picture: Picture, reason: str) -> Skipped:
    """Return a skipped picture; a list's file names say nothing, so the id is named too."""
    readable = picture.path.encode(errors="backslashreplace").decode()
    return Skipped(readable, f"Its id is {picture.key!r}. {reason}" if picture.key else reason)
