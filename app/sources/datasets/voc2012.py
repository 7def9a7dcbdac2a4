"""VOC2012's folders → its pictures, labelled by the objects in them."""

from pathlib import Path
from xml.etree import ElementTree

from app.errors import DatasetError
from app.sources.datasets.published import Archive, PublishedDataSet
from app.sources.listing import is_folder, jpegs, unreadable
from app.sources.picture import Picture, in_order, labels_of
from app.values.names import text_of


class Voc2012(PublishedDataSet):
    """``VOCdevkit/VOC2012/{JPEGImages,Annotations}``, or the two folders without those above.

    The labels are the names of the objects in ``Annotations/<stem>.xml``.
    """

    name = "voc2012"
    aliases = ("voc",)
    page = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
    archives = (
        Archive(
            name="voc",
            url="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            file="VOCtrainval_11-May-2012.tar",
            size_bytes=1_999_639_040,
            md5="6cd6e144f989b92b3379bac3b3de84fd",
            inside="VOCdevkit/VOC2012",
            places=("VOCdevkit/VOC2012", "."),
            counted=(("JPEGImages/*.jpg",), ("Annotations/*.xml",)),
            images=17_125,
            growth=1.1,
        ),
    )

    def __init__(self, home: Path) -> None:
        for place in self.archives[0].places_in(home):
            self.folder, self._annotations = place / "JPEGImages", place / "Annotations"
            if all(map(is_folder, (self.folder, self._annotations))) and jpegs(self.folder):
                return
        missing = "VOCdevkit/VOC2012/JPEGImages/*.jpg and VOCdevkit/VOC2012/Annotations"
        raise self.not_as_published(home, missing)

    def pictures(self) -> list[Picture]:
        """Every ``.jpg``; without labels when it has no annotation.

        Raises
        ------
        DatasetError
            An annotation cannot be read.
        """
        return in_order(
            Picture(text_of(image.name), self._labels(image.stem)) for image in jpegs(self.folder)
        )

    def _labels(self, stem: str) -> tuple[str, ...]:
        # The name of an <object> itself: its <part>s (head, hand, foot) have names too.
        file = self._annotations / f"{stem}.xml"
        try:
            names = (each.findtext("name", "") for each in _xml(file).findall("object"))
        except FileNotFoundError:
            return ()
        return labels_of(names)


def _xml(file: Path) -> ElementTree.Element:
    try:
        # Python's expat bounds what entities grow to, and fetches none.
        return ElementTree.fromstring(file.read_bytes())  # noqa: S314
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise unreadable(file, exc) from exc
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise DatasetError(
            f"{file} is not an XML file ({exc}): put the published file in its place."
        ) from exc
