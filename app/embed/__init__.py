"""RGB arrays → unit vectors: a model's preprocessing, then a runtime, then unit length."""

import sys

from app.embed.embedder import Embedder, LoadEmbedder, Runtime
from app.embed.model_file import find_model
from app.embed.models import (
    MODELS,
    NEEDS_NO_DOWNLOAD,
    OFFERED,
    Kind,
    Model,
    Preprocessing,
    TextPreprocessing,
    model_named,
    pooled_name,
)

__all__ = [
    "MODELS",
    "NEEDS_NO_DOWNLOAD",
    "OFFERED",
    "Embedder",
    "Kind",
    "LoadEmbedder",
    "Model",
    "Preprocessing",
    "Runtime",
    "TextPreprocessing",
    "find_model",
    "model_named",
    "pooled_name",
]

# With this package OpenVINO reports each import and conversion to its maker over the network.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
