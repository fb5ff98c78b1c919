"""The fleet of the demo, on the real reactor."""

from __future__ import annotations

import json
from typing import Any

from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.fleet import demo_fleet
from sse_twisted.simulator.http import DeviceServer
from tests.simulator.wire import becomes, fetch, on_the_reactor


@on_the_reactor
async def test_a_device_of_the_demo_arrives_with_an_afternoon_is_released_and_leaves(reactor: Any) -> None:
    fleet = demo_fleet(reactor, 2, seed=3, arrivals=0.0, rate=0.0)
    addresses = fleet.addresses
    assert all(address == "127.0.0.1" and port for address, port in addresses.values())
    assert fleet.present == frozenset()
    fleet.startService()
    await becomes(reactor, lambda: fleet.present == {601, 602})
    assert fleet.addresses == addresses
    server = fleet.members[601].station
    assert isinstance(server, DeviceServer)
    entries = json.loads((await fetch(reactor, server, "/logs.json")).body)["logs"]
    track = await fetch(reactor, server, entries[-1]["file"])
    assert len(track.body) == entries[-1]["size"] - 1024
    fleet.release(601)
    assert [round(timer.getTime() - reactor.seconds()) in range(3, 13) for timer in fleet.members[601].timers] == [True]
    await fleet.depart(602)
    assert fleet.present == {601}
    await fleet.stopService()
    assert fleet.present == frozenset()


def test_the_demo_has_faults_and_devices_that_come_back_again_and_again(reactor: Any) -> None:
    fleet = demo_fleet(reactor, 10)
    faulty = [active.fault for device in fleet.devices.values() for active in device.faults]
    assert set(faulty) == {
        Fault("low-battery"),
        Fault("cut", at=200_000),
        Fault("wrong-firmware"),
        Fault("flipped-bit"),
        Fault("reboot", at=150_000, seconds=40.0),
    }
    assert len([device for device in fleet.devices.values() if device.faults]) == 5
    returning = [member for member in fleet.members.values() if member.schedule.away]
    assert len(returning) == 3
    for member in returning:
        member.visits = 1000
        assert member.returns
    assert all(0 <= member.schedule.arrival <= 60 for member in fleet.members.values())


def test_the_demo_has_a_roster_of_its_devices_for_today(reactor: Any) -> None:
    fleet = demo_fleet(reactor, 5)
    rows = fleet.roster_rows()
    assert [row["Motion ID"] for row in rows] == [str(identifier) for identifier in fleet.devices]
    assert all(row["Start Date"] < row["End Date"] for row in rows)
    rows[0]["Tally"] = "changed"
    assert fleet.roster_rows()[0]["Tally"] == "100"


def test_small_demos_are_possible(reactor: Any) -> None:
    assert [len(demo_fleet(reactor, count).devices) for count in (1, 2, 3)] == [1, 2, 3]
