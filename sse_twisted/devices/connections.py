"""The HTTP agent for devices: one connection at a time to each device, none kept idle.

The devices are small microcontrollers. How many connections they can handle is not documented; comparable ones freeze
at two. Therefore the endpoint enforces the limit for all callers: a further request to an address waits until the
previous connection is closed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, cast

from attrs import frozen
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from sse_twisted.devices.gathering import Gathering, gathering_of
from sse_twisted.devices.pausing import Pausing

MAX_HEAD = 64 * 1024  # bytes of headers; a device sends about 200
MAX_HEADS = 4  # in one response: its own, after interim ones such as "100 Continue", none of which was ever seen
END_OF_HEAD = re.compile(rb"\n\r?\n")  # Twisted's parser takes bare line feeds as well
CONTENT_LENGTH = re.compile(rb"\ncontent-length: *([0-9]{1,15})\r?\n")
MAX_LOCKS = 4_000  # addresses; a name server may have ever new ones
READ_SIZE = 4 * 1024  # bytes that are read in one turn; in chunks of one byte they take 5 ms, and several may come
PLAIN_READ_SIZE = 192 * 1024  # bytes, of a body without chunks, whose parts need no parsing; less than malloc.LARGE
CONNECTION_PAUSE = 0.001  # s; about what one request uses of the time of the reactor


class Address(Struct, frozen=True):
    """The address and port at which a device serves HTTP."""

    host: str
    port: int

    def __str__(self) -> str:
        return self.host if self.port == 80 else f"{self.host}:{self.port}"


class Traffic:
    """Limits connections for all agents: one at a time to each device, and a pause before each next one.

    A hundred devices that are asked at once respond at once, and would block the reactor for a tenth of a second. If
    they are asked one after the other, they respond one after the other.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.locks: defaultdict[tuple[bytes, int], DeferredLock] = defaultdict(DeferredLock)  # held by connections
        self._pause = DeferredLock()
        self._next = 0.0  # s of the clock, before which no connection starts

    def lock_of(self, host: bytes, port: int) -> DeferredLock:
        """Return the lock of an address; those of others are dropped while they are free, if there are many."""
        if len(self.locks) >= MAX_LOCKS and (host, port) not in self.locks:
            for place in [place for place, lock in self.locks.items() if not lock.locked and not lock.waiting]:
                del self.locks[place]
        return self.locks[host, port]

    async def wait(self) -> None:
        """Wait until the next connection may start."""
        async with self._pause:
            if (rest := self._next - self._clock.seconds()) > 0:
                await deferLater(self._clock, rest)
            self._next = self._clock.seconds() + CONNECTION_PAUSE


class _Watched(Protocol):
    """Passes data on, and aborts on endless headers: Twisted limits their length, not their number."""

    def __init__(
        self,
        wrapped: IProtocol,
        clock: IReactorTime,
        made: Callable[[IProtocol], object],
        closed: Callable[[], object],
    ) -> None:
        self._wrapped = wrapped
        self._clock = clock
        self._made = made
        self._closed = closed
        self._head: bytes | None = b""  # of headers; None after those of the response itself
        self._heads_left = MAX_HEADS
        self._is_plain = False  # whether its body is known to come without chunks
        self._gathering: Gathering | None = None
        self._pausing: Pausing

    def connectionMade(self) -> None:
        if hasattr(self.transport, "bufferSize"):
            cast(Any, self.transport).bufferSize = READ_SIZE
        self._pausing = Pausing(self.transport)
        self._wrapped.makeConnection(cast(ITransport, self._pausing))
        self._made(self._wrapped)

    def dataReceived(self, data: bytes) -> None:
        self._pausing.begin()
        try:
            self._take(data)
        finally:
            self._pausing.end()

    def _take(self, data: bytes) -> None:
        if self._gathering is not None:
            self._gathering.took(len(data))
        if self._head is not None:
            self._head = self._after_heads(self._head + data)
            if not self._heads_left or len(self._head or b"") > MAX_HEAD:
                cast(Any, self.transport).abortConnection()
                return
            if self._is_plain:
                cast(Any, self.transport).bufferSize = PLAIN_READ_SIZE
        self._wrapped.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._gathering is not None:
            self._gathering.end()
        try:
            self._wrapped.connectionLost(reason)
        finally:
            self._closed()

    def _after_heads(self, data: bytes) -> bytes | None:
        """Return the data after all complete interim heads; None once the response's own head is complete."""
        while self._heads_left and (end := END_OF_HEAD.search(data)):
            if not _is_interim(data):
                head = data[: end.end()].lower()
                self._is_plain = b"transfer-encoding" not in head
                if self._is_plain and (length := CONTENT_LENGTH.search(head)):
                    rest = int(length[1]) - (len(data) - end.end())
                    self._gathering = gathering_of(self.transport, self._clock, rest)
                return None
            self._heads_left -= 1
            data = data[end.end() :]
        return data


