from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger

from sse_twisted.runtime.gc_freeze import (
    BUSY,
    HURRY,
    INTERVAL,
    LEFT_OUT,
    LONGEST,
    MANY,
    MIN_COLLECTIONS,
    MOST,
    TRIM_PAUSE,
    VERY_MANY,
    GcFreeze,
    importing,
)


class Thing:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def no_garbage_of_earlier_tests(logged_failures: list[LogEvent]) -> None:
    """Coroutines that they left in the middle fail when they are collected, and here all objects are."""
    gc.unfreeze()
    gc.collect()
    logged_failures.clear()
    gc.freeze()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Iterator[GcFreeze]:
    service = GcFreeze(clock, Logger())
    service.startService()
    yield service
    if service.running:
        service.stopService()


@pytest.fixture
def full() -> Iterator[list[int]]:
    """The full collections, one entry each."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and info["generation"] == 2:
            seen.append(1)

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def old_garbage() -> weakref.ref[Thing]:
    """A thing that only a full collection removes, and as many younger collections as make one worthwhile."""
    thing = Thing()
    for _ in range(MIN_COLLECTIONS):
        gc.collect(1)
    return weakref.ref(thing)


def pass_time(clock: Clock, seconds: float) -> None:
    clock.pump([INTERVAL] * round(seconds / INTERVAL))


def test_objects_of_the_start_are_excluded_until_the_end(clock: Clock) -> None:
    gc.unfreeze()  # the suite has left out all that there is, before each test
    service = GcFreeze(clock, Logger())
    before = len(gc.get_objects())
    service.startService()
    try:
        assert len(gc.get_objects()) < before / 10
    finally:
        service.stopService()
    assert len(gc.get_objects()) > before / 2
    gc.freeze()


def test_many_new_objects_begin_no_full_collection(service: GcFreeze, full: list[int]) -> None:
    things = [Thing() for _ in range(300_000)]
    assert (len(things), full) == (300_000, [])


def test_python_collects_by_itself_again_after_the_end(service: GcFreeze, full: list[int]) -> None:
    service.stopService()
    things = [Thing() for _ in range(300_000)]
    assert len(things) == 300_000
    assert full
    gc.freeze()


def test_later_objects_are_collected_soon(service: GcFreeze, clock: Clock) -> None:
    gone = old_garbage()
    pass_time(clock, INTERVAL)
    assert gone() is None


def test_where_very_many_objects_are_in_use_some_looks_are_left_out(
    service: GcFreeze, clock: Clock, full: list[int]
) -> None:
    things = [Thing() for _ in range(VERY_MANY)]
    old_garbage()
    pass_time(clock, INTERVAL)
    assert len(gc.get_objects()) < len(things) / 10
    for _ in range(LEFT_OUT):
        old_garbage()
        pass_time(clock, INTERVAL)
    assert full == []
    gone = old_garbage()
    pass_time(clock, INTERVAL)
    assert gone() is None


def test_many_objects_are_left_out_and_counted_again(service: GcFreeze, clock: Clock, full: list[int]) -> None:
    things = [Thing() for _ in range(MOST)]
    old_garbage()
    pass_time(clock, INTERVAL)
    assert full == []
    assert len(gc.get_objects()) < len(things) / 10
    gone = old_garbage()
    pass_time(clock, INTERVAL)
    assert gone() is None


def test_where_very_many_are_new_they_are_left_out_soon_again_until_few_are(service: GcFreeze, clock: Clock) -> None:
    things = [Thing() for _ in range(MOST)]
    old_garbage()
    pass_time(clock, INTERVAL)
    for _ in range(3):
        things += [Thing() for _ in range(BUSY)]
        clock.advance(HURRY)
        assert len(gc.get_objects()) < BUSY / 2
    clock.advance(HURRY)
    few = [Thing() for _ in range(BUSY)]
    clock.advance(HURRY)
    assert len(gc.get_objects()) >= len(few)


def test_no_timer_is_left_after_the_end(service: GcFreeze, clock: Clock) -> None:
    things = [Thing() for _ in range(MOST)]
    old_garbage()
    pass_time(clock, INTERVAL)
    service.stopService()
    assert (len(things), clock.getDelayedCalls()) == (MOST, [])


def test_after_a_long_look_some_are_left_out(service: GcFreeze, clock: Clock, full: list[int]) -> None:
    """Objects may refer to thousands of others, and a computer may be slow."""

    def take_time(phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            clock.rightNow += 2 * LONGEST

    gc.callbacks.append(take_time)
    try:
        for _ in range(LEFT_OUT + 2):
            old_garbage()
            pass_time(clock, INTERVAL)
    finally:
        gc.callbacks.remove(take_time)
    assert len(full) == 2


def test_without_new_objects_nothing_is_collected(service: GcFreeze, clock: Clock, full: list[int]) -> None:
    pass_time(clock, 2 * TRIM_PAUSE)
    assert full == []


def test_many_objects_that_survive_are_not_looked_at_again(service: GcFreeze, clock: Clock) -> None:
    some = [Thing() for _ in range(MANY // 2)]
    old_garbage()
    pass_time(clock, INTERVAL)
    assert len(gc.get_objects()) > len(some)
    some += [Thing() for _ in range(MANY)]
    old_garbage()
    pass_time(clock, INTERVAL)
    assert len(gc.get_objects()) < MANY / 2
    gone = old_garbage()
    pass_time(clock, INTERVAL)
    assert gone() is None


def test_no_garbage_is_looked_for_while_a_start_imports_nor_in_what_it_has_imported(full: list[int]) -> None:
    with importing():
        imported = [[number] for number in range(100_000)]
        assert not full
    assert gc.isenabled()
    assert not any(each is imported for each in gc.get_objects())
    assert imported[0] == [0]


def test_who_has_switched_the_collector_off_finds_it_off_after_an_import() -> None:
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
