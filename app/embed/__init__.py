"""RGB arrays → unit vectors: a model's preprocessing, then a runtime, then unit length."""

from app.embed.embedder import Embedder, Runtime
from app.embed.models import MODELS, Model, Preprocessing, model_named

__all__ = ["MODELS", "Embedder", "Model", "Preprocessing", "Runtime", "model_named"]
