"""The settings and the roster that are in force; both may change while the collector runs."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable

from attrs import frozen
from twisted.internet.defer import DeferredSemaphore
from twisted.logger import Logger

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import Roster
from sse_twisted.config.settings import Settings, split_address
from sse_twisted.devices.drivers import KNOWN, Drivers
from sse_twisted.runtime.observers import notify


@frozen
class Target:
    """A device to look for: by its number, or whichever answers at an address."""

    identifier: int | None
    name: str  # host name, or in words where only the address is known
    fixed: tuple[str, int] | None = None  # host and port to try instead of looking up the name

    def place(self, port: int) -> tuple[str, int]:
        """Return the host and port to look at; `port` where a name stands for the address."""
        return self.fixed or (self.name, port)

    def __str__(self) -> str:
        return self.name


class Limits:
    """How many devices may be in each step at once."""

    def __init__(self, settings: Settings) -> None:
        self.detection = DeferredSemaphore(settings.detection.limit)
        self.inspection = DeferredSemaphore(settings.inspection.limit)
        self.downloads = DeferredSemaphore(settings.downloads.limit)
        self.cleanup = DeferredSemaphore(settings.cleanup.limit)

    def apply(self, settings: Settings) -> None:
        """Take new limits for whoever comes next; those in a step finish under the limit they began with."""
        fresh = Limits(settings)
        for step, semaphore in vars(fresh).items():
            if semaphore.limit != getattr(self, step).limit:
                setattr(self, step, semaphore)


class LiveConfig:
    """Read by all services at each use, so that a change needs no restart."""

    def __init__(self, settings: Settings, roster: Roster | None = None, drivers: Drivers | None = None) -> None:
        self.drivers = drivers or Drivers(*KNOWN)
        self.log = Logger()  # told of observers that fail; the event's own as soon as there is one
        self.settings = settings
        self.roster = roster or Roster()
        self.limits = Limits(settings)
        self.paused = False  # whether somebody asked that no further download begins
        self._asked_for: dict[int, frozenset[str]] = {}
        self._observers: list[Callable[[], None]] = []

    def observe(self, observer: Callable[[], None]) -> None:
        self._observers.append(observer)

    def change(
        self, *, settings: Settings | None = None, roster: Roster | None = None, paused: bool | None = None
    ) -> None:
        if settings is not None:
            self.settings = settings
            self.limits.apply(settings)
        if roster is not None:
            self.roster = roster
        if paused is not None:
            self.paused = paused
        self._publish()

    def ask_for(self, identifier: int, file: str) -> None:
        """Want a log of a device, by its path there, whatever its day and its speed; until the collector ends."""
        self._asked_for[identifier] = self._asked_for.get(identifier, frozenset()) | {file}
        self._publish()

    @property
    def zone(self) -> datetime.timezone:
        """The time zone in which the devices should be: that of the event, whatever the laptop's is."""
        return datetime.timezone(datetime.timedelta(minutes=self.settings.expected.timezone))

    def today(self, seconds: float) -> datetime.date:
        """The day of the event at `seconds` UTC."""
        return datetime.datetime.fromtimestamp(seconds, self.zone).date()

    def day_began_at(self, seconds: float) -> float:
        """When the day of the event at `seconds` UTC began, in s since 1970."""
        midnight = datetime.datetime.combine(self.today(seconds), datetime.time(), self.zone)
        return midnight.timestamp()

    def is_same_day(self, one: float, other: float) -> bool:
        """Whether two moments, in s since 1970, are of one day of the event."""
        return self.today(one) == self.today(other)

    @property
    def days(self) -> tuple[datetime.date, datetime.date] | None:
        """The first and the last day of the event, by the configuration or else the roster; None if neither says."""
        event = self.settings.event
        return (event.first_day, event.last_day) if event.first_day and event.last_day else self.roster.days

    def targets(self) -> tuple[Target, ...]:
        """Everybody to look for, each once."""
        devices, drivers = self.settings.devices, self.drivers
        fixed = {drivers.number(name): split_address(value, devices.port) for name, value in devices.addresses.items()}
        listed = {drivers.number(name) for name in devices.listed}
        numbers = sorted({*self.roster.identifiers, *filter(None, listed), *filter(None, fixed)})
        unnamed = dict.fromkeys(name for name in devices.listed if drivers.number(name) is None)
        places = [split_address(name, devices.port) for name in unnamed]
        return (
            *(Target(number, drivers.name(number), fixed.get(number)) for number in numbers),
            *(Target(None, f"device at {host}", (host, port)) for host, port in places),
        )

    @property
    def longest_round(self) -> float:
        """How many s it takes to look for everybody if nobody is there."""
        detection = self.settings.detection
        return math.ceil(len(self.targets()) / detection.limit) * detection.timeout

    def remark_on_rounds(self) -> str:
        """Why a device may be noticed late; "" if a round is over when the next one is due."""
        settings, count, seconds = self.settings, len(self.targets()), self.longest_round
        if seconds <= max(settings.scan.interval, settings.detection.timeout):
            return ""
        return (
            f"to look for {count} devices, {settings.detection.limit} at once, takes {seconds:g} s if none of them is "
            "there: with a higher detection.limit they are noticed sooner"
        )

    def filing_rules(self, identifier: int, timezone: int | None) -> FilingRules:
        """What decides over the logs of a device with this `timezone` in minutes (None: it does not say)."""
        event = self.settings.event
        days = self.days
        if days is not None and event.last_day is None:
            # A roster of another year, or one that is not complete yet, must cost nobody a day: what is newer counts.
            days = (days[0], datetime.date.max)
        asked_for = self._asked_for.get(identifier, frozenset())
        slowest, with_roster = self.settings.filters.best_500m, bool(self.roster.assignments)
        name = self.drivers.name(identifier)
        return FilingRules(self.roster.of(identifier), days, slowest, timezone, asked_for, with_roster, name)

    def _publish(self) -> None:
        notify(self._observers, lambda: self.log.failure("An observer of settings and roster failed"))
