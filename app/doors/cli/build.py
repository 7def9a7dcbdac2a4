"""`create-index`, and `create_index.py`: a data set, a folder or a list → a gallery."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.doors.cli import manage, output
from app.doors.cli.progress import Progress
from app.doors.cli.update import left_out_lines, print_report, updated
from app.errors import UsageError

if TYPE_CHECKING:
    from app.build.build import BuildReport, BuildRequest
    from app.build.listed import ListRequest
    from app.build.texts import TextRequest
    from app.build.transfer import ImportRequest
    from app.settings import Settings

NAME = "create-index"
HELP = "build a gallery"
EXAMPLE = "python3 create_index.py --images ~/Pictures --name mine --model efficientnet_lite0"

_MODEL, _OWN_FOLDERS_MODEL = "resnet50", "efficientnet_lite0"  # the latter needs no download
_LISTS = ("csv", "parquet", "webdataset")
_TABLE_OPTIONS = ("id_column", "url_column", "delimiter", "encoding")
_SMALL = ("removed", "seen", "skipped")  # files whose sizes tell nobody anything


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a build: what the gallery is made of, and how."""
    from app.sources.datasets.register import NAMES

    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--data",
        metavar="SET",
        help=f"a published data set: {NAMES}",
    )
    what.add_argument(
        "--images",
        type=Path,
        action="append",
        metavar="DIR",
        help="a folder of your own pictures; may be given again",
    )
    what.add_argument("--csv", type=_file, metavar="FILE", help="a CSV file with ids and URLs")
    what.add_argument(
        "--parquet",
        type=_file,
        metavar="FILE",
        help="a Parquet file with ids and URLs, or with the pictures inside it",
    )
    what.add_argument(
        "--webdataset",
        type=_file,
        metavar="TAR",
        help="a shard, a folder of shards, or a pattern in quotes",
    )
    what.add_argument(
        "--texts",
        type=_file,
        metavar="FILE",
        help="a file of texts, one a line (.txt), or a CSV, JSON or Parquet file with a column of "
        "them",
    )
    what.add_argument(
        "--embeddings",
        type=_file,
        metavar="DIR",
        help="a folder that ris export or clip-retrieval wrote",
    )
    parser.add_argument(
        "--name", help="the gallery's name (default for --data: the data set and the model)"
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="default: for --images efficientnet_lite0, which needs no download, else resnet50; "
        "for --embeddings: the model that made them, if known; or the path of a model file "
        "(.safetensors)",
    )
    parser.add_argument(
        "--kind",
        choices=("picture", "text"),
        help="what the gallery holds, default: picture; text takes --csv and --parquet for --texts",
    )
    parser.add_argument(
        "--pool",
        choices=("avg", "max", "gem"),
        help="how the model's last feature map becomes one vector, default: avg",
    )
    parser.add_argument(
        "--precision",
        metavar="P",
        help="what the network calculates in: f32, bf16, int8 (a network fitted to these pictures) "
        "or auto, the faster one of the first two here; default: RIS_PRECISION, or auto",
    )
    parser.add_argument(
        "--index",
        help="a FAISS factory string, default: IVF100,PQ8; auto, which tries several and keeps the "
        "fastest; or numpy:IVF100,PQ8",
    )
    parser.add_argument(
        "--pca",
        type=int,
        metavar="N",
        help="centre the vectors and keep their N first principal components",
    )
    parser.add_argument(
        "--expand",
        type=int,
        metavar="N",
        help="add the N nearest images to every query before it is compared",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="for --expand: each times its score to the power A, default: 3",
    )
    parser.add_argument(
        "--copies",
        action=argparse.BooleanOptionalAction,
        help="keep what finds cropped, turned and edited copies; default: for --images",
    )
    parser.add_argument("--limit", type=int, help="take the first so many pictures only")
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="for --images: leave out what matches, as in a .gitignore; may be given again",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--force", action="store_true", help="build it anew if it exists")
    again.add_argument(
        "--update", action="store_true", help="bring it up to date if it exists, as ris update does"
    )
    parser.add_argument(
        "--accept-removals",
        action="store_true",
        help="for --update: go on where more than half of the pictures are gone",
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="for --embeddings: where the originals are"
    )
    facts = parser.add_argument_group("facts about the images")
    facts.add_argument(
        "--metadata",
        type=_file,
        metavar="TABLE",
        help="a CSV, JSON or Parquet file with a row of facts for each image, as of ris metadata",
    )
    manage.add_table_arguments(facts)
    table = parser.add_argument_group("for --csv, --parquet and --texts")
    table.add_argument(
        "--text-column", metavar="NAME", help="for --texts: the texts, default: text"
    )
    table.add_argument("--id-column", metavar="NAME", help="the ids, default: id")
    table.add_argument("--url-column", metavar="NAME", help="the addresses, default: url")
    table.add_argument(
        "--label-column", metavar="NAME", action="append", help="labels; may be given again"
    )
    table.add_argument(
        "--retry-failed",
        action="store_true",
        help="ask again for what failed, and build the gallery anew with what comes",
    )
    table.add_argument("--delimiter", metavar="SIGN", help="of a CSV; default: found in its header")
    table.add_argument("--encoding", metavar="NAME", help="of a CSV, default: utf-8")


