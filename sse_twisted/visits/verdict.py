"""Decide whether a device can be disconnected. Pure functions of a comparison."""

from __future__ import annotations

from msgspec import Struct

from sse_twisted.runtime.text import missing_of, one_line, plural
from sse_twisted.visits.comparison import Comparison

MAX_REMARKS = 5  # in a reason; more are counted


class Verdict(Struct, frozen=True):
    """Whether a device can be disconnected."""

    collected: bool
    reason: str  # why not; for a collected device, remarks
    missing: tuple[str, ...] = ()  # names of all missing tracks
    retry_after: float = 0.0  # s, as the device asked
    paused: bool = False  # whether nothing is retried until downloads are resumed


def give_verdict(
    comparison: Comparison, failures: dict[str, str], new_doubts: frozenset[str], retry_after: float, paused: str
) -> Verdict:
    """Judge by a listing that is newer than the last download.

    `failures` has the reasons by track, `new_doubts` the doubts that the listing before did not raise. `paused` is the
    reason why downloads are paused, or "". `retry_after` is in s.
    """
    missing = comparison.names
    count = missing_of(len(missing), comparison.wanted)
    if missing and paused:
        return Verdict(False, f"{count}, {paused}", missing, paused=True)
    if missing:
        failed = (track for track, name in zip(comparison.missing, missing, strict=True) if name in failures)
        track = next(failed, comparison.missing[0])
        why = failures.get(track.name) or comparison.problem(track) or "it has changed since"
        return Verdict(False, f"{count} ({why})", missing, retry_after)
    if comparison.unreadable:
        entries = plural(comparison.unreadable, "entry", "entries")
        return Verdict(False, f"its listing has {entries} that can't be read")
    if new_doubts:
        return Verdict(False, min(new_doubts))
    unsound = comparison.unsound
    remarks = tuple(one_line(remark, 200) for remark in unsound[:MAX_REMARKS])
    if len(unsound) > MAX_REMARKS:
        remarks += (f"{len(unsound) - MAX_REMARKS:,} more tracks are not verified",)
    if doubts := comparison.doubts:  # the device repeated them: it is believed, but its sailor may know better
        more = f" (and {len(doubts) - 1:,} more)" if len(doubts) > 1 else ""
        remarks += (f"{min(doubts)}{more}",)
    if comparison.out_of_event and not comparison.wanted and not comparison.skipped:
        remarks += (f"none of its tracks ({comparison.out_of_event}) is of the event's days",)
    return Verdict(True, "; ".join(remarks))
