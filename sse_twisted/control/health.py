"""The state of the collector itself, to distinguish a lost WiFi from absent devices."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.copies.copy import UP_TO_DATE, CopyReport, whereabouts
from sse_twisted.fleet import Device
from sse_twisted.runtime.text import plural

CLOCK_TOLERANCE = 300.0  # s; a track is finalised when its device is switched off or joins the WiFi
LONGEST_WAIT = datetime.timedelta(days=60)  # for an event; earlier, the clock is doubted
WITNESSES = 2  # devices; one alone may have lost its own clock


class Condition(Struct, frozen=True):
    """A condition without which the collector does not work well."""

    subject: Annotated[str, Meta(description="scanning, names, downloads, folder, roster, copies, hand-ins or clock")]
    ok: bool
    text: Annotated[str, Meta(description="what is wrong, or worth knowing; empty if nothing is")] = ""
    warning: Annotated[bool, Meta(description="whether it is ok for now, and somebody should look at it")] = False


def scanning(running: bool, last_round: float | None, interval: float, now: float) -> Condition:
    """Check that scans run on time; `last_round` and `now` are in s of the same clock."""
    if not running or last_round is None:
        return Condition("scanning", False, "not scanning for devices")
    late = now - last_round
    text = f"the last scan was {late:.0f} s ago" if late > 5 * interval + 5 else ""
    return Condition("scanning", not text, text)


def names(trouble: str, portal: str = "") -> Condition:
    """Check that name servers respond, and no captive portal for the devices; each argument is why not, or ""."""
    if portal and not trouble:
        return Condition("names", False, f"{portal}: log in there, or join the WiFi of the event")
    lost = f"{trouble}: has the laptop lost the WiFi?" if trouble else ""
    return Condition("names", not lost, lost)


def downloads(disk_trouble: str, paused: str, disk_slow: str = "") -> Condition:
    """Check that tracks are downloaded; each argument is why not, or ""."""
    check = f"{disk_trouble}. Check that the disk of the event folder is there, writable and not full"
    text = (disk_trouble and check) or disk_slow or paused
    return Condition("downloads", not text, f"downloads paused: {text}" if text else "")


def roster(trouble: str) -> Condition:
    """Check that the whole roster is in force; `trouble` is why not, or ""."""
    return Condition("roster", not trouble, trouble)


def folder(trouble: str) -> Condition:
    """Check that the event folder is at its path; `trouble` is why not, or ""."""
    text = f"{trouble}. Put it back, or plug its disk in again" if trouble else ""
    return Condition("folder", not trouble, text)


def copies(reports: Sequence[CopyReport], tracks: int) -> tuple[Condition, ...]:
    """Check that each copy has everything; there is no condition without a copy. `tracks` are in the event folder.

    A copy that is lost with the disk of the event folder, or of another copy, is a warning.
    """
    if not reports:
        return ()
    text = "; ".join(f"copy {report.folder}: {report.text}" for report in reports if not report.ok)
    if text:
        return (Condition("copies", False, text),)
    whole = () if any(report.behind for report in reports) else (whereabouts(tracks, len(reports)),)
    late = (f"copy {report.folder} {report.text}" for report in reports if report.text != UP_TO_DATE)
    shared = [f"copy {report.folder} is on the same disk as {report.beside}" for report in reports if report.beside]
    return (Condition("copies", True, "; ".join((*whole, *late, *shared)), warning=bool(shared)),)


def hand_ins(without_owner: int) -> tuple[Condition, ...]:
    """Warn of handed-in tracks of today without an owner; there is no condition if each has one."""
    if not without_owner:
        return ()
    verb = "has" if without_owner == 1 else "have"
    text = f"{plural(without_owner, 'handed-in track')} of today {verb} no owner"
    return (Condition("hand-ins", True, text, warning=True),)


def clock(
    now: float,
    today: datetime.date,
    expected: int,
    devices: Iterable[Device],
    days: tuple[datetime.date, datetime.date] | None = None,
) -> Condition:
    """Check the laptop's clock, `now` in s since 1970; `expected` is the number of devices assigned `today`.

    `days` are the first and the last of the event. After them, and shortly before, the clock is not to blame that no
    device is assigned.
    """
    ends = sorted((track.end_date / 1000 for device in devices for track in device.tracks[-1:]), reverse=True)
    if len(ends) >= WITNESSES and (behind := ends[WITNESSES - 1] - now) > CLOCK_TOLERANCE:
        text = f"tracks end {behind / 60:.0f} min in the future: the laptop's clock is behind"
        return Condition("clock", False, text)
    if not expected and (text := outside(today, days)):
        return Condition("clock", True, text)
    if not expected:
        return Condition("clock", False, f"no device is assigned on {today}: is the laptop's clock right?")
    return Condition("clock", True)


def outside(today: datetime.date, days: tuple[datetime.date, datetime.date] | None) -> str:
    """Say that an event is over, or begins within LONGEST_WAIT; "" otherwise."""
    if days is not None and today > days[1]:
        return f"the event is over: its last day was {days[1]}"
    if days is not None and today < days[0] <= today + LONGEST_WAIT:
        return f"the event has not begun: its first day is {days[0]}"
    return ""
