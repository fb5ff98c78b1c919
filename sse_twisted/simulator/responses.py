"""Responses of a simulated device, independent of the transport that sends them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from itertools import chain, repeat

from attrs import evolve, frozen


class Ending(Enum):
    """End of the connection after a response."""

    CLOSE = auto()  # FIN after the whole body
    CLOSE_EARLY = auto()  # FIN at byte `cut_at` of the body
    ABORT = auto()  # reset at byte `cut_at` of the body
    STALL = auto()  # stays open without a byte after `cut_at` of the body
    NO_RESPONSE = auto()  # stays open without a byte, not even headers
    RESET = auto()  # reset before the first byte
    REBOOT = auto()  # all connections of the device are reset at byte `cut_at`; it is absent for `absent` seconds


SILENT = frozenset({Ending.NO_RESPONSE, Ending.RESET})


@frozen
class Body:
    """Bytes with a piece in the middle that may be repeated, so that 200 MB take no memory."""

    start: bytes = b""
    piece: bytes = b""
    times: int = 0
    end: bytes = b""

    def __len__(self) -> int:
        return len(self.start) + len(self.piece) * self.times + len(self.end)

    def __bytes__(self) -> bytes:
        return self.start + self.piece * self.times + self.end

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """Yield the bytes in chunks of at most `size`."""
        per_turn = max(1, size // len(self.piece)) if self.piece else 1
        turns, left = divmod(self.times, per_turn)
        turn = self.piece * per_turn if turns else b""
        for part in chain((self.start,), repeat(turn, turns), (self.piece * left, self.end)):
            for offset in range(0, len(part), size):
                yield part[offset : offset + size]


@frozen
class Response:
    """Status, headers and body as announced, and how much of them is sent.

    `latency` is the time before the first byte in seconds; `bytes_per_second` limits the body, 0 is unlimited;
    `cut_at` is the byte of the body at which `ending` happens, None after the whole body; `absent` is in seconds.
    """

    status: int
    reason: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: Body
    latency: float = 0.0
    bytes_per_second: float = 0.0
    cut_at: int | None = None
    ending: Ending = Ending.CLOSE
    absent: float = 0.0

    @property
    def head(self) -> bytes:
        """Status line and headers, with the empty line after them; empty if nothing is sent."""
        if self.ending in SILENT:
            return b""
        lines = [b"HTTP/1.1 %d %s" % (self.status, self.reason)]
        lines += [name + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def sent(self, size: int = 65536) -> Iterator[bytes]:
        """Yield the bytes of the body that are sent before the ending, in chunks of at most `size`."""
        left = len(self.body) if self.cut_at is None else self.cut_at
        if self.ending in SILENT or left <= 0:
            return
        for chunk in self.body.chunks(size):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    def with_header(self, name: bytes, *values: bytes) -> Response:
        """Return a copy with these values, none or several, for a header."""
        others = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return evolve(self, headers=others + tuple((name, value) for value in values))


def make_response(status: int, reason: bytes, body: Body, content_type: bytes, *extra: tuple[bytes, bytes]) -> Response:
    """Return a correct response, with Content-Length and `Connection: close`."""
    headers = (
        (b"Content-Type", content_type),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"close"),
        *extra,
    )
    return Response(status, reason, headers, body)
