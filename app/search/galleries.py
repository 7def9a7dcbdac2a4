"""The galleries on disk → open galleries, reopened when they change, and their facts."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.embed import MODELS, Embedder
from app.errors import AppError, GalleryError, ModelError, NotFoundError, UsageError
from app.gallery import Gallery, Store, gallery_names, open_gallery, state_of
from app.index import Expansion, Projection, expanded
from app.search.model_cache import Models, wanted_by
from app.search.originals import Originals
from app.sources.datasets.register import open_data_set
from app.values import TEXT
from app.values.gallery import GalleryInfo
from app.values.names import path_of
from app.values.precision import go_together

_ALL = "all"


@dataclass(frozen=True)
class SearchableGallery:
    """An open gallery, and how it changes vectors and queries.

    `since` is when it was opened, in monotonic seconds; `texts_off` why its model embeds no texts
    here, '' where it does or never could.
    """

    stored: Gallery
    projection: Projection | None = None
    expansion: Expansion | None = None
    since: float = field(default_factory=time.monotonic)
    texts_off: str = ""

    @property
    def index(self) -> Store:
        """What is searched."""
        return self.stored

    @property
    def floor(self) -> float | None:
        """The score from which an image counts as similar; None where that is not known.

        Nearly all of its own images reach it with another one, and hardly any unrelated photograph
        does, where its model is known so well.
        """
        manifest = self.stored.manifest
        model = MODELS.get(manifest.model)
        if model is None or model.unrelated is None or self.projection or self.expansion:
            return manifest.floor
        return max(manifest.floor or 0, model.unrelated.among(self.stored.rows))

    @property
    def holds_texts(self) -> bool:
        """Whether it is a gallery of texts, and not of pictures."""
        return self.stored.manifest.holds == TEXT

    @property
    def knows_texts(self) -> bool:
        """Whether its model embeds texts into the space of its vectors."""
        model = MODELS.get(self.stored.manifest.model)
        return model is not None and model.has_texts and not self.texts_off

    def is_like(self, other: "SearchableGallery") -> bool:
        """Return whether its vectors can be compared with those of another gallery."""
        both = self.stored.manifest, other.stored.manifest
        mine, others = (
            (
                *(each.weights_sha256, each.model, each.network_sha256, each.preprocessing),
                *(each.dim, each.files["projection"].sha256 if "projection" in each.files else ""),
            )
            for each in both
        )
        return mine == others and go_together(*(each.precision for each in both))

    def was_built_with(self, embedder: Embedder) -> bool:
        """Return whether this model makes vectors that go with the gallery's own."""
        return not self.difference_to(embedder)

    def difference_to(self, embedder: Embedder) -> str:
        """Return how the model here differs from the one of the build; '' if it does not."""
        manifest = self.stored.manifest
        if embedder.weights_sha256 != manifest.weights_sha256:
            return f"other weights of {manifest.model} than are here"
        if not go_together(embedder.precision, manifest.precision):
            return (
                f"{manifest.model} in {manifest.precision}, which runs in {embedder.precision} here"
            )
        if embedder.network_sha256 != manifest.network_sha256:
            return f"an INT8 network of {manifest.model} that is not in its folder any more"
        if embedder.model.preprocessing_facts() != manifest.preprocessing:
            return f"another preparation of the pictures for {manifest.model} than is made here"
        return ""

    def projected(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, dim) unit vectors of the gallery for (n, model_dim) vectors of its model.

        UsageError for vectors of another length.
        """
        model_dim = self.projection.from_dim if self.projection else self.index.dim
        if vectors.ndim != 2 or vectors.shape[1] != model_dim:
            raise UsageError(
                f"The model of {self.stored.name}, {self.stored.manifest.model}, makes vectors "
                f"of {model_dim} numbers: give an array (n, {model_dim}), not {vectors.shape}."
            )
        return vectors if self.projection is None else self.projection.apply(vectors)

    def expand_query(
        self, vector: NDArray[np.float32], without: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the (dim,) unit vector that the gallery compares for a query's vector.

        Where the gallery expands queries, its nearest images are added, found through the index
        and without the rows in `without`.
        """
        if self.expansion is None:
            return vector
        moved: NDArray[np.float32] = expanded(
            self.index, vector[None], self.expansion, without=[without]
        )[0]
        return moved


