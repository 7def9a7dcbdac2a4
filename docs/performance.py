"""The benchmarks' results → the tables and plots of docs/performance.md.

`python -m docs.performance` writes both anew from benchmarks/results/*.json; what stands in the
document outside its marked blocks stays as it is.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

DOCUMENT = Path(__file__).with_name("performance.md")
PLOTS = Path(__file__).with_name("plots")
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
_OTHERS = ("PyTorch", "ONNX Runtime", "imagededup")
_BLOCK = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Write the document's blocks and plots anew."""
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    PLOTS.mkdir(exist_ok=True)
    plot_rates(results("embed"), PLOTS / "embed.svg")
    plot_stages(results("embed"), PLOTS / "stages.svg")
    plot_searches(results("search")["searches"], PLOTS / "search.svg")


def filled(text: str) -> str:
    """Return the document with each block `<!-- table NAME -->` as the results say."""
    return _BLOCK.sub(lambda block: f"{block[1]}{table(results(block[2]))}\n{block[3]}", text)


def results(name: str) -> dict[str, Any]:
    """Return what a benchmark has kept under a name."""
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return kept


def table(kept: Mapping[str, Any]) -> str:
    """Return a benchmark's figures as Markdown: the command, the machine, each figure."""
    verdicts = {
        each["measure"]: f"{each['words']}{'' if each['met'] else ', not reached'}"
        for each in kept["expected"]
    }
    lines = [
        f"`{kept['command']}` on {kept['machine']}. "
        f"Other work took {kept['other_work']:.0%} of the processors meanwhile.",
        "",
        "| measure | figure | expected |",
        "|---|---|---|",
    ]
    for measure, figure in kept["figures"].items():
        lines.append(f"| {measure} | {figure} | {verdicts.get(measure, '')} |")
    return "\n".join(lines)


def plot_rates(kept: Mapping[str, Any], path: Path) -> None:
    """Draw images per second of each way from files to vectors; other programs' are grey."""
    rates = {name: median(each) for name, each in kept["images_per_second"].items()}
    names = sorted(rates, key=lambda name: rates[name])
    figure, axes = _axes(8, 0.8 + 0.32 * len(names))
    colours = ["#9a9a9a" if name.startswith(_OTHERS) else "#2f6f9f" for name in names]
    bars = axes.barh(names, [rates[name] for name in names], color=colours)
    axes.set_xscale("log")
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set_xlabel("images per second")
    _save(figure, path)


def plot_stages(kept: Mapping[str, Any], path: Path) -> None:
    """Draw the processor time that a picture costs in each stage of a build."""
    stages = kept["stages_ms"]
    figure, axes = _axes(8, 1.6)
    left = 0.0
    for stage, milliseconds in stages.items():
        axes.barh([0], [milliseconds], left=left, label=f"{stage} {milliseconds:.1f}")
        left += milliseconds
    axes.set_yticks([])
    axes.set_xlabel("milliseconds of one core for a picture")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=8)
    _save(figure, path)


def plot_searches(searches: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the milliseconds of a query against the number of vectors, at the first target."""
    target = min(each["target"] for each in searches)
    at_target = [each for each in searches if each["target"] == target and each["reaches"]]
    figure, axes = _axes(8, 4)
    for method in dict.fromkeys(each["method"] for each in at_target):
        points = [each for each in at_target if each["method"] == method]
        axes.plot(
            [each["rows"] for each in points],
            [each["median_ms"] for each in points],
            marker="o",
            label=method,
        )
    axes.set(xscale="log", yscale="log", xlabel="vectors", ylabel="milliseconds a query")
    axes.set_title(f"at recall@10 of {target:g} or more", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _axes(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text: smaller, and can be searched
    mpl.rcParams["svg.hashsalt"] = "the same names for the same plot"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
