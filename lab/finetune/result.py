"""A trained head, and perhaps its network → one model file that `create_index.py --model` takes."""

import json
from pathlib import Path
from typing import Any

import torch

from lab.finetune.checkpoint import write_whole
from lab.finetune.learner import Head

FORMAT = "reverse-image-search-model/1"


def write_model(
    path: Path,
    head: Head,
    *,
    base: str,
    base_sha256: str,
    training: dict[str, Any],
    network: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write `path` (.safetensors), whole or not at all: head, network, and how they were made.

    `head.weight` is (out, in) and `head.bias` (out,), float32; `network` is the whole state of the
    base model's network by its published names, given where it was trained too. The metadata says
    that features x of the model `base`, whose weights have the hash `base_sha256`, become the unit
    vector of weight @ (x / |x|) + bias. StorageError if it cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
    tensors |= {f"network.{name}": tensor for name, tensor in (network or {}).items()}
    metadata = {
        "format": FORMAT,
        "base": base,
        "base_sha256": base_sha256,
        "training": json.dumps(training, sort_keys=True),
    }
    kept = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    write_whole(path, lambda part: save_file(kept, part, metadata))
