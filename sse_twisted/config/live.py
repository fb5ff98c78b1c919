"""The current settings and roster; both may change while the collector runs."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping

from msgspec import Struct
from twisted.logger import Logger

from sse_twisted.config.addresses import split_address
from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import Roster
from sse_twisted.config.roster_store import Excused
from sse_twisted.config.settings import Settings
from sse_twisted.devices.drivers import KNOWN, Drivers
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.places import Places


class Target(Struct, frozen=True):
    """A device to look for: the one with a number, or any that answers at an address."""

    identifier: int | None
    name: str  # host name, or a description if only the address is known
    fixed: tuple[str, int] | None = None  # host and port to try instead of resolving the name

    def place(self, port: int) -> tuple[str, int]:
        """Return the host and the port to try; `port` applies unless the address is fixed."""
        return self.fixed or (self.name, port)

    def __str__(self) -> str:
        return self.name


class Limits:
    """How many devices may be in each step at once."""

    def __init__(self, settings: Settings) -> None:
        self.detection = Places(settings.detection.limit)
        self.inspection = Places(settings.inspection.limit)
        self.downloads = Places(settings.downloads.limit)
        self.cleanup = Places(settings.cleanup.limit)

    def apply(self, settings: Settings) -> None:
        """Apply changed limits; devices in a step finish under the limit they started with."""
        for step, places in vars(Limits(settings)).items():
            if places.limit != getattr(self, step).limit:
                setattr(self, step, places)


class LiveConfig:
    """The current settings and roster, read by all services at each use: a change needs no restart."""

    def __init__(self, settings: Settings, roster: Roster | None = None, drivers: Drivers | None = None) -> None:
        self.drivers = drivers or Drivers(*KNOWN)
        self.log = Logger()  # for observers that fail; replaced by the event's own log when that exists
        self.settings = settings
        self.roster = roster or Roster()
        self.limits = Limits(settings)
        self.paused = False  # by an operator: no further download starts
        self.hold = False  # stored tracks stay with their owners, until an operator decides on a change of the roster
        self.excused: Excused = {}  # why devices of the roster are not expected, by day
        self.buoys: Mapping[datetime.date, frozenset[int]] = {}  # devices that mark the line of a course, by day
        self._asked_for: dict[int, frozenset[str]] = {}
        self._targets: tuple[Target, ...] | None = None  # until settings or roster change
        self._numbers: frozenset[int] = frozenset()  # of the targets
        self._observers: list[Callable[[], None]] = []

    def observe(self, observer: Callable[[], None]) -> None:
        self._observers.append(observer)

    def change(
        self,
        *,
        settings: Settings | None = None,
        roster: Roster | None = None,
        paused: bool | None = None,
        hold: bool | None = None,
        excused: Excused | None = None,
        buoys: Mapping[datetime.date, frozenset[int]] | None = None,
    ) -> None:
        self._targets = None
        if settings is not None:
            self.settings = settings
            self.limits.apply(settings)
        if roster is not None:
            self.roster = roster
        if paused is not None:
            self.paused = paused
        if hold is not None:
            self.hold = hold
        if excused is not None:
            self.excused = excused
        if buoys is not None:
            self.buoys = buoys
        self._publish()

    def ask_for(self, identifier: int, file: str) -> None:
        """Want a log, by its path on the device, regardless of its day and speed, until the collector stops."""
        self._asked_for[identifier] = self._asked_for.get(identifier, frozenset()) | {file}
        self._publish()

    @property
    def zone(self) -> datetime.timezone:
        """The time zone of the event, which is that expected of the devices, not that of this computer."""
        return datetime.timezone(datetime.timedelta(minutes=self.settings.expected.timezone))

    def today(self, seconds: float) -> datetime.date:
        """Return the day in the event's time zone at `seconds` since 1970."""
        return datetime.datetime.fromtimestamp(seconds, self.zone).date()

    def day_began_at(self, seconds: float) -> float:
        """Return the midnight, in s since 1970, with which the day at `seconds` began."""
        midnight = datetime.datetime.combine(self.today(seconds), datetime.time(), self.zone)
        return midnight.timestamp()

    def is_same_day(self, one: float, other: float) -> bool:
        """Return whether two moments, in s since 1970, are on one day in the event's time zone."""
        return self.today(one) == self.today(other)

    def not_expected(self, identifier: int, day: datetime.date) -> str:
        """Return why a device is not expected on a day although it is on the roster; "" if it is expected."""
        return self.excused.get(day, {}).get(identifier, "")

    def on_buoys(self, day: datetime.date) -> frozenset[int]:
        """Return the devices that mark the line of a course on a day: they are collected, but no sailor has them."""
        return self.buoys.get(day, frozenset())

    @property
    def days(self) -> tuple[datetime.date, datetime.date] | None:
        """The first and the last day of the event, from the configuration or else the roster; None if neither says."""
        event = self.settings.event
        return (event.first_day, event.last_day) if event.first_day and event.last_day else self.roster.days

    def targets(self) -> tuple[Target, ...]:
        """Return all devices to look for, each once."""
        if self._targets is None:
            self._targets = self._make_targets()
            self._numbers = frozenset(target.identifier for target in self._targets if target.identifier is not None)
        return self._targets

    def is_target(self, identifier: int) -> bool:
        """Whether a device is looked for by its number."""
        self.targets()
        return identifier in self._numbers

    def _make_targets(self) -> tuple[Target, ...]:
        devices, drivers = self.settings.devices, self.drivers
        fixed = {drivers.number(name): split_address(value, devices.port) for name, value in devices.addresses.items()}
        listed = {name: drivers.number(name) for name in devices.listed}
        assigned = self.roster.identifiers | self.roster.ownerless
        numbers = sorted({*assigned, *filter(None, listed.values()), *filter(None, fixed)})
        places = [split_address(name, devices.port) for name, number in listed.items() if number is None]
        return (
            *(Target(number, drivers.name(number), fixed.get(number)) for number in numbers),
            *(Target(None, f"device at {host}", (host, port)) for host, port in places),
        )

    @property
    def longest_scan(self) -> float:
        """The s that a scan takes if no device is there."""
        detection = self.settings.detection
        return math.ceil(len(self.targets()) / detection.limit) * detection.timeout

    def remark_on_scan(self) -> str:
        """Return why devices may be noticed late; "" if a scan ends before the next one is due."""
        settings, seconds = self.settings, self.longest_scan
        if seconds <= max(settings.scan.interval, settings.detection.timeout):
            return ""
        return (
            f"a scan takes {seconds:g} s if no device is there ({settings.detection.limit} at once); "
            "raise detection.limit to notice devices sooner"
        )

    def filing_rules(self, identifier: int, timezone: int | None) -> FilingRules:
        """Return the rules for a device; `timezone` in minutes as the device says, None if it does not."""
        days = self.days
        if days is not None and self.settings.event.last_day is None:
            # A roster of another year, or an incomplete one, must not cost a day: all later tracks are wanted.
            days = (days[0], datetime.date.max)
        asked_for = self._asked_for.get(identifier, frozenset())
        slowest, with_roster = self.settings.filters.best_500m, bool(self.roster.assignments)
        name = self.drivers.name(identifier)
        assignments, zone = self.roster.of(identifier), self.settings.expected.timezone
        buoy_days = frozenset(day for day, numbers in self.buoys.items() if identifier in numbers)
        return FilingRules(
            assignments, days, slowest, timezone, asked_for, with_roster, name, zone, self.hold, buoy_days
        )

    def _publish(self) -> None:
        notify(self._observers, lambda: self.log.failure("An observer of settings and roster failed"))
