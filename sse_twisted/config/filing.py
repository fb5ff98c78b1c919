"""The rules by which the tracks of a device are filed."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from sse_twisted.config.roster import Assignment


class FilingRules(Struct, frozen=True):
    """All that decides which tracks of a device are wanted, and under which name."""

    assignments: tuple[Assignment, ...]  # of this device; the first that covers the start of a track counts
    days: tuple[dt.date, dt.date] | None  # of the event; None = every day
    slowest: float  # knots over 500 m
    timezone: int | None  # minutes east of UTC, as the device's settings say; None = as each log says
    asked_for: frozenset[str] = frozenset()  # paths of logs that are wanted regardless of day and speed
    with_roster: bool = True  # whether the roster has any assignment
    device_name: str = ""  # the prefix of unassigned tracks; "": the name in the first kind of device
    event_timezone: int = 0  # minutes east of UTC, for the times of day of the assignments
    hold: bool = False  # whether stored tracks stay with their owners until an operator decides
    buoy_days: frozenset[dt.date] = frozenset()  # on which it marks the line of a course: slow tracks are wanted
