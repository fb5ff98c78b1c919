"""Arrivals, departures, failures, corrections, restarts and kills in any order.

After every step three promises hold, and nobody who was met is taken for collected, or forgotten, without a verdict.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred

from sse_twisted.config.settings import Devices, Settings
from sse_twisted.control.commands import Commands
from sse_twisted.control.errors import CommandError
from sse_twisted.event_folder.partial import SUPERSEDED, PartialTrack
from sse_twisted.fleet import Device, Fleet, Stage
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import MORNING, VirtualEvent, log_of
from tests.support.virtual import SlowThreads

DEVICES = (601, 602, 603)
HOUR = 3_600_000
EXAMPLES, STEPS = 20, 25  # enough to find each fault of tests.mutations that can be found here
# Each passes when it is cleared, or after some times; none changes what the device holds. A bit that flips is not among
# them: the same wrong bytes twice are rightly kept as the device's own.
FAULTS = (
    "frame-cut",  # first: Hypothesis tries the first one most, and only its length tells
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
    "empty-body",
    "foreign",
    "wrong-identifier",
    "reboot@2000:9",
    "range-star",
    "range-short@1500",
    "range-bare",
    "range-equals",
    "range-total",
    "range-shifted",
    "range-multipart",
    "range-status@501",
    "range-reset",
    "range-silent",
    "refused",
    "reset",
)
devices = st.sampled_from(DEVICES)
faults = st.sampled_from(FAULTS)


class CollectorMachine(RuleBasedStateMachine):
    """A collector, three devices, and everything that happens to them in an afternoon."""

    @initialize(
        ranges=st.booleans(), threads=st.none() | st.integers(1, 1000), faults=st.lists(faults, min_size=3, max_size=3)
    )
    def begin(self, ranges: bool, threads: int | None, faults: list[str]) -> None:
        """Let all devices be there, each with a fault of its downloads: so time alone shows much."""
        self.root = Path(tempfile.mkdtemp(prefix="sse-machine-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        listed = tuple(f"motion-{identifier}" for identifier in DEVICES)  # looked for though they belong to nobody
        self.event = VirtualEvent(self.root, Settings(devices=Devices(listed=listed)))
        if threads is not None:
            self.event.start_in_thread = SlowThreads(self.event.reactor, Random(threads)).start
        self.event.person(700)  # there is a roster, whoever else is on it
        self.devices: dict[int, SimulatedDevice] = {}
        self.ever: dict[int, dict[bytes, str]] = {identifier: {} for identifier in DEVICES}  # paths by content
        self.listed: dict[int, dict[str, bytes]] = {}  # what each device held, by path, when it was last asked
        self.broken: list[str] = []
        self.owing: set[int] = set()  # who was met, and was neither collected nor waived since, over all runs
        self.disk_is_full = False
        for number, identifier in enumerate(DEVICES):
            logs = [log_of(identifier, MORNING + n * HOUR, 140 + 20 * n) for n in range(number + 1)]
            self.devices[identifier] = device = self.event.device(identifier, *logs)
            device.supports_range = ranges
            device.bytes_per_second = 4000
            self._remember(identifier)
            self.misbehave(identifier, faults[number], 2, False)
        self.event.arrive(*DEVICES)
        write = PartialTrack.write

        def write_if_there_is_room(partial: PartialTrack, data: bytes) -> None:
            if self.disk_is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(partial, data)

        listing = SimulatedDevice.listing

        def note_and_list(device: SimulatedDevice) -> Any:
            self.listed[device.identifier] = {log.path: log.content for log in device.logs}
            return listing(device)

        self.patches: list[Any] = [
            patch.object(PartialTrack, "write", write_if_there_is_room),
            patch.object(SimulatedDevice, "listing", note_and_list),
            patch("os.fsync"),
        ]
        for each in self.patches:
            each.start()
        self._start()

    @rule(identifier=devices)
    def arrive(self, identifier: int) -> None:
        self.event.arrive(identifier)

    @rule(identifier=devices)
    def leave(self, identifier: int) -> None:
        self.event.leave(identifier)

    @rule(identifier=devices, fault=faults, times=st.sampled_from([1, 2, None]), everywhere=st.booleans())
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
        self._leave_the_roster(identifier)
        self.event.person(identifier, file_id=f"NEW{number}")

    @rule(identifier=devices)
    def belong_to_nobody(self, identifier: int) -> None:
        self._leave_the_roster(identifier)
        self.event.write_roster()

    @rule(identifier=devices, minutes=st.sampled_from([0, 60, 120]))
    def be_in_another_time_zone(self, identifier: int, minutes: int) -> None:
        self.devices[identifier].settings["settings"]["timezone"] = str(minutes)

    @rule(full=st.booleans())
    def fill_or_empty_the_disk(self, full: bool) -> None:
        self.disk_is_full = full

    @rule(seconds=st.sampled_from([0.1, 0.7, 2.0, 5.0, 12.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.event.advance(seconds)

    @rule(paused=st.booleans())
    def pause_or_resume(self, paused: bool) -> None:
        if paused:
            self._commands.pause()
        else:
            self._commands.resume()

    @rule(identifier=devices, command=st.sampled_from(["retry", "forget", "waive", "fetch"]))
    def command(self, identifier: int, command: str) -> None:
        path = self.devices[identifier].logs[0].path
        arguments = {"waive": ("because",), "fetch": (path,)}.get(command, ())
        with contextlib.suppress(CommandError):
            answer = getattr(self._commands, command)(identifier, *arguments)
            if command == "waive":
                self.owing.discard(identifier)
            if isinstance(answer, Deferred):
                answer.addErrback(lambda failure: failure.trap(CommandError))

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        memory = self.event.folder.state_file
        before = (memory.read_bytes(), memory.stat().st_mtime) if killed and memory.exists() else None
        self.event.stop()
        if before is not None:  # a moment older: many a virtual second fits into one tick of the real clock
            memory.write_bytes(before[0])
            os.utime(memory, (before[1], before[1] - 0.02))
        self._start()

    @invariant()
    def time_passes(self) -> None:
        """Let each step meet the devices somewhere in the middle of what the one before began."""
        if hasattr(self, "event"):
            self.event.advance(0.9)

    @invariant()
    def nobody_is_collected_without_a_verdict(self) -> None:
        if hasattr(self, "owing"):
            assert not [
                device.name for device in self._fleet if device.is_collected and device.identifier in self.owing
            ]

    @invariant()
    def nobody_who_has_gone_without_a_verdict_is_forgotten(self) -> None:
        if hasattr(self, "owing") and self._has_restored:
            missed = {device.identifier for device in self._fleet if device.present or device.left_early}
            assert self.owing <= missed

    @invariant()
    def no_verdict_was_false(self) -> None:
        assert not getattr(self, "broken", None), self.broken

    @invariant()
    def a_file_at_its_final_name_is_whole_and_the_only_one_of_its_log(self) -> None:
        logs = set()
        for path, content in self._tracks():
            match = re.search(r"[_-](60[0-9])_", Path(path).name)
            assert match
            ever = self.ever[int(match[1])]
            assert content in ever, f"{path} is not whole"
            if not path.startswith(SUPERSEDED):
                assert ever[content] not in logs, f"{path} is there twice: {sorted(dict(self._tracks()))}"
                logs.add(ever[content])

    @invariant()
    def no_device_bore_two_connections(self) -> None:
        for device in getattr(self, "devices", {}).values():
            assert device.most_connections <= 1

    def _check_that_all_ends_well(self) -> None:
        """Put everything right: then all is collected, and collected again, and known after a restart."""
        self.disk_is_full = False
        self._commands.resume()
        for device in self.devices.values():
            device.clear_faults()
        self.event.arrive(*DEVICES)
        self._until_all_are_collected()
        self.event.leave(*DEVICES)
        self.event.advance(16)
        self.event.arrive(*DEVICES)
        self._until_all_are_collected()
        expected = {
            self._home(identifier, log.path): log.content
            for identifier, device in self.devices.items()
            for log in device.logs
        }
        assert {path: content for path, content in self._tracks() if not path.startswith(SUPERSEDED)} == expected
        assert not list(self.root.glob("gpslogs/**/.*")), "something is left on its way"
        self.event.leave(*DEVICES)
        self.event.advance(16)
        self.restart(killed=False)
        self.event.advance(20)
        assert all(self._fleet[identifier].is_collected for identifier in DEVICES), "\n".join(self.event.lines)

    def _until_all_are_collected(self) -> None:
        for _ in range(40):
            self.event.advance(5)
            if all(self.event.is_collected(identifier) for identifier in DEVICES):
                return
        raise AssertionError("\n".join(self.event.lines))

    def teardown(self) -> None:
        """End each example by putting everything right, unless it has failed before."""
        if not hasattr(self, "event"):
            return
        try:
            if sys.exc_info()[0] is None:
                self._check_that_all_ends_well()
                self.no_verdict_was_false()
        finally:
            self.event.stop()
            self.event.leave(*DEVICES)
            self.event.advance(0.1)
            for each in self.patches:
                each.stop()
            shutil.rmtree(self.root)
        assert not self.event.reactor.getDelayedCalls(), "timers are left"

    def _start(self) -> None:
        self.began = self.event.reactor.seconds()
        collector = self.event.start()
        collector.fleet.observe(self._check_verdict)
        collector.fleet.observe(self._note_who_owes)
        collector.live.observe(self._confirm)
        self._confirm()

    def _confirm(self) -> None:
        """Confirm at once what waits, so that each track belongs where the roster says."""
        collector = self.event.collector
        if collector is not None and collector.roster.question is not None:
            collector.roster.confirm()

    @property
    def _fleet(self) -> Fleet:
        assert self.event.collector is not None
        return self.event.collector.fleet

    @property
    def _has_restored(self) -> bool:
        """Whether the collector has had the time to read what was before."""
        return self.event.reactor.seconds() > self.began + 3.0

    @property
    def _commands(self) -> Commands:
        assert self.event.collector is not None
        return self.event.collector.commands

    def _check_verdict(self, before: Device, after: Device) -> None:
        """Check a verdict when it is said: every track of a listing after the last download is where it belongs."""
        if after.stage is not Stage.COLLECTED or before.stage is Stage.COLLECTED:
            return
        asked = [target for _, target in self.devices[after.identifier].requests]
        since_listing = asked[len(asked) - asked[::-1].index(b"/logs.json") :]
        if any(target.startswith(b"/logs/") for target in since_listing):
            self.broken.append(f"{after.name}: its listing is older than the last download, {since_listing}")
        held = dict(self._tracks())
        ledger = self.event.ledger(after.identifier)
        for path, content in self.listed[after.identifier].items():
            home = self._home(after.identifier, path)
            if held.get(home) != content:
                self.broken.append(f"{after.name}: {path} is not whole at {home}, but there are {sorted(held)}")
            if ledger.get(Path(home).name, {}).get("status") != "completed":
                self.broken.append(f"{after.name}: {path} is not in the ledger as {Path(home).name}")

    def _note_who_owes(self, before: Device, after: Device) -> None:
        if after.stage is Stage.COLLECTED:
            self.owing.discard(after.identifier)
        elif after.stage in (Stage.DOWNLOADING, Stage.ATTENTION) or (
            before.stage is Stage.CONNECTED and after.stage is Stage.INSPECTING
        ):
            self.owing.add(after.identifier)

    def _home(self, identifier: int, path: str) -> str:
        """Where a log belongs by the roster in force: under its owner's name, or among those of nobody."""
        assert self.event.collector is not None
        minutes = self.event.collector.scanner.visits[identifier].timezone
        started = datetime.strptime(path[-19:-4], "%Y-%m-%d-%H%M").replace(tzinfo=UTC)  # as if it were UTC + 60 minutes
        local = started + timedelta(minutes=60 if minutes is None else minutes) - timedelta(minutes=60)
        assignments = self.event.collector.live.roster.of(identifier)
        owner = next((each for each in assignments if each.covers(local.date())), None)
        stamp = f"{local:%Y%m%d_%H%M%S}"
        if owner is None:
            return f"gpslogs/unassigned/{stamp[:8]}/motion-{identifier}_{stamp}.oao"
        return f"gpslogs/{stamp[:8]}/{owner.file_id}_{identifier}_{stamp}.oao"

    def _leave_the_roster(self, identifier: int) -> None:
        self.event.people = [row for row in self.event.people if row["Motion ID"] != str(identifier)]

    def _remember(self, identifier: int) -> None:
        self.ever[identifier] |= {log.content: log.path for log in self.devices[identifier].logs}

    def _tracks(self) -> Iterator[tuple[str, bytes]]:
        if hasattr(self, "event"):
            yield from self.event.tracks().items()


@pytest.mark.slow
def test_the_promises_hold_in_any_order_of_events() -> None:
    """Without a minimum of steps most examples end after a few: Hypothesis varies an example by ending it early."""
    budget = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(CollectorMachine, settings=budget, _min_steps=STEPS - 1)
