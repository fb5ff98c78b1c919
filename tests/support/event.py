"""An event in virtual time: a collector, its folder, and devices that come and go."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent

from sse_twisted.config.settings import Settings
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.world import World
from sse_twisted.devices.connections import Traffic, device_agent
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Device, Stage
from sse_twisted.runtime.group_sync import Starter
from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.oao.layout import FRAME
from tests.support.virtual import VirtualNames, VirtualReactor, at_once

MORNING = 1_665_993_600_000  # 2022-10-17, 08:00 UTC, in ms
COLUMNS = ("Motion ID", "Start Date", "End Date", "File ID", "First Name", "Family Name")


@functools.cache
def track(identifier: int, start: int = MORNING, fixes: int = 400) -> bytes:
    """A valid track of a sailor at 20 m/s, 5 fixes a second; the same for the same arguments."""
    frames = np.zeros(fixes, FRAME)
    frames["utc"] = start + 200 * np.arange(fixes)
    frames["latitude"], frames["longitude"] = 505_700_000, -24_600_000
    frames["speed"] = 20_000 + np.arange(fixes) % 100
    frames["fix"], frames["satellites"] = 3, 12
    frames["speed_accuracy"] = 300
    return write_track(frames, identifier=identifier, timezone=60)


def log_of(identifier: int, start: int = MORNING, fixes: int = 400) -> SimulatedLog:
    """A track, and its place on the device."""
    stamp = np.datetime64(start + 3_600_000, "ms").astype("datetime64[s]").item().strftime("%Y-%m-%d-%H%M")
    return SimulatedLog(f"/logs/{stamp[:4]}/{stamp[5:7]}/{identifier:04}_{stamp}.oao", track(identifier, start, fixes))


class AnyEvent:
    """An event folder, who is on its roster, its devices, and what a collector makes of them."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.folder = EventFolder(root)
        self.settings = settings
        self.servers: dict[int, DeviceServer] = {}
        self.lines: list[str] = []  # of the log: level and message
        self.people: list[dict[str, str]] = []
        self.collector: Collector | None = None

    def person(self, identifier: int, first: str = "2022-10-15", last: str = "2022-10-21", file_id: str = "") -> None:
        """Put somebody on the roster."""
        file_id = file_id or f"ABC{identifier}XYZ"
        row = (str(identifier), first, last, file_id, "Sailor", str(identifier))
        self.people.append(dict(zip(COLUMNS, row, strict=True)))
        self.write_roster()

    def spares(self) -> None:
        """Put as many others on the roster that the removal of one needs no confirmation."""
        for identifier in range(701, 705):
            self.person(identifier)

    def write_roster(self) -> None:
        """Save `people` as motions.csv."""
        self.folder.roster.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.roster.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.people)

    def wake_all(self) -> None:
        """Have every device that is there looked at again, the collected ones too."""
        assert self.collector is not None
        for visit in self.collector.scanner.visits.values():
            visit.wake()

    def said(self, text: str, since: int = 0) -> list[str]:
        """The lines of the log, from number `since` on, that contain the text."""
        return [line for line in self.lines[since:] if text in line]

    def known(self, identifier: int) -> Device:
        """What the collector knows of a device."""
        assert self.collector is not None
        return self.collector.fleet[identifier]

    def is_collected(self, identifier: int) -> bool:
        """Whether the collector says that the device can be disconnected."""
        return self.known(identifier).stage is Stage.COLLECTED

    def ledger(self, identifier: int) -> dict[str, Any]:
        """The device's downloads.json, {} before there is one."""
        path = self.folder.device_folder(identifier) / "downloads.json"
        tree: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return tree

    def tracks(self) -> dict[str, bytes]:
        """All files with final names, by their path below the event folder."""
        paths = [path for path in self.root.glob("gpslogs/**/*") if path.is_file() and not path.name.startswith(".")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(paths)}

    def _note(self, event: LogEvent) -> None:
        line = f"{event['log_level'].name.upper()} {formatEvent(event)}"
        if "log_failure" in event:
            line += f": {event['log_failure']}"
        self.lines.append(line)


class VirtualEvent(AnyEvent):
    """Everything that a test of the whole collector needs; after `stop`, `start` makes a new one on the same folder."""

    def __init__(self, root: Path, settings: Settings | None = None) -> None:
        super().__init__(root, settings or Settings())
        self.reactor = VirtualReactor()
        self.utc = MORNING / 1000  # s, as the computer's clock stood at the beginning
        self.names = VirtualNames(self.reactor)
        self.start_in_thread: Starter = at_once

    def device(self, identifier: int, *logs: SimulatedLog, person: bool = True) -> SimulatedDevice:
        """A device of somebody, away at first; at 10.0.x.y when it arrives."""
        if person:
            self.person(identifier)
        device = SimulatedDevice(identifier, list(logs), latency=0.02)
        place = f"10.0.{identifier // 256}.{identifier % 256}"
        self.servers[identifier] = DeviceServer(self.reactor, device, place, 80)
        return device

    def start(self) -> Collector:
        """Start a collector on the folder."""
        traffic = Traffic(self.reactor)
        world = World(
            clock=self.reactor,
            utc=lambda: self.utc + self.reactor.seconds(),
            agent=lambda timeout: device_agent(self.reactor, timeout, traffic),
            names=lambda settings, log: self.names,
            start_in_thread=self.start_in_thread,
            start_thread=lambda: self.start_in_thread,
        )
        self.names = VirtualNames(self.reactor, self.names.known, self.names.silent, self.names.others)
        self.collector = Collector(self.folder, self.settings, lambda: self.settings, world)
        self.collector.journal.observe(self._note)
        self.collector.startService()
        return self.collector

    def collect(self, identifier: int = 601) -> SimulatedDevice:
        """Start with a device of one track, and collect it."""
        device = self.device(identifier, log_of(identifier))
        self.arrive(identifier)
        self.start()
        self.until(f"motion-{identifier} can be disconnected")
        return device

    def stop(self) -> None:
        """Stop the collector in the time that it may take."""
        assert self.collector is not None
        stopped: list[Any] = []
        ending: Deferred[None] = self.collector.stopService()
        ending.addCallback(stopped.append)
        self.advance(5.0)
        assert stopped, "the collector did not stop within 5 s"
        self.collector = None

    def arrive(self, *identifiers: int) -> None:
        """Let devices join the network, known by name."""
        for identifier in identifiers:
            server = self.servers[identifier]
            self.names.known[f"motion-{identifier}"] = server.interface
            self.reactor.dark.discard(server.interface)
            server.arrive()

    def leave(self, *identifiers: int) -> None:
        """Let devices go: nobody answers at their addresses any more, but their names stay."""
        for identifier in identifiers:
            server = self.servers[identifier]
            server.leave()
            self.reactor.dark.add(server.interface)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.reactor.pass_time(seconds)

    def until(self, text: str, seconds: float = 120.0) -> str:
        """Let time pass until a line of the log contains the text, and give that line; a test in which none does fails.

        Where that is what the test is about, it says `assert event.until(…)`.
        """
        for _ in range(round(seconds / 0.05)):
            for line in self.lines:
                if text in line:
                    return line
            self.reactor.pass_time(0.05)
        raise AssertionError(f"no {text!r} within {seconds:g} s in\n" + "\n".join(self.lines))


def begin_anew(event: VirtualEvent, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Stop, and start again; something may happen in between."""
    event.stop()
    meanwhile()
    event.lines.clear()
    event.start()
    event.advance(1.0)
