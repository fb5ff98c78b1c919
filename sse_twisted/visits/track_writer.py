"""The sink of a transfer: it writes the bytes of a track to its partial file, in a thread and within its room."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from sse_twisted.event_folder.partial import OtherBytes, PartialTrack, Received
from sse_twisted.runtime.disk import Disk, DiskTrouble
from sse_twisted.visits.pace import Pace
from sse_twisted.visits.resumption import Attempt

T = TypeVar("T")

BLOCK_SIZE = 512 * 1024  # bytes that are written and verified at once, in a thread


class TrackWriter:
    """A sink that writes blocks to the partial file in a thread, and pauses the transfer meanwhile."""

    def __init__(
        self,
        disk: Disk,
        partial: PartialTrack,
        attempt: Attempt,
        pace: Pace,
        progress: Callable[[int], None],
        book: Callable[[int], None],
        take: Callable[[int], None],
    ) -> None:
        """`book` and `take` are called in the thread, with the bytes of an announced body and of each block."""
        self._attempt = attempt
        self._pace = pace
        self._book = book
        self._take = take
        self._announced: int | None = None  # bytes of the body, until there is room for them
        self._starts_over = False  # whether those bytes must still be dropped
        self._disk = disk
        self._partial = partial
        self._progress = progress
        self._pieces: list[bytes] = []  # joined in the thread: to append 50 KB to 400 KB copies them all
        self._waiting = 0  # bytes of them
        self._count = 0  # bytes of the track that are written, also by earlier transfers
        self._turn = DeferredLock()
        self._error: Exception | None = None

    def starts_at(self, offset: int, length: int | None) -> None:
        """Take the byte of the track at which the body begins, and the length of the body if it is announced.

        It begins after the bytes that were received, or at the first one.
        """
        self._announced = length
        self._attempt.resumed, self._attempt.reached = offset > 0, offset
        self._starts_over, self._count = offset == 0, offset
        self._progress(offset)

    def write(self, data: bytes) -> Deferred[None] | None:
        self._pieces.append(data)
        self._waiting += len(data)
        self._attempt.reached += len(data)
        is_in_the_way = self._pace.take(len(data))
        if self._turn.locked:
            return None
        if is_in_the_way:
            return Deferred.fromCoroutine(self._make_way())
        if self._waiting < BLOCK_SIZE:
            return None
        return Deferred.fromCoroutine(self._write_block())

    async def flush(self) -> None:
        """Write all bytes of a body; raises DiskTrouble or OtherBytes."""
        await self._write_block()

    async def finish(self) -> Received:
        """Write the rest and return what was received; raises DiskTrouble or OtherBytes."""
        return await self._write_then(self._partial.finish)

    async def close(self) -> None:
        """Close the file after the last write; the bytes of a cut transfer are kept."""
        async with self._turn:
            if self._partial.is_open:
                await self._disk.run(self._close_file)

    def _close_file(self) -> None:
        if self._pieces and self._error is None:
            with contextlib.suppress(OSError, OtherBytes):  # the device sends these bytes again
                self._write(self._pieces, _nothing)
        self._partial.close()

    async def _make_way(self) -> None:
        await self._write_block()
        self._pace.make_way(self._attempt.may_resume and self._partial.is_resumable)

    async def _write_block(self) -> None:
        await self._write_then(_nothing)

    async def _write_then(self, finish: Callable[[], T]) -> T:
        """Write the buffer and return what `finish` returns in the thread; nothing follows a block that failed."""
        with self._pace.excused():
            async with self._turn:
                if self._error is not None:
                    raise self._error
                pieces, self._pieces = self._pieces, []
                count, self._waiting = self._waiting, 0
                try:
                    result = await self._disk.write(self._write, pieces, finish)
                except (DiskTrouble, OtherBytes) as error:
                    self._error = error
                    raise
                self._count += count
                self._progress(self._count)
                return result

    def _write(self, pieces: list[bytes], finish: Callable[[], T]) -> T:
        block = b"".join(pieces)
        if self._announced is not None:
            self._book(self._announced)
            self._announced = None
        self._take(len(block))
        if self._starts_over:
            self._partial.start_over()
            self._starts_over = False
        self._partial.write(block)
        return finish()


def _nothing() -> None:
    """Finish nothing: more blocks follow."""