def _is_interim(head: bytes) -> bool:
    """Return whether Twisted's parser takes the head for an interim one, such as "100 Continue"."""
    parts = head.partition(b"\n")[0].split(b" ", 2)
    try:
        return 100 <= int(parts[1]) < 200
    except (IndexError, ValueError):  # not HTTP, which the parser will report
        return False


class _Connecting(ClientFactory):
    """Makes one connection. Those that Twisted's endpoints make are left to the garbage collector, all of them."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, clock: IReactorTime, closed: Callable[[], object]) -> None:
        self.made: Deferred[IProtocol] = Deferred(self._give_up)
        self._factory = factory
        self._clock = clock
        self._closed = closed
        self._connector: IConnector | None = None

    def startedConnecting(self, connector: IConnector) -> None:  # noqa: N802 - of ClientFactory
        self._connector = connector

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        wrapped = self._factory.buildProtocol(cast(IAddress, addr))
        return None if wrapped is None else _Watched(wrapped, self._clock, self.made.callback, self._closed)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:  # noqa: N802 - of ClientFactory
        cast(Any, connector).transport = self._connector = None  # else they would keep each other
        if not self.made.called:
            self.made.errback(reason)

    clientConnectionLost = clientConnectionFailed  # noqa: N815 - of ClientFactory

    def _give_up(self, made: Deferred[IProtocol]) -> None:
        made.errback(CancelledError())
        if self._connector is not None:
            self._connector.stopConnecting()


@implementer(IStreamClientEndpoint)
@frozen(repr=False)  # Twisted asks for it with each connection
class _DeviceEndpoint:
    """An endpoint that connects after its previous connection is closed and after the pause."""

    reactor: Any
    host: str
    port: int
    timeout: float  # s
    lock: DeferredLock
    wait: Callable[[], Awaitable[None]]

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        await self.lock.acquire()
        try:
            await self.wait()
            connecting = _Connecting(factory, self.reactor, self.lock.release)
            self.reactor.connectTCP(self.host, self.port, connecting, timeout=self.timeout)
            return await connecting.made
        except BaseException:
            self.lock.release()
            raise


@implementer(IAgentEndpointFactory)
class _Endpoints(Struct, frozen=True):
    """Makes endpoints that resolve no names and use no threads."""

    reactor: Any
    connect_timeout: Callable[[], float]
    traffic: Traffic

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self.endpoint(uri.host.decode("ascii"), uri.port)

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        lock = self.traffic.lock_of(host.encode("ascii"), port)
        return _DeviceEndpoint(self.reactor, host, port, self.connect_timeout(), lock, self.traffic.wait)


_SILENT = Factory.forProtocol(Protocol)  # of connections on which nothing is said


@implementer(IAgent)
@frozen
class DeviceAgent:
    """Disables content codings: a wrong length or a decompression bomb could hide in one."""

    _endpoints: _Endpoints
    _inner: IAgent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        headers = headers.copy() if headers is not None else Headers()
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        return self._inner.request(method, uri, headers, bodyProducer).addCallbacks(_as_sent, _as_cancelled)

    async def reach(self, address: Address) -> None:
        """Connect and hang up; raises what keeps a connection from being made."""
        protocol = await self._endpoints.endpoint(address.host, address.port).connect(_SILENT)
        cast(Any, protocol).transport.abortConnection()


class CancelledInFlight(CancelledError):
    """A request was cancelled after it was sent, and before its response."""


def _as_cancelled(failure: Failure) -> Failure:
    """Unwrap the cancellation of a request that waits for headers: time-outs do not recognise the wrapper."""
    error = failure.value
    if isinstance(error, ResponseFailed) and any(reason.check(CancelledError) for reason in error.reasons):
        raise CancelledInFlight
    return failure


def _as_sent(response: IResponse) -> IResponse:
    response.headers.removeHeader(b"Content-Encoding")
    return response


def device_agent(reactor: Any, connect_timeout: Callable[[], float], traffic: Traffic) -> DeviceAgent:
    """Return an agent for requests to devices; `connect_timeout` returns s and is called for each request."""
    endpoints = _Endpoints(reactor, connect_timeout, traffic)
    return DeviceAgent(endpoints, Agent.usingEndpointFactory(reactor, endpoints))
