"""Take each hand-in through its steps: kept, examined, matched, filed. What a stop has cut goes on at the next start.

What cannot be done now, because the disk is full or away, is tried again each round.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock

from sse_twisted.event_folder.ledger import Status
from sse_twisted.event_folder.naming import PLAUSIBLE
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.handin import filing
from sse_twisted.handin.alarms import Alarms
from sse_twisted.handin.examination import VERSION, Told, examine
from sse_twisted.handin.intake import Kept
from sse_twisted.handin.ledger import Assigned, Counts, Examined, Filed, HandIn, Ledger
from sse_twisted.handin.matching import Clues, Match, match
from sse_twisted.handin.register import Register, kept_as, shown
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns
from sse_twisted.runtime.worker import WorkerError

INTERVAL: Final = 2.0  # s between rounds
COLLECTOR: Final = "collector"  # does what nobody has asked for
UNREADABLE: Final = "the kept file could not be read; hand it in again to try once more"


class HandInService(PeriodicService):
    """Does what is still to be done for each hand-in of the register."""

    def __init__(self, work: Workplace) -> None:
        super().__init__(work.clock, work.log, lambda: INTERVAL)
        self._work = work
        self.register = Register(work)
        self._matches: dict[str, Match] = {}  # of the files that have no owner yet
        self._failed: dict[str, str] = {}  # why a file could not be examined or filed, by SHA-256
        self._waiting: dict[str, list[Deferred[None]]] = {}  # for the end of a task, by SHA-256
        self._filing = DeferredLock()
        self._examining = DeferredLock()  # one at a time: tracks of devices are measured between two slow files
        self._alarms = Alarms(work)
        self._tasks = Tasks(work.log)
        work.live.observe(self._match_again)

    @property
    def ledger(self) -> Ledger:
        return self.register.ledger

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._tasks.stop()

    def round(self) -> None:
        """Read the ledger first; then go on with all that is not done."""
        if not self.register.is_ready:
            if "read" not in self._tasks:
                self._tasks.start("read", self._begin(), "The ledger of the hand-ins could not be read")
            return
        for entry in list(self.ledger.entries.values()):
            if self._is_open(entry):
                self._go_on(entry)
        self._alarms.tell(self.ledger)

    # Taking

    async def take_placed(self, kept: Kept, day: dt.date, path: str) -> None:
        """Note a track that somebody has copied into the folder of its day; it stays there. Raises DiskTrouble."""
        entry = await self.register.take(kept, _placed_in(day))
        await self._examine(entry)
        entry = self.ledger.entries[kept.sha256]
        file_id = file_id_of(path)
        if entry.trouble or day in entry.filed:
            return
        if day not in entry.parts:
            text = "{path} has no fix of {day}: it does not count there"
            self._work.log.warn(text, path=path, day=str(day))
        elif any(each.file_id == file_id for each in self._work.live.roster.people):
            async with self._filing:
                await self._note_owner(entry, file_id, "copied into its folder")
                await self._note_filed(entry, day, path)
        await self._go_on(self.ledger.entries[kept.sha256])

    async def settled(self, entry: HandIn) -> HandIn:
        """Return a hand-in when nothing is left to do for it, or that has failed."""
        await self._go_on(entry)
        return self.ledger.entries[entry.sha256]

    # Deciding

    async def assign(self, entry: HandIn, file_id: str, who: str, reason: str = "") -> HandIn:
        """Give a track to a person of the roster, or to nobody; its files are renamed. Raises DiskTrouble."""
        async with self._filing:
            line = Assigned(
                sha256=entry.sha256,
                time=self._work.fleet.now,
                who=who,
                file_id=file_id,
                reason=reason or f"said by {who}",
            )
            before = self.ledger.entries[entry.sha256]
            await self.register.note(line)
            text = "Hand-in {name}: {who} gave it to {owner} (before: {before})"
            owner, former = file_id or "unassigned", before.file_id or "unassigned"
            self._work.log.warn(text, name=shown(entry.name), who=who, owner=owner, before=former)
            await self._file(self.ledger.entries[entry.sha256])
        self._match_again()
        return self.ledger.entries[entry.sha256]

    async def decide(self, entry: HandIn, day: dt.date, counts: bool | None, who: str, reason: str) -> None:
        """Say whether a track counts instead of the event's device, or leave it to the rule. Raises DiskTrouble."""
        line = Counts(sha256=entry.sha256, time=self._work.fleet.now, who=who, day=day, counts=counts, reason=reason)
        await self.register.note(line)
        what = {True: "counts instead of the device", False: "does not count", None: "counts by the rule"}[counts]
        text = "Hand-in {name} {what} on {day}, decided by {who} - {reason}"
        name = shown(entry.name)
        self._work.log.warn(text, name=name, what=what, day=str(day), who=who, reason=reason)

    # Telling

    def match_of(self, entry: HandIn) -> Match | None:
        """Return what is known of the owner of a track that has none."""
        return self._matches.get(entry.sha256)

    def failure_of(self, entry: HandIn) -> str:
        """Return why a file could not be examined or filed yet; "" if it could."""
        return self._failed.get(entry.sha256, "")

    def days_of(self, entry: HandIn) -> tuple[dt.date, ...]:
        """Return the days of the event of which a file has fixes, by their dates or 1,024 weeks later."""
        return tuple(day for day in sorted(entry.parts) if not self._is_outside(day))

    def _is_outside(self, day: dt.date) -> bool:
        first, last = self._work.live.days or PLAUSIBLE
        return not first <= day <= last

    # Doing

    def _is_open(self, entry: HandIn) -> bool:
        is_examined = entry.examined is not None and entry.examined.version == VERSION
        if not is_examined:
            return self._failed.get(entry.sha256) != UNREADABLE
        if entry.trouble:
            return False
        wanted = self._days_to_file(entry) if entry.file_id else set()
        is_filed = wanted == entry.filed.keys() and all(file_id_of(p) == entry.file_id for p in entry.filed.values())
        return not is_filed or entry.sha256 in self._failed

    def _days_to_file(self, entry: HandIn) -> set[dt.date]:
        """Return the days of the event and those that are filed; all days if it has none, as somebody has said so."""
        wanted = self.days_of(entry) or filter(entry.is_dated, entry.parts)
        return set(wanted) | (entry.filed.keys() & entry.parts.keys())

    def _go_on(self, entry: HandIn) -> Deferred[None]:
        """Do what is left to do; fires at the end. What is under way is not begun twice."""
        key = entry.sha256
        if key not in self._tasks:
            name = shown(entry.name)
            return self._tasks.start(key, self._settle(entry), "Hand-in {name} failed", name=name)
        waiting: Deferred[None] = Deferred()
        self._waiting.setdefault(key, []).append(waiting)
        return waiting

    async def _settle(self, entry: HandIn) -> None:
        self._failed.pop(entry.sha256, None)
        try:
            await self._examine(entry)
            entry = self.ledger.entries[entry.sha256]
            if entry.trouble or entry.examined is None:
                return
            async with self._filing:
                await self._match(self.ledger.entries[entry.sha256])
                await self._file(self.ledger.entries[entry.sha256])
        except DiskTrouble as error:
            self._failed[entry.sha256] = f"waits for the disk: {error}"
        finally:
            for waiting in self._waiting.pop(entry.sha256, []):
                waiting.callback(None)

    async def _examine(self, entry: HandIn) -> None:
        if entry.examined is not None and entry.examined.version == VERSION:
            return
        path = self._work.folder.root / entry.received.kept
        try:
            async with self._examining:
                told: Told = await self._work.compute(examine, path, entry.name, self._work.live.zone)
        except WorkerError as error:  # no word about the file: the machine may have been too busy, or short of memory
            told = Told(error=str(error))
        if told.error:
            self._failed[entry.sha256] = UNREADABLE
            text = "Hand-in {name}: the kept file cannot be read: {error}. It is tried again when it is handed in again"
            self._work.log.error(text, name=shown(entry.name), error=told.error)
            return
        if not told.trouble and told.device and (known := await self._work.disk.run(self._collected, entry.sha256)):
            told = replace(told, trouble=f"collected from its device already: {known}")
        line = Examined(sha256=entry.sha256, time=self._work.fleet.now, who=COLLECTOR, version=VERSION, **told.values)
        await self.register.note(line)
        if told.trouble:
            text = "Hand-in {name}: {trouble}. The file stays in {kept}"
            name, kept = shown(entry.name), kept_as(entry.sha256, entry.name)
            self._work.log.warn(text, name=name, trouble=told.trouble, kept=kept)

    def _collected(self, sha256: str) -> str:
        """Return the name of the same file that a device brought. Blocks."""
        return next(
            (
                name
                for entries in self._work.folder.all_entries().values()
                for name, entry in entries.items()
                if entry.get("sha256") == sha256 and entry.get("status") == Status.COMPLETED
            ),
            "",
        )

    async def _match(self, entry: HandIn) -> None:
        """Find the owner of a track that was never given to anybody."""
        if entry.assigned is not None:
            return
        found = self._find_owner(entry)
        if found.owner is not None and any(map(entry.is_dated, self.days_of(entry))):
            await self._note_owner(entry, found.owner.file_id, found.reason)
            return
        is_new = entry.sha256 not in self._matches
        self._matches[entry.sha256] = found
        if is_new:
            text = "Hand-in {name} waits: {why}. Say whose it is on /hand-in"
            self._work.log.warn(text, name=shown(entry.name), why=self.why_it_waits(entry))

    async def _note_owner(self, entry: HandIn, file_id: str, reason: str) -> None:
        now = self._work.fleet.now
        await self.register.note(Assigned(sha256=entry.sha256, time=now, who=COLLECTOR, file_id=file_id, reason=reason))

    def why_it_waits(self, entry: HandIn) -> str:
        """Return why a track has no owner."""
        found = self._matches.get(entry.sha256)
        days = ", ".join(map(str, filter(entry.is_dated, sorted(entry.parts))))
        if not (of_event := self.days_of(entry)):
            return f"{days} {'are' if ',' in days else 'is'} outside the event"
        if not any(map(entry.is_dated, of_event)):
            true = ", ".join(map(str, of_event))
            return f"dated {days}, which is {true} by the GPS week rollover: it is filed there when you say whose it is"
        return found.reason if found else "unassigned"

    def _find_owner(self, entry: HandIn) -> Match:
        told = entry.examined
        clues = Clues(entry.name, told.owner, told.serial, told.device) if told else Clues(entry.name)
        return match(clues, sorted(entry.parts), self._work.live.roster.people)

    async def _begin(self) -> None:
        await self.register.read()
        self._match_again()

    def _match_again(self) -> None:
        """Look for the owners of tracks that have none: the roster or the days of the event may have changed."""
        if self.register.is_ready and self.running:
            self._tasks.start("match", self._match_all(), "Owners of hand-ins could not be searched")

    async def _match_all(self) -> None:
        async for entry in in_turns(list(self.ledger.entries.values()), self._work.clock):
            if not entry.examined or entry.trouble:
                continue
            if entry.assigned is None or not all(self._is_named(entry, day) for day in entry.filed):
                await self._go_on(entry)

    async def _file(self, entry: HandIn) -> None:
        """Put the track of each day under the name of its owner, or take it away from a former one."""
        root = self._work.folder.root
        kept = root / entry.received.kept
        for day in sorted(entry.parts.keys() | entry.filed.keys()):
            former = entry.filed.get(day, "")
            wanted = entry.file_id if day in self._days_to_file(entry) else ""
            if not wanted:
                if former:
                    await self._work.disk.write(filing.take_away, root, former, kept)
                    await self._note_filed(entry, day, "")
                continue
            name = self._name_of(entry, day)
            if former and self._is_named(entry, day):
                continue
            if former:
                path = await self._work.disk.write(filing.move, root, former, kept, name)
            else:
                path = await self._work.disk.write(filing.put, root, kept, name)
            await self._note_filed(entry, day, path)
            text = "Hand-in {name}: filed as {path} ({reason})"
            reason = entry.assigned.reason if entry.assigned else ""
            self._work.log.info(text, name=shown(entry.name), path=path, reason=reason)

    def _is_named(self, entry: HandIn, day: dt.date) -> bool:
        """Whether the track of a day has the name of its owner, and the number of the owner's device.

        The number stays where somebody has chosen the name, and where the owner is not on the roster of that day.
        """
        path, people = entry.filed[day], self._work.live.roster.people
        if file_id_of(path) != entry.file_id:
            return False
        is_placed = entry.received.who == _placed_in(day)
        if is_placed or not any(each.file_id == entry.file_id and each.covers(day) for each in people):
            return True
        name = TrackName.parse(path.rpartition("/")[2])
        return name is not None and name.prefix == f"{entry.file_id}_{self._number_on(entry, day)}"

    def _number_on(self, entry: HandIn, day: dt.date) -> int:
        live = self._work.live
        return filing.number_on(day, entry.parts[day].start, entry.file_id, live.zone, live.roster.people)

    def _name_of(self, entry: HandIn, day: dt.date) -> TrackName:
        zone, part = self._work.live.zone, entry.parts[day]
        number = self._number_on(entry, day)
        extension = entry.examined.extension if entry.examined else ""
        return filing.track_name(entry.file_id, number, part.start, zone, extension)

    async def _note_filed(self, entry: HandIn, day: dt.date, path: str) -> None:
        now = self._work.fleet.now
        await self.register.note(Filed(sha256=entry.sha256, time=now, who=COLLECTOR, day=day, path=path))


def _placed_in(day: dt.date) -> str:
    """Return from where a track came that somebody has copied into the folder of its day."""
    return f"gpslogs/{day:%Y%m%d}"


def file_id_of(path: str) -> str:
    """Return the File ID in the name of a filed track; "" if it has none."""
    name = TrackName.parse(path.rpartition("/")[2])
    return name.prefix.rpartition("_")[0] if name and not name.is_unassigned else ""
