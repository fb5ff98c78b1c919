"""Compare the listing of a device with the event folder."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator

from attrs import field, frozen

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger, Status, StoredTrack, is_pending
from sse_twisted.event_folder.moves import Step, may_be_outdated, refile
from sse_twisted.event_folder.naming import EventTrack, all_tracks, log_key
from sse_twisted.event_folder.space import MB
from sse_twisted.event_folder.track_name import day_of
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.fleet import MAX_SUMMARIES, TrackSummary
from sse_twisted.runtime.text import one_line

# Bytes of all tracks of one device that began on one day, unless it is only one. At the highest rate of the GNSS chip a
# day has 112 MB, and the last track may go on. A device that always lists new tracks would fill the disk.
MAX_OF_DAY = 250 * MB


@frozen
class Comparison:
    """The event folder compared with a listing."""

    wanted: int = 0  # tracks
    stored: tuple[StoredTrack, ...] = ()  # even if skipped by the filter
    summaries: tuple[TrackSummary, ...] = ()  # of stored tracks that it no longer lists, then of the newest wanted
    missing: tuple[EventTrack, ...] = ()  # wanted and not stored
    skipped: tuple[EventTrack, ...] = ()  # by the filter
    unreadable: int = 0  # entries of the listing
    unsound: tuple[str, ...] = ()  # remarks on tracks that are stored but not verified
    doubts: frozenset[str] = frozenset()  # about a listing that may be incomplete
    out_of_event: int = 0  # tracks of other days that the filter would not skip
    excess: frozenset[str] = frozenset()  # names of missing tracks, beyond what a device can record in a day
    names: tuple[str, ...] = field(init=False)  # of the missing tracks
    fetchable: tuple[EventTrack, ...] = field(init=False)  # missing tracks that can be requested

    @names.default
    def _names(self) -> tuple[str, ...]:
        return tuple(track.name for track in self.missing)

    @fetchable.default
    def _fetchable(self) -> tuple[EventTrack, ...]:
        return tuple(track for track in self.missing if not self.problem(track))

    def problem(self, track: EventTrack) -> str:
        """Return why a missing track is not requested; "" if it is."""
        if track.name in self.excess:
            day = track.day or "an unknown day"
            return f"more than {MAX_OF_DAY / MB:,.0f} MB for {day}: no device records that much"
        return track.log.path_problem


def compare(
    folder: EventFolder, identifier: int, listing: Listing, rules: FilingRules, ledger: Ledger, steps: list[Step]
) -> Comparison:
    """Compare a listing with the folder and update the ledger, which the caller saves if it has changed.

    Blocks: there may be thousands of tracks. Tracks whose names are out of date are moved first; `steps` collects the
    moves.
    """
    everything = all_tracks(identifier, listing, rules, ledger.named())
    if may_be_outdated(everything, ledger.named()):
        steps.extend(refile(folder, identifier, listing, rules, ledger))
        everything = all_tracks(identifier, listing, rules, ledger.named())
    tracks = [track for track in everything if track.of_event]
    stored, missing, unsound = [], [], []
    recorded: Counter[datetime.date | None] = Counter()  # bytes by day
    for track in tracks:
        fetched = folder.stored(track, ledger)
        if fetched is not None:
            ledger.record(track, Status.COMPLETED, fetched)
            recorded[track.day] += fetched.length
            is_verified = fetched.outcome is Outcome.VERIFIED
            mark = fetched.mark if is_verified else None
            stored.append(StoredTrack(identifier, track.name, track.local_file, fetched.sha256, mark))
            if not is_verified:
                unsound.append(f"{track.name} is {fetched.outcome}: {fetched.remark}")
        elif track.skipped:
            ledger.record(track, Status.SKIPPED)
        else:
            missing.append(track)
            ledger.queue(track)
    ledger.shorten(track.name for track in everything)
    wanted = [track for track in tracks if not track.skipped]
    listed = {log_key(track.log) for track in everything}
    deleted = (
        _summary(known.name, day_of(known.name), known.log)
        for known in ledger.named()
        if log_key(known.log) not in listed and folder.is_stored(identifier, known.name, ledger.entries[known.name])
    )
    summaries = (*deleted, *(_summary(track.name, track.day, track.log) for track in wanted))
    return Comparison(
        wanted=len(wanted),
        summaries=summaries[-MAX_SUMMARIES:],
        stored=tuple(stored),
        missing=tuple(missing),
        skipped=tuple(track for track in tracks if track.skipped),
        unreadable=len(listing.bad),
        unsound=tuple(unsound),
        doubts=doubts_of(listing, ledger),
        excess=frozenset(_excess(missing, recorded, rules)),
        out_of_event=sum(not track.of_event and not track.skipped for track in everything),
    )


def _excess(missing: list[EventTrack], recorded: Counter[datetime.date | None], rules: FilingRules) -> Iterator[str]:
    """Yield the names of missing tracks beyond MAX_OF_DAY, the longest ones, but for those that were asked for."""
    for track in sorted(missing, key=lambda track: track.log.length):
        before = recorded[track.day]
        recorded[track.day] += max(track.log.length, 0)
        if before and recorded[track.day] > MAX_OF_DAY and track.log.file not in rules.asked_for:
            yield track.name


def doubts_of(listing: Listing, ledger: Ledger) -> frozenset[str]:
    """Return why a listing may be incomplete: it is empty, or a track that was to be fetched is not on it.

    A device whose storage is busy may send such a listing once; a device whose tracks were deleted sends it again.
    """
    if not listing.entries and not listing.bad:
        return frozenset({"its listing is empty"})
    listed = {log.file for log in listing.entries}
    files = {str(entry.get("motion_file")) for entry in ledger.entries.values() if is_pending(entry)} - listed
    return frozenset(f"it does not list {one_line(file)} any more" for file in files)


def _summary(name: str, day: datetime.date | None, log: ListedTrack) -> TrackSummary:
    best = log.claim("500m") or 0
    return TrackSummary(name, day, log.length, log.end_date, log.duration, log.distance, best, log.file)
