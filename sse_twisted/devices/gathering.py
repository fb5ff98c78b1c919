"""Gathers a long body in the kernel, so that the reactor reads it in large pieces.

By WiFi each packet would wake the reactor. In pieces of 2.9 KB a megabyte takes 4 ms of a processor, gathered 1 ms. A
socket with a low-water mark counts as readable when so many bytes are there, or when the connection has ended.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

MIN_LENGTH = 128 * 1024  # bytes of a body that is worth it
FIRST, MOST = 16 * 1024, 128 * 1024  # bytes that are gathered
SHORT, LONG = 0.05, 0.2  # s for a piece, after which the next one is twice as large, or half
STALLED = 0.25  # s without a piece, after which whatever is there is read: a device must not seem silent
MOMENT = 0.001  # s, for which no timer is worth it


class _Socket(Protocol):
    def setsockopt(self, level: int, option: int, value: int, /) -> object: ...


def gathering_of(transport: object, clock: IReactorTime, length: int) -> Gathering | None:
    """Begin to gather a body of `length` bytes more; None where that is not worth it, or not known to work."""
    get_handle: Any = getattr(transport, "getHandle", None)
    if length < MIN_LENGTH or get_handle is None or sys.platform != "linux":
        return None
    return Gathering(get_handle(), clock, length)


class Gathering:
    """One body under way. No byte waits longer than STALLED, and the last ones wait for none."""

    def __init__(self, handle: _Socket, clock: IReactorTime, length: int) -> None:
        self._socket = handle
        self._clock = clock
        self._rest = length  # bytes that have not come yet
        self._size = FIRST  # bytes that are gathered, if so many are to come
        self._set = 1  # the mark of the socket
        self._last = clock.seconds()
        self._timer: IDelayedCall = clock.callLater(STALLED, self._look)
        self._mark(FIRST)

    def took(self, count: int) -> None:
        """Take note of a piece of the body."""
        now = self._clock.seconds()
        self._rest -= count
        if now - self._last < SHORT:
            self._size = min(2 * self._size, MOST)
        elif now - self._last > LONG:
            self._size = max(self._size // 2, 1)
        self._last = now
        self._mark(max(min(self._size, self._rest), 1))

    def end(self) -> None:
        """Stop: the connection is closed."""
        self._timer.cancel()

    def _look(self) -> None:
        rest = self._last + STALLED - self._clock.seconds()
        if rest < MOMENT:
            self._mark(1)
            rest = STALLED
        self._timer = self._clock.callLater(rest, self._look)

    def _mark(self, count: int) -> None:
        if count != self._set:
            with suppress(OSError):  # then every piece is read as it comes
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
                self._set = count
