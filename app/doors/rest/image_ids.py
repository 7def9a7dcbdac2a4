"""An image's id in an address, which may hold slashes → text that is never empty."""

from starlette.convertors import Convertor, register_url_convertor

IMAGE_ROUTE = "/galleries/{gallery}/images/{image:image_id}"


class _ImageIds(Convertor[str]):
    """As Starlette's `path`, which takes an address that ends before the id too."""

    regex = ".+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("image_id", _ImageIds())
