"""How late things happen: the reactor's calls, a thread that only sleeps, and what stood in the way.

The thread waits for Python's lock as everything in its process does; a second one in a process that does nothing
shows what the machine itself holds up.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from array import array
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall

INTERVAL: Final = 0.005  # s between two calls
LIMIT: Final = 0.050  # s that nothing may block the reactor
_BLAMED: Final = 0.030  # s of delay from which on stacks are looked at
_DEEPEST: Final = 40  # frames of a stack
_PACKAGE: Final = "sse_twisted"


class Queue:
    """How long the calling thread waited in all, ready to run, until it got a processor; only Linux tells."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None

    def seconds(self) -> float:
        """So far; 0 where it is not known."""
        return int(os.pread(self._file, 100, 0).split()[1]) / 1e9 if self._file is not None else 0.0


class ReactorWatch:
    """Calls itself in the reactor again and again; knows how many seconds late each call was."""

    def __init__(self, reactor: Any) -> None:
        self.due = float("inf")  # s of time.monotonic
        self.busy = 0.0  # s of processor time of the reactor's thread, at the last call
        self._late = array("d")
        self._own = array("d")
        self._reactor = reactor
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """Begin, in the reactor's thread."""
        self._late, self._own = array("d"), array("d")
        self._queue = Queue()
        self._plan()

    def stop(self) -> tuple[list[float], list[float]]:
        """End; gives the delays, and the same without the time for which the machine gave no processor."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self.due = float("inf")
        return list(self._late), list(self._own)

    def _plan(self) -> None:
        self.busy, self._queued = time.thread_time(), self._queue.seconds()
        self.due = time.monotonic() + INTERVAL
        self._next = self._reactor.callLater(INTERVAL, self._called)

    def _called(self) -> None:
        late = time.monotonic() - self.due
        self._late.append(late)
        self._own.append(max(0.0, late - (self._queue.seconds() - self._queued)))
        self._plan()


class ThreadWatch:
    """A thread that sleeps again and again; knows how many seconds late it woke each time."""

    def __init__(self) -> None:
        self._late = array("d")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._late = array("d")
        self._over.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> list[float]:
        """End; gives the delays."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return list(self._late)

    def _watch(self) -> None:
        while not self._over.is_set():
            due = time.monotonic() + INTERVAL
            time.sleep(INTERVAL)
            self._late.append(time.monotonic() - due)


@frozen
class Stall:
    """One delay of the reactor: its length and the processor time of its thread in s, and stacks seen meanwhile."""

    late: float
    computed: float
    stacks: Counter[str]


class Blame:
    """Looks at the stacks of all threads whenever the reactor is late. It must be started in the reactor's thread."""

    def __init__(self, watch: ReactorWatch) -> None:
        self.stalls: list[Stall] = []
        self._watch = watch
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._reactor_thread = threading.get_ident()
        threading.Thread(target=self._look, daemon=True).start()

    def report(self) -> str:
        """The stalls in which the reactor's thread computed most, and where it was in all of them."""
        lines = [f"{len(self.stalls)} times late by more than {_BLAMED * 1000:.0f} ms"]
        for stall in sorted(self.stalls, key=lambda stall: -stall.computed)[:10]:
            lines.append(f"late by {stall.late * 1000:.0f} ms, computed {stall.computed * 1000:.0f} ms of them:")
            lines += [f"{count:5} x {stack}" for stack, count in stall.stacks.most_common(6)]
        together = sum((stall.stacks for stall in self.stalls), Counter[str]())
        lines += ["In all of them:", *(f"{count:5} x {stack}" for stack, count in together.most_common(25))]
        return "\n".join(lines)

    def _look(self) -> None:
        due, busy, stacks = 0.0, 0.0, Counter[str]()
        late = 0.0
        while True:
            time.sleep(INTERVAL / 2)
            if stacks and self._watch.due != due:
                computed = time.clock_gettime(self._clock) - busy
                self.stalls.append(Stall(late, computed, stacks))
                stacks = Counter()
            due, busy = self._watch.due, self._watch.busy
            late = time.monotonic() - due
            if late > _BLAMED:
                stacks[self._stacks()] += 1

    def _stacks(self) -> str:
        """Where the reactor's thread is, and who else is at work."""
        frames = sys._current_frames()
        main = _places(frames.pop(self._reactor_thread))
        others = [_places(frame)[0] for thread, frame in frames.items() if thread != threading.get_ident()]
        idle = ("wait ", "_watch ", "_look ")
        working = Counter(place.partition(" ")[0] for place in others if not place.startswith(idle))
        ours = [place for place in main[1:] if _PACKAGE in place][:3]
        meanwhile = ", ".join(f"{count} {function}" for function, count in sorted(working.items()))
        return " < ".join([main[0], *ours]) + (f" | meanwhile {meanwhile}" if meanwhile else "")


def places_of_thread(ident: int | None) -> str:
    """Return where a thread is, the innermost frame first, and those of the package."""
    places = _places(sys._current_frames().get(ident or 0))
    ours = [place for place in places[1:] if _PACKAGE in place][:3]
    return " < ".join([*places[:3], *ours])


def _places(frame: FrameType | None) -> list[str]:
    """Function, file and line of each frame, the innermost first."""
    places: list[str] = []
    while frame is not None and len(places) < _DEEPEST:
        file = Path(frame.f_code.co_filename).parts
        start = file.index(_PACKAGE) if _PACKAGE in file else -2
        places.append(f"{frame.f_code.co_name} {'/'.join(file[start:])}:{frame.f_lineno}")
        frame = frame.f_back
    return places
