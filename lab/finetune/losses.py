"""Unit vectors and their labels → one number that falls as the labels come apart."""

from typing import Any

import torch
from torch.nn import functional

from lab.finetune.request import Loss

TEMPERATURE = 0.1
_NOT_AMONG_THEM = -1e9  # minus infinity would make a batch of one no number


class SupervisedContrastive(torch.nn.Module):
    """Metric learning: among a batch, each vector's likeliest neighbours are those of its label.

    Khosla et al., Supervised Contrastive Learning, NeurIPS 2020 (the loss "out", equation 2). It
    has nothing to learn of its own, so classes need no proxies.
    """

    def forward(self, vectors: torch.Tensor, labels: torch.Tensor) -> Any:
        """Return the loss of (n, dim) unit vectors with (n,) labels; 0 where no two are alike."""
        own = torch.eye(len(labels), dtype=torch.bool)
        alike = (labels[:, None] == labels) & ~own
        scores = (vectors @ vectors.T / TEMPERATURE).masked_fill(own, _NOT_AMONG_THEM)
        counts = alike.sum(1)
        each = -(scores.log_softmax(1) * alike).sum(1) / counts.clamp(min=1)
        return each.sum() / (counts > 0).sum().clamp(min=1)


class NormalisedSoftmax(torch.nn.Module):
    """Classification: each vector is nearest to the proxy of its class, by cosine.

    Zhai and Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019; the
    proxies begin at the mean of their class and learn faster than the rest, as in Teh et al.,
    ProxyNCA++, ECCV 2020.
    """

    def __init__(self, proxies: torch.Tensor) -> None:
        super().__init__()
        self.proxies = torch.nn.Parameter(proxies.clone())

    def forward(self, vectors: torch.Tensor, labels: torch.Tensor) -> Any:
        """Return the loss of (n, dim) unit vectors with (n,) labels that index the proxies."""
        scores = vectors @ functional.normalize(self.proxies, dim=1).T / TEMPERATURE
        return functional.cross_entropy(scores, labels)


def loss_of(name: Loss, vectors: torch.Tensor, labels: torch.Tensor) -> torch.nn.Module:
    """Return the loss called `name`; its proxies start from (n, dim) vectors with (n,) labels."""
    if name == "metric":
        return SupervisedContrastive()
    classes = int(labels.max()) + 1
    sums = torch.zeros(classes, vectors.shape[1]).index_add_(0, labels, vectors)
    return NormalisedSoftmax(functional.normalize(sums, dim=1))
