"""Frozen snapshots of every device, published to observers."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr, replace
from twisted.logger import Logger

from sse_twisted.devices.connections import Address
from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.text import listed, missing_of, one_line

MAX_SUMMARIES = 100  # tracks of one device that are shown: the youngest wanted ones
MAX_NAMES = 100  # of missing tracks in a snapshot: the youngest ones
MAX_TOLD = 20  # of them in the text of an alarm
MAX_FINDINGS = 50  # of a device
MAX_MEASURED = 200  # tracks of a device whose speeds are in a snapshot
MAX_STRANGERS = 100  # absent devices that are not expected and never listed a track
MAX_REASON = 500  # characters


class Stage(StrEnum):
    """The stage of a device between arrival and departure."""

    ABSENT = "absent"  # not seen yet
    CONNECTED = "connected"  # identified
    INSPECTING = "inspecting"
    DOWNLOADING = "downloading"
    COLLECTED = "collected"  # can be disconnected
    ATTENTION = "attention"  # must stay connected
    GONE = "gone"  # has left


PRESENT = frozenset(Stage) - {Stage.ABSENT, Stage.GONE}


class Measured(Struct, frozen=True):
    """The measured bests of a track in mm/s by kind of window."""

    track: str
    bests: tuple[tuple[str, int], ...]
    sound: bool  # whether it is whole and no claim of its header is contradicted


class TrackSummary(Struct, frozen=True):
    """A wanted track as its device lists it."""

    name: str
    day: datetime.date | None  # of its start in the device's time zone; None if the device had no clock
    length: int  # bytes
    end_date: int  # ms since 1970, 0 = never finalised
    duration: int  # ms
    distance: int  # mm
    best_500m: int  # mm/s, 0 = none
    file: str = ""  # its path on the device; unlike the name it never changes


class Device(Struct, frozen=True):
    """A snapshot of one device."""

    identifier: int
    sailor: str = ""
    stage: Stage = Stage.ABSENT
    since: float = 0.0  # s since 1970, when the stage began
    address: Address | None = None  # the last one at which it was identified
    battery: int | None = None  # percent
    findings: tuple[str, ...] = ()  # warnings of this visit, at most MAX_FINDINGS
    more_findings: int = 0  # that were left out
    wanted: int = 0  # tracks
    missing: tuple[str, ...] = ()  # names of wanted tracks that are not stored: the youngest, at most MAX_NAMES
    unnamed: int = 0  # more tracks that are missing
    measured: tuple[Measured, ...] = ()  # of stored tracks
    tracks: tuple[TrackSummary, ...] = ()  # the youngest wanted tracks, oldest first
    downloading: str = ""  # the name of the track that is being downloaded
    size: int = 0  # bytes that it will have
    received: int = 0  # bytes of it so far
    resumed: int = 0  # those of them that an earlier transfer had stored
    slow: str = ""  # the rate of a slow download; "" if the last one was not slow
    reason: str = ""  # why it must stay connected
    retry_at: float | None = None  # s since 1970, when it is inspected again; None = when something changes
    tries: int = 0  # verdicts in a row that it must stay connected
    oddity: str = ""  # the invalid response at its address; the device counts as absent
    # What was missing when it left; "" once it came back and was collected. Of an absent device that is being looked
    # for: what was missing when it was last present.
    left_early: str = ""
    waived: str = ""  # why an operator accepts that tracks are missing
    backup: str = ""  # the tracks that its sailor has handed in for the day on which it left too early
    name: str = ""  # its host name; that of the first kind if none is given

    def __post_init__(self) -> None:
        if not self.name:
            force_setattr(self, "name", device_name(self.identifier))

    @property
    def missing_count(self) -> int:
        """How many wanted tracks are not stored, named or not."""
        return len(self.missing) + self.unnamed

    @property
    def is_collected(self) -> bool:
        """Whether all its tracks are stored, even if it has left."""
        return self.stage in (Stage.COLLECTED, Stage.GONE) and not self.left_incomplete

    @property
    def left_incomplete(self) -> bool:
        """Whether tracks were missing when it left or was last present, even if waived."""
        return bool(self.left_early or self.waived)

    @property
    def present(self) -> bool:
        """Whether it is on the network, as far as the collector knows."""
        return self.stage in PRESENT


Observer = Callable[[Device, Device], None]


class Fleet:
    """All devices by number. Observers are called with the snapshots before and after each change."""

    def __init__(self, utc: Callable[[], float], log: Logger, name: Callable[[int], str] = device_name) -> None:
        """`utc` returns s since 1970; `name` returns the host name of a device."""
        self._name = name
        self._utc = utc
        self._log = log
        self._devices: dict[int, Device] = {}
        self._occupied: Counter[Address] = Counter()  # how many present devices have an address
        self._observers: list[Observer] = []
        self._expected: frozenset[int] = frozenset()
        self._has_forgotten = False

    def __repr__(self) -> str:
        return f"<Fleet of {len(self._devices)} devices>"

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __contains__(self, identifier: object) -> bool:
        """Whether a device is expected, or was seen."""
        return identifier in self._devices

    def __getitem__(self, identifier: int) -> Device:
        return self._devices.get(identifier) or Device(identifier, name=self._name(identifier))

    def get(self, identifier: int) -> Device | None:
        """Return the snapshot of a device that is expected or was seen."""
        return self._devices.get(identifier)

    def is_occupied(self, address: Address) -> bool:
        """Whether a present device has an address."""
        return address in self._occupied

    @property
    def now(self) -> float:
        """The time in s since 1970, like all times of snapshots."""
        return self._utc()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` at every change; the returned function removes it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def update(self, identifier: int, **changes: Any) -> Device:
        """Change the snapshot of a device and publish it. A new stage begins now, unless `since` is passed."""
        before = self[identifier]
        after = replace(before, **changes)
        if after.stage is not before.stage and "since" not in changes:
            after = replace(after, since=self.now)
        is_new = identifier not in self._devices
        self._devices[identifier] = after
        if after != before:
            self._publish(before, after)
        if is_new and len(self._devices) > len(self._expected) + MAX_STRANGERS:
            self._forget_strangers()
        return after

    def _forget_strangers(self) -> None:
        """Drop those that left first of the devices that are not expected and never listed a track."""
        strangers = sorted(
            (each for each in self if each.identifier not in self._expected and not (each.present or each.wanted)),
            key=lambda device: device.since,
        )
        excess = strangers[: max(len(strangers) - MAX_STRANGERS, 0)]
        if excess and not self._has_forgotten:
            self._has_forgotten = True
            text = "More than {count} devices that no roster names left without a listing: the first are forgotten"
            self._log.warn(text, count=MAX_STRANGERS)
        for device in excess:
            del self._devices[device.identifier]
            self._publish(device, Device(device.identifier, name=device.name))

    def add_finding(self, identifier: int, text: str) -> None:
        """Add a warning to a device that does not have it yet; beyond MAX_FINDINGS it is only counted."""
        device, text = self[identifier], one_line(text, MAX_REASON)
        if text in device.findings:
            return
        if len(device.findings) < MAX_FINDINGS:
            self.update(identifier, findings=(*device.findings, text))
        else:
            self.update(identifier, more_findings=device.more_findings + 1)

    def forget(self, identifier: int, left_early: str = "") -> None:
        """Reset a device to what was known before it was seen, except for missing tracks.

        `left_early` are the missing tracks of a present device.
        """
        before = self[identifier]
        kept: dict[str, Any] = {"left_early": left_early or before.left_early, "waived": before.waived}
        after = Device(identifier, before.sailor, since=self.now, name=before.name, **kept)
        if before.stage is Stage.GONE and after.left_incomplete:
            after = replace(after, stage=Stage.GONE, since=before.since)
        self._devices[identifier] = after
        self._publish(before, after)

    def expect(self, sailors: dict[int, str]) -> None:
        """Add devices by number before they are seen; drop absent ones that are not expected and miss no track."""
        self._expected = frozenset(sailors)
        for identifier, sailor in sailors.items():
            if identifier not in self._devices or self[identifier].sailor != sailor:
                self.update(identifier, sailor=sailor)
        for device in list(self):
            is_missed = device.left_incomplete or device.identifier in sailors
            if device.stage is Stage.ABSENT and not is_missed:
                del self._devices[device.identifier]

    def _publish(self, before: Device, after: Device) -> None:
        self._occupied.update(_occupied_by(after))
        for address in _occupied_by(before):
            self._occupied[address] -= 1
            if not self._occupied[address]:
                del self._occupied[address]
        failed = partial(self._log.failure, "An observer of {device} failed", device=after.name)
        notify(self._observers, failed, before, after)


def _occupied_by(device: Device) -> tuple[Address, ...]:
    return (device.address,) if device.present and device.address is not None else ()


def what_is_missing(device: Device) -> str:
    """Return the sailor and the missing tracks of a device, for an alarm."""
    owner = f"{device.sailor}: " if device.sailor else ""
    if not device.wanted:
        return f"{owner}its tracks are not known yet"
    if not device.missing_count:
        return f"{owner}its tracks are here, but were not checked against its listing again"
    names = listed(device.missing, MAX_TOLD, device.unnamed)
    return f"{owner}{missing_of(device.missing_count, device.wanted)} ({names})"


def missing_fields(names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a snapshot for the names of all missing tracks, in the order of the listing."""
    unnamed = max(len(names) - MAX_NAMES, 0)
    return {"missing": tuple(names[unnamed:]), "unnamed": unnamed}
