"""Simulated devices that come and go: who is on the network when, under which name and address."""

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
from sse_twisted.simulator.berths import Berth, Plan, Station
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.dns import NameServer
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.inventions import TIMEZONE, invent_afternoon, invent_device, invent_roster

__all__ = ["Berth", "Plan", "SimulatedFleet", "Station", "demo_fleet", "sow_faults"]

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at a plan's condition."""

_DEMO_FAULTS: Final = (
    (Fault("low-battery"), "", None),
    (Fault("cut", at=200_000), "/logs/", 4),
    (Fault("wrong-firmware"), "", None),
    (Fault("flipped-bit"), "/logs/", 1),
    (Fault("reboot", at=150_000, seconds=40.0), "/logs/", 1),
)


class SimulatedFleet(MultiService):
    """All simulated devices of an event, on a schedule. Stopping it takes them all off the network.

    `reactor` is the clock of the schedule; with a `prepare` among the berths it must have a thread pool as well.
    With `stale_names` the name server knows every device at any time, as routers do; otherwise only present ones.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        berths: Iterable[Berth],
        *,
        name_server: NameServer | None = None,
        stale_names: bool = False,
        roster: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__()
        self.berths = {berth.identifier: berth for berth in berths}
        self._reactor = reactor
        self._name_server = name_server
        self._stale_names = stale_names
        self._roster = roster
        if name_server is not None:
            name_server.setServiceParent(self)

    @property
    def devices(self) -> dict[int, SimulatedDevice]:
        """Every device by its number."""
        return {identifier: berth.station.device for identifier, berth in self.berths.items()}

    @property
    def addresses(self) -> dict[int, tuple[str, int]]:
        """Address and port of every device, present or not."""
        stations = {identifier: berth.station for identifier, berth in self.berths.items()}
        return {identifier: (station.interface, station.port) for identifier, station in stations.items()}

    @property
    def present(self) -> frozenset[int]:
        """The devices that are on the network."""
        return frozenset(identifier for identifier, berth in self.berths.items() if berth.station.present)

    def roster_rows(self) -> list[dict[str, str]]:
        """Who carries the devices: rows with the columns of `motions.csv`, all values as texts."""
        return [dict(row) for row in self._roster]

    def startService(self) -> None:
        """Begin with the schedule."""
        super().startService()
        for berth in self.berths.values():
            if self._stale_names:
                self._name(berth)
            if berth.plan.arrival > 0:
                self._later(berth, berth.plan.arrival, self._begin_visit)
            else:
                self._begin_visit(berth)

    def stopService(self) -> Deferred[None]:
        """Take all devices off the network; fires when nothing is left."""
        ended: list[Deferred[Any]] = [maybeDeferred(super().stopService)]
        for berth in self.berths.values():
            berth.forget_timers()
            ended.append(berth.station.leave())
        return gatherResults(ended, consumeErrors=True).addCallback(lambda _: None)

    def arrive(self, identifier: int) -> Deferred[None]:
        """Let a device come now, whatever its plan says; fires when it can be reached."""
        berth = self.berths[identifier]
        berth.forget_timers()
        return Deferred.fromCoroutine(self._arrive(berth))

    def depart(self, identifier: int) -> Deferred[None]:
        """Let a device go now; fires when nothing of it is left. It comes back if its plan says so."""
        berth = self.berths[identifier]
        berth.forget_timers()
        if self._name_server is not None and not self._stale_names:
            self._name_server.names.pop(berth.name, None)
        if berth.comes_back and berth.plan.away is not None:
            self._later(berth, berth.plan.away, self._begin_visit)
        self.log.info("{name} has gone", name=berth.name)
        return berth.station.leave()

    def release(self, identifier: int) -> None:
        """Somebody was told that the device can be disconnected: it leaves a little later, as its plan says."""
        berth = self.berths.get(identifier)
        if berth is not None and berth.station.present:
            berth.forget_timers()
            self._later(berth, berth.plan.linger, self._end_visit)

    async def _arrive(self, berth: Berth) -> None:
        berth.visits += 1
        prepare, berth.prepare = berth.prepare, None
        if prepare is not None:
            await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), prepare)
        if not self.running:
            return
        await berth.station.arrive()
        self._name(berth)
        address, port = self.addresses[berth.identifier]
        self.log.info("{name} is at {address}:{port}", name=berth.name, address=address, port=port)
        if berth.plan.stay is not None:
            self._later(berth, berth.plan.stay, self._end_visit)
        if berth.plan.leaves_when is not None:
            self._later(berth, LOOK_EVERY, self._look)

    def _begin_visit(self, berth: Berth) -> None:
        self._report(berth, self.arrive(berth.identifier))

    def _end_visit(self, berth: Berth) -> None:
        self._report(berth, self.depart(berth.identifier))

    def _look(self, berth: Berth) -> None:
        if berth.plan.leaves_when is not None and berth.plan.leaves_when():
            self.release(berth.identifier)
        else:
            self._later(berth, LOOK_EVERY, self._look)

    def _name(self, berth: Berth) -> None:
        if self._name_server is not None:
            self._name_server.names[berth.name] = berth.station.interface

    def _later(self, berth: Berth, seconds: float, act: Callable[[Berth], None]) -> None:
        berth.timers.append(self._reactor.callLater(seconds, act, berth))

    def _report(self, berth: Berth, deferred: Deferred[None]) -> None:
        deferred.addErrback(lambda failure: self.log.failure("{name}", failure=failure, name=berth.name))


def sow_faults(devices: Iterable[SimulatedDevice], faults: Sequence[tuple[Fault, float]], seed: int) -> None:
    """Give each device each fault with its probability; the same seed gives the same ones."""
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
    """Return a fleet to show the collector with: no name server, all on 127.0.0.1 with a port of its own for each.

    The devices arrive over `arrivals` seconds, send `rate` bytes per second, and leave 4 to 12 seconds after
    `release`; two of them come back a minute later. Of ten or more, one has a low battery, one cuts its first four
    transfers, one has a firmware of its own, one flips a bit in its first transfer, and one leaves in the middle of
    its first for 40 seconds. Their tracks end shortly before now and are made in threads as they arrive. Raises
    ValueError if there are no ports.
    """
    chance = Random(seed)
    now = time.time()
    ports = free_ports("127.0.0.1", count)
    moments = sorted(chance.uniform(0, arrivals) for _ in ports)
    returning = set(chance.sample(range(count), min(2, count)))
    berths = []
    for number, (port, arrival) in enumerate(zip(ports, moments, strict=True)):
        device = invent_device(first_id + number, seed)
        device.bytes_per_second, device.latency = rate, 0.03
        plan = Plan(arrival, linger=chance.uniform(4, 12), away=60.0 if number in returning else None, visits=2)
        station = DeviceServer(reactor, device, port=port)
        berths.append(Berth(station, plan, prepare=_afternoon_for(device, seed, int(now * 1000))))
    faulty = chance.sample([berth.station.device for berth in berths], min(len(_DEMO_FAULTS), count // 2))
    for device, (fault, path, times) in zip(faulty, _DEMO_FAULTS, strict=False):
        device.add_fault(fault, path=path, times=times)
    today = datetime.datetime.fromtimestamp(now + TIMEZONE * 60, datetime.UTC).date()
    days = today - datetime.timedelta(days=1), today + datetime.timedelta(days=1)
    roster = invent_roster((berth.identifier for berth in berths), *days, seed)
    return SimulatedFleet(reactor, berths, roster=roster)


def _afternoon_for(device: SimulatedDevice, seed: int, now_ms: int) -> Callable[[], object]:
    return lambda: device.logs.extend(invent_afternoon(device.identifier, seed, now_ms))
