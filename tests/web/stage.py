"""A process with a collector, its board and simulated devices, controlled by lines on its standard input.

    python -m tests.web.stage FOLDER [PORT COUNT]

It prints its log, with the address of the board, and accepts one command a line: `arrive 601`, `depart 601`,
`rate 601 50000` (bytes/s, 0 = as fast as it goes), `cut 601` (each transfer after 50,000 bytes), `mend 601`.
"""

from __future__ import annotations

import csv
import datetime
import json
import sys
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.stdio import StandardIO
from twisted.logger import LogEvent, formatEvent
from twisted.protocols.basic import LineOnlyReceiver

from sse_twisted.config.settings import Cleanup, Devices, Downloads, Expected, Log, Ranking, Scan, Settings
from sse_twisted.daemon.assembly import multi_service
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.world import real_world
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.results.courses.course_files import courses_path
from sse_twisted.runtime.signals import SignalService
from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.documents import EVENT_FIRMWARE
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.fleet import SimulatedFleet
from sse_twisted.simulator.generator import TIMEZONE, generate_device, generate_load, generate_roster
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.schedule import FleetMember, Schedule
from sse_twisted.web.service import WebService

FIRST: Final = 601
COUNT: Final = 12
SIZE: Final = 400_000  # bytes of each track
WITH_OLD: Final = 611  # this device has a track of before the event too
EVIL: Final = "<script>document.title='evil'</script>"
NEVER: Final = 1e6  # s


class Stage(MultiService):
    """The devices, the collector and the board."""

    def __init__(self, reactor: Any, folder: Path, port: int, count: int) -> None:
        super().__init__()
        now = afternoon(reactor.seconds())
        ahead = now - reactor.seconds()
        noon = int(now - 2 * 3600) * 1000
        devices = [generate_device(FIRST + number, seed=1) for number in range(count)]
        for device in devices:
            if device.identifier == WITH_OLD:
                device.logs.extend(generate_load(device.identifier, (SIZE // 4,), noon - 30 * 86_400_000))
            device.logs.extend(generate_load(device.identifier, (SIZE, SIZE // 2), noon))
        ports = free_ports("127.0.0.1", count)
        members = [
            FleetMember(DeviceServer(reactor, device, port=port), Schedule(NEVER))
            for device, port in zip(devices, ports, strict=True)
        ]
        self.fleet = SimulatedFleet(reactor, members)
        event = EventFolder(folder)
        write_roster(event.roster, [device.identifier for device in devices], now)
        write_course(folder, now)
        addresses = {f"motion-{number}": f"{host}:{port}" for number, (host, port) in self.fleet.addresses.items()}
        settings = Settings(
            devices=Devices(addresses=addresses),
            scan=Scan(interval=0.2),
            cleanup=Cleanup(interval=0.5, timeout=1.0),
            downloads=Downloads(timeout=2.0, first_retry=3.0),
            expected=Expected(firmwares=(EVENT_FIRMWARE,)),
            ranking=Ranking(by=("Craft Type",)),
            log=Log(console="critical"),
        )
        settings = structs.replace(settings, event=structs.replace(settings.event, folder=str(folder)))
        world = replace(real_world(reactor), utc=lambda: reactor.seconds() + ahead)
        collector = Collector(event, settings, lambda: settings, world)
        collector.journal.observe(self._say)
        web = WebService(reactor, collector, f"tcp:{port}:interface=127.0.0.1", None)
        for service in (collector, web, self.fleet):
            service.setServiceParent(self)

    def play(self, line: str) -> None:
        """Do what a line says."""
        command, number, *rest = line.split()
        device = self.fleet.devices[int(number)]
        if command == "arrive":
            self.fleet.arrive(int(number))
        elif command == "depart":
            self.fleet.depart(int(number))
        elif command == "rate":
            device.bytes_per_second = float(rest[0])
        elif command == "cut":
            device.add_fault(Fault("cut", at=50_000), path="/logs/")
        elif command == "mend":
            device.clear_faults()
        else:
            raise ValueError(line)

    def _say(self, event: LogEvent) -> None:
        print(formatEvent(event), flush=True)


def afternoon(now: float) -> float:
    """A time of the same day, in s since 1970, at which tracks of two hours ago are of that day as well."""
    since_midnight = (now + 60 * TIMEZONE) % 86_400
    return now + max(0.0, 2.5 * 3600 - since_midnight)


def write_roster(path: Path, numbers: list[int], now: float) -> None:
    """Assign a person to each device; the first one has a name with markup."""
    today = datetime.datetime.fromtimestamp(now + 60 * TIMEZONE, datetime.UTC).date()
    rows = generate_roster(numbers, today, today, seed=1)
    rows[0]["First Name"] = EVIL
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_course(root: Path, now: float) -> None:
    """Draw a line across the circles that the devices have sailed."""
    path = courses_path(root, datetime.datetime.fromtimestamp(now + 60 * TIMEZONE, datetime.UTC).date())
    path.parent.mkdir(parents=True, exist_ok=True)
    hours = {"Start Time": "00:00:00", "End Time": "23:59:59"}
    path.write_text(json.dumps({"S1": hours | {"Start Line": [[50.57, -2.468], [50.57, -2.465]], "Direction": 0}}))


class _Lines(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - of LineOnlyReceiver
        self._stage.play(line.decode())


def main() -> None:
    """Play until the process is ended."""
    from twisted.internet import reactor

    port, count = map(int, sys.argv[2:] or (0, COUNT))
    stage = Stage(reactor, Path(sys.argv[1]), port, count)
    whole = multi_service(SignalService(reactor, lambda: None), stage)
    StandardIO(_Lines(stage))
    running: Any = reactor
    whole.privilegedStartService()
    whole.startService()
    running.addSystemEventTrigger("before", "shutdown", whole.stopService)
    running.run()


if __name__ == "__main__":
    main()
