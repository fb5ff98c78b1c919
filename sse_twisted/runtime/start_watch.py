"""Watches a start, in which the process' first thread uses the disk itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from threading import Event, Thread

from twisted.logger import Logger

from sse_twisted.runtime.disk import LONGEST_WAIT, answers
from sse_twisted.runtime.leaving import leave

ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
LOOK_INTERVAL = 1.0  # s between two looks at the disk
MAX_WAIT = 3.0  # s that the first thread has to act on a signal
MAX_SAYING = 0.5  # s; a log may be on the disk that hangs


class StartWatch:
    """Says that the disk hangs, and ends the process on SIGTERM or SIGINT even if its first thread waits for the disk.

    Python calls the handlers of signals in the first thread only. A thread of the watch hears of the signal too, and
    ends the process if the start goes on or hangs in spite of it. Meanwhile signals are blocked in the first thread,
    so that the kernel passes them to another: one that waits for a disk would not take them.
    """

    def __init__(self, folders: Callable[[], Iterable[Path]], log: Logger, status: int | None = None) -> None:
        """`folders` are looked at again and again, and `log` is written to, in threads.

        `status` is that of an exit by a signal, by default the one that a shell returns for it.
        """
        self._folders = folders
        self._log = log
        self._status = status
        self._ended = Event()
        self._pipe = (-1, -1)  # into which Python writes the numbers of signals
        self._before = -1  # where it wrote them before
        self._mask: Collection[int] = ()

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        """Must be called in the first thread."""
        self._pipe = _, writing = os.pipe()
        os.set_blocking(writing, False)
        self._before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for work in (self._wait_for_signal, self._look_at_disks):
            Thread(target=work, name="start", daemon=True).start()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def end(self) -> None:
        """Leave signals to their handlers alone."""
        _, writing = self._pipe
        if writing >= 0 and not self._ended.is_set():
            self._ended.set()
            present = signal.set_wakeup_fd(self._before)
            if present != writing:  # a reactor has begun to use its own meanwhile
                signal.set_wakeup_fd(present)
            os.close(writing)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _wait_for_signal(self) -> None:
        with os.fdopen(self._pipe[0], "rb", buffering=0) as pipe:
            while (number := pipe.read(1)) and number[0] not in ENDING:
                pass
            if not number or self._ended.wait(MAX_WAIT):
                return
        saying = Thread(target=self._tell_the_end, args=(signal.Signals(number[0]).name,), daemon=True)
        saying.start()
        saying.join(MAX_SAYING)
        leave(128 + number[0] if self._status is None else self._status)

    def _look_at_disks(self) -> None:
        while not self._ended.wait(LOOK_INTERVAL):
            for folder in self._folders():
                if not answers(folder) and not self._ended.is_set():
                    text = "Start waits for {folder}: its disk has not answered for {seconds:.0f} s; is it plugged in?"
                    self._log.critical(text, folder=str(folder), seconds=LONGEST_WAIT)
                    return

    def _tell_the_end(self, name: str) -> None:
        text = "Start ended by {name}: {seconds:.0f} s later it was still waiting or at work"
        self._log.error(text, name=name, seconds=MAX_WAIT)
