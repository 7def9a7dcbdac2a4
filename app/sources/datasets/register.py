"""A data set's name → its layout: the register of all that are known."""

from collections.abc import Callable, Mapping
from pathlib import Path

from app.errors import DatasetError, NotFoundError
from app.sources.datasets.caltech101 import Caltech101
from app.sources.datasets.coco import Coco
from app.sources.datasets.market1501 import Market1501
from app.sources.datasets.tiny_imagenet import TinyImageNet
from app.sources.datasets.voc2012 import Voc2012
from app.sources.listing import fetch, is_folder
from app.sources.picture import Layout

DATA_SETS: Mapping[str, Callable[[Path], Layout]] = {
    Caltech101.name: Caltech101,
    Voc2012.name: Voc2012,
    Coco.name: Coco,
    Market1501.name: Market1501,
    TinyImageNet.name: TinyImageNet,
}
"""The published data sets: each layout's class is called with the folder ``datasets/<name>``."""

ALIASES = {
    "caltech": "caltech101",
    "voc": "voc2012",
    "market": "market1501",
    "tinyimagenet": "tiny_imagenet",
    "tiny": "tiny_imagenet",
}
"""Short names; the last one of a data set is what messages tell to give `data_download.sh`."""


def open_data_set(name: str, datasets_dir: Path) -> Layout:
    """Return the layout of the published data set `name` in ``datasets_dir/<name>``.

    Raises
    ------
    NotFoundError
        There is no data set of that name.
    DatasetError
        Its folder is missing, or not laid out as published.
    """
    full_name = ALIASES.get(name, name)
    if full_name not in DATA_SETS:
        accepted = ", ".join(sorted({*DATA_SETS, *ALIASES}))
        raise NotFoundError(f'There is no data set "{name}": choose one of {accepted}.')
    home = datasets_dir / full_name
    if not is_folder(home):
        short_name = {full: short for short, full in ALIASES.items()}.get(full_name, full_name)
        raise DatasetError(f"The folder {home} is missing: {fetch(short_name)}.")
    return DATA_SETS[full_name](home)
