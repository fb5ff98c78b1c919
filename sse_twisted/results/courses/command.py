"""`sse-results EVENT`: the course runs of an event folder, without a collector."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sse_twisted import __version__
from sse_twisted.config.assignment import Assignment
from sse_twisted.config.courses import Courses, Finish
from sse_twisted.config.roster import RosterError, parse_roster
from sse_twisted.config.server_json import read_original_settings
from sse_twisted.config.settings import Expected, Ranking, Settings, SettingsError, read_settings
from sse_twisted.event_folder.files import make_folder, write_whole
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderInUse, FolderLock
from sse_twisted.results.counting import CountingReader
from sse_twisted.results.courses import gpsdata
from sse_twisted.results.courses.comparison import fit_file, named_in, rows_in
from sse_twisted.results.courses.computation import Computation, Job, do_job
from sse_twisted.results.courses.course_files import SESSIONS, read_small
from sse_twisted.results.courses.day import CourseResults, DayResults
from sse_twisted.results.courses.fit import FitError
from sse_twisted.results.courses.gpsdata import GpsdataError
from sse_twisted.results.courses.report import as_tree, comparison_lines, day_lines, fit_tree
from sse_twisted.results.courses.track_runs import TrackRuns
from sse_twisted.runtime.executors import Workers
from sse_twisted.runtime.one_thread import compute_in_one_thread
from sse_twisted.runtime.programs import (
    add_workers,
    json_list,
    one_of_each_folder,
    opened_workers,
    until_interrupted,
    with_progress,
)
from sse_twisted.tracks.report import edition

MAX_ROSTER: Final = 10_000_000  # bytes
EPILOG: Final = """\
Without options, all days with a config/sessions/<YYYYMMDD>/courses.json are
computed anew, their results files are written to gpsdata/, and the ranking of
each day is printed. A file there that another program wrote, or that somebody
changed, is never replaced. While a collector uses the folder, nothing is
written there: the collector writes the same files.

