"""What proves that a track is as its device wrote it: checksums, its length on the device, a twin in another format.

The bytes alone prove a FIT whole, if length and checksum are right. The records of OAO, UBX, GPY and SBN have
checksums, but a file that ends early shows it only by the length that the device lists. SBP and GPX have none.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Final

import numpy as np
from msgspec.structs import replace

from sse_twisted.tracks.format import Evidence, Times, Track

WEEK_ROLLOVER: Final = 1024 * 7 * 86_400_000  # ms; receivers of the time of the GT-11 go back by that since April 2019
FIRST_YEAR: Final = 1_167_609_600_000  # ms UTC, the start of 2007; a new file that is older is of such a receiver
DATE: Final = r"(?<![0-9])(20[0-9]{2})-?([0-9]{2})-?([0-9]{2})(?![0-9])"  # in the name of a file
DAY: Final = 86_400_000  # ms
MIN_COMMON: Final = 0.99  # of the fixes of two twins
SPEED_STEP: Final = 10  # mm/s, in which SBP counts
PLACE_STEP: Final = 1.5e-7  # degrees


def evidence_of(track: Track, *, listed_length: int | None = None, twin: Track | None = None) -> Evidence:
    """Return the grade of a track that is known to have `listed_length` bytes on its device, or has a twin.

    A twin is a file of the same session in another format, of the same device, or the same file fetched once more.
    """
    grade = track.evidence
    integrity = track.integrity
    if grade is Evidence.AS_HANDED_IN and twin is not None and are_twins(track, twin):
        grade = Evidence.CONSISTENT
    if grade is not Evidence.CONSISTENT or track.evidence is Evidence.AS_HANDED_IN:
        return grade
    is_complete = integrity.whole and integrity.length - len(integrity.trailer) == listed_length
    return Evidence.PROVEN if is_complete else grade


def are_twins(track: Track, other: Track) -> bool:
    """Tell whether two tracks have the same fixes: times, places and speeds within the steps of SBP."""
    ours, theirs = track.fixes, other.fixes
    common, at, there = np.intersect1d(ours.time, theirs.time, return_indices=True)
    if not len(common) or len(common) < MIN_COMMON * max(len(ours), len(theirs)):
        return False
    apart = np.abs(ours.speed[at].astype(np.int64) - theirs.speed[there].astype(np.int64)) > SPEED_STEP
    for name in ("latitude", "longitude"):
        apart |= ~(np.abs(getattr(ours, name)[at] - getattr(theirs, name)[there]) <= PLACE_STEP)
    return not apart.any()


def is_rolled_over(time: Times) -> bool:
    """Tell whether the times (ms UTC) of a new file are 1,024 weeks early: the last of them is before 2007."""
    return len(time) > 0 and time.min() < FIRST_YEAR and 0 < int(np.median(time)) < FIRST_YEAR  # a median takes longer


def is_named_later(name: str, time: Times) -> bool:
    """Tell whether a name has a date that these times (ms UTC) have 1,024 weeks later, in any time zone."""
    first, last = int(time.min()) + WEEK_ROLLOVER - DAY, int(time.max()) + WEEK_ROLLOVER + DAY
    for year, month, day in re.findall(DATE, name):
        with contextlib.suppress(ValueError):
            date = dt.datetime(int(year), int(month), int(day), tzinfo=dt.UTC)
            if first <= date.timestamp() * 1000 <= last:
                return True
    return False


def without_rollover(track: Track) -> Track:
    """Return a track with its times 1,024 weeks later."""
    return replace(track, fixes=replace(track.fixes, time=track.fixes.time + WEEK_ROLLOVER))
