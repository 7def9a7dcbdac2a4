"""Base features → a linear head upon them, started from their principal components."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Draw = np.random.Generator

_AT_ONCE = 512


class Head(torch.nn.Module):
    """Features x → the unit vector of weight @ (x / |x|) + bias, as a model file means it."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight.clone())
        self.bias = torch.nn.Parameter(bias.clone())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (n, out) unit vectors of (n, in) features of any length."""
        units = functional.normalize(features, dim=1)
        return functional.normalize(functional.linear(units, self.weight, self.bias), dim=1)


@dataclass(frozen=True)
class Learner:
    """What is trained, and what it is fed with.

    Parameters
    ----------
    module
        Inputs → (n, out) unit vectors.
    groups
        Its parameters, with the factor by which each group learns slower than the head.
    inputs
        Places of images, and a source of chance for augmentation or None for the plain picture →
        the module's inputs.
    """

    module: torch.nn.Module
    groups: tuple[tuple[float, tuple[torch.nn.Parameter, ...]], ...]
    inputs: Callable[[Rows, Draw | None], torch.Tensor]

    def vectors(self, rows: Rows) -> Vectors:
        """Return the (n, out) float32 unit vectors of the plain images at `rows`."""
        if not len(rows):
            return np.empty((0, 0), np.float32)
        with torch.inference_mode():
            parts = [
                self.module(self.inputs(rows[start : start + _AT_ONCE], None))
                for start in range(0, len(rows), _AT_ONCE)
            ]
        vectors: Vectors = torch.cat(parts).numpy()
        return vectors


def starting_head(vectors: Vectors, dim: int) -> Head:
    """Return the head that centres vectors and keeps their `dim` strongest principal components.

    Of all the heads that have learnt nothing it ranks best: what all images have in common
    distinguishes none of them (Jégou and Chum, Negative evidences and co-occurences in image
    retrieval, ECCV 2012). `vectors` are (n, in) float32 of length 1 and `dim` is at most in; no
    whitening.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    _, components = np.linalg.eigh(centred.T @ centred)  # eigenvalues ascending
    weight = components[:, ::-1][:, :dim].T
    return Head(
        torch.from_numpy(weight.astype(np.float32)),
        torch.from_numpy((-weight @ mean).astype(np.float32)),
    )


def head_learner(vectors: Vectors, head: Head) -> Learner:
    """Return the learner that trains `head` alone, upon stored (n, in) float32 vectors."""
    stored = torch.from_numpy(vectors)
    return Learner(
        module=head,
        groups=((1.0, tuple(head.parameters())),),
        inputs=lambda rows, draw: stored[torch.from_numpy(rows)],
    )
