"""Keeps the results of each day as its tracks, courses, roster and decisions are."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredLock

from sse_twisted.config.courses import Courses
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.results.courses.computation import Computation, do_job
from sse_twisted.results.courses.course_files import (
    append_decision,
    days_with_courses,
    read_all_decisions,
    stamp_of_day,
)
from sse_twisted.results.courses.day import DayResults
from sse_twisted.results.courses.decisions import PATH, Decision, Decisions
from sse_twisted.results.courses.output import Written
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks

INTERVAL = 2.0  # s between looks at the files
UPDATING = "updating"


@frozen
class DayOfCourses:
    """The results of a day as they are now. `as_of` in s since 1970."""

    results: DayResults
    courses: Courses
    written: Mapping[str, Written]  # results files by course
    as_of: float
    decisions: Decisions  # of all days


class CourseService(PeriodicService):
    """Computes today's results whenever something changes; those of other days when they change or are asked for."""

    def __init__(self, work: Workplace) -> None:
        super().__init__(work.clock, work.log, lambda: INTERVAL)
        self._work = work
        self._computation = Computation(work.folder.root, work.live.zone)
        self._days: dict[dt.date, DayOfCourses] = {}
        self._stamps: dict[dt.date, object] = {}  # at the last look
        self._told: set[str] = set()
        self._tasks = Tasks(work.log)
        self._lock = DeferredLock()  # one computation at a time
        self._observers_of_days: list[Callable[[dt.date], None]] = []

    def when_results_change(self, observer: Callable[[dt.date], None]) -> None:
        """Call `observer` with each day whose results are new."""
        self._observers_of_days.append(observer)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._tasks.stop()

    def round(self) -> None:
        if UPDATING not in self._tasks:
            self._tasks.start(UPDATING, self.look(), "The results of the courses could not be updated")

    async def look(self) -> None:
        """Compute each day anew whose files or roster have changed since the last look."""
        today = self._work.live.today(self._work.fleet.now)
        try:
            stamps = await self._work.disk.run(self._stamp_all)
            for day in sorted(stamps, key=lambda day: abs(day - today)):
                before, self._stamps[day] = self._stamps.get(day), stamps[day]
                is_first = before is None and day != today and day not in self._days
                if stamps[day] != before and not is_first:
                    await self._update(day)
        except OSError as error:
            self._stamps.clear()  # the next look tries again
            if self._is_new("", str(error)):
                self._log.warn("The courses cannot be read, retrying: {error}", error=str(error))

    async def day(self, day: dt.date) -> DayOfCourses:
        """Return the results of a day; those of a day that nobody asked for yet are computed first. Raises OSError."""
        return self._days.get(day) or await self._update(day)

    def known(self, day: dt.date) -> DayOfCourses | None:
        """Return the results of a day as far as they are computed."""
        return self._days.get(day)

    async def days(self) -> list[dt.date]:
        """Return the days that have courses, in order. Raises OSError."""
        return await self._work.disk.run(days_with_courses, self._work.folder.root)

    async def decide(self, decision: Decision) -> None:
        """Put a decision on disk, and compute its day anew. Raises DecisionError or DiskTrouble."""
        await self._work.disk.write(append_decision, self._work.folder.root, decision)
        self._work.log.info(
            "{who} decided: {action} {what} - {reason}",
            who=decision.who,
            action=str(decision.action),
            what=" ".join(filter(None, (decision.course, decision.track, decision.run, decision.undoes))),
            reason=decision.reason,
        )
        for day in [decision.day] if decision.day else list(self._days):
            await self._update(day)

    def _stamp_all(self) -> dict[dt.date, object]:
        root, live = self._work.folder.root, self._work.live
        of_all = live.roster.assignments, live.zone
        return {day: (stamp_of_day(root, day), *of_all) for day in days_with_courses(root)}

    async def _update(self, day: dt.date) -> DayOfCourses:
        await self._lock.acquire()
        try:
            found = await self._compute(day)
        finally:
            self._lock.release()
        self._days[day] = found
        self._tell(found)
        notify(self._observers_of_days, lambda: self._work.log.failure("An observer of the courses failed"), day)
        return found

    async def _compute(self, day: dt.date) -> DayOfCourses:
        run, computation = self._work.disk.run, self._computation
        computation.zone = self._work.live.zone
        for job in await run(computation.missing, day):
            computation.keep(job, await run(do_job, job))
        results, courses = await run(computation.day, day, self._work.live.roster.assignments)
        written: Mapping[str, Written] = {}
        with contextlib.suppress(DiskTrouble):  # the disk logs it; the file is written at the next change
            written = await self._work.disk.write(computation.write, results)
        decisions = await run(read_all_decisions, self._work.folder.root)
        return DayOfCourses(results, courses, written, self._work.fleet.now, decisions)

    def _tell(self, found: DayOfCourses) -> None:
        """Log what is wrong with the courses of a day; the same but for its figures once only."""
        day, log = str(found.results.day), self._work.log
        for mistake in filter(partial(self._is_new, day), found.courses.mistakes):
            log.error("Courses of {day}: {mistake}; the last version without it counts", day=day, mistake=mistake)
        remarks = (each.remarks for each in found.results.courses.values())
        for remark in filter(partial(self._is_new, day), chain(found.courses.remarks, *remarks)):
            log.warn("Courses of {day}: {remark}", day=day, remark=remark)
        for number, what in found.decisions.unreadable:
            if self._is_new(PATH, f"{number}: {what}"):
                log.warn("{path}, line {number}: {what}; it does not count", path=PATH, number=number, what=what)
        for file in found.written.values():
            if file.foreign is not None and self._is_new(day, file.path):
                text = "{path} was written or changed by another program and stays: ours is {ours}"
                log.warn(text, path=file.path.partition("/")[2], ours=file.path)

    def _is_new(self, day: str, text: str) -> bool:
        key = day + re.sub(r" \d[\d,.]*(?= )", " ", f" {text}")
        is_new = key not in self._told
        self._told.add(key)
        return is_new
