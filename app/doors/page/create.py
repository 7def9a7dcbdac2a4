"""The page's requests to make a gallery → the gallery maker, and its progress as JSON."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from app.build.additions import AddReport
from app.build.build import BuildReport
from app.build.changing import Selection
from app.build.jobs import Archive, GalleryMaker, MakeRequest, Progress, Uploaded
from app.build.update import UpdateReport
from app.doors.page.functions import Answer, answering
from app.doors.page.references import Uploads, entry, whole_number
from app.errors import UsageError
from app.images.formats import SUFFIXES
from app.values import Skipped
from app.values.names import path_of

_MOST_SKIPPED_SHOWN = 1_000
UPLOADS_GONE = "The uploaded files are not here any more: choose them again."


class MakingFunctions:
    """The functions that the page's form calls; an AppError becomes {"message": its sentence}."""

    def __init__(self, maker: GalleryMaker, uploads: Uploads) -> None:
        self._maker = maker
        self._uploads = uploads

    @property
    def off(self) -> str:
        """The reason why no gallery can be made; '' if one can."""
        return self._maker.off

    @property
    def all(self) -> list[Callable[..., Answer]]:
        """The functions, under the names that the script calls them by; none where it is off."""
        if self._maker.off:
            return []
        functions = (
            *(self.making, self.may_make, self.make_gallery, self.make_selection),
            *(self.go_on, self.cancel_making, self.discard_making, self.forget_uploads),
        )
        return [answering(function) for function in functions]

    def making(self, request: Mapping[str, Any]) -> Answer:
        """Return the models, the suffixes of picture files, and the build's progress."""
        return {
            "models": [
                {"name": name, "downloads": downloads} for name, downloads in self._maker.models()
            ],
            "suffixes": sorted(SUFFIXES),
            "progress": shown(self._maker.progress()),
        }

    def may_make(self, request: Mapping[str, Any]) -> Answer:
        """Answer before an upload whether the gallery could be made at all."""
        self._maker.check(
            *_named(request),
            needed_bytes=whole_number(entry(request, "bytes") or 0, "The number of bytes"),
            arriving_in=self._uploads.folder,
        )
        return {}

    def make_gallery(self, request: Mapping[str, Any]) -> Answer:
        """Start a build."""
        name, model = _named(request)
        pictures = self._pictures(entry(request, "pictures") or {})
        self._maker.start(MakeRequest(name, model, pictures))
        return {"progress": shown(self._maker.progress())}

    def make_selection(self, request: Mapping[str, Any]) -> Answer:
        """Start to make a gallery of images that were chosen in another."""
        keeper = self._maker.keeper
        if keeper is None:
            raise UsageError("No gallery can be made of others here.")
        name, gallery = _named(request)[0], str(entry(request, "gallery") or "")
        ids = ids_of(request, "The chosen images")
        self._maker.start_selection(Selection(keeper, name, gallery, ids))
        return {"progress": shown(self._maker.progress())}

    def go_on(self, request: Mapping[str, Any]) -> Answer:
        """Resume the stopped build."""
        self._maker.go_on()
        return {"progress": shown(self._maker.progress())}

    def cancel_making(self, request: Mapping[str, Any]) -> Answer:
        """Stop the running build."""
        self._maker.cancel()
        return {"progress": shown(self._maker.progress())}

    def discard_making(self, request: Mapping[str, Any]) -> Answer:
        """Delete what the stopped build has made."""
        self._maker.discard()
        return {"progress": shown(self._maker.progress())}

    def forget_uploads(self, request: Mapping[str, Any]) -> Answer:
        """Delete files that were uploaded for a gallery that is not made after all."""
        paths = entry(request, "paths")
        for path in paths if isinstance(paths, list) else ():
            self._uploads.inside(str(path), UPLOADS_GONE).unlink(missing_ok=True)
        return {}

    def _pictures(self, pictures: Any) -> Path | Uploaded | Archive:
        kind = entry(pictures, "kind")
        if kind == "folder":
            return folder_at(entry(pictures, "folder"))
        if kind == "zip":
            file = self._uploaded(pictures)
            return Archive(file, str(entry(pictures, "name") or "The ZIP"))
        files = entry(pictures, "files")
        if kind == "files" and isinstance(files, list) and files:
            return Uploaded(
                tuple((self._uploaded(each), str(entry(each, "name"))) for each in files)
            )
        raise UsageError("Choose the pictures first.")

    def _uploaded(self, file: Any) -> Path:
        return self._uploads.inside(str(entry(file, "path")), UPLOADS_GONE)


def _named(request: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry(request, "name") or "").strip(), str(entry(request, "model") or "")


def ids_of(request: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """Return the ids of a request's images; UsageError, which names `what` they are, for others."""
    ids = entry(request, "ids")
    known = isinstance(ids, list) and all(isinstance(each, str | int) for each in ids)
    if not known or not ids:
        raise UsageError(f"{what} are a list of ids, not {shortened(ids)}.")
    return tuple(map(str, ids))


def folder_at(typed: object) -> Path:
    """Return the folder whose path was typed; UsageError for what is no path."""
    path = str(typed or "").strip()
    if not path:
        raise UsageError("Give the path of the folder that holds the pictures.")
    if "\0" in path:
        raise UsageError("A folder's path has no zero byte in it: type it again.")
    try:
        return path_of(path).expanduser()
    except RuntimeError as exc:  # ~name of a user that does not exist
        raise UsageError(f"There is no home folder as in {path}: give the whole path.") from exc
    except UnicodeEncodeError as exc:  # half of a character, from a script
        raise UsageError(f"No folder can be called {path!a}: type its path again.") from exc


def shown(progress: Progress) -> dict[str, Any]:
    """Return the progress of the maker's work as the scripts get it."""
    answer = {
        "state": progress.state,
        "kind": progress.kind,
        "name": progress.name,
        "stage": progress.stage,
        "done": progress.done,
        "total": progress.total,
        "rate": round(progress.rate, 1),
        "seconds_left": progress.seconds_left,
        "stopping": progress.stopping,
        "can_go_on": progress.can_go_on,
        "gone": progress.gone,
        "message": progress.message,
    }
    if progress.report is not None:
        answer["report"] = _facts_of(progress.report) | _skipped(progress.report.skipped)
    return answer


def _facts_of(report: BuildReport | UpdateReport | AddReport) -> dict[str, Any]:
    if isinstance(report, BuildReport):
        return {
            "images": report.manifest.images,
            "seconds": round(report.seconds, 1),
            "recall": report.manifest.recall_reranked,
            "notes": [*report.manifest.notes, *report.notes],
        }
    if isinstance(report, AddReport):
        counted = ["added", "replaced", "known"]
    else:
        counted = ["added", "changed", "moved", "removed", "unchanged"]
    return {name: getattr(report, name) for name in counted}


def _skipped(skipped: Sequence[Skipped]) -> dict[str, Any]:
    files = [{"path": each.path, "reason": each.reason} for each in skipped[:_MOST_SKIPPED_SHOWN]]
    return {"skipped": len(skipped), "skipped_files": files}
