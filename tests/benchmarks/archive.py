"""Measures an archive of tracks: `python -m tests.benchmarks.archive [--tracks N] [--captures FOLDER] [--repeat N]`

Tracks a second of `sse-track --json-lines`, with 1 and 2 local processes, and with 1 and 2 workers of a Dask cluster on
this computer, scheduler and all. The time of a run on one track is subtracted, so that the rate holds for an archive
of any size; it is shown as the start. "cost" is how much longer a track takes on the cluster than in as many local
processes. Processor time is that of all processes; other programs on the computer change it less. The last figure is
what 100,000 such tracks would take.

With --captures the tracks are those of a folder (`**/*.oao`), else an invented one, which is shorter.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil
from attrs import frozen

from sse_twisted.simulator.generator import generate_afternoon
from tests.benchmarks.report import Figure, table
from tests.support.dask_cluster import dask_cluster

ARCHIVE: Final = 100_000  # tracks
COMMAND: Final = [sys.executable, "-m", "sse_twisted.tracks.command", "--json-lines"]


@frozen
class Rate:
    """What a run on an archive takes, without its start."""

    tracks: float  # a second
    processor: float  # ms a track, of all processes
    start: float  # s


def rate(files: Sequence[str], options: Sequence[str], repeat: int, dask: Sequence[psutil.Process] = ()) -> Rate:
    """Measure runs on all files, and on one of them, which is the start; the best of so many."""

    def run(names: Sequence[str]) -> tuple[float, float]:
        began, used = time.perf_counter(), processor_time(dask)
        subprocess.run([*COMMAND, *options, *names], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began, processor_time(dask) - used

    (start, used_by_start), (whole, used) = (
        tuple(map(min, zip(*(run(names) for _ in range(repeat)), strict=True))) for names in (files[:1], files)
    )
    more = len(files) - 1
    return Rate(more / max(whole - start, 1e-3), 1000 * (used - used_by_start) / more, start)


def processor_time(others: Sequence[psutil.Process]) -> float:
    """The time in s that programs have used which have ended, and these others."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(sum(other.cpu_times()[:2]) for other in others)


def figures_of(case: str, rate: Rate, local: Rate) -> Iterator[Figure]:
    """All figures of a case, and what it costs over the local one unless it is that."""
    yield Figure(case, "rate", rate.tracks, "tracks/s")
    yield Figure(case, "processor time", rate.processor, "ms a track")
    yield Figure(case, "start", rate.start, "s")
    if rate is not local:
        yield Figure(case, "cost", 1000 / rate.tracks - 1000 / local.tracks, "ms a track")
        yield Figure(case, "cost in processor time", rate.processor - local.processor, "ms a track")
    yield Figure(case, f"{ARCHIVE:,} tracks", ARCHIVE / rate.tracks / 3600, "h")


def archive_figures(files: Sequence[str], repeat: int, counts: Sequence[int] = (1, 2)) -> Iterator[Figure]:
    """The figures of local processes, and of as many workers."""
    local = {count: rate(files, ["--jobs", str(count)], repeat) for count in counts}
    for count in counts:
        yield from figures_of(f"local, jobs: {count}", local[count], local[count])
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="sse-benchmark-") as folder, dask_cluster(Path(folder), count) as dask:
            processes = [psutil.Process(process.pid) for process in (dask.scheduler, *dask.workers)]
            measured = rate(files, ["--cluster", dask.address], repeat, processes)
            yield from figures_of(f"cluster, workers: {count}", measured, local[count])


def write_archive(folder: Path, kinds: Sequence[bytes], count: int) -> list[str]:
    """Write so many files, in folders of a hundred; return their names."""
    names = []
    for number in range(count):
        file = folder / f"{number // 100}" / f"{number}.oao"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(kinds[number % len(kinds)])
        names.append(str(file))
    return names


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--captures", type=Path, help="folder with tracks of real devices")
    parser.add_argument("--tracks", type=int, default=200, metavar="N", help="tracks in the archive (200)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="best of so many (3)")
    options = parser.parse_args()
    if options.captures:
        kinds = [path.read_bytes() for path in sorted(options.captures.glob("**/*.oao"))]
    else:
        kinds = [generate_afternoon(601, 1, 1_666_200_000_000)[0].content]
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-") as folder:
        files = write_archive(Path(folder), kinds, options.tracks)
        size = sum(Path(file).stat().st_size for file in files) / len(files)
        print(f"{len(files)} tracks of {size / 1e6:.2f} MB on average")
        print(table(archive_figures(files, options.repeat)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
