"""A real afternoon: what `twistd sse` takes for it as a whole process, beside curl and beside what is possible at all.

    python -m tests.benchmarks.afternoon [--slow-sync MS] [--copy-rate KB/S] [--devices-file FILE] [--repeat N]
        [--folder FOLDER]

103 devices join at once, 0.2 s of latency and 1,000 KB/s each, while the collector runs with limits of 128. Listings
and sizes are those of FILE (a JSON object; `devices` are objects with `listing_entries`, `logs_of_the_day` and
`wanted_bytes`), or drawn from the quantiles of a real afternoon.

limit      what the device with the most bytes needs for its identity, settings, listing and track, each after the
           latency and at its rate.
last track from the moment at which all devices are there to the last track at its final name. Up to one scan interval
           of it goes by until they are looked for: they join at a random moment of it, and `found` is when the first
           one was seen.
processor  of the whole process and its children, from its start to its end: all tracks are measured then. Like an
           installed package it has its bytecode, which an environment may forbid to keep.
curl       the same tracks by one curl, and by one for each track, on the same disk, and their processor time.
slow sync  with a delay of MS for each fsync, fdatasync, sync and syncfs, one behind the other, as on a card. It wants a
           C compiler, which makes a library that is loaded before all others.
copies     the same afternoon once more with two copies of the event folder in memory, one of which takes KB/S, as a
           slow stick; and how long after the last verdict each has all tracks.
"""

from __future__ import annotations

import argparse
import compileall
import ctypes
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

import sse_twisted
from sse_twisted.config.settings import Scan
from tests.benchmarks.cases import Bench, CollectingError, Sizes, write_event
from tests.benchmarks.partner import Partner
from tests.benchmarks.report import Figure, table

FIRST: Final = 1001  # number of the first device
DEVICES: Final = 103  # of which some have nothing of the day
LATENCY: Final = 0.2  # s until the first byte of each answer
RATE: Final = 1e6  # bytes/s of each device
LIMITS: Final = {step: {"limit": 128} for step in ("detection", "inspection", "downloads")}
PATIENCE: Final = 300.0  # s for the whole afternoon
QUIET: Final = 1.5  # s with hardly any processor time after which all tracks are measured
ENTRY: Final = 330  # bytes of an entry of a listing
ENDPOINTS: Final = ("--web=tcp:0:interface=127.0.0.1", "--manhole=tcp:0:interface=127.0.0.1")
PR_SET_CHILD_SUBREAPER: Final = 36  # of Linux's prctl.h
VERDICT: Final = "can be disconnected"
SHIM: Final = Path(__file__).with_name("slow_sync.c")
# Tenths of the sizes in KB, and of the entries of the listings, of 71 tracks and 88 devices of one afternoon.
SIZES: Final = (157, 700, 1_150, 1_250, 1_400, 1_600, 2_000, 2_400, 2_650, 3_200, 4_070)
ENTRIES: Final = (5, 12, 14, 17, 19, 21, 22, 24, 30, 50, 210)
TRACKS: Final = 71


@frozen
class Load:
    """What the devices bring, by number: bytes of wanted tracks, older entries, and logs of the day beside them."""

    sizes: Sizes
    old: Mapping[int, int]
    unwanted: Mapping[int, int]

    @property
    def total(self) -> int:
        """Bytes of all tracks."""
        return sum(map(sum, self.sizes.values()))

    @property
    def limit(self) -> float:
        """The s that the device with the most to send needs alone."""
        return max(
            4 * LATENCY
            + (sum(sizes) + ENTRY * (self.old[number] + len(sizes))) / RATE
            + max(len(sizes) - 1, 0) * LATENCY
            for number, sizes in self.sizes.items()
        )


@frozen
class Run:
    """One afternoon: s from the arrival to the last track and to the last verdict, and of processor time."""

    found: float  # s from the arrival to the first device that is seen
    last_track: float
    last_verdict: float
    cpu: float
    cpu_until: float  # the last verdict, without children
    peak: float  # MB
    syncs: int
    copied: tuple[float, ...] = ()  # s from the arrival to the last track on each copy


def read_load(path: Path) -> Load:
    """The load of a file."""
    devices = json.loads(path.read_text())["devices"]
    return _load([(d["listing_entries"], d["logs_of_the_day"], d["wanted_bytes"]) for d in devices])


def drawn_load() -> Load:
    """A load like that of a real afternoon."""
    chance = random.Random(1)
    sizes = [int(1000 * _quantile(SIZES, number / (TRACKS - 1))) for number in range(TRACKS)]
    chance.shuffle(sizes)
    entries = [int(_quantile(ENTRIES, number / 87)) for number in range(88)]
    chance.shuffle(entries)
    wanted = [[size] for size in sizes] + [[] for _ in range(88 - TRACKS)]
    return _load([(count, 1, sizes) for count, sizes in zip(entries, wanted, strict=True)])


def _quantile(values: tuple[int, ...], share: float) -> float:
    place = share * (len(values) - 1)
    lower = min(int(place), len(values) - 2)
    return values[lower] + (values[lower + 1] - values[lower]) * (place - lower)


