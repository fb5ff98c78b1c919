"""Server-Sent Events: every change of the board, for many readers, none of which can delay the collector."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from attrs import define
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.web.server import Request
from zope.interface import implementer

from sse_twisted.runtime.clients import client_of, oldest_of_greediest
from sse_twisted.runtime.seldom import Seldom
from sse_twisted.web.board import POLL_INTERVAL, Board, Changes
from sse_twisted.web.routing import ParsedRequest, Refusal, header

BEAT_EVERY = 5  # polls of the board; a reader without a beat for longer has lost its connection
MAX_BLOCKED = 30.0  # s that a reader may take to accept what was written
RETRY = 1000  # ms that a browser waits before it reconnects
MIN_AGE = 10.0  # s from the start of a stream until it may give way to another
MAX_ENCODED = 100  # events of the latest state that are kept, for readers who know different states

Encoder = Callable[[Changes], bytes]  # returns the data of an event


def event(kind: str, data: bytes, id_: str = "") -> bytes:
    """Return an event; `data` is JSON without line breaks."""
    return b"".join((b"id: %s\n" % id_.encode() if id_ else b"", b"event: %s\ndata: " % kind.encode(), data, b"\n\n"))


class Streams:
    """All open streams. The board is polled every second while there are any."""

    def __init__(self, board: Board, clock: IReactorTime, limit: Callable[[], int], log: Logger) -> None:
        """`limit` returns the maximum number of streams."""
        self._board = board
        self.clock = clock
        self.log = log
        self.seldom = Seldom(clock)
        self._limit = limit
        self._readers: dict[Reader, None] = {}
        self._encoded: dict[tuple[Encoder, int | None], bytes] = {}  # of the latest state
        self._polls = 0
        self._loop = LoopingCall(self._poll)
        self._loop.clock = clock

    def __len__(self) -> int:
        return len(self._readers)

    def __iter__(self) -> Iterator[Reader]:
        return iter(tuple(self._readers))

    def open(self, parsed: ParsedRequest, encode: Encoder) -> None:
        """Begin a stream after the last event that the client knows.

        Above the limit the oldest stream of the client that has most of them gives way; raise Refusal if all are young.

        The header Last-Event-ID or the query parameter `since` has the id of that event. A client without one, or with
        one of another run, receives the whole board.
        """
        if len(self) >= self._limit() and not self._make_room():
            raise Refusal(503, "too many open event streams; try again later", {"Retry-After": "5"})
        request = parsed.raw
        last = header(request, "last-event-id") or parsed.parameters.get("since", "")
        number = re.fullmatch(f"{self._board.run}-([0-9]{{1,19}})", last)
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        request.setHeader("X-Accel-Buffering", "no")
        if request.method == b"HEAD":
            request.finish()
            return
        known, client = int(number[1]) if number else None, client_of(request.getClientAddress())
        if not self._loop.running:
            self._loop.start(POLL_INTERVAL, now=False)
            self._board.watch(self._notify)
        reader = Reader(request, self, encode, known, self.clock.seconds(), client)
        self._readers[reader] = None
        request.notifyFinish().addBoth(lambda _: self.forget(reader))
        request.write(b"retry: %d\n\n" % RETRY)
        request.registerProducer(cast(Any, reader), True)
        reader.notify()

    def close(self) -> None:
        """Close all streams; browsers reconnect by themselves."""
        for reader in self:
            reader.abort()

    def forget(self, reader: Reader) -> None:
        """Write no more to a reader, which may be forgotten already."""
        self._readers.pop(reader, None)
        reader.stopProducing()
        if not self._readers and self._loop.running:
            self._loop.stop()
            self._board.stop_watching(self._notify)

    def encoded(self, encode: Encoder, since: int | None) -> tuple[int, bytes]:
        """Return the latest state and its event, encoded once for all readers that know the state `since`."""
        if since is not None and since > self._board.number:
            since = None
        key = (encode, since)
        if key not in self._encoded:
            if len(self._encoded) >= MAX_ENCODED:
                self._encoded.clear()
            self._encoded[key] = event("board", encode(self._board.changes(since)), self._board.state)
        return self._board.number, self._encoded[key]

    def _make_room(self) -> bool:
        """Close the oldest stream of the greediest client: a client that never reads looks like one that does."""
        now = self.clock.seconds()
        old = [reader for reader in self if now - reader.opened_at >= MIN_AGE]
        chosen = oldest_of_greediest(old, lambda reader: reader.client)
        if chosen is not None:
            chosen.abort()
        return chosen is not None

    def _notify(self) -> None:
        self._encoded.clear()
        for reader in self:
            reader.notify()

    def _poll(self) -> None:
        self._board.publish_soon()
        self._polls += 1
        if self._polls % BEAT_EVERY == 0:
            beat = event("beat", msgspec.json.encode({"now": self._board.now}))
            for reader in self:
                reader.beat(beat)


@implementer(IPushProducer)
@define(eq=False, slots=False)
class Reader(TimeoutMixin):
    """An open stream. While its connection is blocked nothing is written; then it skips to the latest state."""

    _request: Request
    _streams: Streams
    _encode: Encoder
    known: int | None  # the last state that was written, or that the client has told
    opened_at: float  # s of the clock
    client: str
    _has_written: bool = False  # a client that knows the latest state receives one event all the same

    @property
    def is_blocked(self) -> bool:
        """Whether the client has not yet accepted what was written."""
        return self.timeOut is not None

    def notify(self) -> None:
        """Write what has changed, unless the connection is blocked."""
        if self.is_blocked:
            return
        number, data = self._streams.encoded(self._encode, self.known)
        if number != self.known or not self._has_written:
            self.known, self._has_written = number, True
            self._request.write(data)

    def beat(self, data: bytes) -> None:
        """Write a sign of life, since a page cannot detect a dead connection."""
        if not self.is_blocked:
            self._request.write(data)

    def pauseProducing(self) -> None:
        """Write nothing more until the client accepts what was written, for at most MAX_BLOCKED."""
        if not self.is_blocked:
            self.setTimeout(MAX_BLOCKED)

    def resumeProducing(self) -> None:
        self.setTimeout(None)
        self.notify()

    def stopProducing(self) -> None:
        self.setTimeout(None)

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:  # noqa: N802 - of TimeoutMixin
        return self._streams.clock.callLater(period, func)

    def timeoutConnection(self) -> None:
        if self._streams.seldom.allows(self.client):
            address = self._request.getClientAddress()
            self._streams.log.info("Board reader at {peer} is too slow: connection closed", peer=str(address))
        self.abort()

    def abort(self) -> None:
        """Close the connection at once and discard what is still buffered."""
        self._streams.forget(self)
        if (channel := cast(Any, self._request.channel)) is not None:
            channel.transport.abortConnection()
