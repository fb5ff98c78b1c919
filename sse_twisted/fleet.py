"""What is known of every device: frozen snapshots, published to whoever looks on."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import Any

from attrs import evolve, field, frozen
from twisted.logger import Logger

from sse_twisted.devices.connections import Address
from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.text import missing_of


class Stage(StrEnum):
    """Where a device is on its way."""

    ABSENT = "absent"  # not seen yet
    CONNECTED = "connected"  # answers, and is who we think
    INSPECTING = "inspecting"
    DOWNLOADING = "downloading"
    COLLECTED = "collected"  # can be disconnected
    ATTENTION = "attention"  # must stay connected
    GONE = "gone"  # seen, and not there any more


PRESENT = frozenset(Stage) - {Stage.ABSENT, Stage.GONE}


@frozen
class Measured:
    """What the bytes of a track say: the best in mm/s for each kind of window, and whether its claims hold."""

    track: str
    bests: tuple[tuple[str, int], ...]
    sound: bool  # whole, and nothing that its header claims is contradicted


@frozen
class TrackSummary:
    """A wanted track as its device lists it."""

    name: str
    day: datetime.date | None  # of its start in the device's time zone; None if the device had no clock
    length: int  # bytes
    end_date: int  # ms since 1970, 0 = never finalised
    duration: int  # ms
    distance: int  # mm
    best_500m: int  # mm/s, 0 = none
    file: str = ""  # its path on the device, which stays when the roster changes its name


@frozen
class Device:
    """A snapshot of one device."""

    identifier: int
    sailor: str = ""
    stage: Stage = Stage.ABSENT
    since: float = 0.0  # s since 1970, when the stage began
    address: Address | None = None  # the last at which it was met
    battery: int | None = None  # percent
    findings: tuple[str, ...] = ()  # warnings of this visit
    wanted: int = 0  # tracks
    missing: tuple[str, ...] = ()  # of the wanted ones, by name
    measured: tuple[Measured, ...] = ()  # of the tracks that are here
    tracks: tuple[TrackSummary, ...] = ()  # the youngest of the wanted ones, oldest first
    downloading: str = ""  # the name of the track under way
    size: int = 0  # bytes that it should have
    received: int = 0  # bytes of it that are here
    reason: str = ""  # why it must stay connected
    retry_at: float | None = None  # s since 1970, when it is looked at again; None = when something changes
    tries: int = 0  # verdicts in a row that it must stay connected
    oddity: str = ""  # how somebody answers in its place who does not answer as a device should; it is not there for us
    # What was missing when it left; "" once it came back and was collected. Of an absent one: what it had when it was
    # last here, while it is looked for.
    left_early: str = ""
    waived: str = ""  # why nobody waits for what was missing when it left
    name: str = field(kw_only=True)  # its host name

    @name.default
    def _first_kind(self) -> str:
        return device_name(self.identifier)

    @property
    def is_collected(self) -> bool:
        """Whether all its tracks are here, whether it is still there or not."""
        return self.stage in (Stage.COLLECTED, Stage.GONE) and not self.left_incomplete

    @property
    def left_incomplete(self) -> bool:
        """Whether tracks of it were missing when it left, or was last here; waived or not."""
        return bool(self.left_early or self.waived)

    @property
    def present(self) -> bool:
        """Whether it is on the network, as far as we know."""
        return self.stage in PRESENT


Observer = Callable[[Device, Device], None]


class Fleet:
    """All devices by number; each change goes to the observers as (before, after)."""

    def __init__(self, utc: Callable[[], float], log: Logger, name: Callable[[int], str] = device_name) -> None:
        """Take the clock in s since 1970, as far as this computer knows, and what returns a device's host name."""
        self._name = name
        self._utc = utc
        self._log = log
        self._devices: dict[int, Device] = {}
        self._observers: list[Observer] = []

    def __repr__(self) -> str:
        return f"<Fleet of {len(self._devices)} devices>"

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __getitem__(self, identifier: int) -> Device:
        return self._devices.get(identifier) or Device(identifier, name=self._name(identifier))

    @property
    def now(self) -> float:
        """In s since 1970, as all times of snapshots."""
        return self._utc()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell `observer` of every change; the returned function ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def update(self, identifier: int, **changes: Any) -> Device:
        """Change what is known of a device and publish it. A stage begins now, unless `since` says when it did."""
        before = self[identifier]
        after = evolve(before, **changes)
        if after.stage is not before.stage and "since" not in changes:
            after = evolve(after, since=self.now)
        self._devices[identifier] = after
        if after != before:
            self._publish(before, after)
        return after

    def forget(self, identifier: int, left_early: str = "") -> None:
        """Know no more of a device than before it was seen.

        What is missing of one that left is not forgotten, nor `left_early`, what one that was here still had.
        """
        before = self[identifier]
        left_early = left_early or before.left_early
        after = Device(identifier, before.sailor, since=self.now, name=before.name)
        after = evolve(after, left_early=left_early, waived=before.waived)
        if before.stage is Stage.GONE and after.left_incomplete:
            after = evolve(after, stage=Stage.GONE, since=before.since)
        self._devices[identifier] = after
        self._publish(before, after)

    def expect(self, sailors: dict[int, str]) -> None:
        """Know of these devices, by number, before they are seen; forget absent ones that nobody expects or misses."""
        for identifier, sailor in sailors.items():
            if identifier not in self._devices or self[identifier].sailor != sailor:
                self.update(identifier, sailor=sailor)
        for device in list(self):
            is_missed = device.left_incomplete or device.identifier in sailors
            if device.stage is Stage.ABSENT and not is_missed:
                del self._devices[device.identifier]

    def _publish(self, before: Device, after: Device) -> None:
        failed = partial(self._log.failure, "An observer of {device} failed", device=after.name)
        notify(self._observers, failed, before, after)


def what_is_missing(device: Device) -> str:
    """Whose tracks, and which of them, a device still has that was not collected."""
    owner = f"{device.sailor}: " if device.sailor else ""
    if not device.wanted:
        return f"{owner}its tracks are not known yet"
    if not device.missing:
        return f"{owner}its tracks are here, but were not checked against its listing again"
    return f"{owner}{missing_of(len(device.missing), device.wanted)} ({', '.join(device.missing)})"
