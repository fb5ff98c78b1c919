"""Keeps the copies of the event folder: looks for what has changed, and lets each copy take it in its own thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater

from sse_twisted.copies.copy import Copy, CopyReport, whereabouts
from sse_twisted.copies.lineage import Lineage, begin
from sse_twisted.copies.source import Look, Source
from sse_twisted.copies.target import Target
from sse_twisted.event_folder.ledger import StoredTrack
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.group_sync import Starter
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.text import plural

INTERVAL = 2.0  # s between two looks
SOON = 0.5  # s from a downloaded track to the look that finds it; more tracks may come meanwhile
LOOK_SHARE = 5  # between two looks is at least that many times what the last one took: a large folder takes long
VERDICT_WAIT = 5.0  # s that a verdict waits for a copy before the device is kept on with that reason
STEP = 0.1  # s between two looks for that


class CopiesService(PeriodicService):
    """The copies of `copies.folders`. Nothing waits for them, unless `copies.required` is set."""

    def __init__(
        self, work: Workplace, source: Source, start_thread: Callable[[], Starter], caught_up: Callable[[], None]
    ) -> None:
        """`start_thread` returns what runs functions in a new thread.

        `caught_up` is called when a verdict that waits may go on.
        """
        super().__init__(work.clock, work.log, lambda: INTERVAL)
        self._work = work
        self._source = source
        self._start_thread = start_thread
        self._caught_up = caught_up
        self._copies: dict[str, Copy] = {}
        self._lineage = Lineage("")
        self._seen = Look()  # in the event folder
        self._said = 0  # tracks of which the log says that all copies have them
        self._look_at = 0.0  # s of the clock, before which there is no look
        self._blind = False  # whether the last look failed
        self._is_waited_for = False  # whether a verdict waits for a copy
        self._tasks = Tasks(work.log)

    def begin(self) -> None:
        """Note this start in the locked event folder. Blocks."""
        self._lineage, problem = begin(self._source.folder.root, self._work.fleet.now)
        if problem:
            self._work.log.error("Cannot note this start for the copies: {problem}", problem=problem)

    def startService(self) -> None:
        self._follow_settings()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Look no more; fires when the last look has ended. `finish` comes after that."""
        super().stopService()
        return self._tasks.stop()

    def reconfigure(self) -> None:
        """Follow the settings: begin new copies, leave those that are not listed any more."""
        if self.running:
            self._follow_settings()
            self._caught_up()
            self.look_soon()

    def reports(self) -> tuple[CopyReport, ...]:
        return tuple(copy.report() for copy in self._copies.values())

    @property
    def tracks(self) -> int:
        """The tracks in the event folder, as of the last look."""
        return self._seen.tracks

    def round(self) -> None:
        if self._copies and "look" not in self._tasks and self._clock.seconds() >= self._look_at:
            self._tasks.start("look", self._look(), "Looking for changed files failed")

    def look_soon(self) -> None:
        """Look before the next round, because a track was stored."""
        if self.running and self._copies and "soon" not in self._tasks:
            wait = max(SOON, self._look_at - self._clock.seconds())
            self._tasks.start("soon", self._look_after(wait), "Looking for changed files failed")

    async def wait_for(self, tracks: Iterable[StoredTrack]) -> str:
        """Return why a verdict has to wait for a copy of tracks; "" if one copy has all, or none is required."""
        wanted = tuple(tracks)
        end = self._clock.seconds() + VERDICT_WAIT
        while missing := self._missing_of(wanted):
            if self._clock.seconds() >= end:
                self._is_waited_for = True
                states = "; ".join(f"{report.folder}: {report.state}" for report in self.reports())
                return f"waits for a copy of {plural(missing, 'track')} ({states})"
            self.look_soon()
            await deferLater(self._clock, STEP)
        return ""

    def _missing_of(self, tracks: tuple[StoredTrack, ...]) -> int:
        """Return how many tracks the copy lacks that has the most of them; 0 if no copy is required."""
        if not self._work.live.settings.copies.required:
            return 0
        lacking = (
            sum(not copy.target.has(track.local_file, track.sha256) for track in tracks)
            for copy in self._copies.values()
        )
        return min(lacking, default=len(tracks))

    async def finish(self, seconds: float) -> None:
        """Copy what was written last, such as the end of the log, for at most some seconds."""
        copies = list(self._copies.values())
        for copy in copies:
            copy.stop(seconds)
        if copies:
            look = await self._look_at_source()
            if look is not None:
                await DeferredList([copy.finish(look) for copy in copies])

    def abandon(self) -> None:
        """Wait for no copy any more."""
        for copy in self._copies.values():
            copy.abandon()

    async def _look_after(self, seconds: float) -> None:
        await deferLater(self._clock, seconds)
        self.round()

    async def _look(self) -> None:
        began = self._clock.seconds()
        look = await self._look_at_source()
        now = self._clock.seconds()
        self._look_at = now + LOOK_SHARE * (now - began)
        if look is None:
            return
        self._seen = look
        for copy in self._copies.values():
            copy.take(look)
        self._tell_if_all_are_copied()

    async def _look_at_source(self) -> Look | None:
        """Return what is in the event folder; None while it is away."""
        try:
            await self._work.disk.check()
            look = await self._work.disk.run(self._source.look, self._seen)
            await self._work.disk.check()  # what has gone meanwhile is not removed
        except DiskTrouble:  # it was told
            return None
        except OSError as error:
            if not self._blind:
                self._log.error("Cannot look for changed files, retrying: {error}", error=str(error))
            self._blind = True
            return None
        self._blind = False
        return look

    def _tell_if_all_are_copied(self) -> None:
        """Log that all tracks are on all copies, once the devices have gone."""
        reports = self.reports()
        is_working = any(device.present for device in self._work.fleet)
        if is_working or self._said == self.tracks or any(r.behind or not r.ok for r in reports):
            return
        self._said = self.tracks
        self._log.info("Copies: {whereabouts}", whereabouts=whereabouts(self.tracks, len(reports)))

    def _follow_settings(self) -> None:
        wanted = dict.fromkeys(self._work.live.settings.copies.folders)
        for folder in self._copies.keys() - wanted.keys():
            self._copies.pop(folder).abandon()
        for folder in wanted:
            self._copies[folder] = self._copies.pop(folder) if folder in self._copies else self._new_copy(folder)

    def _new_copy(self, folder: str) -> Copy:
        copy: Copy
        target = Target(
            Path(folder),
            self._source,
            self._lineage,
            lambda: self._work.fleet.now,
            self._clock.seconds,
            lambda: copy.turn(),
            lambda: self._targets_before(folder),
        )
        copy = Copy(target, self._start_thread(), self._clock, self._log, self._note_progress)
        return copy

    def _targets_before(self, folder: str) -> list[Target]:
        """Return the copies that are listed before one. Any thread may ask."""
        copies = self._copies.copy()
        return [copy.target for _, copy in itertools.takewhile(lambda item: item[0] != folder, copies.items())]

    def _note_progress(self) -> None:
        if self._is_waited_for:
            self._is_waited_for = False
            self._caught_up()
