"""A weights file → a network that OpenVINO runs; the only file that names torch.

`python -m app.embed.convert MODEL WEIGHTS OUTPUT.xml` does it in a process of its own: torch's
memory goes with it, and a later start does not need torch at all.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.embed.models import Model, model_named
from app.errors import AppError, ModelError

if TYPE_CHECKING:
    import torch


def convert(model: Model, weights: Path, output: Path) -> None:
    """Write `output` (.xml, with its .bin beside it): (n, H, W, 3) uint8 → (n, dim) float32.

    Mean and deviation are folded into the network. Written under another name first, the .xml
    last, so that a file that exists is whole. ModelError if the weights do not fit the network.
    """
    import openvino as ov
    import torch

    network = _features(model, _read(weights)).eval()
    crop = model.preprocessing.crop
    with torch.inference_mode():
        converted = ov.convert_model(
            network, example_input=torch.zeros(1, 3, crop, crop), input=[-1, 3, crop, crop]
        )
    steps = ov.preprocess.PrePostProcessor(converted)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean(
        list(model.preprocessing.mean)
    ).scale(list(model.preprocessing.std))
    temporary = output.with_name(f"{output.stem}.new.xml")
    ov.save_model(steps.build(), temporary, compress_to_fp16=False)
    temporary.with_suffix(".bin").replace(output.with_suffix(".bin"))
    temporary.replace(output)


def _read(weights: Path) -> dict[str, Any]:
    import torch

    try:
        if weights.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(weights)
        # weights_only: a pickle may run code, tensors may not.
        return dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as exc:  # torch, pickle and safetensors share no error class
        raise ModelError(f"The weights {weights} cannot be read: fetch the file again.") from exc


def _features(model: Model, state: dict[str, Any]) -> "torch.nn.Module":
    """Return the network up to the layer before the classifier, (n, 3, H, W) → (n, dim)."""
    import torch

    class PooledFeatures(torch.nn.Module):
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: "torch.Tensor") -> Any:
            return self.network.extract_features(x).mean((2, 3))

    family, _, variant = model.network.partition(":")
    try:
        if family == "efficientnet_lite":
            from efficientnet_lite_pytorch import EfficientNet

            network = EfficientNet.from_name(variant)
            network.load_state_dict(state)
            return PooledFeatures(network)
        _declare_torchvision_operators()
        import torchvision

        network = torchvision.models.get_model(variant, weights=None)
        network.load_state_dict(state)
        network.fc = torch.nn.Identity()
        return network  # type: ignore[no-any-return]
    except (RuntimeError, AttributeError, TypeError) as exc:  # names that are no strings, too
        # torch heads the list of what does not fit with a line of its own.
        *_, first = str(exc).splitlines()[:2] or [""]
        raise ModelError(
            f"The weights for {model.name} do not fit its network ({first.strip(' .')}): "
            "use the published file."
        ) from exc


def _declare_torchvision_operators() -> None:
    """Let torchvision import beside a torch that was built without CUDA.

    Its wheel registers what it knows about two operators of its compiled part when imported, and
    fails ("operator torchvision::nms does not exist") where that part did not load. Nothing here
    calls them; declaring their signatures is enough.
    """
    import torch

    for signature in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        try:
            library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define(signature)
            _DECLARED.append(library)
        except RuntimeError:
            continue  # the compiled part did load and has declared them itself


_DECLARED: list[Any] = []  # a declaration ends with its Library object


def main(arguments: list[str]) -> int:
    """Convert as the command line says; the error's sentence goes to standard error."""
    name, weights, output = arguments
    logging.disable(logging.WARNING)
    try:
        convert(model_named(name), Path(weights), Path(output))
    except AppError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
