"""Simulated devices that come and go: who is on the network when, under which name and address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Protocol

from attrs import Factory, define, frozen
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.dns import NameServer
from sse_twisted.simulator.faults import Fault

LOOK_EVERY = 1.0
"""Seconds between two looks at a plan's condition."""


@frozen
class Plan:
    """When a device is on the network, in seconds.

    It arrives `arrival` after the start of the fleet. It leaves after `stay`, or `linger` after it was released or
    `leaves_when` came true; with none of these it stays. It comes back after `away`, up to `visits` visits in all.
    """

    arrival: float = 0.0
    stay: float | None = None
    linger: float = 3.0
    leaves_when: Callable[[], bool] | None = None
    away: float | None = None
    visits: int | None = None


class Station(Protocol):
    """What the fleet asks of the place where a device is on the network; a `DeviceServer` is one."""

    device: SimulatedDevice
    interface: str
    port: int
    present: bool

    def arrive(self) -> Deferred[None]:
        """Be on the network; fires when it can be reached."""

    def leave(self) -> Deferred[None]:
        """Be off the network; fires when nothing of it is left."""


@define(eq=False)
class Berth:
    """A device's place in the fleet. `prepare` runs in a thread before the first arrival, e.g. to make tracks."""

    station: Station
    plan: Plan = Plan()
    prepare: Callable[[], object] | None = None
    visits: int = 0
    timers: list[IDelayedCall] = Factory(list)

    @property
    def identifier(self) -> int:
        """The number of the device."""
        return self.station.device.identifier

    @property
    def name(self) -> str:
        """The host name under which the device is known, without a domain."""
        return f"motion-{self.identifier}"

    @property
    def comes_back(self) -> bool:
        """Whether there is another visit after this one."""
        return self.plan.away is not None and (self.plan.visits is None or self.visits < self.plan.visits)

    def forget_timers(self) -> None:
        """Cancel whatever was to happen next."""
        for timer in self.timers:
            if timer.active():
                timer.cancel()
        self.timers.clear()


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
