"""Members of the fleet: their schedules, and their place on the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import Factory, define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from sse_twisted.simulator.device import SimulatedDevice


@frozen
class Schedule:
    """When a device is on the network; all times are in seconds.

    It arrives `arrival` after the start of the fleet. It leaves after `stay`, or `linger` after it was released or
    `leaves_when` returned true; without any of these it stays. It returns after `away`, up to `visits` visits in all.
    """

    arrival: float = 0.0
    stay: float | None = None
    linger: float = 3.0
    leaves_when: Callable[[], bool] | None = None
    away: float | None = None
    visits: int | None = None


class Station(Protocol):
    """A device on the network, as the fleet sees it; implemented by `DeviceServer`."""

    device: SimulatedDevice
    interface: str
    port: int
    present: bool

    def arrive(self) -> Deferred[None]:
        """Join the network; fires when the device can be reached."""

    def leave(self) -> Deferred[None]:
        """Leave the network; fires when port and connections are closed."""


@define(eq=False)
class FleetMember:
    """One device of the fleet. `prepare` runs in a thread before the first arrival, e.g. to make tracks."""

    station: Station
    schedule: Schedule = Schedule()
    prepare: Callable[[], object] | None = None
    visits: int = 0
    timers: list[IDelayedCall] = Factory(list)

    @property
    def identifier(self) -> int:
        return self.station.device.identifier

    @property
    def name(self) -> str:
        """Host name without domain."""
        return f"motion-{self.identifier}"

    @property
    def returns(self) -> bool:
        """Whether the device returns after this visit."""
        return self.schedule.away is not None and (self.schedule.visits is None or self.visits < self.schedule.visits)

    def cancel_timers(self) -> None:
        """Cancel all scheduled steps."""
        for timer in self.timers:
            if timer.active():
                timer.cancel()
        self.timers.clear()
