"""What is measured: three situations of an event, each with the collector and its devices in processes of their own."""

from __future__ import annotations

import csv
import datetime
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, frozen

from sse_twisted.simulator.generator import generate_roster
from tests.benchmarks.blocking import ThreadWatch
from tests.benchmarks.partner import Message, Partner, PartnerError, partner
from tests.benchmarks.report import Figure, delay_figures

Tables = Mapping[str, Mapping[str, Any]]  # of sse.toml
Sizes = Mapping[int, Sequence[int]]  # bytes of the tracks of each device

SCAN_INTERVAL: Final = 2.0  # s, the default
DAYS: Final = datetime.date(2025, 10, 11), datetime.date(2025, 10, 17)
OLD_LOGS: Final = 40  # in each listing, of before the event
_FIRST: Final = 1001  # number of the first device


class CollectingError(RuntimeError):
    """The collector did not collect what it should have."""


def afternoon_sizes(devices: int = 100, tracks: int = 70) -> Sizes:
    """Bytes of the tracks that each device brings: half of them up to 0.7 MB, the largest 5 MB, 125 MB in all."""
    half = tracks // 2
    small = [250_000 + 400_000 * number // half for number in range(half)]
    large = [600_000 + int(4_400_000 * (number / (tracks - half)) ** 0.8) for number in range(1, tracks - half + 1)]
    numbers = range(_FIRST, _FIRST + devices)
    return dict(zip(numbers, [*([size] for size in small + large), *([] for _ in numbers)], strict=False))


@define
class Delays:
    """How late, in s: the collector's reactor, a thread beside it, and a thread in a process that does nothing.

    `own` are the reactor's delays without the time for which the machine gave it no processor. `turns` and `held` are s
    of processor time, whatever else the machine does: of each turn of the reactor, and for which another thread held
    the interpreter's lock.
    """

    reactor: list[float] = Factory(list)
    own: list[float] = Factory(list)
    thread: list[float] = Factory(list)
    elsewhere: list[float] = Factory(list)
    turns: list[float] = Factory(list)
    held: list[float] = Factory(list)

    @contextmanager
    def measured(self, collector: Partner) -> Iterator[None]:
        """Measure for as long as the block takes."""
        elsewhere = ThreadWatch()
        collector.ask("watch")
        elsewhere.start()
        yield
        self.elsewhere += elsewhere.stop()
        answer = collector.ask("delays")
        self.reactor += answer["reactor"]
        self.own += answer["own"]
        self.thread += answer["thread"]
        self.turns += answer["turns"]
        self.held += answer["held"]

    def figures(self, case: str) -> Iterator[Figure]:
        """All of them, to be compared."""
        yield from delay_figures(case, "reactor", self.reactor, has_goal=True)
        yield from delay_figures(case, "reactor, had it had a processor", self.own, has_goal=True)
        yield from delay_figures(case, "a thread beside it", self.thread, has_goal=False)
        yield from delay_figures(case, "a process beside it", self.elsewhere, has_goal=False)
        yield from delay_figures(case, "processor time of a turn", self.turns, has_goal=True)
        yield from delay_figures(case, "lock held by a thread", self.held, has_goal=True)


@frozen
class Bench:
    """Where and how to measure; `blamed` takes reports on what held the reactor up, `profile` is a folder."""

    folder: Path | None = None
    blame: bool = False
    profile: Path | None = None
    blamed: list[str] = Factory(list)

    @contextmanager
    def collector(self, case: str, numbers: Iterable[int], tables: Tables) -> Iterator[tuple[Partner, Path]]:
        """A collector that is about to start, and its event folder, which goes with it."""
        with tempfile.TemporaryDirectory(prefix="sse-benchmark-", dir=self.folder) as folder:
            root = Path(folder)
            config = write_event(root, numbers, tables)
            log = root / "twistd.log"
            with partner("tests.benchmarks.collecting", log, config=str(config), blame=self.blame) as collector:
                if self.profile is not None:
                    collector.ask("profile")
                yield collector, root
                if self.profile is not None:
                    self.profile.mkdir(parents=True, exist_ok=True)
                    collector.ask("stats", file=str(self.profile.absolute() / f"{case.replace(' ', '-')}.prof"))
                if self.blame:
                    self.blamed.append(f"{case}: {collector.ask('blame')['text']}")

    @contextmanager
    def devices(self, sizes: Sizes, **manners: Any) -> Iterator[tuple[Partner, Tables]]:
        """Simulated devices, all absent, and the settings with which they are found."""
        usual = {"latency": 0.2, "rate": 1e6, "mode": "nxdomain", "domain": "", "old_logs": OLD_LOGS}
        manners = {**usual, "slow": {}, "resume": False} | manners
        with tempfile.TemporaryDirectory(prefix="sse-benchmark-", dir=self.folder) as folder:
            log = Path(folder) / "devices.log"
            with partner("tests.benchmarks.devices", log, sizes=sizes, **manners) as devices:
                (place,) = devices.said("prepare")
                search = [manners["domain"]] if manners["domain"] else []
                names = {"servers": [place["name_server"]], "search": search, "hosts_file": ""}
                yield devices, {"devices": {"port": place["port"]}, "names": names}


@frozen
class Collected:
    """One run: s from the start of the collector to the last verdict; the processor time of both processes in s."""

    seconds: float
    collector_cpu: float
    devices_cpu: float
    peak: float  # MB


def afternoon(bench: Bench) -> Iterator[Figure]:
    """A whole afternoon's devices at once."""
    raised = {step: {"limit": 100} for step in ("detection", "inspection", "downloads")}
    yield from at_once(bench, "afternoon, limits raised to 100", afternoon_sizes(), raised, goal=1.25)
    yield from at_once(bench, "afternoon, default limits", afternoon_sizes(), {})


def at_once(
    bench: Bench, case: str, sizes: Sizes, limits: Tables, *, goal: float | None = None, latency: float = 0.2
) -> Iterator[Figure]:
    """Everybody at once: how much longer it takes than the slowest device alone takes."""
    slowest = max(sizes, key=lambda number: sum(sizes[number]))
    delays = Delays()
    with bench.devices(sizes, latency=latency) as (devices, tables):
        tables = {**tables, **limits}
        before = _collect(bench, f"{case}, alone", devices, sizes, (slowest,), tables, Delays())
        together = _collect(bench, case, devices, sizes, tuple(sizes), tables, delays)
        after = _collect(bench, f"{case}, alone", devices, sizes, (slowest,), tables, Delays())
    megabytes = sum(map(sum, sizes.values())) / 1e6
    ratio = together.seconds / statistics.mean((before.seconds, after.seconds))
    yield Figure(case, f"{megabytes:.0f} MB of {len(sizes)} devices : the slowest alone", ratio, "", goal)
    yield Figure(case, "the slowest alone, before", before.seconds, "s")
    yield Figure(case, "the slowest alone, after", after.seconds, "s")
    yield Figure(case, "processor time of the collector", together.collector_cpu, "s")
    yield Figure(case, "processor time of the devices", together.devices_cpu, "s")
    yield Figure(case, "memory at most", together.peak, "MB")
    yield from delays.figures(case)


def _collect(
    bench: Bench,
    case: str,
    devices: Partner,
    sizes: Sizes,
    numbers: tuple[int, ...],
    tables: Tables,
    delays: Delays,
) -> Collected:
    """Collect these devices, all present from the start, into a new folder."""
    devices.ask("arrive", devices=numbers)
    with bench.collector(case, sizes, tables) as (collector, root):
        before = collector.ask("usage"), devices.ask("usage")
        with delays.measured(collector):
            start = collector.ask("start")["at"]
            verdicts = wait_for_verdicts(
                collector, len(numbers), 60 + sum(sum(sizes[number]) for number in numbers) / 1e6
            )
        after = collector.ask("usage"), devices.ask("usage")
        _check(root, sizes, numbers)
    devices.ask("leave", devices=numbers)
    seconds = max(verdict["at"] for verdict in verdicts) - start
    cpu = [late["cpu"] - early["cpu"] for early, late in zip(before, after, strict=True)]
    return Collected(seconds, cpu[0], cpu[1], after[0]["peak"])


def silent(bench: Bench, present: int = 20, absent: int = 100, apart: float = 0.73) -> Iterator[Figure]:
    """Arrivals while the name server does not answer for those who are absent: how soon each is noticed."""
    case = "silent name server"
    sizes = {number: [100_000] for number in range(_FIRST, _FIRST + present)}
    everybody = range(_FIRST, _FIRST + present + absent)
    delays = Delays()
    with (
        bench.devices(sizes, mode="silence") as (devices, tables),
        bench.collector(case, everybody, tables) as (collector, root),
        delays.measured(collector),
    ):
        collector.ask("start")
        arrivals = {}
        for number in sizes:
            time.sleep(apart)
            arrivals[number] = devices.ask("arrive", devices=[number])["at"]
        noticed = collector.until("connected", lambda messages: len(messages) >= present)
        wait_for_verdicts(collector, present)
        _check(root, sizes, sizes)
    waits = sorted(message["at"] - arrivals[message["device"]] for message in noticed)
    what = f"from arrival to 'is connected', {present} of {present + absent}"
    yield Figure(case, f"{what}: p50", statistics.median(waits), "s")
    yield Figure(case, f"{what}: longest", waits[-1], "s", SCAN_INTERVAL + 1.0)
    yield from delays.figures(case)


def slow(bench: Bench, count: int = 16, rate: float = 1200.0) -> Iterator[Figure]:
    """A whole afternoon's devices that arrive while slow ones have all places: how much longer they take."""
    honest = afternoon_sizes()
    slow_ones = {number: [400_000] for number in range(_FIRST - count, _FIRST)}
    alone = _beside(bench, honest, {}, {})
    yield Figure("slow", f"{len(honest)} devices without slow ones", alone, "s")
    for resume in (True, False):
        case = f"slow, {'that resume' if resume else 'that cannot resume'}"
        rates = {str(number): rate for number in slow_ones}
        seconds = _beside(bench, honest, slow_ones, {"slow": rates, "resume": resume})
        yield Figure(case, f"{len(honest)} devices beside {count} at {rate / 1000:g} KB/s", seconds, "s")
        yield Figure(case, "the same : without slow ones", seconds / alone, "", 1.25)


def _beside(bench: Bench, honest: Sizes, slow_ones: Sizes, manners: Mapping[str, Any]) -> float:
    """Return the s from the arrival of the honest devices to the last of their verdicts."""
    sizes = {**slow_ones, **honest}
    with (
        bench.devices(sizes, **manners) as (devices, tables),
        bench.collector("slow", sizes, tables) as (collector, root),
    ):
        devices.ask("arrive", devices=list(slow_ones))
        collector.ask("start")
        time.sleep(12.0)  # so long that it is known which ones are slow
        start = devices.ask("arrive", devices=list(honest))["at"]
        verdicts = wait_for_verdicts(collector, len(honest), 300.0)
        _check(root, honest, honest)
    if any(verdict["device"] in slow_ones for verdict in verdicts):
        raise CollectingError("slow devices were collected before the others: their tracks are too short")
    return float(max(verdict["at"] for verdict in verdicts) - start)


def idle(bench: Bench, present: int = 100, absent: int = 900, seconds: float = 60.0) -> Iterator[Figure]:
    """Everybody who is there is collected, nobody else comes: what looking for them costs."""
    for case, domain in (("idle", ""), ("idle, one search domain", "lan")):
        sizes = {number: [20_000] for number in range(_FIRST, _FIRST + present)}
        everybody = range(_FIRST, _FIRST + present + absent)
        delays = Delays()
        with (
            bench.devices(sizes, latency=0.02, domain=domain) as (devices, tables),
            bench.collector(case, everybody, tables) as (collector, root),
        ):
            devices.ask("arrive", devices=list(sizes))
            with delays.measured(collector):
                collector.ask("start")
                wait_for_verdicts(collector, present)
            _check(root, sizes, sizes)
            time.sleep(min(3.0, seconds))
            before = collector.ask("usage")
            time.sleep(seconds)
            after = collector.ask("usage")
            with delays.measured(collector):  # afterwards, as measuring needs the processor too
                time.sleep(seconds / 3)
            if collector.said("gone"):
                raise CollectingError(f"{case}: devices were taken for gone")
        spent, elapsed = after["cpu"] - before["cpu"], after["at"] - before["at"]
        yield Figure(case, f"processor, {present} of {present + absent} present", 100 * spent / elapsed, "%", 10)
        yield Figure(case, "memory", after["rss"], "MB", 150)
        yield Figure(case, "memory at most", after["peak"], "MB", 150)
        yield from delays.figures(case)


def wait_for_verdicts(collector: Partner, count: int, patience: float = 60.0) -> list[Message]:
    try:
        return collector.until("collected", lambda messages: len(messages) >= count, patience)
    except PartnerError as error:
        raise CollectingError(f"not all devices were collected: {error}") from error


def _check(root: Path, sizes: Sizes, numbers: Iterable[int]) -> None:
    """Compare what is at final names with what the devices had: frames fill all but the last 51 bytes."""
    wanted = sorted(512 + (size - 512) // 52 * 52 for number in numbers for size in sizes[number])
    found = sorted(path.stat().st_size for path in root.glob("gpslogs/*/[!.]*.oao"))
    if found != wanted:
        raise CollectingError(f"{len(found)} tracks of {sum(found):,} bytes, not {len(wanted)} of {sum(wanted):,}")


def write_event(root: Path, numbers: Iterable[int], tables: Tables) -> Path:
    """The configuration of an event whose roster has these devices."""
    rows = generate_roster(numbers, *DAYS, seed=1)
    roster = root / "config" / "motions.csv"
    roster.parent.mkdir()
    with roster.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = []
    for table, values in ({"event": {"folder": "."}} | dict(tables)).items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    config = root / "sse.toml"
    config.write_text("\n".join(lines) + "\n")
    return config
