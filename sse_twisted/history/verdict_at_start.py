"""What became of a device before this start: what memory, ledger and files say multi_service. Tells nobody; blocks."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from attrs import evolve, frozen

from sse_twisted.config.live import LiveConfig
from sse_twisted.devices.driver import Driver
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.event_folder.folder import EventFolder, Stamps
from sse_twisted.event_folder.ledger import Entries, Status, is_waited_for
from sse_twisted.event_folder.naming import PLAUSIBLE, all_tracks, is_of_another_time
from sse_twisted.event_folder.track_name import day_of
from sse_twisted.event_folder.track_report import LARGEST_FIGURE
from sse_twisted.fleet import PRESENT, Device, Stage, TrackSummary
from sse_twisted.history.store import KEPT, LoadedState, SavedDevice, SavedState


class PriorOutcome(Enum):
    """What became of a device before this start."""

    COLLECTED = auto()  # and gone, or it will be found
    LEFT_EARLY = auto()  # an alarm already
    WAIVED = auto()
    NOT_DONE = auto()  # it was here, and may still be
    LOST = auto()  # it was collected, and what it had is not all here: or it is just being moved


@frozen
class PriorState:
    """What is known of a device from before this start."""

    fate: PriorOutcome
    device: Device  # as it was, with its tracks under the names that they have now


class StartupJudge:
    """Judges what memory, ledgers and files say multi_service. All methods block and are called in a thread."""

    def __init__(self, folder: EventFolder, found: LoadedState, today: datetime.date, live: LiveConfig) -> None:
        self._folder = folder
        self._found = found
        self._today = today
        self._live = live
        self._days = live.filing_rules(0, None).days

    def past(self, identifier: int, entries: Entries) -> PriorState | None:
        """What became of a device; None if nothing needs to be known.

        The memory counts while the answers that are kept are those that were kept before it was written. Of others: the
        collector was killed before it noted them down, so the device is not done; or it has stopped, and somebody else
        went on, as the original may, so the ledger tells.
        """
        memory = self._found.memory
        if memory is None:
            return self._by_ledger(identifier, entries)
        remembered = memory.devices.get(identifier)
        if self._knew_answers(memory, identifier):
            if remembered is None:
                return self._by_ledger(identifier, entries)
            return self._by_memory(identifier, remembered, entries, memory.saved_at)
        if not memory.ended:
            return _not_done(_known(identifier, remembered), memory.saved_at)
        return self._by_both(identifier, remembered, entries, memory.saved_at)

    def _knew_answers(self, memory: SavedState, identifier: int) -> bool:
        """Whether nothing that the device has said came after the memory. Times alone may deceive: clocks are set."""
        if memory.answers is None:
            return self._folder.answered_at(identifier) <= self._found.written_at
        return memory.answers.get(identifier, Stamps()) == self._folder.stamps(identifier)

    def _by_both(
        self, identifier: int, remembered: SavedDevice | None, entries: Entries, saved_at: float
    ) -> PriorState | None:
        """Of a device that somebody else has met since: an alarm, and what was not done, end only by its ledger."""
        by_ledger = self._by_ledger(identifier, entries)
        if remembered is None or (by_ledger is not None and by_ledger.fate is PriorOutcome.COLLECTED):
            return by_ledger
        known = _known(identifier, remembered)
        if remembered.left_early:
            return PriorState(PriorOutcome.LEFT_EARLY, known)
        if by_ledger is None and known.present and known.stage is not Stage.COLLECTED:
            return _not_done(known, saved_at)
        return by_ledger

    def not_judged(self, identifier: int) -> PriorState:
        """What counts for a device of which nobody knows better: an alarm too many rather than one too few."""
        memory = self._found.memory
        remembered = memory.devices.get(identifier) if memory is not None else None
        return _not_done(_known(identifier, remembered), memory.saved_at if memory is not None else 0.0)

    def is_here(self, device: Device) -> bool:
        """Whether every track that the device had is here now."""
        return not self._with_names_of_now(device, self._folder.entries(device.identifier)).missing

    def _by_memory(
        self, identifier: int, remembered: SavedDevice, entries: Entries, saved_at: float
    ) -> PriorState | None:
        known = _known(identifier, remembered)
        if remembered.stage in PRESENT and remembered.stage is not Stage.COLLECTED:
            return _not_done(known, saved_at)
        if remembered.left_early:  # of whatever day: it stays until the device is back, or is waived
            return PriorState(
                PriorOutcome.LEFT_EARLY if remembered.stage is Stage.GONE else PriorOutcome.NOT_DONE, known
            )
        if remembered.stage is Stage.ABSENT and not remembered.waived:
            return None
        if self._live.today(remembered.since) != self._today:  # what was settled then is not asked for today
            return None
        if remembered.waived:
            return PriorState(PriorOutcome.WAIVED, known)
        verified = self._with_names_of_now(known, entries)
        return PriorState(PriorOutcome.LOST if verified.missing else PriorOutcome.COLLECTED, verified)

    def _with_names_of_now(self, device: Device, entries: Entries) -> Device:
        """A device with what is missing of its tracks, and with what was known of today and never came."""
        held = {
            name: entry.get("motion_file")
            for name, entry in entries.items()
            if self._folder.holds(device.identifier, name, entry)
        }
        tracks, missing = [], []
        for glance in device.tracks:
            name = _name_of_now(glance, entries, held)
            tracks.append(evolve(glance, name=name or glance.name))
            if name is None:
                missing.append(glance.name)
        for name, entry in entries.items():
            if self._may_be_of_today(day_of(name)) and is_waited_for(entry) and name not in missing:
                missing.append(name)
        return evolve(device, tracks=tuple(tracks), missing=tuple(missing), wanted=max(device.wanted, len(missing)))

    def _by_ledger(self, identifier: int, entries: Entries) -> PriorState | None:
        """By the day's tracks of a ledger, and what is missing of the event.

        None if there is none of them, and all that the device listed if it was here today.
        """
        wanted = {
            name: entry
            for name, entry in sorted(entries.items())
            if (day_of(name) == self._today and entry.get("status") == Status.COMPLETED)
            or (is_waited_for(entry) and self._is_of_event(name))
        }
        met_at = self._folder.met_at(identifier)
        if not wanted and self._live.today(met_at) != self._today:
            return None
        is_all_known = self._is_listed(identifier) and self._is_all_known(identifier, entries)  # else there may be more
        if not wanted:
            return None if is_all_known else PriorState(PriorOutcome.NOT_DONE, Device(identifier, since=met_at))
        driver = self._folder.drivers.of(identifier)
        device = Device(
            identifier,
            since=met_at,
            wanted=len(wanted),
            missing=tuple(name for name, entry in wanted.items() if not self._folder.holds(identifier, name, entry)),
            tracks=tuple(_glance(name, entry, driver) for name, entry in wanted.items()),
        )
        if is_all_known and all(entry.get("status") == Status.COMPLETED for entry in wanted.values()):
            return PriorState(PriorOutcome.LOST if device.missing else PriorOutcome.COLLECTED, device)
        return PriorState(PriorOutcome.NOT_DONE, device)

    def _is_listed(self, identifier: int) -> bool:
        """Whether a listing was kept after the device was last met: by the times, and by what the memory has seen."""
        memory = self._found.memory
        if memory is not None and memory.answers is not None:
            before, now = memory.answers.get(identifier, Stamps()), self._folder.stamps(identifier)
            if now.info != before.info and now.listing == before.listing:
                return False
        return self._folder.is_listed(identifier)

    def _is_of_event(self, name: str) -> bool:
        """Whether a track is wanted, by the day in its name: of a device without a clock it may well be of today."""
        day = day_of(name)
        return day is None or not is_of_another_time(day, self._days)

    def _may_be_of_today(self, day: datetime.date | None) -> bool:
        return day is None or not PLAUSIBLE[0] <= day < PLAUSIBLE[1] or day == self._today

    def _is_all_known(self, identifier: int, entries: Entries) -> bool:
        """Whether the last listing can be understood, and a ledger tells of every wanted log in it that may be new."""
        try:
            listing = self._folder.listing(identifier)
        except (OSError, BadAnswer):
            return False
        known = {
            (entry.get("motion_file"), entry.get("start_date"), entry.get("size"))
            for entry in entries.values()
            if "unlisted" not in entry  # one that was given up, and is listed again, is wanted
        }
        rules = self._live.filing_rules(identifier, self._folder.timezone(identifier))
        tracks = all_tracks(identifier, listing, rules)
        wanted = (
            track.log for track in tracks if track.of_event and not track.skipped and self._may_be_of_today(track.day)
        )
        return not listing.bad and all((log.file, log.start_date, log.size) in known for log in wanted)


def _name_of_now(glance: TrackSummary, entries: Entries, held: Mapping[str, Any]) -> str | None:
    """Under which of the names that are `held`, each with its path on the device, a track is here; None if it is not.

    A device may use a path again after its logs were deleted: where the track's own entry tells, no other one does.
    """
    if glance.name in entries and entries[glance.name].get("motion_file") == glance.file:
        return glance.name if glance.name in held else None
    moved = (name for name, file in held.items() if file == glance.file)
    return next(moved, glance.name if glance.name in held else None)


def _known(identifier: int, remembered: SavedDevice | None) -> Device:
    return Device(identifier, **{name: getattr(remembered, name) for name in KEPT} if remembered else {})


def _not_done(known: Device, at: float) -> PriorState:
    """Of one that was last there at `at`; an alarm of before says less than what is missing now."""
    return PriorState(
        PriorOutcome.NOT_DONE, evolve(known, since=at, left_early="" if known.present else known.left_early)
    )


def _glance(name: str, entry: Mapping[str, Any], driver: Driver) -> TrackSummary:
    return TrackSummary(
        name=name,
        day=day_of(name),
        length=_count(entry, "length") or max(driver.length_of(_count(entry, "size")), 0),
        end_date=_count(entry, "end_date"),
        duration=_count(entry, "duration"),
        distance=_count(entry, "distance"),
        best_500m=_count(entry, "500m_best"),
        file=str(entry.get("motion_file") or ""),
    )


def _count(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    return value if type(value) is int and abs(value) <= LARGEST_FIGURE else 0
