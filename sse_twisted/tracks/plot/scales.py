"""Scales of a plot: round steps, ticks of time, colours of speeds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
_TIME_STEPS: Final = (
    1,
    2,
    5,
    10,
    15,
    30,
    *(m * MINUTE for m in (1, 2, 5, 10, 15, 30)),
    *(h * HOUR for h in (1, 2, 3, 6, 12)),
)

# Viridis, from dark violet to yellow: brightness follows speed, for any colour vision.
_VIRIDIS: Final = (
    (68, 1, 84),
    (72, 36, 117),
    (65, 68, 135),
    (53, 95, 141),
    (42, 120, 142),
    (33, 145, 140),
    (34, 168, 132),
    (68, 191, 112),
    (122, 209, 81),
    (189, 223, 38),
    (253, 231, 37),
)


def viridis(part: float) -> str:
    """Return the colour at a part of the ramp, from 0 to 1, as #rrggbb."""
    place = min(max(part, 0.0), 1.0) * (len(_VIRIDIS) - 1)
    low = min(int(place), len(_VIRIDIS) - 2)
    mixed = (a + (b - a) * (place - low) for a, b in zip(_VIRIDIS[low], _VIRIDIS[low + 1], strict=True))
    return "#" + "".join(f"{round(value):02x}" for value in mixed)


def round_step(extent: float, most: int) -> float:
    """Return the smallest of …, 0.5, 1, 2, 5, 10, … that fits into the extent at most `most` times."""
    least = max(extent, 1e-9) / most
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def time_step(seconds: float, most: int) -> int:
    """Return the smallest round number of seconds that fits into `seconds` at most `most` times."""
    least = seconds / most
    return next((step for step in _TIME_STEPS if step >= least), DAY * math.ceil(least / DAY))


def clock(seconds: float, step: int) -> str:
    """Return the text of a tick at local time (seconds since 1970 there), for ticks `step` seconds apart."""
    form = "%H:%M:%S" if step < MINUTE else "%H:%M" if step < DAY else "%d %b"
    return local(seconds).strftime(form)


def local(seconds: float) -> datetime:
    """Return date and time of day of seconds since 1970 in local time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def offset_name(minutes: int) -> str:
    """Return the name of a time zone so many minutes east of UTC."""
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")
