"""A gallery on disk: a list of segments that never change, and one manifest that names them.

The only folder that names SQLite.
`features/README.md` and `indexes/README.md` state the format. What exists is what `manifest.json`
says; a change writes new files beside those that are there and then replaces the manifest, in one
rename, so a reader sees the gallery as before or as after. The manifest holds the SHA-256 of every
file, and its own. Format 1 kept it in `gallery.db`; such a gallery is opened as one segment.
"""

from app.gallery.apart import Apart, content_of, forget_apart, keep_apart, read_apart
from app.gallery.commit import Commit, SegmentWriter, committing, compacting, now
from app.gallery.files import locked, state_of, sync, writing_to
from app.gallery.items import in_parts
from app.gallery.known import in_all
from app.gallery.local import Gallery
from app.gallery.manifest import (
    COMPACTION,
    DATABASE,
    DRAFT,
    FORMAT,
    MANIFEST,
    Folders,
    check_name,
    gallery_names,
    manifest_from_json,
    manifest_to_json,
    moving_command,
    read_manifest,
    recipe_of,
)
from app.gallery.milvus import TOKEN, check_server, check_uri
from app.gallery.milvus import use_token as use_milvus_token
from app.gallery.milvus_gallery import MilvusGallery
from app.gallery.milvus_index import MilvusIndex
from app.gallery.milvus_index import check_words as check_index_words
from app.gallery.opening import folders_of, open_gallery, opened
from app.gallery.published import drop as drop_collection
from app.gallery.published import is_in_step
from app.gallery.seen import NO_IMAGE, Place, Seen, Stamp
from app.gallery.store import Store
from app.gallery.words import words_of
from app.gallery.writer import Draft, Drafted, discard_draft

__all__ = [
    "COMPACTION",
    "DATABASE",
    "DRAFT",
    "FORMAT",
    "MANIFEST",
    "NO_IMAGE",
    "TOKEN",
    "Apart",
    "Commit",
    "Draft",
    "Drafted",
    "Folders",
    "Gallery",
    "MilvusGallery",
    "MilvusIndex",
    "Place",
    "Seen",
    "SegmentWriter",
    "Stamp",
    "Store",
    "check_index_words",
    "check_name",
    "check_server",
    "check_uri",
    "committing",
    "compacting",
    "content_of",
    "discard_draft",
    "drop_collection",
    "folders_of",
    "forget_apart",
    "gallery_names",
    "in_all",
    "in_parts",
    "is_in_step",
    "keep_apart",
    "locked",
    "manifest_from_json",
    "manifest_to_json",
    "moving_command",
    "now",
    "open_gallery",
    "opened",
    "read_apart",
    "read_manifest",
    "recipe_of",
    "state_of",
    "sync",
    "use_milvus_token",
    "words_of",
    "writing_to",
]
