"""BERT's encoder, and the mean of its tokens → the features of texts.

Devlin et al., BERT, NAACL 2019; the mean is the pooling of Reimers and Gurevych, Sentence-BERT,
EMNLP 2019. `networks` imports this file when a network is built: torch takes seconds to import.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_NORM_EPSILON = 1e-12
# The published names, and the ones here. The order matters: each is a part of none before it.
_NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "types",
    "embeddings.LayerNorm": "norm",
    "encoder.layer": "layers",
    "attention.self.": "",
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "attended_norm",
    "intermediate.dense": "wide",
    "output.dense": "narrow",
    "output.LayerNorm": "norm",
}
_UNUSED = ("pooler.", "embeddings.position_ids")  # of other tasks, and numbers from 0 up


@dataclass(frozen=True)
class Shape:
    """How large an encoder is: `inner` is the width between the two linear maps of a layer."""

    layers: int
    width: int
    inner: int
    heads: int
    vocabulary: int = 30522
    positions: int = 512
    types: int = 2


SHAPES = {"minilm-l6-h384": Shape(layers=6, width=384, inner=1536, heads=12)}


class Layer(nn.Module):
    """One layer: attention between the tokens, then a small network for each, both normalised."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width)
        self.value = nn.Linear(shape.width, shape.width)
        self.attended = nn.Linear(shape.width, shape.width)
        self.attended_norm = nn.LayerNorm(shape.width, _NORM_EPSILON)
        self.wide = nn.Linear(shape.width, shape.inner)
        self.narrow = nn.Linear(shape.inner, shape.width)
        self.norm = nn.LayerNorm(shape.width, _NORM_EPSILON)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, length, width) of the same; `mask` is true where there is a token."""
        query, key, value = (
            linear(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.attended_norm(x + self.attended(seen.transpose(1, 2).flatten(2)))
        found: torch.Tensor = self.norm(x + self.narrow(nn.functional.gelu(self.wide(x))))
        return found


class Bert(nn.Module):
    """(n, length) int64 tokens, -1 behind a text's last one → (n, width) float32 features."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.types = nn.Embedding(shape.types, shape.width)
        self.norm = nn.LayerNorm(shape.width, _NORM_EPSILON)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the mean of the tokens' vectors after the last layer."""
        there = tokens >= 0
        places = self.positions.weight[: tokens.shape[1]] + self.types.weight[0]
        x: torch.Tensor = self.norm(self.words(tokens.clamp(min=0)) + places)
        for layer in self.layers:
            x = layer(x, there[:, None, None, :])
        shares = there.unsqueeze(2).float()
        return (x * shares).sum(1) / shares.sum(1)


def bert(variant: str, state: dict[str, Any]) -> nn.Module:
    """Return the encoder of a size of `SHAPES` with published weights; RuntimeError if unfit."""
    network = Bert(SHAPES[variant])
    network.load_state_dict(
        {_named(name): each for name, each in state.items() if not name.startswith(_UNUSED)}
    )
    return network


def _named(published: str) -> str:
    for theirs, ours in _NAMES.items():
        published = published.replace(theirs, ours)
    return published
