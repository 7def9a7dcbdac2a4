"""`create-index`, and `create_index.py`: a data set, a folder or a list → a gallery."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.doors.cli import manage, output
from app.doors.cli.build_requests import (
    LISTS,
    MODEL,
    build_request,
    check_together,
    default_model,
    given_of,
    import_request,
    list_request,
    milvus_request,
    text_request,
)
from app.doors.cli.progress import Progress
from app.doors.cli.update import left_out_lines, print_report, updated

if TYPE_CHECKING:
    from app.build.build import BuildReport
    from app.build.spread import Spread
    from app.settings import Settings
    from app.values.gallery import StoredElsewhere

NAME = "create-index"
HELP = "build a gallery"
EXAMPLE = "python3 create_index.py --images ~/Pictures --name mine --model efficientnet_lite0"

_SMALL = ("quantiser", "removed", "seen", "skipped")  # files whose sizes tell nobody anything


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
        "--store",
        choices=("local", "milvus"),
        help="what searches the gallery, default: local, its own files; milvus takes --index in "
        "its words: IVF_PQ (the default), HNSW, DISKANN, IVF_FLAT or FLAT, as in "
        "IVF_PQ,nlist=1024,m=32",
    )
    parser.add_argument(
        "--uri",
        metavar="ADDRESS",
        help="for --store milvus: where the server is, as in http://host:19530",
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
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="embed in the Ray cluster at this address, or auto for the one that this machine is "
        "in; needs requirements-scale.txt",
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
        check_milvus,
        make_builder,
        make_importer,
        make_keeper,
        make_list_builder,
        make_spread,
        make_text_builder,
        model_asked,
    )

    if options.kind == "text":
        options.texts = options.texts or options.csv or options.parquet
        options.csv = options.parquet = None
    check_together(options)
    settings = read_settings()
    store = milvus_request(options)
    if store:
        check_milvus(settings, options.name or "The gallery", store.uri)
    if options.model or options.pool:
        asked = options.model or default_model(options)
        options.model = model_asked(settings, asked, options.pool)
    spread = make_spread(settings, options.ray)
    if options.update and _is_updated(options, settings, store, spread):
        return 0
    if store:
        options.index = "Flat"  # of the segments; the other one is the collection's
    with Progress() as progress:
        if options.texts:
            report = make_text_builder(settings)(text_request(options), on_progress=progress.show)
        elif options.embeddings:
            report = make_importer(settings)(import_request(options), on_progress=progress.show)
        elif any(getattr(options, key) for key in LISTS):
            report = make_list_builder(settings, spread)(
                list_request(options), on_progress=progress.show
            )
        else:
            report = make_builder(settings, spread)(
                build_request(options), on_progress=progress.show
            )
        if store:
            keeper = make_keeper(settings)
            manifest = keeper.give_to_milvus(
                report.manifest.name, store.uri, store.index, progress.show
            )
            report = replace(report, manifest=manifest)
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


def stopped(options: argparse.Namespace) -> str:
    """Return the sentence to print after Ctrl-C."""
    if options.embeddings:
        return "Nothing is kept: the same command begins anew."
    if options.webdataset:
        return "What is embedded is kept: the same command unpacks the shards anew and goes on."
    return "What is done is kept: the same command goes on from there."


def _is_updated(
    options: argparse.Namespace,
    settings: "Settings",
    store: "StoredElsewhere | None",
    spread: "Spread | None",
) -> bool:
    """Update the gallery and print what was done, if there is one; return whether there was.

    One that its own files search is given to Milvus where that is asked.
    """
    from app.sources.datasets.register import find_data_set
    from app.wiring import make_keeper

    name = options.name
    if options.data and not name:
        name = f"{find_data_set(options.data).name}-{options.model or MODEL}"
    keeper = make_keeper(settings, spread=spread)
    if not (name and keeper.exists(name)):
        return False
    given = given_of(options)
    moves = store is not None and not keeper.is_in_milvus(name)
    if moves:
        given |= {"store": None, "uri": None, "index": None}
    keeper.check_as_built(name, given)
    report = updated(keeper, name, accept_removals=options.accept_removals)
    print_report(name, report)
    if store is not None and moves:
        with Progress() as progress:
            keeper.give_to_milvus(name, store.uri, store.index, progress.show)
        output.print_line(f"{name} is searched by Milvus at {store.uri}.")
    return True


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
