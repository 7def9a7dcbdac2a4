"""A collection of a Milvus server: its rows written, searched and read. The file that names Milvus.

Everything that can go wrong there is a GalleryError of one sentence. The package is loaded when the
first collection is asked for something.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError, UsageError
from app.gallery.milvus_index import MilvusIndex
from app.values.gallery import StoredElsewhere

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

TOKEN = "RIS_MILVUS_TOKEN"  # noqa: S105 (the name of the setting, not its value)
MOST_AT_ONCE = 16_384
"""Milvus gives no more rows for one question."""
MARKER = -1
"""The id of the row that says which state of the gallery the collection has."""
_LEAST_VERSION = (2, 3)
_BYTES_AT_ONCE = 16_000_000  # of vectors in one message; a server takes 64 MB
_SECONDS = 60  # whole numbers: pymilvus tries 75 times where a limit is none
_SECONDS_TO_ANSWER = 10
_SECONDS_TO_CONNECT = 5
_SECONDS_TO_BUILD = 24 * 3600
# A question waits until all that was written before is seen, a fifth of a second. `check` does so
# once for each state of a gallery; after it, nothing of that state is missing without waiting.
_AS_CHECKED = "Eventually"
_FEWEST_INDEXED = 1_024  # rows; Milvus compares fewer one by one
_FIELDS = ("id", "facts", "vector")


class Hits(NamedTuple):
    """What a search gave: (q, k) ids, -1 where there are no more, and Milvus's own scores."""

    ids: Ids
    scores: Vectors


@dataclass(frozen=True)
class State:
    """Which state of a gallery a collection has; `whole` once its rows are those and no others."""

    gallery: str
    generation: int
    whole: bool


class Row(NamedTuple):
    """An image as a collection has it: `facts` are what filters are asked of."""

    id: int
    facts: dict[str, Any]
    vector: Vectors


def check_uri(uri: str) -> str:
    """Return a server's address; UsageError for none, and for one that holds a password."""
    place = urlsplit(uri)
    if place.username or place.password or "token=" in uri:
        raise UsageError(
            f"An address is written down, and a password must not be: leave it out of --uri and "
            f"set {TOKEN}=user:password."
        )
    if place.scheme not in ("http", "https") or not place.hostname:
        raise UsageError(
            f"{uri!r} is no address of a Milvus server: write it as http://host:19530. (A file of "
            "Milvus Lite is not taken: the releases that can be installed need another pymilvus "
            "than the servers do.)"
        )
    return uri


def check_server(gallery: str, uri: str) -> None:
    """Raise GalleryError unless a server answers there, and is new enough."""
    Collection(StoredElsewhere(uri=uri), gallery, 1).check_server()


