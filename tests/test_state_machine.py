"""Arrivals, departures, failures, corrections and restarts in any order: three promises hold after every step."""

from __future__ import annotations

import datetime as dt
import errno
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sse_twisted.event_folder.partial import SUPERSEDED, PartialTrack
from sse_twisted.fleet import Device, Stage
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import parse_fault
from tests.event import MORNING, VirtualEvent, log_of
from tests.virtual import LateThreads

DEVICES = (601, 602, 603)
HOUR = 3_600_000
UNASSIGNED = "gpslogs/unassigned"
# Each passes when it is cleared, or after some times; none changes what the device holds.
FAULTS = (
    "cut@3000",
    "cut@7272",
    "cut@0",
    "abort@512",
    "stall@1000",
    "no-headers",
    "length-long",
    "length-short",
    "length-missing",
    "404",
    "503:7",
    "redirect",
    "html",
    "half-json",
    "duplicate-keys",
    "flipped-bit",
    "frame-cut",
    "empty-body",
    "foreign",
    "wrong-identifier",
    "reboot@2000:9",
    "refused",
    "reset",
)
devices = st.sampled_from(DEVICES)
# In s, of one piece of work after the other in the threads of the disk: what is given to them first may end last.
delays = st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.3]), min_size=1, max_size=5)


