"""Pauses that are not worth a system call.

Twisted pauses before each body, and resumes as soon as somebody wants it, mostly at once: two calls of the system for
each request.
"""

from __future__ import annotations

from typing import Any


class Pausing:
    """A transport that pauses at the end of a piece of data, if it has not resumed by then."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._is_within = False  # a piece
        self._is_to_pause = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def pauseProducing(self) -> None:
        if self._is_within:
            self._is_to_pause = True
        else:
            self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        if self._is_to_pause:
            self._is_to_pause = False
        else:
            self._transport.resumeProducing()

    def begin(self) -> None:
        """Begin a piece."""
        self._is_within = True

    def end(self) -> None:
        """End it."""
        self._is_within = False
        if self._is_to_pause:
            self._is_to_pause = False
            self._transport.pauseProducing()
