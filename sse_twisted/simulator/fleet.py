"""A fleet of simulated devices that arrive and leave on schedule, and the fleet of the demo."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.dns import NameServer
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.generator import TIMEZONE, generate_afternoon, generate_device, generate_roster
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.schedule import FleetMember, Schedule, Station

__all__ = ["FleetMember", "Schedule", "SimulatedFleet", "Station", "assign_faults", "demo_fleet"]

CONDITION_INTERVAL: Final = 1.0
"""Seconds between two checks of `leaves_when`."""

_DEMO_FAULTS: Final = (
    (Fault("low-battery"), "", None),
    (Fault("cut", at=200_000), "/logs/", 4),
    (Fault("wrong-firmware"), "", None),
    (Fault("flipped-bit"), "/logs/", 1),
    (Fault("reboot", at=150_000, seconds=40.0), "/logs/", 1),
)


class SimulatedFleet(MultiService):
    """All simulated devices of an event, each on its schedule; all leave when the service stops.

    `reactor` needs a thread pool if any member has a `prepare`. With `stale_names` the name server knows all devices
    at any time, as routers do; without, only the present ones.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        members: Iterable[FleetMember],
        *,
        name_server: NameServer | None = None,
        stale_names: bool = False,
        roster: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__()
        self.members = {member.identifier: member for member in members}
        self._reactor = reactor
        self._name_server = name_server
        self._stale_names = stale_names
        self._roster = roster
        if name_server is not None:
            name_server.setServiceParent(self)

    @property
    def devices(self) -> dict[int, SimulatedDevice]:
        """All devices by Motion ID."""
        return {identifier: member.station.device for identifier, member in self.members.items()}

    @property
    def addresses(self) -> dict[int, tuple[str, int]]:
        """Address and port of all devices, present or not."""
        stations = {identifier: member.station for identifier, member in self.members.items()}
        return {identifier: (station.interface, station.port) for identifier, station in stations.items()}

    @property
    def present(self) -> frozenset[int]:
        """Motion IDs of the devices on the network."""
        return frozenset(identifier for identifier, member in self.members.items() if member.station.present)

    def roster_rows(self) -> list[dict[str, str]]:
        """Return the roster: rows with the columns of `motions.csv`, all values as text."""
        return [dict(row) for row in self._roster]

    def startService(self) -> None:
        super().startService()
        for member in self.members.values():
            if self._stale_names:
                self._name(member)
            if member.schedule.arrival > 0:
                self._later(member, member.schedule.arrival, self._begin_visit)
            else:
                self._begin_visit(member)

    def stopService(self) -> Deferred[None]:
        """Take all devices off the network; fires when nothing is left."""
        ended: list[Deferred[Any]] = [maybeDeferred(super().stopService)]
        for member in self.members.values():
            member.cancel_timers()
            ended.append(member.station.leave())
        return gatherResults(ended, consumeErrors=True).addCallback(lambda _: None)

    def arrive(self, identifier: int) -> Deferred[None]:
        """Bring a device to the network now, regardless of its schedule; fires when it can be reached."""
        member = self.members[identifier]
        member.cancel_timers()
        return Deferred.fromCoroutine(self._arrive(member))

    def depart(self, identifier: int) -> Deferred[None]:
        """Take a device off the network now; fires when that is done. It returns if its schedule says so."""
        member = self.members[identifier]
        member.cancel_timers()
        if self._name_server is not None and not self._stale_names:
            self._name_server.names.pop(member.name, None)
        if member.returns and member.schedule.away is not None:
            self._later(member, member.schedule.away, self._begin_visit)
        self.log.info("{name} has gone", name=member.name)
        return member.station.leave()

    def release(self, identifier: int) -> None:
        """Let a device leave after the `linger` of its schedule, as when it has been told to be disconnected."""
        member = self.members.get(identifier)
        if member is not None and member.station.present:
            member.cancel_timers()
            self._later(member, member.schedule.linger, self._end_visit)

    async def _arrive(self, member: FleetMember) -> None:
        member.visits += 1
        prepare, member.prepare = member.prepare, None
        if prepare is not None:
            await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), prepare)
        if not self.running:
            return
        await member.station.arrive()
        self._name(member)
        address, port = self.addresses[member.identifier]
        self.log.info("{name} is at {address}:{port}", name=member.name, address=address, port=port)
        if member.schedule.stay is not None:
            self._later(member, member.schedule.stay, self._end_visit)
        if member.schedule.leaves_when is not None:
            self._later(member, CONDITION_INTERVAL, self._check_condition)

    def _begin_visit(self, member: FleetMember) -> None:
        self._report(member, self.arrive(member.identifier))

    def _end_visit(self, member: FleetMember) -> None:
        self._report(member, self.depart(member.identifier))

    def _check_condition(self, member: FleetMember) -> None:
        if member.schedule.leaves_when is not None and member.schedule.leaves_when():
            self.release(member.identifier)
        else:
            self._later(member, CONDITION_INTERVAL, self._check_condition)

    def _name(self, member: FleetMember) -> None:
        if self._name_server is not None:
            self._name_server.names[member.name] = member.station.interface

    def _later(self, member: FleetMember, seconds: float, act: Callable[[FleetMember], None]) -> None:
        member.timers.append(self._reactor.callLater(seconds, act, member))

    def _report(self, member: FleetMember, deferred: Deferred[None]) -> None:
        deferred.addErrback(lambda failure: self.log.failure("{name}", failure=failure, name=member.name))


