"""Keeps the results of each day as its tracks, courses, roster and decisions are."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import deferLater

from sse_twisted.config.assignment import Assignment
from sse_twisted.config.courses import Courses
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.handin.ledger import PATH as HAND_INS
from sse_twisted.results.counting import CountingReader
from sse_twisted.results.courses.computation import Computation, Job, Plan, do_job
from sse_twisted.results.courses.course_files import FACTS, append_decision, stamp_of, stamp_of_day
from sse_twisted.results.courses.day import DayResults
from sse_twisted.results.courses.decisions import PATH, Decision, Decisions
from sse_twisted.results.courses.fingerprints import note_fingerprint, read_fingerprints
from sse_twisted.results.courses.output import Written
from sse_twisted.results.courses.track_runs import TrackRuns
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.worker import WorkerError

INTERVAL = 2.0  # s between looks at the files
BREAK = 0.2  # s between two tracks of an earlier day, which nobody waits for
FAILED = "The results of the courses could not be updated"
UPDATING, CATCHING_UP = "updating", "catching up"


class DayOfCourses(Struct, frozen=True):
    """The results of a day as they are now. `as_of` in s since 1970."""

    results: DayResults
    courses: Courses
    written: Mapping[str, Written]  # results files by course
    as_of: float
    decisions: Decisions  # of all days
    trouble: str = ""  # why results files could not be written


class CourseService(PeriodicService):
    """Computes today's results whenever something changes; those of other days when they change or are asked for.

    What changed while no collector ran is noticed at the start, and computed slowly after today.
    """

    def __init__(self, work: Workplace) -> None:
        super().__init__(work.clock, work.log, lambda: INTERVAL)
        self._work = work
        counting = CountingReader(work.folder, lambda: work.live.roster.people, lambda: work.live.settings.expected)
        self._computation = Computation(work.folder.root, work.live.zone, counting=counting.on, guard=work.disk.guard)
        self._days: dict[dt.date, DayOfCourses] = {}
        self._stamps: dict[dt.date, object] = {}  # at the last look
        self._stale: dict[dt.date, None] = {}  # days that are to be computed when there is time
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
            self._tasks.start(UPDATING, self.look(), FAILED)

    async def look(self) -> None:
        """Compute each day anew whose files, decisions or roster have changed since the last look.

        A day that cannot be read keeps no other one waiting.
        """
        today, run = self._work.live.today(self._work.fleet.now), self._work.disk.run
        self._computation.zone = self._work.live.zone
        try:
            stamps = await run(self._stamp_all)
        except OSError as error:
            self._stamps = {}  # the next look tries again
            self._tell_unreadable(error)
            return
        days = {*stamps, *self._stamps}  # a file that was deleted takes its results file with it
        changed = [day for day in days if stamps.get(day) != self._stamps.get(day)]
        if not changed:
            return
        try:
            await self._work.disk.check()  # while the event folder is away, there may be the files of another one
        except DiskTrouble:
            return
        await self._note_buoys(stamps)
        stale = changed if self._stamps else await run(self._stale_of, changed)
        self._stale |= dict.fromkeys(sorted(stale, reverse=True))
        self._stamps = stamps
        for day in changed:
            if day == today or day in self._days:
                await self._try(self._update(day), day)
        if self._stale and CATCHING_UP not in self._tasks:
            self._tasks.start(CATCHING_UP, self._catch_up(), FAILED)

    async def day(self, day: dt.date) -> DayOfCourses:
        """Return the results of a day; those of a day that nobody asked for yet are computed first. Raises OSError."""
        return self._days.get(day) or await self._update(day)

    def known(self, day: dt.date) -> DayOfCourses | None:
        """Return the results of a day as far as they are computed."""
        return self._days.get(day)

    async def days(self) -> list[dt.date]:
        """Return the days that have courses, in order. Raises OSError or DiskHangs."""
        return await self._work.disk.read(self._computation.days)

    async def decisions(self) -> Decisions:
        """Return all decisions as they are on disk. Raises OSError or DiskHangs."""
        return await self._work.disk.read(self._computation.decisions)

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
        root, live, decisions = self._work.folder.root, self._work.live, self._computation.decisions()
        of_all = live.roster.people_and_cells, live.zone, stamp_of(root / HAND_INS)

        def stamp(day: dt.date) -> object:
            try:
                return stamp_of_day(root, day), decisions.state(day), *of_all
            except OSError as error:
                return str(error)

        return {day: stamp(day) for day in self._computation.days()}

    def _stale_of(self, days: Iterable[dt.date]) -> list[dt.date]:
        """Return the days that have changed since their results were written."""
        computation, assignments = self._computation, self._work.live.roster.people
        known = read_fingerprints(self._work.folder.root)

        def is_stale(day: dt.date) -> bool:
            try:
                return known.get(str(day)) != computation.fingerprint(computation.sources(day), assignments)
            except OSError:
                return True

        return [day for day in days if is_stale(day)]

    async def _note_buoys(self, days: Iterable[dt.date]) -> None:
        """Tell all others which devices mark a line, before anything is decided about their tracks."""
        live = self._work.live

        def read(day: dt.date) -> frozenset[int]:
            try:
                return self._computation.sources(day).buoys
            except OSError:
                return live.on_buoys(day)

        buoys = await self._work.disk.run(lambda: {day: found for day in days if (found := read(day))})
        if buoys != live.buoys:
            live.change(buoys=buoys)

    async def _catch_up(self) -> None:
        """Compute the stale days, the latest first, one track at a time."""
        while self._stale:
            day = next(iter(self._stale))
            del self._stale[day]
            if day not in self._days:
                await self._try(self._update_slowly(day), day)

    async def _update_slowly(self, day: dt.date) -> DayOfCourses:
        run, computation = self._work.disk.run, self._computation
        plan = await run(lambda: computation.plan(computation.sources(day)))
        for job in computation.missing(plan):
            computation.keep(job, await self._do(job))
            await deferLater(self._work.clock, BREAK)
        return await self._update(day)

    async def _do(self, job: Job) -> TrackRuns:
        try:
            runs: TrackRuns = await self._work.compute(do_job, job)
        except WorkerError as error:
            return TrackRuns(0, {}, {}, trouble=str(error))
        return runs

    async def _try(self, updating: Coroutine[Any, Any, DayOfCourses], day: dt.date) -> None:
        try:
            await updating
        except OSError as error:
            self._stamps.pop(day, None)  # the next look tries again
            self._tell_unreadable(error)

    async def _update(self, day: dt.date) -> DayOfCourses:
        self._stale.pop(day, None)
        await self._lock.acquire()
        try:
            found = await self._compute(day)
        finally:
            self._lock.release()
        before, self._days[day] = self._days.get(day), found
        if found.trouble:
            self._stamps.pop(day, None)  # the next look tries again
        if before is not None and replace(found, as_of=before.as_of) == before:
            return found
        self._tell(found)
        notify(self._observers_of_days, lambda: self._work.log.failure("An observer of the courses failed"), day)
        return found

    async def _compute(self, day: dt.date) -> DayOfCourses:
        run, computation = self._work.disk.run, self._computation
        plan = await run(lambda: computation.plan(computation.sources(day)))
        for job in computation.missing(plan):
            computation.keep(job, await self._do(job))
        assignments = self._work.live.roster.people
        results = await run(computation.results, plan, assignments)
        written, trouble = {}, ""
        try:
            written = dict(await self._work.disk.write(self._write, plan, results, assignments))
        except DiskTrouble as error:
            trouble = str(error)
        sources = plan.sources
        return DayOfCourses(results, sources.courses, written, self._work.fleet.now, sources.decisions, trouble)

    def _write(self, plan: Plan, results: DayResults, assignments: tuple[Assignment, ...]) -> Mapping[str, Written]:
        written = self._computation.write(results)
        fingerprint = self._computation.fingerprint(plan.sources, assignments)
        note_fingerprint(self._work.folder.root, results.day, fingerprint)
        return written

    def _tell_unreadable(self, error: OSError) -> None:
        if self._is_new("", str(error)):
            self._log.warn("The courses cannot be read, retrying: {error}", error=str(error))

    def _tell(self, found: DayOfCourses) -> None:
        """Log what is wrong with the courses of a day; the same but for its figures once only."""
        day, log = str(found.results.day), self._work.log
        for mistake in filter(partial(self._is_new, day), found.courses.mistakes):
            log.error("Courses of {day}: {mistake}; the last version without it counts", day=day, mistake=mistake)
        for mistake in found.results.facts.mistakes:
            if self._is_new(FACTS, mistake):
                log.error("{path}: {mistake}; the last version without it counts", path=FACTS, mistake=mistake)
        remarks = (each.remarks for each in found.results.courses.values())
        for remark in filter(partial(self._is_new, day), chain(found.courses.remarks, *remarks)):
            log.warn("Courses of {day}: {remark}", day=day, remark=remark)
        for number, what in found.decisions.unreadable:
            if self._is_new(PATH, f"{number}: {what}"):
                log.warn("{path}, line {number}: {what}; it does not count", path=PATH, number=number, what=what)
        if found.trouble and self._is_new(day, found.trouble):
            text = "The results files of {day} cannot be written, retrying: {error}"
            log.error(text, day=day, error=found.trouble)
        for file in found.written.values():
            if file.foreign is not None and self._is_new(day, file.path):
                text = "{path} was written or changed by another program and stays: ours is {ours}"
                log.warn(text, path=file.path.partition("/")[2], ours=file.path)

    def _is_new(self, day: str, text: str) -> bool:
        key = day + re.sub(r"(?<!buoy) \d[\d,.]*(?= )", " ", f" {text}")
        is_new = key not in self._told
        self._told.add(key)
        return is_new
