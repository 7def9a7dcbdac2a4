"""A gallery's facts, its manifest, and the request that built it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.values import PICTURE, TEXT
from app.values.names import text_of

LOCAL_FILES = ("local", "points", "firsts", "phashes")
"""The files of a segment that hold its images' local features."""
LOCAL_FEATURES = "local features"
REQUEST_KEYS = (
    # the source: one of these
    *("data", "images", "csv", "parquet", "webdataset", "texts", "embeddings"),
    "exclude",
    *("name", "model", "precision", "store", "uri", "index"),
    *("pca", "expand", "alpha", "limit", "pictures"),
    "copies",
    *("text_column", "id_column", "url_column", "delimiter", "encoding", "label_column"),
    *("metadata", "join_column", "without_column", "metadata_delimiter", "metadata_encoding"),
)


def request_of(**options: object) -> dict[str, Any]:
    """Return options of `create_index.py`, with _ for -, as a manifest keeps them.

    Those that are None or empty are left out, paths are absolute, several values are a list.

    >>> request_of(data="caltech101", limit=None, label_column=("a", "b"))
    {'data': 'caltech101', 'label_column': ['a', 'b']}
    """
    given = {key: options[key] for key in REQUEST_KEYS if options.get(key) not in (None, "", ())}
    if unknown := options.keys() - set(REQUEST_KEYS):
        raise TypeError(f"create_index.py has no options {unknown}")
    return {key: _kept(value) for key, value in given.items()}


def _kept(value: object) -> Any:
    if isinstance(value, tuple):
        return [_kept(each) for each in value]
    return text_of(value.resolve()) if isinstance(value, Path) else value


def command_for(request: Mapping[str, Any]) -> str:
    """Return the command line of a request.

    >>> command_for({"data": "caltech101", "label_column": ["a", "b c"]})
    "python3 create_index.py --data caltech101 --label-column a --label-column 'b c'"
    >>> command_for({"images": "/p", "name": "mine", "copies": False})
    'python3 create_index.py --images /p --name mine --no-copies'
    """
    words = ["python3", "create_index.py"]
    for key in REQUEST_KEYS:
        value = request.get(key, [])
        if isinstance(value, bool):
            words.append(f"--{key}" if value else f"--no-{key}")
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{key.replace('_', '-')}", str(each)]
    return shlex.join(words)


@dataclass(frozen=True)
class StoredFile:
    """A file of a gallery: its name, its size in bytes and its SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Images that were put into a gallery together: their files, and how well their index finds.

    `first_id` is the id of the first row where the ids go on from it without a gap, and else None.
    """

    name: str
    rows: int
    files: dict[str, StoredFile]
    first_id: int | None = None
    index: str = "Flat"
    probes: int = 0
    candidates: int = 0
    recall_raw: float = 1.0
    recall_reranked: float = 1.0


@dataclass(frozen=True, kw_only=True)
class StoredElsewhere:
    """What searches a gallery in place of its own files: a collection of a Milvus server.

    `index` is in its words, `IVF_PQ,nlist=1024,m=32`; no password is part of the `uri`.
    """

    kind: str = "milvus"
    uri: str = ""
    collection: str = ""
    index: str = ""


