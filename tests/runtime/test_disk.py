from __future__ import annotations

import errno
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent

from sse_twisted.runtime.disk import CHECK_INTERVAL, LONGEST_WAIT, Disk, DiskHangs, DiskTrouble, answers
from sse_twisted.runtime.disk_threads import DiskThreads
from tests.simulator.wire import on_the_reactor
from tests.support.virtual import LateThreads, at_once

FULL = OSError(errno.ENOSPC, "No space left on device", "/event/gpslogs/a.oao")


def timers(clock: Clock) -> list[Any]:
    """What is due later than now."""
    clock.advance(0)
    return list(clock.getDelayedCalls())


@define
class Threads:
    """Threads that do what they are given when a test says so."""

    jobs: list[tuple[Callable[[], Any], Deferred[Any]]] = field(factory=list)

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append((lambda: function(*args, **kwargs), done))
        return done

    def work(self) -> None:
        jobs, self.jobs = self.jobs, []
        for job, done in jobs:
            maybeDeferred(job).addBoth(done.callback)


@define
class Scene:
    """A disk, its clock, and what it says."""

    clock: Clock = field(factory=Clock)
    threads: Threads = field(factory=Threads)
    lines: list[str] = field(factory=list)
    works_again: list[None] = field(factory=list)
    writable: Exception | None = None
    disk: Disk = field(init=False)

    def __attrs_post_init__(self) -> None:
        log = Logger(namespace="test", observer=cast(ILogObserver, self._note))
        self.disk = Disk(self.threads.start, self.clock, log, self._check)
        self.disk.when_it_works_again(lambda: self.works_again.append(None))
        self.disk.startService()

    def look(self) -> None:
        self.clock.advance(CHECK_INTERVAL)
        self.threads.work()

    def write(self, failure: Exception) -> list[Any]:
        results: list[Any] = []
        Deferred.fromCoroutine(self.disk.write(fail, failure)).addBoth(results.append)
        self.threads.work()
        return results

    def _check(self) -> None:
        if self.writable is not None:
            raise self.writable

    def _note(self, event: LogEvent) -> None:
        self.lines.append(f"{event['log_level'].name} {formatEvent(event)}")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def fail(failure: Exception) -> None:
    raise failure


def started(scene: Scene, function: Callable[..., Any], *args: Any) -> tuple[Deferred[Any], list[Any]]:
    results: list[Any] = []
    running = Deferred.fromCoroutine(scene.disk.run(function, *args))
    running.addBoth(results.append)
    return running, results


def test_a_function_runs_in_a_thread_and_its_result_comes_back(scene: Scene) -> None:
    _, results = started(scene, divmod, 7, 2)
    assert results == []
    scene.threads.work()
    assert results == [(3, 1)]


def test_what_a_function_raises_comes_back(scene: Scene) -> None:
    _, results = started(scene, fail, ValueError("x"))
    scene.threads.work()
    assert results[0].type is ValueError


@pytest.mark.parametrize("job", [lambda: 5, lambda: fail(FULL)])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_who_cancels_waits_for_the_thread_all_the_same(scene: Scene, job: Callable[[], Any], times: int) -> None:
    """Nobody else may open the file while a thread still writes to it; leaving and stopping may both cancel."""
    running, results = started(scene, job)
    for _ in range(times):
        running.cancel()
        assert results == []
    scene.threads.work()
    assert results[0].type is CancelledError


def test_a_cancelled_write_is_no_trouble(scene: Scene) -> None:
    running = Deferred.fromCoroutine(scene.disk.write(fail, FULL))
    results: list[Any] = []
    running.addBoth(results.append)
    running.cancel()
    scene.threads.work()
    assert results[0].type is CancelledError


def test_a_disk_that_can_not_be_written_to_is_trouble_and_not_the_fault_of_a_device(scene: Scene) -> None:
    (failure,) = scene.write(FULL)
    assert failure.type is DiskTrouble
    assert str(failure.value) == scene.disk.trouble == "No space left on device (/event/gpslogs/a.oao)"
    assert scene.lines == ["critical Downloads pause: No space left on device (/event/gpslogs/a.oao)"]
    scene.disk.stopService()


def test_a_path_that_is_no_utf_8_does_not_keep_the_trouble_from_the_board(scene: Scene) -> None:
    scene.write(OSError(errno.ENOSPC, "No space left on device", os.fsdecode(b"/\xc9v\xe9nement/a.oao")))
    assert scene.disk.trouble.encode() == rb"No space left on device (/\xdcc9v\xdce9nement/a.oao)"
    scene.disk.stopService()


def test_what_is_no_matter_of_the_disk_is_no_trouble(scene: Scene) -> None:
    (failure,) = scene.write(ValueError("x"))
    assert failure.type is ValueError
    assert scene.disk.trouble == ""
    assert scene.lines == []


