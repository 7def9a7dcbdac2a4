"""A weights file → a network that OpenVINO runs.

`python -m app.embed.convert pictures|texts MODEL WEIGHTS OUTPUT.xml [MODELS]` runs in a process of
its own, so that torch's memory is freed with it; a later start does not need torch at all.
"""

import logging
import sys
from pathlib import Path
from typing import Any

from app.embed.model_file import BASE_PREFIX, HEAD_PREFIX, find_model
from app.embed.models import Model
from app.embed.networks import State, feature_network, text_network, with_head
from app.errors import AppError, ModelError

_CONTEXT_TOKENS = 77  # of CLIP's texts
_ANY = -1  # a size that OpenVINO leaves open


def convert(model: Model, weights: Path, output: Path, *, texts: bool = False) -> None:
    """Write the model's network as `output` (.xml, with its .bin beside it).

    It turns (n, H, W, 3) uint8 pictures, or the int64 tokens of `text_network` with `texts`, into
    (n, dim) float32 features; a picture's mean and deviation are part of it. Both files are written
    under another name first and the .xml is renamed last, so that an .xml that exists is whole.
    ModelError if the weights do not fit the network.
    """
    import openvino as ov

    converted = _texts(model, weights) if texts else _pictures(model, weights)
    temporary = output.with_name(f"{output.stem}.new.xml")
    ov.save_model(converted, temporary, compress_to_fp16=False)
    temporary.with_suffix(".bin").replace(output.with_suffix(".bin"))
    temporary.replace(output)


def read_weights(weights: Path) -> State:
    """Return the tensors of a .safetensors or a torch file; ModelError if it cannot be read."""
    import torch

    try:
        if weights.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(weights)
        # weights_only: a pickle may run code, tensors may not.
        return dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as exc:  # torch, pickle and safetensors share no error class
        raise ModelError(f"The weights {weights} cannot be read: fetch the file again.") from exc


def network_of(model: Model, weights: Path) -> Any:
    """Return the torch network, (n, 3, H, W) float32 → (n, dim), with a trained head if any."""
    if model.file is None:
        return feature_network(model, read_weights(weights))
    trained = read_weights(model.file.path)
    base = _below(BASE_PREFIX, trained) if model.file.whole else read_weights(weights)
    return with_head(feature_network(model, base), _below(HEAD_PREFIX, trained)).eval()


def texts_of(model: Model, weights: Path) -> Any:
    """Return the torch network for texts, int64 tokens → (n, dim); see `text_network`."""
    return text_network(model, read_weights(weights))


def _below(prefix: str, state: State) -> State:
    """Return the tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _pictures(model: Model, weights: Path) -> Any:
    import openvino as ov
    import torch

    network = network_of(model, weights)
    preprocessing = model.picture_preprocessing
    with torch.inference_mode():
        converted = ov.convert_model(
            network,
            example_input=torch.zeros(1, 3, preprocessing.crop, preprocessing.crop),
            input=[-1, 3, preprocessing.crop, preprocessing.crop],
        )
    steps = ov.preprocess.PrePostProcessor(converted)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    normalised = steps.input().preprocess().convert_element_type(ov.Type.f32)
    normalised.mean(list(preprocessing.mean)).scale(list(preprocessing.std))
    return steps.build()


def _texts(model: Model, weights: Path) -> Any:
    import openvino as ov
    import torch

    network = texts_of(model, weights)
    length = _ANY if model.kind == "text" else _CONTEXT_TOKENS
    with torch.inference_mode():
        return ov.convert_model(
            network,
            example_input=torch.zeros(1, _CONTEXT_TOKENS, dtype=torch.int64),
            input=([_ANY, length], ov.Type.i64),
        )


def main(arguments: list[str]) -> int:
    """Convert what the arguments name; the sentence of an error goes to standard error."""
    what, name, weights, output, *models_dir = arguments
    logging.disable(logging.WARNING)
    try:
        model = find_model(name, Path(models_dir[0]) if models_dir else None)
        convert(model, Path(weights), Path(output), texts=what == "texts")
    except AppError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
