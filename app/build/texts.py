"""A file of texts → a gallery of texts: the same segments, index and doors as of pictures."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.build.build import BuildReport, check_new
from app.build.commit import AS_THE_MODEL, Origin, finish_gallery, made_by_model
from app.build.embedding import OnProgress
from app.build.work import Kept
from app.embed import Embedder, LoadEmbedder, Model, model_named
from app.errors import UsageError
from app.gallery import Draft, Folders, recipe_of
from app.sources.texts import Text, read_texts
from app.values import TEXT, ImageRecord, VectorOptions
from app.values.gallery import request_of

TEXT_MODEL = "all_minilm_l6_v2"
_PART = 512  # texts embedded between two reports of progress
_INDEX = "IVF100,PQ8"


@dataclass(frozen=True)
class TextRequest:
    """A gallery of texts to build; the columns are those of `read_texts`."""

    file: Path
    name: str
    model: str = TEXT_MODEL
    index: str = _INDEX
    text_column: str = ""
    id_column: str = ""
    label_column: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str = "utf-8"
    limit: int | None = None
    force: bool = False
    options: VectorOptions = AS_THE_MODEL


def build_texts(
    request: TextRequest,
    *,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: LoadEmbedder,
    find_model: Callable[[str], Model] = model_named,
    on_progress: OnProgress,
) -> BuildReport:
    """Embed the texts of a file, train their index, put the gallery in place.

    Stopped at any moment, the same request goes on. UsageError for a name, model, index or column
    that cannot be, DatasetError for a file without texts, ModelError for missing weights.
    """
    started = time.perf_counter()
    if not request.name:
        raise UsageError("A gallery of texts needs a name: add --name NAME.")
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"The limit must be 1 or more, not {request.limit}.")
    model = find_model(request.model)
    model.check_embeds("text")
    check_new(
        request.name,
        model,
        request.index,
        options=request.options,
        indexes_dir=indexes_dir,
        force=request.force,
    )
    on_progress("list", 0, 0)
    read = read_texts(
        request.file,
        text_column=request.text_column,
        id_column=request.id_column,
        label_column=request.label_column,
        delimiter=request.delimiter,
        encoding=request.encoding,
    )
    texts = read.texts[: request.limit]
    request.options.check_images(len(texts))
    embedder = load_embedder(request.model)
    recipe = recipe_of([embedder.name, embedder.weights_sha256, embedder.precision, "texts"])
    draft = Draft(
        Folders.of(request.name, features_dir, indexes_dir), recipe=recipe, dim=embedder.dim
    )
    began = time.perf_counter()
    try:
        kept, embedded = _embed(texts, embedder, draft, on_progress)
        seconds = time.perf_counter() - began
        manifest = finish_gallery(
            draft,
            kept,
            Origin(
                data=request.file.name,
                sources=(),
                request=_kept(request),
                notes=(embedder.note,) if embedder.note else (),
                holds=TEXT,
                **made_by_model(embedder),
            ),
            index=request.index,
            dim=embedder.dim,
            options=request.options,
            on_progress=on_progress,
        )
    except BaseException:
        draft.close()
        raise
    return BuildReport(
        manifest, (), embedded, seconds, time.perf_counter() - started, notes=read.notes
    )


def _embed(
    texts: Sequence[Text], embedder: Embedder, draft: Draft, on_progress: OnProgress
) -> tuple[list[Kept], int]:
    """Return every text with its row in the draft, and how many were embedded: equal ones once."""
    rows = {each.record.sha256: each.row for each in draft.entries().values()}
    new = {each.sha256: each for each in texts if each.sha256 not in rows}
    waiting = list(new.values())
    done = len(texts) - len(waiting)
    on_progress("embed", done, len(texts))
    for start in range(0, len(waiting), _PART):
        part = waiting[start : start + _PART]
        vectors = embedder.embed_texts([each.text for each in part])
        first = draft.rows
        records = [_record(each, each.sha256) for each in part]  # by place, of which each is one
        draft.add(records, [b""] * len(part), vectors.astype(np.float32), [])
        rows |= {each.sha256: first + place for place, each in enumerate(part)}
        on_progress("embed", done + start + len(part), len(texts))
    return list(_kept_texts(texts, rows)), len(waiting)


def _kept_texts(texts: Sequence[Text], rows: dict[str, int]) -> Iterator[Kept]:
    for number, each in enumerate(texts, 1):
        yield Kept(_record(each, f"text {number}"), row=rows[each.sha256])


def _record(text: Text, path: str) -> ImageRecord:
    told = {"text": text.text} | dict(text.facts or {})
    size = len(text.text.encode())
    return ImageRecord(
        -1, path, text.sha256, 0, 0, size, labels=text.labels, key=text.key, metadata=told
    )


def _kept(request: TextRequest) -> dict[str, object]:
    """Return the request as the gallery's manifest keeps it."""
    return request_of(
        texts=request.file,
        name=request.name,
        model=request.model,
        index=request.index,
        limit=request.limit,
        text_column=request.text_column,
        id_column=request.id_column,
        label_column=request.label_column,
        delimiter=request.delimiter,
        encoding="" if request.encoding == "utf-8" else request.encoding,
        **request.options.given(),
    )