def test_trouble_is_said_once_and_its_end_once(scene: Scene) -> None:
    scene.writable = FULL
    for _ in range(3):
        scene.write(FULL)
    scene.disk.pause("only 5 MB free")
    for _ in range(3):
        scene.look()
    assert len(scene.lines) == 1
    assert len(timers(scene.clock)) == 1
    assert scene.works_again == []
    scene.writable = None
    scene.look()
    assert scene.disk.trouble == ""
    assert scene.lines[1:] == ["warn Downloads resume: the disk is writable again"]
    assert scene.works_again == [None]
    assert timers(scene.clock) == []


def test_trouble_that_comes_again_is_said_again(scene: Scene) -> None:
    for _ in range(2):
        scene.write(FULL)
        scene.look()
    assert [line.split()[0] for line in scene.lines] == ["critical", "warn"] * 2
    assert len(scene.works_again) == 2


def test_an_observer_of_the_end_may_begin_another_pause(scene: Scene) -> None:
    scene.disk.when_it_works_again(lambda: scene.disk.pause("full again") if len(scene.works_again) == 1 else None)
    scene.disk.pause("full")
    scene.look()
    assert scene.disk.trouble == "full again"
    scene.look()
    assert scene.disk.trouble == ""
    assert len(scene.works_again) == 2
    assert timers(scene.clock) == []


def test_while_it_is_looked_at_it_is_still_trouble(scene: Scene) -> None:
    scene.disk.pause("full")
    scene.clock.advance(CHECK_INTERVAL)
    scene.disk.pause("full")
    assert scene.disk.trouble
    assert timers(scene.clock) == []
    scene.threads.work()
    assert scene.disk.trouble == ""


@pytest.mark.parametrize("silent", [OSError(), OSError(0, ""), OSError("")])
def test_an_error_without_words_is_trouble_too(scene: Scene, silent: OSError) -> None:
    scene.writable = silent
    for _ in range(2):
        scene.write(silent)
    assert scene.disk.trouble
    scene.look()
    assert scene.disk.trouble
    assert len(scene.lines) == 1
    assert len(timers(scene.clock)) == 1
    scene.disk.stopService()


def test_one_who_looks_on_and_fails_does_not_hide_the_end_from_others(scene: Scene) -> None:
    told: list[None] = []
    scene.disk.when_it_works_again(lambda: fail(RuntimeError("x")))
    scene.disk.when_it_works_again(lambda: told.append(None))
    scene.disk.pause("full")
    scene.look()
    assert scene.disk.trouble == ""
    assert told == [None]


def test_a_look_that_goes_wrong_in_another_way_is_followed_by_others(scene: Scene) -> None:
    """Or downloads would pause until the next start."""
    scene.writable = ValueError("x")
    scene.disk.pause("full")
    scene.look()
    scene.writable = None
    scene.look()
    assert scene.disk.trouble == ""


def test_stopping_leaves_no_timer(scene: Scene) -> None:
    scene.disk.pause("full")
    scene.disk.stopService()
    assert timers(scene.clock) == []


@pytest.mark.parametrize("writable", [None, FULL])
def test_stopping_during_a_look_leaves_no_timer(scene: Scene, writable: Exception | None) -> None:
    scene.writable = writable
    scene.disk.pause("full")
    scene.clock.advance(CHECK_INTERVAL)
    scene.disk.stopService()
    scene.threads.work()
    assert timers(scene.clock) == []
    assert scene.works_again == []


def test_trouble_after_the_stop_leaves_no_timer(scene: Scene) -> None:
    """The last visits are still letting go of their files when the disk's service has stopped."""
    scene.disk.stopService()
    (failure,) = scene.write(FULL)
    assert failure.type is DiskTrouble
    assert timers(scene.clock) == []


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor as installed

    return installed


def test_a_call_that_takes_long_is_told_until_it_ends() -> None:
    clock = Clock()
    late = LateThreads(clock, [0.0])
    disk = Disk(late.start, clock, Logger(), lambda: None)
    seen: list[str] = []

    def hang() -> None:
        for _ in range(2):
            clock.rightNow += 4.0  # in a thread, time passes
            seen.append(disk.slow)

    Deferred.fromCoroutine(disk.run(hang))
    clock.advance(0.0)
    assert seen == ["", "the disk has not answered for 8 s"]
    assert disk.slow == ""


