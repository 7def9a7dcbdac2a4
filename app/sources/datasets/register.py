"""A data set's name → its layout: the register of all published data sets that are known."""

from collections.abc import Mapping
from pathlib import Path

from app.errors import DatasetError, NotFoundError
from app.sources.datasets.caltech101 import Caltech101
from app.sources.datasets.coco import Coco
from app.sources.datasets.market1501 import Market1501
from app.sources.datasets.published import PublishedDataSet
from app.sources.datasets.tiny_imagenet import TinyImageNet
from app.sources.datasets.voc2012 import Voc2012
from app.sources.listing import is_folder
from app.sources.picture import Layout

_CLASSES: tuple[type[PublishedDataSet], ...] = (
    Caltech101,
    Voc2012,
    Coco,
    Market1501,
    TinyImageNet,
)

DATA_SETS: Mapping[str, type[PublishedDataSet]] = {each.name: each for each in _CLASSES}
"""By their full names; each is called with the folder ``datasets/<name>``."""

ALIASES: Mapping[str, str] = {alias: each.name for each in _CLASSES for alias in each.aliases}
"""The shorter names → the full ones."""


NAMES = ", ".join(
    each.short_name() + (f" ({each.name})" if each.aliases else "") for each in _CLASSES
)
"""All names that messages use, with the full ones, for people."""


def find_data_set(name: str) -> type[PublishedDataSet]:
    """Return the data set of a full or shorter name; NotFoundError if there is none."""
    full_name = ALIASES.get(name, name)
    if full_name not in DATA_SETS:
        accepted = ", ".join(sorted({*DATA_SETS, *ALIASES}))
        raise NotFoundError(f'There is no data set "{name}": choose one of {accepted}.')
    return DATA_SETS[full_name]


def open_data_set(name: str, datasets_dir: Path) -> Layout:
    """Return the layout of the published data set `name` in ``datasets_dir/<name>``.

    Raises
    ------
    NotFoundError
        There is no data set of that name.
    DatasetError
        Its folder is missing, or not laid out as published.
    """
    data_set = find_data_set(name)
    home = datasets_dir / data_set.name
    if not is_folder(home):
        raise DatasetError(f"The folder {home} is missing: {data_set.how_to_fetch()}.")
    return data_set(home)
