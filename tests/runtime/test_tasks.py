from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent

from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.tasks import Tasks

FAILED = "{device} failed"


@pytest.fixture
def tasks() -> Tasks:
    return Tasks(Logger())


def start(tasks: Tasks, key: str, waiting: Deferred[None], then: Callable[[], object] = lambda: None) -> Deferred[None]:
    async def work() -> None:
        await waiting
        then()

    return tasks.start(key, work(), FAILED, device=key)


def start_writing(tasks: Tasks, key: str, end: Deferred[None]) -> Deferred[None]:
    """A task that has ended only when `end` fires, even if it is cancelled: a thread writes a file for it."""
    disk = Disk(lambda *_: end, Clock(), Logger(), lambda: None)
    return tasks.start(key, disk.run(lambda: None), FAILED, device=key)


def test_a_task_runs_until_its_coroutine_ends(tasks: Tasks) -> None:
    waiting: Deferred[None] = Deferred()
    task = start(tasks, "a", waiting)
    assert "a" in tasks
    assert "b" not in tasks
    waiting.callback(None)
    assert task.called
    assert "a" not in tasks


def test_a_task_that_never_waits_has_ended_when_start_returns(tasks: Tasks) -> None:
    waiting: Deferred[None] = Deferred()
    waiting.callback(None)
    assert start(tasks, "a", waiting).called
    assert "a" not in tasks
    assert tasks.stop().called


def test_a_failure_is_logged_with_its_fields_and_ends_in_none(tasks: Tasks, logged_failures: list[LogEvent]) -> None:
    results: list[object] = []
    waiting: Deferred[None] = Deferred()
    start(tasks, "motion-653", waiting, lambda: 1 / 0).addBoth(results.append)
    waiting.callback(None)
    assert results == [None]
    assert "motion-653" not in tasks
    assert [formatEvent(event) for event in logged_failures] == ["motion-653 failed"]
    assert logged_failures[0]["log_failure"].type is ZeroDivisionError
    logged_failures.clear()


def test_a_cancelled_task_ends_and_logs_nothing(tasks: Tasks, logged_failures: list[LogEvent]) -> None:
    task = start(tasks, "a", Deferred())
    tasks.cancel("b")
    assert not task.called
    tasks.cancel("a")
    assert task.called
    assert "a" not in tasks
    assert not logged_failures


def test_a_second_task_of_a_key_replaces_the_first_one(tasks: Tasks) -> None:
    first = start(tasks, "a", Deferred())
    second = start(tasks, "a", Deferred())
    assert first.called
    assert not second.called
    assert "a" in tasks


def test_the_end_of_a_replaced_task_does_not_end_its_successor(tasks: Tasks) -> None:
    end: Deferred[None] = Deferred()
    first = start_writing(tasks, "a", end)
    second = start(tasks, "a", Deferred())
    end.callback(None)
    assert first.called
    assert "a" in tasks
    tasks.cancel("a")
    assert second.called


def test_stop_waits_for_the_last_task_even_if_it_was_replaced(tasks: Tasks) -> None:
    end: Deferred[None] = Deferred()
    start_writing(tasks, "a", end)
    start(tasks, "a", Deferred())
    start(tasks, "b", Deferred())
    stopped = tasks.stop()
    assert "b" not in tasks
    assert not stopped.called
    end.callback(None)
    assert stopped.called


def test_stop_ends_at_once_when_nothing_runs(tasks: Tasks) -> None:
    assert tasks.stop().called


def test_at_stop_no_task_passes_its_lock_to_the_next(tasks: Tasks) -> None:
    lock, entered = DeferredLock(), list[str]()

    async def hold(key: str) -> None:
        async with lock:
            entered.append(key)
            await Deferred()

    for key in ("a", "b", "c"):
        tasks.start(key, hold(key), FAILED, device=key)
    assert tasks.stop().called
    assert entered == ["a"]
