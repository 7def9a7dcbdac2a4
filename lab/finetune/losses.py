"""Unit vectors and their labels → one number that falls as the labels come apart.

The two losses are pytorch-metric-learning's:

`metric`
    Supervised contrastive (Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, the loss
    "out", equation 2): among a batch, each vector's likeliest neighbours are those of its label. It
    has nothing to learn of its own, so classes need no proxies.
`classification`
    Normalised softmax (Zhai and Wu, Classification is a Strong Baseline for Deep Metric Learning,
    BMVC 2019): each vector is nearest to the proxy of its class, by cosine. The proxies begin at
    the mean of their class and learn faster than the rest, as in Teh et al., ProxyNCA++, ECCV 2020.
"""

import torch
from pytorch_metric_learning.losses import NormalizedSoftmaxLoss, SupConLoss
from torch.nn import functional

from lab.finetune.request import Loss

TEMPERATURE = 0.1


def loss_of(name: Loss, vectors: torch.Tensor, labels: torch.Tensor) -> torch.nn.Module:
    """Return the loss called `name`; its proxies start from (n, dim) vectors with (n,) labels.

    It takes (n, dim) unit vectors and (n,) labels that index the proxies, and is 0 where no two of
    a batch share a label (`metric`).
    """
    if name == "metric":
        contrastive: torch.nn.Module = SupConLoss(temperature=TEMPERATURE)
        return contrastive
    classes, dim = int(labels.max()) + 1, vectors.shape[1]
    sums = torch.zeros(classes, dim).index_add_(0, labels, vectors)
    softmax = NormalizedSoftmaxLoss(classes, dim, temperature=TEMPERATURE)
    softmax.W.data = functional.normalize(sums, dim=1).T.contiguous()
    proxies: torch.nn.Module = softmax
    return proxies
