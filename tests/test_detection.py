from __future__ import annotations

from sse_twisted.settings import Devices, Settings
from sse_twisted.simulator.faults import parse_fault
from tests.event import VirtualEvent, log_of


def test_a_fixed_address_needs_no_name(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.settings = Settings(devices=Devices(addresses={"motion-601": event.servers[601].interface}))
    event.arrive(601)
    event.names.known.clear()
    event.start()
    event.until("motion-601 can be disconnected")
    assert "motion-601" not in event.names.asked


def test_the_last_address_is_tried_while_the_name_is_looked_up(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    event.leave(601)
    event.until("has been disconnected")
    event.names.silent.add("motion-601")
    event.arrive(601)
    event.lines.clear()
    event.advance(2.5)
    assert event.said("motion-601 is connected")


def test_a_new_address_is_found_by_name_while_the_last_one_is_dead(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    event.leave(601)
    event.until("has been disconnected")
    event.servers[601].interface = "10.0.9.9"
    event.arrive(601)
    event.lines.clear()
    event.advance(2.5)
    assert event.said("motion-601 detected at 10.0.9.9")


def test_another_device_at_the_address_is_noted_once(event: VirtualEvent) -> None:
    event.device(601)
    event.device(605, log_of(605))
    event.arrive(605)
    event.names.known = {"motion-601": event.servers[605].interface}
    event.start()
    event.until("motion-601 is not at 10.0.2.93: motion-605 answers there")
    event.until("motion-605 can be disconnected")
    event.advance(30)
    assert len(event.said("motion-605 answers there")) == 1


def test_an_address_in_use_by_a_device_that_is_there_is_left_alone(event: VirtualEvent) -> None:
    event.device(601)
    device = event.device(605, log_of(605, fixes=4000))
    device.bytes_per_second = 4000
    event.arrive(605)
    event.start()
    event.until("motion-605 ABC605XYZ_605_20221017_090000.oao queued")
    event.advance(1)
    event.names.known["motion-601"] = event.servers[605].interface
    before = len(event.reactor.attempts)
    event.advance(20)
    assert len(event.reactor.attempts) == before


def test_an_address_where_nobody_answers_is_said_once_and_only_to_who_debugs(event: VirtualEvent) -> None:
    event.device(601)
    event.arrive(601)
    event.leave(601)
    event.start()
    event.advance(30)
    assert event.said("not accepting connections") == [
        "DEBUG motion-601 not accepting connections at 10.0.2.89 (does not accept the connection)"
    ]


def test_something_that_is_no_motion_is_said_once(event: VirtualEvent) -> None:
    event.device(601).add_fault(parse_fault("html")[0])
    event.arrive(601)
    event.start()
    event.advance(30)
    assert len(event.said("WARN motion-601 does not answer as it should at 10.0.2.89: info.json is no JSON")) == 1


def test_two_devices_that_swap_their_addresses_are_both_collected(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.device(602, log_of(602))
    event.arrive(601, 602)
    event.start()
    event.until("motion-602 can be disconnected")
    first, second = event.servers[601], event.servers[602]
    event.leave(601, 602)
    event.advance(0.1)
    first.interface, second.interface = second.interface, first.interface
    first.device.logs.append(log_of(601, first.device.logs[0].entry["start_date"] + 3_600_000))
    event.arrive(601, 602)
    event.lines.clear()
    event.until("motion-601 has been disconnected")
    event.until("motion-601 can be disconnected")
    event.until("motion-602 can be disconnected")
    assert len(event.tracks()) == 3
