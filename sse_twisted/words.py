"""Figures in the words of a person who is in a hurry."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """As "12 s", "3 min" or "2.5 h"."""
    if seconds < 100:
        return f"{max(seconds, 0.0):.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Of bytes, as "12 KB" or "3.4 MB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1000:.0f} KB"


def counted(count: int, one: str, many: str = "") -> str:
    """As "1 track" or "1,204 tracks"; `many` where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def lacking(missing: int, wanted: int) -> str:
    """How many tracks are missing of those that are wanted."""
    return f"{missing} of {counted(wanted, 'track')} missing"
