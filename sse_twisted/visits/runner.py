"""What happens in a visit: inspection, downloads, the verdict; and again, until everything is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from attrs import define

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.driver import Listing
from sse_twisted.devices.errors import DeviceError, Refused, Unreachable
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status, StoredTrack
from sse_twisted.event_folder.moves import Step, refile
from sse_twisted.event_folder.naming import EventTrack, all_tracks
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Stage, TrackSummary
from sse_twisted.runtime.disk import DiskTrouble, PathTrouble
from sse_twisted.visits.detection import Sighting
from sse_twisted.visits.downloads import Downloader, DownloadsPaused
from sse_twisted.visits.inspection import Inspector
from sse_twisted.visits.refiling import RefilingService
from sse_twisted.visits.verdict import Comparison, Verdict, doubts_of, give_verdict
from sse_twisted.visits.visit import Visit

SILENCES = 2
MAX_SUMMARIES = 100  # tracks of one device that are shown
MOST_LINES = 100  # of one kind for one listing; more, from a device gone mad, would block the reactor


@define
class VisitRunner:
    """Collects one device per call, for as long as it stays.

    `save` writes what is known of the fleet to disk. `report` is told of each fetched track and of each failure;
    `examine` gets all stored tracks of a device, whenever it was inspected.
    """

    _inspector: Inspector
    _downloader: Downloader
    _refiling: RefilingService
    _work: Workplace
    _save: Callable[[], Awaitable[None]]
    _report: Callable[[Fetched | Exception], object] = lambda _: None
    _examine: Callable[[int, Sequence[StoredTrack]], object] = lambda *_: None

    async def collect(self, visit: Visit, sighting: Sighting) -> None:
        """Collect the device, and again whenever something has changed; ends by cancellation only."""
        await self._welcome(visit)
        async with self._refiling.turn(visit.identifier):
            await self._collect(visit, sighting)

    async def _welcome(self, visit: Visit) -> None:
        """From now on until its verdict, who goes has left too early; even if its turn has not come yet.

        On disk nobody may be done who is back: should the collector be killed, it would be taken for collected.
        """
        before, address = self._work.fleet[visit.identifier], visit.address
        self._work.log.debug("{device} detected at {address}", device=visit.name, address=str(address))
        self._work.log.info("{device} is connected", device=visit.name)
        known = {
            "name": visit.name,
            "address": address,
            "findings": (),
            "reason": "",
            "retry_at": None,
            "tries": 0,
            "oddity": "",
        }
        missed = before.left_early if before.stage is Stage.GONE else ""  # else nobody has missed it yet
        self._work.fleet.update(visit.identifier, stage=Stage.CONNECTED, left_early=missed, **known)
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
                before = self._work.fleet[visit.identifier].missing
                verdict = await self._pass(visit)
                failures = failures if verdict.missing == before else 0
            except DeviceError as error:
                self._report(error)
                retry_after = error.retry_after if isinstance(error, Refused) else 0.0
                reason, missing = f"it can't be inspected: {error}", self._work.fleet[visit.identifier].missing
                verdict = Verdict(False, reason, missing, retry_after)
            except DiskTrouble as error:
                self._report(error)
                verdict = Verdict(False, f"nothing can be kept: {error}", self._work.fleet[visit.identifier].missing)
            if verdict.collected and self._is_out_of_date(visit):
                await visit.wait_for_wake(self._work.clock, 0.0)
            elif verdict.collected:
                failures = 0
                self._release(visit, verdict)
                await visit.wait_for_wake(self._work.clock, None)
            elif verdict.paused:
                failures = 0
                self._pause(visit, verdict)
                await visit.wait_for_wake(self._work.clock, None)
            else:
                failures += 1
                delay = self._delay(failures, verdict.retry_after)
                self._keep(visit, verdict, failures, delay)
                await visit.wait_for_wake(self._work.clock, delay)

    def _is_out_of_date(self, visit: Visit) -> bool:
        """Whether roster or settings have changed while the device was judged by the ones before."""
        return visit.rules != self._work.live.filing_rules(visit.identifier, visit.timezone)

    async def _pass(self, visit: Visit) -> Verdict:
        """Inspect, download what is missing, and judge by a listing that is younger than the last download."""
        self._work.fleet.update(visit.identifier, stage=Stage.INSPECTING, retry_at=None)
        ledger = await self._ledger(visit)
        listing = await self._inspector.listing(visit)
        standing = await self._compare(visit, ledger, listing)
        failures: dict[str, str] = {}
        visit.retry_after = 0.0
        paused = ""
        if any(not track.log.path_problem for track in standing.missing):
            try:
                await self._download(visit, standing.missing, ledger, failures)
            except DownloadsPaused as pause:
                paused = str(pause)
            listing = await self._inspector.listing(visit)
            standing = await self._compare(visit, ledger, listing)
        new_doubts, visit.doubts = standing.doubts - visit.doubts, standing.doubts
        verdict = give_verdict(standing, failures, new_doubts, visit.retry_after, paused)
        if verdict.collected and standing.doubts:
            ledger.give_up({log.file for log in listing.entries})
            await self._work.disk.write(ledger.save)
        return verdict

    async def _download(
        self, visit: Visit, missing: tuple[EventTrack, ...], ledger: Ledger, failures: dict[str, str]
    ) -> None:
        """Fetch what is missing, and note by name why what failed did; those that failed before come last.

        A device that does not answer twice in a row is given up for now: it may have gone, and only the cleanup, which
        does not disturb a conversation, can tell.
        """
        self._work.fleet.update(visit.identifier, stage=Stage.DOWNLOADING)
        silent = 0
        fetchable = (track for track in missing if not track.log.path_problem)
        for track in sorted(fetchable, key=lambda track: visit.failures[track.name]):
            try:
                self._report(await self._downloader.download(visit, track, ledger))
                left = tuple(name for name in self._work.fleet[visit.identifier].missing if name != track.name)
                self._work.fleet.update(visit.identifier, missing=left)
                silent = 0
            except (DeviceError, PathTrouble) as error:
                self._report(error)
                failures[track.name] = str(error)
                visit.failures[track.name] += 1
                silent = silent + 1 if isinstance(error, Unreachable) else 0
                if silent == SILENCES:
                    break

    async def _ledger(self, visit: Visit) -> Ledger:
        if visit.ledger is None:
            visit.ledger = await self._work.disk.write(self._work.folder.ledger, visit.identifier)
            if visit.ledger.set_aside is not None:
                text = "{device} ledger could not be read: it is kept as {path}, and rebuilt from the tracks"
                self._work.log.error(text, device=visit.name, path=str(visit.ledger.set_aside))
        return visit.ledger

    async def _compare(self, visit: Visit, ledger: Ledger, listing: Listing) -> Comparison:
        visit.rules = rules = self._work.live.filing_rules(visit.identifier, visit.timezone)
        steps: list[Step] = []
        try:
            standing = await self._work.disk.write(self._look, visit.identifier, listing, rules, ledger, steps)
        finally:
            for step in steps:
                self._refiling.say(visit.identifier, step)
        for bad in listing.bad[:MOST_LINES]:
            if (subject := f"entry {bad.file} {bad.why}") not in visit.remarked:
                visit.remarked.add(subject)
                text = "{device} lists what can't be understood: entry {index} {file}: {why}"
                self._work.log.warn(text, device=visit.name, index=bad.index, file=bad.file, why=bad.why)
        self._announce(visit, standing)
        missing = tuple(track.name for track in standing.missing)
        self._work.fleet.update(visit.identifier, wanted=standing.wanted, missing=missing, tracks=standing.glances)
        self._examine(visit.identifier, standing.held)
        return standing

    def _look(
        self, identifier: int, listing: Listing, rules: FilingRules, ledger: Ledger, steps: list[Step]
    ) -> Comparison:
        """What of the listed tracks the folder holds; in a thread, for there may be thousands.

        What it holds under another name than it should is moved first; `steps` takes what was done.
        """
        steps.extend(refile(self._work.folder, identifier, listing, rules, ledger))
        everything = all_tracks(identifier, listing, rules, ledger.named())
        tracks = [track for track in everything if track.of_event]
        held, missing, unsound = [], [], []
        for track in tracks:
            fetched = self._work.folder.held(track, ledger)
            if fetched is not None:
                ledger.record(track, Status.COMPLETED, fetched)
                held.append(StoredTrack(identifier, track.name, track.local_file, fetched.sha256))
                if fetched.outcome is not Outcome.VERIFIED:
                    unsound.append(f"{track.name} is {fetched.outcome}: {fetched.remark}")
            elif track.skipped:
                ledger.record(track, Status.SKIPPED)
            else:
                missing.append(track)
                ledger.queue(track)
        if ledger.changed:
            ledger.save()
        skipped = tuple(track for track in tracks if track.skipped)
        wanted = [track for track in tracks if not track.skipped]
        return Comparison(
            wanted=len(wanted),
            glances=tuple(map(_glance, wanted[-MAX_SUMMARIES:])),
            held=tuple(held),
            missing=tuple(missing),
            skipped=skipped,
            unreadable=len(listing.bad),
            unsound=tuple(unsound),
            doubts=doubts_of(listing, ledger),
            out_of_event=sum(not track.of_event and not track.skipped for track in everything),
        )

    def _announce(self, visit: Visit, standing: Comparison) -> None:
        """Say once in a visit what is queued, and what is skipped."""
        for word, tracks, emit in (
            ("queued", standing.missing, self._work.log.info),
            ("skipped", standing.skipped, self._work.log.debug),
        ):
            for track in tracks[:MOST_LINES]:
                if (subject := f"{word} {track.name} {track.log.size}") in visit.remarked:
                    continue
                visit.remarked.add(subject)
                text = "{device} {track} {word} - {summary}"
                emit(text, device=visit.name, track=track.name, word=word, summary=track.summary)
                if track.owner is None and word == "queued":
                    text = "{device} {track} belongs to nobody on the roster: it goes to {folder}"
                    self._work.log.warn(text, device=visit.name, track=track.name, folder=track.folder)
            if len(tracks) > MOST_LINES and word not in visit.remarked:
                visit.remarked.add(word)
                emit("{device} … and {count} more {word}", device=visit.name, count=len(tracks) - MOST_LINES, word=word)

    def _release(self, visit: Visit, verdict: Verdict) -> None:
        suffix = f" - {verdict.reason}" if verdict.reason else ""
        self._work.fleet.update(
            visit.identifier,
            stage=Stage.COLLECTED,
            missing=(),
            reason=verdict.reason,
            retry_at=None,
            tries=0,
            left_early="",
            waived="",
        )
        self._work.log.info("{device} can be disconnected{suffix}", device=visit.name, suffix=suffix)

    def _keep(self, visit: Visit, verdict: Verdict, retry: int, delay: float) -> None:
        retry_at = self._work.fleet.now + delay
        kept = {"reason": verdict.reason, "retry_at": retry_at, "tries": retry}
        self._work.fleet.update(visit.identifier, stage=Stage.ATTENTION, **kept)
        self._work.log.warn(
            "{device} must stay connected - {reason}, retry {retry} in {delay:g} s",
            device=visit.name,
            reason=verdict.reason,
            retry=retry,
            delay=delay,
        )

    def _pause(self, visit: Visit, verdict: Verdict) -> None:
        kept = {"reason": verdict.reason, "retry_at": None, "tries": 0}
        self._work.fleet.update(visit.identifier, stage=Stage.ATTENTION, **kept)
        self._work.log.warn("{device} must stay connected - {reason}", device=visit.name, reason=verdict.reason)

    def _delay(self, failures: int, retry_after: float) -> float:
        settings = self._work.live.settings.downloads
        doubled: float = settings.first_retry * 2.0 ** min(failures - 1, 20)
        return max(min(doubled, settings.last_retry), retry_after)


def _glance(track: EventTrack) -> TrackSummary:
    log = track.log
    return TrackSummary(
        track.name, track.day, log.length, log.end_date, log.duration, log.distance, log.claim("500m") or 0, log.file
    )
