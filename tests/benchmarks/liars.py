"""Honest devices beside liars of all kinds: what the liars cost the collector, and whether the honest are collected.

    python -m tests.benchmarks.liars [--minutes N] [--folder FOLDER] [--blame]

The liars are there from the start; the honest devices arrive one after the other during the first half. Every half
minute, a line has the memory of the collector, its open descriptors, the bytes of its log and those bytes by visit. At
the end: what grew between the middle and the end, how late the reactor was, and which honest devices were not
collected. The exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from tests.benchmarks.cases import Bench, CollectingError, Delays
from tests.benchmarks.partner import Partner, partner
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
)
SAMPLE: Final = 30.0  # s between two lines


@frozen
class Sample:
    """The state of the collector at a moment."""

    seconds: float
    memory: float  # MB
    descriptors: int
    log: int  # bytes of server.log and server.json
    visits: int

    @property
    def line(self) -> str:
        each = self.log / max(self.visits, 1)
        return (
            f"{self.seconds:5.0f} s  {self.memory:6.1f} MB  {self.descriptors:4} descriptors  "
            f"{self.log / 1000:8,.0f} KB of log  {self.visits:5} visits  {each / 1000:6.1f} KB each"
        )


def soak(bench: Bench, seconds: float, lies: tuple[str, ...] = LIES, honest: range = HONEST) -> Iterator[Figure]:
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
        samples: list[Sample] = []
        waiting = list(honest)
        while (elapsed := time.monotonic() - start) < seconds:
            due = int(len(honest) * min(2 * elapsed / seconds, 1.0)) + 1 - (len(honest) - len(waiting))
            if due > 0 and waiting:
                devices.ask("arrive", devices=waiting[:due])
                del waiting[:due]
            if elapsed >= len(samples) * SAMPLE:
                samples.append(_sample(collector, root, elapsed))
                print(samples[-1].line, flush=True)
            time.sleep(0.5)
        samples.append(_sample(collector, root, elapsed))
        print(samples[-1].line, flush=True)
        lost = set(honest) - {message["device"] for message in collector.said("collected")}
        wanted = sorted(512 + (size - 512) // 52 * 52 for _ in honest for size in TRACKS)
        paths = (path for number in honest for path in root.glob(f"gpslogs/*/[!.]*_{number}_*.oao"))
        found = sorted(path.stat().st_size for path in paths)
    middle, end = samples[len(samples) // 2], samples[-1]
    yield Figure(case, "honest tracks", len(found), f"of {len(wanted)}")
    yield Figure(case, "memory at the end", end.memory, "MB")
    yield Figure(case, "memory, growth in the second half", end.memory - middle.memory, "MB", 10)
    yield Figure(case, "descriptors at the end", end.descriptors)
    yield Figure(case, "log by visit, first half", middle.log / max(middle.visits, 1) / 1000, "KB")
    yield Figure(case, "log by visit, at the end", end.log / max(end.visits, 1) / 1000, "KB")
    yield from delays.figures(case)
    if lost or found != wanted:
        raise CollectingError(f"not collected: {sorted(lost)}; {len(found)} of {len(wanted)} tracks are whole")


def _sample(collector: Partner, root: Path, elapsed: float) -> Sample:
    used = collector.ask("usage")
    log = sum(path.stat().st_size for path in (root / "logs").glob("server.*"))
    return Sample(elapsed, used["rss"], used["open"], log, len(collector.said("connected")))


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
    options = parser.parse_args()
    bench = Bench(options.folder, options.blame)
    figures: list[Figure] = []
    status = 0
    try:
        for figure in soak(bench, options.minutes * 60):
            figures.append(figure)  # noqa: PERF402 - those before an error are printed too
    except CollectingError as error:
        print(error, file=sys.stderr)
        status = 1
    print(table(figures))
    print("\n\n".join(bench.blamed))
    return status


if __name__ == "__main__":
    sys.exit(main())
