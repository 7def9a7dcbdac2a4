"""Market-1501's folders → its pictures, labelled by the person and the camera in their names."""

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from app.errors import DatasetError
from app.sources.listing import is_folder, jpegs, not_as_published
from app.sources.picture import Picture, in_order

JUNK = "-1"
DISTRACTOR = "0000"
SEARCHED, QUERIES = "bounding_box_test", "query"
_NAME = re.compile(r"(-1|\d{4})_(c\d+)s\d+_\d+_\d+\.jpg", re.IGNORECASE)


class Sighting(NamedTuple):
    """Who a picture shows, and the camera that took it.

    Attributes
    ----------
    person
        Four digits; `DISTRACTOR` is none of the persons, `JUNK` a box that was drawn badly.
    camera
        c1 to c6.
    """

    person: str
    camera: str


class Market1501:
    """``Market-1501-v15.09.15/{bounding_box_test,query}/0002_c1s1_000451_03.jpg``.

    The labels are the person and the camera, as in the name: ``0002`` and ``c1``. What the
    benchmark searches and what it asks with are listed; its training images are not: they show
    751 other persons, and a gallery with them would answer with images that nothing counts.
    """

    name = "market1501"

    def __init__(self, home: Path) -> None:
        for self.folder in (home / "Market-1501-v15.09.15", home):
            parts = [self.folder / part for part in (SEARCHED, QUERIES)]
            if all(is_folder(part) and jpegs(part) for part in parts):
                return
        needed = f"Market-1501-v15.09.15/{SEARCHED}/*.jpg and Market-1501-v15.09.15/{QUERIES}/*.jpg"
        raise not_as_published(home, needed, fetched_as="market")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg`` of the two folders, junk and distractors too.

        Raises
        ------
        DatasetError
            A name does not say who is seen by which camera.
        """
        return in_order(
            Picture(f"{part}/{image.name}", tuple(sighting(f"{part}/{image.name}")))
            for part in (SEARCHED, QUERIES)
            for image in jpegs(self.folder / part)
        )


def sighting(path: str) -> Sighting:
    """Return what a picture's name says; DatasetError if it is not named as published.

    >>> sighting("query/0002_c1s1_000451_03.jpg")
    Sighting(person='0002', camera='c1')
    """
    found = _NAME.fullmatch(PurePosixPath(path).name)
    if found is None:
        raise DatasetError(
            f"{path} is not named as in Market-1501, by person and camera, such as "
            "0002_c1s1_000451_03.jpg: take it out of the folder."
        )
    return Sighting(*found.groups())
