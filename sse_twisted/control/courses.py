"""What an operator may see of the courses of a day, and what the committee decides about their runs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from msgspec import structs
from twisted.internet.defer import Deferred, DeferredLock

from sse_twisted.config.courses import KEYS
from sse_twisted.config.settings import Ranking
from sse_twisted.control.course_reports import CourseDay, EntrantReport, PassageReport, day_report, entrant_report
from sse_twisted.control.errors import CommandError, NotFound
from sse_twisted.control.records import Records
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.results.courses.course_files import SESSIONS, read_courses, read_track, stamp_of
from sse_twisted.results.courses.day import DayResults, number_of
from sse_twisted.results.courses.decisions import (
    MAX_TEXT,
    SAME,
    Action,
    Decided,
    Decision,
    DecisionError,
    Decisions,
    changes_of,
    iso,
    seconds_of,
)
from sse_twisted.results.courses.picture import draw_passages
from sse_twisted.results.courses.ranking import Entrant
from sse_twisted.results.courses.service import CourseService, DayOfCourses
from sse_twisted.results.courses.tables import tables_as_csv
from sse_twisted.results.days import OPEN, State
from sse_twisted.runtime.disk import DiskHangs, DiskTrouble
from sse_twisted.runtime.kept import Kept
from sse_twisted.runtime.text import one_line
from sse_twisted.tracks.formats import decode

MILLISECOND = 0.001  # s
MAX_PICTURES = 20_000_000  # characters of the pictures that are kept; one has 50,000 to 300,000
NEEDED = {  # what a decision is about, by its action; other keys would only confuse
    Action.EXCLUDE: ("course", "track", "run"),
    Action.COUNT: ("course", "track", "run"),
    Action.WITHDRAW: ("track",),
    Action.COURSE: ("course", "set"),
    Action.UNDO: ("undoes",),
}
_NOTHING: dict[str, Any] = {"course": "", "track": "", "run": "", "set": None, "undoes": ""}
MAX_NAMES = 5  # that are listed where a name is ambiguous


@define(eq=False)
class CourseCommands:
    """Reads and decides. A day has the courses of its `courses.json`, and those that were decided."""

    _work: Workplace
    _service: CourseService
    _records: Records
    _deciding: DeferredLock = field(factory=DeferredLock, init=False)
    _drawing: DeferredLock = field(factory=DeferredLock, init=False)
    _pictures: Kept = field(factory=lambda: Kept(MAX_PICTURES), init=False)

    @property
    def today(self) -> datetime.date:
        """The date in the time zone of the event."""
        return self._work.live.today(self._work.fleet.now)

    @property
    def ranking(self) -> Ranking:
        """The columns of the roster that are shown, and by which there are rankings."""
        return self._work.live.settings.ranking

    async def days(self) -> tuple[datetime.date, ...]:
        """Return the days that have courses, the latest first."""
        return tuple(reversed(await self._service.days()))

    async def day(self, day: datetime.date) -> CourseDay:
        """Return the courses of a day and their rankings; a day without courses has none."""
        found = await self._results(day)
        of_day = await self._records.day(day, self.today)
        lines = [line for line in of_day.lines if line.state is not State.NOT_EXPECTED]
        missing = len({line.id for line in lines if line.state in OPEN})
        expected = len({line.id for line in lines})
        if found is None:
            return CourseDay(day, None, missing, expected, 2, self.ranking.columns, (), (), (), ())
        return await self._work.disk.read(
            day_report, found, self.ranking, missing, expected, self._records.from_positions(day)
        )

    async def csv(self, day: datetime.date) -> bytes:
        """Return all rankings of a day as a table for spreadsheets."""
        report = await self.day(day)
        table = report.rankings, self.ranking.columns, report.decimals, self._work.live.zone
        return await self._work.disk.read(tables_as_csv, *table)

    async def entrant(self, day: datetime.date, entrant: str) -> EntrantReport:
        """Return all passages of an entrant; raises CommandError."""
        found = await self._known_day(day)
        report = await self._work.disk.read(
            entrant_report, found, entrant, self.ranking, self._records.from_positions(day)
        )
        if report is None:
            raise NotFound(f"no track of {one_line(repr(entrant), 60)} on {day}")
        return report

    async def find(self, day: datetime.date, text: int | str) -> EntrantReport:
        """Return an entrant by Entrant ID, File ID, number of a device, or a part of the name; raises CommandError."""
        results = (await self._known_day(day)).results
        sought, entrants = str(text).strip().casefold(), results.entrants.values()
        of_device = {
            track.entrant
            for each in results.courses.values()
            for track in each.tracks
            if sought in (_file_id(track.track).casefold(), str(number_of(track.track)))
        }
        by_name = [each for each in entrants if sought and sought in each.sailor.casefold()]
        for found in (
            [each for each in entrants if each.key.casefold() == sought],
            [each for each in entrants if each.key in of_device],
            by_name,
        ):
            if len(found) == 1:
                return await self.entrant(day, found[0].key)
            if found:
                raise CommandError(f"{one_line(str(text), 40)!r} can be {_names(found)}: pass the Entrant ID")
        raise NotFound(f"no track of {one_line(repr(text), 60)} on {day}")

    async def picture(self, day: datetime.date, course: str, track: str) -> str:
        """Draw the passages of a track as SVG; raises CommandError. Only one picture is drawn at a time, and once."""
        results = (await self._known_day(day)).results
        each = results.courses.get(course)
        sailed = next((found for found in each.tracks if found.track == track), None) if each else None
        if each is None or sailed is None or each.placing.line is None:
            raise NotFound("there is no picture of such a track")
        entrant = results.entrants[sailed.entrant]
        title = " · ".join(filter(None, (entrant.sailor or entrant.key, results.facts.title(course), str(day), track)))
        path = self._work.folder.root / "gpslogs" / f"{day:%Y%m%d}" / track
        zone, placing = self._work.live.zone, each.placing
        line = each.placing.line

        def draw() -> str:
            decoded = decode(read_track(path), track)
            if len(decoded.fixes) < 2:
                raise NotFound(f"{track} cannot be read any more")
            return draw_passages(decoded, placing.course, line, sailed.passages, zone, title)

        def drawn() -> str:
            content = stamp_of(path), placing.course, line, sailed.passages, zone, title
            return self._pictures.get(content, draw)

        async with self._drawing:
            try:
                return await self._work.disk.read(drawn)
            except OSError as error:
                raise CommandError(f"{track} cannot be read: {error}") from None

    # Deciding

    def decide(
        self,
        day: datetime.date,
        action: Action,
        who: str,
        reason: str,
        course: str = "",
        track: str = "",
        run: str = "",
        set: Mapping[str, Any] | None = None,  # noqa: A002 - the key in the file
        undoes: str = "",
    ) -> Deferred[None]:
        """Decide about a day; fires when the decision is on disk and its day computed. Fails with CommandError."""
        decision = Decision(
            time="",
            who=_words(who),
            reason=_words(reason),
            action=Action(action),
            day=day,
            course=course,
            track=track,
            run=run,
            set=dict(set) if set else None,
            undoes=undoes,
        )
        needless = {key: _NOTHING[key] for key in _NOTHING if key not in NEEDED[decision.action]}
        return Deferred.fromCoroutine(self._decide(day, structs.replace(decision, **needless)))

    async def day_of(self, decision: str) -> datetime.date | None:
        """Return the day that the decision of a time is about; None if there is none. Raises CommandError."""
        found = (await self._decisions()).find(decision)
        return found.day if found else None

    async def passage(self, day: datetime.date, entrant: int | str, time: str) -> PassageReport:
        """Return the passage of an entrant that is shown at a time HH:MM:SS; raises CommandError."""
        report = await self.find(day, entrant)
        zone = self._work.live.zone

        def shown(passage: PassageReport) -> str:
            return datetime.datetime.fromtimestamp(passage.shown_at, zone).strftime("%H:%M:%S")

        found = [passage for passage in report.passages if shown(passage) == time.strip()]
        if len(found) != 1:
            what = f"{len(found)} passages" if found else "no passage"
            advice = "decide on the page of the sailor" if found else "runs() lists them"
            raise CommandError(f"{what} of {report.sailor or report.entrant} at {time}: {advice}")
        return found[0]

    async def _decide(self, day: datetime.date, decision: Decision) -> None:
        if not decision.who or not decision.reason:
            raise CommandError("a decision needs a name and a reason")
        async with self._deciding:
            found = await self._known_day(day, or_new=decision.action is Action.COURSE)
            known = await self._decisions()
            await self._check(found, decision, known)
            deciding = self._service.decide(_stamped(decision, known, self._work.fleet.now))
            try:
                await self._work.disk.while_it_answers(deciding)
            except DiskHangs as error:
                raise CommandError(f"not decided yet, but when the disk answers: {error}") from None
            except (DecisionError, DiskTrouble) as error:
                raise CommandError(f"not decided: {error}") from None
            except OSError as error:
                raise CommandError(f"decided, but the results cannot be computed: {error}") from None

    async def _decisions(self) -> Decisions:
        """Return the decisions of all days: those of a day's results may lack later ones about other days."""
        try:
            return await self._service.decisions()
        except OSError as error:
            raise CommandError(f"the decisions cannot be read: {error}") from None

    async def _check(self, found: DayOfCourses, decision: Decision, known: Decisions) -> None:
        """Raise CommandError if a decision changes nothing, or nothing that there is."""
        tracks = {track.track for each in found.results.courses.values() for track in each.tracks}
        match decision.action:
            case Action.UNDO:
                target = known.find(decision.undoes)
                if target is not None and target.day not in (None, found.results.day):
                    raise CommandError(f"that decision is about {target.day}: undo it there")
                if (other := known.undone.get(decision.undoes)) is not None:
                    raise CommandError(f"{other.who} has undone that already")
            case Action.COURSE:
                await self._check_course(found, decision, known)
            case Action.WITHDRAW if decision.track not in tracks:
                raise CommandError(f"no track {one_line(repr(decision.track))} on {found.results.day}")
            case Action.EXCLUDE | Action.COUNT:
                _check_run(_passage(found.results, decision), decision.action)

    async def _check_course(self, found: DayOfCourses, decision: Decision, known: Decisions) -> None:
        changed = decision.set or {}
        if not decision.course:
            raise CommandError("Course: missing; give it a name, such as S1")
        if unknown := [key for key in changed if key not in KEYS]:
            raise CommandError(f"unknown key {unknown[0]!r}: expected {', '.join(KEYS)}")
        day = found.results.day
        try:
            decisions = (*known.in_force, decision)
            read, changes = self._work.disk.read, changes_of(decisions, day)
            courses = await read(read_courses, self._work.folder.root, day, changes, self._work.disk.guard)
        except OSError as error:
            raise CommandError(f"the courses cannot be read: {error}") from None
        mistakes = [mistake for mistake in courses.mistakes if mistake.startswith(f"{decision.course}: ")]
        if mistakes or decision.course not in courses.courses:
            raise CommandError(mistakes[0] if mistakes else f"no course {decision.course!r} on {day}")
        if changed and courses.courses[decision.course] == found.courses.courses.get(decision.course):
            raise CommandError(f"{decision.course} is like that already")

    async def _results(self, day: datetime.date, *, or_new: bool = False) -> DayOfCourses | None:
        """Return the results of a day; None if it has no courses. Raises CommandError if they cannot be read."""
        try:
            if not or_new and day not in await self._service.days():
                return None
            return await self._work.disk.while_it_answers(self._service.day(day))
        except OSError as error:
            raise CommandError(f"the courses of {day} cannot be read: {error}") from None

    async def _known_day(self, day: datetime.date, *, or_new: bool = False) -> DayOfCourses:
        found = await self._results(day, or_new=or_new)
        if found is None:
            raise NotFound(f"no courses on {day}: write {SESSIONS}/{day:%Y%m%d}/courses.json")
        return found