def assign_faults(devices: Iterable[SimulatedDevice], faults: Sequence[tuple[Fault, float]], seed: int) -> None:
    """Add each fault to each device with its probability; the same seed chooses the same ones."""
    for device in devices:
        chance = Random(f"{seed} {device.identifier}")
        for fault, probability in faults:
            if chance.random() < probability:
                device.add_fault(fault)


def demo_fleet(
    reactor: Any,
    count: int = 10,
    seed: int = 1,
    *,
    first_id: int = 601,
    arrivals: float = 60.0,
    rate: float = 500_000.0,
) -> SimulatedFleet:
    """Return the fleet of the demo, without name server, all on 127.0.0.1 with one port each.

    The devices arrive over `arrivals` seconds, send `rate` bytes per second, and leave 4 to 12 seconds after
    `release`; a third of them return again and again. Of ten or more, one has a low battery, one cuts its first four
    transfers, one has firmware that is not approved, one flips a bit in its first transfer, and one reboots during
    its first for 40 seconds. Their tracks end shortly before now, and are made in threads as they arrive.
    Raises ValueError if there are too few free ports.
    """
    chance = Random(seed)
    now = time.time()
    ports = free_ports("127.0.0.1", count)
    moments = sorted(chance.uniform(0, arrivals) for _ in ports)
    returning = set(chance.sample(range(count), min(max(count // 3, 2), count)))
    members = []
    for number, (port, arrival) in enumerate(zip(ports, moments, strict=True)):
        device = generate_device(first_id + number, seed)
        device.bytes_per_second, device.latency = rate, 0.03
        linger, away = chance.uniform(4, 12), chance.uniform(10, 40)
        schedule = Schedule(arrival, linger=linger, away=away if number in returning else None)
        station = DeviceServer(reactor, device, port=port)
        members.append(FleetMember(station, schedule, prepare=_afternoon_for(device, seed, int(now * 1000))))
    faulty = chance.sample([member.station.device for member in members], min(len(_DEMO_FAULTS), count // 2))
    for device, (fault, path, times) in zip(faulty, _DEMO_FAULTS, strict=False):
        device.add_fault(fault, path=path, times=times)
    today = datetime.datetime.fromtimestamp(now + TIMEZONE * 60, datetime.UTC).date()
    days = today - datetime.timedelta(days=1), today + datetime.timedelta(days=1)
    roster = generate_roster((member.identifier for member in members), *days, seed)
    return SimulatedFleet(reactor, members, roster=roster)


def _afternoon_for(device: SimulatedDevice, seed: int, now_ms: int) -> Callable[[], object]:
    return lambda: device.logs.extend(generate_afternoon(device.identifier, seed, now_ms))
