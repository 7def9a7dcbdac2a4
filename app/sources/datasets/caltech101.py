"""Caltech101's folder → its pictures, labelled by folder."""

from pathlib import Path

from app.sources.datasets.published import Archive, PublishedDataSet
from app.sources.listing import is_folder, jpegs, listing
from app.sources.picture import Picture, in_order, labels_of
from app.values.names import text_of


class Caltech101(PublishedDataSet):
    """``CLASS/image_NNNN.jpg``, as `data_download.sh` leaves it or as the archive unpacks.

    The label is the folder's name.
    """

    name = "caltech101"
    aliases = ("caltech",)
    page = "https://data.caltech.edu/records/mzrjq-6wc02"
    archives = (
        Archive(
            name="caltech",
            url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
            file="caltech-101.zip",
            size_bytes=137_414_764,
            md5="3138e1922a9193bfa496528edbbc45d0",
            packed_again="caltech-101/101_ObjectCategories.tar.gz",
            inside="101_ObjectCategories",
            places=(".", "101_ObjectCategories", "caltech-101/101_ObjectCategories"),
            counted=(("*/image_*.jpg",),),
            images=9144,
            growth=2.5,
        ),
    )

    def __init__(self, home: Path) -> None:
        for place in self.archives[0].places_in(home):
            if is_folder(place) and any(jpegs(folder) for folder in listing(place).folders):
                self.folder = place
                return
        raise self.not_as_published(home, "CLASS/image_0001.jpg")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg`` one folder deep, with that folder's name as its label."""
        return in_order(
            Picture(text_of(f"{folder.name}/{image.name}"), labels_of([text_of(folder.name)]))
            for folder in listing(self.folder).folders
            for image in jpegs(folder)
        )
