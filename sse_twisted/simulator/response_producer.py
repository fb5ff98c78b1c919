"""Sends a response on a connection, at its rate and up to its ending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPullProducer, IReactorTime
from zope.interface import implementer

from sse_twisted.simulator.responses import Ending, Response

WRITE_INTERVAL: Final = 0.05
"""Seconds between two writes of a transfer with limited rate."""

_MAX_CHUNK: Final = 65536


@implementer(IPullProducer)
class ResponseProducer:
    """Sends one response on a TCP transport.

    Calls `when_over` with the response when the transport has taken its last byte, unless stopped before.
    """

    def __init__(
        self, clock: IReactorTime, transport: Any, response: Response, when_over: Callable[[Response], None]
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._response = response
        self._when_over = when_over
        self._chunks = response.sent(_chunk_size(response.bytes_per_second))
        self._sent = 0
        self._head_is_out = False
        self._began = 0.0
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Send after the latency of the response."""
        self._later(self._response.latency, self._begin)

    def resumeProducing(self) -> None:
        """Send the next chunk when its last byte is due; called whenever the transport has an empty buffer."""
        if not self._head_is_out or (self._timer is not None and self._timer.active()):
            return
        chunk = next(self._chunks, None)
        if chunk is None:
            self._transport.unregisterProducer()
            self._when_over(self._response)
            return
        self._sent += len(chunk)
        rate = self._response.bytes_per_second
        due = self._began + self._sent / rate if rate else 0.0
        self._later(due - self._clock.seconds(), lambda: self._transport.write(chunk))

    def stopProducing(self) -> None:
        self._chunks = iter(())
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _begin(self) -> None:
        if self._response.ending is Ending.NO_RESPONSE:
            return
        self._began = self._clock.seconds()
        self._transport.write(self._response.head)
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
    return min(_MAX_CHUNK, max(1, int(rate * WRITE_INTERVAL))) if rate else _MAX_CHUNK
