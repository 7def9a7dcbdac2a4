"""A list of pictures (CSV, Parquet, webdataset shards) → a gallery known by the list's own ids."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from app.build.build import BuildReport, build_gallery, check_new
from app.embed import Embedder, Model, model_named
from app.errors import DatasetError, UsageError
from app.gallery import Folders, gallery_names, open_gallery
from app.images import decode
from app.images.formats import SUFFIXES
from app.sources.datasets.register import DATA_SETS
from app.sources.downloads import FAILED, Downloaded, download
from app.sources.lists import Columns, Row, read_csv
from app.sources.own import Listed
from app.sources.parquet import pictures_inside, read_parquet
from app.sources.picture import Picture
from app.sources.schedule import Politeness
from app.sources.shards import shards_in, unpack_shards
from app.values import MAX_PICTURE_BYTES, VectorOptions
from app.values.gallery import request_of

_TAKEN = frozenset({*DATA_SETS, "uploaded"})
_DEFAULTS = {
    "model": "resnet50",
    "index": "IVF100,PQ8",
    "id_column": "id",
    "url_column": "url",
    "encoding": "utf-8",
}
_LISTS = ("csv", "parquet", "webdataset")
_HOW = ("model", "index", "pca", "expand", "alpha", "limit")
_TABLE = ("id_column", "url_column", "delimiter", "encoding", "label_column")


@dataclass(frozen=True)
class ListRequest:
    """What to build of which list: exactly one of `csv`, `parquet` and `webdataset`.

    The columns, `delimiter` and `encoding` say how a table is read. `retry_failed` downloads the
    pictures again that an existing gallery lacks, and builds it anew if any came; a field that is
    None is then as that gallery was built, and else the default that the command line's help names.
    """

    name: str
    model: str | None = None
    index: str | None = None
    pca: int | None = None
    expand: int | None = None
    alpha: float | None = None
    csv: Path | None = None
    parquet: Path | None = None
    webdataset: Path | None = None
    id_column: str | None = None
    url_column: str | None = None
    label_column: tuple[str, ...] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    limit: int | None = None
    force: bool = False
    retry_failed: bool = False


def build_listed(
    request: ListRequest,
    *,
    datasets_dir: Path,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: Callable[[str], Embedder],
    find_model: Callable[[str], Model] = model_named,
    fetch: Callable[[str], bytes],
    politeness: Politeness,
    workers: int,
    on_progress: Callable[[str, int, int], None],
) -> BuildReport:
    """Get the pictures of a list into `datasets_dir`/name, then build their gallery.

    All that can be checked is, before any address is requested. Stopped at any moment, the same
    request goes on. Raises UsageError for options that cannot be, DatasetError for a list that
    cannot be used or gives no picture at all, ModelError for missing weights, StorageError if the
    disk cannot take it.
    """
    _check_name(request)
    retried = _is_retried(request, indexes_dir)
    if retried:
        request = _as_built(request, features_dir, indexes_dir)
    request = _with_defaults(request)
    model, index = request.model or "", request.index or ""
    options = VectorOptions.of(request.pca, request.expand, request.alpha)
    check_new(
        request.name,
        find_model(model),
        index,
        options=options,
        indexes_dir=indexes_dir,
        force=request.force or retried,
    )
    folder = datasets_dir / request.name
    if request.webdataset is not None:
        shards = shards_in(request.webdataset)
        embedder = load_embedder(model)
        layout = _unpacked(request, shards, folder, on_progress)
    else:
        rows = _rows(request)[: request.limit]
        embedder = load_embedder(model)
        got = download(
            rows,
            folder,
            fetch=fetch,
            check=_decoding(embedder.decoded_side),
            on_progress=on_progress,
            politeness=politeness,
            inside=_inside(request),
        )
        if retried:
            _check_something_came(got, folder)
        layout = _downloaded(request.name, folder, got)
    return build_gallery(
        layout,
        embedder,
        folders=Folders.of(request.name, features_dir, indexes_dir),
        index=index,
        options=options,
        limit=request.limit,
        request=_kept(request),
        workers=workers,
        on_progress=on_progress,
    )


def _check_name(request: ListRequest) -> None:
    name = request.name
    if not name:
        raise UsageError("A gallery of a list of pictures needs a name: add --name NAME.")
    if name in _TAKEN:
        raise UsageError(f"The folder datasets/{name} is for other pictures: choose another name.")
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"The limit must be 1 or more, not {request.limit}.")
    if request.retry_failed and request.webdataset is not None:
        raise UsageError("Shards are not downloaded: leave --retry-failed out.")


def _is_retried(request: ListRequest, indexes_dir: Path) -> bool:
    here = request.name in gallery_names(indexes_dir)
    return request.retry_failed and here and not request.force


def _as_built(request: ListRequest, features_dir: Path, indexes_dir: Path) -> ListRequest:
    """Return the request, with the gallery's values for the fields that it leaves open.

    UsageError if it says anything else: the gallery would lose what it has.
    """
    gallery = open_gallery(request.name, features_dir=features_dir, indexes_dir=indexes_dir)
    manifest = gallery.manifest
    gallery.close()
    built = manifest.request
    if not built.keys() & {"csv", "parquet"}:
        raise UsageError(
            f"The gallery {request.name} was not made of a list of URLs: leave --retry-failed out, "
            "or add --force to build it anew."
        )
    before: dict[str, Any] = {
        **{key: built.get(key, _DEFAULTS.get(key)) for key in _TABLE},
        **{"model": manifest.model, "index": manifest.index_asked},
        "label_column": tuple(built.get("label_column", ())),
        **{key: getattr(manifest, key) or None for key in ("pca", "expand")},
        "alpha": manifest.alpha if manifest.expand else None,
        "limit": built.get("limit"),
        **{key: Path(built[key]) for key in _LISTS if key in built},
    }
    given = {key: getattr(request, key) for key in (*_LISTS, *_HOW, *_TABLE)}
    for key, value in given.items():
        value = value.resolve() if isinstance(value, Path) else value
        if value is not None and value != before.get(key):
            raise UsageError(
                f"The gallery {request.name} was built with another --{key.replace('_', '-')}: "
                "leave that out, or add --force to build it anew as you say."
            )
    return replace(request, **before)


def _with_defaults(request: ListRequest) -> ListRequest:
    defaults: dict[str, Any] = {
        key: each for key, each in _DEFAULTS.items() if getattr(request, key) is None
    }
    return replace(request, **defaults)


def _kept(request: ListRequest) -> dict[str, Any]:
    """Return the request as the gallery's manifest keeps it."""
    how = {key: getattr(request, key) for key in (*_LISTS, "name", *_HOW)}
    table = {key: getattr(request, key) for key in _TABLE}
    return request_of(
        **how, **{key: each for key, each in table.items() if each != _DEFAULTS.get(key)}
    )


