"""Requests, searches and galleries → measurements that Prometheus reads."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from app.search.service import SearchService
from app.values import SearchResult
from app.values.gallery import GalleryInfo

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_OTHER = "other"  # anybody can make up methods and addresses: these stay one series


class Metrics:
    """The measurements of one application, in a registry of its own. For many threads."""

    def __init__(self, service: SearchService) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ris_requests",
            "Requests of programs, by route, method and HTTP status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "ris_request_seconds",
            "Seconds from a program's request to the end of its answer, by route.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._searches = Counter(
            "ris_searches",
            "Searches through any door, by outcome.",
            ("outcome",),
            registry=self.registry,
        )
        self._in_progress = Gauge(
            "ris_searches_in_progress", "Searches through any door.", registry=self.registry
        )
        self._stage_seconds = Histogram(
            "ris_search_stage_seconds",
            "Seconds that each stage of a search took, where it ran.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Galleries(service.galleries))
        service.watch(self)

    def search_began(self) -> None:
        """Count one more search in progress."""
        self._in_progress.inc()

    def search_ended(self, result: SearchResult | None) -> None:
        """Count a search that has ended, and the time of its stages."""
        self._in_progress.dec()
        self._searches.labels("failed" if result is None else "answered").inc()
        for stage, milliseconds in asdict(result.timings).items() if result else ():
            if milliseconds:
                self._stage_seconds.labels(stage).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """Return all measurements in Prometheus's text format, `MEDIA_TYPE`."""
        return generate_latest(self.registry)

    def request_ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request, by the route that answered it."""
        method = method if method in _METHODS else _OTHER
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)


class Counting:
    """Counts the requests that an ASGI application answers."""

    def __init__(self, application: Any, metrics: Metrics) -> None:
        self._application = application
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, and count when the answer has gone."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def send_counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._application(scope, receive, send_counted)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.request_ended(self.route_of(scope), scope["method"], status, seconds)

    def route_of(self, scope: Any) -> str:
        """Return the route that a request is counted under, once it was answered."""
        return getattr(scope.get("route"), "path_format", _OTHER)


class _Galleries(Collector):
    """The galleries' sizes, looked up for each request of the measurements."""

    def __init__(self, galleries: Callable[[], list[GalleryInfo]]) -> None:
        self._galleries = galleries

    def collect(self) -> Iterator[GaugeMetricFamily]:
        images = GaugeMetricFamily("ris_gallery_images", "Images.", labels=["gallery"])
        size = GaugeMetricFamily("ris_gallery_bytes", "Bytes on disk.", labels=["gallery"])
        open_ = GaugeMetricFamily(
            "ris_gallery_searchable", "1 where it can be searched, 0 if not.", labels=["gallery"]
        )
        for info in self._galleries():
            images.add_metric([info.name], info.images)
            size.add_metric([info.name], info.disk_bytes)
            open_.add_metric([info.name], 0 if info.refused else 1)
        yield from (images, size, open_)

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: registering shall open no gallery."""
        return []