def _load(devices: list[tuple[int, int, list[int]]]) -> Load:
    devices = devices + [(20, 0, [])] * (DEVICES - len(devices))
    numbers = range(FIRST, FIRST + len(devices))
    return Load(
        {number: wanted for number, (_, _, wanted) in zip(numbers, devices, strict=True)},
        {
            number: max(entries - of_the_day, 0)
            for number, (entries, of_the_day, _) in zip(numbers, devices, strict=True)
        },
        {number: of_the_day - len(wanted) for number, (_, of_the_day, wanted) in zip(numbers, devices, strict=True)},
    )


def measure(load: Load, folder: Path | None, slow_sync: int, copy_rate: int = 0) -> Iterator[Figure]:
    """Collect the load once, also with copies if one has a rate, and fetch it by curl."""
    case = f"afternoon, {slow_sync} ms for each sync" if slow_sync else "afternoon"
    manners = {"latency": LATENCY, "rate": RATE, "old_logs": load.old, "unwanted": load.unwanted}
    with Bench(folder).devices(load.sizes, **manners) as (devices, tables):
        collected = _collect(load, devices, tables, folder, slow_sync)
        with_copies = _collect(load, devices, tables, folder, slow_sync, copy_rate) if copy_rate else None
        fetched = _fetch_by_curl(load, devices, folder, each_alone=False)
        fetched_each = _fetch_by_curl(load, devices, folder, each_alone=True)
    yield Figure(case, "limit by latency, sizes and rate", load.limit, "s")
    yield Figure(case, "found", collected.found, "s")
    yield Figure(case, "last track", collected.last_track, "s")
    yield Figure(case, "last track : limit", collected.last_track / load.limit, "", 1.5 if slow_sync else 1.25)
    yield Figure(case, "last verdict after the last track", collected.last_verdict - collected.last_track, "s", 0.5)
    yield Figure(case, "processor time", collected.cpu, "s")
    yield Figure(case, "processor time of a GB", collected.cpu / load.total * 1e9, "s", 35)
    yield Figure(case, "processor time of curl", fetched, "s")
    yield Figure(case, "processor time : that of curl", collected.cpu / fetched, "", 17)
    yield Figure(case, "processor time : that of a curl for each track", collected.cpu / fetched_each, "")
    yield Figure(case, "memory at most", collected.peak, "MB")
    yield Figure(case, "syncs", collected.syncs)
    if with_copies is not None:
        yield from _of_copies(f"{case}, with copies", with_copies, collected)


def _of_copies(case: str, run: Run, without: Run) -> Iterator[Figure]:
    yield Figure(case, "last track", run.last_track, "s")
    yield Figure(case, "last track : without copies", run.last_track / without.last_track, "", 1.05)
    yield Figure(case, "last verdict : without copies", run.last_verdict / without.last_verdict, "", 1.05)
    yield Figure(case, "processor time to the last verdict : without copies", run.cpu_until / without.cpu_until, "")
    for name, copied in zip(("fast", "slow"), run.copied, strict=True):
        yield Figure(case, f"{name} copy has all after the last verdict", copied - run.last_verdict, "s")


def _collect(
    load: Load, devices: Partner, tables: Mapping[str, Any], folder: Path | None, slow_sync: int, copy_rate: int = 0
) -> Run:
    numbers = list(load.sizes)
    count = sum(map(len, load.sizes.values()))
    with (
        tempfile.TemporaryDirectory(prefix="sse-benchmark-", dir=folder) as name,
        _copies(copy_rate) as copies,
        _shim(slow_sync, copies[-1] if copies else None, copy_rate) as (shim, syncs),
    ):
        root = Path(name)
        config = write_event(root, load.sizes, {**tables, **LIMITS})
        command = [
            str(Path(sys.executable).with_name("twistd")),
            "-n",
            "--pidfile=",
            "sse",
            "--config",
            str(config),
            *ENDPOINTS,
            *(f"--copy={copy}" for copy in copies),
        ]
        with (root / "twistd.log").open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=_installed() | shim)
        try:
            _until(lambda: "The board is at" in _log(root), process, root)
            time.sleep(random.uniform(0, Scan().interval))
            devices.ask("arrive", devices=numbers)
            start = time.time()
            _until(lambda: len(_times(root, VERDICT)) >= len(numbers), process, root)
            cpu_until = _ticks(process.pid) / os.sysconf("SC_CLK_TCK")
            for copy in copies:
                _until(lambda copy=copy: len(_tracks(copy)) == count, process, root)
            _until(lambda: len(_times(root, " measured - ")) >= count, process, root)
            _wait_until_quiet(process)
            children = _children(process.pid)
            process.send_signal(signal.SIGTERM)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu = usage.ru_utime + usage.ru_stime + sum(map(_time_of_orphan, children))
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
            if process.returncode == 0:
                devices.ask("leave", devices=numbers)
        if len(_tracks(root)) != count:
            raise CollectingError(f"{len(_tracks(root))} tracks were collected")
        return Run(
            min(_times(root, " is connected")) - start,
            max(_tracks(root)) - start,
            max(_times(root, VERDICT)) - start,
            cpu,
            cpu_until,
            usage.ru_maxrss / 1000,
            syncs.stat().st_size,
            tuple(max(_tracks(copy)) - start for copy in copies),
        )


