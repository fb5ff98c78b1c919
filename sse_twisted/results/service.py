"""What the tracks say, as soon as they are here: speeds, whether the device's claims hold, and what looks odd.

Nobody waits for it: a track is examined after it was verified and is in the ledger, one at a time, in a thread. What
came out is kept beside the ledger as `tracks.json`, by the name of the track, in the shape of `sse-track --json`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.files import set_aside, write_json
from sse_twisted.event_folder.ledger import StoredTrack, local_file_of
from sse_twisted.event_folder.track_report import still_valid
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Measured, TrackSummary
from sse_twisted.results.kept import FILE, reports_in
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.formats import format_named
from sse_twisted.tracks.report import COLUMNS, Report, best_in, best_of, report_of, totals_of

EXAMINATION = "examination"
LARGEST = 64 * 1024 * 1024  # bytes; the longest log that was ever listed has 25.7 MB


@frozen
class _Kept:
    """What earlier runs left: results by device, tracks that have none, or old ones, files and what came of them."""

    results: dict[int, dict[str, Report]] = field(factory=dict)
    unexamined: list[StoredTrack] = field(factory=list)
    unreadable: list[tuple[Path, str]] = field(factory=list)


class ResultsService(Service):
    """Examines tracks in the order in which they come, those of devices that are here first."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._results: dict[int, dict[str, Report]] = {}  # as tracks.json has them
        self._is_read = False
        self._renamed_before: list[tuple[int, str, str]] = []  # they were read
        self._waiting: dict[StoredTrack, None] = {}
        self._earlier: dict[StoredTrack, None] = {}
        self._renamed: set[int] = set()  # devices whose results are not on disk yet as they are
        self._tasks = Tasks(work.log)

    def startService(self) -> None:
        """Begin with what earlier runs left unexamined."""
        super().startService()
        self._examine_soon()

    def stopService(self) -> Deferred[None]:
        """Examine nothing more; fires when the last thread has let go of its file."""
        super().stopService()
        self._waiting.clear()
        self._earlier.clear()
        return self._tasks.stop()

    def take(self, identifier: int, tracks: Sequence[StoredTrack]) -> None:
        """All tracks of a device that is here; those that are examined already cost nothing."""
        names = {held.name for held in tracks}
        valid = {measured_of(name, report) for name, report in self.of(identifier).items() if name in names}
        measured = tuple(each for each in self._work.fleet[identifier].measured if each in valid)
        certain = {held.name for held in tracks if self._knows(held)}
        glances = self._filled_in(self._work.fleet[identifier], certain)
        self._work.fleet.update(identifier, measured=measured, tracks=glances)
        known = {each.track for each in measured}
        for held in tracks:
            if format_named(held.local_file) and (held.name not in known or not self._knows(held)):
                self._waiting[held] = None
        self._examine_soon()

    def _knows(self, held: StoredTrack) -> bool:
        known = self.of(held.identifier).get(held.name)
        return known is not None and held.sha256 in ("", known["sha256"])

    def rename(self, identifier: int, old: str, new: str) -> None:
        """A track has another name now, and says the same as before."""
        if not self._is_read:
            self._renamed_before.append((identifier, old, new))
            return
        results = self._results.get(identifier, {})
        if old in results:
            results[new] = results.pop(old)
            self._renamed.add(identifier)
            self._examine_soon()

    def of(self, identifier: int) -> Mapping[str, Report]:
        """What is known of a device's tracks, by name."""
        return self._results.get(identifier, {})

    def fill_in(self) -> None:
        """Let what was measured stand in for what devices never said, of those that are known from before."""
        for device in list(self._work.fleet):
            self._fill_in(device.identifier)

    def _fill_in(self, identifier: int) -> None:
        tracks = self._filled_in(self._work.fleet[identifier], self.of(identifier))
        if tracks != self._work.fleet[identifier].tracks:
            self._work.fleet.update(identifier, tracks=tracks)

    def _filled_in(self, device: Device, names: Container[str]) -> tuple[TrackSummary, ...]:
        """The tracks of a device; of those with these names that were never finalised, with what was measured."""
        reports = self.of(device.identifier)
        return tuple(
            filled_in(glance, reports[glance.name]) if glance.name in names and glance.name in reports else glance
            for glance in device.tracks
        )

    def _examine_soon(self) -> None:
        if self.running and EXAMINATION not in self._tasks:
            self._tasks.start(EXAMINATION, self._examine_all_or_none(), "Tracks could not be examined")

    async def _examine_all_or_none(self) -> None:
        try:
            await self._examine_all()
        except Exception:  # to go on at once would fail at once: they wait until they are taken again
            self._waiting.clear()
            self._renamed.clear()
            raise

    async def _examine_all(self) -> None:
        if not self._is_read:
            kept = await self._work.disk.run(self._read_all)
            self._results, self._earlier, self._is_read = kept.results, dict.fromkeys(kept.unexamined), True
            for path, aside in kept.unreadable:
                self._work.log.warn("{path} could not be read: {aside}", path=str(path), aside=aside)
            for rename in self._renamed_before:
                self.rename(*rename)
            self.fill_in()
        while self._waiting or self._earlier or self._renamed:
            while self._renamed:
                await self._save(self._renamed.pop())
            if not (self._waiting or self._earlier):
                return
            queue = self._waiting or self._earlier
            held = next(iter(queue))
            del queue[held]
            await self._settle(held, is_here=queue is self._waiting)

    async def _settle(self, held: StoredTrack, *, is_here: bool) -> None:
        results = self._results.setdefault(held.identifier, {})
        if not self._knows(held):
            report = await self._work.disk.run(self._examine, held)
            if report is None:  # it has been moved or replaced since
                return
            results[held.name] = report
            if is_here:
                self._tell(held, report)
            await self._save(held.identifier)
        self._fill_in(held.identifier)
        if is_here:
            self._publish(held, results[held.name])

    async def _save(self, identifier: int) -> None:
        with contextlib.suppress(DiskTrouble):  # said by the disk; they are examined again after the next start
            await self._work.disk.write(self._keep, identifier, dict(self._results[identifier]))

    def _tell(self, held: StoredTrack, report: Report) -> None:
        session = report["session"]
        bests = [(name, best_in(session, name)) for name in COLUMNS] if session else []
        sailed = ", ".join(f"{best['kn']:.2f} ({name})" for name, best in bests if best)
        text = "{device} {track} measured - {sailed}"
        self._work.log.info(
            text,
            device=self._work.fleet[held.identifier].name,
            track=held.name,
            sailed=f"{sailed} knots" if sailed else "no fix",
        )

    def _publish(self, held: StoredTrack, report: Report) -> None:
        """Put the result into the snapshot of the device, and what is odd about it among its findings."""
        device = self._work.fleet[held.identifier]
        measured = measured_of(held.name, report)
        others = tuple(other for other in device.measured if other.track != held.name)
        known = set(device.findings)
        odd = [*report["remarks"], *_remarks_on_settings(report, self._work.live.settings.expected)]
        findings = [finding for remark in odd if (finding := f"{held.name} {remark}") not in known]
        for finding in findings:
            self._work.log.warn("{device} {finding}", device=device.name, finding=finding)
        self._work.fleet.update(held.identifier, measured=(*others, measured), findings=(*device.findings, *findings))

    def _examine(self, held: StoredTrack) -> Report | None:
        """The report of a track; None if it is not there, too large, or not the one that the ledger means. Blocks."""
        data = self._work.folder.track_bytes(held.local_file, LARGEST + 1)
        if data is None or len(data) > LARGEST:
            return None
        digest = hashlib.sha256(data).hexdigest()
        if held.sha256 not in ("", digest):
            return None
        return report_of(analyse(data, held.local_file), len(data)) | {"sha256": digest}

    def _keep(self, identifier: int, results: dict[str, Report]) -> None:
        """Bring to disk what is of tracks that the ledger knows. Blocks."""
        entries = self._work.folder.entries(identifier)
        known = {name: report for name, report in results.items() if name in entries}
        write_json(self._work.folder.motion(identifier) / FILE, known)

    def _read_all(self) -> _Kept:
        """Look through the event folder. Blocks."""
        kept = _Kept()
        for identifier, entries in self._work.folder.all_entries().items():
            kept.results[identifier] = known = self._read(identifier, kept)
            for name, entry in entries.items():
                local_file = local_file_of(name, entry)
                if (
                    entry.get("status") == "completed"
                    and local_file is not None
                    and still_valid(entry, known.get(name)) is None
                ):
                    held = StoredTrack(identifier, name, local_file, str(entry.get("sha256") or ""))
                    kept.unexamined.append(held)
        return kept

    def _read(self, identifier: int, kept: _Kept) -> dict[str, Report]:
        """The results of a device; torn or foreign ones are set aside. Blocks."""
        path = self._work.folder.motion(identifier) / FILE
        try:
            reports = reports_in(path.read_bytes())
        except FileNotFoundError:
            return {}
        except IsADirectoryError:
            reports = None
        except OSError as error:  # they are made anew
            kept.unreadable.append((path, f"it is left there ({error.strerror})"))
            return {}
        if reports is not None:
            return reports
        try:
            kept.unreadable.append((path, f"it is kept as {set_aside(path)}"))
        except OSError as error:
            kept.unreadable.append((path, f"it is left there ({error.strerror})"))
        return {}


def measured_of(name: str, report: Report) -> Measured:
    """What a snapshot has of a report."""
    bests = {column: best for column in COLUMNS if (best := best_of(report, column)) is not None}
    sound = bool(report["whole"]) and not report["doubtful"]
    return Measured(name, tuple(bests.items()), sound)


def filled_in(glance: TrackSummary, report: Report) -> TrackSummary:
    """A track with what was measured of it, if its device never finalised it and so tells nothing."""
    if glance.end_date or (totals := totals_of(report)) is None:
        return glance
    return evolve(glance, duration=totals.duration, distance=totals.distance, best_500m=totals.best_500m)


def _remarks_on_settings(report: Report, expected: Expected) -> Iterable[str]:
    header = report["header"]
    if header and header["frequency"] not in (0, expected.gnss_rate):
        yield f"was logged at {header['frequency']} Hz"
