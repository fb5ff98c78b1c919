"""Receive the body of a response from a device that may send too much, too slowly, or stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from sse_twisted.devices.errors import Interrupted, TooLong
from sse_twisted.runtime.text import plural

RATE_WINDOW = 30.0  # s before the average rate of a transfer counts
PIECES_WINDOW = 50_000  # pieces before their average size counts
MIN_PIECE = 16  # bytes on average; each piece takes 7 µs of the reactor's time, and 8 MB in chunks of one byte a minute


class Sink(Interface):
    """The destination of a body."""

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the bytes. The transfer pauses until a returned Deferred fires, and ends if it fails."""


@define(slots=False, eq=False)
class BodyReceiver(Protocol):
    """Passes a body on to a sink, within limits.

    `done` fires with True if the body ended as its headers promised. It fires with False if a body without
    Content-Length ended with the connection, and may be incomplete. It fails with Interrupted, TooLong, or the error
    of the sink. Cancelling it closes the connection, which treq's own readers would leave open.
    """

    _clock: IReactorTime
    _sink: Sink
    _limit: int = field(kw_only=True)  # bytes
    _silence: float = field(kw_only=True)  # s without a byte
    _in_chunks: bool = field(kw_only=True, default=False)  # whether the pieces may be chunks, and tiny
    _minimum_rate: float = field(kw_only=True, default=0.0)  # bytes/s on average; 0 for any
    _count: Callable[[int], object] = field(kw_only=True, default=lambda _: None)  # called with the bytes of each piece
    done: Deferred[bool] = field(init=False)
    received: int = field(init=False, default=0)
    _pieces: int = field(init=False, default=0)
    _watchdog: IDelayedCall | None = field(init=False, default=None)
    _paused: float = field(init=False, default=0.0)  # s spent waiting for the sink
    _over: bool = field(init=False, default=False)
    transport: Any = field(init=False, default=None)  # TransportProxyProducer, which has no interface

    @done.default
    def _cancellable(self) -> Deferred[bool]:
        return Deferred(lambda _: self._close())

    def connectionMade(self) -> None:
        self._started = self._clock.seconds()
        self._watch()

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        self.received += len(data)
        self._pieces += 1
        self._count(len(data))
        elapsed = self._clock.seconds() - self._started - self._paused
        if self.received > self._limit:
            self._fail(TooLong(f"more than {self._limit:,} bytes"))
        elif self._in_chunks and self._pieces > PIECES_WINDOW and self.received < MIN_PIECE * self._pieces:
            self._fail(Interrupted(f"pieces too small: {plural(self.received, 'byte')} in {self._pieces:,} pieces"))
        elif elapsed > RATE_WINDOW and self.received < self._minimum_rate * elapsed:
            self._fail(Interrupted(f"too slow: {plural(self.received, 'byte')} in {elapsed:.0f} s"))
        else:
            self._write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._over:
            return
        self._finish()
        if reason.check(ResponseDone):
            self.done.callback(True)
        elif reason.check(PotentialDataLoss):
            self.done.callback(False)
        else:
            self.done.errback(Interrupted(f"connection lost after {plural(self.received, 'byte')}"))

    def _write(self, data: bytes) -> None:
        if self._watchdog is not None:
            self._watchdog.reset(self._silence)
        try:
            wait = self._sink.write(data)
        except OSError as error:
            self._fail(error)
            return
        if wait is not None:
            self._pause(wait)

    def _pause(self, wait: Deferred[None]) -> None:
        self._stop_watching()
        self.transport.pauseProducing()
        paused_at = self._clock.seconds()

        def resume(_: None) -> None:
            if not self._over:
                self._paused += self._clock.seconds() - paused_at
                self._watch()
                self.transport.resumeProducing()

        def fail(failure: Failure) -> None:
            if not self._over:
                self._fail(failure.value)

        wait.addCallbacks(resume, fail)

    def _watch(self) -> None:
        error = Interrupted(f"timed out after {self._silence:g} s without a byte")
        self._watchdog = self._clock.callLater(self._silence, self._fail, error)

    def _fail(self, error: BaseException | None) -> None:
        self._close()
        self.done.errback(Failure(error))

    def _close(self) -> None:
        self._finish()
        self.transport.loseConnection()

    def _finish(self) -> None:
        self._over = True
        self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watchdog is not None and self._watchdog.active():
            self._watchdog.cancel()
        self._watchdog = None
