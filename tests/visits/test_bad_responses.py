from __future__ import annotations

import pytest
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig, Target
from sse_twisted.config.settings import Settings
from sse_twisted.devices.connections import Address
from sse_twisted.fleet import Fleet, Stage
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.visits.bad_responses import MAX_ADDRESSES, BadResponses
from tests.support.event import VirtualEvent, log_of


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("html", "info.json is a web page"),
        ("500", "request refused (HTTP 500)"),
        ("half-json", "info.json is not valid JSON"),
        ("redirect", "redirect not followed"),
        ("no-headers", "no response within 10 s"),
        ("reset", "connection closed without a response"),
    ],
)
def test_a_device_that_answers_badly_is_known_to_do_so(event: VirtualEvent, fault: str, said: str) -> None:
    event.device(601, log_of(601)).add_fault(parse_fault(fault)[0])
    collector = event.start()
    event.arrive(601)
    event.advance(40)
    device = event.known(601)
    assert said in device.oddity
    assert device.stage is Stage.ABSENT
    assert collector.commands.why(601) == f"on but not responding correctly ({device.oddity}): restart it"


def test_a_device_that_is_just_starting_is_given_a_round(event: VirtualEvent) -> None:
    event.device(601, log_of(601)).add_fault(parse_fault("500")[0])
    event.start()
    event.arrive(601)
    event.until("motion-601 invalid response")
    assert event.known(601).oddity == ""


def test_who_answers_well_again_is_odd_no_more(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("html")[0])
    event.start()
    event.arrive(601)
    event.advance(10)
    assert event.known(601).oddity
    device.clear_faults()
    event.until("motion-601 can be disconnected")
    assert event.known(601).oddity == ""


@pytest.mark.parametrize("way", ["it is switched off", "its name is forgotten"])
def test_who_is_not_there_any_more_is_odd_no_more(event: VirtualEvent, way: str) -> None:
    event.device(601, log_of(601)).add_fault(parse_fault("html")[0])
    event.start()
    event.arrive(601)
    event.advance(10)
    assert event.known(601).oddity
    if way == "it is switched off":
        event.leave(601)
    else:
        event.names.known.clear()
    event.advance(10)
    assert event.known(601).oddity == ""


def test_a_page_at_the_address_of_many_names_is_no_device(event: VirtualEvent) -> None:
    event.device(601).add_fault(parse_fault("html")[0])
    for number in (602, 603):
        event.person(number)
        event.names.known[f"motion-{number}"] = event.servers[601].interface
    event.start()
    event.arrive(601)
    event.advance(30)
    assert [event.known(number).oddity for number in (601, 602, 603)] == ["", "", ""]
    assert event.said("motion-602 invalid response")


def test_an_alarm_stays_one_while_its_device_answers_badly(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601, fixes=4000))
    device.bytes_per_second = 4000
    event.start()
    event.arrive(601)
    event.until("queued")
    event.leave(601)
    event.until("motion-601 left too early")
    device.add_fault(parse_fault("500")[0])
    event.arrive(601)
    event.advance(10)
    known = event.known(601)
    assert known.left_early
    assert "HTTP 500" in known.oddity


def test_an_address_of_another_device_is_one_devices_again_after_a_while(event: VirtualEvent) -> None:
    for number in (601, 602):
        event.device(number, log_of(number)).add_fault(parse_fault("html")[0])
    event.start()
    event.arrive(601)
    event.advance(10)
    assert event.known(601).oddity
    event.leave(601)
    event.servers[602].interface = event.servers[601].interface
    event.arrive(602)
    event.names.known.pop("motion-601")
    event.advance(10)
    assert not event.known(602).oddity
    event.advance(600)
    assert event.known(602).oddity


def test_who_is_not_looked_for_any_more_is_odd_no_more(event: VirtualEvent) -> None:
    event.device(601).add_fault(parse_fault("html")[0])
    event.spares()
    event.start()
    event.arrive(601)
    event.advance(10)
    assert event.known(601).oddity
    event.people.pop(0)
    event.write_roster()
    event.advance(10)
    assert not event.known(601).oddity


def test_addresses_that_change_with_each_look_up_are_not_all_remembered() -> None:
    live = LiveConfig(Settings())
    responses = BadResponses(Fleet(lambda: 7.0, Logger()), live)
    target = Target(601, "motion-601")
    for number in range(3 * MAX_ADDRESSES):
        responses.note(target, {Address(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 80): "odd"})
    assert len(responses._seen) <= MAX_ADDRESSES + 1
