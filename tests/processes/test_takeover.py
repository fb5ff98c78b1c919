"""A laptop is lost at four o'clock, and all results are there by five: two computers, in two networks."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field

from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.tracks import log_path, track_of_size
from tests.copies.test_takeover import come_back
from tests.processes.stage import Stage
from tests.processes.two_computers import PORT, Beach, beach_of
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, MORNING, Program, until


@define
class Day:
    """The event, its devices on the beach, and the two computers."""

    stage: Stage
    beach: Beach
    devices: dict[int, DeviceServer] = field(factory=dict)

    def device(self, identifier: int, size: int) -> None:
        """Make a device with one track, away at first."""
        log = SimulatedLog(log_path(identifier, MORNING, 60), track_of_size(identifier, size, MORNING))
        device = SimulatedDevice(identifier, [log])
        self.stage.event.devices[identifier] = device
        self.devices[identifier] = server = self.beach.device(device)
        with self.stage.event.hosts.open("a") as hosts:
            hosts.write(f"{server.interface} motion-{identifier}\n")
        self.stage.event.write_roster(self.stage.event.devices)

    async def arrive(self, *identifiers: int) -> None:
        for identifier in identifiers:
            with self.beach.here():
                await self.devices[identifier].arrive()

    async def leave(self, *identifiers: int) -> None:
        for identifier in identifiers:
            await self.devices[identifier].leave()

    def collector(self, computer: str, folder: Path, *arguments: str) -> Program:
        """Start a collector on a computer."""
        own = folder / ".sse_twisted/configuration/sse.toml"
        config = own if own.exists() else self.stage.event.config
        options = ("--event", str(folder), "--config", str(config), "--manhole", "off", *arguments)
        return self.beach.start(computer, "-n", "--pidfile=", "sse", *options)

    def tracks(self, folder: Path) -> dict[str, bytes]:
        paths = (path for path in folder.glob("gpslogs/2*/*.oao") if not path.name.startswith("."))
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    def expected(self, *identifiers: int) -> dict[str, bytes]:
        return {path: data for each in identifiers for path, data in self.stage.event.expected(each).items()}

    async def verify(self, *folders: Path) -> None:
        status, said = await self.stage.elsewhere.run("--verify", *map(str, folders), program="sse-track")
        assert status == 0, said


@pytest.fixture
def day(stage: Stage) -> Iterator[Day]:
    for beach in beach_of(stage.reactor, stage.elsewhere, "first", "second"):
        stage.event.port = PORT
        stage.event.configure()
        yield Day(stage, beach)


@pytest.mark.slow
@on_the_reactor
async def test_the_laptop_is_lost_at_four_and_all_results_are_there_by_five(day: Day) -> None:
    event, stick, second_disk = day.stage.event.folder, day.stage.event.root / "stick", day.stage.event.root / "second"
    stick.mkdir()
    for identifier in (601, 602, 603, 604):
        day.device(identifier, 300_000)
    day.stage.event.devices[602].bytes_per_second = 100_000
    first = day.collector("first", event, "--copy", str(stick))
    await day.arrive(601, 602)
    await first.says("motion-601 can be disconnected")
    await day.leave(601, 602)  # the second one has sent a part of its track
    await first.says("motion-602 left too early")
    await day.arrive(603)
    await first.says("motion-603 can be disconnected")
    await day.leave(603)
    await first.says("Copies: all 2 tracks are on 1 copy")
    await until(
        day.stage.reactor,
        lambda: (stick / ".sse_twisted/memory.json").read_bytes().count(b'"gone"') == 3,
        "all is told",
    )

    # Four o'clock: the laptop falls into the sea.
    first.kill(signal.SIGKILL)
    await first.ends()
    day.beach.cut_off("first")
    lost = event.rename(event.with_name("lost"))

    shutil.copytree(stick, second_disk)  # as cp -a and rsync -a do
    await day.verify(second_disk)
    second = day.collector("second", second_disk, "--copy", str(stick))
    await second.says("motion-602 left too early, before this start")
    await day.arrive(604)
    await second.says("motion-604 can be disconnected")
    second.kill(signal.SIGKILL)
    await second.ends()
    second = day.collector("second", second_disk, "--copy", str(stick))
    await second.says("motion-602 left too early, before this start")
    day.stage.event.devices[602].bytes_per_second = 0
    await day.arrive(602)
    await second.says("is connected")
    await until(day.stage.reactor, lambda: second.output.count("can be disconnected") == 2, "both are collected")
    assert second.output.count("left too early") == 1
    await day.leave(602, 604)
    await until(day.stage.reactor, lambda: day.tracks(second_disk) == day.expected(601, 602, 603, 604), "all is here")
    second.kill(signal.SIGTERM)
    assert await second.ends(END_WITHIN) == 0
    await day.verify(second_disk)

    # The laptop is found, dry, and goes on with what the second computer has.
    come_back(second_disk, lost)
    lost.rename(event)
    third = day.collector("second", event)
    await third.says("Collecting into")
    await day.arrive(601)
    await third.says("motion-601 can be disconnected")
    third.kill(signal.SIGTERM)
    assert await third.ends(END_WITHIN) == 0
    assert "left too early" not in third.output
    assert "CRITICAL" not in third.output
    assert day.tracks(event) == day.expected(601, 602, 603, 604)
    await day.verify(event)
    for program in (first, second, third):
        assert "Traceback" not in program.output


@pytest.mark.slow
@on_the_reactor
async def test_two_laptops_that_both_go_on_collect_what_they_see_and_say_so(day: Day) -> None:
    event, stick = day.stage.event.folder, day.stage.event.root / "stick"
    stick.mkdir()
    for identifier in (601, 602):
        day.device(identifier, 300_000)
    first = day.collector("first", event, "--copy", str(stick))
    await day.arrive(601)
    await first.says("motion-601 can be disconnected")
    await until(day.stage.reactor, lambda: day.tracks(stick) == day.expected(601), "the copy has it")
    second = day.collector("second", stick, "--copy", str(event))
    await second.says(f"Copy {event} is left alone")
    await first.says(f"Copy {stick} is left alone: another collector has gone on with it")
    await day.arrive(602)
    await until(day.stage.reactor, lambda: "motion-602 can be" in first.output, "the first has it")
    await until(day.stage.reactor, lambda: "motion-602 can be" in second.output, "the second has it")
    for program in (first, second):
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert "Traceback" not in program.output
    assert day.tracks(event) == day.tracks(stick) == day.expected(601, 602)
