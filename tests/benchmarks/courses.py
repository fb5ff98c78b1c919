"""Measures what the courses of an event cost: `python -m tests.benchmarks.courses --captures FOLDER [--repeat N]`

event     `sse-results` over 320 tracks of 480 MB in all, in as many processes as there are cores: the published tracks
          again and again, each on its own day and course.
day       the same for one day of 100 tracks, in one process.

FOLDER is that of the published runs. Processor time is that of all processes, with their start. Best of N repetitions.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from sse_twisted.results.courses.course_files import courses_path
from sse_twisted.results.courses.gpsdata import clock
from tests.benchmarks.report import Figure, table
from tests.results.courses.folder import as_file
from tests.results.courses.sailing import RealDay, real_days

EVENT_TRACKS: Final = 320
DAY_TRACKS: Final = 100


def write_event(root: Path, days: Sequence[RealDay], tracks: int) -> float:
    """Fill an event folder with so many tracks; return their megabytes."""
    files = [as_file(day.track, 601) for day in days]
    written = 0
    for number, (day, data) in enumerate(islice(cycle(zip(days, files, strict=True)), tracks), 601):
        date = dt.datetime.fromtimestamp(day.midnight + 12 * 3600, dt.UTC).date()
        course, path = day.course, courses_path(root, date)
        hours = {"Start Time": clock(course.opens or 0), "End Time": clock(course.closes or 0)}
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = hours | {"Start Line": day.line.ends, "Direction": day.line.direction}
        path.write_text(json.dumps({course.name: entry}))
        folder = root / "gpslogs" / f"{date:%Y%m%d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"ABC{number}XYZ_{number}_{date:%Y%m%d}_100000.oao").write_bytes(data)
        written += len(data)
    return written / 1e6


def compute(root: Path, jobs: int) -> tuple[float, float]:
    """Run `sse-results`; return the s that it took, and those of processor time."""
    command = [sys.executable, "-m", "sse_twisted.results.courses.command", str(root), "--jobs", str(jobs)]
    began, before = time.perf_counter(), _processor_time()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began, _processor_time() - before


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def event_figures(days: Sequence[RealDay], repeat: int, tracks: int = EVENT_TRACKS) -> Iterator[Figure]:
    """How long a whole event takes."""
    jobs = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-") as folder:
        size = write_event(Path(folder), days, tracks)
        seconds, used = map(min, zip(*(compute(Path(folder), jobs) for _ in range(repeat)), strict=True))
    case = f"event of {tracks} tracks, {size:.0f} MB"
    yield Figure(case, f"in {jobs} processes", seconds, "s", 10)
    yield Figure(case, "processor time", used, "s")


def day_figures(days: Sequence[RealDay], repeat: int, tracks: int = DAY_TRACKS) -> Iterator[Figure]:
    """How much processor time a day takes: the one with the most published tracks."""
    of_day: dict[float, list[RealDay]] = {}
    for day in days:
        of_day.setdefault(day.midnight, []).append(day)
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-") as folder:
        size = write_event(Path(folder), max(of_day.values(), key=len), tracks)
        _, used = map(min, zip(*(compute(Path(folder), 1) for _ in range(repeat)), strict=True))
    yield Figure(f"day of {tracks} tracks, {size:.0f} MB", "processor time", used, "s", 2)


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--captures", type=Path, required=True, help="folder with the published runs")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="best of so many (3)")
    options = parser.parse_args()
    days = list(real_days(options.captures))
    print(table([*event_figures(days, options.repeat), *day_figures(days, options.repeat)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