def test_nothing_is_written_where_the_guard_refuses_and_reading_goes_on() -> None:
    clock, done = Clock(), []

    def guard() -> None:
        raise OSError(errno.ESTALE, "the folder has gone", "/event")

    disk = Disk(at_once, clock, Logger(), guard, guard)
    failures: list[Any] = []
    for action in (disk.write(lambda: done.append("written")), disk.check()):
        Deferred.fromCoroutine(action).addErrback(failures.append)
    assert [str(failure.value) for failure in failures] == ["the folder has gone (/event)"] * 2
    assert disk.trouble == "the folder has gone (/event)"
    Deferred.fromCoroutine(disk.run(lambda: done.append("read")))
    assert done == ["read"]


class Nonsense:
    """Something large."""


@on_the_reactor
async def test_what_a_failed_function_worked_on_does_not_wait_for_the_garbage_collector(reactor: Any) -> None:
    seen: list[weakref.ref[Nonsense]] = []

    def parse() -> None:
        nonsense = Nonsense()
        seen.append(weakref.ref(nonsense))
        raise ValueError("nonsense")

    disk = Disk(DiskThreads(reactor).start, Clock(), Logger(), lambda: None)
    gc.disable()
    try:
        with suppress(ValueError):
            await disk.run(parse)
        for _ in range(2):  # in the same turn the reactor still holds the outcome
            await deferLater(reactor, 0)
        assert [each() for each in seen] == [None]
    finally:
        gc.enable()


@define
class HangingThreads:
    """Threads that begin what they are given, and end it when a test says so."""

    begun: int = 0
    ends: list[Callable[[], None]] = field(factory=list)

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run the job in a real thread, which waits in the middle of it."""
        done: Deferred[Any] = Deferred()
        began, released = threading.Event(), threading.Event()
        results: list[Any] = []

        def wait_and(inner: Callable[..., Any], *more: Any, **named: Any) -> Any:
            began.set()
            released.wait()
            return inner(*more, **named)

        outcome, guarded, inner, *more = args
        job = threading.Thread(
            target=lambda: results.append(function(outcome, guarded, wait_and, inner, *more, **kwargs))
        )
        job.start()
        began.wait()
        self.begun += 1

        def end() -> None:
            released.set()
            job.join()
            done.callback(results[0])

        self.ends.append(end)
        return done

    def end(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            end()


@pytest.fixture
def hanging() -> Iterator[HangingThreads]:
    threads = HangingThreads()
    yield threads
    threads.end()


class TestADiskThatHangs:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def disk(self, clock: Clock, hanging: HangingThreads) -> Disk:
        return Disk(hanging.start, clock, Logger(observer=cast(ILogObserver, lambda event: None)), lambda: None)

    def read(self, disk: Disk) -> list[Any]:
        results: list[Any] = []
        Deferred.fromCoroutine(disk.read(lambda: "read")).addBoth(results.append)
        return results

    def test_a_reader_gets_what_it_waits_for(self, disk: Disk, clock: Clock, hanging: HangingThreads) -> None:
        reading = self.read(disk)
        clock.pump([1.0] * int(LONGEST_WAIT - 1))
        assert not reading
        hanging.end()
        assert reading == ["read"]
        assert not timers(clock)

    def test_a_reader_is_told_after_a_while_and_the_next_at_once(
        self, disk: Disk, clock: Clock, hanging: HangingThreads
    ) -> None:
        first = self.read(disk)
        clock.pump([1.0] * int(LONGEST_WAIT + 1))
        assert first[0].check(DiskHangs)
        assert str(first[0].value) == "the disk has not answered for 11 s"
        assert self.read(disk)[0].check(DiskHangs)
        assert hanging.begun == 1
        hanging.end()
        later = self.read(disk)
        hanging.end()
        assert later == ["read"]
        assert not timers(clock)

    def test_a_reader_that_leaves_is_waited_for_so_that_few_wait(
        self, disk: Disk, clock: Clock, hanging: HangingThreads
    ) -> None:
        results: list[Any] = []
        reading = Deferred.fromCoroutine(disk.read(lambda: "read"))
        reading.addBoth(results.append)
        reading.cancel()
        assert not results
        hanging.end()
        assert results[0].check(CancelledError)

    def test_work_that_nobody_waits_for_goes_on(self, disk: Disk, clock: Clock, hanging: HangingThreads) -> None:
        done: list[str] = []

        async def work() -> None:
            done.append(await disk.run(lambda: "saved"))

        results: list[Any] = []
        Deferred.fromCoroutine(disk.while_it_answers(work())).addBoth(results.append)
        clock.pump([1.0] * int(LONGEST_WAIT + 1))
        assert results[0].check(DiskHangs)
        hanging.end()
        assert done == ["saved"]


def test_a_folder_that_can_be_read_or_is_missing_answers(tmp_path: Path) -> None:
    assert answers(tmp_path, 60)
    assert answers(tmp_path / "missing", 60)


def test_a_folder_that_cannot_be_read_in_time_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([released.wait()]))
    assert not answers(tmp_path, 0.01)
    released.set()
