"""RGB arrays → unit vectors: a model's preprocessing, then a runtime, then unit length."""

import sys

from app.embed.embedder import Embedder, Runtime
from app.embed.models import MODELS, NEEDS_NO_DOWNLOAD, Model, Preprocessing, model_named

__all__ = [
    "MODELS",
    "NEEDS_NO_DOWNLOAD",
    "Embedder",
    "Model",
    "Preprocessing",
    "Runtime",
    "model_named",
]

# With this package OpenVINO tells its maker of each import and conversion, over the network.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
