"""A gallery's request, as its manifest keeps it → the pictures that it would be built of today."""

from collections.abc import Callable
from pathlib import Path

from app.errors import UsageError
from app.sources.datasets.register import open_data_set
from app.sources.own import open_folders
from app.sources.picture import Layout
from app.values.gallery import Manifest
from app.values.names import path_of

OpenList = Callable[[Manifest], Layout]


def layout_of(manifest: Manifest, *, datasets_dir: Path, open_list: OpenList) -> Layout:
    """Return the layout of a gallery's own folders, data set or list.

    `open_list` fetches what a list names and is not here yet. DatasetError for a folder that is
    gone, UsageError for a gallery that was not made of pictures.
    """
    request = manifest.request
    if folders := request.get("images"):
        named = folders if isinstance(folders, list) else [folders]
        exclude = request.get("exclude", [])
        return open_folders([path_of(each) for each in named], manifest.data, exclude=exclude)
    if data := request.get("data"):
        return open_data_set(str(data), datasets_dir)
    if request.keys() & {"csv", "parquet", "webdataset"}:
        return open_list(manifest)
    raise UsageError(
        f"The gallery {manifest.name} was made of embeddings, and not of a folder or list that "
        "could be looked at again: add pictures with ris add."
    )
