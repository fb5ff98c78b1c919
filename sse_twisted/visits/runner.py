"""Run a visit: inspection, downloads and verdict, repeated until all tracks are collected."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress

from attrs import define

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.driver import Listing
from sse_twisted.devices.errors import DeviceError, Refused, Unreachable
from sse_twisted.event_folder.ledger import Fetched, Ledger, StoredTrack
from sse_twisted.event_folder.moves import Step
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.space import MB, NoRoom
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import MAX_REASON, Stage, missing_fields
from sse_twisted.runtime.disk import DiskTrouble, PathTrouble
from sse_twisted.runtime.text import one_line
from sse_twisted.runtime.turns import in_turns
from sse_twisted.visits.comparison import Comparison, compare
from sse_twisted.visits.detection import Sighting
from sse_twisted.visits.downloads import Downloader, DownloadsPaused
from sse_twisted.visits.inspection import Inspector
from sse_twisted.visits.refiling import RefilingService
from sse_twisted.visits.verdict import Verdict, give_verdict
from sse_twisted.visits.visit import MAX_SILENCES, Visit

MAX_WITHOUT_ROOM = 5  # tracks in a row for which there is no room, after which none is tried
MAX_FAILURES = 1_000  # failed tracks between two listings
MAX_LINES = 100  # log lines of one kind for one listing; a faulty device may list thousands
LONG_LISTING = 1_000  # tracks, of which a comparison takes some 0.1 s; the longest listing seen has 213


@define
class VisitRunner:
    """Collects one device per call, for as long as it stays.

    `save` writes the state of the fleet to disk. `report` is called with each fetched track and each failure, `examine`
    with all stored tracks of a device after each inspection. `copied` returns why a verdict has to wait for a copy of
    tracks, or "".
    """

    _inspector: Inspector
    _downloader: Downloader
    _refiling: RefilingService
    _work: Workplace
    _save: Callable[[], Awaitable[None]]
    _report: Callable[[Fetched | Exception], object]
    _examine: Callable[[int, Sequence[StoredTrack]], object]
    _copied: Callable[[Sequence[StoredTrack]], Awaitable[str]]

    async def collect(self, visit: Visit, sighting: Sighting) -> None:
        """Collect the device, and again after each change; ends only by cancellation."""
        await self._welcome(visit)
        async with self._refiling.turn(visit.identifier):
            await self._collect(visit, sighting)

    async def _welcome(self, visit: Visit) -> None:
        """Record the arrival: a device that goes before its verdict has left too early.

        A state that calls the device collected or waived is replaced, since the collector may be killed at any moment.
        """
        before, address = self._work.fleet[visit.identifier], visit.address
        self._work.log.debug("{device} detected at {address}", device=visit.name, address=str(address))
        self._work.log.info("{device} is connected", device=visit.name)
        if before.waived:
            text = "{device} is no longer waived: it is connected again, and its tracks are wanted"
            self._work.log.info(text, device=visit.name)
        known = {"name": visit.name, "address": address, "findings": (), "more_findings": 0, "waived": ""}
        fresh = {"reason": "", "slow": "", "retry_at": None, "tries": 0, "oddity": ""}
        missed = before.left_early if before.stage is Stage.GONE else ""  # otherwise no alarm was raised yet
        self._work.fleet.update(visit.identifier, stage=Stage.CONNECTED, left_early=missed, **known, **fresh)
        if before.is_collected or before.waived:
            await self._save()

    async def _collect(self, visit: Visit, sighting: Sighting) -> None:
        greeted = False
        failures = 0
        while True:
            try:
                if not greeted:
                    await self._inspector.greet(visit, sighting)
                    await self._inspector.settings(visit)
                    greeted = True
                before = visit.missing
                verdict = await self._pass(visit)
                failures = failures if verdict.missing == before else 0
            except (DeviceError, DiskTrouble) as error:
                self._report(error)
                why = "tracks can't be stored" if isinstance(error, DiskTrouble) else "inspection failed"
                retry_after = error.retry_after if isinstance(error, Refused) else 0.0
                verdict = Verdict(False, f"{why}: {error}", visit.missing, retry_after)
            delay: float | None = None
            verdict = await self._confirmed(visit, verdict)
            if verdict.collected and self._is_out_of_date(visit):
                delay = 0.0
            elif verdict.collected:
                failures = 0
                self._release(visit, verdict)
            elif verdict.paused:
                failures = 0
                self._pause(visit, verdict)
            else:
                failures += 1
                delay = self._delay(failures, verdict.retry_after)
                self._keep(visit, verdict, failures, delay)
            await visit.wait_for_wake(self._work.clock, delay)

    async def _confirmed(self, visit: Visit, verdict: Verdict) -> Verdict:
        """Return the verdict, or "keep on" if a copy is required and missing, or the event folder is not at its path.

        No file in that folder is evidence then. When a copy is made, the visit is woken.
        """
        if verdict.collected:
            if waits := await self._copied(visit.stored):
                return Verdict(False, waits, verdict.missing, paused=True)
            try:
                await self._work.disk.check()
            except DiskTrouble as error:
                return Verdict(False, f"tracks can't be stored: {error}", verdict.missing)
        return verdict

    def _is_out_of_date(self, visit: Visit) -> bool:
        """Whether roster or settings have changed since the device was judged."""
        return visit.rules != self._work.live.filing_rules(visit.identifier, visit.timezone)

    async def _pass(self, visit: Visit) -> Verdict:
        """Inspect, download missing tracks, and judge by a listing that is newer than the last download."""
        self._work.fleet.update(visit.identifier, stage=Stage.INSPECTING, retry_at=None)
        visit.stored_answers = {}  # a restart knows by a new file that the device was inspected after its verdict
        listing = await self._inspector.listing(visit)
        ledger, comparison = await self._compare(visit, listing)
        failures: dict[str, str] = {}
        visit.retry_after = 0.0
        paused = ""
        if comparison.fetchable:
            try:
                await self._download(visit, comparison, ledger, failures)
            except DownloadsPaused as pause:
                paused = str(pause)
            finally:
                if ledger.unsaved:  # the device may have gone
                    with suppress(DiskTrouble):
                        await self._work.disk.write(ledger.save)
            listing = await self._inspector.listing(visit)
            ledger, comparison = await self._compare(visit, listing)
        new_doubts, visit.doubts = comparison.doubts - visit.doubts, comparison.doubts
        verdict = give_verdict(comparison, failures, new_doubts, visit.retry_after, paused)
        if verdict.collected and comparison.doubts:
            ledger.give_up({log.file for log in listing.entries})
            await self._work.disk.commit(ledger.saving())
        return verdict

    async def _download(self, visit: Visit, comparison: Comparison, ledger: Ledger, failures: dict[str, str]) -> None:
        """Fetch missing tracks, in order of their failures so far; `failures` collects the reasons by name.

        Stop after two unanswered requests in a row: the device may have gone, and the cleanup can only probe a device
        that is not being asked anything. Stop likewise if the disk has no room: a device may list thousands of tracks.
        Stop after MAX_FAILURES tracks too, and go on after the next listing.
        """
        self._work.fleet.update(visit.identifier, stage=Stage.DOWNLOADING)
        silent = without_room = 0
        left = dict.fromkeys(comparison.names)
        tracks, visit.failures, room = await self._work.disk.run(self._plan, comparison, visit.failures)
        self._remark_on_room(visit, tracks, room)
        for track in tracks:
            try:
                self._report(await self._downloader.download(visit, track, ledger))
                left.pop(track.name, None)
                self._work.fleet.update(visit.identifier, **missing_fields(tuple(left)))
                silent = without_room = 0
            except (DeviceError, PathTrouble) as error:
                self._report(error)
                failures[track.name] = str(error)
                visit.failures[track.name] += 1
                silent = silent + 1 if isinstance(error, Unreachable) else 0
                without_room = without_room + 1 if isinstance(error, NoRoom) else 0
                if silent == MAX_SILENCES or without_room == MAX_WITHOUT_ROOM or len(failures) == MAX_FAILURES:
                    break

    def _plan(self, comparison: Comparison, failures: Counter[str]) -> tuple[list[EventTrack], Counter[str], float]:
        """Return the tracks to fetch, those first that failed least; their failures so far; the room in bytes. Blocks.

        The room is infinite if the disk does not tell: the downloads will say what is wrong.
        """
        missing = set(comparison.names)
        failures = Counter({name: count for name, count in failures.items() if name in missing})
        tracks = sorted(comparison.fetchable, key=lambda track: failures[track.name])
        try:
            return tracks, failures, self._work.space.room()
        except OSError:
            return tracks, failures, math.inf

    def _remark_on_room(self, visit: Visit, tracks: list[EventTrack], room: float) -> None:
        """Log once in a visit that its tracks do not all fit; as many as fit are fetched."""
        listed = sum(max(track.log.length, 0) for track in tracks)
        if listed > room and visit.is_new("room"):
            text = "{device} lists tracks of {listed:,.0f} MB, and there is room for {room:,.0f} MB: make room"
            self._work.log.warn(text, device=visit.name, listed=listed / MB, room=max(room, 0) / MB)

    def _look(self, visit: Visit, listing: Listing, rules: FilingRules, steps: list[Step]) -> tuple[Ledger, Comparison]:
        """Compare a listing with the folder, and with the ledger, which is loaded once in a visit. Blocks."""
        ledger = visit.ledger  # which the reactor may take away meanwhile, when another disk is there
        if ledger is None:
            visit.ledger = ledger = self._work.folder.ledger(visit.identifier)
        return ledger, compare(self._work.folder, visit.identifier, listing, rules, ledger, steps)

    async def _compare(self, visit: Visit, listing: Listing) -> tuple[Ledger, Comparison]:
        visit.rules = rules = self._work.live.filing_rules(visit.identifier, visit.timezone)
        steps: list[Step] = []
        try:
            async with self._work.disk.long_work if len(listing.entries) > LONG_LISTING else nullcontext():
                ledger, comparison = await self._work.disk.write(self._look, visit, listing, rules, steps)
            if ledger.changed:
                await self._work.disk.commit(ledger.saving())
        finally:
            self._remark_on_ledger(visit)
            for number, step in enumerate(steps):
                self._refiling.say(visit.identifier, step, quietly=number >= MAX_LINES)
            if len(steps) > MAX_LINES:
                more = len(steps) - MAX_LINES
                self._work.log.info("{device} … and {count} more renamed", device=visit.name, count=more)
        async for bad in in_turns(listing.bad[:MAX_LINES], self._work.clock):
            if visit.is_new(f"entry {bad.file} {bad.why}"):
                text = "{device} unreadable listing entry {index} {file}: {why}"
                self._work.log.warn(text, device=visit.name, index=bad.index, file=bad.file, why=bad.why)
        await self._announce(visit, comparison)
        known = {"wanted": comparison.wanted, "tracks": comparison.summaries}
        visit.missing, visit.stored = comparison.names, tuple(comparison.stored)
        self._work.fleet.update(visit.identifier, **missing_fields(comparison.names), **known)
        self._examine(visit.identifier, comparison.stored)
        return ledger, comparison

    def _remark_on_ledger(self, visit: Visit) -> None:
        """Log once in a visit that its ledger was unreadable."""
        if visit.ledger is not None and visit.ledger.quarantined is not None and visit.is_new("ledger"):
            text = "{device} ledger is unreadable: kept as {path}, rebuilding it from the tracks"
            self._work.log.error(text, device=visit.name, path=str(visit.ledger.quarantined))

    async def _announce(self, visit: Visit, comparison: Comparison) -> None:
        """Log once in a visit which tracks are queued and which are skipped."""
        for word, tracks, emit in (
            ("queued", comparison.missing, self._work.log.info),
            ("skipped", comparison.skipped, self._work.log.debug),
        ):
            async for track in in_turns(tracks[:MAX_LINES], self._work.clock):
                if not visit.is_new(f"{word} {track.name} {track.log.size}"):
                    continue
                text = "{device} {track} {word} - {summary}"
                emit(text, device=visit.name, track=track.name, word=word, summary=track.summary)
                if track.filed_as.is_unassigned and word == "queued":
                    text = "{device} {track} is unassigned: no roster line covers it, it goes to {folder}"
                    self._work.log.warn(text, device=visit.name, track=track.name, folder=track.folder)
            if len(tracks) > MAX_LINES and visit.is_new(word):
                emit("{device} … and {count} more {word}", device=visit.name, count=len(tracks) - MAX_LINES, word=word)

    def _release(self, visit: Visit, verdict: Verdict) -> None:
        suffix = f" - {verdict.reason}" if verdict.reason else ""
        visit.missing = ()
        settled = {
            "missing": (),
            "unnamed": 0,
            "slow": "",
            "retry_at": None,
            "tries": 0,
            "left_early": "",
        }
        self._work.fleet.update(visit.identifier, stage=Stage.COLLECTED, reason=verdict.reason, **settled)
        self._work.log.info("{device} can be disconnected{suffix}", device=visit.name, suffix=suffix)

    def _keep(self, visit: Visit, verdict: Verdict, retry: int, delay: float) -> None:
        retry_at = self._work.fleet.now + delay
        kept = {"reason": one_line(verdict.reason, MAX_REASON), "retry_at": retry_at, "tries": retry}
        self._work.fleet.update(visit.identifier, stage=Stage.ATTENTION, **kept)
        text = "{device} must stay connected - {reason}, retry {retry} in {delay:g} s"
        self._work.log.warn(text, device=visit.name, reason=verdict.reason, retry=retry, delay=delay)

    def _pause(self, visit: Visit, verdict: Verdict) -> None:
        kept = {"reason": verdict.reason, "retry_at": None, "tries": 0}
        self._work.fleet.update(visit.identifier, stage=Stage.ATTENTION, **kept)
        self._work.log.warn("{device} must stay connected - {reason}", device=visit.name, reason=verdict.reason)

    def _delay(self, failures: int, retry_after: float) -> float:
        settings = self._work.live.settings.downloads
        doubled: float = settings.first_retry * 2.0 ** min(failures - 1, 20)
        return max(min(doubled, settings.last_retry), retry_after)
