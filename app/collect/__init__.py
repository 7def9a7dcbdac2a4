"""Pictures from elsewhere (uploads, a ZIP, a list of URLs, shards) → a folder of pictures."""

from app.collect.folder import check_free_space
from app.collect.uploads import gather, unpack

__all__ = ["check_free_space", "gather", "unpack"]
