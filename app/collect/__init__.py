"""Pictures from elsewhere (uploads, a ZIP, a list of URLs, shards) → a folder of pictures."""

from app.collect.downloads import FAILED, Downloaded, Politeness, download
from app.collect.folder import check_free_space, is_empty, new_folder
from app.collect.ids import fault_of
from app.collect.shards import Sample, shards_in, unpack_shards
from app.collect.tables import Columns, Row, read_csv, read_parquet
from app.collect.uploads import gather, unpack

__all__ = [
    "FAILED",
    "Columns",
    "Downloaded",
    "Politeness",
    "Row",
    "Sample",
    "check_free_space",
    "download",
    "fault_of",
    "gather",
    "is_empty",
    "new_folder",
    "read_csv",
    "read_parquet",
    "shards_in",
    "unpack",
    "unpack_shards",
]
