"""Measures each verified track: its speeds, whether its device's claims hold, and what is unusual about it.

Measuring delays no verdict: it begins when a track is in the ledger, one track at a time, in a process
of its own. The reports are kept in `tracks.json`; see `report_file.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.files import replacing_json
from sse_twisted.event_folder.ledger import Entries, Status, StoredTrack, local_file_of
from sse_twisted.event_folder.track_report import still_valid
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import MAX_MEASURED, Measured, TrackSummary
from sse_twisted.results import report_file
from sse_twisted.results.measuring import measure
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns
from sse_twisted.runtime.worker import WorkerError
from sse_twisted.tracks.formats import format_named
from sse_twisted.tracks.report import COLUMNS, Report, best_in, best_of, totals_of

MEASURING = "measuring"
SAVING = "saving"
SAVE_PAUSE = 1.0  # s from a new report until it is written, with all others that are new


class ResultsService(Service):
    """Measures tracks in the order of their arrival, those of connected devices first."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._reports: dict[int, dict[str, Report]] = {}  # as in each tracks.json
        self._is_read = False
        self._waiting: dict[StoredTrack, None] = {}  # of connected devices
        self._earlier: dict[StoredTrack, None] = {}  # of earlier runs
        self._renames: list[tuple[int, str, str]] = []  # not applied yet
        self._unsaved: set[int] = set()  # devices with new reports
        self._tasks = Tasks(work.log)

    def startService(self) -> None:
        """Begin with the tracks that earlier runs did not measure."""
        super().startService()
        self._measure_soon()

    def stopService(self) -> Deferred[None]:
        """Measure nothing more; fires when all reports are written."""
        super().stopService()
        for identifier in list(self._unsaved):
            self._save(identifier)  # a cancelled write ends, too
        return self._tasks.stop()

    def take(self, identifier: int, tracks: Sequence[StoredTrack]) -> None:
        """Measure the tracks of a connected device: `tracks` are all that are stored. Valid reports are reused."""
        device = self._work.fleet[identifier]
        reports = {track.name: report for track in tracks if (report := self._report(track)) is not None}
        before = {each.track: each for each in device.measured}
        valid = {name: measured_of(name, reports[name]) for name in before if name in reports}
        measured = tuple(each for each in device.measured if valid.get(each.track) == each)
        summaries = tuple(filled_in(track, reports.get(track.name)) for track in device.tracks)
        self._work.fleet.update(identifier, measured=measured, tracks=summaries)
        # A snapshot has only so many: of a device with thousands of tracks, the others are known by their reports.
        known = reports.keys() if len(reports) > MAX_MEASURED else {each.track for each in measured}
        for track in tracks:
            if track.name not in known and format_named(track.local_file):
                self._waiting[track] = None
        self._measure_soon()

    def rename(self, identifier: int, old: str, new: str) -> None:
        """Keep the report of a track under its new name."""
        self._renames.append((identifier, old, new))
        self._measure_soon()

    def of(self, identifier: int) -> Mapping[str, Report]:
        """Return the reports of a device's tracks by name."""
        return self._reports.get(identifier, {})

    def fill_in(self) -> None:
        """Add measured totals to the tracks that their devices never finalised."""
        for device in list(self._work.fleet):
            self._fill_in(device.identifier)

    def _fill_in(self, identifier: int) -> None:
        known, reports = self._work.fleet[identifier].tracks, self.of(identifier)
        tracks = tuple(filled_in(track, reports.get(track.name)) for track in known)
        if tracks != known:  # an update would also add a device to the fleet
            self._work.fleet.update(identifier, tracks=tracks)

    def _report(self, track: StoredTrack) -> Report | None:
        """Return the report of a track unless it is of another version of the file."""
        report = self.of(track.identifier).get(track.name)
        return report if report is not None and track.sha256 in ("", report["sha256"]) else None

    def _measure_soon(self) -> None:
        if self.running and MEASURING not in self._tasks:
            self._tasks.start(MEASURING, self._measure_all(), "Tracks could not be measured")

    async def _measure_all(self) -> None:
        if not self._is_read:
            await self._read_all()
        while self._waiting or self._earlier or self._renames:
            if self._renames:
                await self._apply_renames()
                continue
            queue = self._waiting or self._earlier
            track = next(iter(queue))
            del queue[track]
            await self._settle(track, is_here=queue is self._waiting)

    async def _read_all(self) -> None:
        found = await self._work.disk.run(self._find_all)
        self._is_read = True
        for identifier, reports, unmeasured, problem in found:
            self._reports[identifier] = reports
            self._earlier |= dict.fromkeys(unmeasured)
            if problem:
                path = str(self._work.folder.device_folder(identifier) / report_file.NAME)
                text = "{path} is unreadable: {aside}, measuring the tracks again"
                self._work.log.warn(text, path=path, aside=problem)
        await self._apply_renames()
        self.fill_in()

    async def _apply_renames(self) -> None:
        """Apply all before saving, since tracks may exchange their names."""
        changed = set()
        for identifier, old, new in self._renames:
            reports = self._reports.get(identifier, {})
            if old in reports:
                reports[new] = reports.pop(old)
                changed.add(identifier)
        self._renames.clear()
        for identifier in changed:
            self._save_soon(identifier)

    async def _settle(self, track: StoredTrack, *, is_here: bool) -> None:
        report = self._report(track)
        if report is None:
            report = await self._measure(track)
            if report is None:
                return
            self._reports.setdefault(track.identifier, {})[track.name] = report
            if is_here:
                self._log_speeds(track, report)
            self._save_soon(track.identifier)
        self._fill_in(track.identifier)
        if is_here:
            self._publish(track, report)

    def _save_soon(self, identifier: int) -> None:
        self._unsaved.add(identifier)
        if self.running and SAVING not in self._tasks:
            self._tasks.start(SAVING, self._save_later(), "Reports could not be written")

    async def _save_later(self) -> None:
        while self._unsaved:
            await deferLater(self._work.clock, SAVE_PAUSE)
            async for identifier in in_turns(list(self._unsaved), self._work.clock):
                self._save(identifier)

    def _save(self, identifier: int) -> None:
        self._unsaved.discard(identifier)
        self._tasks.start(object(), self._write(identifier), "Reports could not be written")

    async def _write(self, identifier: int) -> None:
        with contextlib.suppress(DiskTrouble):  # the disk logs it; the next start measures the tracks again
            steps = self._writing(identifier, dict(self._reports[identifier]))
            await self._work.disk.commit(steps, is_patient=True)

    def _log_speeds(self, track: StoredTrack, report: Report) -> None:
        session = report["session"]
        bests = {name: best_in(session, name) for name in COLUMNS} if session else {}
        sailed = ", ".join(f"{best['kn']:.2f} ({name})" for name, best in bests.items() if best)
        self._work.log.info(
            "{device} {track} measured - {sailed}",
            device=self._work.fleet[track.identifier].name,
            track=track.name,
            sailed=f"{sailed} knots" if sailed else "no fix",
        )

    def _publish(self, track: StoredTrack, report: Report) -> None:
        """Add the speeds to the device's snapshot, and what is unusual about the track to its findings."""
        device = self._work.fleet[track.identifier]
        others = (other for other in device.measured if other.track != track.name)
        remarks = (*report["remarks"], *_remarks(report, self._work.live.settings.expected))
        findings = [text for remark in remarks if (text := f"{track.name} {remark}") not in device.findings]
        for finding in findings:
            self._work.log.warn("{device} {finding}", device=device.name, finding=finding)
            self._work.fleet.add_finding(track.identifier, finding)
        measured = (*others, measured_of(track.name, report))
        self._work.fleet.update(track.identifier, measured=measured[-MAX_MEASURED:])

    async def _measure(self, track: StoredTrack) -> Report | None:
        """Return the report; None if the file is gone, too large, or not the one of the ledger, or if that failed."""
        try:
            about = self._work.folder.root, track.local_file, track.sha256, track.mark
            report: Report | None = await self._work.compute(measure, *about)
        except WorkerError as error:
            text = "{device} {track} cannot be measured: {error}"
            device = self._work.fleet[track.identifier].name
            self._work.log.error(text, device=device, track=track.name, error=str(error))
            return None
        return report

    def _writing(self, identifier: int, reports: dict[str, Report]) -> Steps[None]:
        """Save the reports of the tracks in the ledger."""
        entries = self._work.folder.entries(identifier)
        known = {name: report for name, report in reports.items() if name in entries}
        yield from replacing_json(self._work.folder.device_folder(identifier) / report_file.NAME, known)

    def _find_all(self) -> list[tuple[int, dict[str, Report], list[StoredTrack], str]]:
        """Return each device's reports, unmeasured tracks, and what was done with an unreadable file. Blocks."""
        found = []
        for identifier, entries in self._work.folder.all_entries().items():
            reports, problem = report_file.read_reports(self._work.folder.device_folder(identifier) / report_file.NAME)
            found.append((identifier, reports, _unmeasured(identifier, entries, reports), problem))
        return found


def _unmeasured(identifier: int, entries: Entries, reports: Mapping[str, Report]) -> list[StoredTrack]:
    return [
        StoredTrack(identifier, name, local_file, str(entry.get("sha256") or ""))
        for name, entry in entries.items()
        if entry.get("status") == Status.COMPLETED
        and (local_file := local_file_of(name, entry)) is not None
        and still_valid(entry, reports.get(name)) is None
    ]


def _remarks(report: Report, expected: Expected) -> Iterator[str]:
    header = report["header"]
    if header and header["frequency"] not in (0, expected.gnss_rate):
        yield f"was logged at {header['frequency']} Hz"


def measured_of(name: str, report: Report) -> Measured:
    """Return what a snapshot has of a report."""
    bests = {column: best for column in COLUMNS if (best := best_of(report, column)) is not None}
    sound = bool(report["whole"]) and not report["doubtful"]
    return Measured(name, tuple(bests.items()), sound)


def filled_in(track: TrackSummary, report: Report | None) -> TrackSummary:
    """Return a track with its measured totals if its device never finalised it, and so lists none."""
    if track.end_date or report is None or (totals := totals_of(report)) is None:
        return track
    return replace(track, duration=totals.duration, distance=totals.distance, best_500m=totals.best_500m)