class Collection:
    """A collection, connected when it is first needed and again after each failure.

    For any number of threads.
    """

    def __init__(self, place: StoredElsewhere, gallery: str, dim: int) -> None:
        self.place = place
        self.gallery = gallery
        self.dim = dim
        self._checked: Any = None  # the client of which version and collection were looked at

    # --- writing ---------------------------------------------------------------------------------

    def check_server(self) -> None:
        """Raise GalleryError unless the server answers, and is new enough."""
        with self._calling():
            _check_version(_client(self.place.uri), self.place.uri)

    def create(self) -> None:
        """Make the collection, without an index; one of the same name is dropped."""
        with self._calling():
            from pymilvus import DataType

            client = _client(self.place.uri)
            _check_version(client, self.place.uri)
            client.drop_collection(self.place.collection, timeout=_SECONDS)
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("facts", DataType.JSON)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dim)
            client.create_collection(
                self.place.collection,
                schema=schema,
                consistency_level="Strong",
                timeout=_SECONDS,
            )

    def insert(self, rows: Iterable[Row]) -> None:
        """Add rows whose ids are new, in parts of a size that a server takes."""
        with self._calling():
            client = _client(self.place.uri)
            for part in self._parts(rows):
                client.insert(self.place.collection, part, timeout=_SECONDS)

    def upsert(self, rows: Iterable[Row]) -> None:
        """Add rows, or put them in the place of those of the same ids."""
        with self._calling():
            client = _client(self.place.uri)
            for part in self._parts(rows):
                client.upsert(self.place.collection, part, timeout=_SECONDS)

    def delete(self, ids: Sequence[int]) -> None:
        """Take rows out; an id that is not there is passed over."""
        with self._calling():
            client = _client(self.place.uri)
            for start in range(0, len(ids), MOST_AT_ONCE):
                part = list(ids[start : start + MOST_AT_ONCE])
                client.delete(self.place.collection, ids=part, timeout=_SECONDS)

    def build(self, index: MilvusIndex, rows: int) -> None:
        """Build the index of all rows, wait for it, and load the collection to be searched."""
        with self._calling():
            client = _client(self.place.uri)
            if rows >= _FEWEST_INDEXED:
                client.flush(self.place.collection, timeout=_SECONDS_TO_BUILD)
            asked = client.prepare_index_params()
            asked.add_index(
                "vector", index_type=index.kind, metric_type="IP", params=dict(index.built)
            )
            client.create_index(self.place.collection, asked, timeout=_SECONDS_TO_BUILD)
            client.load_collection(self.place.collection, timeout=_SECONDS_TO_BUILD)

    def mark(self, state: State) -> None:
        """Keep which state of the gallery the collection has."""
        facts = {"gallery": state.gallery, "generation": state.generation, "whole": state.whole}
        self.upsert([Row(MARKER, {"state": facts}, np.eye(1, self.dim, dtype=np.float32)[0])])

    def drop(self) -> None:
        """Delete the collection, if it is there."""
        with self._calling():
            client = _client(self.place.uri)
            client.drop_collection(self.place.collection, timeout=_SECONDS)

    # --- reading ---------------------------------------------------------------------------------

    def state(self) -> State | None:
        """Return which state of the gallery it has; None where nobody has said so."""
        with self._calling():
            found = self._query(f"id == {MARKER}", ["facts"])
        if not found:
            return None
        kept = found[0]["facts"].get("state", {})
        return State(kept.get("gallery", ""), kept.get("generation", 0), kept.get("whole", False))

    def rows(self) -> int:
        """Return how many images it has."""
        return self.count("id >= 0")

    def count(self, expression: str) -> int:
        """Return of how many rows an expression is true."""
        with self._calling():
            return int(self._query(expression, ["count(*)"])[0]["count(*)"])

    def search(self, queries: Vectors, k: int, parameters: dict[str, Any]) -> Hits:
        """Return the k rows nearest to each of (q, dim) queries as the index orders them."""
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -2, np.float32)
        with self._calling():
            found = self._client().search(
                self.place.collection,
                data=list(queries),
                anns_field="vector",
                limit=min(k + 1, MOST_AT_ONCE),  # the marker may be among them
                search_params={"metric_type": "IP", "params": parameters},
                consistency_level=_AS_CHECKED,
                timeout=_SECONDS_TO_ANSWER,
            )
        for into, score_into, hits in zip(ids, scores, found, strict=True):
            pairs = [(hit["id"], hit["distance"]) for hit in hits if hit["id"] != MARKER][:k]
            into[: len(pairs)] = [pair[0] for pair in pairs]
            score_into[: len(pairs)] = [pair[1] for pair in pairs]
        return Hits(ids, scores)

    def vectors(self, ids: Ids) -> Vectors:
        """Return the (n, dim) vectors of (n,) ids, as stored; GalleryError if one is not there."""
        vectors = np.zeros((len(ids), self.dim), np.float32)
        several = min(MOST_AT_ONCE, max(1, _BYTES_AT_ONCE // (4 * self.dim)))
        for start in range(0, len(ids), several):
            part = ids[start : start + several].tolist()
            with self._calling():
                found = self._query(f"id in {part}", ["vector"], consistency_level=_AS_CHECKED)
            by_id = {row["id"]: row["vector"] for row in found}
            if len(by_id) < len(set(part)):
                raise GalleryError(self._behind())
            vectors[start : start + several] = [by_id[image] for image in part]
        return vectors

    def ids_where(self, expression: str, among: Ids) -> Ids:
        """Return those of (n,) ids, which ascend, that an expression is true of; ascending."""
        with self._calling():
            counted = self._query(
                f"id >= 0 and ({expression})", ["count(*)"], consistency_level=_AS_CHECKED
            )
            if counted[0]["count(*)"] <= MOST_AT_ONCE:
                parts = [f"id >= 0 and ({expression})"]
            else:
                ends = [among[at : at + MOST_AT_ONCE] for at in range(0, len(among), MOST_AT_ONCE)]
                parts = [f"id >= {a[0]} and id <= {a[-1]} and ({expression})" for a in ends]
            found = [
                row["id"]
                for part in parts
                for row in self._query(part, ["id"], consistency_level=_AS_CHECKED)
            ]
        return np.intersect1d(np.array(found, np.int64), among)

    def check(self, generation: int) -> None:
        """Raise GalleryError where it has an older state of the gallery than this one.

        A newer one is of a change that is under way, and has all that this one has.
        """
        state = self.state()
        if state is None or state.generation < generation:
            raise GalleryError(self._behind())

    def is_at(self, generation: int) -> bool:
        """Return whether it is there with exactly this state; GalleryError without a server."""
        self.check_server()
        try:
            state = self.state()
        except GalleryError:
            self.check_server()  # it is the collection that is wrong, and not the connection
            return False
        return state is not None and (state.generation, state.whole) == (generation, True)

    def forget(self) -> None:
        """Look at the version and the collection again before the next question."""
        self._checked = None

    # --- the connection --------------------------------------------------------------------------

    def _query(self, expression: str, fields: list[str], **how: Any) -> list[dict[str, Any]]:
        if fields != ["count(*)"]:
            how["limit"] = MOST_AT_ONCE
        found: list[dict[str, Any]] = list(
            self._client().query(
                self.place.collection,
                filter=expression,
                output_fields=fields,
                timeout=_SECONDS_TO_ANSWER,
                **how,
            )
        )
        return found

    def _client(self) -> Any:
        """Return the client, once version and collection were looked at."""
        client = _client(self.place.uri)
        if self._checked is not client:
            _check_version(client, self.place.uri)
            self._check_collection(client)
            self._checked = client
        return client

    def _check_collection(self, client: Any) -> None:
        place = self.place
        if not client.has_collection(place.collection, timeout=_SECONDS_TO_ANSWER):
            raise GalleryError(self._gone())
        described = client.describe_collection(place.collection, timeout=_SECONDS_TO_ANSWER)
        fields = {field["name"]: field for field in described["fields"]}
        if set(fields) != set(_FIELDS):
            raise GalleryError(
                f"The collection {place.collection} at {place.uri} is not one that this program "
                f"made: run ris update {self.gallery}, which fills a new one."
            )
        dim = int(fields["vector"]["params"]["dim"])
        if dim != self.dim:
            raise GalleryError(
                f"The collection {place.collection} at {place.uri} has vectors of {dim} numbers, "
                f"and {self.gallery} has {self.dim}: run ris update {self.gallery}, which fills a "
                "new one from the stored vectors."
            )
        client.load_collection(place.collection, timeout=_SECONDS)

    def _gone(self) -> str:
        return (
            f"Milvus at {self.place.uri} has no collection {self.place.collection} any more: run "
            f"ris update {self.gallery}, which fills a new one from the stored vectors."
        )

    def _behind(self) -> str:
        return (
            f"The collection {self.place.collection} at {self.place.uri} has not all images of "
            f"{self.gallery}: run ris update {self.gallery}, which fills a new one from the stored "
            "vectors."
        )

    def _parts(self, rows: Iterable[Row]) -> Iterator[list[dict[str, Any]]]:
        several = max(1, _BYTES_AT_ONCE // (4 * self.dim + 2_000))
        part: list[dict[str, Any]] = []
        for row in rows:
            part.append(row._asdict())
            if len(part) == several:
                yield part
                part = []
        if part:
            yield part

    @contextlib.contextmanager
    def _calling(self) -> Iterator[None]:
        """Turn what the package raises into a sentence; the next call connects anew."""
        try:
            yield
        except ImportError as exc:
            raise GalleryError(
                f"{self.gallery} is searched with Milvus, and pymilvus is not installed: run "
                "pip install -r requirements-scale.txt."
            ) from exc
        except GalleryError:
            self.forget()
            raise
        except Exception as exc:
            self.forget()
            _forget_client(self.place.uri)
            raise GalleryError(self._why(exc)) from exc

    def _why(self, exc: Exception) -> str:
        said = str(getattr(exc, "message", "") or exc)
        if re.search("(collection not found|can't find collection|CollectionNotExist)", said, re.I):
            return self._gone()
        if isinstance(exc, (OSError, TimeoutError)) or _is_unreachable(exc, said):
            return (
                f"Milvus at {self.place.uri} does not answer: start it, and {self.gallery} is "
                "searched again."
            )
        return f"Milvus at {self.place.uri} refused: {' '.join(said.split())[:300]}"


def _is_unreachable(exc: Exception, said: str) -> bool:
    names = ("ConnectError", "MilvusUnavailableException", "_InactiveRpcError", "ConnectionError")
    lost = "(UNAVAILABLE|DEADLINE_EXCEEDED|Retry timeout|connect|closed channel|not ready|timeout)"
    return type(exc).__name__ in names or re.search(lost, said, re.I) is not None


_CLIENTS: dict[str, Any] = {}
_CONNECTING = threading.Lock()
_TOKENS = [""]


def use_token(token: str) -> None:
    """Connect with this token, or user:password, from now on."""
    _TOKENS[:] = [token]


def _client(uri: str) -> Any:
    """Return the client of a server; each has one, which all collections share."""
    client = _CLIENTS.get(uri)
    if client is None:
        with _CONNECTING:
            client = _CLIENTS.get(uri)
            if client is None:
                from pymilvus import MilvusClient

                _silence()
                client = MilvusClient(uri, token=_TOKENS[-1], timeout=_SECONDS_TO_CONNECT)
                _CLIENTS[uri] = client
    return client


def _silence() -> None:
    """Keep the package from logging what is said here in one sentence."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "pymilvus":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _forget_client(uri: str) -> None:
    with _CONNECTING:
        client = _CLIENTS.pop(uri, None)
    if client is not None:
        with contextlib.suppress(Exception):
            client.close()


def _check_version(client: Any, uri: str) -> None:
    version = str(client.get_server_version(timeout=_SECONDS_TO_CONNECT))
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if numbers < _LEAST_VERSION:
        least = ".".join(map(str, _LEAST_VERSION))
        raise GalleryError(
            f"Milvus at {uri} is version {version}, and {least} or a later one is needed: update "
            "the server."
        )
