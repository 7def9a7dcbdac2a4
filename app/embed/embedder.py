"""Pictures or texts → unit vectors: batching, unit length and checks around any runtime."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.embed.models import Model
from app.errors import ModelError, UsageError
from app.values.vectors import unit

_LEAST_DECODED_SIDE = 256


class Runtime(Protocol):
    """Runs a network; a new runtime needs only this method and its batch size."""

    batch: int
    precision: str  # what it calculates in: "f32", "bf16" or "int8"

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (batch, dim) float32 features of (batch, H, W, 3) uint8 inputs; thread-safe."""


class TextRuntime(Protocol):
    """Runs a network for texts."""

    precision: str  # what it calculates in

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of n texts; thread-safe."""


class LoadEmbedder(Protocol):
    """Loads a model by its name: `app.embed.load.load_embedder` with the folders filled in."""

    def __call__(
        self,
        name: str,
        /,
        *,
        precision: str = "f32",
        network: Path | None = None,
        calibration: NDArray[np.uint8] | None = None,
    ) -> "Embedder":
        """Return the model `name`, calculating in a precision; see `load_embedder`."""


class Embedder:
    """A model that is ready to run. Safe to use from several threads at once.

    `runtime` is None for a model that embeds texts alone. `load_texts` loads the model's text
    network, if it has one, when the first text comes.
    `network` is the file of an INT8 network, which belongs to a gallery, and `network_sha256` its
    hash; `note` says why the precision was chosen, where nobody asked for it.
    """

    def __init__(
        self,
        model: Model,
        runtime: Runtime | None,
        weights_sha256: str,
        load_texts: Callable[[], TextRuntime] | None = None,
        *,
        network: Path | None = None,
        network_sha256: str = "",
        note: str = "",
    ) -> None:
        self.model = model
        self.weights_sha256 = weights_sha256
        self.network = network
        self.network_sha256 = network_sha256
        self.note = note
        self._runtime = runtime
        self._load_texts = load_texts
        self._texts: TextRuntime | None = None
        self._loading_texts = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return self.model.name

    @property
    def dim(self) -> int:
        """The number of dimensions of a vector."""
        return self.model.dim

    @property
    def batch(self) -> int:
        """The number of pictures that the runtime takes at once; UsageError if it takes none."""
        return self._for_pictures.batch

    @property
    def precision(self) -> str:
        """What the runtime calculates in: "f32", "bf16" or "int8"; see `app.embed.precision`."""
        return (self._runtime or self._for_texts()).precision

    @property
    def decoded_side(self) -> int:
        """The shorter side, in pixels, that is enough of a picture for this model.

        Twice the side that the preprocessing resizes to: its filter then still averages over whole
        pixels. No fewer than local features are looked for in. UsageError for a model of texts.
        """
        return max(_LEAST_DECODED_SIDE, 2 * self.model.picture_preprocessing.resize)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the network's (crop, crop, 3) uint8 input for an (H, W, 3) uint8 picture.

        Separate from `embed` so that a build can free each large picture before its batch is full.
        UsageError if the model embeds texts alone.
        """
        return self.model.picture_preprocessing.apply(image)

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, dim) float32 vectors of norm 1 of (H, W, 3) uint8 pictures.

        UsageError if the model embeds texts alone.
        """
        return self.embed_prepared([self.prepare(image) for image in images])

    def embed_prepared(self, inputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, dim) float32 vectors of norm 1 of inputs that `prepare` made.

        ModelError if they are not finite, UsageError if the model embeds texts alone. The last
        batch is filled up with zeros: a network of fixed shape is the fastest, and the vectors do
        not depend on what else is in the batch.
        """
        runtime = self._for_pictures
        vectors = np.empty((len(inputs), self.dim), np.float32)
        for start in range(0, len(inputs), runtime.batch):
            part = inputs[start : start + runtime.batch]
            filled = np.zeros((runtime.batch, *part[0].shape), np.uint8)
            filled[: len(part)] = part
            vectors[start : start + len(part)] = runtime.run(filled)[: len(part)]
        return self._units(vectors)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dim) float32 vectors of norm 1 of n texts, in the space of any pictures.

        A long text is cut: CLIP reads its first 75 tokens, `all_minilm_l6_v2` its first 254, about
        200 words. An empty text has a vector too. UsageError if the model has no text network or
        `texts` is not a list of texts; ModelError if the network cannot run here.
        """
        if self._load_texts is None:
            self.model.check_embeds("text")
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"texts must be a list such as ['a dog'], not {texts!r}.")
        if not len(texts):
            return np.empty((0, self.dim), np.float32)
        return self._units(self._for_texts().run(texts))

    @property
    def _for_pictures(self) -> Runtime:
        """What runs the network for pictures; UsageError if there is none."""
        self.model.check_embeds("picture")
        assert self._runtime is not None
        return self._runtime

    def _for_texts(self) -> TextRuntime:
        """Return what runs the network for texts, loaded now if it was not."""
        assert self._load_texts is not None
        with self._loading_texts:
            if self._texts is None:
                self._texts = self._load_texts()
        return self._texts

    def _units(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors scaled to length 1; ModelError if they are not finite."""
        if not np.isfinite(vectors).all():
            raise ModelError(
                f"The model {self.name} gave values that are not numbers: its weights are damaged."
            )
        return unit(vectors)
