"""Texts → features: tokens by open_clip or by tokenizers, then the text network in any runtime."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.embed.models import Model
from app.embed.networks import declare_torchvision_operators
from app.errors import ModelError

_FILLER = -1  # behind a text's last token, in a batch with longer ones


class TokenRuntime(Protocol):
    """Runs a network for tokens; thread-safe."""

    precision: str  # what it calculates in

    def run(self, tokens: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of (n, length) int64 tokens; (1, 77) are CLIP's."""


class OpenClipTexts:
    """The text network of a model of open_clip; thread-safe."""

    def __init__(self, model: Model, network: TokenRuntime) -> None:
        """Take the network that runs tokens."""
        declare_torchvision_operators()
        import open_clip

        self.precision = network.precision
        variant = model.network.partition(":")[2]
        self._tokens: Any = open_clip.get_tokenizer(variant)
        self._runtime = network

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of n texts; each is cut after its first 75 tokens."""
        tokens: NDArray[np.int64] = self._tokens(list(texts)).numpy()
        return np.concatenate([self._runtime.run(each[np.newaxis]) for each in tokens])


class WordPieceTexts:
    """A network that takes texts of any length, `batch` at once; thread-safe.

    `at_once` batches run side by side. A text's tokens are lower-cased pieces of words (WordPiece);
    it is cut after `max_tokens` of them, the two at its ends among them.
    """

    def __init__(
        self, tokenizer: Path, network: TokenRuntime, *, max_tokens: int, batch: int, at_once: int
    ) -> None:
        """Read the tokenizer's file, a tokenizer.json; ModelError if it cannot be read."""
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as exc:  # it raises no class of its own
            raise ModelError(
                f"The tokenizer {tokenizer} cannot be read: fetch the file again."
            ) from exc
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self.precision = network.precision
        self._runtime = network
        self._batch = batch
        self._at_once = at_once

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of n texts, at least one; the empty text has some too.

        Texts of like length share a batch, which is filled up to its longest: a text alone among
        longer ones would cost as much as they do.
        """
        tokens = [self._tokens(text) for text in texts]
        order = sorted(range(len(tokens)), key=lambda text: len(tokens[text]))
        parts = [order[at : at + self._batch] for at in range(0, len(order), self._batch)]
        batches = [_filled([tokens[text] for text in part]) for part in parts]
        if min(self._at_once, len(batches)) == 1:
            found = [self._runtime.run(batch) for batch in batches]
        else:
            with ThreadPoolExecutor(self._at_once) as pool:
                found = list(pool.map(self._runtime.run, batches))
        features = np.empty((len(texts), found[0].shape[1]), np.float32)
        features[order] = np.concatenate(found)
        return features

    def _tokens(self, text: str) -> list[int]:
        # Half a surrogate pair, which a file's name may hold, has no UTF-8: '?' stands for it. One
        # text at a time, since `encode_batch` starts threads that a fork of this process complains
        # about; the network takes many times as long.
        found: list[int] = self._tokenizer.encode(text.encode(errors="replace").decode()).ids
        return found


def _filled(texts: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return (n, length) tokens of n texts, the shorter ones filled up to the longest."""
    batch = np.full((len(texts), max(map(len, texts))), _FILLER, np.int64)
    for row, tokens in zip(batch, texts, strict=True):
        row[: len(tokens)] = tokens
    return batch
