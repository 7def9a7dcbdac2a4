"""The build, start to end: a folder of pictures → a gallery that can be searched."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.build.commit import (
    AS_THE_MODEL,
    Origin,
    check_room,
    finish_gallery,
    made_by_model,
)
from app.build.embedding import Embedding, OnProgress, embed_pictures, notes_on, stamped
from app.build.int8 import LoadInt8, fitted_to
from app.build.spread import Spread
from app.embed import Embedder, LoadEmbedder, Model, model_named
from app.errors import DatasetError, GalleryError, UsageError
from app.gallery import Draft, Folders, Gallery, check_name, gallery_names, recipe_of
from app.index import check_factory
from app.sources.datasets.register import open_data_set
from app.sources.own import open_folders
from app.sources.picture import Layout, Picture
from app.values import Skipped, VectorOptions
from app.values.gallery import Manifest, request_of
from app.values.names import text_of
from app.values.precision import check_precision

_FEW_UNREADABLE = 10


@dataclass(frozen=True)
class BuildRequest:
    """What to build: a published data set (`data`) or folders (`images`, with a `name`).

    `options` say how vectors and queries are changed, and the patterns `exclude` what is left out
    of the folders. `copies` says whether local features are kept, by which copies are found: where
    it is None, those of folders are. `precision` is what the network calculates in, one of
    `app.embed.precision.ASKED`; None is what the settings say.
    """

    data: str | None
    images: Path | tuple[Path, ...] | None
    name: str | None
    model: str
    index: str
    limit: int | None
    force: bool
    options: VectorOptions = AS_THE_MODEL
    exclude: tuple[str, ...] = ()
    copies: bool | None = None
    precision: str | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders, none for a data set."""
        if self.images is None:
            return ()
        return self.images if isinstance(self.images, tuple) else (self.images,)

    def kept(self) -> dict[str, Any]:
        """Return the request as the gallery's manifest keeps it."""
        return request_of(
            data=self.data,
            images=self.folders[0] if len(self.folders) == 1 else self.folders,
            exclude=self.exclude,
            name=self.name,
            model=self.model,
            precision=self.precision,
            index=self.index,
            limit=self.limit,
            copies=self.copies,
            **self.options.given(),
        )


@dataclass(frozen=True)
class BuildReport:
    """What a build did; `seconds` are of this run, which may have gone on with an earlier one.

    `left_out` says why files were passed over, and how many for each reason; `notes` what is odd
    about pictures that were taken, in sentences.
    """

    manifest: Manifest
    skipped: tuple[Skipped, ...]
    embedded: int
    seconds_embedding: float
    seconds: float
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def images_per_second(self) -> float:
        """Pictures read, decoded and embedded in this run, by the second."""
        return self.embedded / self.seconds_embedding if self.seconds_embedding else 0.0


def build(
    request: BuildRequest,
    *,
    datasets_dir: Path,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: LoadEmbedder,
    find_model: Callable[[str], Model] = model_named,
    precision: str = "auto",
    workers: int,
    spread: Spread | None = None,
    on_progress: Callable[[str, int, int], None],
) -> BuildReport:
    """Check a request, then build its gallery; see `build_gallery`.

    UsageError for an unknown data set, model, precision, index or name, and for a gallery that
    exists already unless `force` is set; DatasetError for a missing folder; ModelError for missing
    weights. `precision` is that of a request which names none; `spread` is as in `embed_pictures`.
    """
    model = find_model(request.model)
    model.check_embeds("picture")
    precision = request.precision or precision
    check_precision(precision)
    if request.folders:
        if not request.name:
            raise UsageError("A gallery of your own folder needs a name: add --name NAME.")
        named = [folder.resolve() for folder in request.folders]
        layout = open_folders(named, request.name, exclude=request.exclude)
    else:
        layout = open_data_set(request.data or "", datasets_dir)
    name = request.name or f"{layout.name}-{model.name}"
    check_new(
        name,
        model,
        request.index,
        options=request.options,
        indexes_dir=indexes_dir,
        force=request.force,
    )
    folders = Folders.of(name, features_dir, indexes_dir)
    embedder, load_int8 = loaded(load_embedder, request.model, precision)
    return build_gallery(
        layout,
        embedder,
        load_int8=load_int8,
        folders=folders,
        index=request.index,
        options=request.options,
        limit=request.limit,
        request=request.kept(),
        own=bool(request.folders),
        copies=bool(request.folders) if request.copies is None else request.copies,
        workers=workers,
        spread=spread,
        on_progress=on_progress,
    )


def loaded(
    load_embedder: LoadEmbedder, model: str, precision: str
) -> tuple[Embedder, LoadInt8 | None]:
    """Return the model for a build, and what loads its INT8 network once there are pictures for it.

    UsageError where it cannot calculate as was asked.
    """
    if precision == "int8":
        return load_embedder(model), partial(load_embedder, model, precision=precision)
    embedder = load_embedder(model, precision=precision)
    if precision not in ("auto", embedder.precision):
        raise UsageError(
            f"{model} cannot calculate in {precision} here: choose the precision auto, which is "
            f"{embedder.precision} then."
        )
    return embedder, None


def check_new(
    name: str,
    model: Model,
    index: str,
    *,
    options: VectorOptions = AS_THE_MODEL,
    indexes_dir: Path,
    force: bool,
) -> None:
    """Raise UsageError unless a gallery can have this name, model, index and options.

    A gallery of that name must not exist yet, unless `force` is set.
    """
    check_name(name)
    check_factory(index, options.dim_of(model.dim))
    if name in gallery_names(indexes_dir) and not force:
        raise UsageError(f"The gallery {name} exists already: add --force to build it anew.")


