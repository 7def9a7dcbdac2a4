"""Settings → the objects that do the work; the only place where they are made.

What a search does not need is imported where it is made: the command line answers in two seconds.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from app.build.build import BuildReport, build
from app.build.jobs import GalleryMaker
from app.embed import LoadEmbedder, find_model, pooled_name
from app.embed.load import adopt_model_file, check_can_run, load_embedder, usable_cores
from app.errors import UsageError
from app.gallery import Folders, use_milvus_token
from app.images.fetch import FetchLimits, fetch
from app.search.background import FindingProgress, restored
from app.search.evaluation import evaluate
from app.search.service import SearchService
from app.settings import Settings
from app.values import Evaluation

if TYPE_CHECKING:
    from app.build.keeper import GalleryKeeper
    from app.build.layouts import OpenList
    from app.build.spread import Spread
    from app.build.transfer import ExportReport
    from app.build.update import UpdateReport
    from app.build.watch import Watch
    from app.search.inspection import Survey
    from app.values.board import Board, Progress

_Progress = TypeVar("_Progress", bound="Progress")
OnProgress = Callable[[str, int, int], None]


def make_service(settings: Settings) -> SearchService:
    """Return the search service; models are loaded when first needed and never downloaded by it."""
    use_milvus_token(settings.milvus_token)
    return SearchService(
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=make_loader(settings, "query"),
        fetch=make_fetch(settings),
        at_once=usable_cores(),
        finding_board=make_board(settings, "duplicates", FindingProgress, restored=restored),
    )


def make_board(
    settings: Settings, work: str, kind: type[_Progress], **how: Any
) -> "Board[_Progress] | None":
    """Return where servers see each other's work; None for one that shares nothing."""
    if settings.shared_dir is None:
        return None
    from app.values.board import Board

    return Board(settings.shared_dir / "jobs" / work, kind, **how)


def make_loader(
    settings: Settings,
    purpose: Literal["query", "build"],
    *,
    download: bool = False,
    cores: int | None = None,
) -> LoadEmbedder:
    """Return `app.embed.load.load_embedder` with the folders filled in; see `LoadEmbedder`."""
    use_milvus_token(settings.milvus_token)
    return partial(
        load_embedder,
        weights_dir=settings.weights_dir,
        cache_dir=settings.cache_dir,
        models_dir=settings.models_dir,
        purpose=purpose,
        download=download,
        runtime=settings.runtime,
        cores=cores,
    )


def make_spread(settings: Settings, address: str | None) -> "Spread | None":
    """Return the Ray cluster at an address, in which a build embeds; None for no address."""
    if address is None:
        return None
    from app.build.ray_cluster import RayCluster

    return RayCluster(address, make_loader(settings, "build", download=True, cores=1))


def make_fetch(settings: Settings) -> Callable[[str], bytes]:
    """Return `app.images.fetch.fetch` with the limits that the settings allow."""
    limits = FetchLimits(
        max_redirects=settings.max_redirects,
        allow_loopback=settings.allow_loopback_urls,
        proxies=dict(settings.proxies),
    )
    return partial(fetch, limits=limits)


def make_evaluator(settings: Settings) -> Callable[..., Evaluation]:
    """Return `evaluate`, given a gallery's name; NotFoundError if there is none."""
    use_milvus_token(settings.milvus_token)

    def evaluate_named(name: str, **options: Any) -> Evaluation:
        make_service(settings).folder(name)  # its error lists the galleries
        folders = Folders.of(name, settings.features_dir, settings.indexes_dir)
        return evaluate(folders, **options)

    return evaluate_named


def make_builder(settings: Settings, spread: "Spread | None" = None) -> partial[BuildReport]:
    """Return `app.build.build.build` with folders and models filled in.

    It takes a BuildRequest and `on_progress`. Weights that are not here are downloaded.
    """
    return partial(
        build,
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=make_loader(settings, "build", download=True),
        find_model=partial(find_model, models_dir=settings.models_dir),
        precision=settings.precision,
        workers=usable_cores(),
        spread=spread,
    )


def check_milvus_words(uri: str, index: str) -> None:
    """Raise UsageError for an address or an index of Milvus that cannot be."""
    from app.gallery import check_index_words, check_uri

    check_uri(uri)
    check_index_words(index)


def check_milvus(settings: Settings, gallery: str, uri: str) -> None:
    """Raise GalleryError unless a Milvus server answers there, and is new enough."""
    from app.gallery import check_server

    use_milvus_token(settings.milvus_token)
    check_server(gallery, uri)


def model_asked(settings: Settings, model: str, pool: str | None) -> str:
    """Return the name of the model given by name or by the path of a model file.

    A file is taken into the folder of the settings. UsageError if there is no such model, file or
    pooling, or for a pooling of a file, which says itself how it is pooled; ModelError if the file
    cannot be used here, StorageError if it cannot be kept.
    """
    is_path = model.endswith(".safetensors")
    if pool and (is_path or find_model(model, settings.models_dir).file):
        raise UsageError(
            f"The model file {model} says itself how its features are pooled: "
            f"leave --pool {pool} out."
        )
    if is_path:
        return adopt_model_file(
            Path(model),
            models_dir=settings.models_dir,
            weights_dir=settings.weights_dir,
            cache_dir=settings.cache_dir,
            download=True,
        )
    return pooled_name(model, pool) if pool else model


