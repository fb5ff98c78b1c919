"""The state of the collector itself, so that "the laptop has lost the WiFi" can be told from "nobody is here"."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.fleet import Device

CLOCK_TOLERANCE = 300.0  # s; a track is finalised when its device is switched off or joins the WiFi
WITNESSES = 2  # devices; one alone may have lost its own clock


class Condition(Struct, frozen=True):
    """One thing that the collector needs."""

    subject: Annotated[str, Meta(description="scanning, names, downloads or clock")]
    ok: bool
    text: Annotated[str, Meta(description="what is wrong; empty if nothing is")] = ""


def scanning(running: bool, last_round: float | None, interval: float, now: float) -> Condition:
    """Whether devices are looked for; times in s of one clock."""
    if not running or last_round is None:
        return Condition("scanning", False, "devices are not looked for")
    late = now - last_round
    if late > 5 * interval + 5:
        return Condition("scanning", False, f"devices were last looked for {late:.0f} s ago")
    return Condition("scanning", True)


def names(trouble: str) -> Condition:
    """Whether name servers answer."""
    lost = f"{trouble}: has the laptop lost the WiFi?" if trouble else ""
    return Condition("names", not lost, lost)


def downloads(disk_trouble: str, paused: str) -> Condition:
    """Whether tracks can be kept; each is why not, or ""."""
    text = disk_trouble or paused
    return Condition("downloads", not text, f"downloads pause: {text}" if text else "")


def clock(now: float, today: datetime.date, expected: int, devices: Iterable[Device]) -> Condition:
    """Whether the laptop's clock can be right: `now` in s since 1970, and how many are expected `today`."""
    ends = sorted((track.end_date / 1000 for device in devices for track in device.tracks[-1:]), reverse=True)
    if len(ends) >= WITNESSES and (behind := ends[WITNESSES - 1] - now) > CLOCK_TOLERANCE:
        text = f"tracks end {behind / 60:.0f} min from now: the laptop's clock is behind"
        return Condition("clock", False, text)
    if not expected:
        return Condition("clock", False, f"nobody is on the roster on {today}: is the laptop's clock right?")
    return Condition("clock", True)