def searchable(stored: Gallery) -> SearchableGallery:
    """Return a stored gallery to be searched; GalleryError if its projection is another's."""
    manifest, projection_path = stored.manifest, stored.projection_path
    projection = Projection.read(projection_path) if projection_path else None
    dim = projection.dim if projection else manifest.dim
    if dim != manifest.dim:
        raise GalleryError(
            f"The projection of {stored.name} does not belong to its vectors. "
            f"Run: {manifest.command} --force"
        )
    expansion = Expansion(manifest.expand, manifest.alpha) if manifest.expand else None
    return SearchableGallery(stored, projection, expansion)


def _together(infos: Sequence[GalleryInfo], *, all_of_model: bool = False) -> GalleryInfo:
    """Return the facts of several galleries that are searched as one."""
    manifests = [info.manifest for info in infos if info.manifest]
    floors = [each.floor for each in manifests if each.floor is not None]
    title = f"{'All ' if all_of_model else ''}{len(infos)} galleries of {manifests[0].model}"
    first = replace(
        manifests[0],
        title=title,
        images=sum(each.images for each in manifests),
        skipped=sum(each.skipped for each in manifests),
        recall_raw=min(each.recall_raw for each in manifests),
        recall_reranked=min(each.recall_reranked for each in manifests),
        floor=min(floors, default=None),
        sources=tuple(dict.fromkeys(each for one in manifests for each in one.sources)),
        created=max(each.created for each in manifests),
        changed=max(each.changed for each in manifests),
        data=", ".join(info.name for info in infos),
        notes=(),
    )
    return GalleryInfo(
        ",".join(info.name for info in infos),
        uploads_off=infos[0].uploads_off,
        pictures_missing=next(
            (info.pictures_missing for info in infos if info.pictures_missing), ""
        ),
        approximate=any(info.approximate for info in infos),
        disk_bytes=sum(info.disk_bytes for info in infos),
        manifest=first,
    )


