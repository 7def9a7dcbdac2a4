"""Market-1501's folders → its pictures, labelled by the person and the camera in their names."""

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from app.errors import DatasetError
from app.sources.datasets.published import Archive, PublishedDataSet
from app.sources.listing import is_folder, jpegs
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


class Market1501(PublishedDataSet):
    """``Market-1501-v15.09.15/{bounding_box_test,query}/0002_c1s1_000451_03.jpg``.

    The labels are the person and the camera, as in the name: ``0002`` and ``c1``. The benchmark's
    gallery and its queries are taken; its training images are not: they show 751 other persons,
    and would be answers that nothing counts.
    """

    name = "market1501"
    aliases = ("market",)
    page = "https://zheng-lab-anu.github.io/Datasets.html"
    archives = (
        Archive(
            name="market",
            url="https://drive.usercontent.google.com/download?id=0B8-rUzbwVRk0c054eEozWG9COHM"
            "&resourcekey=0-8nyl7K9_x37HlQm34MmrYQ&export=download&confirm=t",
            file="Market-1501-v15.09.15.zip",
            guessed_bytes=160_000_000,
            md5="65005ab7d12ec1c44de4eeafe813e68a",
            inside="Market-1501-v15.09.15",
            places=("Market-1501-v15.09.15", "."),
            counted=((f"{SEARCHED}/*.jpg", f"{QUERIES}/*.jpg"),),
            images=23_100,
            growth=2.5,
            by_hand="https://drive.google.com/file/d/0B8-rUzbwVRk0c054eEozWG9COHM/view"
            "?resourcekey=0-8nyl7K9_x37HlQm34MmrYQ",
        ),
    )

    def __init__(self, home: Path) -> None:
        for place in self.archives[0].places_in(home):
            parts = [place / part for part in (SEARCHED, QUERIES)]
            if all(is_folder(part) and jpegs(part) for part in parts):
                self.folder = place
                return
        parent = "Market-1501-v15.09.15"
        raise self.not_as_published(home, f"{parent}/{SEARCHED}/*.jpg and {parent}/{QUERIES}/*.jpg")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg`` of the two folders, junk and distractors too.

        Raises
        ------
        DatasetError
            A name holds no person and camera.
        """
        return in_order(
            Picture(f"{part}/{image.name}", tuple(sighting(f"{part}/{image.name}")))
            for part in (SEARCHED, QUERIES)
            for image in jpegs(self.folder / part)
        )


def sighting(path: str) -> Sighting:
    """Return the person and the camera in a picture's name; DatasetError if it has none.

    >>> sighting("query/0002_c1s1_000451_03.jpg")
    Sighting(person='0002', camera='c1')
    """
    match = _NAME.fullmatch(PurePosixPath(path).name)
    if match is None:
        raise DatasetError(
            f"{path} is not named as in Market-1501, by person and camera, such as "
            "0002_c1s1_000451_03.jpg: take it out of the folder."
        )
    return Sighting(*match.groups())
