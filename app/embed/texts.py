"""Texts → features: tokens by open_clip, the text network by OpenVINO."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.embed.models import Model
from app.embed.networks import declare_torchvision_operators
from app.embed.runtimes.openvino import OpenVinoRuntime


class OpenClipTexts:
    """The text network of a model of open_clip; thread-safe."""

    def __init__(self, model: Model, network: Path, *, threads: int) -> None:
        """Compile the converted network; ModelError if its file is damaged."""
        declare_torchvision_operators()
        import open_clip

        variant = model.network.partition(":")[2]
        self._tokens: Any = open_clip.get_tokenizer(variant)
        self._runtime = OpenVinoRuntime(network, batch=1, streams=1, threads=threads)

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of n texts; each is cut after its first 75 tokens."""
        tokens: NDArray[np.int64] = self._tokens(list(texts)).numpy()
        return np.concatenate([self._runtime.run(each[np.newaxis]) for each in tokens])
