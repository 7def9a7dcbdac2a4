"""A request → a trained model in its file, measured: the training, start to end."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.errors import UsageError
from app.settings import Settings
from lab.finetune.checkpoint import Checkpoint
from lab.finetune.labelled import Labelled, read_labelled
from lab.finetune.learner import Vectors, head_learner, starting_head
from lab.finetune.measure import measure
from lab.finetune.result import write_model
from lab.finetune.split import Split, split_images
from lab.finetune.training import Outcome, Plan, Tell, train


@dataclass(frozen=True)
class Request:
    """What is asked for; see `lab.finetune.command` for each."""

    gallery: str
    plan: Plan
    train: Literal["head", "network"] = "head"
    dim: int = 256
    without: str = ""
    held_out_classes: float = 0.2
    out: Path | None = None
    force: bool = False
    restart: bool = False


@dataclass(frozen=True)
class Report:
    """What came of it: the model's file, and all that its metadata say of the training."""

    gallery: str
    path: Path
    training: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"gallery": self.gallery, "path": str(self.path), **self.training}


def finetune(
    request: Request, settings: Settings, *, tell: Tell = lambda epoch, loss, score: None
) -> Report:
    """Train as asked, write the model's file, and return what it does to held-out images.

    `tell` hears of each epoch. Stopped at any moment, the same request goes on after the last epoch
    kept. UsageError, NotFoundError, GalleryError, DatasetError for what cannot be trained on,
    StorageError for what cannot be written.
    """
    labelled = read_labelled(settings, request.gallery, without=request.without)
    path = request.out or settings.indexes_dir.parent / "models" / (
        f"{request.gallery}-finetuned.safetensors"
    )
    if path.exists() and not request.force:
        raise UsageError(
            f"The model {path} exists already: add --force to replace it, or name another file "
            "with --out."
        )
    split = split_images(labelled.labels, seed=request.plan.seed, classes=request.held_out_classes)
    head = starting_head(labelled.vectors[split.train], _checked_dim(request.dim, labelled))
    ...
