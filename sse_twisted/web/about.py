"""What a device says about itself, beside what is expected of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from sse_twisted.motion.errors import BadAnswer
from sse_twisted.motion.messages import DeviceSettings, Motion, info_of, settings_of
from sse_twisted.settings import Expected


@frozen
class Fact:
    """One thing that it says."""

    subject: str
    actual: str
    expected: str = ""  # "" where nothing is
    ok: bool = True


def compared(info: Any, settings: Any, expected: Expected) -> Iterator[Fact]:
    """The facts in the parsed info.json and settings.json; None and nonsense give none."""
    try:
        motion = info_of(info)
    except BadAnswer:
        motion = None
    try:
        set_to = settings_of(settings)
    except BadAnswer:
        set_to = None
    if motion is not None:
        yield from _of_info(motion, expected)
    if set_to is not None:
        yield from _of_settings(set_to, expected)


def _of_info(motion: Motion, expected: Expected) -> Iterator[Fact]:
    if (name := motion.firmware_name) is not None:
        approved = expected.firmwares
        yield Fact("firmware", name, " or ".join(approved), not approved or name in approved)
    if (level := motion.storage) is not None:
        yield Fact("storage", f"{level} % full", f"at most {expected.storage} %", level <= expected.storage)
    if (level := motion.battery) is not None:
        yield Fact("battery", f"{level} %", f"at least {expected.battery} %", level >= expected.battery)


def _of_settings(settings: DeviceSettings, expected: Expected) -> Iterator[Fact]:
    for subject, actual, wanted in (
        ("GNSS rate (Hz)", settings.gnss_rate, expected.gnss_rate),
        ("one log per day", settings.one_log_per_day, expected.one_log_per_day),
        ("time zone (minutes)", settings.timezone, expected.timezone),
        ("LED flash", settings.flash, expected.flash),
    ):
        if actual is not None:
            yield Fact(subject, str(actual), str(wanted), actual == wanted)
