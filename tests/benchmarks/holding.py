"""Who holds the interpreter's lock for how long, in processor time: what other programs do does not count.

The reactor holds it for a turn. A thread holds it in a call into C that does not release it, such as a decoder of JSON.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import Counter
from typing import Any, Final

from attrs import frozen

from tests.benchmarks.blocking import INTERVAL, LIMIT, Queue, places_of_thread

_TOLD: Final = LIMIT / 2  # s from which on a hold has its place in the report


@frozen
class Hold:
    """The lock was held for so many seconds of processor time, and where its thread was just after."""

    seconds: float
    where: str


class TurnWatch:
    """Knows the processor time of each turn of the reactor. It must be started in the reactor's thread."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._began: float | None = None
        self._turns = array("d")

    def start(self) -> None:
        """Measure from the next turn on."""
        self._turns, self._began = array("d"), None
        run = self._reactor.runUntilCurrent

        def measured() -> None:
            now = time.thread_time()
            if self._began is not None:
                self._turns.append(now - self._began)
            self._began = now
            run()

        self._reactor.runUntilCurrent = measured

    def stop(self) -> list[float]:
        """Return the seconds of all turns."""
        self._began = None
        self._reactor.__dict__.pop("runUntilCurrent", None)
        return list(self._turns)


class LockWatch:
    """A thread that asks for the lock again and again, and looks which other thread computed until it had it.

    That includes what a thread computes without the lock while the machine gives this one no processor, so the time in
    which this one was ready to run and did not is subtracted.
    """

    def __init__(self) -> None:
        self.holds: list[Hold] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the reactor's own turns, which TurnWatch has, are left out."""
        self.holds = []
        self._over.clear()
        self._thread = threading.Thread(target=self._watch, args=[threading.get_ident()], daemon=True)
        self._thread.start()

    def stop(self) -> list[float]:
        """Return the seconds of all holds that were found."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return [hold.seconds for hold in self.holds]

    def report(self) -> str:
        """Return where the lock was held for long."""
        longest = sorted((hold for hold in self.holds if hold.seconds > _TOLD), key=lambda hold: -hold.seconds)
        lines = [f"{len(longest)} times another thread held the lock for more than {_TOLD * 1000:.0f} ms"]
        lines += [f"{hold.seconds * 1000:5.0f} ms  {hold.where}" for hold in longest[:15]]
        counts = Counter(hold.where.partition(" < ")[0] for hold in longest)
        return "\n".join(lines + [f"{count:5} x {where}" for where, count in counts.most_common(10)])

    def _watch(self, reactor_thread: int) -> None:
        queue = Queue()
        while not self._over.is_set():
            before = self._processor_times(reactor_thread)
            queued, asked = queue.seconds(), time.monotonic()
            time.sleep(INTERVAL)
            late = time.monotonic() - asked - INTERVAL - (queue.seconds() - queued)
            for thread, now in self._processor_times(reactor_thread).items():
                # It may have computed during the sleep as well, without keeping anybody from the lock.
                held = min(now - before.get(thread, now), late)
                if held > INTERVAL:
                    self.holds.append(Hold(held, places_of_thread(thread.ident)))

    def _processor_times(self, reactor_thread: int) -> dict[threading.Thread, float]:
        times = {}
        for thread in threading.enumerate():
            if thread.native_id is not None and thread.ident not in (reactor_thread, threading.get_ident()):
                try:
                    times[thread] = time.clock_gettime(_clock_of(thread.native_id))
                except OSError:  # it has ended
                    continue
        return times


def _clock_of(native_id: int) -> int:
    """Return the clock of a thread's processor time, as Linux numbers it; unlike Python's call it survives its end."""
    return (~native_id << 3) | 6
