"""tiny-ImageNet-200's folders → its training pictures, labelled by the name of their class."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.errors import DatasetError
from app.sources.listing import fetch, is_folder, jpegs, listing, not_as_published, unreadable
from app.sources.picture import Picture, in_order

_SUFFIX = ".jpeg"


class TinyImageNet:
    """``tiny-imagenet-200/train/nXXXXXXXX/images/*.JPEG`` and ``words.txt``.

    The label is the first name that ``words.txt`` has for the class (``goldfish`` for
    ``goldfish, Carassius auratus``): people filter by words, not by numbers of WordNet. Where two
    classes share it, the number follows in brackets. The 100,000 training images are listed; those
    of ``test`` have no published labels, and ``val`` holds the same classes over again.
    """

    name = "tiny_imagenet"

    def __init__(self, home: Path) -> None:
        for place in (home / "tiny-imagenet-200", home):
            self.folder, self._words = place / "train", place / "words.txt"
            if is_folder(self.folder) and any(
                is_folder(each / "images") and jpegs(each / "images", suffix=_SUFFIX)
                for each in listing(self.folder).folders
            ):
                break
        else:
            needed = "tiny-imagenet-200/train/n01443537/images/*.JPEG"
            raise not_as_published(home, needed, fetched_as="tiny")
        if not self._words.is_file():
            raise DatasetError(f"The file {self._words} is missing: {fetch('tiny')}.")

    def pictures(self) -> list[Picture]:
        """Every ``.JPEG`` of every class, with the class's name as its label.

        Raises
        ------
        DatasetError
            ``words.txt`` cannot be read, or does not know a class.
        """
        classes = [each for each in listing(self.folder).folders if is_folder(each / "images")]
        labels = self._labels(each.name for each in classes)
        return in_order(
            Picture(f"{each.name}/images/{image.name}", (labels[each.name],))
            for each in classes
            for image in jpegs(each / "images", suffix=_SUFFIX)
        )

    def _labels(self, classes: Iterable[str]) -> dict[str, str]:
        try:
            lines = self._words.read_text(encoding="utf-8").splitlines()
            names = dict(line.split("\t", 1) for line in lines if line)
            first = {each: names[each].split(",")[0].strip() for each in classes}
        except OSError as exc:
            raise unreadable(self._words, exc) from exc
        except (ValueError, KeyError) as exc:
            raise DatasetError(
                f"{self._words} is not the published file ({exc!r}): "
                f"remove the data set, then {fetch('tiny')}."
            ) from exc
        shared = Counter(first.values())
        return {
            each: name if shared[name] == 1 else f"{name} ({each})" for each, name in first.items()
        }
