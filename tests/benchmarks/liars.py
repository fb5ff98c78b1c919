"""Honest devices beside liars of all kinds: what the liars cost the collector, and whether the honest are collected.

    python -m tests.benchmarks.liars [--minutes N] [--folder FOLDER] [--blame] [--trace]

The liars are there from the start; the honest devices arrive one after the other during the first half. Every half
minute, a line has the memory of the collector, the parts of its C heap that are in use and free, thousands of Python's
small blocks, its open descriptors, the bytes of its log and those bytes by visit. At the end: what grew in the second
half, how late the reactor was, and which honest devices were not collected. The exit status is 1 if there are any, or
if the collector has grown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from tests.benchmarks.cases import Bench, CollectingError, Delays
from tests.benchmarks.partner import Partner, partner
from tests.benchmarks.raw_liars import RAW_LIES
from tests.benchmarks.report import Figure, table

HONEST: Final = range(1001, 1021)
TRACKS: Final = (300_000, 150_000)  # bytes, of each honest device
RATE: Final = 400_000.0  # bytes/s of a device
LIES: Final = (
    *("refused", "reset", "never-accepted", "no-headers", "slow-headers"),
    *("cut@4096", "abort@4096", "stall@4096", "drip", "reboot@9000"),
    *("length-long", "length-short", "length-missing", "length-twice"),
    *("404", "500", "503", "redirect", "html", "half-json", "huge-json", "deep-json", "wrong-types"),
    *("1e400", "duplicate-keys", "nan", "negative-size", "10TB", "1970", "2080", "same-entry-twice"),
    *("10000-entries@16000", "evil-paths", "bad-entry", "flipped-bit-always", "frame-cut", "empty-body"),
    *("foreign", "unknown-frame", "wrong-identifier", "low-battery", "wrong-settings"),
    *("nonsense", "keys", "new tracks", "many tracks", "long paths", "new numbers", "new addresses", "flapping"),
    *("another's number", "another clock", "strange names", "other listing"),
    *RAW_LIES,
)
LINE: Final = 30.0  # s between two lines
SAMPLE: Final = 5.0  # s between two looks; a line has the lowest memory, as a listing that is parsed has 50 MB
MAX_GROWTH: Final = 10.0  # MB of memory from the third quarter to the last
MAX_SLOPE: Final = 1.0  # MB of memory a minute in the second half
MAX_LOG_GROWTH: Final = 1.0  # times the log by visit of the first half


@frozen
class Sample:
    """The state of the collector at a moment."""

    seconds: float
    memory: float  # MB
    used: float  # MB of the C heap
    free: float  # MB of it that the allocator keeps
    blocks: float  # thousands
    descriptors: int
    log: int  # bytes of server.log and server.json
    visits: int

    @property
    def line(self) -> str:
        each = self.log / max(self.visits, 1)
        return (
            f"{self.seconds:5.0f} s  {self.memory:6.1f} MB  heap {self.used:5.1f} + {self.free:5.1f} MB  "
            f"{self.blocks:6.0f}k blocks  {self.descriptors:4} descriptors  "
            f"{self.log / 1000:8,.0f} KB of log  {self.visits:5} visits  {each / 1000:6.1f} KB each"
        )


def soak(
    bench: Bench, seconds: float, lies: tuple[str, ...] = LIES, honest: range = HONEST, *, trace: bool = False
) -> Iterator[Figure]:
    """Collect the honest devices beside the liars; raises CollectingError if one of them is not collected."""
    case = f"{len(honest)} honest devices beside {len(lies)} liars"
    liars = dict(zip(range(2001, 2001 + len(lies)), lies, strict=True))
    sizes = {number: list(TRACKS) for number in (*honest, *liars)}
    delays = Delays()
    with (
        _devices(bench, sizes, liars) as (devices, tables),
        bench.collector(case, sizes, tables) as (collector, root),
        delays.measured(collector),
    ):
        devices.ask("arrive", devices=list(liars))
        start = collector.ask("start")["at"]
        samples: list[Sample] = []  # one a line
        looks: list[Sample] = []  # since the last line
        waiting = list(honest)
        is_traced = False
        while (elapsed := time.monotonic() - start) < seconds:
            if trace and not is_traced and elapsed > seconds / 2:
                is_traced = True
                collector.notify("trace")
            due = int(len(honest) * min(2 * elapsed / seconds, 1.0)) + 1 - (len(honest) - len(waiting))
            if due > 0 and waiting:
                devices.ask("arrive", devices=waiting[:due])
                del waiting[:due]
            if not looks or elapsed >= looks[-1].seconds + SAMPLE:
                looks.append(_sample(collector, root, elapsed))
            if elapsed >= len(samples) * LINE:
                samples.append(_line(looks))
                looks = looks[-1:]
            time.sleep(0.5)
        samples.append(_line([*looks, _sample(collector, root, elapsed)]))
        if is_traced:
            bench.blamed.append(collector.ask("growth")["text"])
        lost = set(honest) - {message["device"] for message in collector.said("collected")}
        wanted = sorted(512 + (size - 512) // 52 * 52 for _ in honest for size in TRACKS)
        paths = (path for number in honest for path in root.glob(f"gpslogs/*/[!.]*_{number}_*.oao"))
        found = sorted(path.stat().st_size for path in paths)
    yield Figure(case, "honest tracks", len(found), f"of {len(wanted)}")
    yield from _growth(case, samples)
    yield from delays.figures(case)
    if lost or found != wanted:
        raise CollectingError(f"not collected: {sorted(lost)}; {len(found)} of {len(wanted)} tracks are whole")


def _sample(collector: Partner, root: Path, elapsed: float) -> Sample:
    used = collector.ask("usage")
    log = sum(path.stat().st_size for path in (root / "logs").glob("server.*"))
    heap = used["used"], used["free"], used["blocks"]
    return Sample(elapsed, used["rss"], *heap, used["open"], log, len(collector.said("connected")))


def _line(looks: list[Sample]) -> Sample:
    """Print and return the last look, with the lowest memory of all."""
    lowest = min(looks, key=lambda look: look.memory)
    line = evolve(looks[-1], memory=lowest.memory, used=lowest.used, free=lowest.free, blocks=lowest.blocks)
    print(line.line, flush=True)
    return line


def _growth(case: str, samples: list[Sample]) -> Iterator[Figure]:
    """Compare the last quarter with the one before; the slope is that of the line of least squares of both."""
    middle, end = samples[len(samples) // 2], samples[-1]
    second = samples[len(samples) // 2 :]
    minutes, memory = [sample.seconds / 60 for sample in second], [sample.memory for sample in second]
    slope = statistics.linear_regression(minutes, memory).slope if len(second) > 1 else 0.0
    quarters = second[: len(second) // 2] or second, second[len(second) // 2 :]
    before, after = (statistics.median(sample.memory for sample in quarter) for quarter in quarters)
    each = [sample.log / max(sample.visits, 1) / 1000 for sample in (middle, end)]
    yield Figure(case, "memory at the end", end.memory, "MB")
    yield Figure(case, "memory, growth from the third quarter to the last", after - before, "MB", MAX_GROWTH)
    yield Figure(case, "memory, slope of the second half", slope, "MB/min", MAX_SLOPE)
    yield Figure(case, "small blocks, growth in the second half", end.blocks - middle.blocks, "thousand")
    yield Figure(case, "descriptors at the end", end.descriptors, "", 2 * middle.descriptors)
    yield Figure(case, "log by visit, first half", each[0], "KB")
    yield Figure(case, "log by visit, at the end", each[1], "KB", MAX_LOG_GROWTH * each[0])


@contextmanager
def _devices(bench: Bench, sizes: dict[int, list[int]], lies: dict[int, str]) -> Iterator[tuple[Partner, Any]]:
    log = (bench.folder or Path("/tmp")) / "liars.log"  # noqa: S108 - of a benchmark
    manners = {"old_logs": 20, "latency": 0.05, "rate": RATE, "mode": "nxdomain", "domain": ""}
    with partner("tests.benchmarks.lying", log, sizes=sizes, lies=lies, **manners) as devices:
        (place,) = devices.said("prepare")
        names = {"servers": [place["name_server"]], "search": [], "hosts_file": ""}
        yield devices, {"devices": {"port": place["port"]}, "names": names}


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="duration (default: 10)")
    parser.add_argument("--folder", type=Path, help="for the temporary event folder: on the disk to be measured")
    parser.add_argument("--blame", action="store_true", help="say what the reactor was doing when it was late")
    parser.add_argument("--trace", action="store_true", help="say what was allocated in the second half; this is slow")
    options = parser.parse_args()
    bench = Bench(options.folder, options.blame)
    figures: list[Figure] = []
    status = 0
    try:
        for figure in soak(bench, options.minutes * 60, trace=options.trace):
            figures.append(figure)  # noqa: PERF402 - those before an error are printed too
    except CollectingError as error:
        print(error, file=sys.stderr)
        status = 1
    print(table(figures))
    print("\n\n".join(bench.blamed))
    grown = [figure.what for figure in figures if figure.unit != "ms" and figure.goal and figure.value > figure.goal]
    print(f"not flat: {', '.join(grown)}" if grown else "flat")
    return status or bool(grown)


if __name__ == "__main__":
    sys.exit(main())
