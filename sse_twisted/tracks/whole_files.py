"""Verification of formats that can be judged only as a whole."""

from __future__ import annotations

from collections.abc import Callable

from sse_twisted.tracks.format import Buffer, Header, Integrity


class WholeFileVerifier:
    """A `Verifier` that keeps all bytes until the end."""

    def __init__(self, judge: Callable[[bytes], Integrity], whole_to: Callable[[bytes], int]) -> None:
        """Judge a file by `judge`; `whole_to` returns up to where a beginning of a file is whole by itself."""
        self._judge = judge
        self._find_whole = whole_to
        self._data = bytearray()
        self._looked_at = 0
        self._whole_to = 0

    @property
    def header(self) -> Header | None:
        return None

    @property
    def verified_to(self) -> int:
        if self._looked_at != len(self._data):
            self._looked_at = len(self._data)
            self._whole_to = max(self._whole_to, self._find_whole(bytes(self._data)))
        return self._whole_to

    def feed(self, data: Buffer) -> None:
        self._data += data

    def finish(self) -> Integrity:
        return self._judge(bytes(self._data))