class CollectorMachine(RuleBasedStateMachine):
    """A collector, three devices, and everything that happens to them in an afternoon."""

    @initialize(ranges=st.booleans(), delays=delays)
    def begin(self, ranges: bool, delays: list[float]) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="sse-machine-"))
        self.event = VirtualEvent(self.root)
        self.threads = LateThreads(self.event.reactor, delays)
        self.event.start_in_thread = self.threads.start
        self.event.person(700)  # all days are the event's, whoever else is on the roster
        self.devices: dict[int, SimulatedDevice] = {}
        self.ever: dict[bytes, str] = {}  # the path of each log, by all that it ever held
        self.broken: list[str] = []
        self.disk_is_full = False
        for number, identifier in enumerate(DEVICES):
            logs = [log_of(identifier, MORNING + n * HOUR, 140 + 20 * n) for n in range(number + 1)]
            self.devices[identifier] = device = self.event.device(identifier, *logs)
            device.supports_range = ranges
            device.bytes_per_second = 4000
            self._remember(identifier)
        write = PartialTrack.write

        def write_if_there_is_room(partial: PartialTrack, data: bytes) -> None:
            if self.disk_is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(partial, data)

        self.patches: list[Any] = [patch.object(PartialTrack, "write", write_if_there_is_room), patch("os.fsync")]
        for each in self.patches:
            each.start()
        self._start()

    @rule(identifier=devices)
    def arrive(self, identifier: int) -> None:
        self.event.arrive(identifier)

    @rule(identifier=devices)
    def leave(self, identifier: int) -> None:
        self.event.leave(identifier)

    @rule(
        identifier=devices, fault=st.sampled_from(FAULTS), times=st.sampled_from([1, 2, None]), everywhere=st.booleans()
    )
    def misbehave(self, identifier: int, fault: str, times: int | None, everywhere: bool) -> None:
        path = "" if everywhere or "json" in fault or fault == "wrong-identifier" else "/logs/"
        self.devices[identifier].add_fault(parse_fault(fault)[0], path=path, times=times)

    @rule(identifier=devices)
    def behave(self, identifier: int) -> None:
        self.devices[identifier].clear_faults()

    @rule(identifier=devices)
    def log_more(self, identifier: int) -> None:
        self.devices[identifier].logs[-1].grow(10)
        self._remember(identifier)

    @rule(identifier=devices)
    def begin_a_new_log(self, identifier: int) -> None:
        device = self.devices[identifier]
        if len(device.logs) < 6:
            device.logs.append(log_of(identifier, MORNING + (6 + len(device.logs)) * HOUR, 130))
            self._remember(identifier)

    @rule(one=devices, other=devices)
    def swap_addresses(self, one: int, other: int) -> None:
        first, second = self.event.servers[one], self.event.servers[other]
        present = [server.present for server in (first, second)]
        self.event.leave(one, other)
        self.event.advance(0.01)
        first.interface, second.interface = second.interface, first.interface
        for identifier, was_present in zip((one, other), present, strict=True):
            if was_present:
                self.event.arrive(identifier)

    @rule(identifier=devices, number=st.integers(1, 9))
    def belong_to_somebody_else(self, identifier: int, number: int) -> None:
        for person in self.event.people:
            if person["Motion ID"] == str(identifier):
                person["File ID"] = f"NEW{number}"
                person["End Date"] = "2022-10-21"
        self.event.write_roster()

    @rule(identifier=devices)
    def belong_to_nobody(self, identifier: int) -> None:
        for person in self.event.people:
            if person["Motion ID"] == str(identifier):
                person["End Date"] = "2022-10-16"
        self.event.write_roster()

    @rule(identifier=devices, minutes=st.sampled_from([0, 60, 120]))
    def be_in_another_time_zone(self, identifier: int, minutes: int) -> None:
        self.devices[identifier].settings["settings"]["timezone"] = str(minutes)

    @rule(delays=delays)
    def let_the_disk_be_slower_or_faster(self, delays: list[float]) -> None:
        self.threads.delays = itertools.cycle(delays)

    @rule(full=st.booleans())
    def fill_or_empty_the_disk(self, full: bool) -> None:
        self.disk_is_full = full

    @rule(seconds=st.sampled_from([0.1, 0.7, 2.0, 5.0, 12.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.event.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.event.stop()
        self._start()

    @invariant()
    def no_verdict_was_false(self) -> None:
        assert not getattr(self, "broken", None), self.broken

    @invariant()
    def a_file_at_its_final_name_is_whole_and_the_only_one_of_its_log(self) -> None:
        logs = set()
        for path, content in self._tracks():
            assert content in self.ever, f"{path} is not whole"
            if not path.startswith(SUPERSEDED):
                assert self.ever[content] not in logs, f"{path} is there twice"
                logs.add(self.ever[content])

    @invariant()
    def no_device_bore_two_connections(self) -> None:
        for device in getattr(self, "devices", {}).values():
            assert device.most_connections <= 1

    @precondition(lambda self: hasattr(self, "event"))
    @rule()
    def all_ends_well_once_all_is_well(self) -> None:
        self.disk_is_full = False
        for device in self.devices.values():
            device.clear_faults()
        self.event.arrive(*DEVICES)
        self._until_all_are_collected()
        self.event.leave(*DEVICES)
        self.event.advance(16)
        self.event.arrive(*DEVICES)
        self._until_all_are_collected()
        expected: dict[str, bytes] = {}
        for identifier, device in self.devices.items():
            places = self._places(identifier, [log.entry for log in device.logs])
            expected |= {place: log.content for place, log in zip(places, device.logs, strict=True)}
        assert {path: content for path, content in self._tracks() if not path.startswith(SUPERSEDED)} == expected
        assert not list(self.root.glob("gpslogs/**/.*")), "something is left on its way"

    def _until_all_are_collected(self) -> None:
        for _ in range(40):
            self.event.advance(5)
            if all(self.event.is_collected(identifier) for identifier in DEVICES):
                return
        raise AssertionError("\n".join(self.event.lines))

    def teardown(self) -> None:
        if not hasattr(self, "event"):
            return
        self.event.stop()
        self.event.leave(*DEVICES)
        self.event.advance(0.1)
        for each in self.patches:
            each.stop()
        shutil.rmtree(self.root)
        assert not self.event.reactor.getDelayedCalls(), "timers are left"

    def _start(self) -> None:
        self.event.start().fleet.observe(self._check_verdict)

    def _check_verdict(self, before: Device, after: Device) -> None:
        """At the moment of a verdict, all that was listed is on disk under its owner's name, and in the ledger."""
        if after.stage is not Stage.COLLECTED or before.stage is Stage.COLLECTED:
            return
        held = dict(self._tracks())
        ledger = self.event.ledger(after.identifier).values()
        completed = {entry["local_file"]: entry["motion_file"] for entry in ledger if entry["status"] == "completed"}
        listing = json.loads((self.event.folder.motion(after.identifier) / "logs.json").read_text())["logs"]
        places = self._places(after.identifier, listing)
        for place, entry in places.items():
            content = held.get(place, b"")
            if self.ever.get(content) != entry["file"] or len(content) != entry["size"] - 1024:
                self.broken.append(f"{after.name}: {entry['file']} is not whole at {place}")
        if completed != {place: entry["file"] for place, entry in places.items()}:
            self.broken.append(f"{after.name}: {completed} is in the ledger")

    def _places(self, identifier: int, listing: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Where each log belongs, by what was in force when the visit looked last."""
        assert self.event.collector is not None
        claims = self.event.collector.scanner.visits[identifier].claims
        assert claims is not None
        minutes = 60 if claims.timezone is None else claims.timezone
        owner = next((one for one in claims.assignments if one.last_day.day == 21), None)
        folder, name = ("gpslogs", f"{owner.file_id}_{identifier}") if owner else (UNASSIGNED, f"motion-{identifier}")
        places = {}
        for entry in listing:
            local = dt.datetime.fromtimestamp(entry["start_date"] // 1000 + 60 * minutes, dt.UTC)
            places[f"{folder}/{local:%Y%m%d}/{name}_{local:%Y%m%d_%H%M%S}.oao"] = entry
        return places

    def _remember(self, identifier: int) -> None:
        self.ever |= {log.content: log.path for log in self.devices[identifier].logs}

    def _tracks(self) -> Iterator[tuple[str, bytes]]:
        if hasattr(self, "event"):
            yield from self.event.tracks().items()


CollectorMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestCollector = CollectorMachine.TestCase
