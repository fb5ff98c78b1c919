"""Connections to the web server: their number by client, the time that each may take, and what it may send ahead."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocolNegotiationFactory
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.server import Site
from zope.interface import implementer

from sse_twisted.handin.intake import public
from sse_twisted.runtime.clients import client_of, is_local, oldest_of_greediest
from sse_twisted.web.request_queue import Lane, RequestQueue
from sse_twisted.web.routing import BeginUpload, BoundedRequest, Router, printable

MAX_CONNECTIONS = 300
MAX_OF_CLIENT = 20  # connections of one address; a browser opens six
MAX_OF_LOCAL = 200  # of this machine, where a proxy may connect for many
IDLE_TIMEOUT = 60.0  # s until a connection without a request is closed
REQUEST_TIMEOUT = 20.0  # s from the first byte of a request to its last
UPLOAD_TIMEOUT = 90.0  # s without a byte of a file that is handed in
BLOCKED_TIMEOUT = 120.0  # s that a client may take to accept what was written
MAX_AHEAD = 16 * 1024  # bytes that may follow a request before its response
READ_SIZE = 16 * 1024  # bytes that are read in one turn
READ_SIZE_OF_CHUNKS = 2 * 1024  # the same, of a body in chunks: some hundred of one byte take a millisecond
MAX_ACCEPTS = 10  # connections that are accepted in one turn
MAX_UNREAD = 256 * 1024  # bytes that may wait for their turn; more than one call of the system returns


class Channel(http.HTTPChannel):
    """One HTTP connection. It reads a request in a turn of its own, and none while its client accepts no response."""

    maxHeaders = 100  # noqa: N815 - of HTTPChannel
    queue: RequestQueue
    client: str

    def __init__(self) -> None:
        super().__init__()
        self._arrived: list[bytes] = []  # not yet read
        self._is_queued = False
        self._is_held = False  # by a body that is written to disk
        self._is_uploading = False
        self._overdue: IDelayedCall | None = None  # while the client accepts nothing, or is to hang up
        self._lost = False

    @property
    def is_idle(self) -> bool:
        """Whether no complete request has arrived since the last response, or the client does not accept it."""
        return (not self._handlingRequest and not self._is_uploading) or self._overdue is not None

    @property
    def asked(self) -> tuple[bytes, bytes]:
        """Method and path of the request whose body is about to arrive."""
        return self._command, self._path.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        """What follows the path."""
        return bytes(self._path.partition(b"?")[2])

    def expect_upload(self) -> None:
        """Let a body take long, as long as bytes arrive."""
        self._is_uploading = True
        self.setTimeout(UPLOAD_TIMEOUT)

    def hold(self) -> None:
        """Receive nothing until `go_on`."""
        self._is_held = True
        self._networkProducer.pauseProducing()

    def go_on(self) -> None:
        if not self._is_held:
            return
        self._is_held = False
        if self._arrived:
            self._read_soon()
        elif not self._lost and not self._waitingForTransport:
            self._networkProducer.resumeProducing()

    def connectionMade(self) -> None:
        super().connectionMade()
        self.setTimeout(IDLE_TIMEOUT)

    def dataReceived(self, data: bytes) -> None:
        """Keep data for a turn of its own."""
        self._keep(len(self._arrived), data)

    def setLineMode(self, extra: bytes = b"") -> None:  # noqa: N802 - of HTTPChannel
        """Keep data that came during the previous request for a turn of its own."""
        self.line_mode = 1
        if extra:
            self._keep(0, extra)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 - of HTTPChannel
        """Close the connection if more than MAX_AHEAD bytes follow a request without a response."""
        super().rawDataReceived(data)
        if self._handlingRequest and sum(map(len, self._dataBuffer)) > MAX_AHEAD:
            self._abort()

    def requestDone(self, request: http.Request) -> None:  # noqa: N802 - of HTTPChannel
        """Read what came meanwhile."""
        self._savedTimeOut = IDLE_TIMEOUT
        self._is_uploading = False
        super().requestDone(request)
        self._hurry()
        self._read_soon()

    def pauseProducing(self) -> None:
        """Wait until the client accepts what was written, for at most BLOCKED_TIMEOUT."""
        super().pauseProducing()
        self._close_later()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._forget_closing()
        if not self._handlingRequest:
            self.setTimeout(IDLE_TIMEOUT)
        self._read_soon()

    def loseConnection(self) -> None:
        """Close when everything is written; a client that does not accept it within BLOCKED_TIMEOUT is cut off."""
        self._close_later()
        super().loseConnection()

    def timeoutConnection(self) -> None:
        """Close an idle connection; one that still accepts a response has BLOCKED_TIMEOUT."""
        if self._overdue is None:
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self.queue.discard(self.client, Lane.FIRST, self._read)
        self._forget_closing()
        super().connectionLost(reason)

    def _keep(self, place: int, data: bytes) -> None:
        self._arrived.insert(place, data)
        if sum(map(len, self._arrived)) > MAX_UNREAD:
            self._abort()
        else:
            self._read_soon()

    def _read_soon(self) -> None:
        """Read in a turn of its own, when the client accepts the response before; receive nothing meanwhile."""
        if not self._arrived:
            return
        self._networkProducer.pauseProducing()
        if not self._is_queued and not self._waitingForTransport and not self._is_held:
            self._is_queued = True
            self.queue.add(self.client, Lane.FIRST, self._read)

    def _read(self) -> None:
        self._is_queued = False
        if self._waitingForTransport:
            return
        data = b"".join(self._arrived)
        size = READ_SIZE_OF_CHUNKS if isinstance(self._transferDecoder, http._ChunkedTransferDecoder) else READ_SIZE
        data, rest = data[:size], data[size:]
        self._arrived = [rest] if rest else []
        LineReceiver.dataReceived(self, data)
        if self._lost:
            return
        self._hurry()
        if self._arrived:
            self._read_soon()
        elif not self._waitingForTransport and not self._is_held:
            self._networkProducer.resumeProducing()

    def _hurry(self) -> None:
        """Bound the time for the rest of a request that has begun; further bytes do not extend it."""
        if not self._handlingRequest and self.timeOut == IDLE_TIMEOUT and (self.requests or self._buffer):
            self.setTimeout(REQUEST_TIMEOUT)

    def _close_later(self) -> None:
        if self._overdue is None and not self._lost:
            self._overdue = self.callLater(BLOCKED_TIMEOUT, self._abort)

    def _forget_closing(self) -> None:
        if self._overdue is not None and self._overdue.active():
            self._overdue.cancel()
        self._overdue = None

    def _abort(self) -> None:
        cast(Any, self.transport).abortConnection()


class WebSite(Site):
    """Makes channels; logs requests at the level "debug" only, since the collector's log is about devices."""

    noisy = False
    protocol = cast(Any, Channel)  # HTTP/1.1 alone: of HTTP/2 a connection has many requests at once

    def __init__(
        self, router: Router, queue: RequestQueue, reactor: Any, log: Logger, begin_upload: BeginUpload | None = None
    ) -> None:
        super().__init__(cast(Any, router), BoundedRequest, timeout=IDLE_TIMEOUT, reactor=reactor)
        self.displayTracebacks = False
        self.begin_upload = begin_upload
        self._queue = queue
        self._log = log

    def buildProtocol(self, addr: IAddress | None) -> Any:
        channel: Any = super().buildProtocol(addr)
        channel.queue = self._queue
        channel.client = client_of(addr)
        return channel

    def log(self, request: http.Request) -> None:
        """Log a request when its response has been sent."""
        text = "{client} asked for {method} {uri}: {status}"
        client = getattr(request.getClientAddress(), "host", "local client")  # a Unix socket has no host
        method, uri = printable(request.method), public(printable(request.uri))
        self._log.debug(text, client=client, method=method, uri=uri, status=request.code)


