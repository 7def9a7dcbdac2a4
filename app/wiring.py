"""Settings → the objects that do the work; the only place where they are made."""

import os
from functools import partial

from app.build import BuildReport, build
from app.collect import Politeness
from app.embed.load import load_embedder
from app.fetch import FetchLimits, fetch
from app.listed import build_listed
from app.making import GalleryMaker
from app.service import SearchService
from app.settings import Settings


def make_service(settings: Settings) -> SearchService:
    """Return the search service; models are loaded when first needed and never downloaded by it."""
    limits = FetchLimits(allow_loopback=settings.allow_loopback_urls)
    return SearchService(
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=partial(
            load_embedder,
            weights_dir=settings.weights_dir,
            cache_dir=settings.cache_dir,
            purpose="query",
        ),
        fetch=partial(fetch, limits=limits),
    )


def make_builder(settings: Settings) -> partial[BuildReport]:
    """Return `app.build.build` with folders and models filled in.

    It takes a BuildRequest and `tell`. Weights that are not here are downloaded.
    """
    return partial(
        build,
        datasets_dir=settings.datasets_dir,
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        load_embedder=partial(
            load_embedder,
            weights_dir=settings.weights_dir,
            cache_dir=settings.cache_dir,
            purpose="build",
            download=True,
        ),
        workers=_cores(),
    )


def make_list_builder(settings: Settings) -> partial[BuildReport]:
    """Return `app.listed.build_listed` with folders, models and the network filled in.

    It takes a ListRequest and `tell`.
    """
    limits = FetchLimits(allow_loopback=settings.allow_loopback_urls)
    return partial(
        build_listed,
        **make_builder(settings).keywords,
        fetch=partial(fetch, limits=limits),
        politeness=Politeness(),
    )


def make_maker(settings: Settings) -> GalleryMaker:
    """Return what makes galleries for the page, or says why it does not."""
    return GalleryMaker(
        make_builder(settings),
        uploaded_dir=settings.datasets_dir / "uploaded",
        features_dir=settings.features_dir,
        indexes_dir=settings.indexes_dir,
        off=settings.creating_off,
    )


def _cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
