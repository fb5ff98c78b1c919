"""Real `twistd` and `twist` processes, started in a folder elsewhere, heard and stopped; and an event for them.

The simulated devices of the event are served by the test's own reactor, on loopback.
"""

from __future__ import annotations

import csv
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import Factory, define
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferTimeout
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from sse_twisted.event_folder.lock import LOCK
from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.tracks import log_path, track_of_size

PATIENCE = 60.0  # s until a test gives up; only a machine with much other work needs more than five
END_WITHIN = 5.0  # s that a collector may take to end
SCRIPTS = Path(sys.executable).parent
MORNING = 1_665_993_600_000  # 2022-10-17, 08:00 UTC, in ms
HOUR = 3_600_000
COLUMNS = ("Motion ID", "Start Date", "End Date", "File ID", "First Name", "Family Name")


async def until(reactor: Any, holds: Callable[[], object], what: str) -> None:
    """Wait for what only the disk can tell."""
    end = reactor.seconds() + PATIENCE
    while not holds():
        assert reactor.seconds() < end, f"waited in vain until {what}"
        await deferLater(reactor, 0.01)


class Program(ProcessProtocol):
    """A process, all that it has said, and the status with which it ended (the negative signal that killed it)."""

    def __init__(self, reactor: Any) -> None:
        self.output = ""
        self.status: int | None = None
        self.began = time.time()  # s since 1970, to be compared with those of files
        self._reactor = reactor
        self._read_to = 0
        self._watches: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - of ProcessProtocol
        """Keep what it says."""
        self.output += data.decode(errors="replace")
        self._look()

    errReceived = outReceived  # noqa: N815 - of ProcessProtocol

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - of ProcessProtocol
        """Keep how it ended."""
        value: Any = reason.value
        self.status = value.exitCode if value.signal is None else -value.signal
        self._look()

    @property
    def lines(self) -> list[str]:
        """All that it has said."""
        return self.output.splitlines()

    def kill(self, number: int) -> None:
        """Send it a signal."""
        transport: Any = self.transport
        transport.signalProcess(number)

    async def says(self, text: str) -> str:
        """The next line that contains the text, after the one that was waited for before."""
        await self._until(lambda: self._find(text) or self.status is not None, f"says {text!r}", PATIENCE)
        found = self._find(text)
        assert found, f"ended with {self.status} and did not say {text!r}:\n{self.output}"
        line, self._read_to = found
        return line

    async def ends(self, within: float = PATIENCE) -> int:
        """Its exit status."""
        await self._until(lambda: self.status is not None, "ends", within)
        assert self.status is not None
        return self.status

    def _find(self, text: str) -> tuple[str, int] | None:
        at = self.output.find(text, self._read_to)
        end = self.output.find("\n", at)
        if at < 0 or end < 0:
            return None
        return self.output[self.output.rfind("\n", 0, at) + 1 : end], end

    async def _until(self, holds: Callable[[], object], what: str, seconds: float) -> None:
        if holds():
            return
        watch: Deferred[None] = Deferred()
        self._watches.append((lambda: bool(holds()), watch))
        try:
            await watch.addTimeout(seconds, self._reactor)
        except DeferTimeout:
            raise AssertionError(f"waited in vain until it {what}:\n{self.output}") from None

    def _look(self) -> None:
        waiting, self._watches = self._watches, []
        for holds, watch in waiting:
            if watch.called:
                continue
            if holds():
                watch.callback(None)
            else:
                self._watches.append((holds, watch))


class Elsewhere:
    """A folder that is not the project's, and the programs that were started in it."""

    def __init__(self, reactor: Any, folder: Path) -> None:
        self.folder = folder
        self._reactor = reactor
        self._programs: list[Program] = []
        self._daemons: list[Path] = []

    def start(self, *arguments: str, program: str = "twistd") -> Program:
        """Start one; what it logs goes where `Program` hears it unless the arguments say otherwise.

        Collectors are started without the web unless they are told where: tests at the same time would meet there.
        """
        if "sse" in arguments and "--web" not in arguments:
            place = arguments.index("sse") + 1
            arguments = (*arguments[:place], "--web", "off", *arguments[place:])
        started = Program(self._reactor)
        command = [str(SCRIPTS / program), *arguments]
        self._reactor.spawnProcess(started, command[0], command, None, str(self.folder))
        self._programs.append(started)
        return started

    def collector(self, *arguments: str) -> Program:
        """Start `twistd -n sse` without a pid file, so that several can run in one folder."""
        return self.start("-n", "--pidfile=", "sse", "--manhole", "off", *arguments)

    async def run(self, *arguments: str, program: str = "twistd") -> tuple[int, str]:
        """Exit status and output of a program that ends by itself."""
        started = self.start(*arguments, program=program)
        return await started.ends(), started.output

    async def daemonise(self, *arguments: str) -> Path:
        """Start a daemon with `daemon.pid` and `daemon.log` in the folder; gives the path of the log."""
        pid_file, log = self.folder / "daemon.pid", self.folder / "daemon.log"
        self._daemons.append(pid_file)
        status, output = await self.run("--pidfile", str(pid_file), "--logfile", str(log), *arguments)
        assert status == 0, output
        assert not output
        return log

    async def stop_daemon(self) -> None:
        """Ask the daemon to end, as a supervisor would, and wait until it has."""
        pid_file = self._daemons.pop()
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        await until(self._reactor, lambda: not pid_file.exists(), "the daemon has removed its pid file")

    async def close(self) -> None:
        """End what a failed test has left."""
        for pid_file in self._daemons:
            if pid_file.exists():
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
        for program in self._programs:
            if program.status is None:
                program.kill(signal.SIGKILL)
                await program.ends()