class Connection(ProtocolWrapper):
    """A connection as the server counts it."""

    gives_way = False  # it is being closed

    def __init__(self, factory: Connections, channel: Channel) -> None:
        super().__init__(factory, channel)  # type: ignore[arg-type]  # a WrappingFactory of Connections
        self.client = channel.client
        self.channel = channel

    def give_way(self) -> None:
        """Close the connection at once, for the sake of another."""
        self.gives_way = True
        cast(Any, self.transport).abortConnection()


@implementer(IProtocolNegotiationFactory)
class Connections(WrappingFactory):
    """Limits connections by client and in all, and closes all of them when the server stops.

    Above a limit the oldest idle connection of the client that has most of them gives way. If none is idle, a further
    connection of the same client is refused; that of a new client, or of this machine, always finds room. So slow
    clients keep nobody out, not even other programs behind the same proxy.
    """

    noisy = False
    protocol = cast(Any, Connection)
    _port: Any = None  # that accepts the connections, if it tells how many in a turn

    def acceptableProtocols(self) -> list[bytes]:
        """Return the protocols for TLS: a browser proposes several and is not served unless one is chosen."""
        return [b"http/1.1"]

    def accept_few(self, port: Any) -> None:
        """Have the port accept MAX_ACCEPTS connections in a turn of the reactor: Twisted's own begins with 100."""
        if hasattr(port, "numberAccepts"):
            self._port = port
            port.numberAccepts = MAX_ACCEPTS

    def buildProtocol(self, addr: IAddress | None) -> Any:
        if self._port is not None:  # after this turn Twisted raises the number if it was reached
            cast(Any, self.wrappedFactory).reactor.callLater(0, setattr, self._port, "numberAccepts", MAX_ACCEPTS)
        client = client_of(addr)
        every = [each for each in cast(Any, self.protocols) if not each.gives_way]
        own = [each for each in every if each.client == client]
        if is_local(client):
            has_room = _make_room(own, MAX_OF_LOCAL, may_interrupt=True)
        else:
            has_room = _make_room(own, MAX_OF_CLIENT)
        every = [each for each in every if not each.gives_way]
        if not has_room or not _make_room(every, MAX_CONNECTIONS, may_interrupt=is_local(client) or not own):
            return None
        return super().buildProtocol(addr)

    def close(self) -> None:
        for protocol in list(self.protocols):
            cast(Any, protocol.transport).abortConnection()


def _make_room(connections: list[Connection], limit: int, *, may_interrupt: bool = False) -> bool:
    """Return whether there are fewer than `limit` connections, if need be because one of them gives way.

    With `may_interrupt` one that is not idle gives way if all are busy.
    """
    if len(connections) < limit:
        return True
    idle = [each for each in connections if each.channel.is_idle]
    chosen = oldest_of_greediest(idle or (connections if may_interrupt else ()), lambda each: each.client)
    if chosen is not None:
        chosen.give_way()
    return chosen is not None
