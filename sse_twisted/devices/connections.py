"""The agent that talks to devices: one connection at a time to each, none kept idle.

The devices are small microcontrollers; how many connections they bear is documented nowhere, and comparable ones freeze
at two. Therefore the limit is part of the endpoint, where no caller can forget it: a further request to an address
waits until the connection before it is closed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

LARGEST_HEAD = 64 * 1024  # bytes of headers; a device sends about 200
MOST_HEADS = 4  # in one answer: its own, after some "100 Continue" and the like, none of which was seen yet
END_OF_HEAD = re.compile(rb"\n\r?\n")  # Twisted's parser takes bare line feeds as well
BETWEEN_CONNECTIONS = 0.003  # s; a request takes up to so much of the reactor's time, from connection to answer


@frozen
class Address:
    """Where a device answers HTTP."""

    host: str
    port: int

    def __str__(self) -> str:
        return self.host if self.port == 80 else f"{self.host}:{self.port}"


class Traffic:
    """What all agents share: the one connection to each device, and the pace at which connections are begun.

    A hundred devices that are asked at once answer at once, and their answers would keep the reactor for a tenth of a
    second; asked one after the other, they answer one after the other. One connection is begun in a turn of the
    reactor, and the time until the next counts from there: a busy reactor begins fewer.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._locks: dict[tuple[bytes, int], DeferredLock] = {}
        self._waiting: deque[Deferred[None]] = deque()
        self._next = 0.0  # s of the clock, before which no connection is begun
        self._timer: IDelayedCall | None = None  # while somebody waits

    def lock(self, host: bytes, port: int) -> DeferredLock:
        """Held from the beginning of a connection to its end."""
        return self._locks.setdefault((host, port), DeferredLock())

    def turn(self) -> Deferred[None]:
        """Fires when it is one's turn to begin a connection."""
        rest = self._next - self._clock.seconds()
        if self._timer is None and rest <= 0:
            self._next = self._clock.seconds() + BETWEEN_CONNECTIONS
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._leave)
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = self._clock.callLater(rest, self._begin_one)
        return waiting

    def _begin_one(self) -> None:
        waiting = self._waiting.popleft()
        self._next = self._clock.seconds() + BETWEEN_CONNECTIONS
        self._timer = self._clock.callLater(BETWEEN_CONNECTIONS, self._begin_one) if self._waiting else None
        waiting.callback(None)

    def _leave(self, waiting: Deferred[None]) -> None:
        self._waiting.remove(waiting)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Watched(ProtocolWrapper):
    """Says when it is closed, and hangs up on headers without end: Twisted limits a line of them, not their number."""

    def __init__(self, factory: Any, wrapped: IProtocol) -> None:
        super().__init__(factory, wrapped)
        self._head: bytes | None = b""  # what came of the headers; None once those of the answer itself are complete
        self._heads_left = MOST_HEADS

    def dataReceived(self, data: bytes) -> None:
        if self._head is not None:
            self._head = self._after_heads(self._head + data)
            if not self._heads_left or len(self._head or b"") > LARGEST_HEAD:
                cast(Any, self.transport).abortConnection()
                return
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        cast(_WatchingFactory, self.factory).closed()

    def _after_heads(self, data: bytes) -> bytes | None:
        """What is left of the data after all complete heads; None once the answer's own is among them."""
        while self._heads_left and (end := END_OF_HEAD.search(data)):
            if not _is_interim(data):
                return None
            self._heads_left -= 1
            data = data[end.end() :]
        return data


def _is_interim(head: bytes) -> bool:
    """Whether Twisted's parser takes the status line for one before the answer, such as "100 Continue"."""
    parts = head.partition(b"\n")[0].split(b" ", 2)
    try:
        return 100 <= int(parts[1]) < 200
    except (IndexError, ValueError):  # no HTTP, which the parser will say
        return False


class _WatchingFactory(WrappingFactory):
    protocol = _Watched
    noisy = False

    def __init__(self, wrapped: IProtocolFactory, closed: Callable[[], None]) -> None:
        super().__init__(wrapped)
        self.closed = closed


@implementer(IStreamClientEndpoint)
@frozen
class _OneAtATime:
    """An endpoint that connects only after its last connection is closed."""

    inner: IStreamClientEndpoint
    lock: DeferredLock
    turn: Callable[[], Deferred[None]]

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        await self.lock.acquire()
        cast(Any, factory).noisy = False  # else two lines for each request in twistd's log
        try:
            await self.turn()
            wrapper = await self.inner.connect(_WatchingFactory(factory, self.lock.release))
        except ConnectingCancelledError:  # Twisted's own word; time-outs and callers know the general one
            self.lock.release()
            raise CancelledError from None
        except BaseException:
            self.lock.release()
            raise
        return cast(_Watched, wrapper).wrappedProtocol


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Endpoints that need no name resolution and no thread."""

    def __init__(self, reactor: Any, connect_timeout: Callable[[], float], traffic: Traffic) -> None:
        self._reactor = reactor
        self._connect_timeout = connect_timeout
        self._traffic = traffic

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii")
        endpoint = TCP4ClientEndpoint(self._reactor, host, uri.port, timeout=self._connect_timeout())
        return _OneAtATime(endpoint, self._traffic.lock(uri.host, uri.port), self._traffic.turn)


@implementer(IAgent)
@frozen
class _PlainAgent:
    """Asks for no content coding, and takes none: a length that lies or a bomb would hide in it."""

    inner: IAgent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        headers = headers.copy() if headers is not None else Headers()
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        headers.setRawHeaders(b"Connection", [b"close"])
        return self.inner.request(method, uri, headers, bodyProducer).addCallbacks(_as_sent, _as_cancelled)


class Unanswered(CancelledError):
    """A request was cancelled that somebody had taken, and had not answered."""


def _as_cancelled(failure: Failure) -> Failure:
    """A request that was cancelled while it waited for headers fails with a wrapper, which no time-out recognises."""
    error = failure.value
    if isinstance(error, ResponseFailed) and any(reason.check(CancelledError) for reason in error.reasons):
        raise Unanswered
    return failure


def _as_sent(response: IResponse) -> IResponse:
    response.headers.removeHeader(b"Content-Encoding")
    return response


def device_agent(reactor: Any, connect_timeout: Callable[[], float], traffic: Traffic) -> IAgent:
    """An agent for requests to devices; it needs no thread and keeps no connection.

    `connect_timeout` gives s, asked at each request.
    """
    return _PlainAgent(Agent.usingEndpointFactory(reactor, _Endpoints(reactor, connect_timeout, traffic)))
