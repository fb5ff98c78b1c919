"""Scales of a plot: round steps, ticks of time, colours of speeds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
_ROUND: Final = (1, 2, 5, 10, 15, 30)  # of seconds or minutes
_TIME_STEPS: Final = (*_ROUND, *(m * MINUTE for m in _ROUND), *(h * HOUR for h in (1, 2, 3, 6, 12)))

# Viridis, from dark violet to yellow: brightness follows speed, for any colour vision.
_HEX: Final = "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725"
_VIRIDIS: Final = np.frombuffer(bytes.fromhex(_HEX), np.uint8).reshape(-1, 3)


def viridis(part: float) -> str:
    """Return the colour at a part of the ramp, from 0 to 1, as #rrggbb."""
    places = np.linspace(0, 1, len(_VIRIDIS))
    return "#" + bytes(round(float(np.interp(part, places, shade))) for shade in _VIRIDIS.T).hex()


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
