"""The page's requests for near duplicates → the search for them, and decisions on them, as JSON."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from app.build.jobs import GalleryMaker
from app.build.keeper import GalleryKeeper
from app.doors.answers import finding_answer
from app.doors.page.functions import Answer, answering
from app.doors.page.references import entry, id_of
from app.errors import UsageError
from app.search.background import FindingProgress
from app.search.duplicates import Found
from app.search.service import SearchService
from app.values import SOURCES

_MOST_GROUPS = 2_000  # some megabytes
_MOST_IDS = 100


class DuplicateFunctions:
    """The functions that the page shows near duplicates with.

    An AppError becomes {"message": its sentence}. Finding them only reads; decisions are written,
    so there are no functions for them where no gallery can be changed. Nor is there one that shows
    a file in this machine's file manager without `show_file`, which gets its path.
    """

    def __init__(
        self,
        service: SearchService,
        maker: GalleryMaker,
        show_file: Callable[[Path], None] | None = None,
    ) -> None:
        self._service = service
        self._maker = maker
        self._show_file = show_file

    @property
    def all(self) -> list[Callable[..., Answer]]:
        """The functions, under the names that the scripts call them by."""
        functions = [self.find_duplicates, self.finding, self.stop_finding, self.duplicates]
        if not self._maker.off and self._maker.keeper is not None:
            functions += [self.keep_apart, self.forget_apart]
        if self._show_file is not None:
            functions.append(self.open_folder)
        return [answering(function) for function in functions]

    def find_duplicates(self, request: Mapping[str, Any]) -> Answer:
        """Begin to compare the images of a gallery."""
        name = _name(request)
        return _shown(name, self._service.start_duplicates(name))

    def finding(self, request: Mapping[str, Any]) -> Answer:
        """Return how far that is, without what was found: the page asks twice a second."""
        name = _name(request)
        return _shown(name, self._service.finding_progress(name))

    def stop_finding(self, request: Mapping[str, Any]) -> Answer:
        """Stop it; what was found before stays."""
        name = _name(request)
        return _shown(name, self._service.stop_duplicates(name))

    def duplicates(self, request: Mapping[str, Any]) -> Answer:
        """Return what the last search has found, of the "kinds" chosen, all for none.

        Each image also has `changed`, its file's date; `off` says why nothing can be decided.
        """
        name, kinds = _name(request), entry(request, "kinds") or []
        if not _are_texts(kinds):
            raise UsageError(f"The kinds of duplicates are a list, not {shortened(kinds)}.")
        progress, found = self._service.duplicates_progress(name, kinds)
        answer = finding_answer(name, progress, found, _MOST_GROUPS)["duplicates"]
        if progress.found and answer:
            _add_dates(answer["groups"], progress.found)
        return _shown(name, progress) | {
            "duplicates": answer,
            "kinds": list(SOURCES),
            "off": self._maker.off,
        }

    def keep_apart(self, request: Mapping[str, Any]) -> Answer:
        """Remember that no two of some images are duplicates."""
        return {"pairs": self._keeper.keep_apart(_name(request), _ids(request))}

    def forget_apart(self, request: Mapping[str, Any]) -> Answer:
        """Forget such a decision."""
        return {"pairs": self._keeper.forget_apart(_name(request), _ids(request))}

    def open_folder(self, request: Mapping[str, Any]) -> Answer:
        """Show an image's file in the file manager of the machine that the server runs on."""
        assert self._show_file is not None  # else there is no function
        name = _name(request)
        image = id_of(self._service, name, entry(request, "id"))
        self._show_file(self._service.original(name, image))
        return {}

    @property
    def _keeper(self) -> GalleryKeeper:
        keeper = self._maker.keeper
        assert keeper is not None  # else there are no functions
        return keeper


def _shown(name: str, progress: FindingProgress) -> Answer:
    answer = finding_answer(name, progress, None, 0)
    del answer["duplicates"]
    return {"progress": answer}


def _add_dates(groups: Sequence[dict[str, Any]], found: Found) -> None:
    dates = {record.public_id: found.changed(image) for image, record in found.records.items()}
    for group in groups:
        for image in (group["best"], *group["others"]):
            image["changed"] = dates[image["id"]]


def _name(request: Mapping[str, Any]) -> str:
    return str(entry(request, "gallery") or "")


def _ids(request: Mapping[str, Any]) -> list[str]:
    ids = entry(request, "ids")
    known = isinstance(ids, list) and all(isinstance(each, str | int) for each in ids)
    if not known:
        raise UsageError(f"The images to decide on are a list of ids, not {shortened(ids)}.")
    if len(ids) > _MOST_IDS:
        raise UsageError(
            f"A decision is on {_MOST_IDS} images at most, not {len(ids)}: ris duplicates --apart "
            "takes some of them."
        )
    return [str(each) for each in ids]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
