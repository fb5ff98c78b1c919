"""What is remarkable about a device, in the words of the original's log. A finding never stops the collecting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen
from twisted.logger import LogLevel

from sse_twisted.motion.messages import DeviceSettings, Motion
from sse_twisted.settings import Expected


@frozen
class Remark:
    """One line about a device; a warning is a finding."""

    level: Any  # of LogLevel
    subject: str  # what it is about: said once in a visit
    text: str

    @property
    def is_finding(self) -> bool:
        """Whether somebody should do something about it."""
        return bool(self.level is LogLevel.warn)


def remarks_on_info(motion: Motion, expected: Expected) -> Iterator[Remark]:
    """Firmware, storage and battery."""
    name = motion.firmware_name
    if expected.firmwares and name is not None:
        approved = name in expected.firmwares
        word = "approved" if approved else "not approved"
        yield Remark(LogLevel.debug if approved else LogLevel.warn, "firmware", f"firmware is {word} ({name})")
    if (level := motion.storage) is not None:
        full = LogLevel.warn if level > expected.storage else LogLevel.debug
        yield Remark(full, "storage", f"storage is {level}% full")
    if (level := motion.battery) is not None:
        low = LogLevel.warn if level < expected.battery else LogLevel.info
        yield Remark(low, "battery", f"battery level is {level}%")


def remarks_on_settings(settings: DeviceSettings, expected: Expected) -> Iterator[Remark]:
    """GNSS rate, one log per day, time zone and LED, where the device has them."""
    for subject, actual, wanted in (
        ("GNSS rate", settings.gnss_rate, expected.gnss_rate),
        ("one log per day", settings.one_log_per_day, expected.one_log_per_day),
        ("timezone", settings.timezone, expected.timezone),
        ("LED flash", settings.flash, expected.flash),
    ):
        if actual is None:
            continue
        if actual == wanted:
            yield Remark(LogLevel.debug, subject, f"{subject} is {actual}")
        else:
            yield Remark(LogLevel.warn, subject, f"{subject} is incorrect ({actual})")