Exit status: 0; 1 if a course has no line, a file is missing, cannot be read or
is no track, or --compare finds a run in one file only, or a difference above
--tolerance; 2 for wrong usage, or if the work could not go on, as when a
cluster is away or the disk is full: the days before are complete, the others
are not written, and JSON has no end.
"""


class ResultsError(Exception):
    """Nothing can be computed; the message says why."""


class Source(Struct, frozen=True):
    """An event folder with its roster, time zone, and columns with rankings of their own."""

    root: Path
    zone: dt.timezone
    assignments: tuple[Assignment, ...]
    ranking: Ranking
    expected: Expected


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 if something is missing or differs, 2 for an error."""
    options = option_parser().parse_args(arguments)
    compute_in_one_thread()
    return until_interrupted("sse-results", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        source = _source(options)
        with opened_workers(options, edition) as workers:
            counting = CountingReader(EventFolder(source.root), lambda: source.assignments, lambda: source.expected)
            # One for each day, which forgets the tracks of the day before.
            computation = partial(Computation, source.root, source.zone, partial(_do, workers), counting.on)
            if options.compare or options.fit:
                return _other_program(options, computation(), source)
            return _all_days(options, computation, source)
    except (ResultsError, OSError, SettingsError, GpsdataError, FitError) as error:
        if isinstance(error, OSError) and error.filename is None:  # the output
            raise
        print(f"sse-results: {error}", file=sys.stderr)
        return 1


def option_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="sse-results",
        description="Find the course runs of an event folder, rank them, and write the results files.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("event", type=Path, metavar="EVENT", help="the event folder")
    day = "compute this day only, as YYYYMMDD or YYYY-MM-DD; repeatable"
    parser.add_argument("--day", type=_day, action="append", metavar="DAY", help=day)
    parser.add_argument("--course", action="append", metavar="NAME", help="print this course only; repeatable")
    parser.add_argument("--json", action="store_true", help="print JSON: all runs, passages with reasons, rankings")
    output = "write the results files below this folder instead of the event folder"
    parser.add_argument("--output", type=Path, metavar="DIR", help=output)
    compare = "compare with a results file of another program, run by run, and write nothing"
    parser.add_argument("--compare", type=Path, metavar="FILE", help=compare)
    tolerance = f"with --compare, the difference in speed that still gives status 0 (default: {gpsdata.USUAL_KNOTS})"
    usual = gpsdata.USUAL_KNOTS
    parser.add_argument("--tolerance", type=_tolerance, default=usual, metavar="KN", help=tolerance)
    fit = "print the start line that explains a results file, as JSON for courses.json, and write nothing"
    parser.add_argument("--fit", type=Path, metavar="FILE", help=fit)
    config = "sse.toml or server.json with expected.timezone (default: one hour east of UTC) and ranking.by"
    parser.add_argument("--config", type=Path, metavar="FILE", help=config)
    add_workers(parser)
    parser.add_argument("--version", action="version", version=f"sse_twisted {__version__}")
    return parser


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid day {text!r}: expected YYYYMMDD") from None


def _tolerance(text: str) -> float:
    knots = float(text)
    if not 0 <= knots < math.inf:
        raise argparse.ArgumentTypeError(f"invalid tolerance {text}: expected knots, 0 or more")
    return knots


def _source(options: argparse.Namespace) -> Source:
    root: Path = options.event
    if not root.is_dir():
        raise ResultsError(f"{root}: no such event folder")
    settings = Settings()
    if options.config is not None:
        read = read_original_settings if options.config.suffix == ".json" else read_settings
        settings = read(options.config)
    zone = dt.timezone(dt.timedelta(minutes=settings.expected.timezone))
    roster = EventFolder(root).roster
    data = read_small(roster, MAX_ROSTER)
    if data is None:
        print(f"sse-results: {roster}: no such file, sailors have no names", file=sys.stderr)
        return Source(root, zone, (), settings.ranking, settings.expected)
    try:
        return Source(root, zone, parse_roster(data).people, settings.ranking, settings.expected)
    except RosterError as error:
        raise ResultsError(f"{roster}: {error}") from None


def _do(workers: Workers, jobs: Sequence[Job]) -> Iterator[TrackRuns]:
    jobs = [replace(job, root=job.root.absolute()) for job in jobs]
    workers.require(one_of_each_folder(map(_file, jobs)))
    return with_progress(workers.map(do_job, jobs, file=_file, failure=_failure), len(jobs))


def _file(job: Job) -> Path:
    return job.root / job.file.local_file


def _failure(job: Job, runs: TrackRuns) -> str:
    return f"{job.file.local_file}: {runs.trouble}" if runs.trouble else ""


def _all_days(options: argparse.Namespace, new: Callable[[], Computation], source: Source) -> int:
    days = options.day or new().days()
    if not days:
        raise ResultsError(f"{source.root / SESSIONS}: no courses.json of any day")
    is_complete, lacking = True, set(options.course or ())
    with _writing(options, source.root) as target, json_list() if options.json else nullcontext() as add:
        for day in days:
            computation = new()
            try:
                results, courses = computation.day(day, source.assignments)
            except OSError as error:
                print(f"sse-results: {day}: {error}", file=sys.stderr)
                is_complete = False
                continue
            is_complete &= _complain(day, results, courses)
            lacking -= results.courses.keys()
            if target is not None:
                _write(computation, results, target, source.root)
            if add is not None:
                text = json.dumps(as_tree(results, source.ranking), ensure_ascii=False, indent=1)
                add(" " + text.replace("\n", "\n "))
            else:
                print("\n".join(day_lines(results, source.zone, source.ranking, options.course or ())))
    for name in sorted(lacking):
        where = f"on {days[0]}" if len(days) == 1 else f"on any of {len(days)} days"
        print(f"sse-results: {name}: no such course {where}", file=sys.stderr)
    return 0 if is_complete and not lacking else 1


@contextmanager
def _writing(options: argparse.Namespace, root: Path) -> Iterator[Path | None]:
    """Give the folder below which results files are written; None while a collector writes them."""
    if options.output is not None:
        yield options.output
        return
    lock = FolderLock(root)
    try:
        lock.acquire()
    except FolderInUse:
        text = "a collector uses the folder and writes the results files itself: nothing is written here"
        print(f"sse-results: {text}; --output DIR writes a copy elsewhere", file=sys.stderr)
        yield None
        return
    try:
        yield root
    finally:
        lock.release()


def _write(computation: Computation, results: DayResults, target: Path, root: Path) -> None:
    if target == root:
        for written in computation.write(results).values():
            if written.foreign is not None:
                theirs = written.path.partition("/")[2]
                print(f"sse-results: {theirs} is of another program and stays: ours is {written.path}", file=sys.stderr)
        return
    for name, rows in results.files.items():
        path = target / gpsdata.path_of(results.day, name)
        make_folder(path.parent)
        write_whole(path, gpsdata.write_rows(rows))


def _complain(day: dt.date, results: DayResults, courses: Courses) -> bool:
    """Name what is wrong on standard error; return whether nothing is missing."""
    without = [name for name, each in results.courses.items() if each.placing.line is None and not _is_free(each)]
    for text in (*courses.mistakes, *courses.remarks):
        print(f"sse-results: courses of {day}: {text}", file=sys.stderr)
    if not results.courses:
        print(f"sse-results: {day}: no courses", file=sys.stderr)
    unreadable = any(each.lacks_tracks for each in results.courses.values())
    return not (courses.mistakes or without or unreadable) and bool(results.courses)


def _is_free(each: CourseResults) -> bool:
    return each.placing.course.finish is Finish.ANYWHERE


def _other_program(options: argparse.Namespace, computation: Computation, source: Source) -> int:
    file: Path = options.compare or options.fit
    named = bool(options.day and options.course)
    day, course = (options.day[0], options.course[0]) if named else named_in(file)
    rows = rows_in(file)
    if options.fit:
        fit = fit_file(source.root, source.zone, day, course, rows)
        print(json.dumps({course: fit_tree(fit)}, indent=1))
        return 0
    results, courses = computation.day(day, source.assignments)
    _complain(day, results, courses)
    if course not in results.courses:
        print(f"sse-results: {course}: no such course on {day}", file=sys.stderr)
        return 1
    differences = gpsdata.compare(results.courses[course].rows, rows)
    if options.json:
        print(json.dumps(msgspec.to_builtins(differences), indent=1))
    else:
        print("\n".join(comparison_lines(differences)))
    return 0 if all(each.is_within(options.tolerance) for each in differences) else 1


if __name__ == "__main__":
    sys.exit(main())
