"""Reload the roster whenever the organisers change its file."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Roster
from sse_twisted.config.roster_changes import (
    Question,
    TrackMove,
    changes,
    needs_decision,
    shortened,
    without_kept,
)
from sse_twisted.config.roster_reader import UNREADABLE, Found, RosterReader
from sse_twisted.config.roster_store import SavedRoster, decode, encode, in_force, latest
from sse_twisted.config.spreadsheet import SAVE_AS_CSV
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.disk import Disk, DiskTrouble
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.text import plural
from sse_twisted.runtime.turns import in_turns

INTERVAL = 2.0  # s between checks of the file
MAX_LINES = 100  # of mistakes in one version that are logged


class RosterService(PeriodicService):
    """Applies each new version of `config/motions.csv`; a spoilt one is logged as an error and not applied.

    A version is read when two checks in a row find the same file. A file that is still being saved is a valid roster
    of fewer people, and the tracks of the others would not be collected.
    """

    def __init__(
        self,
        reader: RosterReader,
        disk: Disk,
        live: LiveConfig,
        clock: IReactorTime,
        today: Callable[[], datetime.date],
        log: Logger,
    ) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self.question: Question | None = None
        self.file = Roster()  # the version that was read last, even if it is not in force
        self._reader = reader
        self._files = reader.files
        self._disk = disk
        self._live = live
        self._today = today
        self._trouble = ""  # why the file is not in force
        self._reported: object = ()  # the trouble that was logged last
        self._workbook = ""  # that was reported
        self._saved = SavedRoster()  # as it is on disk
        self._save_trouble = ""  # why the last attempt to save failed
        self._turn = DeferredLock()
        self._tasks = Tasks(log)
        self._saving = Tasks(log)

    def stopService(self) -> Deferred[None]:
        """Stop to look at the file; the result fires when what is in force is saved."""
        super().stopService()
        self._tasks.stop()
        return self._save_soon()

    def round(self) -> None:
        if "check" not in self._tasks:
            self._tasks.start("check", self.check(), "Checking the roster failed")
        if not self._turn.locked and self._state() != self._saved:
            self._save_soon()

    def read_first(self) -> None:
        """Read the file before any device is looked for: without a roster, every log would be wanted and unassigned."""
        self._restore()
        if (found := self._reader.read_first()) is not None:
            self._take(found)

    async def check(self) -> None:
        """Apply the file if it differs from the version applied and has not changed since the last check.

        While the event folder is away, the file of another folder may be at its path, or none. The folder is looked for
        after the file was read, so that one that goes meanwhile is noticed.
        """
        found = await self._disk.run(self._reader.read)
        if found is None:
            return
        try:
            await self._disk.check()
        except DiskTrouble:
            return
        if found.former is None or found.former is self._live.roster:
            self._take(found)

    @property
    def trouble(self) -> str:
        """What is wrong with the roster and what to do, in one line; "" if nothing is."""
        if self._trouble:
            stays = "the last good one stays in force" if self._reader.is_good else "no other one is known"
            return f"{self._trouble}: {stays}. Correct config/motions.csv"
        if self.question is not None and not self.question.is_refused:
            return f"{self.question.text}: confirm or refuse the change"
        roster = self._live.roster
        if roster.spoilt:
            return f"{roster.spoilt}: only what can be read is in force. Correct config/motions.csv"
        if unreadable := {each.line for each in roster.unreadable}:
            lines = [str(mistake) for mistake in roster.mistakes if mistake.line in unreadable]
            more = f" (and {plural(len(lines) - 1, 'more line')})" if len(lines) > 1 else ""
            names = ", ".join(self._live.drivers.name(number) for number in sorted(roster.ownerless))
            fate = f" Tracks of {names} are collected, but are nobody's." if names else ""
            return f"{lines[0]}{more}.{fate} Correct config/motions.csv"
        return ""

    def confirm(self, version: str = "") -> Deferred[None]:
        """Do what waits for a decision; the result is that of `save`. Raises LookupError."""
        question = self._asked(version)
        self._log.warn("Roster confirmed on request: {text}", text=question.text)
        self.question = None
        self._live.change(roster=without_kept(self._live.roster), hold=False)
        return Deferred.fromCoroutine(self.save())

    def refuse(self, version: str = "") -> Deferred[None]:
        """Leave devices and tracks as they are until the roster changes again. Raises LookupError."""
        question = self._asked(version)
        if question.is_refused:
            raise LookupError("it is refused already")
        self._log.warn("Roster refused on request: {text}", text=question.text)
        self.question = replace(question, is_refused=True)
        self._live.change()
        return Deferred.fromCoroutine(self.save())

    def excuse(self, identifier: int, reason: str) -> Deferred[None]:
        """Do not expect a device today; "" expects it again. The result is that of `save`."""
        today = self._today()
        others = {number: text for number, text in self._live.excused.get(today, {}).items() if number != identifier}
        of_today = {**others, identifier: reason} if reason else others
        self._live.change(excused=latest({**self._live.excused, today: of_today}))
        return Deferred.fromCoroutine(self.save())

    async def save(self) -> None:
        """Save what is in force now; raises DiskTrouble if only this run knows it until a later attempt succeeds."""
        await self._save_soon()
        if self._save_trouble and self._state() != self._saved:
            raise DiskTrouble(self._save_trouble)

    def _asked(self, version: str) -> Question:
        if self.question is None:
            raise LookupError("no change of the roster waits for a decision")
        if version and version != self.question.version:
            raise LookupError("the roster has changed since: look at it again")
        return self.question

    def _restore(self) -> None:
        """Put the last good roster in force. Blocks."""
        try:
            self._saved = saved = decode(read_bounded(self._files.kept))
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.error("Cannot read the saved roster: {error}", error=str(error))
            return
        except (ValueError, RecursionError) as error:
            try:
                kept = str(self._files.quarantine(self._files.kept))
            except OSError as trouble:
                kept = str(trouble)
            self._log.error("Cannot read the saved roster: {error}; kept as {path}", error=str(error), path=kept)
            return
        self._reader.digest, self._reader.is_good = saved.digest, bool(saved.assignments)
        self._live.change(roster=in_force(saved), hold=saved.hold, excused=latest(saved.excused))
        if saved.kept or saved.hold:
            self.question = Question(saved.digest[:8], saved.kept, saved.moves, saved.refused)

    def _take(self, found: Found) -> None:
        is_first, self._reader.applied = self._reader.applied == (), found.stamp if found.is_readable else UNREADABLE
        if found.workbook and found.workbook != self._workbook:
            self._workbook = found.workbook
            text = "Roster: {name} is newer than motions.csv, and is not read: {how}"
            self._log.warn(text, name=found.workbook, how=SAVE_AS_CSV)
        if found.next is None:
            why = found.roster if isinstance(found.roster, str) else found.roster.spoilt
            if (found.stamp, why) != self._reported:
                self._reported = found.stamp, why
                self.file = found.roster if isinstance(found.roster, Roster) else Roster()
                self._report(self.file)
                self._refuse(why, is_first=is_first, is_missing=found.is_missing)
            return
        self._reported = ()
        if is_first and self._live.roster.assignments:
            self._log.info("Roster: {summary}", summary=found.next.summary)
        self._apply(found, found.next)

    def _apply(self, found: Found, roster: Roster) -> None:
        before, self.file = self._live.roster, roster
        self._report(roster)
        own_key = object()  # the next version does not end it
        self._tasks.start(own_key, self._log_changes(before, roster), "Changes of the roster could not be logged")
        if self._trouble:
            self._trouble = ""
            self._log.info("Roster: the file is valid again")
        self._reader.is_good = not roster.spoilt
        hold = self._live.hold
        if found.digest != self._reader.digest:
            hold = needs_decision(found.moves, before, without_kept(roster))
            moves = found.moves if hold or roster.kept else ()
            self.question = Question(found.digest[:8], roster.kept, moves) if hold or roster.kept else None
            self._reader.digest = found.digest
            self._warn(roster, before, found.moves)
        if roster.spoilt:
            self._log.error("Roster: {why}; only what can be read is in force", why=roster.spoilt)
        self._live.change(roster=roster, hold=hold)

    async def _log_changes(self, before: Roster, after: Roster) -> None:
        async for change in in_turns(changes(before, after), self._clock):
            self._log.info("Roster: {change}", change=change)

    def _report(self, roster: Roster) -> None:
        for remark in roster.remarks:
            if remark.line:
                self._log.info("Roster line {line}: {text}", line=remark.line, text=remark.text)
            else:
                self._log.info("Roster: {remark}", remark=remark.text)
        for mistake in roster.mistakes[:MAX_LINES]:
            self._log.warn("Roster line {line}: {text}", line=mistake.line, text=mistake.text)
        if more := roster.mistakes[MAX_LINES:]:
            self._log.warn("Roster: {mistakes}; --check lists all", mistakes=plural(len(more), "more mistake"))

    def _warn(self, roster: Roster, before: Roster, moves: Iterable[TrackMove]) -> None:
        """Log what waits for a decision, and which tracks lose their owner."""
        if self.question is not None:
            text = "Roster: {text}: nothing of that happens until you confirm or refuse it"
            self._log.error(text, text=self.question.text)
            for move in self.question.moves:
                self._log.info("Roster: waiting: {move}", move=str(move))
        lost: defaultdict[int, list[str]] = defaultdict(list)
        for move in moves:
            if not move.new_owner:
                lost[move.identifier].append(move.track)
        for identifier, names in lost.items():
            self._log.warn(
                "Roster: no line covers {tracks} of {device} any more ({names}): if the device was replaced, "
                "keep its line with an End Date and an End Time, and add a line for the new device",
                tracks=plural(len(names), "stored track"),
                device=self._live.drivers.name(identifier),
                names=shortened(names),
            )

    def _refuse(self, why: str, *, is_first: bool, is_missing: bool) -> None:
        """Log why there is no new roster. With devices in the configuration, having none at the start is intended."""
        configured = self._live.settings.devices
        listed = len({*configured.listed, *configured.addresses})
        devices = plural(listed, "device")
        if is_first and is_missing and listed and not self._reader.is_good:
            text = "No roster: tracks of the {devices} in the configuration go to gpslogs/unassigned"
            self._log.info(text, devices=devices, count=listed)
            return
        self._trouble = f"the roster cannot be used ({why})"
        if self._reader.is_good:
            live = f"keeping the last good one, {self._live.roster.summary}" if is_first else "keeping the previous one"
        else:
            live = f"only the {devices} in the configuration will be collected" if listed else "no device is expected"
            live = "keeping the previous one" if self._live.roster.assignments else live
        self._log.error("Cannot read the roster ({why}): {live}", why=why, live=live)
        self._live.change()

    def _state(self) -> SavedRoster:
        """Return what is to be saved. A roster that is not a good one never takes the place of one that is."""
        excused = latest(self._live.excused)
        if not self._reader.is_good:
            return SavedRoster(excused=excused)
        roster, question = self._live.roster, self.question
        return SavedRoster(
            digest=self._reader.digest,
            assignments=roster.assignments,
            kept=roster.kept,
            hold=self._live.hold,
            moves=question.moves if question else (),
            refused=question.is_refused if question else False,
            excused=excused,
        )

    def _save_soon(self) -> Deferred[None]:
        return self._saving.start(object(), self._save(), "Saving the roster failed")

    async def _save(self) -> None:
        """Save what is in force now; a failure is logged once, and each round tries again."""
        async with self._turn:
            if (state := self._state()) != self._saved:
                await self._write(state)

    async def _write(self, state: SavedRoster) -> None:
        try:
            await self._disk.write(lambda: self._files.save(encode(state)))
        except DiskTrouble as error:
            if not self._save_trouble:
                self._log.error("Cannot save the roster for the next start, retrying: {error}", error=str(error))
            self._save_trouble = str(error)
        else:
            self._saved, self._save_trouble = state, ""
