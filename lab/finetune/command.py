"""`finetune`: a labelled gallery → a model file, and its figures on images it never saw."""

import argparse
import json
from pathlib import Path
from typing import Any

from app.errors import UsageError
from lab.finetune.request import Plan, Request

NAME = "finetune"
HELP = "train a model on a gallery's labels, and measure it on images and classes held out"
EXAMPLE = (
    "python -m lab finetune --gallery caltech101-efficientnet_lite0 --without BACKGROUND_Google"
)

_STAGES = {"read": ("Reading", " pictures"), "train": ("Training", " epochs")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, the training's options, and where the model goes."""
    parser.add_argument("--gallery", required=True, metavar="NAME", help="a gallery with labels")
    parser.add_argument(
        "--train",
        choices=("head", "network"),
        default="head",
        help="a linear head upon the stored vectors (default; needs no pictures), or the last "
        "stages of the network too",
    )
    parser.add_argument(
        "--loss",
        choices=("metric", "classification"),
        default="metric",
        help="supervised contrastive (default), or normalised softmax",
    )
    parser.add_argument(
        "--without", default="", metavar="LABEL", help="leave the images of this label out"
    )
    parser.add_argument(
        "--per-label",
        type=int,
        metavar="N",
        help="take up to so many images of each label only, for a quick try",
    )
    _add_numbers(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.safetensors",
        help="default: models/GALLERY-finetuned.safetensors in RIS_HOME",
    )
    parser.add_argument("--force", action="store_true", help="replace a model that is there")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="begin anew, not where the last run stopped, and delete what it kept",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _add_numbers(parser: argparse.ArgumentParser) -> None:
    usual = Plan()
    numbers: tuple[tuple[str, type, float, str], ...] = (
        ("dim", int, Request.dim, "numbers in a vector"),
        ("epochs", int, usual.epochs, "the most epochs"),
        (
            "patience",
            int,
            usual.patience,
            "end after so many epochs that are no better",
        ),
        ("batch", int, usual.batch, "images a step"),
        ("rate", float, usual.rate, "learning rate of the head"),
        ("anchor", float, usual.anchor, "how strongly it is held to where it began"),
        (
            "held-out-classes",
            float,
            Request.held_out_classes,
            "the share of the classes that is held out whole",
        ),
        ("seed", int, usual.seed, "of the split and of all that is left to chance"),
    )
    for name, kind, default, what in numbers:
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar="N",
            help=f"{what} (default: {default})",
        )


def run(options: argparse.Namespace) -> int:
    """Train, showing the progress, and print the figures before and after."""
    from app.settings import read_settings
    from lab.finetune.run import finetune

    request = _request(options)
    with _Bars() as bars:
        report = finetune(request, read_settings(), on_progress=bars.show)
    if options.json:
        print(json.dumps(report.as_json()))
    else:
        print("\n".join(report.lines()))
    return 0


def stopped(options: argparse.Namespace) -> str:
    """Return the sentence to show after Ctrl-C."""
    again = "The same command goes on after the last epoch kept."
    if options.train == "head":
        return again
    return (
        f"{again} The output of the first blocks lies in finetune/{options.gallery} of "
        "RIS_CACHE_DIR until the training ends; --restart deletes it."
    )


def _request(options: argparse.Namespace) -> Request:
    if options.epochs < 1 or options.patience < 1:
        raise UsageError(
            f"--epochs and --patience must be 1 or more, not {options.epochs} and "
            f"{options.patience}."
        )
    if not 2 <= options.batch <= 65_536:
        raise UsageError(f"--batch must be from 2 to 65536, not {options.batch}.")
    if not 0 < options.rate < float("inf"):
        raise UsageError(f"--rate must be above 0, not {options.rate}.")
    if not 0 <= options.anchor < float("inf"):
        raise UsageError(f"--anchor must be 0 or more, not {options.anchor}.")
    if options.seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {options.seed}.")
    plan = {field: getattr(options, field) for field in Plan.__annotations__}
    own = {field: getattr(options, field) for field in Request.__annotations__ if field != "plan"}
    return Request(plan=Plan(**plan), **own)


class _Bars:
    """One progress bar after the other, a stage each."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, stage: str, done: int, total: int, note: str) -> None:
        """Show how far a stage is."""
        from tqdm import tqdm

        if stage != self._stage:
            self.__exit__()
            name, unit = _STAGES[stage]
            self._stage = stage
            self._bar = tqdm(total=total, initial=done, desc=name, unit=unit, disable=None)
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
