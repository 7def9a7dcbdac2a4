"""A learner, labels and a split → its best state, by the mAP of the validation images."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lab.finetune.checkpoint import Checkpoint
from lab.finetune.learner import Draw, Learner, Rows
from lab.finetune.losses import loss_of
from lab.finetune.measure import measure
from lab.finetune.request import Plan
from lab.finetune.split import Split

_IMAGES_OF_A_CLASS = 4
_PROXIES_FASTER = 10.0
DIVERGED = "the loss was no number any more"
OnProgress = Callable[[str, int, int, str], None]  # stage, done, total, a note on it


@dataclass(frozen=True)
class Outcome:
    """How a training ended: its best epoch (0 is the start), the last one, and why it ended.

    `history` has the mean loss and the validation mAP of each epoch, the start included.
    """

    best_epoch: int
    epochs: int
    ended: str
    history: tuple[tuple[float, float], ...]


class _State:
    """What changes from epoch to epoch, and how it is kept."""

    def __init__(self, learner: Learner, loss: torch.nn.Module, plan: Plan) -> None:
        self.trained = torch.nn.ModuleDict({"model": learner.module, "loss": loss})
        self.optimiser = torch.optim.Adam(
            [
                {"params": list(parameters), "lr": plan.rate * factor}
                for factor, parameters in (
                    *learner.groups,
                    (_PROXIES_FASTER, tuple(loss.parameters())),
                )
                if parameters
            ]
        )
        self.best: dict[str, Any] = {}
        self.best_epoch = -1
        self.history: list[tuple[float, float]] = []

    @property
    def epoch(self) -> int:
        """The last epoch that is done; 0 is the start, -1 before it is measured."""
        return len(self.history) - 1

    def take(self, loss: float, score: float) -> None:
        """Note an epoch's figures, and its tensors where they are the best so far."""
        if self.best_epoch < 0 or score > self.history[self.best_epoch][1]:
            self.best = deepcopy(self.trained["model"].state_dict())
            self.best_epoch = len(self.history)
        self.history.append((loss, score))

    def kept(self) -> dict[str, Any]:
        return {
            "trained": self.trained.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": self.history,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        self.trained.load_state_dict(kept["trained"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.best, self.best_epoch = kept["best"], kept["best_epoch"]
        self.history = [tuple(figures) for figures in kept["history"]]


def train(
    learner: Learner,
    labels: Rows,
    split: Split,
    plan: Plan,
    *,
    checkpoint: Checkpoint,
    on_progress: OnProgress = lambda stage, done, total, note: None,
) -> Outcome:
    """Train `learner` on the training part alone, and leave it in its best state.

    The best epoch has the highest mAP of the validation images, the start included; where no two
    of these share a label, the last one is taken. Stopped at any moment, the same call goes on
    after the last epoch kept and ends with the same numbers: what is left to chance is drawn anew
    for each epoch from the seed and its number. A loss that is no number ends the training at the
    best so far. `on_progress` gets ("train", epoch, epochs, its loss and validation mAP in words).
    UsageError, StorageError: see `Checkpoint`.
    """
    _, targets = np.unique(labels[split.train], return_inverse=True)
    target_of = dict(zip(split.train.tolist(), targets.tolist(), strict=True))
    loss = loss_of(
        plan.loss, torch.from_numpy(learner.vectors(split.train)), torch.from_numpy(targets)
    )
    beginning = [
        (parameter, parameter.detach().clone())
        for _, parameters in learner.groups
        for parameter in parameters
    ]
    state = _State(learner, loss, plan)
    if (kept := checkpoint.load()) is not None:
        state.restore(kept)
    else:
        state.take(math.nan, _score(learner, labels, split, 0))
    _report_epoch(on_progress, state, plan)
    ended = ""
    while not (ended := ended or _ended(state, plan)):
        draw = np.random.default_rng([plan.seed, state.epoch + 1])
        losses = []
        for rows in batches(labels, split.train, plan.batch, draw):
            wanted = torch.tensor([target_of[row] for row in rows.tolist()])
            value = loss(learner.module(learner.inputs(rows, draw)), wanted)
            value = value + plan.anchor * _moved(beginning)
            losses.append(value.item())
            if not math.isfinite(losses[-1]):
                break
            state.optimiser.zero_grad()
            value.backward()
            state.optimiser.step()
        if not _is_finite(losses[-1], learner):
            ended = DIVERGED
        else:
            state.take(float(np.mean(losses)), _score(learner, labels, split, state.epoch + 1))
            checkpoint.save(state.kept())
            _report_epoch(on_progress, state, plan)
    learner.module.load_state_dict(state.best)
    return Outcome(state.best_epoch, state.epoch, ended, tuple(state.history))


def batches(labels: Rows, rows: Rows, size: int, draw: Draw) -> Iterator[Rows]:
    """Yield all `rows` once, in batches of up to `size` in which each has others of its label.

    The images of a label are cut at random into fours, and a batch is made of such pieces (as in
    Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017).
    pytorch-metric-learning's `MPerClassSampler` was tried: it leaves images out of an epoch and
    repeats those of labels with fewer than four, so that an image is its own neighbour, takes no
    batch of more than four times the labels, and draws from a generator that all of the process
    shares, so that an interrupted training would not end with the same numbers.
    """
    pieces = []
    for label in np.unique(labels[rows]):
        own = draw.permutation(rows[labels[rows] == label])
        pieces += np.array_split(own, math.ceil(len(own) / _IMAGES_OF_A_CLASS))
    order = np.concatenate([pieces[place] for place in draw.permutation(len(pieces))])
    yield from (order[start : start + size] for start in range(0, len(order), size))


def _report_epoch(on_progress: OnProgress, state: _State, plan: Plan) -> None:
    loss, score = state.history[-1]
    on_progress("train", state.epoch, plan.epochs, f"loss {loss:.3f}, validation mAP {score:.4f}")


def _moved(beginning: list[tuple[torch.nn.Parameter, torch.Tensor]]) -> Any:
    return sum(((now - then) ** 2).sum() for now, then in beginning)


def _is_finite(loss: float, learner: Learner) -> bool:
    """Return whether the loss and the parameters after its step are finite."""
    return math.isfinite(loss) and all(
        bool(parameter.isfinite().all()) for parameter in learner.module.parameters()
    )


def _score(learner: Learner, labels: Rows, split: Split, epoch: int) -> float:
    if len(split.validation):
        figures = measure(learner.vectors(split.validation), labels[split.validation])
        if figures.mean_average_precision is not None:
            return figures.mean_average_precision
    return float(epoch)


def _ended(state: _State, plan: Plan) -> str:
    if state.epoch - state.best_epoch >= plan.patience:
        return "no better for a while"
    return "all epochs done" if state.epoch >= plan.epochs else ""
