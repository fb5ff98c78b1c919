"""Measures the collector against simulated devices: how fast it is, what it costs, and whether its reactor is blocked.

    python -m tests.benchmarks.collector [--case afternoon|silent|slow|idle|board|all] [--repeat N]

afternoon  100 devices at once with 70 tracks of 125 MB in all, 0.2 s latency, 1,000 KB/s each: the time from the start
           of the collector, with everybody present, to the last of 100 verdicts, divided by the time that the slowest
           device needs alone, measured just before and just after. With the limits raised to 100, and with the default.
silent     20 of 120 devices arrive one after the other; the name server is silent about the others: the time from each
           arrival to "is connected".
slow       16 devices at 1.2 KB/s have all places when the 100 of the afternoon arrive: the time from their arrival to
           the last of their verdicts, divided by the same without the slow ones; which resume, and which cannot.
idle       1,000 devices on the roster of which 100 are present and collected: processor time and memory of the
           collector while nothing happens for 60 s; with bare names, and with one search domain, which doubles them.
board      1,000 devices of which 20 are at work, 50 readers of the page's stream, 20 changes a second: processor time
           of the web's process with readers and without, and the time from a change to each reader and to a browser.

In each case: how late calls of the collector's reactor come (one every 5 ms), and how late without the time that its
thread, ready to run, waited for a processor. Beside them how late a thread in the same process is, which waits for
Python's lock only, and one in a process that does nothing, which shows the machine's own stalls.

`--blame` says where the reactor's thread was when it was late; `--profile FOLDER` keeps a profile of each run. Both
cost time themselves. Collector, devices and this program are processes of their own, so two free cores are needed; with
less the figures say more about the machine. A goal that is missed is no error: the exit status is 1 only if the
collector did not collect what it should have.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tests.benchmarks.board import board
from tests.benchmarks.cases import Bench, CollectingError, afternoon, idle, silent, slow
from tests.benchmarks.report import Figure, table

CASES: Final[dict[str, Callable[[Bench], Iterable[Figure]]]] = {
    "afternoon": afternoon,
    "silent": silent,
    "slow": slow,
    "idle": idle,
    "board": board,
}


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="measure N times")
    parser.add_argument("--folder", type=Path, help="for the temporary event folders: on the disk to be measured")
    parser.add_argument("--blame", action="store_true", help="say what the reactor was doing when it was late")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="keep a cProfile of the collector's reactor")
    options = parser.parse_args()
    bench = Bench(options.folder, options.blame, options.profile)
    figures: list[Figure] = []
    status = 0
    for name in CASES if options.case == "all" else (options.case,):
        for _ in range(options.repeat):
            try:
                figures += CASES[name](bench)
            except CollectingError as error:
                print(f"{name}: {error}", file=sys.stderr)
                status = 1
    print(table(figures))
    print("\n\n".join(bench.blamed))
    return status


if __name__ == "__main__":
    sys.exit(main())
