"""A study's figures → its report: advice first, then what was measured, and how."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import UsageError
from lab.recommend import Recommendation, recommend
from lab.report import tables
from lab.report.blocks import (
    Advice,
    Command,
    Figure,
    Folded,
    Heading,
    Part,
    Table,
    Text,
    as_html,
    as_markdown,
)
from lab.report.plots import as_file, on_page, tradeoff
from lab.report.results import SetResults, Study, read_study
from lab.study.folder import StudyFolder
from lab.study.worker import ROUND_SECONDS, ROUNDS

Plots = Mapping[tuple[str, str], str]  # SVG documents, by a set's name and a metric

_MUCH_OTHER_WORK = 0.15
_MORE_THAN_ONE_CORE = 1.2


def write_report(folder: StudyFolder) -> Study:
    """Write report.md, report.html and the plots beside them, from the study's files alone.

    UsageError if nothing is measured yet, or a file is damaged.
    """
    study = read_study(folder)
    plots = {
        (results.name, metric): _plot(study, results, metric)
        for results, metric in searched_sets(study)
    }
    parts = list(_parts(study, plots))
    for (name, metric), svg in plots.items():
        folder.write(_plot_file(name, metric), as_file(svg))
    folder.write("report.md", as_markdown(parts).encode())
    folder.write("report.html", as_html(_title(study), parts).encode())
    return study


def searched_sets(study: Study) -> Iterator[tuple[SetResults, str]]:
    """Yield each set of vectors with each metric that it was searched by."""
    for results in study.sets:
        for metric in results.metrics:
            if results.points(metric):
                yield results, metric


def advice(study: Study, results: SetResults, metric: str) -> Recommendation:
    """Return the recommendation for one set of vectors by one metric."""
    facts = results.facts
    return recommend(
        results.points(metric),
        rows=facts["rows"],
        dim=facts["dim"],
        drawn=facts["drawn"],
        k=study.k,
        target=study.target,
        metric=metric,
        name=results.name if len(study.sets) > 1 else "",
    )


def plot_of(study: Study, metric: str, *, name: str = "") -> str:
    """Return the trade-off plot of the set `name`, by default the first, as a file's text.

    UsageError if the study has no such set, or no search of it by that metric.
    """
    names = [each.name for each in study.sets]
    if name and name not in names:
        raise UsageError(f"The study has no vectors called {name!r}: use {' or '.join(names)}.")
    of_name = [each for each in study.sets if name in ("", each.name)]
    for results in of_name:
        if results.points(metric):
            return as_file(_plot(study, results, metric)).decode()
    known = sorted({metric for each in of_name for metric in each.metrics})
    raise UsageError(
        f"{study.folder.path} has no searches by {metric}: use {' or '.join(known)}, or run the "
        f"study again with --metric {metric}."
    )


def _title(study: Study) -> str:
    *others, last = [each.name for each in study.sets]
    return f"Study of {', '.join(others)} and {last}" if others else f"Study of {last}"


def _parts(study: Study, plots: Plots) -> Iterator[Part]:
    yield Heading(_title(study), 1)
    if len(study.sets) == 1:
        yield from _advices(study, study.sets[0])
    else:
        yield Advice(list(_in_short(study)))
    yield from _unfinished(study)
    if len(study.sets) > 1 or any(each.extraction for each in study.sets):
        yield from _models(study)
    for results in study.sets:
        yield from _of_set(study, results, plots)
    yield from _how(study)


def _advices(study: Study, results: SetResults) -> Iterator[Part]:
    """Yield the advice for a set of vectors, one for each metric that it was searched by."""
    for metric in results.metrics:
        if results.points(metric):
            yield Advice(advice(study, results, metric).sentences)


def _in_short(study: Study) -> Iterator[str]:
    """Yield a sentence on the models, and one for each set that says what to use."""
    yield _model_sentence(study)
    for results, metric in searched_sets(study):
        yield advice(study, results, metric).sentences[0]


def _unfinished(study: Study) -> Iterator[Part]:
    waiting = sum(len(each.waiting) for each in study.sets)
    if waiting:
        yield Text(
            f"**The study is not finished**: {waiting} of {len(study.description['jobs'])} indexes "
            "are not measured yet; the same command goes on where it stopped."
        )


def _models(study: Study) -> Iterator[Part]:
    measured = [each for each in study.sets if each.facts]
    metric = next((each.metrics[0] for each in measured if each.metrics), "cosine")
    yield Heading("The models" if len(study.sets) > 1 else "The model")
    yield tables.models_compared(
        Study(study.folder, study.description, study.k, tuple(measured)), metric
    )
    yield Text(
        "Extraction is the median of decoding and embedding one picture after the other with all "
        "processors. Brute force (NumPy), flat and IVF (FAISS) are the medians of one query at a "
        f"time on one thread, by {metric}; IVF is searched with the fewest cells tried that reach "
        f"recall@{study.k} ≥ {study.target:g}. mAP and precision@5 are those of the exact ranking "
        "by cosine, the query left out."
    )
    for each in measured:
        if each.extraction:
            yield Text(f"{tables.model_of(study, each)}: {each.extraction['words']}.")


def _model_sentence(study: Study) -> str:
    sets = [each for each in study.sets if each.facts]
    ranked = [each for each in sets if each.facts.get("mean_average_precision") is not None]
    quick = [each for each in sets if each.extraction and each.extraction.get("seconds")]
    clauses = []
    if len(ranked) > 1:
        best = max(ranked, key=lambda each: each.facts["mean_average_precision"])
        clauses.append(
            f"By label **{tables.model_of(study, best)}** ranks best (mAP "
            f"{best.facts['mean_average_precision']:.3f})"
        )
    if len(quick) > 1:
        best = min(quick, key=lambda each: (each.extraction or {})["seconds"])
        clauses.append(f"{tables.model_of(study, best)} is the fastest to extract")
    same = len({each.facts["pictures"] for each in sets}) == 1
    clauses.append(
        "the galleries are of the same pictures"
        if same
        else "**the galleries are not of the same pictures**, so their mAP cannot be compared"
    )
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _of_set(study: Study, results: SetResults, plots: Plots) -> Iterator[Part]:
    yield Heading(results.name)
    if not results.facts:
        left_out = study.description["sets"].get(results.name, {}).get("left_out")
        yield Text(left_out or "Nothing is measured of it yet.")
        return
    yield Text(_described(results))
    if len(study.sets) > 1:
        yield from _advices(study, results)
    for metric in results.metrics:
        points = results.points(metric)
        built = [each for each in results.built if each.job.metric == metric]
        yield Heading(f"{results.name} by {metric}", 3)
        if points:
            yield _figure(study, results, metric, plots[results.name, metric])
            yield tables.best_of_methods(points, study.k, study.target)
            yield Text(
                f"The fastest search of each method that reaches recall@{study.k} ≥ "
                f"{study.target:g}; ↓ marks the best recall of those that never do. The "
                "application is asked as it would serve: with the effort that it chooses on other "
                "queries, and may then miss the target by one standard error."
            )
        if any(each.status != "done" for each in built):
            yield Text("What did not end well:")
            yield tables.failures(built)
        yield Folded("What the indexes cost: time and memory", [tables.costs(built)])
        if points:
            yield Folded(
                f"All {len(points)} searches by {metric}", [tables.every_search(points, study.k)]
            )
    yield from _metrics(study, results)


def _described(results: SetResults) -> str:
    facts = results.facts
    drawn = (
        f", **of which {facts['drawn']:,} were drawn to resemble the {facts['real_rows']:,} real "
        "ones**"
        if facts["drawn"]
        else ""
    )
    asked = (
        f"{facts['queries']:,} of its own vectors ask, each left out of its own answer"
        if facts["own_queries"]
        else f"{facts['queries']:,} vectors that are not among them ask"
    )
    lengths = (
        "all of length 1"
        if facts["shortest"] > 0.99 and facts["longest"] < 1.01
        else f"of lengths {facts['shortest']:.3g} to {facts['longest']:.3g}"
    )
    labels = (
        f"there are {facts['labels']:,} labels"
        if results.labelled
        else "the drawn vectors have no labels, so how many neighbours are right is not known"
        if facts["drawn"] and facts["labels"]
        else "the queries have no labels, so whether neighbours are right in meaning is not known"
        if facts["labels"]
        else "there are no labels, so whether neighbours are right in meaning is not known"
    )
    notes = "".join(f" **{note[0].upper()}{note[1:]}.**" for note in facts["notes"])
    return (
        f"{facts['rows']:,} vectors of {facts['dim']:,} numbers, {lengths}{drawn}. {asked}; "
        f"{labels}.{notes}"
    )


def _metrics(study: Study, results: SetResults) -> Iterator[Part]:
    overlaps = results.overlaps(study.k)
    if not overlaps:
        return
    yield Heading(f"{results.name}: what the metric changes", 3)
    yield tables.metrics_compared(results, study.k)
    if min(overlaps.values()) > 0.99:
        yield Text(
            f"These metrics find the same neighbours ({min(overlaps.values()):.1%} of the "
            f"{study.k} nearest at least): on vectors of length 1 they rank alike."
        )
        return
    one, other = min(overlaps, key=lambda pair: overlaps[pair])
    sentences = (
        f"{one} and {other} share {overlaps[one, other]:.1%} of the {study.k} nearest: the lengths "
        "of the vectors matter."
    )
    precisions = {m: results.exact_precision(m, study.k) for m in ("cosine", "l2", "ip")}
    known = {metric: value for metric, value in precisions.items() if value is not None}
    if known:
        best = max(known, key=lambda metric: known[metric])
        sentences += f" By label {best} is right most often ({known[best]:.3f})."
    yield Text(sentences)


def _figure(study: Study, results: SetResults, metric: str, plot: str) -> Figure:
    drawn = results.facts["drawn"]
    caption = (
        f"{results.name}: recall@{study.k} against queries per second by {metric}. Ringed: what no "
        f"other search beats in both. Dashed: the target of {study.target:g}."
        + (f" {drawn:,} of the {results.facts['rows']:,} vectors are drawn." if drawn else "")
    )
    return Figure(on_page(plot), _plot_file(results.name, metric), caption)


def _plot(study: Study, results: SetResults, metric: str) -> str:
    facts = results.facts
    drawn = f" ({facts['drawn']:,} drawn)" if facts["drawn"] else ""
    return tradeoff(
        results.points(metric),
        methods=study.methods,
        k=study.k,
        target=study.target,
        title=f"{facts['rows']:,} × {facts['dim']:,}{drawn}, {metric}",
    )


def _plot_file(name: str, metric: str) -> str:
    return f"{name}-{metric}.svg"


def _how(study: Study) -> Iterator[Part]:
    description = study.description
    yield Heading("How it was measured")
    yield Command("\n".join(description["commands"]))
    machines = "; gone on with on ".join(description["machines"])
    yield Text(f"Begun {description['began']} on {machines}; {_versions(description['versions'])}.")
    yield Text(
        "Each index is built in a process of its own, on all processors, and searched on one "
        "thread, as ann-benchmarks does: one query at a time (queries/s, median and 95th "
        f"percentile), then all in one call. The best of up to {ROUNDS} rounds counts; a search "
        f"that is too slow for that in {ROUND_SECONDS:g} s has fewer rounds, and then fewer "
        "queries: the table of all "
        "searches says how many."
    )
    yield Text(
        "Recall counts ties by distance. Size is what the index itself takes, as the library "
        "reports it; the growth is that of the process while building, over what the vectors "
        "take. The application's own size is that of its shortlist; the vectors, 16 bits "
        "a number, stay in a file beside it; its build includes the choice of the effort that its "
        "index needs, on queries of its own."
    )
    yield from _warnings(study)
    if description["missing"]:
        yield Heading("Left out", 3)
        yield Table(
            ["method", "why"],
            [[name, why] for name, why in description["missing"].items()],
            words=frozenset({"method", "why"}),
        )


def _versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _warnings(study: Study) -> Iterator[Part]:
    built = [each for results in study.sets for each in results.built]
    disturbed = [each for each in built if each.others > _MUCH_OTHER_WORK]
    if disturbed:
        names = ", ".join(sorted({each.job.method for each in disturbed}))
        yield Text(
            f"**Other programs took up to {max(each.others for each in disturbed):.0%} of the "
            f"processors** while {len(disturbed)} of the {len(built)} indexes were measured "
            f"({names}): their times are longer than on an idle machine."
        )
    fewer = sorted({each.job.method for each in built if each.idle})
    if fewer:
        yield Text(
            f"**Not all processors** built the indexes of {', '.join(fewer)}, as OMP_NUM_THREADS "
            "asks: with all of them building takes less time."
        )
    many = {p.method for each in built for p in each.points if p.cores > _MORE_THAN_ONE_CORE}
    if many:
        yield Text(
            f"**More than one processor** was at work in searches of {', '.join(sorted(many))}: "
            "their times are not those of one thread."
        )
