"""An image's id in an address, which may hold slashes → text that is never empty."""

from starlette.convertors import Convertor, register_url_convertor

IMAGE_ROUTE = "/galleries/{gallery}/images/{image:image_id}"
"""What the routes of an image's parts begin with; no id ends like one of them."""
WHOLE_IMAGE_ROUTE = "/galleries/{gallery}/images/{image:whole_image_id}"


class _ImageIds(Convertor[str]):
    """As Starlette's `path`, which takes an address that ends before the id too."""

    regex = ".+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _WholeImageIds(_ImageIds):
    """The same without the addresses of parts: else a method of the image would be theirs, too."""

    regex = "(?!.+/(?:image|thumbnail|similar)$).+"


register_url_convertor("image_id", _ImageIds())
register_url_convertor("whole_image_id", _WholeImageIds())
