"""What an operator may see of the tracks that were handed in, and what is decided about them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Annotated, Final

from attrs import define, field
from msgspec import Meta, Struct
from twisted.internet.defer import DeferredLock

from sse_twisted.control.errors import CommandError, NotFound
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.handin.examination import picture
from sse_twisted.handin.intake import public
from sse_twisted.handin.ledger import HandIn, Part
from sse_twisted.handin.matching import Owner, owners_of
from sse_twisted.handin.service import HandInService
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.text import one_line
from sse_twisted.runtime.worker import WorkerError
from sse_twisted.tracks.report import best_in

MAX_REPORTED: Final = 500  # hand-ins, the latest
MAX_PICTURES: Final = 30  # that are kept; one has up to 400 KB
MAX_REMARKS: Final = 5
BESTS: Final = ("2s", "10s", "500m")

READING, WAITING, FILED, REFUSED = "being read", "whose is this?", "filed", "not a track"


class Person(Struct, frozen=True):
    """A sailor of the roster."""

    file_id: str
    sailor: str


class HandInDay(Struct, frozen=True):
    """The fixes of a hand-in on one day."""

    day: datetime.date
    start: Annotated[float, Meta(description="s since 1970")]
    end: Annotated[float, Meta(description="s since 1970")]
    km: float
    knots: Annotated[dict[str, float], Meta(description="best speeds by the fixes: 2s, 10s, 500m")]
    track: Annotated[str, Meta(description="path below the event folder; empty if it is not filed")]
    counts: Annotated[bool | None, Meta(description="what somebody has decided; null: the rule decides")]


class HandInReport(Struct, frozen=True):
    """A file that was handed in. It holds no health data and no serial number."""

    key: Annotated[str, Meta(description="names the hand-in in commands")]
    name: Annotated[str, Meta(description="under which the file came")]
    received: Annotated[float, Meta(description="s since 1970")]
    who: Annotated[str, Meta(description="from whom or where it came")]
    size: Annotated[int, Meta(description="bytes")]
    state: Annotated[str, Meta(description="being read, whose is this?, filed, not a track")]
    why: Annotated[str, Meta(description="why it waits, is no track, or how its owner is known")]
    file_id: Annotated[str, Meta(description="of the owner; empty if nobody is known")]
    sailor: str
    kind: Annotated[str, Meta(description="format, such as sbp")]
    rate: Annotated[int, Meta(description="Hz")]
    doppler: Annotated[bool, Meta(description="speeds were measured by the receiver, not made from positions")]
    evidence: Annotated[str, Meta(description="proven, consistent, as handed in")]
    model: Annotated[str, Meta(description="of the device")]
    days: tuple[HandInDay, ...]
    candidates: tuple[Person, ...]
    remarks: tuple[str, ...]

    @property
    def suggested(self) -> str:
        """The File ID of the owner, or of the only one who fits; "" if there is none."""
        return self.file_id or (self.candidates[0].file_id if len(self.candidates) == 1 else "")


@define(eq=False)
class HandInCommands:
    """Reads and decides. A hand-in is named by its key, its name or its track."""

    _work: Workplace
    service: HandInService
    _drawing: DeferredLock = field(factory=DeferredLock, init=False)
    _pictures: dict[tuple[str, int], str] = field(factory=dict, init=False)

    def people(self) -> tuple[Person, ...]:
        """Return all sailors of the roster, by name."""
        people = owners_of(self._work.live.roster.people)
        return tuple(sorted((Person(each.file_id, each.sailor) for each in people), key=_by_name))

    def all(self) -> tuple[HandInReport, ...]:
        """Return the hand-ins, the latest first."""
        return self._latest(self.service.ledger.entries.values())

    def waiting(self) -> tuple[HandInReport, ...]:
        """Return the hand-ins of which nobody knows the owner."""
        entries = self.service.ledger.entries.values()
        return self._latest(entry for entry in entries if self.state_of(entry) == WAITING)

    def _latest(self, entries: Iterable[HandIn]) -> tuple[HandInReport, ...]:
        latest = sorted(entries, key=lambda entry: entry.received.time, reverse=True)[:MAX_REPORTED]
        return tuple(map(self.report, latest))

    def serials(self) -> dict[str, str]:
        """Return the serial number of the device of each hand-in without an owner: for people with the token only."""
        entries = self.service.ledger.entries.values()
        return {
            entry.key: entry.examined.serial for entry in entries if entry.examined and self.state_of(entry) == WAITING
        }

    def find(self, text: str) -> HandIn:
        """Return the hand-in of a key, a name or a track; raises CommandError."""
        entries = self.service.ledger.entries.values()
        found = self.service.ledger.find(text) or [each for each in entries if _shown(each) == text]
        if not found:
            raise NotFound(f"no hand-in {one_line(repr(text), 80)}")
        if len(found) > 1:
            keys = ", ".join(entry.key for entry in found[:5])
            raise CommandError(f"several hand-ins are named {one_line(repr(text), 80)}: use a key ({keys})")
        return found[0]

    async def assign(self, key: str, file_id: str, who: str) -> str:
        """Say whose a track is; an empty File ID takes it from its owner. Raises CommandError."""
        entry, who = self.find(key), _name(who)
        if entry.trouble or entry.examined is None:
            raise CommandError(f"{_shown(entry)} {entry.trouble or 'is being read: try again in a moment'}")
        if file_id and all(each.file_id != file_id for each in self._work.live.roster.people):
            raise CommandError(f"no File ID {one_line(repr(file_id), 60)} on the roster")
        try:
            after = await self.service.assign(entry, file_id, who)
        except DiskTrouble as error:
            raise CommandError(f"not done yet: {error}") from None
        return ", ".join(after.filed.values()) or "it waits for an owner"

    async def decide(self, key: str, day: datetime.date, counts: bool | None, who: str, reason: str) -> str:
        """Say whether a track counts instead of the event's device; None leaves it to the rule. Raises CommandError."""
        entry, who, reason = self.find(key), _name(who), one_line(" ".join(reason.split()))
        if not reason:
            raise CommandError("a reason is required")
        if day not in entry.filed:
            raise CommandError(f"{_shown(entry)} has no track of {day}")
        try:
            await self.service.decide(entry, day, counts, who, reason)
        except DiskTrouble as error:
            raise CommandError(f"not saved: {error}") from None
        return ""

    async def picture(self, key: str) -> str:
        """Draw a hand-in as SVG, in the event's time zone. One at a time. Raises CommandError."""
        entry = self.find(key)
        if entry.trouble or entry.examined is None:
            raise NotFound("there is no picture of it")
        timezone = self._work.live.settings.expected.timezone
        kept = entry.sha256, timezone
        if kept in self._pictures:
            return self._pictures[kept]
        path = self._work.folder.root / entry.received.kept
        async with self._drawing:
            try:
                svg = await self._work.compute(picture, path, entry.name, _shown(entry), timezone)
            except WorkerError as error:
                raise CommandError(f"the picture cannot be drawn: {error}") from None
        if svg is None:
            raise NotFound("the kept file cannot be read")
        if len(self._pictures) >= MAX_PICTURES:
            del self._pictures[next(iter(self._pictures))]
        self._pictures[kept] = str(svg)
        return str(svg)

    def state_of(self, entry: HandIn) -> str:
        """Return one of READING, WAITING, FILED, REFUSED."""
        if entry.trouble or (entry.examined is None and self.service.failure_of(entry)):
            return REFUSED
        if entry.filed:
            return FILED
        return READING if entry.examined is None or entry.file_id else WAITING

    def report(self, entry: HandIn) -> HandInReport:
        """Return what is shown of a hand-in."""
        state, examined = self.state_of(entry), entry.examined
        match = self.service.match_of(entry) if state == WAITING else None
        candidates = (*((match.owner,) if match and match.owner else ()), *(match.candidates if match else ()))
        of_event = self.service.days_of(entry)
        is_rolled = bool(of_event) and not any(map(entry.is_dated, of_event))
        parts = {
            day: part for day, part in entry.parts.items() if entry.is_dated(day) != is_rolled or day in entry.filed
        }
        first = next(iter(parts.values())).report if parts else {}
        remarks = tuple(dict.fromkeys(str(text) for part in parts.values() for text in part.report["remarks"]))
        return HandInReport(
            key=entry.key,
            name=_shown(entry),
            received=entry.received.time,
            who=entry.received.who,
            size=entry.received.size,
            state=state,
            why=self._why(entry, state),
            file_id=entry.file_id,
            sailor=self._sailor(entry.file_id),
            kind=examined.kind if examined else "",
            rate=first.get("rate", 0),
            doppler=first.get("doppler", False),
            evidence=first.get("evidence", ""),
            model=one_line(examined.model, 40) if examined else "",
            days=tuple(_day(entry, day, part) for day, part in sorted(parts.items())),
            candidates=tuple(map(_person, candidates)),
            remarks=remarks[:MAX_REMARKS],
        )

    def _why(self, entry: HandIn, state: str) -> str:
        if state == WAITING:
            return self.service.why_it_waits(entry)
        failure = self.service.failure_of(entry)
        return entry.trouble or failure or (entry.assigned.reason if entry.assigned else "")

    def _sailor(self, file_id: str) -> str:
        return next((each.sailor for each in self._work.live.roster.people if each.file_id == file_id), "")


def _shown(entry: HandIn) -> str:
    return one_line(public(entry.name))


def _day(entry: HandIn, day: datetime.date, part: Part) -> HandInDay:
    session, decided = part.report["session"], entry.counts.get(day)
    bests = {name: best["kn"] for name in BESTS if session and (best := best_in(session, name))}
    return HandInDay(
        day=day,
        start=part.start / 1000,
        end=part.end / 1000,
        km=session["distance_m"] / 1000 if session else 0.0,
        knots=bests,
        track=entry.filed.get(day, ""),
        counts=decided.counts if decided else None,
    )


def _person(owner: Owner) -> Person:
    return Person(owner.file_id, owner.sailor)


def _by_name(person: Person) -> tuple[str, str]:
    return person.sailor.casefold(), person.file_id


def _name(who: str) -> str:
    name = one_line(" ".join(str(who).split()), 100)
    if not name:
        raise CommandError("your name is required")
    return name
