"""A survey → an HTML page with plots, in one file that loads no other; names matplotlib."""

import colorsys
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import printable
from app.search.inspection.look import Survey
from app.search.inspection.summary import as_json, as_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_INK, _FACE = "#3b6ea5", "#ffffff"
_SHOWN = 20
_BINS = 40
_SWATCHES = 400
_MOST_MARKS = 2_000
_MUCH = 10  # times, from the smallest to the largest
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c1c; background: #fff; }
pre { background: #f3f3f3; padding: 1rem; white-space: pre-wrap; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; } td, th { padding: .1rem .8rem .1rem 0; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.bar { display: inline-block; height: .8rem; background: #3b6ea5; }
.colours { display: flex; height: 3rem; } .colours i { flex: 1; }
"""


def report(survey: Survey) -> str:
    """Return an HTML page: the summary, plots as SVG, colours, labels, duplicates and failures.

    DatasetError if no picture could be read.
    """
    facts = as_json(survey)
    sized = [look for look in survey.looks if look.width and look.height]
    parts = [f"<h1>{_shown(survey.name)}</h1>", f"<pre>{escape(as_text(survey))}</pre>"]
    if sized:
        parts += ["<h2>Sizes</h2>", *_plots(sized)]
    parts += [
        "<h2>Mean colours</h2>",
        _colours([look.colour for look in survey.looks if look.colour is not None]),
        "<h2>Formats</h2>",
        _bars(facts["formats"]),
        "<h2>Labels</h2>",
        _bars(facts["labels"]),
        "<h2>Same content</h2>",
        _table((" = ".join(group),) for group in facts["duplicates"]),
    ]
    if facts["near_duplicates"] is not None:
        pairs = facts["near_duplicates"]
        parts += [
            "<h2>Nearly equal</h2>",
            _table((p["one"], p["other"], f"{p['score']:.3f}") for p in pairs),
        ]
    parts += [
        "<h2>Not readable</h2>",
        _table((each["path"], each["reason"]) for each in facts["failures"]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{_shown(survey.name)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _plots(looks: Sequence[Any]) -> list[str]:
    widths, heights = [look.width for look in looks], [look.height for look in looks]
    ratios = [width / height for width, height in zip(widths, heights, strict=True)]

    def sizes(axes: "Axes") -> None:
        many = len(looks) > _MOST_MARKS  # as a picture inside the SVG then
        axes.scatter(widths, heights, s=6, alpha=0.4, color=_INK, rasterized=many)
        axes.set(xlabel="width, pixels", ylabel="height, pixels")
        _plain(axes, "x", widths)
        _plain(axes, "y", heights)

    def shapes(axes: "Axes") -> None:
        axes.hist(ratios, bins=_BINS, color=_INK)
        axes.set(xlabel="width / height", ylabel="pictures")
        _counted(axes.yaxis)

    weighed = [look.bytes / 1000 for look in looks if look.bytes]

    def weights(axes: "Axes") -> None:
        bins = np.geomspace(min(weighed) / 1.1, max(weighed) * 1.1, _BINS).tolist()
        axes.hist(weighed, bins=bins, color=_INK)
        axes.set(xlabel="file size, kB", ylabel="pictures")
        _plain(axes, "x", weighed)
        _counted(axes.yaxis)

    return [_svg(draw) for draw in (sizes, shapes, *([weights] if weighed else []))]


def _plain(axes: "Axes", name: str, values: Sequence[float]) -> None:
    """Give an axis, x or y, few plain numbers; it is logarithmic where values differ much."""
    from matplotlib import ticker

    wide = max(values) > _MUCH * min(values)
    axes.set(**{f"{name}scale": "log" if wide else "linear"})
    axis: Axis = getattr(axes, f"{name}axis")
    locator = ticker.LogLocator(subs=(1, 3), numticks=6) if wide else ticker.MaxNLocator(5)
    axis.set_major_locator(locator)
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:,.4g}"))


def _counted(axis: "Axis") -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(5, integer=True))


def _svg(draw: Any) -> str:
    """Return one plot as an SVG element; the same plot is the same text."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "survey"}):
        figure = Figure(figsize=(4.6, 3.4), facecolor=_FACE, layout="constrained")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return f"<figure>{text[text.index('<svg') :]}</figure>"


def _colours(colours: Sequence[tuple[int, int, int]]) -> str:
    if not colours:
        return "<p>not known</p>"
    step = 1 + len(colours) // _SWATCHES
    ordered = sorted(colours, key=lambda c: colorsys.rgb_to_hsv(*(each / 255 for each in c)))
    bars = "".join(f'<i style="background:rgb{each}"></i>' for each in ordered[::step])
    return f'<div class="colours">{bars}</div>'


def _bars(counts: dict[str, int]) -> str:
    if not counts:
        return "<p>none</p>"
    most = max(counts.values())
    rows = "".join(
        f"<tr><td>{_shown(name)}</td><td>{count}</td>"
        f'<td><span class="bar" style="width:{20 * count / most:.2f}rem"></span></td></tr>'
        for name, count in list(counts.items())[:_SHOWN]
    )
    return f"<table>{rows}</table>{_more(len(counts))}"


def _table(rows: Iterable[Sequence[str]]) -> str:
    lines = list(rows)
    if not lines:
        return "<p>none</p>"
    cells = "".join(
        "<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>"
        for row in lines[:_SHOWN]
    )
    return f"<table>{cells}</table>{_more(len(lines))}"


def _shown(text: str) -> str:
    return escape(printable(text))


def _more(count: int) -> str:
    return f"<p>and {count - _SHOWN} more</p>" if count > _SHOWN else ""
