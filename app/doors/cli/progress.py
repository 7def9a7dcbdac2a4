"""A build's progress → bars and lines on the terminal."""

from typing import Any

from app.doors.cli import output

_STAGES = {
    "list": "Listing the pictures …",
    "calibrate": "Fitting an INT8 network to some of the pictures …",
    "train": "Training the index …",
    "measure": "Measuring its recall …",
}
_BARS = {
    "download": ("Downloading", " images", "Going on after {done} of {total} downloads."),
    "unpack": ("Unpacking", " shards", ""),
    "take": ("Taking", " images", ""),
    "import": ("Taking", " images", ""),
    "store": ("Storing in Milvus", " images", ""),
    "export": ("Writing", " images", ""),
    "look": ("Looking", " images", ""),
    "near": ("Looking for neighbours", " images", ""),
    "vote": ("Looking for parts", " images", ""),
    "pairs": ("Comparing", " pairs", ""),
    "compare": ("Comparing", " images", ""),
    "add": ("Adding", " images", ""),
    "compact": ("Compacting", " images", ""),
    "embed": ("Embedding", " images", "Going on after {done} of {total} pictures."),
}


class Progress:
    """Shows stages: a bar with rate and time left for those that are counted, a line for others."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    def show(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is; stages that have no bar are named only."""
        if stage not in _BARS:
            self._close()
            output.print_message(_STAGES[stage])
            return
        if stage != self._stage:
            self._close()
            self._stage = stage
            self._open(stage, done, total)
        self._bar.update(done - self._bar.n)

    def _open(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        name, unit, going_on = _BARS[stage]
        if done and going_on:
            output.print_message(going_on.format(done=done, total=total))
        self._bar = tqdm(total=total, initial=done, unit=unit, desc=name)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar, self._stage = None, ""
