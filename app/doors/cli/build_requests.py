"""The options of a build → whether they go together, and the request that they make."""

import argparse
from typing import TYPE_CHECKING, Any

from app.errors import UsageError

if TYPE_CHECKING:
    from app.build.build import BuildRequest
    from app.build.listed import ListRequest
    from app.build.texts import TextRequest
    from app.build.transfer import ImportRequest
    from app.values.gallery import StoredElsewhere

MODEL, _OWN_FOLDERS_MODEL = "resnet50", "efficientnet_lite0"  # the latter needs no download
LISTS = ("csv", "parquet", "webdataset")
_TABLE_OPTIONS = ("id_column", "url_column", "delimiter", "encoding")


def default_model(options: argparse.Namespace) -> str:
    """Return the model of a build that names none; docs/models.md says why."""
    return _OWN_FOLDERS_MODEL if options.images else MODEL


def check_together(options: argparse.Namespace) -> None:
    """Raise UsageError for options that say nothing about what is built."""
    if (options.join_column or options.without_column) and not options.metadata:
        raise UsageError("--join-column and --without-column go with --metadata: leave them out.")
    if options.pictures and not options.embeddings:
        raise UsageError("--pictures goes with --embeddings: leave it out.")
    if options.pool and options.embeddings and not options.model:
        raise UsageError("--pool goes with --model: name the model that made the embeddings.")
    if options.copies and options.embeddings:
        raise UsageError("Embeddings come without what finds copies: leave --copies out.")
    if options.precision and options.embeddings:
        raise UsageError("Embeddings are made already: leave --precision out.")
    if options.limit is not None and options.embeddings:
        raise UsageError("Embeddings are taken as a whole: leave --limit out.")
    if options.ray and (options.embeddings or options.texts):
        raise UsageError("--ray embeds pictures: leave it out.")
    if options.exclude and not options.images:
        raise UsageError("--exclude goes with --images: leave it out.")
    if options.accept_removals and not options.update:
        raise UsageError("--accept-removals goes with --update: leave it out.")
    if options.update and (options.embeddings or options.retry_failed):
        other = "--embeddings" if options.embeddings else "--retry-failed"
        raise UsageError(f"--update does not go with {other}: leave one of them out.")
    if options.texts:
        _check_texts(options)
        return
    if options.kind == "text" or options.text_column:
        raise UsageError("--kind text and --text-column go with --texts: name a file of texts.")
    given = [*_TABLE_OPTIONS, "label_column", "retry_failed"]
    allowed = set(given if options.csv else ())
    if options.parquet:
        allowed = set(given) - {"delimiter", "encoding"}
    for key in given:
        if getattr(options, key) and key not in allowed:
            raise UsageError(
                f"--{key.replace('_', '-')} goes with --csv"
                + (" or --parquet" if key not in ("delimiter", "encoding") else "")
                + ": leave it out."
            )


def _check_texts(options: argparse.Namespace) -> None:
    if options.kind == "picture":
        raise UsageError("--texts makes a gallery of texts: leave --kind picture out.")
    for key in ("url_column", "retry_failed", "update", "copies", "pool", "precision"):
        if getattr(options, key):
            raise UsageError(f"--{key.replace('_', '-')} does not go with texts: leave it out.")


def milvus_request(options: argparse.Namespace) -> "StoredElsewhere | None":
    """Return where Milvus is to search the gallery, None where it is not.

    UsageError for an address or index that cannot be, and for --uri without --store milvus.
    """
    if options.store != "milvus":
        if options.uri:
            raise UsageError("--uri goes with --store milvus: add that, or leave --uri out.")
        return None
    from app.values.gallery import StoredElsewhere
    from app.wiring import check_milvus_words

    if not options.uri:
        raise UsageError("--store milvus needs its address: add --uri http://host:19530.")
    index = options.index or "IVF_PQ"
    check_milvus_words(options.uri, index)
    return StoredElsewhere(uri=options.uri, index=index)


def given_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was given of a gallery's request, None for what was left out."""
    built = ("model", "precision", "store", "uri", "index", "limit", "copies")
    keys = ("data", *LISTS, *built, *_TABLE_OPTIONS)
    images = tuple(options.images or ())
    return (
        {key: getattr(options, key) for key in keys}
        | _vectors(options)
        | {
            "images": images[0] if len(images) == 1 else images,
            "exclude": tuple(options.exclude or ()),
            "label_column": tuple(options.label_column or ()),
        }
    )


def build_request(options: argparse.Namespace) -> "BuildRequest":
    """Return the request for a data set or folders."""
    from app.build.build import BuildRequest
    from app.values import VectorOptions

    return BuildRequest(
        data=options.data,
        images=tuple(options.images) if options.images else None,
        name=options.name,
        model=options.model or default_model(options),
        index=options.index or "IVF100,PQ8",
        limit=options.limit,
        force=options.force,
        options=VectorOptions.of(**_vectors(options)),
        exclude=tuple(options.exclude or ()),
        copies=options.copies,
        precision=options.precision,
    )


def _vectors(options: argparse.Namespace) -> dict[str, Any]:
    return {key: getattr(options, key) for key in ("pca", "expand", "alpha")}


def text_request(options: argparse.Namespace) -> "TextRequest":
    """Return the request for a file of texts."""
    from app.build.texts import TextRequest
    from app.values import VectorOptions

    given = {
        key: getattr(options, key)
        for key in ("model", "index", "text_column", "id_column", "delimiter", "encoding", "limit")
    }
    return TextRequest(
        options.texts,
        options.name or "",
        force=options.force,
        label_column=tuple(options.label_column or ()),
        options=VectorOptions.of(**_vectors(options)),
        **{key: value for key, value in given.items() if value is not None},
    )


def import_request(options: argparse.Namespace) -> "ImportRequest":
    """Return the request for embeddings."""
    from app.build.transfer import ImportRequest

    given = {key: getattr(options, key) for key in ("name", "model", "index", "pictures")}
    given |= _vectors(options)
    given["name"] = options.name or ""
    return ImportRequest(options.embeddings, force=options.force, **given)


def list_request(options: argparse.Namespace) -> "ListRequest":
    """Return the request for a list or shards."""
    from app.build.listed import ListRequest

    given = (
        "model",
        "precision",
        "index",
        "pca",
        "expand",
        "alpha",
        "limit",
        "copies",
        *LISTS,
        *_TABLE_OPTIONS,
        "force",
        "retry_failed",
    )
    return ListRequest(
        options.name or "",
        label_column=tuple(options.label_column) if options.label_column else None,
        **{key: getattr(options, key) for key in given},
    )
