"""What changes while it runs: configuration, logs and roster."""

from __future__ import annotations

import signal

import pytest

from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, until


@on_the_reactor
async def test_sighup_puts_a_changed_configuration_in_force_and_refuses_a_broken_one(stage: Stage) -> None:
    program = await stage.started()
    stage.event.configure("battery = 70", "storage = 80", table="expected")
    program.kill(signal.SIGHUP)
    await program.says("Configuration: expected.storage: 95 -> 80")
    await program.says("Configuration: expected.battery: 60 -> 70")
    stage.event.configure("battery = 700", table="expected")
    program.kill(signal.SIGHUP)
    line = await program.says("Invalid configuration, keeping the previous one")
    assert line.endswith(f"{stage.event.config}: expected.battery: Expected `int` <= 100")
    assert "#error]" in line
    stage.event.configure("battery = 71", "storage = 80", table="expected")
    program.kill(signal.SIGHUP)
    await program.says("Configuration: expected.battery: 70 -> 71")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0


@on_the_reactor
async def test_sighup_goes_on_in_new_logs_where_the_old_ones_were_rotated_away(stage: Stage) -> None:
    program = await stage.started()
    logs = stage.event.folder / "logs"
    for name in ("server.log", "server.json"):
        (logs / name).rename(logs / f"{name}.1")
    program.kill(signal.SIGHUP)
    await program.says("Configuration unchanged")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Collecting into" in (logs / "server.log.1").read_text()
    assert "Collector stopped" in (logs / "server.log").read_text()
    assert "Collector stopped" in (logs / "server.json").read_text()


@pytest.mark.slow
@on_the_reactor
async def test_an_edited_roster_counts_without_a_restart_and_a_broken_one_does_not(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    await stage.event.device(602, 50_000)
    stage.event.write_roster([601])
    stage.event.configure()
    roster = stage.event.folder / "config" / "motions.csv"
    program = stage.collector()
    await program.says("motion-601 can be disconnected")
    roster.write_text("Motion ID,Start Date\n601,2022-10-15\n")
    line = await program.says("Cannot read the roster")
    assert line.endswith("(line 1: missing column 'End Date', 'File ID'): keeping the previous one")
    assert "#error]" in line
    stage.event.write_roster([601, 602])
    await program.says("Roster: added motion-602 ABC602XYZ Sailor 602, 2022-10-15 to 2022-10-21")
    await program.says("motion-602 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601) | stage.event.expected(602)


@pytest.mark.slow
@on_the_reactor
async def test_the_last_good_roster_counts_in_a_daemon_that_is_restarted_with_a_spoilt_one(stage: Stage) -> None:
    for identifier in (601, 602, 603):
        await stage.event.device(identifier, 50_000)
    await stage.event.leave(603)
    stage.event.configure()
    roster = stage.event.folder / "config" / "motions.csv"
    program = stage.collector()
    for identifier in (601, 602):
        await stage.collects(program, identifier)
    whole = roster.read_bytes()
    roster.write_bytes(whole[: len(whole) // 2 - 5])
    assert (await program.says("Cannot read the roster")).endswith("keeping the previous one")
    await until(stage.reactor, (stage.event.folder / ".sse_twisted" / "roster.json").exists, "the roster is saved")
    program.kill(signal.SIGKILL)
    await program.ends(END_WITHIN)
    program = stage.collector()
    line = await program.says("Cannot read the roster")
    assert "keeping the last good one, 3 assignments of 3 devices, 2022-10-15 to 2022-10-21" in line
    await stage.event.return_(603)
    await stage.collects(program, 603)
    tracks = stage.event.tracks()
    assert tracks == stage.event.expected(601) | stage.event.expected(602) | stage.event.expected(603)
    roster.write_bytes(whole)
    await program.says("Roster: the file is valid again")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == tracks