def make_list_builder(settings: Settings, spread: "Spread | None" = None) -> partial[BuildReport]:
    """Return `app.build.from_list.build_listed` with folders, models and the network filled in.

    It takes a ListRequest and `on_progress`.
    """
    from app.build.from_list import build_listed
    from app.sources.cells import LocalFiles
    from app.sources.schedule import Politeness

    return partial(
        build_listed,
        **make_builder(settings, spread).keywords,
        fetch=make_fetch(settings),
        files=LocalFiles(roots=settings.list_folders),
        politeness=Politeness(),
    )


def make_text_builder(settings: Settings) -> partial[BuildReport]:
    """Return `app.build.texts.build_texts` with folders and models filled in.

    It takes a TextRequest and `on_progress`.
    """
    from app.build.texts import build_texts

    builder = make_builder(settings).keywords
    needed = ("features_dir", "indexes_dir", "load_embedder", "find_model")
    return partial(build_texts, **{key: builder[key] for key in needed})


def make_exporter(settings: Settings) -> "partial[ExportReport]":
    """Return `app.build.transfer.export_gallery` with the folders filled in."""
    use_milvus_token(settings.milvus_token)
    from app.build.transfer import export_gallery

    return partial(
        export_gallery, features_dir=settings.features_dir, indexes_dir=settings.indexes_dir
    )


def make_importer(settings: Settings) -> partial[BuildReport]:
    """Return `app.build.transfer.import_embeddings` with folders and models filled in.

    It takes an ImportRequest and `on_progress`.
    """
    from app.build.transfer import import_embeddings

    builder = make_builder(settings).keywords
    needed = ("features_dir", "indexes_dir", "load_embedder", "find_model")
    return partial(import_embeddings, **{key: builder[key] for key in needed})


def make_surveyor(settings: Settings) -> "Callable[[Path | None, str, OnProgress], Survey]":
    """Return the function that surveys a folder or, where that is None, a gallery."""
    use_milvus_token(settings.milvus_token)
    from app.search.inspection import survey_folder, survey_gallery

    def survey(folder: Path | None, gallery: str, on_progress: OnProgress) -> "Survey":
        if folder is not None:
            return survey_folder(folder, workers=usable_cores(), on_progress=on_progress)
        return survey_gallery(
            gallery,
            features_dir=settings.features_dir,
            indexes_dir=settings.indexes_dir,
            on_progress=on_progress,
        )

    return survey


def make_maker(settings: Settings) -> GalleryMaker:
    """Return the gallery maker of the page; its `off` says why it makes none, if so.

    Its keeper is that of the page, which changes galleries where it may make them.
    """
    return GalleryMaker(
        make_builder(settings),
        uploaded_dir=settings.datasets_dir / "uploaded",
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        check_model=partial(
            check_can_run, weights_dir=settings.weights_dir, cache_dir=settings.cache_dir
        ),
        keeper=make_keeper(settings, off=settings.creating_off, in_background=True),
        off=settings.creating_off,
    )


def make_updater(
    settings: Settings, *, for_server: bool = False, spread: "Spread | None" = None
) -> "partial[UpdateReport]":
    """Return `app.build.update.update_gallery` with folders, models and the network filled in.

    It takes a gallery's name, `accept_removals` and `on_progress`.
    """
    from app.build.update import update_gallery

    builder = make_builder(settings).keywords
    needed = ("datasets_dir", "features_dir", "indexes_dir", "load_embedder", "workers")
    return partial(
        update_gallery,
        **{key: builder[key] for key in needed},
        open_list=make_list_opener(settings, for_server=for_server),
        spread=spread,
    )


def make_list_opener(settings: Settings, *, for_server: bool = False) -> "OpenList":
    """Return `app.build.listed.open_list` with folders and the network filled in.

    For a server that others may reach, a list names no files but those in the settings' folders.
    """
    from app.build.listed import open_list
    from app.sources.cells import LocalFiles
    from app.sources.schedule import Politeness

    return partial(
        open_list,
        datasets_dir=settings.datasets_dir,
        fetch=make_fetch(settings),
        files=LocalFiles(settings.listed_files_off if for_server else "", settings.list_folders),
        politeness=Politeness(),
    )


def make_keeper(
    settings: Settings,
    *,
    off: str = "",
    in_background: bool = False,
    spread: "Spread | None" = None,
) -> "GalleryKeeper":
    """Return what changes galleries: for a server `off` is its settings' `changing_off`."""
    from app.build.keeper import GalleryKeeper
    from app.build.updates import UpdateProgress

    return GalleryKeeper(
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=make_loader(settings, "build", download=True),
        update=make_updater(settings, for_server=in_background, spread=spread),
        off=off,
        in_background=in_background,
        board=make_board(settings, "updates", UpdateProgress) if in_background else None,
    )


def make_watch(
    settings: Settings,
    names: Collection[str],
    *,
    rescan_minutes: float,
    say: Callable[[str], None],
) -> "Watch":
    """Return what keeps galleries up to date with their folders; all galleries of folders for ().

    NotFoundError if there is no gallery of a name, UsageError if one was not made of folders.
    """
    from app.build.watch import Watch, folders_of, galleries_of_folders

    dirs = {"features_dir": settings.features_dir, "indexes_dir": settings.indexes_dir}
    keeper = make_keeper(settings)

    def galleries() -> dict[str, tuple[Path, ...]]:
        named = {name: folders_of(name, **dirs) for name in names}
        return named or galleries_of_folders(**dirs)

    return Watch(
        galleries,
        update=lambda name, on_progress: keeper.update(name, on_progress=on_progress),
        say=say,
        own_folders=(
            *dirs.values(),
            settings.datasets_dir,
            settings.models_dir,
            settings.cache_dir,
        ),
        rescan_seconds=rescan_minutes * 60,
    )
