"""What differs between firmwares: which fixes count and are stored, and what a field of the header means.

Found in 86 real files (Motion 3068 to 9004, ESP loggers); what only release notes say is marked "public".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from attrs import frozen

from sse_twisted.tracks.oao.layout import KNOT

ESP_IDENTIFIER: Final = 987  # of every ESP logger; the rest of its header is zeros
FIRST_WITH_ALPHA: Final = 3109  # before it, the same field holds bests over 1000 m
FIRST_WITH_FULL_RATE_ALPHA: Final = 3118
EVENT: Final = 9002  # from here on: made for an event, slow fixes are not stored

BESTS: Final = ("1s", "2s", "10s", "500m", "1852m", "1h", "alpha500")  # names of the fields of a header
_OF_OLD_FIRMWARE: Final = {"alpha500": "1000m"}


class Alpha(Enum):
    """How a firmware searches for alpha 500."""

    NONE = auto()
    EVERY_SECOND = auto()  # among the fixes on whole seconds, stamped 10 s late
    FULL_RATE = auto()


@frozen
class Rules:
    """How a firmware counts. Speeds in mm/s."""

    least_fix: int = 3  # 3D; official: "Fix < 3 and/or Satellites < 7 should be ignored"
    least_satellites: int = 7
    worst_speed_accuracy: int = 1000  # with it the maximum speed of 79 of 79 files comes out
    unusable_stands: bool = False  # whether a fix that is not usable counts as standing still, or is missing
    stored_from: int = 0  # slower fixes are received and counted, but not stored
    alpha: Alpha = Alpha.FULL_RATE
    parts: int = 1  # of a mm/s, to which means are rounded down
    forgets: bool = True  # no window reaches back over the end of a run that had a best


ESP: Final = Rules(least_fix=0, least_satellites=5, unusable_stands=True, parts=1000, forgets=False)


def rules_of(identifier: int, firmware: int) -> Rules:
    """The rules by which the device with this header counted."""
    if identifier == ESP_IDENTIFIER and not firmware:
        return ESP
    if firmware < FIRST_WITH_ALPHA:
        return Rules(alpha=Alpha.NONE)
    if firmware < FIRST_WITH_FULL_RATE_ALPHA:
        return Rules(alpha=Alpha.EVERY_SECOND)
    return Rules(stored_from=_stored_from(firmware))


def _stored_from(firmware: int) -> int:
    if firmware < EVENT:
        return 0
    if firmware < 9005:
        return 2572  # 5 knots: the lowest that 74 files hold
    return round((2 if firmware < 9007 else 3) * KNOT)  # public; of 9007 on: while the 2 s mean is above 3 knots


def best_name(field: str, firmware: int) -> str:
    """What a list of bests in the header is called in this firmware: one of BESTS, or "1000m"."""
    old = 0 < firmware < FIRST_WITH_ALPHA
    return _OF_OLD_FIRMWARE.get(field, field) if old else field
