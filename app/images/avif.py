"""An AVIF's bytes → the file that Pillow opens, with the one orientation that counts."""

from PIL.AvifImagePlugin import AvifImageFile


class AvifFile(AvifImageFile):
    """An AVIF that EXIF's orientation turns where the format's own boxes (irot, imir) do not.

    Pillow gives the boxes' orientation as if it were EXIF's, 1 where there are none. Programs that
    write EXIF's alone mean it as in a JPEG.
    """

    def _open(self) -> None:
        super()._open()
        *_, exif, orientation_of_boxes, _ = self._decoder.get_info()
        if exif and orientation_of_boxes == 1:
            self.info["exif"] = exif
