"""The differences between firmwares: which fixes count and are stored, and what a field of the header means.

Found in 86 real files (Motion 3068 to 9004, ESP loggers). "Public" marks what only release notes say.
"""

from __future__ import annotations

from typing import Final

from sse_twisted.tracks.format import ESP_RULES, KNOT, Alpha, Rules

ESP_IDENTIFIER: Final = 987  # of every ESP logger; the rest of its header is zeros
FIRST_WITH_ALPHA: Final = 3109  # before it, the same field holds bests over 1000 m
FIRST_WITH_FULL_RATE_ALPHA: Final = 3118
EVENT: Final = 9002  # the first firmware made for an event, which does not store slow fixes

BESTS: Final = ("1s", "2s", "10s", "500m", "1852m", "1h", "alpha500")  # fields of a header


def rules_of(identifier: int, firmware: int) -> Rules:
    """Return the rules by which the device with this header counted."""
    if identifier == ESP_IDENTIFIER and not firmware:
        return ESP_RULES
    if firmware < FIRST_WITH_ALPHA:
        return Rules(alpha=Alpha.NONE)
    if firmware < FIRST_WITH_FULL_RATE_ALPHA:
        return Rules(alpha=Alpha.EVERY_SECOND)
    return Rules(logging_threshold=_logging_threshold(firmware))


def _logging_threshold(firmware: int) -> int:
    if firmware < EVENT:
        return 0
    if firmware < 9005:
        return 2572  # 5 knots: the lowest speed in 74 files
    return round((2 if firmware < 9007 else 3) * KNOT)  # public; from 9007 on, while the 2 s mean is above 3 knots


def best_name(field: str, firmware: int) -> str:
    """Return the discipline of a list of bests in the header: one of BESTS, or "1000m" in old firmware."""
    return "1000m" if field == "alpha500" and 0 < firmware < FIRST_WITH_ALPHA else field
