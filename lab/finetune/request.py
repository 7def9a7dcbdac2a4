"""The options of a fine-tuning → plain values; imports no large library."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Loss = Literal["metric", "classification"]
Trained = Literal["head", "network"]


@dataclass(frozen=True)
class Plan:
    """How to train.

    Parameters
    ----------
    loss
        `metric` or `classification`.
    epochs, patience
        The most epochs, and after how many without a better validation mAP it ends.
    batch, rate
        Images a step, and Adam's learning rate for the head.
    anchor
        How strongly the parameters are held to where they began: this times the sum of the squared
        differences joins the loss (L2-SP: Li et al., Explicit Inductive Bias for Transfer Learning,
        ICML 2018). It is what keeps classes that were never seen from falling apart.
    seed
        Of the split, the order of the batches and the augmentation.
    """

    loss: Loss = "metric"
    epochs: int = 30
    patience: int = 5
    batch: int = 256
    rate: float = 1e-3
    anchor: float = 0.01
    seed: int = 0


@dataclass(frozen=True)
class Request:
    """A gallery, how to train on it, and where the model goes.

    Parameters
    ----------
    gallery
        The gallery's name.
    plan
        How to train.
    train
        The head alone, upon the stored vectors, or the network's last blocks with it.
    dim
        Numbers in a vector, at most as many as the base model gives.
    without
        A label whose images are left out.
    per_label
        Take so many images of each label only.
    held_out_classes
        The share of the labels that is held out whole.
    out
        The model's file; by default GALLERY-finetuned.safetensors among the models of RIS_HOME.
    force, restart
        Replace a model that is there; begin anew, not where the last run stopped, and delete what
        that one kept.
    """

    gallery: str
    plan: Plan = Plan()
    train: Trained = "head"
    dim: int = 256
    without: str = ""
    per_label: int | None = None
    held_out_classes: float = 0.2
    out: Path | None = None
    force: bool = False
    restart: bool = False