class LiveEvent:
    """An event folder with its sse.toml, and devices on loopback that come when they are told to."""

    def __init__(self, reactor: Any, root: Path) -> None:
        self.root = root
        self.folder = root / "event"
        self.config = root / "sse.toml"
        self.days = ("2022-10-15", "2022-10-21")  # of the roster
        self.devices: dict[int, SimulatedDevice] = {}
        self.name_servers: list[str] = []
        self.hosts = root / "hosts"
        (self.port,) = free_ports("127.77.0.1", 1)
        self._reactor = reactor
        self._servers: dict[int, DeviceServer] = {}
        self._people: list[int] = []
        (self.folder / "config").mkdir(parents=True)
        self.hosts.touch()

    async def device(self, identifier: int, *sizes: int, start: int = MORNING) -> SimulatedDevice:
        """A device of somebody that is there, with a track of each size in bytes, an hour apart."""
        moments = [start + HOUR * number for number in range(len(sizes))]
        logs = [
            SimulatedLog(log_path(identifier, start, 60), track_of_size(identifier, size, start))
            for size, start in zip(sizes, moments, strict=True)
        ]
        device = self.devices[identifier] = SimulatedDevice(identifier, logs)
        server = DeviceServer(self._reactor, device, f"127.77.{identifier // 256}.{identifier % 256}", self.port)
        self._servers[identifier] = server
        await server.arrive()
        with self.hosts.open("a") as hosts:
            hosts.write(f"{server.interface} motion-{identifier}\n")
        self.write_roster([*self._people, identifier])
        return device

    async def leave(self, *identifiers: int) -> None:
        """Let devices go: nobody answers at their addresses any more."""
        for identifier in identifiers:
            await self._servers[identifier].leave()

    async def return_(self, *identifiers: int) -> None:
        """Let devices come back."""
        for identifier in identifiers:
            await self._servers[identifier].arrive()

    def write_roster(self, identifiers: Iterable[int]) -> None:
        """Give each device to somebody."""
        self._people = list(identifiers)
        new = self.folder / "config" / "motions.csv.new"
        with new.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for number in self._people:
                writer.writerow([number, *self.days, f"ABC{number}XYZ", "Sailor", number])
        new.rename(self.folder / "config" / "motions.csv")

    def configure(self, *lines: str, table: str = "log") -> Path:
        """Write the sse.toml, with hasty loops and these lines in one table more."""
        self.config.write_text(
            "\n".join(
                (
                    '[event]\nfolder = "event"',
                    f'[names]\nservers = {self.name_servers}\nhosts_file = "{self.hosts}"\nresolver_file = ""',
                    f"[devices]\nport = {self.port}",
                    "[scan]\ninterval = 0.2",
                    f"[{table}]",
                    *lines,
                    "",
                )
            )
        )
        return self.config

    def expected(self, identifier: int) -> dict[str, bytes]:
        """The device's tracks, by the paths below the event folder at which they belong."""
        found = {}
        for log in self.devices[identifier].logs:
            stamp = log.path.rpartition("/")[2].removesuffix(".oao").partition("_")[2]
            day, minute = stamp[:10].replace("-", ""), stamp[11:]
            found[f"gpslogs/{day}/ABC{identifier}XYZ_{identifier}_{day}_{minute}00.oao"] = log.content
        return found

    def tracks(self) -> dict[str, bytes]:
        """All tracks at final names, by their path below the event folder."""
        paths = (path for path in self.folder.glob("gpslogs/**/*.oao") if not path.name.startswith("."))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def partials(self) -> list[Path]:
        """The hidden files in which tracks gather."""
        return sorted(self.folder.glob("gpslogs/**/.*.part"))

    def log(self) -> str:
        """The event's server.log."""
        path = self.folder / "logs" / "server.log"
        return path.read_text() if path.exists() else ""

    def in_use(self) -> bool:
        """Whether a collector has been here."""
        return (self.folder / LOCK).exists()

    async def close(self) -> None:
        """Let all devices go."""
        for server in self._servers.values():
            await server.leave()


@define
class Watchman:
    """Looks at the event folder all the time, and notes each file that had a final name before it was whole."""

    reactor: Any
    event: LiveEvent
    looks: int = 0
    torn: list[str] = Factory(list)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look for as long as the block runs."""
        loop = LoopingCall(self._look)
        loop.clock = self.reactor
        loop.start(0.01)
        try:
            yield
        finally:
            loop.stop()

    def _look(self) -> None:
        self.looks += 1
        whole = [log.content for device in self.event.devices.values() for log in device.logs]
        for name, content in self.event.tracks().items():
            if content not in whole:
                self.torn.append(f"{name} had {len(content)} bytes")
