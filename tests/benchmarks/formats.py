"""Measures how fast each format is read: `python -m tests.benchmarks.formats [--megabytes N] [--repeat N]`

MB per second of CPU time for a file of the given size, made from a short sail that is repeated, and the ratio to
100 MB/s, the goal of the formats that have readers of our own. GPX and FIT are smaller; the FIT is read in this
process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from sse_twisted.tracks.fit.reading import read
from sse_twisted.tracks.formats import decode
from tests.benchmarks.report import Figure, table
from tests.tracks.written import fit, gpx, gpy, points, sbn, sbp, ubx

GOAL: Final = 100  # MB/s
FIXES: Final = 3000  # written field by field; their bytes are repeated
WRITERS: Final = {"ubx": ubx, "sbn": sbn, "sbp": sbp, "gpy": gpy}


def best_of(repeat: int, act: Callable[[], object]) -> float:
    """The least CPU time of so many runs, in s: other processes do not count."""
    times = []
    for _ in range(repeat):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return min(times)


def repeated(data: bytes, head: int, size: int) -> bytes:
    """The file with all behind its head again and again, until it has the size."""
    return data[:head] + data[head:] * max(1, size // max(1, len(data) - head))


def figures(size: int, repeat: int) -> Iterator[Figure]:
    """How fast files of about so many bytes are decoded."""
    fixes = points(FIXES)
    for name, write in WRITERS.items():
        data = repeated(write(fixes), len(write([])), size)
        rate = len(data) / best_of(repeat, partial(decode, data)) / 1e6
        yield Figure(name, f"{len(data) / 1e6:.1f} MB", rate, f"MB/s ({rate / GOAL:.1f} times the goal)")
    yield _slow("gpx", gpx(fixes), repeat, decode)
    yield _slow("fit", fit(points(FIXES, rate=1)), repeat, read)


def _slow(name: str, data: bytes, repeat: int, act: Callable[[bytes], object]) -> Figure:
    return Figure(name, f"{len(data) / 1e6:.2f} MB", len(data) / best_of(repeat, lambda: act(data)) / 1e6, "MB/s")


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=50, metavar="N", help="size of each file (50)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="best of so many (3)")
    options = parser.parse_args()
    print(table(list(figures(round(options.megabytes * 1e6), options.repeat))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
