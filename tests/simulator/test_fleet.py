"""Arrivals and departures of a simulated fleet, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.dns import NameServer
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.fleet import FleetMember, Schedule, SimulatedFleet, assign_faults


@define
class FakeStation:
    """A station without sockets."""

    device: SimulatedDevice
    interface: str = "127.1.0.1"
    port: int = 8080
    present: bool = False

    def arrive(self) -> Deferred[None]:
        """Be there."""
        self.present = True
        return succeed(None)

    def leave(self) -> Deferred[None]:
        """Be away."""
        self.present = False
        return succeed(None)


class Switchboard:
    """The part of a reactor that a name server needs, without a socket."""

    def listenUDP(self, port: int, protocol: object, interface: str) -> Switchboard:  # noqa: N802 - a reactor's name
        """Be the port as well."""
        return self

    def getHost(self) -> IPv4Address:
        """Where a real one would listen."""
        return IPv4Address("UDP", "127.0.0.1", 53)

    def stopListening(self) -> None:
        """Nothing was listened to."""


class Day:
    """A fleet of one device or more, from the moment of its start."""

    def __init__(self, *schedules: Schedule, **options: Any) -> None:
        self.clock = Clock()
        members = [
            FleetMember(FakeStation(SimulatedDevice(601 + number)), schedule)
            for number, schedule in enumerate(schedules)
        ]
        self.fleet = SimulatedFleet(self.clock, members, **options)
        self.fleet.startService()

    def present_after(self, seconds: float) -> set[int]:
        """Return the present devices after some more seconds."""
        self.clock.pump([1.0] * int(seconds))
        return set(self.fleet.present)


def test_devices_arrive_on_their_schedule() -> None:
    day = Day(Schedule(arrival=2), Schedule(arrival=5))
    assert day.present_after(1) == set()
    assert day.present_after(1) == {601}
    assert day.present_after(3) == {601, 602}
    assert day.present_after(10_000) == {601, 602}


def test_a_device_leaves_after_its_stay_and_does_not_come_back() -> None:
    day = Day(Schedule(stay=10))
    assert day.present_after(9) == {601}
    assert day.present_after(1) == set()
    assert day.present_after(1000) == set()
    assert not day.clock.getDelayedCalls()


def test_a_device_comes_back_for_as_many_visits_as_planned() -> None:
    day = Day(Schedule(stay=10, away=20, visits=2))
    assert [len(day.present_after(5)) for _ in range(10)] == [1, 0, 0, 0, 0, 1, 1, 0, 0, 0]
    assert day.present_after(1000) == set()
    assert not day.clock.getDelayedCalls()


def test_a_released_device_leaves_a_little_later() -> None:
    day = Day(Schedule(linger=4), Schedule())
    assert day.present_after(1) == {601, 602}
    day.fleet.release(601)
    assert day.present_after(3) == {601, 602}
    assert day.present_after(1) == {602}


def test_releasing_an_absent_or_unknown_device_does_nothing() -> None:
    day = Day(Schedule(arrival=5))
    day.fleet.release(601)
    day.fleet.release(999)
    assert day.present_after(100) == {601}


def test_a_device_leaves_when_its_condition_holds() -> None:
    collected: set[int] = set()
    day = Day(Schedule(linger=2, leaves_when=lambda: 601 in collected))
    assert day.present_after(100) == {601}
    collected.add(601)
    assert day.present_after(1) == {601}
    assert day.present_after(2) == set()


def test_a_stay_ends_even_if_the_condition_never_holds() -> None:
    day = Day(Schedule(stay=30, leaves_when=lambda: False))
    assert day.present_after(29) == {601}
    assert day.present_after(1) == set()
    assert not day.clock.getDelayedCalls()


def test_devices_can_be_moved_regardless_of_their_schedule() -> None:
    day = Day(Schedule(arrival=1000))
    day.fleet.arrive(601)
    assert day.fleet.present == {601}
    day.fleet.depart(601)
    assert day.present_after(10_000) == set()


@pytest.mark.parametrize("stale", [False, True])
def test_names_are_those_of_present_devices_unless_they_may_be_stale(stale: bool) -> None:
    names = NameServer(Switchboard())
    day = Day(Schedule(arrival=5, stay=10), name_server=names, stale_names=stale)
    always = {"motion-601": "127.1.0.1"}
    assert names.names == (always if stale else {})
    day.present_after(5)
    assert names.names == always
    day.present_after(10)
    assert names.names == (always if stale else {})


def test_addresses_are_known_before_the_first_arrival() -> None:
    assert Day(Schedule(arrival=5)).fleet.addresses == {601: ("127.1.0.1", 8080)}


def test_a_stopped_fleet_has_no_device_and_no_timer() -> None:
    day = Day(Schedule(stay=10), Schedule(arrival=50), Schedule(leaves_when=lambda: False))
    day.present_after(5)
    assert day.fleet.stopService().called
    assert day.fleet.present == frozenset()
    assert not day.clock.getDelayedCalls()


def test_faults_are_sown_with_their_probability_and_the_same_for_a_seed() -> None:
    def sown(seed: int) -> list[int]:
        devices = [SimulatedDevice(number) for number in range(500)]
        assign_faults(devices, [(Fault("404"), 0.2), (Fault("html"), 1.0)], seed)
        assert all(device.faults[-1].fault == Fault("html") for device in devices)
        return [device.identifier for device in devices if len(device.faults) == 2]

    assert sown(1) == sown(1) != sown(2)
    assert 60 < len(sown(1)) < 140
