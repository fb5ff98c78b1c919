from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger

from sse_twisted.runtime.gc_freeze import FEW, INTERVAL, MANY, MOST, ROUNDS, TRIM_PAUSE, GcFreeze, importing


class Thing:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself: Thing | None = self


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
def every() -> Iterator[list[int]]:
    """The generation of each collection."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def garbage(count: int = FEW) -> weakref.ref[Thing]:
    """So many things that nothing else refers to; the first of them."""
    things = [Thing() for _ in range(count)]
    return weakref.ref(things[0])


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


@pytest.mark.usefixtures("service")
def test_many_new_objects_begin_no_collection(every: list[int]) -> None:
    things = [Thing() for _ in range(300_000)]
    assert (len(things), every) == (300_000, [])


def test_python_collects_by_itself_again_after_the_end(service: GcFreeze, every: list[int]) -> None:
    service.stopService()
    things = [Thing() for _ in range(300_000)]
    assert len(things) == 300_000
    assert 2 in every
    gc.freeze()


@pytest.mark.usefixtures("service")
def test_later_objects_are_collected_soon(clock: Clock) -> None:
    gone = garbage()
    pass_time(clock, ROUNDS * INTERVAL)
    assert gone() is None


@pytest.mark.usefixtures("service")
def test_garbage_that_comes_slowly_is_collected_some_time(clock: Clock) -> None:
    gone = garbage(FEW // 10)
    pass_time(clock, INTERVAL)
    assert gone() is not None
    for _ in range(10):
        garbage(FEW // 10)
        pass_time(clock, ROUNDS * INTERVAL)
    assert gone() is None


@pytest.mark.usefixtures("service")
def test_very_many_objects_are_not_looked_at(clock: Clock, every: list[int]) -> None:
    things = [Thing() for _ in range(MOST)]
    pass_time(clock, INTERVAL)
    assert every == []
    assert len(gc.get_objects()) < len(things) / 10
    gone = garbage()
    pass_time(clock, ROUNDS * INTERVAL)
    assert gone() is None


@pytest.mark.usefixtures("service")
def test_where_many_come_and_go_they_are_counted_before_a_look(clock: Clock, every: list[int]) -> None:
    """As many excluded ones have gone as have come: there seem to be few."""
    before = [Thing() for _ in range(MOST + FEW)]
    pass_time(clock, INTERVAL)  # excluded, for they are many
    things = [Thing() for _ in range(MOST)]
    for thing in before:
        thing.itself = None
    del before[FEW:]
    garbage(2 * FEW)
    assert FEW <= gc.get_count()[0] <= MOST
    pass_time(clock, ROUNDS * INTERVAL)
    assert every == []
    assert len(gc.get_objects()) < len(things) / 10


@pytest.mark.usefixtures("service")
def test_without_new_objects_nothing_is_collected(clock: Clock, every: list[int]) -> None:
    pass_time(clock, 2 * TRIM_PAUSE)
    assert every == []


@pytest.mark.usefixtures("service")
def test_many_objects_that_survive_are_not_looked_at_again(clock: Clock) -> None:
    some = [Thing() for _ in range(MANY // 2)]
    garbage()
    pass_time(clock, ROUNDS * INTERVAL)
    assert len(gc.get_objects()) > len(some)
    some += [Thing() for _ in range(MANY)]
    garbage()
    pass_time(clock, ROUNDS * INTERVAL)
    assert len(gc.get_objects()) < MANY / 2
    gone = garbage()
    pass_time(clock, ROUNDS * INTERVAL)
    assert gone() is None


def test_no_garbage_is_looked_for_while_a_start_imports_nor_in_what_it_has_imported(every: list[int]) -> None:
    with importing():
        imported = [[number] for number in range(100_000)]
        assert not every
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
