"""The assignment of a device to a person for some days."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from sse_twisted.devices.drivers import device_name

MIDNIGHT = 86_400  # s, at the end of a day

Moment = tuple[int, int]  # the ordinal of a day, and s of it


@frozen
class Assignment:
    """One person carries one device from the first to the last day inclusive, in the device's time zone.

    The first day may begin, and the last day end, at a time of day in the event's time zone. A track that starts at the
    very end is no longer of this assignment.
    """

    identifier: int
    first_day: datetime.date
    last_day: datetime.date
    file_id: str
    sailor: str
    tally: str
    line: int = field(eq=False)
    entrant: str = field(default="", eq=False)
    columns: Mapping[str, str] = field(factory=dict, eq=False, repr=False)  # all cells of the row
    start_time: datetime.time | None = None
    end_time: datetime.time | None = None

    def covers(self, day: datetime.date) -> bool:
        """Whether the person carries the device on a day, or on a part of it."""
        return self.first_day <= day <= self.last_day

    def covers_start(self, day: datetime.date, moment: datetime.datetime | None) -> bool:
        """Whether a track is the person's, by its start: the day in the device's time zone, the moment in the event's.

        `moment` has no tzinfo; None counts as within the times of day.
        """
        if moment is not None and self.start_time is not None:
            has_begun = moment >= datetime.datetime.combine(self.first_day, self.start_time)
        else:
            has_begun = day >= self.first_day
        if moment is not None and self.end_time is not None:
            return has_begun and moment < datetime.datetime.combine(self.last_day, self.end_time)
        return has_begun and day <= self.last_day

    @property
    def has_times(self) -> bool:
        """Whether it begins or ends at a time of day."""
        return self.start_time is not None or self.end_time is not None

    @property
    def begin(self) -> Moment:
        return self.first_day.toordinal(), _seconds(self.start_time) if self.start_time else 0

    @property
    def end(self) -> Moment:
        """The first moment that is no longer of this assignment."""
        return self.last_day.toordinal(), _seconds(self.end_time) if self.end_time else MIDNIGHT

    def overlaps(self, other: Assignment) -> bool:
        return self.begin < other.end and other.begin < self.end

    @property
    def period(self) -> str:
        """From when to when, for a message."""
        begin, end = (f" {time:%H:%M}" if time else "" for time in (self.start_time, self.end_time))
        return f"{self.first_day}{begin} to {self.last_day}{end}"

    def __str__(self) -> str:
        return f"{device_name(self.identifier)} {self.file_id} {self.sailor}, {self.period}"


def carriers_on(day: datetime.date, assignments: Iterable[Assignment]) -> dict[int, Assignment]:
    """Return the assignment of each device on a day: of two, the first counts."""
    carriers: dict[int, Assignment] = {}
    for assignment in assignments:
        if assignment.covers(day):
            carriers.setdefault(assignment.identifier, assignment)
    return carriers


def sharers_on(day: datetime.date, assignments: Iterable[Assignment]) -> dict[int, list[Assignment]]:
    """Return all that carry each device on a day, one after the other: of two at one time, the first counts."""
    sharers: dict[int, list[Assignment]] = {}
    for assignment in assignments:
        if assignment.covers(day):
            others = sharers.setdefault(assignment.identifier, [])
            if not any(map(assignment.overlaps, others)):
                others.append(assignment)
    return sharers


def _seconds(time: datetime.time) -> int:
    return 3600 * time.hour + 60 * time.minute + time.second