class Galleries:
    """The galleries of one place, and where their pictures are. For many threads."""

    def __init__(
        self, *, datasets_dir: Path, features_dir: Path, indexes_dir: Path, models: Models
    ) -> None:
        self._datasets_dir = datasets_dir
        self._features_dir = features_dir
        self._indexes_dir = indexes_dir
        self._models = models
        self._open_galleries: dict[str, SearchableGallery] = {}
        self._refused: dict[str, tuple[object, str]] = {}  # its files as they were, and why
        self._folders: dict[str, Path] = {}
        self._opening = threading.Lock()
        self._closed = False
        self.originals = Originals(self.folder_of)

    def names(self) -> list[str]:
        """Return the names of the galleries on disk, damaged ones too, in alphabetical order."""
        return gallery_names(self._indexes_dir)

    def unreadable(self) -> str:
        """Return why the folder of galleries cannot be read, in one sentence; '' where it can.

        One that was never there is none: there may be no gallery yet.
        """
        try:
            next(self._indexes_dir.iterdir(), None)
        except FileNotFoundError:
            if not self._open_galleries:
                return ""
            reason = "it is gone"
        except OSError as exc:
            reason = exc.strerror or str(exc)
        else:
            return ""
        return f"The galleries in {self._indexes_dir} cannot be read ({reason}): look at its disk."

    def infos(self) -> list[GalleryInfo]:
        """Return every gallery, the refused ones with the reason."""
        names = self.names()
        for name in names:  # all at once: slow folders keep each other waiting otherwise
            with suppress(AppError):
                self.originals.begin(self.open(name).stored)
        infos = []
        for name in names:
            with suppress(NotFoundError):  # removed a moment ago
                infos.append(self.info(name))
        return infos

    def info(self, name: str) -> GalleryInfo:
        """Return a gallery's status and manifest; NotFoundError if there is none.

        Of several, with commas between their names, what they have in common.
        """
        if "," in name or (name == _ALL and _ALL not in self.names()):
            galleries = self.asked(name)
            all_of_model = len(galleries) == len(self._alike(galleries[0]))
            return _together([self._info(each) for each in galleries], all_of_model=all_of_model)
        try:
            gallery = self.open(name)
        except GalleryError as exc:
            return GalleryInfo(name, refused=str(exc))
        return self._info(gallery)

    def together(self) -> list[GalleryInfo]:
        """Return what can be searched together: all galleries of each model that has several."""
        groups: list[list[SearchableGallery]] = []
        for gallery in filter(None, map(self._open_or_none, self.names())):
            group = next((each for each in groups if each[0].is_like(gallery)), None)
            if group is None:
                groups.append([gallery])
            else:
                group.append(gallery)
        return [
            _together([self._info(each) for each in group], all_of_model=True)
            for group in groups
            if group[1:]
        ]

    def _info(self, gallery: SearchableGallery) -> GalleryInfo:
        manifest = gallery.stored.manifest
        return GalleryInfo(
            gallery.stored.name,
            uploads_off=self.uploads_off(gallery),
            pictures_missing="" if gallery.holds_texts else self.originals.missing(gallery.stored),
            approximate=gallery.index.approximate,
            disk_bytes=sum(manifest.disk_bytes().values()),
            manifest=replace(manifest, floor=gallery.floor),
        )

    def default(self) -> str:
        """Return the first gallery by name that can be searched.

        GalleryError if all are damaged, NotFoundError if there is none.
        """
        names = self.names()
        for name in names:
            if not self.info(name).refused:
                return name
        if names:
            raise GalleryError(
                f"No gallery can be searched: ris verify shows what mends {', '.join(names)}."
            )
        raise NotFoundError(
            "There is no gallery to search: "
            "make one with python3 create_index.py --images DIR --name NAME."
        )

    def asked(self, gallery: str) -> list[SearchableGallery]:
        """Return the galleries that a request names: one, several with commas between, or all.

        '' is the first that can be searched, "all" it and all others of its model that can be,
        unless a gallery has that name. UsageError for galleries of different models.
        """
        if not gallery:
            return [self.open(self.default())]
        if gallery == _ALL and gallery not in self.names():
            first = self.open(self.default())
            return sorted(self._alike(first), key=lambda each: each is not first)
        galleries = [self.open(name.strip()) for name in dict.fromkeys(gallery.split(","))]
        for each in galleries[1:]:
            if not each.is_like(galleries[0]):
                raise UsageError(
                    f"{galleries[0].stored.name} and {each.stored.name} are of different models or "
                    "components: search in galleries of one model together."
                )
        return galleries

    def _alike(self, first: SearchableGallery) -> list[SearchableGallery]:
        """Return the galleries that can be searched together with one, and that one."""
        others = map(self._open_or_none, self.names())
        return [each for each in others if each and each.is_like(first)]

    def _open_or_none(self, name: str) -> SearchableGallery | None:
        try:
            return self.open(name)
        except (GalleryError, NotFoundError):  # `infos` says why
            return None

    def open(self, name: str) -> SearchableGallery:
        """Return a gallery, opened if need be; NotFoundError, GalleryError if it is damaged."""
        gallery = self._open_galleries.get(name)
        if gallery is not None and not gallery.stored.replaced():
            return gallery
        self._raise_if_still_refused(name)
        with self._opening:
            gallery = self._open_galleries.get(name)
            if gallery is not None and not gallery.stored.replaced():
                return gallery
            self._raise_if_still_refused(name)
            self._open_galleries.pop(name, None)
            files = self._files_of(name)
            try:
                gallery = self._open_galleries[name] = self._open(name, before=gallery)
            except GalleryError as exc:
                if exc.__cause__ is None or isinstance(exc.__cause__, AppError):
                    self._refused[name] = files, str(exc)  # else it may pass: it could not be read
                raise
            self._refused.pop(name, None)
            return gallery

    def _open(self, name: str, before: SearchableGallery | None) -> SearchableGallery:
        while True:
            stored = open_gallery(
                name,
                features_dir=self._features_dir,
                indexes_dir=self._indexes_dir,
                before=before.stored if before else None,
            )
            try:
                return searchable(stored)
            except GalleryError:
                if not stored.replaced():  # a gallery built anew takes the old projection away
                    stored.close()
                    raise

    def _raise_if_still_refused(self, name: str) -> None:
        """Raise the error of a damaged gallery again: finding it took a hash of every file."""
        files, why = self._refused.get(name, (None, ""))
        if why and self._files_of(name) == files:
            raise GalleryError(why)

    def _files_of(self, name: str) -> object:
        """Return a state that differs once a file of a gallery changes; None if there is none."""
        if name not in self.names():
            return None
        return [state_of(folder / name) for folder in (self._indexes_dir, self._features_dir)]

    def uploads_off(self, gallery: SearchableGallery) -> str:
        """Return why this gallery takes no new pictures as queries; '' if it does.

        A model that is still to be loaded counts as one that will run: nobody waits here.
        """
        manifest = gallery.stored.manifest
        if manifest.preprocessing and not self._models.is_known(
            wanted_by(gallery.stored), fits=gallery.was_built_with, since=gallery.since
        ):
            return ""
        try:
            self.embedder_of(gallery)
        except ModelError as exc:
            return str(exc)
        return ""

    def embedder_of(self, gallery: SearchableGallery) -> Embedder:
        """Return the model that this gallery was built with, loaded if need be.

        ModelError, which says what to do, where it cannot be loaded: then only images of the
        gallery can be queries.
        """
        manifest = gallery.stored.manifest
        what = "texts" if gallery.holds_texts else "images"
        only = f"Only {what} of {gallery.stored.name} can be searched with: "
        if not manifest.preprocessing:
            raise ModelError(f"{only}its vectors came from elsewhere, and no model here made them.")
        try:
            embedder = self._models.get(
                wanted_by(gallery.stored), fits=gallery.was_built_with, since=gallery.since
            )
        except ModelError as exc:
            raise ModelError(only + str(exc)) from exc
        if difference := gallery.difference_to(embedder):
            raise ModelError(
                f"{only}it was built with {difference}; "
                f"build it anew with: {manifest.command} --force"
            )
        return embedder

    def folder_of(self, gallery: Store, source: int = 0) -> Path | None:
        """Return the folder that paths of one of its sources start from; None if not known here."""
        manifest = gallery.manifest
        if source < 0:
            return self._datasets_dir / "added" / (manifest.added or gallery.name)
        named = manifest.sources[source] if source < len(manifest.sources) else ""
        if named or source:
            return path_of(named) if named else None
        known = self._folders.get(manifest.data)
        if known is None or not known.is_dir():
            try:
                known = open_data_set(manifest.data, self._datasets_dir).folder
            except AppError:
                return None
            self._folders[manifest.data] = known
        return known

    def warm_up(self) -> None:
        """Open every gallery and load its model, so that the first query need not wait.

        `close` ends it before the next of them.
        """
        galleries = []
        for name in self.names():
            if self._closed:
                return
            with suppress(AppError):  # `infos` says why
                galleries.append(self.open(name))
        for each in galleries:
            if self._closed:
                return
            with suppress(AppError):
                self.embedder_of(each)

    def close(self) -> None:
        """Let `warm_up` end soon."""
        self._closed = True
