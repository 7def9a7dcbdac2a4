"""The page: pictures in, results out, in a browser. Every answer comes from the service."""

from app.doors.page.forwarding import is_forwarded
from app.doors.page.layout import FIRST_PARTS, most_bytes_of_a_form, mount_page

__all__ = ["FIRST_PARTS", "is_forwarded", "most_bytes_of_a_form", "mount_page"]
