"""What a device says about itself, beside what is expected of it. A finding never stops the collecting.

One list of facts serves the log, in the words of the original's, the findings on the board, and the device's page.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from attrs import frozen

from sse_twisted.config.settings import Expected, Level
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.motion.messages import DeviceSettings, Motion, info_of, settings_of


@frozen
class Fact:
    """One thing that it says."""

    subject: str  # what it is about: said once in a visit
    actual: str  # for the eye, with its unit
    expected: str  # "" where nothing is
    ok: bool
    text: str  # in the log; and among the findings where it is not as expected
    usual: Level = "debug"  # at which it is logged where it is as expected

    @property
    def level(self) -> Level:
        """At which it is logged."""
        return self.usual if self.ok else "warning"


def facts_of_info(motion: Motion, expected: Expected) -> Iterator[Fact]:
    """Firmware, storage and battery."""
    if (name := motion.firmware_name) is not None:
        approved = expected.firmwares
        ok = not approved or name in approved
        text = f"firmware is {'approved' if ok else 'not approved'} ({name})" if approved else f"firmware is {name}"
        yield Fact("firmware", name, " or ".join(approved), ok, text)
    if (level := motion.storage) is not None:
        ok = level <= expected.storage
        yield Fact("storage", f"{level} % full", f"at most {expected.storage} %", ok, f"storage is {level}% full")
    if (level := motion.battery) is not None:
        ok, text = level >= expected.battery, f"battery level is {level}%"
        yield Fact("battery", f"{level} %", f"at least {expected.battery} %", ok, text, "info")


def facts_of_settings(settings: DeviceSettings, expected: Expected) -> Iterator[Fact]:
    """GNSS rate, one log per day, time zone and LED, where the device has them."""
    for subject, unit, actual, wanted in (
        ("GNSS rate", " Hz", settings.gnss_rate, expected.gnss_rate),
        ("one log per day", "", settings.one_log_per_day, expected.one_log_per_day),
        ("timezone", " minutes", settings.timezone, expected.timezone),
        ("LED flash", "", settings.flash, expected.flash),
    ):
        if actual is not None:
            ok = actual == wanted
            text = f"{subject} is {actual}" if ok else f"{subject} is incorrect ({actual})"
            yield Fact(subject, f"{actual}{unit}", f"{wanted}{unit}", ok, text)


def facts_of_answers(info: Any, settings: Any, expected: Expected) -> Iterator[Fact]:
    """All of the parsed info.json and settings.json; None and nonsense give none."""
    with suppress(BadAnswer):
        yield from facts_of_info(info_of(info), expected)
    with suppress(BadAnswer):
        yield from facts_of_settings(settings_of(settings), expected)
