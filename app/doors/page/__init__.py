"""The page: pictures in, results out, in a browser. Every answer comes from the service."""

from app.doors.page.layout import FIRST_PARTS, mount_page

__all__ = ["FIRST_PARTS", "mount_page"]
