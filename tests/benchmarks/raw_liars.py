"""Devices that lie below HTTP: endless heads, trailers and chunks, false lengths, bombs. They say who they are."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

PIECE: Final = b"x" * 16_384
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DATE: Final = b"Date: Fri, 99 Foo 292277026596 27:61:61 GMT\r\n"

Lie = Callable[[], Iterator[bytes]]  # the pieces of a response


def _whole(body: bytes, more: bytes = b"") -> Iterator[bytes]:
    yield OK + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _after(beginning: bytes, *pieces: bytes) -> Lie:
    """Send the beginning, and then the pieces again and again without end."""
    return lambda: itertools.chain([beginning], itertools.cycle(pieces))


def _once(*pieces: bytes) -> Lie:
    return lambda: iter(pieces)


def _bomb() -> Iterator[bytes]:
    return _whole(gzip.compress(bytes(100_000_000), 9), b"Content-Encoding: gzip\r\n")


RAW_LIES: Final[dict[str, Lie]] = {
    "endless header": _after(OK + b"X: ", PIECE),
    "endless headers": _after(OK, b"X-Header: y\r\n" * 100),
    "endless status": _after(b"HTTP/1.1 200 ", PIECE),
    "endless 1xx": _after(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "endless 1xx headers": _after(b"HTTP/1.1 103 Early Hints\r\n", b"Link: </>\r\n" * 100),
    "endless chunk extension": _after(CHUNKED + b"1;", PIECE),
    "endless chunk length": _after(CHUNKED, b"0" * 16_384),
    "endless trailers": _after(CHUNKED + b"0\r\n", b"X-Trailer: y\r\n" * 100),
    "tiny chunks": _after(CHUNKED, b"1\r\n \r\n" * 1_000),
    "chunk of an exabyte": _after(CHUNKED + b"de0b6b3a7640000\r\n", PIECE),
    "negative chunk": _once(CHUNKED, b"-1\r\nx\r\n0\r\n\r\n"),
    "length of an exabyte": _after(OK + b"Content-Length: 1152921504606846976\r\n\r\n", PIECE),
    "length of 5000 digits": _once(OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n{}"),
    "negative length": _once(OK + b"Content-Length: -1\r\n\r\n{}"),
    "two lengths": _once(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    "length and chunks": _once(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "gzip bomb": _bomb,
    "cookies": lambda: _whole(b"{}", b"Set-Cookie: a=b; Max-Age=99999999999\r\n" * 1_000),
    "absurd dates": lambda: _whole(b'{"logs": []}', DATE + b"Last-Modified: -1\r\nExpires: 0\r\nAge: -99999999999\r\n"),
    "retry in an age": _once(b"HTTP/1.1 503 Later\r\nRetry-After: " + b"9" * 300 + b"\r\nContent-Length: 0\r\n\r\n"),
    "redirect loop": _once(b"HTTP/1.1 302 Found\r\nLocation: /logs.json\r\nContent-Length: 0\r\n\r\n"),
    "many responses": _after(OK + b"Content-Length: 2\r\n\r\n{}", OK + b"Content-Length: 2\r\n\r\n{}"),
    "status 99999": _once(b"HTTP/1.1 99999 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "HTTP/9.9": _once(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "switched protocols": _after(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", PIECE),
    "NULs": _after(b"", bytes(16_384)),
}


@implementer(IPullProducer)
class _Conversation(Protocol):
    """One request, and its response for as long as the client takes it."""

    factory: Any
    transport: Any
    _pieces: Iterator[bytes] | None = None
    _received = b""

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if self._pieces is None and b"\r\n\r\n" in self._received:
            self._pieces = self.factory.response(self._received.split(b" ")[1])
            self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        piece = next(self._pieces, None) if self._pieces is not None else None
        if piece is not None:
            self.transport.write(piece)
        else:
            self.stopProducing()
            self.transport.loseConnection()

    def stopProducing(self) -> None:
        self._pieces = iter(())
        self.transport.unregisterProducer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._pieces = iter(())


class _Answers(Factory[_Conversation]):
    protocol = _Conversation
    noisy = False

    def __init__(self, identifier: int, lie: Lie) -> None:
        self._identifier = identifier
        self._lie = lie

    def response(self, path: bytes) -> Iterator[bytes]:
        """Return the pieces for a request; only the listing is a lie."""
        if path == b"/logs.json":
            return self._lie()
        return _whole(b'{"motion": {"identifier": %d}, "settings": {}}' % self._identifier)


class RawServer:
    """What a fleet needs of a device's server."""

    present = False

    def __init__(self, reactor: Any, identifier: int, lie: str, interface: str, port: int) -> None:
        self.interface = interface
        self._reactor = reactor
        self._port = port
        self._answers = _Answers(identifier, RAW_LIES[lie])

    def arrive(self) -> Deferred[None]:
        """Listen from now on."""
        self._reactor.listenTCP(self._port, self._answers, interface=self.interface)
        self.present = True
        return succeed(None)
