"""Server-Sent Events: every change of the board, to many readers, none of whom can hold up the collector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.server import Request
from zope.interface import implementer

from sse_twisted.web.board import LOOK_EVERY, Board, Changes
from sse_twisted.web.routing import Refusal

BEAT_EVERY = 5  # looks at the board; a reader who hears nothing for longer has lost us
SLOWEST = 30.0  # s that a reader may take for what is on its way; then it is cut off
RETRY = 1000  # ms that a browser waits until it connects again

Encoder = Callable[[Changes], bytes]  # the data of an event


def event(kind: str, data: bytes, id_: str = "") -> bytes:
    """One event; `data` is JSON, which has no line breaks."""
    return b"".join((b"id: %s\n" % id_.encode() if id_ else b"", b"event: %s\ndata: " % kind.encode(), data, b"\n\n"))


class Streams:
    """All readers. The board is looked at every second while there are any."""

    def __init__(self, board: Board, clock: IReactorTime, most: Callable[[], int], log: Logger) -> None:
        """`most` gives how many readers there may be."""
        self._board = board
        self._clock = clock
        self._most = most
        self._log = log
        self._readers: dict[Reader, None] = {}
        self._encoded: dict[tuple[Encoder, int | None], bytes] = {}  # of the newest state
        self._looks = 0
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        board.watch(self._tell)

    def __len__(self) -> int:
        return len(self._readers)

    def __iter__(self) -> Iterator[Reader]:
        return iter(self._readers)

    def open(self, request: Request, encode: Encoder, last: str) -> None:
        """Let a request read from now on; `last` is the id of the last event that it knows, or "". Raises Refusal."""
        if len(self._readers) >= self._most():
            raise Refusal(503, "too many look on already", Retry_After="5")
        run, _, number = last.partition("-")
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
            self._loop.start(LOOK_EVERY, now=False)
            self._board.look()

    def close(self) -> None:
        """Let all readers go; browsers come back by themselves."""
        if self._loop.running:
            self._loop.stop()
        for reader in list(self._readers):
            reader.cut()

    def encoded(self, encode: Encoder, since: int | None) -> tuple[int, bytes]:
        """The newest state for those who know another one: made once for all of them."""
        key = (encode, since)
        if key not in self._encoded:
            changes = self._board.changes(since)
            self._encoded[key] = event("board", encode(changes), f"{self._board.run}-{changes.number}")
        return self._board.number, self._encoded[key]

    def later(self, call: Callable[[], None]) -> IDelayedCall:
        """Call when a reader has taken too long."""
        return self._clock.callLater(SLOWEST, call)

    def drop(self, reader: Reader) -> None:
        """Cut a reader off that does not read."""
        self._log.info("A reader of the board at {peer} is too slow: it is cut off", peer=reader.peer)
        reader.cut()

    def _tell(self) -> None:
        self._encoded.clear()
        for reader in list(self._readers):
            reader.notify()

    def _look(self) -> None:
        self._board.look()
        self._looks += 1
        if self._looks % BEAT_EVERY == 0:
            beat = event("beat", msgspec.json.encode({"now": self._board.now}))
            for reader in list(self._readers):
                reader.beat(beat)

    def _forget(self, reader: Reader) -> None:
        self._readers.pop(reader, None)
        reader.ended()
        if not self._readers and self._loop.running:
            self._loop.stop()


@implementer(IPushProducer)
class Reader:
    """One stream. While its connection is full nothing is written; then it gets the newest state, not each one."""

    def __init__(self, request: Request, streams: Streams, encode: Encoder, known: int | None) -> None:
        self.peer = str(request.getClientAddress())
        self._request = request
        self._streams = streams
        self._encode = encode
        self.known = known  # the last state that was written
        self._told = False  # whether anything was: who knows the newest state is told so all the same
        self._full: IDelayedCall | None = None
        self._open = True

    @property
    def is_full(self) -> bool:
        """Whether what was written is still on its way, so that nothing more is."""
        return self._full is not None

    def notify(self) -> None:
        """Write what has changed, if it can be taken."""
        if not self._open or self.is_full:
            return
        number, data = self._streams.encoded(self._encode, self.known)
        if number != self.known or not self._told:
            self.known, self._told = number, True
            self._request.write(data)

    def beat(self, data: bytes) -> None:
        """Show that we live, to a page that can't see a lost connection."""
        if self._open and not self.is_full:
            self._request.write(data)

    def pauseProducing(self) -> None:
        """The connection is full."""
        if self._full is None and self._open:
            self._full = self._streams.later(lambda: self._streams.drop(self))

    def resumeProducing(self) -> None:
        """The connection is empty again."""
        self._settle()
        self.notify()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.ended()

    def cut(self) -> None:
        """Hang up, whatever is still on its way."""
        self.ended()
        channel = cast(Any, self._request.channel)
        if channel is not None:
            channel.transport.abortConnection()

    def ended(self) -> None:
        """Write nothing any more."""
        self._open = False
        self._settle()

    def _settle(self) -> None:
        if self._full is not None:
            if self._full.active():
                self._full.cancel()
            self._full = None
