"""Cost against size: so many devices that are present and done, and as many that are absent.

    python -m tests.benchmarks.sizes [--devices N ...] [--seconds S] [--minutes M] [--folder FOLDER] [--blame]

For each N one row: how long it took to collect N tracks of 300 KB at 500 KB/s from devices that are all there at the
start, and the processor time of that; then, with all of them present and N more on the roster, the share of a
processor over S seconds, the memory, the s until one more device is noticed, the ms and KB (as sent, and unpacked) of
the board's first paint, and how late in ms the reactor was while it collected, had it had a processor. `--minutes M`
adds that 1,000 devices with 1 GB in all arrive within M minutes: the s from the last byte of the last one, by its size
and rate, to the last verdict.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.request import Request, urlopen

from attrs import frozen

from tests.benchmarks.board import FIRST_PAINT
from tests.benchmarks.cases import Bench, CollectingError, Delays, wait_for_verdicts
from tests.benchmarks.partner import Partner

FIRST: Final = 1001
TRACK: Final = 300_000  # bytes
RATE: Final = 500_000.0  # bytes/s of a device
LIMITS: Final = {step: {"limit": 128} for step in ("detection", "inspection", "downloads")}
PATIENCE: Final = 600.0  # s


@frozen
class Row:
    """One size."""

    devices: int
    collected: float  # s
    cpu: float  # s, of that
    idle: float  # % of a processor
    memory: float  # MB
    noticed: float  # s
    painted: float  # ms
    packed: float  # KB
    unpacked: float  # KB
    latest: float  # ms, of the reactor's own delay
    p999: float  # ms

    HEAD: ClassVar = (
        "devices  collected s   CPU s  idle %  memory MB  noticed s  paint ms  sent KB  board KB  reactor ms  p99.9 ms"
    )

    @property
    def line(self) -> str:
        """The row of the table."""
        return (
            f"{self.devices:7}  {self.collected:11.1f}  {self.cpu:6.1f}  {self.idle:6.1f}  {self.memory:9.0f}  "
            f"{self.noticed:9.2f}  {self.painted:8.0f}  {self.packed:7.0f}  {self.unpacked:8.0f}  {self.latest:10.0f}  "
            f"{self.p999:8.0f}"
        )


def row(bench: Bench, count: int, seconds: float) -> Row:
    """Measure one size."""
    numbers = range(FIRST, FIRST + count)
    guest = FIRST + count
    everybody = range(FIRST, FIRST + 2 * count + 1)
    sizes = {number: [TRACK] for number in (*numbers, guest)}
    delays = Delays()
    with (
        bench.devices(sizes, rate=RATE) as (devices, tables),
        bench.collector(f"{count} devices", everybody, {**tables, **LIMITS}) as (collector, root),
    ):
        devices.ask("arrive", devices=list(numbers))
        before = collector.ask("usage")["cpu"]
        start = collector.ask("start")["at"]
        with delays.measured(collector):  # twistd itself starts services before the reactor runs
            verdicts = wait_for_verdicts(collector, count, PATIENCE)
        collected = max(verdict["at"] for verdict in verdicts) - start
        time.sleep(5.0)
        cpu = collector.ask("usage")["cpu"] - before
        wait_for_measures(root, count)
        painted, packed, unpacked = paint(collector.ask("serve")["port"])
        share, memory = idle(collector, seconds)
        arrived = devices.ask("arrive", devices=[guest])["at"]
        connected = collector.until("connected", lambda messages: any(each["device"] == guest for each in messages))
        noticed = next(each["at"] for each in connected if each["device"] == guest) - arrived
    late = sorted(delays.own)
    p999 = late[int(0.999 * (len(late) - 1))]
    return Row(count, collected, cpu, share, memory, noticed, painted, packed, unpacked, 1000 * late[-1], 1000 * p999)


def wait_for_measures(root: Path, count: int) -> None:
    """Wait until the tracks of all devices are measured, by a process of low priority, and a look at the disk later."""
    deadline = time.monotonic() + PATIENCE
    while len([*root.glob("motions/*/tracks.json")]) < count:
        if time.monotonic() > deadline:
            raise CollectingError("not all tracks were measured")
        time.sleep(1.0)
    time.sleep(5.0)


def idle(collector: Partner, seconds: float) -> tuple[float, float]:
    """The share of a processor in %, and the memory in MB."""
    before = collector.ask("usage")
    time.sleep(seconds)
    after = collector.ask("usage")
    return 100 * (after["cpu"] - before["cpu"]) / (after["at"] - before["at"]), after["rss"]


def paint(port: int) -> tuple[float, float, float]:
    """All that a browser asks for before it shows the board: ms, KB as they are sent, and KB of the page itself."""
    start = time.monotonic()
    sent = 0
    for path in FIRST_PAINT:
        with urlopen(Request(f"http://127.0.0.1:{port}/{path}", headers={"Accept-Encoding": "gzip"})) as answer:
            sent += len(answer.read())
    elapsed = time.monotonic() - start
    with urlopen(f"http://127.0.0.1:{port}/") as answer:
        page = len(answer.read())
    return 1000 * elapsed, sent / 1000, page / 1000


def stream(bench: Bench, minutes: float, count: int = 1000, total: float = 1e9) -> Iterator[str]:
    """Devices that arrive one after the other, and their bytes as they come."""
    size = int(total / count)
    sizes = {number: [size] for number in range(FIRST, FIRST + count)}
    with (
        bench.devices(sizes, rate=RATE) as (devices, tables),
        bench.collector("stream", sizes, {**tables, **LIMITS}) as (collector, _),
    ):
        collector.ask("start")
        arrived = 0.0
        for number in sizes:
            arrived = devices.ask("arrive", devices=[number])["at"]
            time.sleep(60 * minutes / count)
        verdicts = wait_for_verdicts(collector, count, PATIENCE)
        usage: dict[str, Any] = collector.ask("usage")
    last_byte = arrived + size / RATE
    last_verdict = max(verdict["at"] for verdict in verdicts)
    yield (
        f"{count} devices with {total / 1e9:g} GB within {minutes:g} min: "
        f"the last verdict {last_verdict - last_byte:.1f} s after the last byte (goal 15), "
        f"{usage['cpu']:.0f} s of processor time, at most {usage['peak']:.0f} MB"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, nargs="*", default=[100, 300, 1000, 3000], metavar="N")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of doing nothing")
    parser.add_argument("--minutes", type=float, metavar="M", help="within which 1,000 devices arrive")
    parser.add_argument("--folder", type=Path, help="for the temporary event folders")
    parser.add_argument("--blame", action="store_true", help="say what the reactor was doing when it was late")
    options = parser.parse_args(arguments)
    bench = Bench(options.folder, options.blame)
    try:
        print(Row.HEAD)
        for count in options.devices:
            print(row(bench, count, options.seconds).line, flush=True)
        if options.minutes is not None:
            for line in stream(bench, options.minutes):
                print(line)
    except CollectingError as error:
        print(error, file=sys.stderr)
        return 1
    for report in bench.blamed:
        print(f"\n{report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
