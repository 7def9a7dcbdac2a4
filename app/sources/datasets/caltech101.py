"""Caltech101's folder → its pictures, labelled by folder."""

from pathlib import Path

from app.sources.listing import is_folder, jpegs, listing, not_as_published
from app.sources.picture import Picture, in_order


class Caltech101:
    """``CLASS/image_NNNN.jpg``, as `data_download.sh` leaves it or as the archive unpacks.

    The label is the folder's name.
    """

    name = "caltech101"

    def __init__(self, home: Path) -> None:
        places = (
            home,
            home / "101_ObjectCategories",
            home / "caltech-101" / "101_ObjectCategories",
        )
        for place in places:
            if is_folder(place) and any(jpegs(folder) for folder in listing(place).folders):
                self.folder = place
                return
        raise not_as_published(home, "CLASS/image_0001.jpg", fetched_as="caltech")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg`` one folder deep, with that folder's name as its label."""
        return in_order(
            Picture(f"{folder.name}/{image.name}", (folder.name,))
            for folder in listing(self.folder).folders
            for image in jpegs(folder)
        )
