"""A model's name → an embedder that runs here: weights found, network converted or cached."""

import os
from pathlib import Path
from typing import Literal

from app.embed.embedder import Embedder, Runtime
from app.embed.models import model_named
from app.embed.weights import find_weights

_BUILD_BATCH = 8


def load_embedder(
    name: str,
    *,
    weights_dir: Path | None,
    cache_dir: Path,
    purpose: Literal["query", "build"],
    download: bool = False,
) -> Embedder:
    """Return the embedder called `name`; UsageError if unknown, ModelError if it cannot run here.

    For a query one picture uses every core; for a build every core has a batch of its own.
    """
    model = model_named(name)
    if model.weights is None:
        from app.embed.mean_colour import MeanColourRuntime

        return Embedder(model, MeanColourRuntime(), weights_sha256="")
    path, digest = find_weights(
        model, weights_dir=weights_dir, cache_dir=cache_dir, download=download
    )
    from app.embed.openvino_runtime import OpenVinoRuntime, converted_network

    network = converted_network(model, path, digest, cache_dir)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    runtime: Runtime
    if purpose == "query":
        runtime = OpenVinoRuntime(network, batch=1, streams=1, threads=cores)
    else:
        runtime = OpenVinoRuntime(network, batch=_BUILD_BATCH, streams=cores, threads=cores)
    return Embedder(model, runtime, digest)
