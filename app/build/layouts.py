"""A gallery's request, as its manifest keeps it → the pictures that it would be built of today."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.errors import AppError, DatasetError, UsageError
from app.gallery import moving_command
from app.sources.datasets.register import ALIASES, open_data_set
from app.sources.listing import is_folder
from app.sources.own import open_folders
from app.sources.picture import Layout, Picture
from app.values.gallery import Manifest, request_of
from app.values.names import path_of, text_of

OpenList = Callable[[Manifest], Layout]
_LISTS = {"csv", "parquet", "webdataset"}
_LEFT_OUT = {
    "store": "local",
    "id_column": "id",
    "url_column": "url",
    "encoding": "utf-8",
}  # of a request


class _Numbered:
    """A layout whose folders have their numbers among those of a gallery.

    A merged gallery has pictures in other folders too, which are not looked at again.
    """

    def __init__(self, layout: Layout, numbers: Sequence[int], sources: Sequence[str]) -> None:
        self._layout = layout
        self._numbers = numbers
        self.name, self.folder = layout.name, layout.folder
        self.folders = tuple(map(path_of, sources))

    @property
    def left_out(self) -> Mapping[str, int]:
        """Why files and folders were passed over → how many."""
        left_out: Mapping[str, int] = getattr(self._layout, "left_out", {})
        return left_out

    def pictures(self) -> list[Picture]:
        """Return the pictures of the layout."""
        pictures = self._layout.pictures()
        return [replace(each, source=self._numbers[each.source]) for each in pictures]


def followed_sources(manifest: Manifest) -> list[int]:
    """Return which of a gallery's folders are looked at when it is updated, by their numbers."""
    folders = manifest.request.get("images")
    if not folders:
        return [0]
    return _numbers_of(folders if isinstance(folders, list) else [folders], manifest.sources)


def layout_of(manifest: Manifest, *, datasets_dir: Path, open_list: OpenList) -> Layout:
    """Return the layout of a gallery's own folders, data set or list.

    `open_list` fetches what a list names and is not here yet. DatasetError for a folder that is
    gone, UsageError for a gallery that was not made of pictures.
    """
    request = manifest.request
    if folders := request.get("images"):
        named = folders if isinstance(folders, list) else [folders]
        _check_there(manifest, named)
        exclude = request.get("exclude", [])
        layout = open_folders([path_of(each) for each in named], manifest.data, exclude=exclude)
        numbers = _numbers_of(list(map(text_of, layout.folders)), manifest.sources)
        if numbers == list(range(len(numbers))):
            return layout
        return _Numbered(layout, numbers, manifest.sources)
    if data := request.get("data"):
        return open_data_set(str(data), datasets_dir)
    if request.keys() & _LISTS:
        return open_list(manifest)
    if "texts" in request:
        raise UsageError(
            f"The gallery {manifest.name} holds texts, which are not looked at again: build it "
            f"anew with {manifest.command} --force."
        )
    raise UsageError(
        f"The gallery {manifest.name} was made of embeddings, and not of a folder or list that "
        "could be looked at again: add pictures with ris add."
    )


def _check_there(manifest: Manifest, named: Sequence[str]) -> None:
    """Raise DatasetError, with the command that helps, for a folder that is gone."""
    for folder in named:
        if not is_folder(path_of(folder)):
            raise DatasetError(
                f"The folder {folder} of the gallery {manifest.name} does not exist: bring it "
                f"back, or say where its pictures are now with {moving_command(manifest, folder)}."
            )


def sources_of(manifest: Manifest, datasets_dir: Path) -> tuple[str, ...]:
    """Return the folders of a gallery's pictures, at last that of those added one by one."""
    sources = manifest.sources
    if not sources:
        try:
            sources = (text_of(open_data_set(manifest.data, datasets_dir).folder.resolve()),)
        except AppError:  # the pictures are not here, and so nobody looks for them
            sources = (str((datasets_dir / manifest.data).resolve()),)
    added = datasets_dir / "added" / (manifest.added or manifest.name)
    return (*sources, str(added.resolve())) if manifest.added else sources


def can_be_looked_at_again(manifest: Manifest) -> bool:
    """Return whether a gallery was made of folders or a list, which may have changed since."""
    return bool(manifest.request.keys() & {"images", *_LISTS})


def check_as_built(manifest: Manifest, given: Mapping[str, Any]) -> None:
    """Raise UsageError for options of `create_index.py` other than those a gallery was built with.

    Those that are None were left out, and are then as they were.
    """
    built = _LEFT_OUT | {"model": manifest.model, "index": manifest.index_asked} | manifest.request
    built["copies"] = manifest.copies  # what is left out of a request depends on its source
    for key, value in request_of(**given).items():
        if key != "name" and _full(value) != _full(built.get(key)):
            raise UsageError(
                f"The gallery {manifest.name} was built with another "
                f"--{key.replace('_', '-')}: run ris update {manifest.name} to keep it as it was "
                "built, or add --force in place of --update to build it anew."
            )


def _full(value: Any) -> Any:
    return ALIASES.get(value, value) if isinstance(value, str) else value or None


def _numbers_of(folders: Sequence[str], sources: Sequence[str]) -> list[int]:
    if set(folders) <= set(sources):
        return [sources.index(each) for each in folders]
    return list(range(len(folders)))  # a folder of format 1 may be named in another way
