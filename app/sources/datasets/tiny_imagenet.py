"""tiny-ImageNet-200's folders → its training pictures, labelled by the name of their class."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.errors import DatasetError
from app.sources.datasets.published import Archive, PublishedDataSet
from app.sources.listing import is_folder, jpegs, listing, unreadable
from app.sources.picture import Picture, in_order

_SUFFIX = ".jpeg"


class TinyImageNet(PublishedDataSet):
    """``tiny-imagenet-200/train/nXXXXXXXX/images/*.JPEG`` and ``words.txt``.

    The label is the first name that ``words.txt`` has for the class (``goldfish`` for
    ``goldfish, Carassius auratus``): people filter by words, not by numbers of WordNet. Where two
    classes share it, the number follows in brackets. The 100,000 training images are taken; those
    of ``test`` have no published labels, and ``val`` holds the same classes over again.
    """

    name = "tiny_imagenet"
    aliases = ("tiny", "tinyimagenet")
    page = "http://cs231n.stanford.edu/"
    archives = (
        Archive(
            name="tiny",
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            file="tiny-imagenet-200.zip",
            size_bytes=248_100_043,
            md5="90528d7ca1a48142e341f4ef8d21d0de",
            inside="tiny-imagenet-200",
            places=("tiny-imagenet-200", "."),
            counted=(("train/*/*/*.JPEG",),),
            needed=("words.txt",),
            images=100_000,
            growth=2.5,
        ),
    )

    def __init__(self, home: Path) -> None:
        for place in self.archives[0].places_in(home):
            self.folder, self._words = place / "train", place / "words.txt"
            if is_folder(self.folder) and any(
                is_folder(each / "images") and jpegs(each / "images", suffix=_SUFFIX)
                for each in listing(self.folder).folders
            ):
                break
        else:
            raise self.not_as_published(home, "tiny-imagenet-200/train/n01443537/images/*.JPEG")
        if not self._words.is_file():
            raise DatasetError(f"The file {self._words} is missing: {self.how_to_fetch()}.")

    def pictures(self) -> list[Picture]:
        """Every ``.JPEG`` of every class, with the class's name as its label.

        Raises
        ------
        DatasetError
            ``words.txt`` cannot be read, or lacks a class.
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
                f"remove the data set, then {self.how_to_fetch()}."
            ) from exc
        shared = Counter(first.values())
        return {
            each: name if shared[name] == 1 else f"{name} ({each})" for each, name in first.items()
        }
