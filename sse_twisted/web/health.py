"""For those who watch over the collector: Prometheus, and whoever restarts what is not well."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sse_twisted.control.health import Condition
from sse_twisted.web.routing import ParsedRequest, Response, Route, json_answer
from sse_twisted.web.stream import Streams

VITAL = ("scanning", "names", "downloads")  # without which nothing is collected


class Readiness(Struct, frozen=True):
    """Whether devices can be collected."""

    ready: bool
    conditions: tuple[Condition, ...]


class Health:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(
        self, conditions: Callable[[], tuple[Condition, ...]], registry: CollectorRegistry, streams: Streams
    ) -> None:
        self._conditions = conditions
        self._registry = registry
        self._own = CollectorRegistry()
        gauge = Gauge("sse_web_streams", "Pages and programs that follow the board.", registry=self._own)
        gauge.set_function(lambda: len(streams))

    def routes(self) -> tuple[Route, ...]:
        """Where they are."""
        return (
            Route("GET", "/healthz", self.alive),
            Route("GET", "/readyz", self.ready),
            Route("GET", "/metrics", self.metrics),
        )

    async def alive(self, asked: ParsedRequest) -> Response:
        """Who answers is alive."""
        return Response(b"alive\n", "text/plain; charset=utf-8")

    async def ready(self, asked: ParsedRequest) -> Response:
        """503 while devices are not looked for, names not answered, or tracks not kept."""
        conditions = self._conditions()
        ready = all(condition.ok for condition in conditions if condition.subject in VITAL)
        return json_answer(Readiness(ready, conditions), 200 if ready else 503)

    async def metrics(self, asked: ParsedRequest) -> Response:
        """By the conventions of Prometheus."""
        return Response(generate_latest(self._registry) + generate_latest(self._own), CONTENT_TYPE_LATEST)