def _decoding(side: int) -> Callable[[bytes], None]:
    """Return a check that raises DecodeError for a picture that the build could not decode."""
    one_at_a_time = threading.Lock()  # a large picture takes a gigabyte

    def check(data: bytes) -> None:
        with one_at_a_time:
            decode.decode(data, min_side=side)

    return check


def _rows(request: ListRequest) -> list[Row]:
    columns = _columns(request)
    if request.parquet is not None:
        return read_parquet(request.parquet, columns)
    if request.csv is None:
        raise UsageError("There is no list of pictures: give one with --csv FILE.")
    return read_csv(
        request.csv, columns, delimiter=request.delimiter, encoding=request.encoding or "utf-8"
    )


def _inside(
    request: ListRequest,
) -> Callable[[Sequence[Row]], Iterator[tuple[Row, bytes]]] | None:
    """Return what gives the pictures that are inside the list; None if it has URLs alone."""
    if request.parquet is None:
        return None
    inside = pictures_inside(request.parquet, _columns(request))
    return partial(inside.of, most_picture_bytes=MAX_PICTURE_BYTES) if inside else None


def _columns(request: ListRequest) -> Columns:
    return Columns(request.id_column or "", request.url_column or "", request.label_column or ())


def _check_something_came(got: list[Downloaded], folder: Path) -> None:
    if any(each.new for each in got):
        return
    failed = sum(bool(each.reason) for each in got)
    if not failed:
        raise UsageError("Every picture of the list is there: leave --retry-failed out.")
    raise DatasetError(
        f"No picture of the {failed} that had failed came this time, so the gallery stays as it "
        f"is: the reasons are in {folder / FAILED}."
    )


def _downloaded(name: str, folder: Path, got: list[Downloaded]) -> Listed:
    failed = [each for each in got if each.reason]
    if len(failed) == len(got):
        raise DatasetError(
            f"No picture of the {len(got)} could be had, the first because: {failed[0].reason} "
            f"All reasons are in {folder / FAILED}."
        )
    return Listed(name, folder, [_picture(each) for each in got])


def _picture(each: Downloaded) -> Picture:
    row = each.row
    if each.reason:
        return Picture(f"row {row.number}", row.labels, key=row.key, missing=each.reason)
    return Picture(each.name, row.labels, key=row.key)


def _unpacked(
    request: ListRequest,
    shards: list[Path],
    folder: Path,
    on_progress: Callable[[str, int, int], None],
) -> Listed:
    samples = unpack_shards(
        shards,
        folder,
        suffixes=SUFFIXES,
        on_progress=on_progress,
        most_picture_bytes=MAX_PICTURE_BYTES,
        force=request.force,
    )
    pictures = [
        Picture(each.name, each.labels, key=each.key, missing=each.missing) for each in samples
    ]
    return Listed(request.name, folder, pictures)