def build_gallery(
    layout: Layout,
    embedder: Embedder,
    *,
    folders: Folders,
    index: str,
    limit: int | None,
    request: dict[str, Any],
    options: VectorOptions = AS_THE_MODEL,
    own: bool = True,
    copies: bool = False,
    load_int8: LoadInt8 | None = None,
    workers: int,
    spread: Spread | None = None,
    on_progress: OnProgress,
) -> BuildReport:
    """Embed the pictures of `layout`, train its index, put the gallery in place.

    With `load_int8` the vectors are made by an INT8 network that is fitted to some of the pictures;
    the `embedder` is what it is compared with. `request` is kept in the manifest; the layout's
    folders are, if they are the user's `own`. `on_progress(stage, done, total)` is called as it
    goes on. Stopped at any moment, the next call with the same model goes on, whatever its
    pictures, index and `options`; the gallery that was there before stays until the new one is
    whole. Raises DatasetError if no picture can be read, or far more than usual cannot be,
    UsageError for a bad `index`, `limit` or `options`, ModelError for an INT8 network that finds
    other images, StorageError if the disk cannot take it.
    """
    started = time.perf_counter()
    check_factory(index, options.dim_of(embedder.dim))
    if limit is not None and limit < 1:
        raise UsageError(f"The limit must be 1 or more, not {limit}.")
    on_progress("list", 0, 0)
    pictures = list(stamped(layout.pictures()[:limit], layout.folders))
    if not pictures:
        raise DatasetError(f"There is no picture in {layout.folder}.")
    options.check_images(sum(not picture.missing for picture in pictures))
    if load_int8 is not None:
        embedder = fitted_to(
            pictures, layout, embedder, load_int8, workers=workers, on_progress=on_progress
        )
    recipe = recipe_of_model(embedder, copies=copies)
    draft = Draft(folders, recipe=recipe, dim=embedder.dim)
    began = time.perf_counter()
    try:
        check_room(folders, len(pictures), draft.rows, embedder.dim, copies=copies)
        known = None if options.pca else known_content(folders, embedder, copies=copies)
        embedding = embed_pictures(
            pictures,
            layout,
            embedder,
            draft,
            copies=copies,
            known=known,
            workers=workers,
            spread=spread,
            on_progress=on_progress,
        )
        seconds_embedding = time.perf_counter() - began
        if not embedding.kept:
            draft.discard()  # the files may be mended before the next run, under their old names
            raise DatasetError(
                f"No picture of the {len(pictures)} in {layout.folder} can be read, "
                f"the first because: {embedding.skipped[0].reason}"
            )
        check_readable(embedding, pictures, layout)
        manifest = finish_gallery(
            draft,
            embedding.kept,
            Origin(
                data=layout.name,
                sources=tuple(map(text_of, layout.folders)) if own else (),
                request=request,
                notes=(embedder.note,) if embedder.note else (),
                network=embedder.network,
                **made_by_model(embedder),
            ),
            known=known,
            skipped=embedding.skipped,
            stamps={(each.source, each.path): (each.size, each.mtime_ns) for each in pictures},
            index=index,
            dim=embedder.dim,
            options=options,
            copies=copies,
            on_progress=on_progress,
        )
    except BaseException:
        draft.close()
        raise
    return BuildReport(
        manifest,
        tuple(embedding.skipped),
        embedding.embedded,
        seconds_embedding,
        time.perf_counter() - started,
        dict(getattr(layout, "left_out", {})),
        notes_on(embedding, embedder),
    )


def recipe_of_model(embedder: Embedder, *, copies: bool) -> str:
    """Return a hash over what makes the vectors, and features, of two builds comparable."""
    made = [embedder.name, embedder.weights_sha256, embedder.precision]
    made += [embedder.network_sha256] if embedder.network_sha256 else []
    local = ["local features", "perceptual hash"] if copies else []
    return recipe_of([*made, embedder.model.preprocessing, *local])


def known_content(folders: Folders, embedder: Embedder, *, copies: bool) -> Gallery | None:
    """Return the gallery that is there, if it has what `embedder` would make again."""
    try:
        gallery = Gallery(folders, hashed=False)
    except GalleryError:
        return None
    manifest = gallery.manifest
    same = (
        made_by_model(embedder).items()
        <= {key: getattr(manifest, key) for key in made_by_model(embedder)}.items()
    )
    same &= embedder.network_sha256 == manifest.network_sha256
    same &= manifest.copies or not copies
    if same and not gallery.approximate and gallery.projection_path is None:
        return gallery
    gallery.close()
    return None


def check_readable(embedding: Embedding, pictures: Sequence[Picture], layout: Layout) -> None:
    """Raise DatasetError where so many listed files could not be opened that a disk must be gone.

    A few may be: one is deleted while the others are read.
    """
    folders = [layout.folders[number] for number in sorted({each.source for each in pictures})]
    gone = next((folder for folder in folders if not folder.is_dir()), None)
    unreadable = embedding.unreadable
    if gone is None and unreadable <= max(_FEW_UNREADABLE, len(pictures) // 10):
        return
    what = f"{gone} is gone" if gone else f"{unreadable} of the {len(pictures)} files listed in "
    what += "" if gone else f"{layout.folder} cannot be read any more"
    raise DatasetError(
        f"{what}, so the gallery stays as it was: bring the folder back and run the same command "
        "again; what is embedded is kept."
    )
