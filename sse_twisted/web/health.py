"""Health checks and Prometheus metrics: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sse_twisted.control.health import Condition
from sse_twisted.web.request_queue import Lane
from sse_twisted.web.routing import ParsedRequest, Response, Route, json_response
from sse_twisted.web.stream import Streams

VITAL = ("scanning", "names", "downloads", "folder")  # conditions without which nothing is collected


class Health:
    """The routes of health checks and metrics."""

    def __init__(
        self,
        conditions: Callable[[], tuple[Condition, ...]],
        registry: CollectorRegistry,
        streams: Streams,
        needs_copy: Callable[[], bool],
    ) -> None:
        """`needs_copy` returns whether verdicts wait for a copy of the event folder."""
        self._conditions = conditions
        self._needs_copy = needs_copy
        self._registry = registry
        self._own = CollectorRegistry()
        gauge = Gauge("sse_web_streams", "Open event streams of pages and programs.", registry=self._own)
        gauge.set_function(lambda: len(streams))

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/healthz", self.alive, lane=Lane.FIRST),
            Route("GET", "/readyz", self.ready, lane=Lane.FIRST),
            Route("GET", "/metrics", self.metrics),
        )

    async def alive(self, request: ParsedRequest) -> Response:
        """Respond 200 while the process runs."""
        return Response(b"alive\n", "text/plain; charset=utf-8")

    async def ready(self, request: ParsedRequest) -> Response:
        """Respond 503 while scans, name servers, downloads, the event folder or required copies are in trouble."""
        conditions = self._conditions()
        vital = (*VITAL, "copies") if self._needs_copy() else VITAL
        ready = all(condition.ok for condition in conditions if condition.subject in vital)
        return json_response({"ready": ready, "conditions": conditions}, 200 if ready else 503)

    async def metrics(self, request: ParsedRequest) -> Response:
        """Respond in the text format of Prometheus."""
        return Response(generate_latest(self._registry) + generate_latest(self._own), CONTENT_TYPE_LATEST)
