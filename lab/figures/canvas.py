"""A matplotlib figure ↔ its parts and its PNG; colours that all figures share."""

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

BLUE, ORANGE, GREEN, RED, GREY, INK = (
    *("#2f6fbf", "#e07b20", "#2f9e56", "#c8364a", "#b9c0c7", "#1c1c1c"),
)


def panels(count: int, *, width: float = 5.0, height: float = 4.4) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels beside each other, `width` × `height` inches each."""
    figure = Figure(figsize=(width * count, height), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0].tolist()
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_map(axes: Axes, title: str) -> None:
    """Make a panel a map: no numbers at its sides, both directions at one scale."""
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")  # so that panels have one size
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11)


def scatter(axes: Axes, places: NDArray[np.float32], **how: Any) -> None:
    """Draw a dot at each of (n, 2) places."""
    axes.scatter(places[:, 0], places[:, 1], **how)


def png(figure: Figure, *, dpi: int = 100) -> bytes:
    """Return a figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, facecolor="white")
    return file.getvalue()
