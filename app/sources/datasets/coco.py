"""The folders of COCO val2014 → its pictures, labelled by the categories annotated in them."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.errors import DatasetError
from app.sources.listing import fetch, is_folder, jpegs, not_as_published, unreadable
from app.sources.picture import Picture, in_order, labels_of

_KEYS = (
    *("images", "annotations", "categories"),
    *("id", "name", "file_name", "image_id", "category_id"),
)


class Coco:
    """``val2014/*.jpg`` and ``annotations/instances_val2014.json``.

    The labels are the names of the categories annotated in the image.
    """

    name = "coco"

    def __init__(self, home: Path) -> None:
        self.folder = home / "val2014"
        self._annotations = home / "annotations" / "instances_val2014.json"
        if not is_folder(self.folder) or not jpegs(self.folder):
            raise not_as_published(home, "val2014/*.jpg", fetched_as="coco")
        if not self._annotations.is_file():
            raise DatasetError(f"The file {self._annotations} is missing: {fetch('coco')}.")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg``, also those that the annotations do not know (they have no labels).

        Raises
        ------
        DatasetError
            The annotations cannot be read.
        """
        labels = self._labels()
        return in_order(
            Picture(image.name, labels.get(image.name, ())) for image in jpegs(self.folder)
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
                f"remove it, then {fetch('coco')}."
            ) from exc


def _only_what_is_used(value: dict[str, Any]) -> dict[str, Any]:
    """Keep few keys of each object while parsing: with the outlines it takes a gigabyte."""
    return {key: value[key] for key in _KEYS if key in value}