def _tracks(root: Path) -> list[float]:
    """When each track got its final name, in s since 1970."""
    return [path.stat().st_ctime for path in root.glob("gpslogs/*/[!.]*.oao")]


@contextmanager
def _copies(rate: int) -> Iterator[list[Path]]:
    """The folders of two copies, none without a rate."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it, with a random name
    with tempfile.TemporaryDirectory(prefix="sse-copies-", dir=memory if memory.is_dir() else None) as name:
        folders = [Path(name) / each for each in ("fast", "slow")] if rate else []
        for folder in folders:
            folder.mkdir()
        yield folders


@contextmanager
def _shim(slow_sync: int, slow_folder: Path | None, rate: int) -> Iterator[tuple[dict[str, str], Path]]:
    """The environment that makes syncs and writes slow, and the file that has a byte for each sync.

    `rate` is in KB/s.
    """
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-") as name:
        library, syncs = Path(name) / "slow_sync.so", Path(name) / "syncs"
        syncs.touch()
        built = subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=False)
        if built.returncode:
            raise CollectingError("there is no C compiler: syncs can be neither counted nor delayed")
        environment = {"LD_PRELOAD": str(library), "SLOW_SYNC_FILE": str(syncs)}
        if slow_folder is not None:
            environment |= {"SLOW_WRITE_FOLDER": str(slow_folder), "SLOW_WRITE_RATE": str(1000 * rate)}
        yield environment | ({"SLOW_SYNC_MS": str(slow_sync)} if slow_sync else {}), syncs


def _log(root: Path) -> str:
    path = root / "logs" / "server.log"
    return path.read_text(errors="replace") if path.exists() else ""


def _times(root: Path, text: str) -> list[float]:
    """The s since 1970 of each log line so far that has a text."""
    path = root / "logs" / "server.json"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [json.loads(line)["log_time"] for line in lines if text in line]


def _installed() -> dict[str, str]:
    """Compile the package, as its installation does, and return an environment in which that counts."""
    compileall.compile_dir(Path(sse_twisted.__file__).parent, quiet=1)
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _until(condition: Any, process: subprocess.Popen[bytes], root: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or process.poll() is not None:
            raise CollectingError(
                f"the collector came no further:\n{_log(root)[-2000:]}\n{(root / 'twistd.log').read_text()[-1000:]}"
            )
        time.sleep(0.1)


def _wait_until_quiet(process: subprocess.Popen[bytes]) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    while True:
        before = _ticks(process.pid)
        time.sleep(QUIET)
        if _ticks(process.pid) - before < 0.1 * QUIET * ticks:
            return


def _children(pid: int) -> list[int]:
    """The processes that one has started; those that outlive it become ours."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise CollectingError("this system does not tell what the measuring process takes: it needs Linux")
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _time_of_orphan(pid: int) -> float:
    """Wait for a process and return its processor time, in s; 0 if its parent has waited for it, and counts it."""
    try:
        _, _, usage = os.wait4(pid, 0)
    except ChildProcessError:
        return 0.0
    return usage.ru_utime + usage.ru_stime


def _ticks(pid: int) -> int:
    fields = re.split(r"\) ", Path(f"/proc/{pid}/stat").read_text())[-1].split()
    return sum(map(int, fields[11:15]))


def _fetch_by_curl(load: Load, devices: Partner, folder: Path | None, *, each_alone: bool) -> float:
    """The processor time of curl for all tracks at once, in s: of one process, or of one for each track."""
    devices.ask("arrive", devices=list(load.sizes))
    urls = devices.ask("tracks")["urls"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-", dir=folder) as name:
        tracks = [["--output", f"{name}/{number}", url] for number, url in enumerate(urls)]
        command = ["curl", "--silent", "--no-progress-meter", "--noproxy", "*", "--parallel", "--parallel-max", "128"]
        lists = tracks if each_alone else [[part for track in tracks for part in track]]
        programs = [subprocess.Popen([*command, *parts]) for parts in lists]
        if max(program.wait() for program in programs):
            raise CollectingError("curl has failed")
        received = sum(path.stat().st_size for path in Path(name).iterdir())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if received < 0.99 * load.total:
        raise CollectingError(f"curl received {received:,} of {load.total:,} bytes")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slow-sync", type=int, default=0, metavar="MS", help="delay of each sync")
    text = "also with two copies, one of which takes so much"
    parser.add_argument("--copy-rate", type=int, default=0, metavar="KB/S", help=text)
    parser.add_argument("--devices-file", type=Path, metavar="FILE", help="listings and sizes of an afternoon")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="measure N times")
    parser.add_argument("--folder", type=Path, help="for the temporary event folders: on the disk to be measured")
    options = parser.parse_args()
    load = read_load(options.devices_file) if options.devices_file else drawn_load()
    figures: list[Figure] = []
    try:
        for _ in range(options.repeat):
            figures += measure(load, options.folder, options.slow_sync, options.copy_rate)
    except CollectingError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
