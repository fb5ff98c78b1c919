"""Dates and times of formats as ms UTC."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.format import Times

DAY: Final = 86_400_000  # ms


def milliseconds(year: Any, month: Any, day: Any, hour: Any, minute: Any, second: Any) -> Times:
    """Return ms UTC by the calendar for columns of any integers; a month 0 or 13 is that before or after."""
    months = (year.astype(np.int64) - 1970) * 12 + month.astype(np.int64) - 1
    days = months.astype("M8[M]").astype("M8[D]").astype(np.int64) + day.astype(np.int64) - 1
    seconds = (hour.astype(np.int64) * 60 + minute.astype(np.int64)) * 60 + second.astype(np.int64)
    time: NDArray[np.int64] = days * DAY + seconds * 1000
    return time


def utc(time: int) -> str:
    """Return a time in ms UTC as text, without the zone; the number itself if it is outside the calendar."""
    try:
        moment = dt.datetime.fromtimestamp(time / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%S")
