"""A request → a trained model in its file, measured: the training, start to end."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from app.embed.model_file import SUFFIX, why_invalid_name
from app.errors import UsageError
from app.settings import Settings
from lab.finetune.activations import forget_activations
from lab.finetune.checkpoint import Checkpoint
from lab.finetune.labelled import Labelled, read_labelled
from lab.finetune.learner import Head, Rows, Vectors, head_learner, starting_head
from lab.finetune.measure import measure
from lab.finetune.network import NetworkTraining, network_training
from lab.finetune.request import Request
from lab.finetune.result import write_model
from lab.finetune.split import Split, split_images
from lab.finetune.training import OnProgress, Outcome, train


@dataclass(frozen=True)
class Report:
    """The model's file, and the facts of the training that its metadata hold."""

    gallery: str
    path: Path
    training: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"gallery": self.gallery, "path": str(self.path), **self.training}

    def lines(self) -> Iterator[str]:
        """Yield the sizes of the parts, and the figures before and after, for people."""
        training = self.training
        parts = training["split"]
        copies = f", {training['copies']} copies left out" if training["copies"] else ""
        yield (
            f"{self.gallery}: {parts['train']} images of {parts['classes']} classes trained on, "
            f"{parts['validation']} watched{copies}"
        )
        yield (
            f"best epoch {training['best_epoch']} of {training['epochs_done']} "
            f"({training['ended']})"
        )
        yield "by the stored vectors → centred and projected, before any training → trained:"
        yield f"{'':34} {'mAP':>24}  {'precision@5':>24}"
        for part, what in (("seen", "held-out images"), ("unseen", "held-out classes")):
            yield _line(f"{what} ({parts[part]} images)", training["figures"][part])
        yield f"{self.path}: python3 create_index.py --model {self.path} ..."


def finetune(
    request: Request,
    settings: Settings,
    *,
    on_progress: OnProgress = lambda stage, done, total, note: None,
) -> Report:
    """Train, write the model's file, and return its figures on held-out images.

    `on_progress` gets the pictures read and the epochs. Stopped at any moment, the same request
    goes on after the last epoch kept. UsageError, NotFoundError, GalleryError, DatasetError,
    ModelError for what cannot be trained on, StorageError for what cannot be written.
    """
    path = _checked_path(request, settings)
    if request.per_label is not None and request.per_label < 1:
        raise UsageError(f"--per-label must be 1 or more, not {request.per_label}.")
    labelled = read_labelled(
        settings, request.gallery, without=request.without, per_label=request.per_label
    )
    split = split_images(labelled.labels, seed=request.plan.seed, classes=request.held_out_classes)
    checkpoint = Checkpoint(
        path.with_suffix(".checkpoint"),
        _settings_of(request, labelled) | {"losses": "pytorch-metric-learning"},
    )
    if request.restart:
        checkpoint.remove()
        forget_activations(settings.cache_dir, request.gallery)
    checkpoint.load()  # refused before any work is done, if it is of other settings
    head = starting_head(labelled.vectors[split.train], _checked_dim(request.dim, labelled))
    trained = _training(request, labelled, head, split, settings, on_progress)
    start = _figures(trained.learner.vectors, labelled.labels, split)
    outcome = train(
        trained.learner,
        labelled.labels,
        split,
        request.plan,
        checkpoint=checkpoint,
        on_progress=on_progress,
    )
    figures = {
        "before": _figures(labelled.vectors.__getitem__, labelled.labels, split),
        "start": start,
        "after": _figures(trained.learner.vectors, labelled.labels, split),
    }
    training = _facts(request, labelled, split, outcome, figures)
    write_model(
        path,
        head,
        base=labelled.model.name,
        base_sha256=labelled.weights_sha256,
        training=training,
        network=trained.state() if request.train == "network" else None,
    )
    checkpoint.remove()
    trained.forget()
    return Report(request.gallery, path, training)


def _checked_path(request: Request, settings: Settings) -> Path:
    """Return the model's file; UsageError if `create_index.py --model` could not take it."""
    path = request.out or settings.models_dir / f"{request.gallery}-finetuned{SUFFIX}"
    if path.suffix != SUFFIX:
        raise UsageError(f"--out must name a {SUFFIX} file, not {path}.")
    if why := why_invalid_name(path.name.removesuffix(SUFFIX)):
        raise UsageError(f"--out cannot be {path}: {why}. Give the file another name.")
    if path.exists() and not request.force:
        raise UsageError(
            f"The model {path} exists already: add --force to replace it, or name another file "
            "with --out."
        )
    return path


def _training(
    request: Request,
    labelled: Labelled,
    head: Head,
    split: Split,
    settings: Settings,
    on_progress: OnProgress,
) -> NetworkTraining:
    if request.train == "head":
        return NetworkTraining(head_learner(labelled.vectors, head), dict, lambda: None)
    return network_training(
        labelled, head, split, settings, seed=request.plan.seed, on_progress=on_progress
    )


def _checked_dim(dim: int, labelled: Labelled) -> int:
    most = int(labelled.vectors.shape[1])
    if dim < 1:
        raise UsageError(f"--dim must be 1 or more, not {dim}.")
    return min(dim, most)


def _settings_of(request: Request, labelled: Labelled) -> dict[str, Any]:
    """Return everything that the numbers of a training depend on, as plain JSON values."""
    digest = hashlib.sha256(labelled.vectors.tobytes() + labelled.labels.tobytes())
    return {
        "gallery": request.gallery,
        "train": request.train,
        "dim": request.dim,
        "without": request.without,
        "per_label": request.per_label,
        "held_out_classes": request.held_out_classes,
        **asdict(request.plan),
        "vectors": digest.hexdigest()[:16],
        "weights": labelled.weights_sha256,
    }


def _facts(
    request: Request,
    labelled: Labelled,
    split: Split,
    outcome: Outcome,
    figures: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return the settings and figures of a training, as plain JSON values, for the metadata."""
    held_out = np.unique(labelled.labels[split.unseen])
    counts = {name: len(getattr(split, name)) for name in Split.__annotations__}
    return {
        **_settings_of(request, labelled),
        "split": {
            **counts,
            "classes": len(labelled.names) - len(held_out),
            "held_out": [labelled.names[label] for label in held_out],
        },
        "copies": labelled.copies,
        "best_epoch": outcome.best_epoch,
        "epochs_done": outcome.epochs,
        "ended": outcome.ended,
        "history": [
            {"loss": loss if math.isfinite(loss) else None, "validation": score}
            for loss, score in outcome.history
        ],
        "figures": {
            part: {when: of_parts[part] for when, of_parts in figures.items()}
            for part in ("seen", "unseen")
        },
        "versions": {name: version(name) for name in ("numpy", "torch")},
    }


def _figures(vectors: Callable[[Rows], Vectors], labels: Rows, split: Split) -> dict[str, Any]:
    """Return the figures of the two held-out parts; `vectors` gives the vectors of rows."""
    return {
        part: asdict(measure(vectors(rows), labels[rows]))
        for part, rows in (("seen", split.seen), ("unseen", split.unseen))
    }


def _line(what: str, figures: dict[str, Any]) -> str:
    columns = [
        "no two alike"
        if figures["before"][key] is None
        else " → ".join(f"{figures[when][key]:.4f}" for when in ("before", "start", "after"))
        for key in ("mean_average_precision", "precision_at_5")
    ]
    return f"{what:34} {columns[0]:>24}  {columns[1]:>24}"
