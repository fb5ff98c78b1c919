"""The verdict: whether a device can be disconnected, by how the event folder compares with its listing. Pure."""

from __future__ import annotations

from attrs import field, frozen

from sse_twisted.devices.driver import Listing
from sse_twisted.event_folder.ledger import Ledger, StoredTrack, is_waited_for
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.fleet import TrackSummary
from sse_twisted.runtime.text import missing_of, one_line, plural


@frozen
class Comparison:
    """How the event folder compares with a listing."""

    wanted: int = 0  # tracks
    held: tuple[StoredTrack, ...] = ()  # whether wanted or not
    glances: tuple[TrackSummary, ...] = ()  # of the youngest wanted ones
    missing: tuple[EventTrack, ...] = ()  # of the wanted ones
    skipped: tuple[EventTrack, ...] = ()  # by the filter
    unreadable: int = 0  # entries of the listing that have no meaning
    unsound: tuple[str, ...] = ()  # remarks on tracks that are kept as the device holds them
    doubts: frozenset[str] = frozenset()  # that logs which should be listed are not
    out_of_event: int = 0  # logs of other days that the filter would not leave out


@frozen
class Verdict:
    """Whether a device can be disconnected."""

    collected: bool
    reason: str  # why not; of a collected one, what should be known
    missing: tuple[str, ...] = ()
    retry_after: float = field(default=0.0)  # s that the device asked for
    paused: bool = False  # whether nothing is tried before somebody says so


def doubts_of(listing: Listing, ledger: Ledger) -> frozenset[str]:
    """What makes a listing hard to believe, the first time: an empty one, or one without a log that was to be fetched.

    A device whose storage is busy may say so; one whose logs were deleted says the same again.
    """
    if not listing.entries and not listing.bad:
        return frozenset({"its listing is empty"})
    listed = {log.file for log in listing.entries}
    files = {str(entry.get("motion_file")) for entry in ledger.entries.values() if is_waited_for(entry)} - listed
    return frozenset(f"it does not list {one_line(file)} any more" for file in files)


def give_verdict(
    standing: Comparison, failures: dict[str, str], new_doubts: frozenset[str], retry_after: float, paused: str
) -> Verdict:
    """By a listing that is younger than the last download.

    `failures` says by name why tracks could not be fetched, `new_doubts` what made the listing hard to believe for the
    first time, `paused` that somebody asked for a pause; `retry_after` is in s.
    """
    missing = tuple(track.name for track in standing.missing)
    count = missing_of(len(missing), standing.wanted)
    if missing and paused:
        return Verdict(False, f"{count}, {paused}", missing, paused=True)
    if missing:
        track = next((track for track in standing.missing if track.name in failures), standing.missing[0])
        why = failures.get(track.name) or track.log.path_problem or "it has changed since"
        return Verdict(False, f"{count} ({why})", missing, retry_after)
    if standing.unreadable:
        entries = plural(standing.unreadable, "entry", "entries")
        return Verdict(False, f"its listing has {entries} that can't be understood")
    if new_doubts:
        return Verdict(False, min(new_doubts))
    remarks = standing.unsound + _the_first_of(standing.doubts)
    if standing.out_of_event and not standing.wanted and not standing.skipped:
        remarks += (f"none of its tracks ({standing.out_of_event}) is of the event's days",)
    return Verdict(True, "; ".join(remarks))


def _the_first_of(doubts: frozenset[str]) -> tuple[str, ...]:
    """It says so again and was believed, but whoever has sailed with the device may know better."""
    more = f" (and {len(doubts) - 1:,} more)" if len(doubts) > 1 else ""
    return (f"{min(doubts)}{more}",) if doubts else ()