def _stamped(decision: Decision, known: Decisions, now: float) -> Decision:
    """Return the decision with the first free time from now on: a time identifies a decision."""
    taken, moment = {each.time for each in known.made}, now
    while (time := iso(moment)) in taken:
        moment += MILLISECOND
    return structs.replace(decision, time=time)


def _passage(results: DayResults, decision: Decision) -> Decided | None:
    """Return the passage that a decision is about; None if there is none within SAME."""
    each, at = results.courses.get(decision.course), seconds_of(decision.run)
    track = next((found for found in each.tracks if found.track == decision.track), None) if each else None
    if track is None or at is None or not track.passages:
        return None
    nearest = min(track.passages, key=lambda decided: abs(decided.passage.time - at))
    return nearest if abs(nearest.passage.time - at) <= SAME else None


def _check_run(decided: Decided | None, action: Action) -> None:
    if decided is None:
        raise CommandError("no such passage of the line")
    if decided.decision is not None and decided.decision.action is Action.WITHDRAW:
        raise CommandError("its track is withdrawn: undo that first")
    if action is Action.EXCLUDE and not decided.counts:
        raise CommandError(f"that passage is no run already: {decided.why_not}")
    if action is Action.COUNT and decided.counts:
        raise CommandError("that run counts already")
    if action is Action.COUNT and decided.passage.run is None:
        raise CommandError(f"that passage cannot count: {decided.why_not}")


def _file_id(track: str) -> str:
    name = TrackName.parse(track)
    return name.prefix.rpartition("_")[0] if name else ""


def _names(entrants: list[Entrant]) -> str:
    return " or ".join(f"{each.sailor} ({each.key})" for each in entrants[:MAX_NAMES])


def _words(text: str) -> str:
    return one_line(" ".join(str(text).split()), MAX_TEXT)
