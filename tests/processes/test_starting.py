"""It starts in front, below `twist`, for systemd, on the simulator and as the demo, and collects."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path
from select import select

import pytest

from tests.processes.stage import QUIET, Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, until


@on_the_reactor
async def test_it_collects_in_front_and_ends_at_sigterm(stage: Stage) -> None:
    await stage.event.device(601, 100_000, 50_000)
    stage.event.configure()
    program = stage.collector()
    assert "motion-601 is connected" in await program.says("[sse#info] motion-601")
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601)
    assert "Collector stopped: 1 device collected" in program.output
    assert stage.event.log().count("INFO,motion-601 can be disconnected") == 1
    assert "Traceback" not in program.output


@on_the_reactor
async def test_it_runs_below_twist_too(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure()
    options = ("--log-format", "text", "sse", *QUIET, "--config", str(stage.event.config))
    program = stage.elsewhere.start(*options, program="twist")
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGINT)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601)


@on_the_reactor
async def test_relative_paths_stay_those_of_the_folder_where_it_was_started(stage: Stage) -> None:
    await stage.event.device(601)
    stage.event.configure()
    options = ("--rundir", "/", "sse", *QUIET, "--config", "sse.toml", "--event", "event")
    program = stage.elsewhere.start("-n", "--pidfile=", *options)
    await program.says(f"Collecting into {stage.event.folder}")
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGHUP)
    assert "unchanged" in await program.says("onfiguration")


@on_the_reactor
async def test_systemd_is_told_when_it_works_and_when_it_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.event.write_roster([601])
    stage.event.configure()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        place = str(stage.elsewhere.folder / "notify")
        supervisor.bind(place)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        program = stage.collector()
        await until(stage.reactor, lambda: select([supervisor], [], [], 0)[0], "it says something")
        assert supervisor.recv(100) == b"READY=1"
        assert stage.event.in_use()
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert supervisor.recv(100) == b"STOPPING=1"


@on_the_reactor
async def test_it_collects_from_the_simulator_in_another_process(stage: Stage) -> None:
    stage.event.hosts.write_text("127.77.9.1 motion-601\n127.77.9.2 motion-602\n")
    stage.event.write_roster([601, 602])
    stage.event.configure()
    roster = stage.event.folder / "config" / "motions.csv"
    roster.write_text(roster.read_text().replace("2022-10-15", "2022-01-01").replace("2022-10-21", "2099-12-31"))
    options = ("--address", "127.77.9.0", "--port", str(stage.event.port), "--devices", "2", "--size", "100")
    simulator = stage.elsewhere.start("-n", "--pidfile=", "sse-simulator", *options, "--rate", "0")
    await simulator.says("motion-601 is at")
    program = stage.collector()
    for identifier in (601, 602):
        await stage.collects(program, identifier)
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    simulator.kill(signal.SIGTERM)
    await simulator.ends(END_WITHIN)
    assert len(stage.event.tracks()) == 2


@on_the_reactor
async def test_the_demo_tells_its_story_and_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(stage.event.root))
    program = stage.elsewhere.start("-n", "--pidfile=", "sse", *QUIET, "--demo", "--demo-devices", "120")
    line = await program.says("Demo: 120 simulated devices, arriving")
    folder = Path(line.rpartition("Event folder: ")[2])
    assert folder.parent == stage.event.root
    await program.says("is connected")
    await program.says("downloaded")
    await program.says("can be disconnected")
    program.kill(signal.SIGINT)
    assert await program.ends(END_WITHIN) == 0
    assert "Roster: 120 assignments of 120 devices" in program.output
    assert "Traceback" not in program.output
    # At most the one that reboots has gone, if it was among the first.
    assert len(set(re.findall(r"(motion-\d+) left too early", program.output))) <= 1
    assert "Collector stopped" in (folder / "logs" / "server.log").read_text()
