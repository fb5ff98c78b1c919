"""Judge each device at the start, by the saved state, its ledger and its files. Blocks; logs nothing."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import Enum, auto
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.live import LiveConfig
from sse_twisted.devices.driver import Driver
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Entries, Status, is_pending
from sse_twisted.event_folder.naming import all_tracks, is_outside
from sse_twisted.event_folder.track_name import day_of
from sse_twisted.event_folder.track_report import number_of
from sse_twisted.fleet import MAX_SUMMARIES, Device, Stage, TrackSummary, missing_fields
from sse_twisted.history.store import SavedDevice, SavedState, saved_fields


class PriorOutcome(Enum):
    """The outcome for a device before this start."""

    COLLECTED = auto()  # and all of its tracks are here
    LOST = auto()  # collected, but not all of its tracks are here now: deleted, or just being moved
    WAIVED = auto()
    LEFT_EARLY = auto()  # an alarm already
    NOT_DONE = auto()  # an alarm unless the device is found


class PriorState(Struct, frozen=True):
    """The state of a device before this start."""

    outcome: PriorOutcome
    device: Device  # the last snapshot, with the present names of its tracks


class StartupJudge:
    """Judges devices one by one; all methods block, so call them in a thread.

    The first line that fits decides. A device has newer answers if its info.json or logs.json is not the file that the
    saved state knew, by time and size: times alone deceive where a clock was set.

    newer answers | saved by a      | saved device | outcome
    --------------|-----------------|--------------|---------------------------------------------------------------
    yes           | running program | any, or none | NOT_DONE: killed before it saved what the answers led to
    -             | -               | none         | as the ledger says
    no            | -               | any          | as the saved device says
    yes           | stopped program | left early   | COLLECTED if the ledger says so, else LEFT_EARLY
    yes           | stopped program | not done     | as the ledger says, another program went on; else NOT_DONE
    yes           | stopped program | other        | as the ledger says
    """

    def __init__(self, folder: EventFolder, state: SavedState, today: datetime.date, live: LiveConfig) -> None:
        self._folder = folder
        self._state = state
        self._today = today
        self._live = live
        self._days = live.filing_rules(0, None).days

    def judge(self, identifier: int, entries: Entries) -> PriorState | None:
        """Return the prior state of a device, None if it does not matter. `entries` are those of its ledger."""
        saved = self._state.devices.get(identifier)
        has_newer_answers = not self._state.knows(identifier, self._folder.stamps(identifier))
        if has_newer_answers and not self._state.ended:
            return self.not_done(identifier)
        if saved is None:
            return self._by_ledger(identifier, entries)
        by_state = self._by_state(identifier, saved, entries)
        if not has_newer_answers:
            return by_state
        by_ledger = self._by_ledger(identifier, entries)
        if by_ledger is not None and by_ledger.outcome is PriorOutcome.COLLECTED:
            return by_ledger
        if saved.left_early:
            return PriorState(PriorOutcome.LEFT_EARLY, Device(identifier, **saved_fields(saved)))
        is_not_done = by_state is not None and by_state.outcome is PriorOutcome.NOT_DONE
        return by_state if by_ledger is None and is_not_done else by_ledger

    def not_done(self, identifier: int) -> PriorState:
        """Return the prior state of a device that can't be judged: an alarm too many rather than one too few."""
        saved = self._state.devices.get(identifier)
        device = Device(identifier, **saved_fields(saved)) if saved else Device(identifier)
        if device.present:  # an earlier alarm says less than what is missing now
            device = replace(device, left_early="")
        return PriorState(PriorOutcome.NOT_DONE, replace(device, since=self._state.saved_at))

    def is_here(self, device: Device) -> bool:
        """Whether every track of the snapshot is stored now."""
        return not self.missing(device)

    def missing(self, device: Device) -> tuple[str, ...]:
        """Return the names of the tracks of the snapshot that are not stored now."""
        return self._missing(device, self._folder.entries(device.identifier))[1]

    def _by_state(self, identifier: int, saved: SavedDevice, entries: Entries) -> PriorState | None:
        """Judge by the saved device; the first line that fits decides.

        stage              | left early | waived | since       | outcome
        -------------------|------------|--------|-------------|------------------------------------------
        present, not done  | -          | -      | -           | NOT_DONE
        gone               | yes        | -      | -           | LEFT_EARLY, on whatever day
        any other          | yes        | -      | -           | NOT_DONE: still being looked for
        absent             | no         | no     | -           | none
        -                  | no         | -      | another day | none: what was settled then is due again
        -                  | no         | yes    | today       | WAIVED
        collected, or gone | no         | no     | today       | COLLECTED, or LOST if a track is not here
        """
        device = Device(identifier, **saved_fields(saved))
        if device.present and device.stage is not Stage.COLLECTED:
            return self.not_done(identifier)
        if device.left_early:
            is_gone = device.stage is Stage.GONE
            return PriorState(PriorOutcome.LEFT_EARLY if is_gone else PriorOutcome.NOT_DONE, device)
        if device.stage is Stage.ABSENT and not device.waived:
            return None
        if self._live.today(device.since) != self._today:
            return None
        if device.waived:
            return PriorState(PriorOutcome.WAIVED, device)
        return _collected(self._with_names_of_now(device, entries))

    def _with_names_of_now(self, device: Device, entries: Entries) -> Device:
        """Return a device with the present names of its tracks, and of those that are missing."""
        tracks, missing = self._missing(device, entries)
        wanted = max(device.wanted, len(missing))
        return replace(device, tracks=tracks, wanted=wanted, **missing_fields(missing))

    def _missing(self, device: Device, entries: Entries) -> tuple[tuple[TrackSummary, ...], tuple[str, ...]]:
        """Return the tracks with their present names, and the names of all missing ones: pending ones of today, too."""
        is_stored = partial(self._folder.is_stored, device.identifier)
        stored = {name: entry.get("motion_file") for name, entry in entries.items() if is_stored(name, entry)}
        named = [(track, _name_of_now(track, entries, stored)) for track in device.tracks]
        tracks = tuple(replace(track, name=name or track.name) for track, name in named)
        lost = [track.name for track, name in named if name is None]
        never_came = (
            name
            for name, entry in entries.items()
            if is_pending(entry) and not is_outside(day_of(name), (self._today, self._today))
        )
        return tracks, tuple(dict.fromkeys((*lost, *never_came)))

    def _by_ledger(self, identifier: int, entries: Entries) -> PriorState | None:
        """Judge by the ledger and the last listing; the first line that fits decides.

        Wanted are the completed tracks of today and the pending tracks of the event.

        wanted | met today | all known and completed | outcome
        -------|-----------|-------------------------|------------------------------------------
        none   | no        | -                       | none
        -      | -         | no                      | NOT_DONE
        none   | yes       | yes                     | none
        some   | -         | yes                     | COLLECTED, or LOST if a track is not here
        """
        wanted = {
            name: entry
            for name, entry in sorted(entries.items())
            if (day_of(name) == self._today and entry.get("status") == Status.COMPLETED)
            or (is_pending(entry) and not is_outside(day_of(name), self._days))
        }
        met_at = self._folder.met_at(identifier)
        if not wanted and self._live.today(met_at) != self._today:
            return None
        driver, is_stored = self._folder.drivers.of(identifier), partial(self._folder.is_stored, identifier)
        device = Device(
            identifier,
            since=met_at,
            wanted=len(wanted),
            **missing_fields([name for name, entry in wanted.items() if not is_stored(name, entry)]),
            tracks=tuple(_summary(name, wanted[name], driver) for name in list(wanted)[-MAX_SUMMARIES:]),
        )
        is_completed = all(entry.get("status") == Status.COMPLETED for entry in wanted.values())
        if not (is_completed and self._is_all_known(identifier, entries)):
            return PriorState(PriorOutcome.NOT_DONE, device)
        return _collected(device) if wanted else None

    def _is_all_known(self, identifier: int, entries: Entries) -> bool:
        """Whether the ledger has every wanted log that may be of today, by a listing that is new enough."""
        may_be_listed = self._state.may_be_listed(identifier, self._folder.stamps(identifier))
        if not (may_be_listed and self._folder.is_listed(identifier)):
            return False
        try:
            listing = self._folder.listing(identifier)
        except (OSError, BadAnswer):
            return False
        known = {
            (entry.get("motion_file"), entry.get("start_date"), entry.get("size"))
            for entry in entries.values()
            if "unlisted" not in entry  # a track that was given up and is listed again is wanted
        }
        rules = self._live.filing_rules(identifier, self._folder.timezone(identifier))
        wanted = (
            track.log
            for track in all_tracks(identifier, listing, rules)
            if track.of_event and not track.skipped and not is_outside(track.day, (self._today, self._today))
        )
        return not listing.bad and all((log.file, log.start_date, log.size) in known for log in wanted)


def _collected(device: Device) -> PriorState:
    return PriorState(PriorOutcome.LOST if device.missing else PriorOutcome.COLLECTED, device)


def _name_of_now(track: TrackSummary, entries: Entries, stored: Mapping[str, Any]) -> str | None:
    """Return the present name of a track, None if it is not stored; `stored` maps names to paths on the device.

    A device may reuse a path after its logs were deleted, so the track's own entry decides if there is one.
    """
    own = track.name if track.name in stored else None
    if track.name in entries and entries[track.name].get("motion_file") == track.file:
        return own
    return next((name for name, file in stored.items() if file == track.file), own)


def _summary(name: str, entry: Mapping[str, Any], driver: Driver) -> TrackSummary:
    length, size, end, duration, distance, best = (
        int(number_of(entry, key)) for key in ("length", "size", "end_date", "duration", "distance", "500m_best")
    )
    length = length or max(driver.length_of(size), 0)
    file = str(entry.get("motion_file") or "")
    return TrackSummary(name, day_of(name), length, end, duration, distance, best, file)
