"""An event in real time on loopback: a collector with the real reactor, sockets, names, threads and disk.

`tests.support.event` is the same in virtual time. After each test the event checks what must hold whatever the
devices did.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from attrs import Factory, define, evolve, frozen
from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.logger import LogEvent

from sse_twisted.config.settings import Cleanup, Detection, Devices, Downloads, Log, Names, Scan, Settings
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.world import real_world
from sse_twisted.event_folder.ledger import Status
from sse_twisted.runtime.disk_threads import DiskThreads
from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.dns import NameServer
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.responses import Body, Ending, Response
from tests.support.event import AnyEvent

PATIENCE = 60.0  # s until a test gives up; only a machine with much other work needs more than one
STOP_WITHIN = 5.0  # s, of the promises
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,(DEBUG|INFO|WARNING|ERROR|CRITICAL),.+")
VERDICT = re.compile(r"INFO motion-(\d+) can be disconnected")
# Of a process its own network and port, so that test runs at the same time do not meet.
NETWORK = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}"
PORT = free_ports(f"{NETWORK}.1", 1)[0]


@frozen
class _CountedBody(Body):
    """Counts the bytes that are handed to the socket."""

    tally: Counter[str] = Factory(Counter)
    path: str = ""

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        for chunk in super().chunks(size):
            self.tally[self.path] += len(chunk)
            yield chunk


@frozen
class _RawResponse(Response):
    """Bytes as they are, instead of a head."""

    raw: bytes = b""

    @property
    def head(self) -> bytes:
        return self.raw


@define
class WatchedDevice(SimulatedDevice):
    """A simulated device that remembers more of what it was asked, and lets a test act at the right moment."""

    asked: list[str] = Factory(list)  # paths, as they were asked for
    ranges: list[bytes] = Factory(list)  # of the requests for a part
    sent: Counter[str] = Factory(Counter)  # bytes of bodies by path
    pages: dict[str, Body] = Factory(dict)  # bodies in place of those that the device would send
    raw: dict[str, bytes] = Factory(dict)  # whole answers in place of those that the device would give
    hangs_on: bool = False  # whether it keeps the connection after a raw answer
    moments: dict[tuple[str, int], Callable[[], object]] = Factory(dict)

    def when_asked(self, path: str, act: Callable[[], object], nth: int = 1) -> None:
        """Do something when a path is asked for, the nth time from now on, before that is answered."""
        self.moments[path, self.asked.count(path) + nth] = act

    def respond(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Response:
        path = target.decode()
        self.asked.append(path)
        if b"range" in headers:
            self.ranges.append(headers[b"range"])
        act = self.moments.pop((path, self.asked.count(path)), None)
        if act is not None:
            act()
        if path in self.raw:
            ending = Ending.STALL if self.hangs_on else Ending.CLOSE
            return _RawResponse(200, b"OK", (), Body(), ending=ending, raw=self.raw[path])
        answer = super().respond(method, target, headers)
        body = self.pages.get(path, answer.body)
        answer = answer.with_header(b"Content-Length", b"%d" % len(body)) if path in self.pages else answer
        return evolve(answer, body=_CountedBody(body.start, body.piece, body.times, body.end, self.sent, path))


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder in memory where the system has such a place: a hundred tests wait for thousands of fsyncs."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it, with a random name
    with tempfile.TemporaryDirectory(prefix="event-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name).resolve()


def short_settings() -> Settings:
    """Everything as by default, in a hurry; but what an idle loopback answers, a busy one may answer later."""
    return Settings(
        devices=Devices(port=PORT),
        names=Names(hosts_file="", resolver_file="", search=(), timeout=0.5),
        scan=Scan(interval=0.1),
        detection=Detection(timeout=0.5),
        downloads=Downloads(first_retry=0.02, last_retry=0.1),
        cleanup=Cleanup(interval=0.2),
        log=Log(file="debug"),
    )


@functools.cache
def _threads(reactor: Any) -> DiskThreads:
    """One pool for all tests: a process has one collector, which never ends its threads."""
    return DiskThreads(reactor)


class RealEvent(AnyEvent):
    """Everything that a test of the whole collector needs; after `stop`, `start` makes a new one on the same folder."""

    def __init__(self, reactor: Any, root: Path, settings: Settings | None = None) -> None:
        super().__init__(root, settings or short_settings())
        self.reactor = reactor
        self.names = NameServer(reactor)
        # What a device has of a log, where that is not what was put on it: damaged bytes, or None for no track at all.
        self.truth: dict[str, bytes | None] = {}
        self._false: list[str] = []
        self._next_line: Deferred[None] = Deferred()

    def change(self, **tables: dict[str, Any]) -> None:
        """Change settings before the start: `event.change(downloads={"limit": 1})`."""
        for table, values in tables.items():
            changed = msgspec.structs.replace(getattr(self.settings, table), **values)
            self.settings = msgspec.structs.replace(self.settings, **{table: changed})

    def device(self, identifier: int, *logs: SimulatedLog, person: bool = True, fixed: bool = False) -> WatchedDevice:
        """A device of somebody, away at first; known by its name, or by a fixed address in the settings."""
        if person:
            self.person(identifier)
        device = WatchedDevice(identifier, list(logs))
        server = self.serve(device)
        if fixed:
            addresses = self.settings.devices.addresses | {f"motion-{identifier}": f"{server.interface}:{PORT}"}
            self.change(devices={"addresses": addresses})
        return device

    def serve(self, device: SimulatedDevice) -> DeviceServer:
        """Give a device an address of its own."""
        server = DeviceServer(self.reactor, device, f"{NETWORK}.{len(self.servers) + 1}", PORT)
        self.servers[device.identifier] = server
        return server

    async def start(self) -> Collector:
        """Start a collector on the folder."""
        if not self.names.running:
            self.names.startService()
            self.change(names={"servers": (f"{self.names.interface}:{self.names.port}",)})
        world = replace(real_world(self.reactor), start_in_thread=_threads(self.reactor).start)
        collector = Collector(self.folder, self.settings, lambda: self.settings, world)
        collector.journal.observe(self._note)
        collector.startService()
        self.collector = collector
        return collector

    async def stop(self) -> None:
        """Stop the collector in the time that it may take."""
        assert self.collector is not None
        collector, self.collector = self.collector, None
        await maybeDeferred(collector.stopService).addTimeout(STOP_WITHIN, self.reactor)
        assert not self.said("Shutdown timed out"), "\n".join(self.lines)

    async def arrive(self, *identifiers: int) -> None:
        """Let devices join the network, known by name; all of them if none is named."""
        for identifier in identifiers or self.servers:
            server = self.servers[identifier]
            self.names.names[f"motion-{identifier}"] = server.interface
            await server.arrive()

    async def leave(self, *identifiers: int) -> None:
        """Let devices go; their names stay."""
        for identifier in identifiers or self.servers:
            await self.servers[identifier].leave()

    async def begin(self) -> None:
        """Let all devices arrive, and start a collector, which finds them in its first round."""
        await self.arrive()
        await self.start()

    async def collect(self) -> None:
        """Begin, and wait until all devices can be disconnected."""
        await self.begin()
        for identifier in self.servers:
            await self.until(f"motion-{identifier} can be disconnected")

    async def check_that_it_is_collected_when_cleared(self, identifier: int = 601) -> None:
        """So far the device was not let go; without its faults it is, and every file is the whole track of a log."""
        assert not self.said(f"motion-{identifier} can be disconnected"), "\n".join(self.lines)
        device = self.servers[identifier].device
        device.clear_faults()
        await self.until(f"motion-{identifier} can be disconnected")
        assert self.contents() == sorted((log.content for log in device.logs), key=_by_length)
        assert not self.partials()

    async def becomes(self, holds: Callable[[], object], what: str, check_every: float = 0.002) -> None:
        """Wait until a condition holds, which is checked after each line of the log and after `check_every` s."""
        deadline = self.reactor.seconds() + PATIENCE
        while not holds():
            if self.reactor.seconds() > deadline:
                raise AssertionError(f"not {what} within {PATIENCE:g} s in\n" + "\n".join(self.lines[-60:]))
            self._next_line = Deferred()
            self._next_line.addTimeout(check_every, self.reactor, onTimeoutCancel=lambda *_: None)
            await self._next_line

    async def until(self, text: str, *, since: int = 0, times: int = 1) -> str:
        """Wait until lines of the log, from number `since` on, contain the text so many times; gives the last one.

        A test in which they never do fails; where that is what it is about, it says `assert await event.until(…)`.
        """
        await self.becomes(lambda: len(self.said(text, since)) >= times, repr(text), check_every=1.0)
        return self.said(text, since)[times - 1]

    @property
    def now(self) -> int:
        """The number of the next line of the log."""
        return len(self.lines)

    def partials(self) -> dict[str, bytes]:
        """What there is of tracks that are not whole, by the name of the hidden file.

        Threads of the collector may remove one meanwhile.
        """
        found = {}
        for path in self.folder.partials.found():
            with contextlib.suppress(FileNotFoundError):
                found[path.name] = path.read_bytes()
        return found

    def contents(self) -> list[bytes]:
        """The bytes of all files with final names, shortest first."""
        return sorted(self.tracks().values(), key=_by_length)

    async def close(self) -> None:
        """End everything, and check what must hold after whatever has happened."""
        if self.collector is not None:
            await self.stop()
        leaving: list[Deferred[None]] = [server.leave() for server in self.servers.values()]
        await gatherResults(leaving)
        await self.names.stopService()
        log = "\n".join(self.lines)
        assert not self._false, f"{self._false} in\n{log}"
        crowded = [server.device.identifier for server in self.servers.values() if server.device.most_connections > 1]
        assert not crowded, f"{crowded} had more than one connection at once in\n{log}"
        kept = _lines(self.folder.logs / "server.log")
        assert len(kept) == len(self.lines), f"{len(kept)} of {len(self.lines)} lines are in server.log"
        strange = [line for line in kept if not LINE.fullmatch(line) or not line.isprintable()]
        assert not strange, f"in server.log: {strange}"
        half_written = [str(path) for path in self.root.rglob(".*.tmp")]
        assert not half_written, half_written

    def _note(self, event: LogEvent) -> None:
        super()._note(event)
        self.reactor.callLater(0, self._wake, self._next_line)  # not now: the collector is in the middle of something
        line = self.lines[-1]
        if match := VERDICT.match(line):
            device = self.servers[int(match[1])].device
            self._false += [f"{line!r}, but {what}" for what in self._missing(device)]

    def _wake(self, waiting: Deferred[None]) -> None:
        if not waiting.called:
            waiting.callback(None)

    def _missing(self, device: SimulatedDevice) -> Iterator[str]:
        """What of a device is not at its final name and in the ledger."""
        entries = self.ledger(device.identifier).values()
        for log in device.logs:
            if self.truth.get(log.path, b"") is None:
                continue
            truth = self.truth.get(log.path) or log.content
            mine = [entry for entry in entries if entry["motion_file"] == log.path]
            if not any(self._is_kept(entry, truth) for entry in mine):
                yield f"{log.path} is in the ledger as {mine}"

    def _is_kept(self, entry: dict[str, Any], truth: bytes) -> bool:
        status, path = Status(entry["status"]), self.root.joinpath(entry["local_file"])
        if status is Status.COMPLETED:
            return path.is_file() and path.read_bytes() == truth
        return status is Status.SKIPPED


def _by_length(content: bytes) -> tuple[int, bytes]:
    return len(content), content


def _lines(path: Path) -> list[str]:
    """Lines as scripts read them: ended by a line feed and by nothing else."""
    if not path.exists():
        return []
    return path.read_bytes().decode().removesuffix("\n").split("\n")
