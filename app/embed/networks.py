"""Published weights → a torch network without its classifier, which gives features.

Only this file, `bert`, `convert` and `texts` name torch and the libraries built on it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from app.embed.models import Model, Pool
from app.errors import ModelError

if TYPE_CHECKING:
    import torch

State: TypeAlias = dict[str, Any]  # a network's tensors by their names
_LEAST_ACTIVATION = 1e-6  # GeM takes roots, which have no finite gradient at zero
_GEM_EXPONENT = 3.0


def feature_network(model: Model, state: State) -> "torch.nn.Module":
    """Return the network of `model` up to its features: (n, 3, H, W) float32 → (n, dim).

    The input is preprocessed, mean and deviation applied. A final feature map is pooled by the
    model's `pool`. ModelError if the weights do not fit.
    """
    return _built(model, state, lambda build, variant: pooled(build(variant, state), model.pool))


def text_network(model: Model, state: State) -> "torch.nn.Module":
    """Return the text network, int64 tokens → (n, dim) float32; errors as above.

    CLIP's takes (n, 77) tokens; one for texts alone (n, length), filled up with -1.
    """
    return _built(model, state, lambda build, variant: build(variant, state), _TEXT_FAMILIES)


def with_head(features: "torch.nn.Module", head: State) -> "torch.nn.Module":
    """Return the network with a linear head on its features, which are scaled to length 1 first."""
    import torch

    class Headed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = features
            self.head = torch.nn.Linear(*reversed(head["weight"].shape))
            self.head.load_state_dict(head)

        def forward(self, x: "torch.Tensor") -> Any:
            return self.head(torch.nn.functional.normalize(self.features(x), dim=1))

    return Headed()


def declare_torchvision_operators() -> None:
    """Let torchvision import beside a torch that was built without CUDA.

    When imported, its wheel registers two operators of its compiled part, and fails ("operator
    torchvision::nms does not exist") if that part did not load. Nothing here calls them; declaring
    their signatures is enough. timm and open_clip import torchvision too.
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


def _built(
    model: Model,
    state: State,
    make: "Callable[[_Build, str], torch.nn.Module]",
    families: "dict[str, _Build] | None" = None,
) -> "torch.nn.Module":
    """Return the network that `make` builds, ready for inference; ModelError if it cannot."""
    family, _, variant = model.network.partition(":")
    declare_torchvision_operators()
    try:
        return make((families or _FAMILIES)[family], variant).float().eval()
    except (RuntimeError, AttributeError, TypeError, KeyError) as exc:  # names that are no strings
        # torch writes a title line above the list of tensors that do not fit.
        *_, first = str(exc).splitlines()[:2] or [""]
        raise ModelError(
            f"The weights for {model.name} do not fit its network ({first.strip(' .')}): "
            "use the published file."
        ) from exc


def pooled(network: "torch.nn.Module", pool: Pool | None) -> "torch.nn.Module":
    """Return a network with its final feature map pooled; the network itself if `pool` is None."""
    import torch

    class Pooled(torch.nn.Module):
        """(n, dim, h, w) → (n, dim); GeM is Radenović et al., TPAMI 2018, with p = 3."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: "torch.Tensor") -> Any:
            features = self.network(x)
            if pool == "max":
                return features.amax((2, 3))
            if pool == "gem":
                powers = features.clamp(min=_LEAST_ACTIVATION).pow(_GEM_EXPONENT)
                return powers.mean((2, 3)).pow(1 / _GEM_EXPONENT)
            return features.mean((2, 3))

    return Pooled() if pool else network


def _efficientnet_lite(variant: str, state: State) -> "torch.nn.Module":
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    class FeatureMap(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = EfficientNet.from_name(variant)
            self.network.load_state_dict(state)

        def forward(self, x: "torch.Tensor") -> Any:
            return self.network.extract_features(x)

    return FeatureMap()


def _torchvision(variant: str, state: State) -> "torch.nn.Module":
    import torch
    import torchvision

    network: Any = torchvision.models.get_model(variant, weights=None)
    network.load_state_dict(state)
    if variant.startswith("resnet"):
        *layers, _pooling, _classifier = network.children()
        return torch.nn.Sequential(*layers)
    if variant.startswith("mobilenet"):
        return network.features  # type: ignore[no-any-return]
    if variant.startswith("vit"):
        network.heads = torch.nn.Identity()
    else:
        network.classifier = network.classifier[:-1]
    return network  # type: ignore[no-any-return]


def _sscd(variant: str, state: State) -> "torch.nn.Module":
    """Return the backbone with generalised-mean pooling and its last layer, which is no classifier.

    What belongs to SSCD alone, its normalisation, is every embedder's.
    """
    import torch
    import torchvision

    dim = state["backbone.fc.bias"].shape[0]
    network: Any = torchvision.models.get_model(variant, weights=None, num_classes=dim)
    network.load_state_dict(
        {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
    )
    *layers, _pooling, last = network.children()
    return torch.nn.Sequential(pooled(torch.nn.Sequential(*layers), "gem"), last)


def _torchvision_features(variant: str, state: State) -> "torch.nn.Module":
    """Return torchvision's feature layers with weights that have its order but other names."""
    import torchvision

    network: Any = torchvision.models.get_model(variant, weights=None).features
    expected = network.state_dict()
    if [_kind(item) for item in expected.items()] != [_kind(item) for item in state.items()]:
        raise RuntimeError(f"its tensors are not those of {variant}, in their order")
    network.load_state_dict(dict(zip(expected, state.values(), strict=True)))
    return network  # type: ignore[no-any-return]


def _kind(item: tuple[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Return the last part of a tensor's name, the same in both namings, and its shape."""
    name, tensor = item
    return name.rpartition(".")[2], tuple(tensor.shape)


def _clip_pictures(variant: str, state: State) -> "torch.nn.Module":
    return _clip(variant, state).visual  # type: ignore[no-any-return]


def _clip_texts(variant: str, state: State) -> "torch.nn.Module":
    import torch

    class Texts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = _clip(variant, state)

        def forward(self, tokens: "torch.Tensor") -> Any:
            return self.network.encode_text(tokens)

    return Texts()


def _bert(variant: str, state: State) -> "torch.nn.Module":
    from app.embed.bert import bert

    return bert(variant, state)


def _clip(variant: str, state: State) -> Any:
    import open_clip

    network: Any = open_clip.create_model(variant)
    network.load_state_dict(state)
    return network


def _timm(variant: str, state: State) -> "torch.nn.Module":
    import timm
    from timm.models.vision_transformer import checkpoint_filter_fn

    network: Any = timm.create_model(variant, img_size=224)
    # The published position embeddings are for another side; timm resamples them.
    network.load_state_dict(checkpoint_filter_fn(dict(state), network))
    return network  # type: ignore[no-any-return]


_Build: TypeAlias = "Callable[[str, State], torch.nn.Module]"
_FAMILIES: "dict[str, _Build]" = {
    "efficientnet_lite": _efficientnet_lite,
    "torchvision": _torchvision,
    "torchvision_features": _torchvision_features,
    "sscd": _sscd,
    "open_clip": _clip_pictures,
    "timm": _timm,
}
_TEXT_FAMILIES: "dict[str, _Build]" = {"open_clip": _clip_texts, "bert": _bert}
