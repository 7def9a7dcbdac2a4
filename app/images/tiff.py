"""A TIFF's bytes → the file that Pillow opens, unless Pillow would read its pixels wrongly."""

from PIL.TiffImagePlugin import II, MM, OPEN_INFO, TiffImageFile

_TAG_BITS, _TAG_PLANAR = 258, 284
_SEPARATE = 2
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1

# Grey of one unsigned number that Pillow knows in the other order of bytes, or the other way round,
# alone: order, photometric, bits → mode, raw mode. `colours.to_8_bits` inverts it.
_GREY = {
    (II, _WHITE_IS_ZERO, 12): ("I;16", "I;12"),
    (MM, _WHITE_IS_ZERO, 12): ("I;16", "I;12"),
    (MM, _BLACK_IS_ZERO, 12): ("I;16", "I;12"),
    (MM, _WHITE_IS_ZERO, 16): ("I;16B", "I;16B"),
    (II, _WHITE_IS_ZERO, 32): ("I", "I;32N"),
    (MM, _WHITE_IS_ZERO, 32): ("I", "I;32BS"),
    (MM, _BLACK_IS_ZERO, 32): ("I", "I;32BS"),
}
for (_order, _photometric, _bits), _modes in _GREY.items():
    OPEN_INFO.setdefault((_order, _photometric, (1,), 1, (_bits,), ()), _modes)

# What libtiff unpacks is in the machine's order of bytes, which Pillow minds for some modes alone.
_AS_UNPACKED = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}


class TiffFile(TiffImageFile):
    """A TIFF; one of 16 bits with each colour in a plane of its own is refused, not misread."""

    def _open(self) -> None:
        super()._open()
        bits = self.tag_v2.get(_TAG_BITS, (1,))
        if self.tag_v2.get(_TAG_PLANAR) == _SEPARATE and len(bits) > 1 and max(bits) > 8:
            raise SyntaxError("unknown pixel mode")  # as Pillow says it of others
        self.tile = [
            tile._replace(args=(_AS_UNPACKED.get(tile.args[0], tile.args[0]), *tile.args[1:]))
            if tile.codec_name == "libtiff" and isinstance(tile.args, tuple)
            else tile
            for tile in self.tile
        ]
