"""A network in which every address answers with a web page."""

from __future__ import annotations

import pytest

from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import RealEvent

ABSENT = range(601, 661)
OPENS = "as in a WiFi with a login page: those devices count as absent"


def condition(event: RealEvent) -> str:
    """What is wrong with the names."""
    assert event.collector is not None
    return next(each.text for each in event.collector.conditions() if each.subject == "names")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["html", "redirect"])
@on_the_reactor
async def test_sixty_absent_names_behind_a_portal_are_one_line_and_a_sign(event: RealEvent, page: str) -> None:
    for identifier in ABSENT:
        event.device(identifier).add_fault(Fault(page))
    await event.begin()
    await event.until(OPENS)
    assert event.collector is not None

    rounds = event.collector.statistics.figures().requests
    await event.becomes(
        lambda: event.collector and event.collector.statistics.figures().requests > rounds + 300, "scanned again"
    )

    assert len(event.said(OPENS)) == 1
    assert not event.said("invalid response")
    assert not [device for device in event.collector.fleet if device.oddity]
    assert "login page" in condition(event)
    assert not all(each.ok for each in event.collector.conditions())


@on_the_reactor
async def test_a_portal_that_has_gone_is_one_line_too_and_the_devices_are_collected(event: RealEvent) -> None:
    devices = [event.device(identifier, log_of(identifier)) for identifier in range(601, 611)]
    for device in devices:
        device.add_fault(Fault("html"), path="info.json")
    await event.begin()
    await event.until(OPENS)
    for device in devices:
        device.clear_faults()
    for device in devices:
        await event.until(f"motion-{device.identifier} can be disconnected")
    assert len(event.said("no longer answer with a web page")) == 1
    assert condition(event) == ""


@on_the_reactor
async def test_a_page_for_many_names_is_no_network_problem_while_a_device_is_here(event: RealEvent) -> None:
    for identifier in range(601, 611):
        event.device(identifier).add_fault(Fault("html"))
    event.device(611, log_of(611))
    await event.begin()
    await event.until("motion-611 can be disconnected")
    await event.until(OPENS)
    assert condition(event) == ""
    assert not event.said("invalid response")
    await event.leave(611)
    await event.becomes(lambda: "login page" in condition(event), "a network problem")


@on_the_reactor
async def test_a_web_page_at_a_few_addresses_is_a_fault_of_those_devices(event: RealEvent) -> None:
    for identifier in range(601, 605):
        event.device(identifier).add_fault(Fault("html"))
    await event.begin()
    for identifier in range(601, 605):
        await event.until(f"motion-{identifier} invalid response at ")
    await event.becomes(
        lambda: event.collector and all(event.known(identifier).oddity for identifier in range(601, 605)), "odd"
    )
    assert not event.said(OPENS)
    assert condition(event) == ""
