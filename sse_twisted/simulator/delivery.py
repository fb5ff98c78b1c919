"""Carries an answer out on a connection: when its bytes go, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPullProducer, IReactorTime
from zope.interface import implementer

from sse_twisted.simulator.answers import Answer, Ending

TURN: Final = 0.05
"""Seconds' worth of bytes written at a time where the rate is limited: 20 calls a second for each transfer."""

_LARGEST_CHUNK: Final = 65536


@implementer(IPullProducer)
class Delivery:
    """One answer on its way. `transport` is that of a TCP connection; `when_over` is called with the answer's ending.

    `when_over` comes when the transport has taken the last byte that the answer sends; not if `stop` came before.
    """

    def __init__(
        self, clock: IReactorTime, transport: Any, answer: Answer, when_over: Callable[[Answer], None]
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._answer = answer
        self._when_over = when_over
        self._chunks = answer.sent(_chunk_size(answer.bytes_per_second))
        self._sent = 0
        self._head_is_out = False
        self._began = 0.0
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Begin after the answer's latency."""
        self._later(self._answer.latency, self._begin)

    def stop(self) -> None:
        """Send nothing more."""
        self.stopProducing()

    def resumeProducing(self) -> None:
        """Send the next chunk when its last byte is due. The transport asks whenever it has nothing left to send."""
        if not self._head_is_out or (self._timer is not None and self._timer.active()):
            return
        chunk = next(self._chunks, None)
        if chunk is None:
            self._transport.unregisterProducer()
            self._when_over(self._answer)
            return
        self._sent += len(chunk)
        rate = self._answer.bytes_per_second
        due = self._began + self._sent / rate if rate else 0.0
        self._later(due - self._clock.seconds(), lambda: self._transport.write(chunk))

    def stopProducing(self) -> None:
        """Forget what is left: the connection is gone."""
        self._chunks = iter(())
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _begin(self) -> None:
        if self._answer.ending is Ending.NO_ANSWER:
            return
        self._began = self._clock.seconds()
        self._transport.write(self._answer.head)
        # Registering asks for a chunk at once, while the head is still in the transport's buffer: an abort
        # at byte 0 of the body would take the head with it.
        self._transport.registerProducer(self, False)
        self._head_is_out = True

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        if seconds > 0:
            self._timer = self._clock.callLater(seconds, act)
        else:
            act()


def _chunk_size(rate: float) -> int:
    return min(_LARGEST_CHUNK, max(1, int(rate * TURN))) if rate else _LARGEST_CHUNK
