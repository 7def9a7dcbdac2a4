"""A TIFF's bytes → the file that Pillow opens, unless Pillow would read its pixels wrongly."""

from PIL.TiffImagePlugin import TiffImageFile

_TAG_BITS, _TAG_PLANAR = 258, 284
_SEPARATE = 2


class TiffFile(TiffImageFile):
    """A TIFF; one of 16 bits with each colour in a plane of its own is refused, not misread."""

    def _open(self) -> None:
        super()._open()
        bits = self.tag_v2.get(_TAG_BITS, (1,))
        if self.tag_v2.get(_TAG_PLANAR) == _SEPARATE and len(bits) > 1 and max(bits) > 8:
            raise SyntaxError("unknown pixel mode")  # as Pillow says it of others
