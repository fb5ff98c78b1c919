"""An event folder on a real exFAT disk: it keeps no modes, knows no links, and lets no process end while it hangs."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.exfat_disk import exfat_at
from tests.processes.fuse import FuseServer
from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, Program, until


@pytest.fixture
def disk(stage: Stage) -> Iterator[FuseServer]:
    """The disk of the event folder."""
    for server in exfat_at(stage.event.folder, stage.event.root / "disk"):
        (stage.event.folder / "config").mkdir()
        yield server


@pytest.mark.slow
@on_the_reactor
async def test_devices_are_collected_and_secrets_are_kept_elsewhere(
    stage: Stage, disk: FuseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    await stage.event.device(601, 400_000, 50_000)
    stage.event.configure("disk_reserve = 1", table="downloads")
    remark = "its file system keeps no file modes, so console.password, "
    config = ("--config", str(stage.event.config))
    status, said = await stage.elsewhere.run("sse", *config, "--check")
    assert status == 0
    assert remark in said
    program = stage.elsewhere.start("-n", "sse", "--manhole", "tcp:0:interface=127.0.0.1", *config)
    line = await program.says(remark)
    assert str(tmp_path) in line
    await program.says("motion-601 can be disconnected")
    assert stage.event.tracks() == stage.event.expected(601)
    (secret,) = tmp_path.rglob("console.password")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert not list(disk.mount_point.rglob("console.password"))
    program.kill(signal.SIGKILL)
    await program.ends()
    program = stage.collector()
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output
    assert stage.event.tracks() == stage.event.expected(601)


async def on_disk(stage: Stage, *lines: str) -> Program:
    """A collector that has collected 601."""
    await stage.event.device(601, 50_000)
    stage.event.configure("disk_reserve = 1", *lines, table="downloads")
    program = stage.collector()
    await program.says("motion-601 can be disconnected")
    return program


async def ends_and_goes_on(stage: Stage, disk: FuseServer, program: Program, *identifiers: int) -> None:
    """The collector ends in time on a disk that hangs; when that answers, the next one has every track."""
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output
    disk.answer()
    for device in stage.event.devices.values():
        device.bytes_per_second = 0
    await stage.check_that_it_collects(*identifiers)


@pytest.mark.slow
@on_the_reactor
async def test_a_signal_ends_a_collector_that_has_nothing_to_do_when_the_disk_hangs(
    stage: Stage, disk: FuseServer
) -> None:
    program = await on_disk(stage)
    disk.hang()
    await ends_and_goes_on(stage, disk, program, 601)


@pytest.mark.slow
@on_the_reactor
async def test_a_signal_ends_a_collector_that_has_said_that_the_disk_hangs(stage: Stage, disk: FuseServer) -> None:
    program = await on_disk(stage)
    disk.hang()
    await program.says("Disk hangs")
    await ends_and_goes_on(stage, disk, program, 601)


@pytest.mark.slow
@on_the_reactor
async def test_a_signal_ends_a_collector_whose_disk_hangs_while_tracks_are_under_way(
    stage: Stage, disk: FuseServer
) -> None:
    for identifier in (601, 602, 603):
        device = await stage.event.device(identifier, 4_000_000)
        device.bytes_per_second = 700_000
    stage.event.configure("disk_reserve = 1", table="downloads")
    program = stage.collector()
    await stage.downloads(program, 1_500_000)
    disk.hang()
    await ends_and_goes_on(stage, disk, program, 601, 602, 603)


@pytest.mark.slow
@on_the_reactor
async def test_a_signal_ends_a_collector_whose_disk_hangs_while_it_logs(stage: Stage, disk: FuseServer) -> None:
    await stage.event.device(602, 50_000)
    await stage.event.leave(602)
    program = await on_disk(stage, "[log]", 'file = "debug"')
    disk.hang()
    await stage.event.return_(602)
    await program.says("motion-602 is connected")
    await ends_and_goes_on(stage, disk, program, 601, 602)


@pytest.mark.slow
@on_the_reactor
async def test_a_signal_ends_a_collector_whose_copy_hangs(stage: Stage, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for disk in exfat_at(copy, tmp_path / "stick"):
        await stage.event.device(601, 50_000)
        stage.event.configure()
        program = stage.collector("--copy", str(copy))
        await program.says("motion-601 can be disconnected")
        await until(stage.reactor, lambda: list(copy.rglob("*.oao")), "the copy has its track")
        disk.hang()
        await stage.event.device(602, 50_000)
        await program.says("motion-602 can be disconnected")
        await ends_and_goes_on(stage, disk, program, 601, 602)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "call", "status"),
    [
        ("sse_twisted.daemon.options", "check_event_folder", -signal.SIGTERM),
        ("sse_twisted.event_folder.lock", "FolderLock.acquire", 0),
        ("sse_twisted.config.roster_service", "RosterService.read_first", 0),
    ],
)
@on_the_reactor
async def test_a_start_whose_disk_begins_to_hang_says_so_and_ends_on_a_signal(
    stage: Stage, disk: FuseServer, module: str, call: str, status: int
) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure("disk_reserve = 1", table="downloads")
    flag = stage.event.root / "wait"
    flag.touch()
    program = stage.collector_that_waits_in_its_start(flag, module, call)
    await program.says("Arrived")
    disk.hang()
    flag.unlink()
    await program.says(f"Start waits for {disk.mount_point}: its disk has not answered for 10 s; is it plugged in?")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == status
    disk.answer()
    await stage.check_that_it_collects(601)
