"""Batches of pictures → their vectors, in the processes of a Ray cluster."""

import contextlib
import logging
import platform
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.build.commit import made_by_model
from app.build.spread import Lanes
from app.build.work import Batch, Content, Work
from app.embed import LoadEmbedder
from app.errors import AppError, GalleryError, ModelError, UsageError
from app.gallery import Folders, Gallery
from app.sources.picture import Picture

PICTURES_A_TASK = 64
"""So few that little is lost with a worker, so many that Ray's own milliseconds do not count."""
_AHEAD = 3  # tasks for each processor: what is done waits for what was handed out before it
_RETRIES = 5  # of a task whose worker or node dies
_SECONDS_TO_CONNECT = 5


@dataclass(frozen=True)
class Order:
    """What a worker has to know of a build, and every machine can make of it alone.

    `made` is what the vectors must be made by, as in `made_by_model`; `known` the folders of the
    gallery whose contents are not embedded again, and the moment it was created.
    """

    load: LoadEmbedder
    model: str
    precision: str
    network: Path | None
    made: Mapping[str, Any]
    folders: Sequence[Path]
    copies: bool
    known: tuple[Folders, str] | None = None
    host: str = field(default_factory=platform.node)


class RayCluster:
    """A Ray cluster whose machines see the pictures, weights and galleries at the same paths.

    Ray hands batches out, moves what they became to this process, and gives those of a worker or
    machine that died to another.
    """

    def __init__(self, address: str, load: LoadEmbedder) -> None:
        """Take an address, such as auto or 10.0.0.1:6379; `load` is for one processor.

        UsageError where the package ray is not installed.
        """
        try:
            import ray
        except ImportError as exc:
            raise UsageError(
                "--ray needs the package ray: run pip install -r requirements-scale.txt here and "
                "on every machine of the cluster."
            ) from exc
        self._ray: Any = ray
        self._address = address
        self._load = load

    @contextlib.contextmanager
    def open(self, work: Work) -> Iterator[Lanes]:
        """Connect; UsageError where there is no cluster at the address."""
        self._connect()
        try:
            gallery = work.content.gallery
            order = Order(
                self._load,
                work.embedder.name,
                work.embedder.precision,
                work.embedder.network,
                made_by_model(work.embedder),
                tuple(work.folders),
                work.copies,
                (gallery.folders, gallery.manifest.created) if gallery else None,
            )
            handed = self._ray.put(order)
            embed = self._ray.remote(embed_batch).options(
                num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD"
            )

            def submit(pictures: Sequence[Picture]) -> _Pending:
                return _Pending(self._ray, embed.remote(handed, list(pictures)), work.content)

            resources: dict[str, float] = self._ray.cluster_resources()
            yield Lanes(submit, PICTURES_A_TASK, _AHEAD * int(resources.get("CPU", 1)))
        finally:
            self._ray.shutdown()

    def _connect(self) -> None:
        nowhere = UsageError(
            f"There is no Ray cluster at {self._address}: start one with ray start --head, join "
            "this machine to it, and give the address that it prints."
        )
        host, _, port = self._address.rpartition(":")
        if port.isdigit() and "//" not in host:  # Ray itself would wait for a minute
            try:
                socket.create_connection((host, int(port)), _SECONDS_TO_CONNECT).close()
            except OSError as exc:
                raise nowhere from exc
        try:
            self._ray.init(
                address=self._address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
            )
        except (ConnectionError, ValueError, RuntimeError) as exc:
            raise nowhere from exc


@dataclass(frozen=True)
class _Pending:
    """A task of the cluster, as a Pending."""

    ray: Any
    task: Any
    content: Content

    def result(self) -> Batch:
        """Wait for the batch; what others brought meanwhile is a copy of that."""
        try:
            batch, refused = self.ray.get(self.task)
        except self.ray.exceptions.RayTaskError as exc:
            if isinstance(exc.cause, AppError):
                raise exc.cause from None
            raise
        except (
            self.ray.exceptions.RaySystemError,
            self.ray.exceptions.WorkerCrashedError,
            self.ray.exceptions.ObjectLostError,
            self.ray.exceptions.OutOfMemoryError,
        ) as exc:
            raise ModelError(
                f"The cluster lost the workers of a batch {_RETRIES} times (its last word: "
                f"{type(exc).__name__}): look at its machines and run the same command again; "
                "what is embedded is kept."
            ) from exc
        self.content.refused.update(refused)
        found: Batch = batch.once(self.content)
        return found

    def cancel(self) -> None:
        """Give the task up."""
        with contextlib.suppress(Exception):
            self.ray.cancel(self.task)


def embed_batch(order: Order, pictures: Sequence[Picture]) -> tuple[Batch, dict[str, str]]:
    """Embed pictures in a process of the cluster; with them, why contents could not be decoded.

    ModelError where the machine makes other vectors than the one that gave the order.
    """
    content = Content(_known(order))
    work = Work(order.folders, _embedder(order), content, copies=order.copies)
    return work.embed(pictures), content.refused


_loaded: dict[str, Any] = {}  # of this process, which serves one build after the other


def _embedder(order: Order) -> Any:
    key = repr((order.model, order.precision, order.network, sorted(order.made.items(), key=repr)))
    if key not in _loaded:
        _loaded.clear()
        embedder = order.load(order.model, precision=order.precision, network=order.network)
        made = made_by_model(embedder)
        if made != dict(order.made):
            other = next(part for part in made if made[part] != order.made.get(part))
            raise ModelError(
                f"The machine {platform.node()} would embed with another "
                f"{other.removesuffix('_sha256')} than {order.host}: give both the same weights, "
                "and a --precision that both have, such as f32."
            )
        _loaded[key] = embedder
    return _loaded[key]


def _known(order: Order) -> Gallery | None:
    if order.known is None:
        return None
    folders, created = order.known
    key = repr(order.known)
    gallery = _galleries.get(key)
    if gallery is None or gallery.replaced():
        _galleries.clear()
        try:
            gallery = Gallery(folders, hashed=False)
        except GalleryError:
            return None  # it is not on a path that all machines see: embedded again
        if gallery.manifest.created != created:
            return None
        _galleries[key] = gallery
    return gallery


_galleries: dict[str, Gallery] = {}
