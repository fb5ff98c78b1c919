"""Group commit: many writers wait for the disk together.

A writer is a generator. It yields descriptors when it can go on only after all of them are on disk: after the bytes of
a hidden file before its rename, after the rename before it says that the file is there. All that became due in the
meantime is synced at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from sse_twisted.runtime.file_sync import sync_open

T = TypeVar("T")
Steps = Generator[Collection[int], None, T]
Sync = Callable[[Iterable[int]], dict[int, OSError]]
FEW = 2  # writers in a hurry that need not wait for others
INTERVAL = 0.1  # s between rounds of more, or of patient ones
GUARDED = 0.01  # s that the guard's word counts for, but never across a sync
Starter = Callable[..., Deferred[Any]]  # starts a function with its arguments somewhere; fires with its result


def at_once(steps: Steps[T]) -> T:
    """Run all steps here, and sync what they yield one by one. Blocks; raises what they raise, or OSError."""
    try:
        due = next(steps)
        while True:
            try:
                for descriptor in due:
                    sync_open(descriptor)
            except OSError as error:
                due = steps.throw(error)
            else:
                due = next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


@define(eq=False)
class _Writer:
    """Steps under way: what they wait for, None before the first one, and what fires at their end."""

    steps: Steps[Any]
    done: Deferred[Any]
    is_patient: bool
    due: Collection[int] | None = None
    outcome: Any = None
    has_ended: bool = field(default=False)

    def go_on(self, error: OSError | None = None) -> None:
        """Run until something must be on disk, or to the end. Blocks."""
        try:
            self.due = self.steps.throw(error) if error is not None else next(self.steps)
        except StopIteration as end:
            self.has_ended, self.outcome = True, end.value
        except BaseException:  # noqa: BLE001 - whoever waits gets it
            self.has_ended, self.outcome = True, Failure()


class GroupSync:
    """Runs the steps of all writers in one thread at a time, in rounds, each of which syncs all that is due."""

    def __init__(
        self, start: Starter, sync: Sync, clock: IReactorTime, guard: Callable[[], None] = lambda: None
    ) -> None:
        """`guard` is called in the thread before the first steps and after each sync, and again each GUARDED s.

        Its OSError takes the place of a failed sync.
        """
        self._clock = clock
        self._guarded_until = 0.0  # s of the clock
        self._not_before = 0.0  # s of the clock, when the next round of many may begin
        self._timer: IDelayedCall | None = None  # until then
        self._start = start
        self._sync = sync
        self._guard = guard
        self._writers: list[_Writer] = []
        self._hurried = 0  # of them
        self._is_running = False

    def run(self, steps: Steps[T], *, is_patient: bool = False) -> Deferred[T]:
        """Run steps; the Deferred fires with their result when all that they yielded is on disk.

        For one that is patient no round begins sooner than for many, and nobody waits for it.
        """
        done: Deferred[T] = Deferred()
        self._writers.append(_Writer(steps, done, is_patient))
        self._hurried += not is_patient
        if not self._is_running:
            self._is_running = True
            self._next_round()
        elif self._timer is not None and self._is_for_few:
            self._timer.reset(0)
        return done

    @property
    def waiting(self) -> int:
        """The writers whose turn has not come yet."""
        return len(self._writers)

    @property
    def _is_for_few(self) -> bool:
        return 0 < self._hurried <= FEW

    def _next_round(self) -> None:
        """Begin a round; where many wait, not sooner than INTERVAL after the last one: more may come."""
        wait = self._not_before - self._clock.seconds()
        if self._writers and not self._is_for_few and wait > 0:
            self._timer = self._clock.callLater(wait, self._begin_round)
        else:
            self._begin_round()

    def _begin_round(self) -> None:
        self._timer = None
        writers, self._writers, self._hurried = self._writers, [], 0
        if not writers:
            self._is_running = False
            return
        self._not_before = self._clock.seconds() + INTERVAL
        self._start(self._round, writers).addBoth(self._end_round, writers)

    def _end_round(self, result: object, writers: list[_Writer]) -> None:
        for writer in writers:
            if isinstance(result, Failure):  # of the thread itself; no writer is lost
                writer.has_ended, writer.outcome = True, result
        left = [writer for writer in writers if not writer.has_ended]
        self._writers = left + self._writers
        self._hurried += sum(not writer.is_patient for writer in left)
        for writer in writers:
            if writer.has_ended:
                writer.done.callback(writer.outcome)
        self._next_round()

    def _round(self, writers: list[_Writer]) -> None:
        """Let new writers begin, sync what all are waiting for, and let them go on. Blocks."""
        self._guarded_until = 0.0
        for writer in writers:
            if writer.due is None:
                self._go_on(writer, None)
        waiting = [writer for writer in writers if not writer.has_ended]
        errors = self._sync({descriptor for writer in waiting for descriptor in writer.due or ()})
        self._guarded_until = 0.0
        for writer in waiting:
            failed = next((errors[descriptor] for descriptor in writer.due or () if descriptor in errors), None)
            self._go_on(writer, failed)

    def _go_on(self, writer: _Writer, error: OSError | None) -> None:
        try:
            self._check()
        except OSError as gone:
            if writer.due is None:
                writer.has_ended, writer.outcome = True, Failure(gone)
                writer.steps.close()
                return
            error = error or gone
        writer.go_on(error)

    def _check(self) -> None:
        """Raise OSError if the place to write to has gone. Each look is several calls of the system."""
        now = self._clock.seconds()
        if now >= self._guarded_until:
            self._guard()
            self._guarded_until = now + GUARDED
