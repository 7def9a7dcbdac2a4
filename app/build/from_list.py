"""A list of pictures (CSV, Parquet, webdataset shards) → a gallery known by the list's own ids."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.build.build import BuildReport, build_gallery, check_new, loaded
from app.build.listed import (
    DEFAULTS,
    HOW,
    LISTS,
    TABLE,
    ListRequest,
    built_with,
    layout_of_list,
    rows_of,
    with_defaults,
)
from app.build.spread import Spread
from app.embed import LoadEmbedder, Model, model_named
from app.errors import UsageError
from app.gallery import Folders, gallery_names, open_gallery
from app.sources.cells import ANY_FILE, LocalFiles
from app.sources.datasets.register import DATA_SETS
from app.sources.schedule import Politeness
from app.values import VectorOptions
from app.values.gallery import request_of
from app.values.precision import check_precision

_TAKEN = frozenset({*DATA_SETS, "uploaded"})


def build_listed(
    request: ListRequest,
    *,
    datasets_dir: Path,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: LoadEmbedder,
    find_model: Callable[[str], Model] = model_named,
    precision: str = "auto",
    fetch: Callable[[str], bytes],
    politeness: Politeness,
    files: LocalFiles = ANY_FILE,
    workers: int,
    spread: Spread | None = None,
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
    request = with_defaults(request)
    model, index = request.model or "", request.index or ""
    precision = request.precision or precision
    check_precision(precision)
    options = VectorOptions.of(request.pca, request.expand, request.alpha)
    known = find_model(model)
    known.check_embeds("picture")
    check_new(
        request.name,
        known,
        index,
        options=options,
        indexes_dir=indexes_dir,
        force=request.force or retried,
    )
    folder = datasets_dir / request.name
    rows = rows_of(request)  # read before any address is requested, and before the model is loaded
    embedder, load_int8 = loaded(load_embedder, model, precision)
    layout = layout_of_list(
        request,
        rows,
        folder,
        decoded_side=embedder.decoded_side,
        fetch=fetch,
        files=files,
        politeness=politeness,
        retried=retried,
        on_progress=on_progress,
    )
    return build_gallery(
        layout,
        embedder,
        load_int8=load_int8,
        folders=Folders.of(request.name, features_dir, indexes_dir),
        index=index,
        options=options,
        limit=request.limit,
        request=_kept(request),
        copies=bool(request.copies),
        workers=workers,
        spread=spread,
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
    if not manifest.request.keys() & {"csv", "parquet"}:
        raise UsageError(
            f"The gallery {request.name} was not made of a list of URLs: leave --retry-failed out, "
            "or add --force to build it anew."
        )
    before = built_with(manifest)
    given = {key: getattr(request, key) for key in (*LISTS, *HOW, *TABLE)}
    for key, value in given.items():
        value = value.resolve() if isinstance(value, Path) else value
        if value is not None and (value or None) != (before.get(key) or None):
            raise UsageError(
                f"The gallery {request.name} was built with another --{key.replace('_', '-')}: "
                "leave that out, or add --force to build it anew as you say."
            )
    return replace(request, **before)


def _kept(request: ListRequest) -> dict[str, Any]:
    """Return the request as the gallery's manifest keeps it."""
    how = {key: getattr(request, key) for key in (*LISTS, "name", *HOW)}
    table = {key: getattr(request, key) for key in TABLE}
    return request_of(
        **how, **{key: each for key, each in table.items() if each != DEFAULTS.get(key)}
    )
