"""A collector with its web server in virtual time, and an HTTP client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from sse_twisted.fleet import Device
from sse_twisted.web.service import WebService
from tests.support.event import VirtualEvent

PLACE = "127.0.0.1:8080"
AFTERNOON = 1_666_022_400.0  # 2022-10-17, 16:00 UTC, in s


@frozen
class Got:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@implementer(IAgentEndpointFactory)
@frozen
class _Endpoints:
    reactor: Any

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return TCP4ClientEndpoint(self.reactor, uri.host.decode(), uri.port)


@implementer(IBodyProducer)
@frozen
class _Body:
    """A request body that is sent at once; treq's own producer needs the real reactor."""

    data: bytes

    @property
    def length(self) -> int:
        return len(self.data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802 - of IBodyProducer
        consumer.write(self.data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    resumeProducing = stopProducing = pauseProducing


@define
class Listening(Protocol):
    """The received events of a stream."""

    events: list[tuple[str, str, Any]] = field(factory=list)  # id, kind, data
    ended: bool = False
    _buffer: bytes = b""

    def dataReceived(self, data: bytes) -> None:
        *whole, self._buffer = (self._buffer + data).split(b"\n\n")
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.decode().splitlines())
            if "event" in fields:
                self.events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = True

    @property
    def boards(self) -> list[Any]:
        """The data of the board events."""
        return [data for _, kind, data in self.events if kind == "board"]


@define(eq=False)
class Talking(Protocol):
    """What comes back on a connection."""

    heard: bytes = b""
    ended: bool = False

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = True


class Desk:
    """A running collector with its web server; devices arrive when the event lets them."""

    def __init__(self, event: VirtualEvent, token_file: Path | None = None) -> None:
        self.event = event
        self.reactor = event.reactor
        event.utc = AFTERNOON - self.reactor.seconds()
        self.collector = event.start()
        self.web = WebService(self.reactor, self.collector, None, str(token_file) if token_file else None)
        self.web.startService()
        self.token = self.web.token_file.read_text().strip()
        self._agent = Agent.usingEndpointFactory(self.reactor, _Endpoints(self.reactor))
        self._http = HTTPClient(self._agent)
        self.advance(0.5)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.event.advance(seconds)

    def know(self, identifier: int, **changes: Any) -> Device:
        """Change the snapshot of a device and wait for the board."""
        device = self.collector.fleet.update(identifier, **changes)
        self.advance(0.2)
        return device

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        """Send a request and return the whole response."""
        named = _named(headers)
        data = None
        if body is not None:
            if not named.hasHeader("Content-Type"):
                named.setRawHeaders("Content-Type", ["application/json"])
            data = _Body(body if isinstance(body, bytes) else json.dumps(body).encode())
        answer = self._result(self._http.request(method, f"http://{PLACE}{path}", headers=named, data=data))
        content = self._result(answer.content())
        raw = {name.decode().lower(): values[0].decode() for name, values in answer.headers.getAllRawHeaders()}
        return Got(answer.code, raw, content)

    def get(self, path: str, **headers: str) -> Got:
        """Send a GET request."""
        return self.ask("GET", path, **headers)

    def weigh(self, path: str) -> int:
        """Return the length of a compressed body."""
        headers = Headers({"Accept-Encoding": ["gzip"]})
        answer = self._result(self._agent.request(b"GET", f"http://{PLACE}{path}".encode(), headers))
        answer.deliverBody(Listening())
        return int(answer.length)

    def command(self, path: str, body: Any = None, **headers: str) -> Got:
        """Send a command with the token."""
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        return self.ask("POST", f"/api/v1/{path}", {} if body is None else body, **headers)

    def begin(self, path: str) -> Deferred[Any]:
        """Send a command of the API, or of a whole path, without waiting for the response."""
        headers = Headers({"Authorization": [f"Bearer {self.token}"], "Content-Type": ["application/json"]})
        place = f"http://{PLACE}{path if path.startswith('/') else f'/api/v1/{path}'}".encode()
        asking: Deferred[Any] = self._agent.request(b"POST", place, headers, _Body(b"{}"))
        return asking

    def listen(self, path: str = "/api/v1/events", **headers: str) -> Listening:
        """Open a stream."""
        asking = self._http.get(f"http://{PLACE}{path}", headers=_named(headers), unbuffered=True)
        answer = self._result(asking)
        assert answer.code == 200, answer.code
        listening = Listening()
        answer.original.deliverBody(listening)
        self.advance(0.05)
        return listening

    def talk(self, *pieces: bytes, seconds: float = 0.2) -> tuple[bytes, bool]:
        """Send raw bytes; return what comes back and whether the server closed the connection."""
        talking = Talking()
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", 8080)
        connectProtocol(endpoint, talking)
        self.advance(0.05)
        transport: Any = talking.transport
        transport.write(b"".join(pieces))
        self.advance(seconds)
        heard, ended = talking.heard, talking.ended
        transport.loseConnection()
        self.advance(0.05)
        return heard, ended

    def close(self) -> None:
        """Stop the web server; the event stops the collector."""
        ended: list[object] = []
        stopping = self.web.stopService()
        if stopping is not None:
            stopping.addBoth(ended.append)
        self.advance(1.0)

    def _result(self, deferred: Deferred[Any]) -> Any:
        results: list[Any] = []
        deferred.addBoth(results.append)
        for _ in range(200):
            if results:
                break
            self.advance(0.05)
        assert results, "no answer"
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]


def _named(headers: dict[str, str]) -> Headers:
    return Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
