"""A list of pictures (CSV, Parquet, webdataset shards) → a gallery known by the list's own ids."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app import collect, layouts
from app.build import BuildReport, build_gallery, check_new
from app.collect import Columns, Politeness
from app.embed import Embedder
from app.errors import DatasetError, UsageError
from app.gallery import Folders, gallery_names
from app.layouts import Listed, Picture

_TAKEN = frozenset({*layouts.DATA_SETS, "uploaded"})


@dataclass(frozen=True)
class ListRequest:
    """What to build of which list: exactly one of `csv`, `parquet` and `webdataset`.

    The columns, `delimiter` and `encoding` say how a table is read. `retry_failed` asks for the
    pictures of an existing gallery that could not be had, and builds it anew if any came.
    """

    name: str
    model: str
    index: str
    command: str
    csv: Path | None = None
    parquet: Path | None = None
    webdataset: Path | None = None
    id_column: str = "id"
    url_column: str = "url"
    label_columns: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str = "utf-8"
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
    fetch: Callable[[str], bytes],
    politeness: Politeness,
    workers: int,
    tell: Callable[[str, int, int], None],
) -> BuildReport:
    """Get the pictures of a list into `datasets_dir`/name, then build their gallery.

    All that can be checked is, before anything is asked for. Stopped at any moment, the same
    request goes on. Raises UsageError for what cannot be asked for, DatasetError for a list that
    cannot be used or gives no picture at all, ModelError for missing weights, StorageError if the
    disk cannot take it.
    """
    _check(request, indexes_dir)
    folder = datasets_dir / request.name
    if request.webdataset is not None:
        shards = collect.shards_in(request.webdataset)
        embedder = load_embedder(request.model)
        layout = _unpacked(request, shards, folder, tell)
    else:
        rows = _rows(request)[: request.limit]
        embedder = load_embedder(request.model)
        got = collect.download(rows, folder, fetch=fetch, tell=tell, politeness=politeness)
        if request.retry_failed and request.name in gallery_names(indexes_dir):
            _check_something_came(got, folder)
        layout = _downloaded(request.name, folder, got)
    return build_gallery(
        layout,
        embedder,
        folders=Folders.of(request.name, features_dir, indexes_dir),
        index=request.index,
        limit=request.limit,
        command=request.command,
        source=str(folder.resolve()),
        workers=workers,
        tell=tell,
    )


def _check(request: ListRequest, indexes_dir: Path) -> None:
    name = request.name
    if not name:
        raise UsageError("A gallery of a list of pictures needs a name: add --name NAME.")
    if name in _TAKEN:
        raise UsageError(f"The folder datasets/{name} is for other pictures: choose another name.")
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"The limit must be 1 or more, not {request.limit}.")
    if request.retry_failed and request.webdataset is not None:
        raise UsageError("Shards are not downloaded: leave --retry-failed out.")
    again = request.retry_failed and name in gallery_names(indexes_dir)
    check_new(
        name,
        request.model,
        request.index,
        indexes_dir=indexes_dir,
        force=request.force or again,
    )


def _rows(request: ListRequest) -> list[collect.Row]:
    columns = Columns(request.id_column, request.url_column, request.label_columns)
    if request.parquet is not None:
        return collect.read_parquet(request.parquet, columns)
    if request.csv is None:
        raise UsageError("There is no list of pictures: give one with --csv FILE.")
    return collect.read_csv(
        request.csv, columns, delimiter=request.delimiter, encoding=request.encoding
    )


def _check_something_came(got: list[collect.Downloaded], folder: Path) -> None:
    if any(each.new for each in got):
        return
    failed = sum(bool(each.reason) for each in got)
    if not failed:
        raise UsageError("Every picture of the list is there: nothing is to be asked for again.")
    raise DatasetError(
        f"None of the {failed} pictures that had failed came this time, so the gallery stays as it "
        f"is: the reasons are in {folder / collect.FAILED}."
    )


def _downloaded(name: str, folder: Path, got: list[collect.Downloaded]) -> Listed:
    failed = [each for each in got if each.reason]
    if len(failed) == len(got):
        raise DatasetError(
            f"None of the {len(got)} pictures could be had, the first because: {failed[0].reason} "
            f"The others are in {folder / collect.FAILED}."
        )
    return Listed(name, folder, [_picture(each) for each in got])


def _picture(each: collect.Downloaded) -> Picture:
    row = each.row
    if each.reason:
        told = f"Its id is {row.key!r}. {each.reason}"
        return Picture(f"row {row.number}", row.labels, key=row.key, missing=told)
    return Picture(each.name, row.labels, key=row.key)


def _unpacked(
    request: ListRequest,
    shards: list[Path],
    folder: Path,
    tell: Callable[[str, int, int], None],
) -> Listed:
    samples = collect.unpack_shards(shards, folder, suffixes=layouts.IMAGE_SUFFIXES, tell=tell)
    pictures = [Picture(each.name, each.labels, key=each.key) for each in samples]
    return Listed(request.name, folder, pictures)
