"""Texts → features: tokens by open_clip, then the text network in any runtime."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.embed.models import Model
from app.embed.networks import declare_torchvision_operators


class TokenRuntime(Protocol):
    """Runs a network for tokens; thread-safe."""

    def run(self, tokens: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Return (1, dim) float32 features of (1, 77) int64 tokens."""


class OpenClipTexts:
    """The text network of a model of open_clip; thread-safe."""

    def __init__(self, model: Model, network: TokenRuntime) -> None:
        """Take the network that runs tokens."""
        declare_torchvision_operators()
        import open_clip

        variant = model.network.partition(":")[2]
        self._tokens: Any = open_clip.get_tokenizer(variant)
        self._runtime = network

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of n texts; each is cut after its first 75 tokens."""
        tokens: NDArray[np.int64] = self._tokens(list(texts)).numpy()
        return np.concatenate([self._runtime.run(each[np.newaxis]) for each in tokens])
