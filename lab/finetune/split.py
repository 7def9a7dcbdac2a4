"""The labels of images → which are trained on, which only watched, and which held out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError

Rows = NDArray[np.int64]

_HELD_OUT_IMAGES = 0.5
_VALIDATION = 0.2
_FEWEST_CLASSES = 2  # a part with a single class is ranked rightly whatever the vectors are


@dataclass(frozen=True)
class Split:
    """Four sets of places in the labels, ascending (n,) int64, that share none.

    Parameters
    ----------
    train
        What the loss sees.
    validation
        What early stopping looks at: other images of the same classes.
    seen
        Held out: half of the images of these classes, looked at once, at the end.
    unseen
        Held out: all images of the other classes; empty where there are too few classes.
    """

    train: Rows
    validation: Rows
    seen: Rows
    unseen: Rows


def split_images(labels: Rows, *, seed: int, classes: float) -> Split:
    """Return a split of (n,) labels drawn with `seed`, the share `classes` of these held out whole.

    Of each other class half of the images (rounded down) are held out, and a fifth of the rest is
    for validation where that is two images or more, since a single one has nothing to be ranked
    before. Fewer than two classes are never held out, nor kept. UsageError if no class has two
    images left to train on.
    """
    if not 0 <= classes < 1:
        raise UsageError(
            f"The share of held-out classes must be 0 or more and below 1, not {classes}."
        )
    rng = np.random.default_rng(seed)
    known = np.unique(labels)
    unseen_classes = rng.permutation(known)[: _held_out(len(known), classes)]
    parts: dict[str, list[Rows]] = {name: [] for name in ("train", "validation", "seen")}
    for label in np.setdiff1d(known, unseen_classes):
        rows = rng.permutation(np.flatnonzero(labels == label))
        seen = int(len(rows) * _HELD_OUT_IMAGES)
        validation = round((len(rows) - seen) * _VALIDATION)
        validation = validation if validation >= 2 else 0
        parts["seen"].append(rows[:seen])
        parts["validation"].append(rows[seen : seen + validation])
        parts["train"].append(rows[seen + validation :])
    split = Split(
        **{name: np.sort(np.concatenate(rows)) for name, rows in parts.items()},
        unseen=np.flatnonzero(np.isin(labels, unseen_classes)),
    )
    _check(labels[split.train])
    return split


def _held_out(classes: int, share: float) -> int:
    count = min(round(classes * share), classes - _FEWEST_CLASSES)
    return count if count >= _FEWEST_CLASSES else 0


def _check(labels: Rows) -> None:
    _, counts = np.unique(labels, return_counts=True)
    if counts.max() < 2:
        raise UsageError(
            "No label has two images left to train on once half of them are held out: fine-tuning "
            "needs labels with three images or more, better ten."
        )
