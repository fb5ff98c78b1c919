from __future__ import annotations

from typing import cast

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent

from sse_twisted.config.live import Target
from sse_twisted.config.settings import Devices, Settings
from sse_twisted.devices.connections import Address
from sse_twisted.fleet import MAX_STRANGERS
from sse_twisted.visits.remarks import MAX_ADDRESSES, MAX_LINES, WINDOW, Remarks
from tests.support.event import VirtualEvent, log_of

TARGET = Target(601, "motion-601")


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remarks(lines: list[str], clock: Clock) -> Remarks:
    log = Logger(observer=cast(ILogObserver, lambda event: lines.append(formatEvent(event))))
    return Remarks(clock, log)


def place(number: int) -> Address:
    return Address(f"10.0.{number // 256}.{number % 256}", 80)


def test_a_remark_on_an_address_is_logged_once_until_it_changes(remarks: Remarks, lines: list[str]) -> None:
    for text in ("odd", "odd", "worse", "odd"):
        remarks.note(TARGET, place(1), LogLevel.warn, text)
    assert lines == ["motion-601 odd", "motion-601 worse", "motion-601 odd"]


def test_ever_new_addresses_fill_neither_memory_nor_log(remarks: Remarks, lines: list[str], clock: Clock) -> None:
    for number in range(1_000):
        remarks.note(TARGET, place(number), LogLevel.warn, "odd")
    assert len(remarks._logged[TARGET]) == MAX_ADDRESSES
    assert lines == ["motion-601 odd"] * MAX_LINES
    clock.advance(WINDOW)
    remarks.note(TARGET, place(1), LogLevel.warn, "odd")
    assert lines[MAX_LINES:] == ["motion-601 … and 980 more remarks on its addresses", "motion-601 odd"]


def test_targets_that_are_no_longer_looked_for_are_dropped(remarks: Remarks) -> None:
    remarks.note(TARGET, place(1), LogLevel.warn, "odd")
    remarks.keep(set())
    assert not remarks._logged
    assert not remarks._budgets


def test_a_server_with_ever_new_numbers_at_the_address_of_a_device_adds_none_to_the_fleet(event: VirtualEvent) -> None:
    device = event.device(601)
    number = iter(range(10_000, 90_000))
    device.info["motion"]["identifier"] = 9_999
    event.arrive(601)
    collector = event.start()
    for _ in range(200):
        device.info["motion"]["identifier"] = next(number)
        event.advance(5)
    assert len(list(collector.fleet)) == 1
    assert len(event.said("motion-601 is not at ")) <= 2 * MAX_LINES
    assert len(event.lines) < 100


def test_a_listed_address_that_is_another_device_each_time_is_none_of_them(event: VirtualEvent) -> None:
    device = event.device(601, person=False)
    address = event.servers[601].interface
    event.settings = Settings(devices=Devices(listed=(address,)))
    number = iter(range(10_000, 90_000))
    event.arrive(601)
    collector = event.start()
    for _ in range(1_200):
        device.info["motion"]["identifier"] = next(number)
        event.advance(1)
    assert event.said("it is another device each time")
    assert len(list(collector.fleet)) <= MAX_STRANGERS + 10
    assert not collector.folder.drivers._of
    assert list((event.root / "motions").iterdir()) == []


def test_a_stranger_that_is_one_device_has_a_folder_with_all_its_answers(event: VirtualEvent) -> None:
    event.device(601, log_of(601), person=False)
    event.settings = Settings(devices=Devices(listed=(event.servers[601].interface,)))
    event.arrive(601)
    event.start()
    event.until("motion-601 can be disconnected")
    names = {path.name for path in event.folder.device_folder(601).iterdir()}
    assert {"info.json", "settings.json", "logs.json", "downloads.json"} <= names
