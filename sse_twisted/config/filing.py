"""What decides over a device's logs: who had it when, on which days the event is, and how fast counts."""

from __future__ import annotations

import datetime as dt

from attrs import frozen

from sse_twisted.config.roster import Assignment


@frozen
class FilingRules:
    """What decides over a device's logs: who had it when, on which days the event is, and how fast counts."""

    assignments: tuple[Assignment, ...]  # of this device, the first that covers a day counts
    days: tuple[dt.date, dt.date] | None  # of the event; None = every day
    slowest: float  # knots over 500 m
    timezone: int | None  # minutes east of UTC, as the device's settings say; None = as each log says
    asked_for: frozenset[str] = frozenset()  # paths of logs that are wanted whatever their day and speed
    with_roster: bool = True  # whether anybody is on a roster at all
    device_name: str = ""  # the prefix of tracks without an owner; "": as the first kind of device has it
