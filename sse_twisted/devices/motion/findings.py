"""Compare the values that a Motion reports with those that are expected.

The same findings are shown in the log, in the original's words, and on the board.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.devices.driver import Finding
from sse_twisted.devices.motion.messages import MotionInfo, MotionSettings, Percent


class MotionExpected(Struct, frozen=True, forbid_unknown_fields=True):
    """The expected values; a deviation is a finding, never a reason not to collect."""

    firmwares: tuple[str, ...] = ()  # approved names; empty = any
    storage: Percent = 95  # % full, at most
    battery: Percent = 60  # %, at least
    gnss_rate: Annotated[int, Meta(ge=1, le=100)] = 5  # Hz
    one_log_per_day: Annotated[int, Meta(ge=0, le=1)] = 0
    timezone: Annotated[int, Meta(ge=-840, le=840)] = 60  # minutes east of UTC
    flash: Annotated[int, Meta(ge=0, le=255)] = 1  # LED


def findings_of_info(info: MotionInfo, expected: MotionExpected) -> Iterator[Finding]:
    """Compare firmware, storage and battery."""
    if (name := info.firmware_name) is not None:
        approved = expected.firmwares
        ok = not approved or name in approved
        text = f"firmware is {'approved' if ok else 'not approved'} ({name})" if approved else f"firmware is {name}"
        yield Finding("firmware", name, " or ".join(approved), ok, text)
    if (level := info.storage) is not None:
        ok = level <= expected.storage
        yield Finding("storage", f"{level} % full", f"at most {expected.storage} %", ok, f"storage is {level}% full")
    if (level := info.battery) is not None:
        ok, text = level >= expected.battery, f"battery level is {level}%"
        yield Finding("battery", f"{level} %", f"at least {expected.battery} %", ok, text, "info")


def findings_of_settings(settings: MotionSettings, expected: MotionExpected) -> Iterator[Finding]:
    """Compare GNSS rate, one log per day, time zone and LED, as far as the device reports them."""
    for subject, unit, actual, wanted in (
        ("GNSS rate", " Hz", settings.gnss_rate, expected.gnss_rate),
        ("one log per day", "", settings.one_log_per_day, expected.one_log_per_day),
        ("timezone", " minutes", settings.timezone, expected.timezone),
        ("LED flash", "", settings.flash, expected.flash),
    ):
        if actual is not None:
            ok = actual == wanted
            text = f"{subject} is {actual}" if ok else f"{subject} is incorrect ({actual})"
            yield Finding(subject, f"{actual}{unit}", f"{wanted}{unit}", ok, text)
