"""A HEIC's bytes → the file that pillow_heif opens, with the one orientation that counts."""

from PIL import Image
from pillow_heif import HeifImageFile

_TAG_ORIENTATION = 274
_TURNS = frozenset(("irot", "imir"))


class HeicFile(HeifImageFile):
    """A HEIC that EXIF's orientation turns where the format's own boxes (irot, imir) do not.

    pillow_heif applies the boxes, and says of any orientation in EXIF that it is 1. Programs that
    write EXIF's alone mean it as in a JPEG.
    """

    def _open(self) -> None:
        super()._open()  # type: ignore[no-untyped-call]
        assert self._heif_file is not None
        orientation = self.info.get("original_orientation")
        boxes = self._heif_file[self.tell()]._c_image.transformations
        exif = Image.Exif()
        if orientation and _TURNS.isdisjoint(box[0] for box in boxes):
            exif[_TAG_ORIENTATION] = orientation
        self.info["exif"] = exif.tobytes()
