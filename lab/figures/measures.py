"""What was measured of vectors, of a training, of queries → a matrix, curves and bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lab.figures.canvas import BLUE, GREY, ORANGE, panels
from lab.ivfpq import Vectors

_MAP = "mean_average_precision"
_PARTS = {"seen": "images held out", "unseen": "classes held out"}
_WHEN = {
    "before": ("stored vectors", GREY),
    "start": ("centred and cut, not trained", ORANGE),
    "after": ("trained", BLUE),
}


def cosines(vectors: Vectors, pictures: Sequence[Path]) -> Figure:
    """Draw the cosines of (n, dim) unit vectors to each other, with the pictures' names."""
    names = [picture.stem for picture in pictures]
    figure, (axes,) = panels(1, width=4.6, height=3.8)
    image = axes.imshow(vectors @ vectors.T, vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    figure.colorbar(image, label="cosine")
    return figure


def by_epoch(history: Sequence[Mapping[str, float]]) -> Figure:
    """Draw the validation mAP of each epoch of a fine-tuning, the start included."""
    figure, (axes,) = panels(1, width=5, height=3)
    axes.plot([epoch["validation"] for epoch in history], "o-", color=BLUE)
    axes.set(xlabel="epoch", ylabel="mAP")
    return figure


def before_and_after(figures: Mapping[str, Any]) -> Figure:
    """Draw the mAP of the held-out parts: as stored, as the training began, and after it.

    `figures` is what a fine-tuning reports; a part of which nothing could be ranked is left out.
    """
    figure, (axes,) = panels(1, width=6.4, height=3.2)
    parts = [part for part in _PARTS if figures[part]["before"][_MAP] is not None]
    places = np.arange(len(parts))
    for step, (when, (label, colour)) in enumerate(_WHEN.items()):
        heights = [figures[part][when][_MAP] for part in parts]
        bars = axes.bar(places + 0.28 * (step - 1), heights, width=0.26, color=colour, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=8)
    axes.set_xticks(places, [_PARTS[part] for part in parts])
    axes.set(ylabel="mAP", ylim=(0, 1.05))
    figure.legend(loc="outside lower center", ncols=len(_WHEN), frameon=False)
    return figure


def cmc_curve(shares: Sequence[float]) -> Figure:
    """Draw the share of queries with a right image among the first 1, 2, …"""
    figure, (axes,) = panels(1, width=6, height=3)
    axes.step(range(1, len(shares) + 1), shares, where="mid", color=BLUE)
    axes.set(xlabel="rank", ylabel="share of queries answered", ylim=(0, 1.02), title="CMC")
    return figure
