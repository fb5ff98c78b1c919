"""The files that course runs are made of: courses, facts and decisions of an event, and the tracks of a day. Blocks."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.courses import Course, Courses, CoursesError, parse_courses
from sse_twisted.config.event_json import EventFacts, parse_event_facts
from sse_twisted.event_folder.files import add_folder, sync, write_whole
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.results.courses.decisions import PATH, Decision, Decisions, check, line_of, read_decisions
from sse_twisted.results.courses.gpsdata import FOLDER
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.tracks.formats import MAX_SIZE, format_named

SESSIONS: Final = "config/sessions"
FACTS: Final = "config/event.json"
LAST_GOOD: Final = ".sse_twisted/sessions"  # the last courses without a mistake, by day, and facts
MAX_CONFIG: Final = 1_000_000  # bytes of a file that people write
MAX_DECISIONS: Final = 50_000_000

Stamp = tuple[int, int, int]


class TrackFile(Struct, frozen=True):
    """A track in the folder of its day."""

    name: str
    local_file: str  # below the event folder
    stamp: Stamp  # changes with the file


def read_small(path: Path, most: int) -> bytes | None:
    """Return a regular file of at most `most` bytes; None if there is none. Raises OSError."""
    try:
        return read_bounded(path, most)
    except FileNotFoundError:
        return None


def read_track(path: Path) -> bytes:
    """Return the bytes of a track; none of a missing one. Raises OSError, also for one that is too large."""
    return read_small(path, MAX_SIZE) or b""


def courses_path(root: Path, day: dt.date) -> Path:
    """Return the file of a day's courses."""
    return root / SESSIONS / f"{day:%Y%m%d}" / "courses.json"


def days_with_courses(root: Path) -> list[dt.date]:
    """Return the days that have a file of courses. Raises OSError."""
    try:
        names = [path.name for path in (root / SESSIONS).iterdir()]
    except FileNotFoundError:
        return []
    days = sorted(day for name in names if (day := _day(name)) is not None)
    return [day for day in days if courses_path(root, day).exists()]


def _day(name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(name) if len(name) == 8 and name.isascii() and name.isdigit() else None
    except ValueError:
        return None


def read_courses(
    root: Path, day: dt.date, changes: Mapping[str, Mapping[str, Any]], guard: Callable[[], None] = lambda: None
) -> Courses:
    """Return the courses of a day, with keys that were decided anew. Raises OSError.

    A course with a mistake is as in the last version of the file without one, which is kept in `.sse_twisted/`; where
    keys that were decided fit no version, it is as in the file. `guard` raises OSError if nothing may be kept.
    """
    data = read_small(courses_path(root, day), MAX_CONFIG)
    if data is None:
        return parse_courses(b"{}", changes)
    try:
        courses = parse_courses(data, changes)
    except CoursesError as error:
        courses = Courses({}, (str(error),))
    kept = root / LAST_GOOD / f"{day:%Y%m%d}.json"
    if not courses.mistakes:
        _keep(root, kept, data, guard)
        return courses
    spoilt = {mistake.partition(":")[0] for mistake in courses.mistakes}
    earlier = read_small(kept, MAX_CONFIG) or b"{}"
    in_earlier, in_file, decided = _parsed(earlier), _parsed(data), _parsed(earlier, changes)
    fitting = {name: course for name, course in decided.items() if name in in_earlier or name not in in_file}
    before = {**in_earlier, **in_file, **fitting}
    # Where the whole file is spoilt, no course of it is known by name.
    wanted = spoilt if courses.courses else before.keys()
    good = {name: course for name, course in before.items() if name in wanted and name not in courses.courses}
    return Courses({**courses.courses, **good}, courses.mistakes, courses.remarks)


def _parsed(data: bytes, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Mapping[str, Course]:
    with contextlib.suppress(CoursesError):
        return parse_courses(data, changes).courses
    return {}


def read_facts(root: Path, guard: Callable[[], None] = lambda: None) -> EventFacts:
    """Return the facts of the event; the defaults without a file. Raises OSError.

    Those of a file with a mistake are as in its last version without one: times in the results files depend on them.
    """
    data = read_small(root / FACTS, MAX_CONFIG)
    if data is None:
        return EventFacts()
    facts, kept = parse_event_facts(data), root / LAST_GOOD / "event.json"
    if not facts.mistakes:
        _keep(root, kept, data, guard)
        return facts
    earlier = read_small(kept, MAX_CONFIG)
    return facts if earlier is None else replace(parse_event_facts(earlier), mistakes=facts.mistakes)


def _keep(root: Path, kept: Path, data: bytes, guard: Callable[[], None]) -> None:
    """Keep a version without a mistake, unless the folder may only be read; the results tell of a disk that is bad."""
    if read_small(kept, MAX_CONFIG) != data:
        with contextlib.suppress(OSError):
            guard()
            add_folder(kept.parent, root)
            write_whole(kept, data)


def read_all_decisions(root: Path) -> Decisions:
    """Return the decisions of the committee; none without a file. Raises OSError."""
    data = read_small(root / PATH, MAX_DECISIONS)
    return Decisions() if data is None else read_decisions(data)


def tracks_of(root: Path, day: dt.date) -> list[TrackFile]:
    """Return the tracks in the folder of a day, by name. Raises OSError."""
    folder = f"gpslogs/{day:%Y%m%d}"
    found = []
    try:
        for entry in os.scandir(root / folder):
            if TrackName.parse(entry.name) is None or format_named(entry.name) is None:
                continue
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                stamp = status.st_mtime_ns, status.st_size, status.st_ino
                found.append(TrackFile(entry.name, f"{folder}/{entry.name}", stamp))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda file: file.name)


def stamp_of_day(root: Path, day: dt.date) -> object:
    """Return a value that changes when the tracks, courses, facts or results files of a day do. Raises OSError.

    That of the folder of tracks would not do: its time is exact to some ms only, and a track may come within them.
    """
    files = tuple(map(stamp_of, (courses_path(root, day), root / FACTS)))
    return files, tracks_of(root, day), stamps_of_results(root, day)


def stamps_of_results(root: Path, day: dt.date) -> dict[str, Stamp]:
    """Return what changes with each file in a day's folder of results files, by name."""
    with contextlib.suppress(OSError):
        return {path.name: stamp_of(path) for path in sorted((root / FOLDER / f"{day:%Y%m%d}").iterdir())}
    return {}


def stamp_of(path: Path) -> Stamp:
    """Return a value that changes with a file or the names in a folder; zeros without one."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def append_decision(root: Path, decision: Decision) -> None:
    """Add a decision to the file, and sync it. Raises DecisionError or OSError.

    A line that a power cut has torn stays; the decision begins on a line of its own.
    """
    check(decision, {each.time for each in read_all_decisions(root).made})
    path = root / PATH
    add_folder(path.parent, root)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        torn = size > 0 and file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + line_of(decision))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync(path.parent)
