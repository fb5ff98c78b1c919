"""`twistd sse --demo`: the collector against simulated devices in the same process."""

from __future__ import annotations

import csv
import datetime
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred

from sse_twisted.config.settings import Cleanup, Devices, Downloads, Event, Expected, Ranking, Scan, Settings
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.world import real_world
from sse_twisted.devices.drivers import device_name
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Device, Stage
from sse_twisted.results.courses.course_files import FACTS, courses_path
from sse_twisted.runtime.text import json_bytes, plural
from sse_twisted.simulator.documents import EVENT_FIRMWARE
from sse_twisted.simulator.fleet import demo_fleet
from sse_twisted.simulator.generator import TIMEZONE, generate_courses

AFTERNOON = datetime.timedelta(hours=6)  # in which the simulated devices have sailed
COURSES = {"H": "Harbour", "S": "Shore"}


class Demo(MultiService):
    """A collector in its own event folder, and the simulated devices that it collects."""

    def __init__(self, reactor: Any, count: int, event: str | None) -> None:
        """`event` is the event folder; None for a new temporary one."""
        super().__init__()
        self._simulated = demo_fleet(reactor, count, seed=secrets.randbelow(1 << 16))
        root = Path(event).absolute() if event else Path(tempfile.mkdtemp(prefix="sse-demo-"))
        folder = EventFolder(root)
        _write_roster(folder.roster, self._simulated.roster_rows())
        _write_courses(root, datetime.datetime.fromtimestamp(reactor.seconds() + 60 * TIMEZONE, datetime.UTC))
        addresses = {
            device_name(number): f"{host}:{port}" for number, (host, port) in self._simulated.addresses.items()
        }
        settings = Settings(
            event=Event(folder=str(root)),
            devices=Devices(addresses=addresses),
            scan=Scan(interval=1.0),
            cleanup=Cleanup(interval=2.0, timeout=2.0),
            downloads=Downloads(timeout=5.0),
            expected=Expected(firmwares=(EVENT_FIRMWARE,)),
            ranking=Ranking(by=("Craft Type", "Status")),
        )
        self.collector = Collector(folder, settings, lambda: settings, real_world(reactor))
        self.collector.fleet.observe(self._watch)
        self._reactor = reactor
        self._collected: set[int] = set()
        self._count = count

    def startService(self) -> None:
        """Start the collector, then the devices."""
        self.collector.startService()
        text = "Demo: {devices}, arriving over about a minute; ^C ends it. Event folder: {folder}"
        folder, devices = str(self.collector.folder.root), plural(self._count, "simulated device")
        self.collector.log.info(text, devices=devices, count=self._count, folder=folder)
        self._simulated.startService()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop the collector, then the devices, so that none of them leaves too early."""
        super().stopService()
        stopping = maybeDeferred(self.collector.stopService)
        return stopping.addCallback(lambda _: self._simulated.stopService())

    def _watch(self, before: Device, after: Device) -> None:
        if after.stage is not Stage.COLLECTED or before.stage is Stage.COLLECTED:
            return
        self._simulated.release(after.identifier)
        if after.identifier not in self._collected:
            self._collected.add(after.identifier)
            if len(self._collected) == self._count:
                self._reactor.callLater(0, self._log_end)  # after the log line of the last device

    def _log_end(self) -> None:
        text = "Demo: all devices collected ({devices}); some return from time to time. See {folder}; ^C ends the demo"
        folder, devices = str(self.collector.folder.root), plural(self._count, "device")
        self.collector.log.info(text, devices=devices, count=self._count, folder=folder)


def _write_roster(path: Path, rows: Iterable[dict[str, str]]) -> None:
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_courses(root: Path, now: datetime.datetime) -> None:
    """Draw a course for each day on which the devices have sailed, unless it has one."""
    courses, facts = json_bytes(generate_courses()), json_bytes({"Event": {"Name": "Demo"}, "Courses": COURSES})
    files = {courses_path(root, day): courses for day in ((now - AFTERNOON).date(), now.date())}
    for path, content in ({root / FACTS: facts} | files).items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
