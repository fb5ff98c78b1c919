"""The commands of the console about the courses of a day: what was sailed, and what the committee decides."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from sse_twisted.console.tables import Result, table
from sse_twisted.control.commands import Commands
from sse_twisted.control.course_reports import CourseDay, DecisionReport, EntrantReport
from sse_twisted.control.errors import CommandError
from sse_twisted.results.courses.decisions import Action, Decision, seconds_of
from sse_twisted.runtime.text import one_line, plural

SAILOR_WIDTH = 30  # columns


@frozen
class CourseConsole:
    """Reading and deciding; each day is today unless another one is passed, as "YYYY-MM-DD"."""

    _commands: Commands

    def course(self, day: str | None = None) -> Deferred[Result]:
        """Show the ranking of a day (default: today), what to look at, and the decisions.

        course("2026-10-12")
        """
        return Deferred.fromCoroutine(self._commands.courses.day(self._day(day))).addCallback(Result, self._day_text)

    def runs(self, sailor: int | str, day: str | None = None) -> Deferred[Result]:
        """List the passages of a sailor: runs, and why others are none.

        runs(601) by the number of the device; also by Entrant ID, File ID or name: runs("Ada")
        """
        finding = self._commands.courses.find(self._day(day), sailor)
        return Deferred.fromCoroutine(finding).addCallback(Result, self._entrant_text)

    def exclude(self, sailor: int | str, time: str, reason: str, who: str, day: str | None = None) -> Deferred[Result]:
        """Exclude a run, by the time that runs() shows.

        exclude(601, "11:37:10", "false start", "Bob")
        """
        return Deferred.fromCoroutine(self._about_run(Action.EXCLUDE, sailor, time, reason, who, day))

    def count(self, sailor: int | str, time: str, reason: str, who: str, day: str | None = None) -> Deferred[Result]:
        """Count a passage that is no run by the rule, by the time that runs() shows.

        count(601, "11:37:10", "a gap, but seen from the boat", "Bob")
        """
        return Deferred.fromCoroutine(self._about_run(Action.COUNT, sailor, time, reason, who, day))

    def withdraw(self, track: str, reason: str, who: str, day: str | None = None) -> Deferred[Result]:
        """Withdraw a track: none of its runs counts.

        withdraw("ABC601XYZ_601_20261012_101500.oao", "worn by another", "Bob")
        """
        return self._decide(day, Action.WITHDRAW, who, reason, track=track)

    def set_course(
        self, course: str, keys: Mapping[str, Any], reason: str, who: str, day: str | None = None
    ) -> Deferred[Result]:
        """Set keys of a course anew, as in courses.json: hours, line, direction, …

        set_course("S1", {"End Time": "17:01:00"}, "one hour longer", "Bob")
        """
        return self._decide(day, Action.COURSE, who, reason, course=course, set=dict(keys))

    def undo(self, decision: str, reason: str, who: str, day: str | None = None) -> Deferred[Result]:
        """Undo a decision of any day, by its time that course() shows.

        undo("2026-10-12T15:20:11.123Z", "wrong sailor", "Bob")
        """
        return Deferred.fromCoroutine(self._undo(decision, who, reason, day))

    async def _undo(self, decision: str, who: str, reason: str, day: str | None) -> Result:
        about = None if day else await self._commands.courses.day_of(decision)
        return await self._decide(str(about) if about else day, Action.UNDO, who, reason, undoes=decision)

    async def _about_run(
        self, action: Action, sailor: int | str, time: str, reason: str, who: str, day: str | None
    ) -> Result:
        passage = await self._commands.courses.passage(self._day(day), sailor, time)
        return await self._decide(
            day, action, who, reason, course=passage.course, track=passage.track, run=passage.time
        )

    def _decide(self, day: str | None, action: Action, who: str, reason: str, **about: Any) -> Deferred[Result]:
        deciding = self._commands.courses.decide(self._day(day), action, who, reason, **about)
        return deciding.addCallback(lambda _: Result("decided; course() shows the decision"))

    def _day(self, day: str | None) -> datetime.date:
        try:
            return datetime.date.fromisoformat(str(day)) if day else self._commands.today
        except ValueError:
            raise CommandError(f"invalid date {one_line(str(day), 40)!r}: expected YYYY-MM-DD") from None

    def _clock(self, seconds: float | None) -> str:
        if seconds is None:
            return ""
        return datetime.datetime.fromtimestamp(seconds, self._commands.zone).strftime("%H:%M:%S")

    def _day_text(self, report: CourseDay) -> str:
        still = f"{plural(report.missing, 'device')} of {report.expected} may still bring a track"
        if not report.courses:
            return "\n".join((f"no courses on {report.day}; {still}", *report.problems))
        lines = [f"{report.day} as of {self._clock(report.as_of)}; {still}"]
        lines += [f"look at: {problem}" for problem in report.problems]
        for course in report.courses:
            lines.append(f"{course.title}: {plural(course.runs, 'run')} of {plural(course.entrants, 'sailor')}")
            lines += [f"look at: {warning}" for warning in course.warnings]
            if course.other_file is not None:
                lines.append(f"look at: another program's results file stays; ours is {course.other_file.ours}")
        overall = report.rankings[0].places
        rows = (
            (
                each.rank,
                one_line(each.sailor or each.entrant, SAILOR_WIDTH),
                f"{each.knots:.{report.decimals}f}",
                each.course,
                self._clock(each.end),
                f"{each.course_made:.0f}",
                each.runs,
            )
            for each in overall
        )
        lines.append(table(("place", "sailor", "knots", "course", "time", "way", "runs"), rows))
        return "\n".join((*lines, *self._decisions(report.decisions)))

    def _entrant_text(self, report: EntrantReport) -> str:
        rows = (
            (
                self._clock(each.shown_at),
                each.course,
                "" if each.knots is None else f"{each.knots:.3f}",
                "" if each.course_made is None else f"{each.course_made:.1f}",
                "run" if each.counts else each.why_not,
            )
            for each in report.passages
        )
        lines = [f"{report.sailor or report.entrant}, {report.day}", *(f"track {track}" for track in report.tracks)]
        lines.append(table(("time", "course", "knots", "way", "run?"), rows, whole=True))
        return "\n".join((*lines, *self._decisions(report.decisions)))

    def _decisions(self, decisions: tuple[DecisionReport, ...]) -> tuple[str, ...]:
        rows = [
            (each.decision.time, each.decision.who, self._what(each.decision), each.decision.reason, each.undone_by)
            for each in decisions
        ]
        return (table(("decided", "who", "what", "reason", "undone by"), rows, whole=True),) if rows else ()

    def _what(self, decision: Decision) -> str:
        run = f"begun {self._clock(seconds_of(decision.run))}" if decision.run else ""
        device = decision.track.partition("_")[0]
        return " ".join(filter(None, (decision.action, decision.course, device, run)))
