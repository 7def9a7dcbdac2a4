"""A gallery on disk: written in steps that can stop anywhere, opened, verified and read.

The only folder that names SQLite.
`features/README.md` and `indexes/README.md` state the format. What exists is what `gallery.db`
says; it is the last file a build puts in its place, in one rename, so a reader sees the gallery as
before or as after. It holds the SHA-256 of every other file, and ends with its own: the last 32
bytes, which SQLite, going by the page count in its header, does not read.
"""

from app.gallery.files import state_of, writing_to
from app.gallery.local import Gallery, open_gallery
from app.gallery.manifest import (
    DATABASE,
    FORMAT,
    Folders,
    check_name,
    gallery_names,
    manifest_from_json,
    manifest_to_json,
    recipe_of,
)
from app.gallery.writer import Draft, discard_draft

__all__ = [
    "DATABASE",
    "FORMAT",
    "Draft",
    "Folders",
    "Gallery",
    "check_name",
    "discard_draft",
    "gallery_names",
    "manifest_from_json",
    "manifest_to_json",
    "open_gallery",
    "recipe_of",
    "state_of",
    "writing_to",
]
