"""A list's request → the layout of its pictures, fetched or unpacked into a folder."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from app.errors import DatasetError, UsageError
from app.images import decode
from app.images.formats import SUFFIXES
from app.sources.cells import ANY_FILE, LocalFiles, reader
from app.sources.downloads import FAILED, Downloaded, download
from app.sources.lists import Columns, Row, read_csv
from app.sources.own import Listed
from app.sources.parquet import pictures_inside, read_parquet
from app.sources.picture import Picture
from app.sources.schedule import Politeness
from app.sources.shards import shards_in, unpack_shards
from app.values import MAX_PICTURE_BYTES
from app.values.gallery import Manifest
from app.values.names import path_of

_CHECKED_SIDE = 256  # pixels, where no model is loaded that says what it needs
DEFAULTS = {
    "model": "resnet50",
    "index": "IVF100,PQ8",
    "id_column": "id",
    "url_column": "url",
    "encoding": "utf-8",
}
LISTS = ("csv", "parquet", "webdataset")
HOW = ("model", "precision", "index", "pca", "expand", "alpha", "limit", "copies")
TABLE = ("id_column", "url_column", "delimiter", "encoding", "label_column")

OnProgress = Callable[[str, int, int], None]


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
    copies: bool | None = None
    precision: str | None = None


def open_list(
    manifest: Manifest,
    *,
    datasets_dir: Path,
    fetch: Callable[[str], bytes],
    politeness: Politeness,
    files: LocalFiles = ANY_FILE,
    on_progress: OnProgress = lambda *_: None,
) -> Listed:
    """Return the layout of the list that a gallery was made of, as the list is now.

    What is in the gallery's folder already is not fetched again. DatasetError for a list that is
    gone or cannot be used.
    """
    name = str(manifest.request.get("name") or manifest.name)
    request = with_defaults(ListRequest(name, **built_with(manifest)))
    folder = path_of(manifest.source) if manifest.source else datasets_dir / name
    return layout_of_list(
        replace(request, force=True),  # shards that have changed are unpacked again
        rows_of(request),
        folder,
        decoded_side=_CHECKED_SIDE,
        fetch=fetch,
        files=files,
        politeness=politeness,
        on_progress=on_progress,
    )


def built_with(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of the ListRequest that a gallery was built with, but for its name."""
    built = manifest.request
    return {
        **{key: built.get(key, DEFAULTS.get(key)) for key in TABLE},
        **{"model": manifest.model, "index": manifest.index_asked},
        "label_column": tuple(built.get("label_column", ())),
        **{key: getattr(manifest, key) or None for key in ("pca", "expand")},
        "alpha": manifest.alpha if manifest.expand else None,
        "limit": built.get("limit"),
        **{key: built.get(key) for key in ("copies", "precision")},
        **{key: path_of(built[key]) for key in LISTS if key in built},
    }


def with_defaults(request: ListRequest) -> ListRequest:
    """Return a request with the defaults for what it leaves open."""
    defaults: dict[str, Any] = {
        key: each for key, each in DEFAULTS.items() if getattr(request, key) is None
    }
    return replace(request, **defaults)


def rows_of(request: ListRequest) -> list[Row]:
    """Return the rows of a table, none of shards; DatasetError if it cannot be used."""
    if request.webdataset is not None:
        shards_in(request.webdataset)
        return []
    return _table_of(request)[: request.limit]


def layout_of_list(
    request: ListRequest,
    rows: Sequence[Row],
    folder: Path,
    *,
    decoded_side: int,
    fetch: Callable[[str], bytes],
    politeness: Politeness,
    files: LocalFiles = ANY_FILE,
    retried: bool = False,
    on_progress: OnProgress,
) -> Listed:
    """Get the pictures of a list into `folder`, as far as they are not there; return the layout.

    `fetch` gets those at addresses; `files` says which files the list may name, from its own folder
    on.
    """
    if request.webdataset is not None:
        return _unpacked(request, shards_in(request.webdataset), folder, on_progress)
    got = download(
        list(rows),
        folder,
        fetch=reader(fetch, (request.csv or request.parquet or folder).absolute().parent, files),
        check=_decoding(decoded_side),
        on_progress=on_progress,
        politeness=politeness,
        inside=_inside(request),
    )
    if retried:
        _check_something_came(got, folder)
    return _downloaded(request.name, folder, got)


def _decoding(side: int) -> Callable[[bytes], None]:
    """Return a check that raises DecodeError for a picture that the build could not decode."""
    one_at_a_time = threading.Lock()  # a large picture takes a gigabyte

    def check(data: bytes) -> None:
        with one_at_a_time:
            decode.decode(data, min_side=side)

    return check


def _table_of(request: ListRequest) -> list[Row]:
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
