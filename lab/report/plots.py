"""Searches → recall against queries per second, as SVG; names matplotlib."""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.report.results import Point, pareto

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that keep apart from each other, and from both a white and a dark page.
_COLOURS = (
    *("#3b7dd8", "#e0792b", "#2f9e56", "#d1495b", "#8f6cd1", "#9a6b4f", "#d66ba8", "#7f8a93"),
    *("#a3a32c", "#27a5b5", "#5560c9", "#b88a1e", "#4f8f2f", "#b04a9a", "#c25b3f", "#5f9ea0"),
    *("#7a8fd1", "#97762f", "#3d9a8b", "#c9798a", "#6d7d3b", "#a05fd6", "#4c88a8", "#bf6f6f"),
)
_MARKS = "osD^vP*X"
_INK = "#010203"  # becomes the page's own colour of text
_TICKS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.999, 1.0)
_LEAST_APART = 0.04  # of two numbers below the axis, as a share of its length
_ROOM = 0.0003  # what the stretched axis has left beyond a recall of 1


def tradeoff(
    points: Sequence[Point], *, methods: Sequence[str], k: int, target: float, title: str = ""
) -> str:
    """Return the plot of recall@k against queries per second as an SVG document.

    Every method has the colour of its place in `methods`; its best searches are joined by a line,
    the others are faint. Those that no other search beats in both are ringed: the Pareto front.
    """

    def draw(axes: "Axes") -> None:
        for method in [name for name in methods if any(p.method == name for p in points)]:
            _draw_method(axes, method, [p for p in points if p.method == method], methods)
        front = pareto(points)
        axes.plot(
            [p.recall for p in front],
            [p.per_second for p in front],
            "o",
            mfc="none",
            mec=_INK,
            alpha=0.75,
            ms=10,
            label="beaten by none",
            zorder=1,
        )
        axes.axvline(target, color=_INK, lw=0.8, ls="--", alpha=0.6)
        _dress(axes, points, k, title)

    return _svg(draw)


def on_page(svg: str) -> str:
    """Return the SVG element of a document for an HTML page: its ink is the page's own."""
    element = svg[svg.index("<svg") :]
    return element.replace(_INK, "currentColor")


def as_file(svg: str) -> bytes:
    """Return an SVG document that stands alone: dark ink on white."""
    white = re.sub(
        r"(<svg[^>]*>)", r'\1<rect width="100%" height="100%" fill="#fff"/>', svg, count=1
    )
    return white.replace(_INK, "#1c1c1c").encode()


def _draw_method(
    axes: "Axes", method: str, points: Sequence[Point], methods: Sequence[str]
) -> None:
    place = list(methods).index(method)
    colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
    best = pareto(points)
    others = [p for p in points if p not in best]
    axes.plot(
        [p.recall for p in best],
        [p.per_second for p in best],
        mark + "-",
        color=colour,
        ms=5,
        lw=1.4,
        label=method,
        zorder=3,
    )
    if others:
        axes.plot(
            [p.recall for p in others],
            [p.per_second for p in others],
            mark,
            color=colour,
            ms=3.5,
            alpha=0.35,
            lw=0,
            zorder=2,
        )


def _ticks(left: float) -> list[float]:
    """Return the recalls from `left` on that are written below the axis, none over another.

    >>> _ticks(0.0), _ticks(0.96)
    ([0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.999, 1.0], [0.97, 0.99, 0.999, 1.0])
    """
    places = _stretched(np.array([left, *_TICKS, 1 + _ROOM]))
    apart = _LEAST_APART * (places[-1] - places[0])
    kept: list[float] = []
    last = np.inf
    for tick, place in reversed(list(zip(_TICKS, places[1:-1], strict=True))):
        if tick >= left and last - place >= apart:
            kept.insert(0, tick)
            last = place
    return kept


def _dress(axes: "Axes", points: Sequence[Point], k: int, title: str) -> None:
    from matplotlib import ticker

    least = min(p.recall for p in points)
    axes.set_xscale("function", functions=(_stretched, _unstretched))
    left = max(0.0, least - 0.03)
    axes.set_xlim(left, 1 + _ROOM)
    axes.set_xticks(_ticks(left), minor=False)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.tick_params(axis="x", labelrotation=45)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 3), numticks=12))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.10g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel(f"recall@{k} (stretched towards 1)")
    axes.set_ylabel("queries per second, one at a time, one thread")
    axes.grid(color=_INK, alpha=0.12, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, fontsize=11, loc="left")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.42, -0.24), ncols=2, frameon=False, fontsize=10
    )


def _stretched(recall: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log10(1.001 - np.minimum(recall, 1 + _ROOM))


def _unstretched(place: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.001 - 10 ** -np.asarray(place)


def _svg(draw: Any) -> str:
    """Return one plot as an SVG document; the same plot is the same text."""
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "study",
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "font.size": 11,
        "axes.facecolor": "none",
        "font.family": "sans-serif",
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(5.0, 4.6), facecolor="none")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(
            file,
            format="svg",
            bbox_inches="tight",
            pad_inches=0.1,
            metadata={"Date": None, "Creator": None},
        )
    return file.getvalue()
