"""A survey → its facts as JSON, and as a few lines for a terminal."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from app.errors import DatasetError, printable
from app.search.inspection.look import Survey

_SHOWN = 5


def as_json(survey: Survey) -> dict[str, Any]:
    """Return a survey's facts as plain JSON values.

    `near_duplicates` is None where they cannot be known. DatasetError if no picture could be read.
    """
    looks = survey.looks
    if not looks:
        raise DatasetError(
            f"No picture of {survey.name} can be read, of {len(survey.failures)} files the first "
            f"is {_first_failure(survey)}"
        )
    sized = [look for look in looks if look.width and look.height]
    labels = Counter(label for look in looks for label in look.labels)
    colours = [look.colour for look in looks if look.colour is not None]
    greys = [look.grey for look in looks if look.grey is not None]
    weights = [look.bytes for look in looks if look.bytes]
    near = survey.near
    return {
        "name": survey.name,
        "images": len(looks),
        "failures": [{"path": each.path, "reason": each.reason} for each in survey.failures],
        "bytes": _spread(weights) | {"sum": sum(weights)},
        "formats": dict(Counter(look.format for look in looks).most_common()),
        "width": _spread([look.width for look in sized]),
        "height": _spread([look.height for look in sized]),
        "aspect_ratio": _spread([round(look.width / look.height, 4) for look in sized]),
        "orientation": {
            "landscape": sum(look.width > look.height for look in sized),
            "portrait": sum(look.width < look.height for look in sized),
            "square": sum(look.width == look.height for look in sized),
        },
        "mean_colour": _mean(colours),
        "grey_share": round(sum(greys) / len(greys), 4) if greys else None,
        "labels": dict(labels.most_common()),
        "unlabelled": sum(not look.labels for look in looks),
        "duplicates": survey.duplicates,
        "near_duplicates": None
        if near is None
        else [{"one": p.one, "other": p.other, "score": round(p.score, 4)} for p in near],
    }


def as_text(survey: Survey) -> str:
    """Return a survey's summary in lines for a terminal, with the first few of long lists."""
    facts = as_json(survey)
    labels, extra = facts["labels"], sum(len(group) - 1 for group in facts["duplicates"])
    near = facts["near_duplicates"]
    lines = [
        ("Pictures", f"{facts['images']}, {_megabytes(facts['bytes'])}"),
        ("Formats", _counts(facts["formats"])),
        ("Width", _range(facts["width"], " px")),
        ("Height", _range(facts["height"], " px")),
        ("Aspect ratio", _range(facts["aspect_ratio"], "")),
        ("Shape", _counts(facts["orientation"])),
        ("File size", _range(_kilobytes(facts["bytes"]), " kB")),
        ("Colour", _colour(facts)),
        ("Labels", f"{len(labels)}: {_counts(labels, most=_SHOWN)}" if labels else "none"),
        ("Unlabelled", str(facts["unlabelled"])),
        ("Same content", f"{extra} files more than needed" if extra else "no file is there twice"),
        *_first(" = ".join(group) for group in facts["duplicates"]),
        ("Nearly equal", "known for galleries only" if near is None else f"{len(near)} pairs"),
        *_first(f"{p['one']} ≈ {p['other']} ({p['score']:.3f})" for p in near or ()),
        ("Not readable", str(len(facts["failures"]))),
        *_first(f"{each['path']}: {each['reason']}" for each in facts["failures"]),
    ]
    rows = [f"{name + ':' if name else '':<14}{value}".rstrip() for name, value in lines]
    return "\n".join(map(printable, [facts["name"], *rows]))


def _first(values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the first values as lines of the summary, then how many more there are."""
    whole = list(values)
    yield from (("", value) for value in whole[:_SHOWN])
    if len(whole) > _SHOWN:
        yield "", f"and {len(whole) - _SHOWN} more"


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}


def _mean(colours: Sequence[tuple[int, int, int]]) -> str | None:
    if not colours:
        return None
    means = (round(statistics.fmean(channel)) for channel in zip(*colours, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*means)


def _colour(facts: dict[str, Any]) -> str:
    if facts["mean_colour"] is None:
        return "not known"
    return f"mean {facts['mean_colour']}, {facts['grey_share']:.1%} are grey"


def _megabytes(sizes: dict[str, float]) -> str:
    return f"{sizes['sum'] / 1e6:,.1f} MB" if sizes["sum"] else "their sizes are not known"


def _kilobytes(sizes: dict[str, float]) -> dict[str, float]:
    return {key: size / 1000 for key, size in sizes.items() if key != "sum"}


def _range(spread: dict[str, float], unit: str) -> str:
    if not spread:
        return "not known"
    least, median, most = (f"{spread[key]:,.4g}" for key in ("least", "median", "most"))
    if max(spread.values()) >= 1000 and unit == " px":
        least, median, most = (f"{spread[key]:,.0f}" for key in ("least", "median", "most"))
    return f"{least} to {most}{unit}, half of them up to {median}{unit}"


def _counts(counts: dict[str, int], *, most: int | None = None) -> str:
    """Return names with their counts, the first `most` of them and how many more there are."""
    parts = [f"{name} {count}" for name, count in counts.items()][:most]
    left_out = len(counts) - len(parts)
    return ", ".join(parts) + (f" and {left_out} more" if left_out else "")


def _first_failure(survey: Survey) -> str:
    failure = survey.failures[0]
    return f"{failure.path}: {failure.reason}"
