"""The folders of COCO val2014 → its pictures, labelled by the categories annotated in them."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.errors import DatasetError
from app.sources.datasets.published import Archive, PublishedDataSet
from app.sources.listing import is_folder, jpegs, unreadable
from app.sources.picture import Picture, in_order, labels_of
from app.values.names import text_of

_KEYS = (
    *("images", "annotations", "categories"),
    *("id", "name", "file_name", "image_id", "category_id"),
)


class Coco(PublishedDataSet):
    """``val2014/*.jpg`` and ``annotations/instances_val2014.json``.

    The labels are the names of the categories annotated in the image.
    """

    name = "coco"
    page = "https://cocodataset.org"
    archives = (
        Archive(
            name="coco annotations",
            url="http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
            file="annotations_trainval2014.zip",
            size_bytes=252_872_794,
            md5="0a379cfc70b0e71301e0f377548639bd",
            inside="annotations",
            places=("annotations",),
            needed=("instances_val2014.json",),
            growth=4,
        ),
        Archive(
            name="coco",
            url="http://images.cocodataset.org/zips/val2014.zip",
            file="val2014.zip",
            size_bytes=6_645_013_297,
            md5="a3d79f5ed8d289b7a7554ce06a5782b3",
            inside="val2014",
            places=("val2014",),
            counted=(("*.jpg",),),
            images=40_504,
            growth=1.1,
        ),
    )

    def __init__(self, home: Path) -> None:
        self.folder = home / "val2014"
        self._annotations = home / "annotations" / "instances_val2014.json"
        if not is_folder(self.folder) or not jpegs(self.folder):
            raise self.not_as_published(home, "val2014/*.jpg")
        if not self._annotations.is_file():
            raise DatasetError(f"The file {self._annotations} is missing: {self.how_to_fetch()}.")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg``, also those that the annotations do not name (they have no labels).

        Raises
        ------
        DatasetError
            The annotations cannot be read.
        """
        labels = self._labels()
        return in_order(
            Picture(name, labels.get(name, ()))
            for name in (text_of(image.name) for image in jpegs(self.folder))
        )

    def _labels(self) -> dict[str, tuple[str, ...]]:
        try:
            with self._annotations.open(encoding="utf-8") as file:
                published = json.load(file, object_hook=_only_what_is_used)
            categories = {each["id"]: str(each["name"]) for each in published["categories"]}
            names = defaultdict(set)
            for each in published["annotations"]:
                names[each["image_id"]].add(categories[each["category_id"]])
            return {each["file_name"]: labels_of(names[each["id"]]) for each in published["images"]}
        except OSError as exc:
            raise unreadable(self._annotations, exc) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise DatasetError(
                f"{self._annotations} is not the published file ({exc!r}): "
                f"remove it, then {self.how_to_fetch()}."
            ) from exc


def _only_what_is_used(value: dict[str, Any]) -> dict[str, Any]:
    """Keep few keys of each object while parsing: with the outlines it takes a gigabyte."""
    return {key: value[key] for key in _KEYS if key in value}