def _file(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it names nothing: give the name of a file")
    return Path(text)


def run(options: argparse.Namespace) -> int:
    """Build a gallery, or update it, showing the progress, and print what was done."""
    from app.settings import read_settings
    from app.wiring import (
        make_builder,
        make_importer,
        make_keeper,
        make_list_builder,
        make_text_builder,
        model_asked,
    )

    if options.kind == "text":
        options.texts, options.csv, options.parquet = (
            options.texts or options.csv or options.parquet,
            None,
            None,
        )
    _check_together(options)
    settings = read_settings()
    if options.model or options.pool:
        asked = options.model or _default_model(options)
        options.model = model_asked(settings, asked, options.pool)
    if options.update and _is_updated(options, settings):
        return 0
    with Progress() as progress:
        if options.texts:
            request = _text_request(options)
            report = make_text_builder(settings)(request, on_progress=progress.show)
        elif options.embeddings:
            report = make_importer(settings)(_import_request(options), on_progress=progress.show)
        elif any(getattr(options, key) for key in _LISTS):
            report = make_list_builder(settings)(_list_request(options), on_progress=progress.show)
        else:
            report = make_builder(settings)(_build_request(options), on_progress=progress.show)
    _print_report(report)
    if options.metadata:
        keeper = make_keeper(settings)
        joined = keeper.join_table(
            report.manifest.name,
            options.metadata,
            **manage.table_options(options) | {"delimiter": None, "encoding": "utf-8"},
        )
        manage.print_joined(joined)
    return 0


def _default_model(options: argparse.Namespace) -> str:
    """Return the model of a build that names none; docs/models.md says why."""
    return _OWN_FOLDERS_MODEL if options.images else _MODEL


def stopped(options: argparse.Namespace) -> str:
    """Return the sentence to print after Ctrl-C."""
    if options.embeddings:
        return "Nothing is kept: the same command begins anew."
    if options.webdataset:
        return "What is embedded is kept: the same command unpacks the shards anew and goes on."
    return "What is done is kept: the same command goes on from there."


def _is_updated(options: argparse.Namespace, settings: "Settings") -> bool:
    """Update the gallery and print what was done, if there is one; return whether there was."""
    from app.sources.datasets.register import find_data_set
    from app.wiring import make_keeper

    name = options.name
    if options.data and not name:
        name = f"{find_data_set(options.data).name}-{options.model or _MODEL}"
    keeper = make_keeper(settings)
    if not (name and keeper.exists(name)):
        return False
    keeper.check_as_built(name, _given(options))
    report = updated(keeper, name, accept_removals=options.accept_removals)
    print_report(name, report)
    return True


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was given of a gallery's request, None for what was left out."""
    keys = ("data", *_LISTS, "model", "precision", "index", "limit", "copies", *_TABLE_OPTIONS)
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


def _build_request(options: argparse.Namespace) -> "BuildRequest":
    from app.build.build import BuildRequest
    from app.values import VectorOptions

    return BuildRequest(
        data=options.data,
        images=tuple(options.images) if options.images else None,
        name=options.name,
        model=options.model or _default_model(options),
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


def _check_together(options: argparse.Namespace) -> None:
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


def _text_request(options: argparse.Namespace) -> "TextRequest":
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


def _import_request(options: argparse.Namespace) -> "ImportRequest":
    from app.build.transfer import ImportRequest

    given = {key: getattr(options, key) for key in ("name", "model", "index", "pictures")}
    given |= _vectors(options)
    given["name"] = options.name or ""
    return ImportRequest(options.embeddings, force=options.force, **given)


def _list_request(options: argparse.Namespace) -> "ListRequest":
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
        *_LISTS,
        *_TABLE_OPTIONS,
        "force",
        "retry_failed",
    )
    return ListRequest(
        options.name or "",
        label_column=tuple(options.label_column) if options.label_column else None,
        **{key: getattr(options, key) for key in given},
    )


def _print_report(report: "BuildReport") -> None:
    manifest = report.manifest
    for skip in report.skipped:
        output.print_line(f"Skipped {skip.path}: {skip.reason}")
    if report.skipped:
        total = manifest.images + len(report.skipped)
        output.print_line(f"{len(report.skipped)} of {total} files skipped.")
    for line in left_out_lines(report.left_out):
        output.print_line(line)
    for note in report.notes:
        output.print_line(f"Note: {note}")
    for note in manifest.notes:
        output.print_line(f"Note: {note}.")
    sizes = ", ".join(
        f"{kind} {size / 1e6:.1f} MB"
        for kind, size in sorted(manifest.disk_bytes().items())
        if kind not in _SMALL
    )
    rate = f", {report.images_per_second:.1f} images/s" if report.seconds_embedding else ""
    output.print_line(
        f"{manifest.name}: {manifest.images} images in {report.seconds:.1f} s{rate}; {sizes}"
    )
    how = (
        f"{manifest.probes} probes, {manifest.candidates} candidates"
        if manifest.index != "Flat"
        else "exact"
    )
    output.print_line(
        f"{manifest.index}, {how}: recall@10 {manifest.recall_reranked:.3f} "
        f"({manifest.recall_raw:.3f} without re-ranking), "
        f"measured with {manifest.recall_queries} of its own images"
    )
