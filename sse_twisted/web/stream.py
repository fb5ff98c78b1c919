"""Server-Sent Events: every change of the board, for many readers, none of which can delay the collector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.server import Request
from zope.interface import implementer

from sse_twisted.web.board import POLL_INTERVAL, Board, Changes
from sse_twisted.web.routing import ParsedRequest, Refusal, header

BEAT_EVERY = 5  # polls of the board; a reader without a beat for longer has lost its connection
MAX_BLOCKED = 30.0  # s that a reader may take to accept what was written
RETRY = 1000  # ms that a browser waits before it reconnects

Encoder = Callable[[Changes], bytes]  # returns the data of an event


def event(kind: str, data: bytes, id_: str = "") -> bytes:
    """Return an event; `data` is JSON without line breaks."""
    return b"".join((b"id: %s\n" % id_.encode() if id_ else b"", b"event: %s\ndata: " % kind.encode(), data, b"\n\n"))


class Streams:
    """All open streams. The board is polled every second while there are any."""

    def __init__(self, board: Board, clock: IReactorTime, limit: Callable[[], int], log: Logger) -> None:
        """`limit` returns the maximum number of streams."""
        self._board = board
        self._clock = clock
        self._limit = limit
        self._log = log
        self._readers: dict[Reader, None] = {}
        self._encoded: dict[tuple[Encoder, int | None], bytes] = {}  # of the latest state
        self._polls = 0
        self._loop = LoopingCall(self._poll)
        self._loop.clock = clock
        board.watch(self._notify)

    def __len__(self) -> int:
        return len(self._readers)

    def __iter__(self) -> Iterator[Reader]:
        return iter(self._readers)

    def open(self, parsed: ParsedRequest, encode: Encoder) -> None:
        """Begin a stream after the last event that the client knows; raise Refusal above the limit.

        The header Last-Event-ID or the query parameter `since` has the id of that event. A client without one, or with
        one of another run, receives the whole board.
        """
        if len(self._readers) >= self._limit():
            raise Refusal(503, "too many open event streams; try again later", {"Retry-After": "5"})
        request = parsed.raw
        run, _, number = (header(request, "last-event-id") or parsed.parameters.get("since", "")).partition("-")
        is_number = number.isascii() and number.isdecimal() and len(number) < 20
        known = int(number) if run == self._board.run and is_number else None
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        request.setHeader("X-Accel-Buffering", "no")
        if request.method == b"HEAD":
            request.finish()
            return
        reader = Reader(request, self, encode, known)
        self._readers[reader] = None
        request.notifyFinish().addBoth(lambda _: self._forget(reader))
        request.write(b"retry: %d\n\n" % RETRY)
        request.registerProducer(cast(Any, reader), True)
        reader.notify()
        if not self._loop.running:
            self._loop.start(POLL_INTERVAL, now=False)
            self._board.publish_soon()

    def close(self) -> None:
        """Close all streams; browsers reconnect by themselves."""
        if self._loop.running:
            self._loop.stop()
        for reader in list(self._readers):
            reader.abort()

    def encoded(self, encode: Encoder, since: int | None) -> tuple[int, bytes]:
        """Return the latest state and its event, encoded once for all readers that know the state `since`."""
        key = (encode, since)
        if key not in self._encoded:
            changes = self._board.changes(since)
            self._encoded[key] = event("board", encode(changes), f"{self._board.run}-{changes.number}")
        return self._board.number, self._encoded[key]

    def abort_later(self, reader: Reader) -> IDelayedCall:
        """Abort a reader after MAX_BLOCKED, unless the call is cancelled."""
        return self._clock.callLater(MAX_BLOCKED, self._abort, reader)

    def _abort(self, reader: Reader) -> None:
        self._log.info("Board reader at {peer} is too slow: connection closed", peer=reader.peer)
        reader.abort()

    def _notify(self) -> None:
        self._encoded.clear()
        for reader in list(self._readers):
            reader.notify()

    def _poll(self) -> None:
        self._board.publish_soon()
        self._polls += 1
        if self._polls % BEAT_EVERY == 0:
            beat = event("beat", msgspec.json.encode({"now": self._board.now}))
            for reader in list(self._readers):
                reader.beat(beat)

    def _forget(self, reader: Reader) -> None:
        self._readers.pop(reader, None)
        reader.stopProducing()
        if not self._readers and self._loop.running:
            self._loop.stop()


@implementer(IPushProducer)
class Reader:
    """An open stream. While its connection is blocked nothing is written; then it skips to the latest state."""

    def __init__(self, request: Request, streams: Streams, encode: Encoder, known: int | None) -> None:
        self.peer = str(request.getClientAddress())
        self._request = request
        self._streams = streams
        self._encode = encode
        self.known = known  # the last state that was written, or that the client has told
        self._has_written = False  # a client that knows the latest state receives one event all the same
        self._deadline: IDelayedCall | None = None
        self._open = True

    @property
    def is_blocked(self) -> bool:
        """Whether the client has not yet accepted what was written."""
        return self._deadline is not None

    def notify(self) -> None:
        """Write what has changed, unless the connection is blocked."""
        if not self._open or self.is_blocked:
            return
        number, data = self._streams.encoded(self._encode, self.known)
        if number != self.known or not self._has_written:
            self.known, self._has_written = number, True
            self._request.write(data)

    def beat(self, data: bytes) -> None:
        """Write a sign of life, since a page cannot detect a dead connection."""
        if self._open and not self.is_blocked:
            self._request.write(data)

    def pauseProducing(self) -> None:
        """Write nothing more until the client accepts what was written; start its deadline."""
        if self._deadline is None and self._open:
            self._deadline = self._streams.abort_later(self)

    def resumeProducing(self) -> None:
        self._cancel_deadline()
        self.notify()

    def stopProducing(self) -> None:
        """Write nothing more: the connection is lost."""
        self._open = False
        self._cancel_deadline()

    def abort(self) -> None:
        """Close the connection at once and discard what is still buffered."""
        self.stopProducing()
        channel = cast(Any, self._request.channel)
        if channel is not None:
            channel.transport.abortConnection()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            if self._deadline.active():
                self._deadline.cancel()
            self._deadline = None
