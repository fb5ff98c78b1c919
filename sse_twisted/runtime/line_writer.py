"""Lines that a thread writes, so that a disk or a pipe that hangs does not block the reactor."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

MAX_WAITING = 8 * 1024 * 1024  # bytes of lines that wait; a day of a hundred devices has a few MB
BATCH_SIZE = 256 * 1024  # bytes written at once
PAUSE = 0.1  # s after the last line, in which others gather: to wake the thread for each costs as much as the line
RETRY_DELAY = 1.0  # s until lines that could not be written are written again


class LineWriter:
    """Writes whole lines in their order. Lines beyond MAX_WAITING bytes are dropped, counted, and reported later.

    The thread is a daemon thread, begun by the first line, so it survives neither a fork nor the end of the process.
    """

    def __init__(self, write: Callable[[bytes], int], dropped: Callable[[int], object]) -> None:
        """`write` runs in the thread; it returns how many bytes it has written, or raises OSError or ValueError.

        `dropped` is called with a number of lines in the thread of `put`, as soon as there is room again.
        """
        self._write = write
        self._tell = dropped
        self._changed = Condition()
        self._lines: deque[bytes] = deque()
        self._rest = b""  # taken from the lines and not written yet; it may begin within a line
        self._waiting = 0  # bytes of both
        self._dropped = 0  # lines
        self._failures = 0
        self._held = False
        self._hurried = False  # whether a failure is to be retried at once
        self._ended = False
        self._is_idle = False  # whether the thread waits for a line
        self._thread: Thread | None = None

    def put(self, line: bytes) -> None:
        """Write a line soon; never blocks."""
        with self._changed:
            if self._waiting + len(line) > MAX_WAITING:
                self._dropped += 1
                return
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._tell(dropped)
        with self._changed:
            self._lines.append(line)
            self._waiting += len(line)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            if self._is_idle:
                self._changed.notify_all()

    def hold(self) -> None:
        """Keep lines waiting until `release`."""
        with self._changed:
            self._held = True

    def release(self) -> None:
        """Write what waits, at once."""
        with self._changed:
            self._held, self._hurried = False, True
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Block until all lines are written, for at most `seconds`; returns whether they are."""
        end = time.monotonic() + seconds
        self.release()
        with self._changed:
            failures = self._failures
            while self._waiting and self._failures == failures and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._waiting

    def close(self, seconds: float) -> bool:
        """Do the same as `flush`, and end the thread; lines that could not be written are lost."""
        flushed = self.flush(seconds)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        return flushed

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                written = self._write(batch)
            except (OSError, ValueError):  # ValueError: the file was closed; a rotation opens it again
                written = -1
            with self._changed:
                self._rest = batch[max(written, 0) :]
                self._waiting -= max(written, 0)
                self._failures += written < 0
                self._changed.notify_all()
                if written < 0 or not self._waiting:
                    pause = RETRY_DELAY if written < 0 else PAUSE
                    self._changed.wait_for(lambda: self._hurried or self._ended, pause)
                self._hurried = False

    def _next_batch(self) -> bytes:
        """Wait for something to write, and return it; b"" at the end."""
        with self._changed:
            self._is_idle = True
            self._changed.wait_for(lambda: self._ended or (self._waiting and not self._held))
            self._is_idle = False
            if self._ended:
                return b""
            if not self._rest:
                taken, size = [], 0
                while self._lines and size < BATCH_SIZE:
                    taken.append(self._lines.popleft())
                    size += len(taken[-1])
                self._rest = b"".join(taken)
            return self._rest
