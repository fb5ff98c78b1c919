"""What a power cut leaves of twistd's pid file, and other programs that were started in the same folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.processes.stage import QUIET, Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, until


@pytest.fixture
def stranger() -> Iterator[int]:
    """The number of a process that has nothing to do with it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


@pytest.mark.parametrize("left", ["stale", "empty", "foreign", "torn", "zero"])
@on_the_reactor
async def test_the_command_that_people_type_starts_whatever_the_pid_file_says(
    stage: Stage, stranger: int, left: str
) -> None:
    await stage.event.device(601)
    stage.event.configure()
    text = {"stale": str(ended()), "empty": "", "foreign": str(stranger), "torn": "\0\0\0", "zero": "0"}[left]
    file = stage.elsewhere.folder / "twistd.pid"
    file.write_text(text)
    program = stage.elsewhere.start("-n", "sse", *QUIET, "--config", str(stage.event.config))
    await program.says("motion-601 can be disconnected")
    assert file.read_text() == text
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0


@pytest.mark.parametrize("left", ["stale", "empty", "foreign", "torn", "zero"])
@on_the_reactor
async def test_a_daemon_starts_whatever_its_pid_file_says(stage: Stage, stranger: int, left: str) -> None:
    await stage.event.device(601)
    stage.event.configure()
    text = {"stale": str(ended()), "empty": "", "foreign": str(stranger), "torn": "\0\0\0", "zero": "0"}[left]
    file = stage.elsewhere.folder / "daemon.pid"
    file.write_text(text)
    log = await stage.elsewhere.daemonise("sse", *QUIET, "--config", str(stage.event.config))
    await until(stage.reactor, lambda: "can be disconnected" in log.read_text(), "motion-601 is collected")
    assert file.read_text() not in (text, "")
    await stage.elsewhere.stop_daemon()
    os.kill(stranger, 0)


@on_the_reactor
async def test_collector_and_simulator_start_in_one_folder_and_a_second_collector_does_not(stage: Stage) -> None:
    stage.event.write_roster([601])
    stage.event.configure()
    address = ("--address", "127.77.8.0", "--port", str(stage.event.port), "--devices", "1")
    simulator = stage.elsewhere.start("-n", "sse-simulator", *address)
    await simulator.says("motion-601 is at")
    first = stage.elsewhere.start("-n", "sse", *QUIET, "--config", str(stage.event.config))
    await first.says("Collecting into")
    second = stage.elsewhere.start("-n", "sse", *QUIET, "--config", str(stage.event.config))
    assert await second.ends() == 1
    assert "is in use by another collector" in second.output
    for program in (first, simulator):
        program.kill(signal.SIGTERM)
        await program.ends(END_WITHIN)


@on_the_reactor
async def test_the_pid_file_of_a_running_daemon_is_left_alone(stage: Stage) -> None:
    """Two events, and by mistake one pid file."""
    await stage.event.device(601)
    stage.event.configure()
    await stage.elsewhere.daemonise("sse", *QUIET, "--config", str(stage.event.config))
    file = stage.elsewhere.folder / "daemon.pid"
    await until(stage.reactor, file.exists, "there is a pid file")
    before = file.read_text()
    (stage.event.root / "other" / "config").mkdir(parents=True)
    options = ("--pidfile", str(file), "sse", *QUIET, "--event", str(stage.event.root / "other"))
    status, output = await stage.elsewhere.run(*options)
    assert status == 1
    assert "Another twistd server is running" in output
    assert file.read_text() == before
    await stage.elsewhere.stop_daemon()
