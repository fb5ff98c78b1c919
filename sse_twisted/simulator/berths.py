"""The place of a device in a fleet: where it is on the network, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import Factory, define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from sse_twisted.simulator.device import SimulatedDevice


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
