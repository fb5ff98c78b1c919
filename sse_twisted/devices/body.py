"""Receive the body of a response from a device that may send too much, too slowly, or stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from sse_twisted.devices.errors import BadAnswer, Interrupted
from sse_twisted.runtime.text import plural

RATE_WINDOW = 30.0  # s before the average rate of a transfer counts


class Sink(Interface):
    """The destination of a body."""

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the bytes. The transfer pauses until a returned Deferred fires, and ends if it fails."""


class BodyReceiver(Protocol):
    """Passes a body on to a sink, within limits.

    `done` fires with True if the body ended as its headers promised. It fires with False if a body without
    Content-Length ended with the connection, and may be incomplete. It fails with Interrupted, BadAnswer, or the error
    of the sink. Cancelling it closes the connection, which treq's own readers would leave open.
    """

    transport: Any  # TransportProxyProducer, which has no interface

    def __init__(
        self,
        clock: IReactorTime,
        sink: Sink,
        *,
        limit: int,
        silence: float,
        minimum_rate: float = 0.0,
        count: Callable[[int], object] = lambda _: None,
    ) -> None:
        """`limit` in bytes; `silence` in s without a byte; `minimum_rate` in bytes/s on average, 0 for any.

        `count` is called with the number of bytes of each piece.
        """
        self.done: Deferred[bool] = Deferred(lambda _: self._close())
        self.received = 0
        self._clock = clock
        self._sink = sink
        self._limit = limit
        self._silence = silence
        self._minimum_rate = minimum_rate
        self._count = count
        self._watchdog: IDelayedCall | None = None
        self._paused = 0.0  # s spent waiting for the sink
        self._over = False

    def connectionMade(self) -> None:
        self._started = self._clock.seconds()
        self._watch()

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        self.received += len(data)
        self._count(len(data))
        elapsed = self._clock.seconds() - self._started - self._paused
        if self.received > self._limit:
            self._fail(BadAnswer(f"more than {self._limit:,} bytes"))
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
