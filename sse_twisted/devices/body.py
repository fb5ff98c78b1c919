"""Receiving the body of an answer from a device that may send too much, too slowly, or stop."""

from __future__ import annotations

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

RATE_WINDOW = 30.0  # s that a slow transfer is given before its average counts


class Sink(Interface):
    """Where the bytes of a body go."""

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the bytes; a Deferred asks for a pause until it fires, and its failure ends the transfer."""


class BodyReceiver(Protocol):
    """Passes a body on to a sink, within limits.

    `done` fires with True if the body ended as its headers promised, and with False if it was ended by the closing of
    the connection, which may be a cut: a body without Content-Length. It fails with Interrupted, BadAnswer, or what the
    sink failed with. Cancelling it hangs up: treq's own readers would leave the socket open.
    """

    transport: Any  # TransportProxyProducer, which has no interface

    def __init__(
        self, clock: IReactorTime, sink: Sink, *, limit: int, silence: float, minimum_rate: float = 0.0
    ) -> None:
        """`limit` in bytes; `silence` in s without a byte; `minimum_rate` in bytes/s on average, 0 for any."""
        self.done: Deferred[bool] = Deferred(self._cancelled)
        self.received = 0
        self._clock = clock
        self._sink = sink
        self._limit = limit
        self._silence = silence
        self._minimum_rate = minimum_rate
        self._watchdog: IDelayedCall | None = None
        self._paused = 0.0  # s spent waiting for the sink
        self._over = False

    def connectionMade(self) -> None:
        self._started = self._clock.seconds()
        self._watchdog = self._clock.callLater(self._silence, self._silent)

    def dataReceived(self, data: bytes) -> None:
        """Pass the bytes on, unless they are too many or too slow."""
        if self._over:
            return
        self.received += len(data)
        if self.received > self._limit:
            self._fail(BadAnswer(f"more than {self._limit:,} bytes"))
            return
        elapsed = self._clock.seconds() - self._started - self._paused
        if elapsed > RATE_WINDOW and self.received < self._minimum_rate * elapsed:
            self._fail(Interrupted(f"too slow: {plural(self.received, 'byte')} in {elapsed:.0f} s"))
            return
        if self._watchdog is not None:
            self._watchdog.reset(self._silence)
        try:
            wait = self._sink.write(data)
        except OSError as error:
            self._fail(error)
            return
        if wait is not None:
            self._pause(wait)

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

    def _pause(self, wait: Deferred[None]) -> None:
        self._stop_watching()
        self.transport.pauseProducing()
        paused_at = self._clock.seconds()

        def go_on(_: None) -> None:
            if not self._over:
                self._paused += self._clock.seconds() - paused_at
                self._watchdog = self._clock.callLater(self._silence, self._silent)
                self.transport.resumeProducing()

        def give_up(failure: Failure) -> None:
            if not self._over:
                self._fail(failure.value)

        wait.addCallbacks(go_on, give_up)

    def _silent(self) -> None:
        self._watchdog = None
        self._fail(Interrupted(f"timed out after {self._silence:g} s without a byte"))

    def _fail(self, error: BaseException | None) -> None:
        self._finish()
        self.transport.loseConnection()
        self.done.errback(Failure(error))

    def _cancelled(self, _: Deferred[bool]) -> None:
        self._finish()
        self.transport.loseConnection()

    def _finish(self) -> None:
        self._over = True
        self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