@dataclass(frozen=True, kw_only=True)
class GalleryFacts:
    """The part of a manifest that every door shows; each default means that it is not known.

    `floor` is the score that 95 % of the images reach with another one, `sources` the folders that
    its pictures lie in, `changed` when it was last added to or taken from. `pca`, `expand` and
    `alpha` are those of VectorOptions, 0 where nothing is done. `copies` says whether it keeps
    local features, by which copies are found; `precision` what the network calculated in; `holds`
    whether its images are pictures or texts.
    """

    images: int = 0
    holds: str = PICTURE
    title: str = ""
    data: str = ""
    sources: tuple[str, ...] = ()
    model: str = ""
    precision: str = "f32"
    dim: int = 0
    index: str = ""
    probes: int = 0
    candidates: int = 0
    recall_raw: float = 0.0
    recall_reranked: float = 0.0
    created: str = ""
    changed: str = ""
    skipped: int = 0
    floor: float | None = None
    pca: int = 0
    expand: int = 0
    alpha: float = 0.0
    copies: bool = False
    notes: tuple[str, ...] = ()

    def in_words(self) -> list[tuple[str, str]]:
        """Return the facts as `ris info` and the page show them, each after its title."""
        skipped = f", {self.skipped} files skipped" if self.skipped else ""
        components = ", centred principal components" if self.pca else ""
        precision = f" in {self.precision}" if self.precision != "f32" else ""
        effort = f"{self.probes} probes, {self.candidates} candidates"
        recall = f"{self.recall_reranked:.3f} ({self.recall_raw:.3f} without re-ranking)"
        shown = [
            (
                f"{'texts' if self.holds == TEXT else 'images'}",
                f"{self.images} of {self.data}{skipped}",
            ),
            ("model", f"{self.model}{precision}, {self.dim} dimensions{components}"),
            ("index", f"{self.index}, {effort if self.index != 'Flat' else 'exact'}"),
            ("recall@10", recall),
            ("built", self.created),
        ]
        if self.changed:
            shown.append(("changed", self.changed))
        shown += [("folder", folder) for folder in self.sources]
        if self.expand:
            added = f"with their {self.expand} nearest images added, alpha {self.alpha:g}"
            shown.append(("queries", added))
        if self.copies:
            shown.append(("copies", "found, also cropped, turned and edited"))
        if self.floor is not None:
            shown.append(("similar", f"from a score of {self.floor:.3f}"))
        return shown


@dataclass(frozen=True, kw_only=True)
class Manifest(GalleryFacts):
    """Everything a query must agree with, and what was measured when the gallery was built.

    Of two segments that hold an image of the same id, the later one has it. `next_id` is the id of
    the next image, `generation` the number of the last change, `added` the folder below
    `datasets/added/` that holds the pictures that were added one by one. `request` holds the
    options of `create_index.py` that built it, as `request_of` makes them. `joined` are the columns
    of the table that its images have facts of, `joined_stamp` that file's size and time. `store` is
    what searches it, None for its own files.
    """

    name: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    index_asked: str
    recall_queries: int
    versions: dict[str, str]
    segments: tuple[Segment, ...] = ()
    next_id: int = 0
    added: str = ""
    files: dict[str, StoredFile] = field(default_factory=dict)
    generation: int = 1
    joined: tuple[str, ...] = ()
    joined_stamp: tuple[int, ...] = ()
    request: dict[str, Any] = field(default_factory=dict)
    store: StoredElsewhere | None = None

    @property
    def network_sha256(self) -> str:
        """The hash of its own INT8 network; '' where it was built with the model's."""
        return self.files["network"].sha256 if "network" in self.files else ""

    @property
    def source(self) -> str:
        """The first of the folders that its pictures lie in, '' for a published data set's."""
        return self.sources[0] if self.sources else ""

    def disk_bytes(self) -> dict[str, int]:
        """Return the bytes of its files by kind: vectors, shortlist, local features, items, …."""
        sizes: dict[str, int] = {}
        for files in (self.files, *(segment.files for segment in self.segments)):
            for name, file in files.items():
                kind = LOCAL_FEATURES if name in LOCAL_FILES else name
                sizes[kind] = sizes.get(kind, 0) + file.bytes
        return sizes

    @property
    def command(self) -> str:
        """The command that builds the gallery again."""
        return command_for(self.request)


@dataclass(frozen=True)
class GalleryStatus:
    """How a gallery can be used where it is now.

    `refused` says why it cannot be searched at all ('' when it can); `uploads_off` why only its
    own images can be queries; `pictures_missing` which original pictures are not here, as far as
    some of them were looked for, and what to do.
    """

    name: str
    refused: str = ""
    uploads_off: str = ""
    pictures_missing: str = ""
    approximate: bool = False
    disk_bytes: int = 0


@dataclass(frozen=True)
class GalleryInfo(GalleryStatus):
    """A gallery's status and its manifest, None where it is refused.

    The facts of the manifest are attributes of this too: `info.images`, `info.model`.
    """

    manifest: Manifest | None = None

    @property
    def facts(self) -> GalleryFacts:
        """The facts that every door shows; all unknown where the gallery is refused."""
        return self.manifest or GalleryFacts()

    def __getattr__(self, fact: str) -> Any:
        """Return one of the facts; called for what is no attribute of its own."""
        if fact not in GalleryFacts.__dataclass_fields__:
            raise AttributeError(f"A GalleryInfo has no attribute {fact!r}.", name=fact, obj=self)
        return getattr(self.facts, fact)
