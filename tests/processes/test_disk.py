"""An event folder that is taken away while a collector runs, and disks and pipes that hang."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from select import select

import pytest

from tests.processes.stage import QUIET, Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, SCRIPTS, until


@on_the_reactor
async def test_a_folder_that_is_renamed_and_renamed_back_costs_nothing(stage: Stage) -> None:
    device = await stage.event.device(601, 2_000_000, 50_000)
    device.bytes_per_second = 400_000
    stage.event.configure()
    program = stage.collector()
    await stage.downloads(program, 250_000)
    moved = stage.event.folder.rename(stage.event.folder.with_name("moved"))
    assert "#critical]" in await program.says("Event folder gone: the event folder is not there")
    await program.says("motion-601 must stay connected - tracks can't be stored: the event folder is not there")
    assert not stage.event.folder.exists()
    assert "can be disconnected" not in program.output
    device.bytes_per_second = 0
    moved.rename(stage.event.folder)
    await program.says("Event folder is back")
    await program.says("motion-601 can be disconnected")
    assert stage.event.tracks() == stage.event.expected(601)
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output
    log = stage.event.log()
    for text in ("Event folder gone", "must stay connected", "Event folder is back", "Collector stopped"):
        assert text in log
    assert not moved.exists()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
@on_the_reactor
async def test_a_disk_that_is_unmounted_and_mounted_again_costs_nothing(stage: Stage) -> None:
    device = await stage.event.device(601, 2_000_000, 50_000)
    device.bytes_per_second = 400_000
    image, folder = stage.event.root / "disk", stage.event.folder
    roster = (folder / "config" / "motions.csv").read_bytes()
    with image.open("wb") as file:
        file.truncate(64_000_000)
    made = subprocess.run(["mkfs.ext4", "-q", image], check=False, capture_output=True)
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    if made.returncode or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be made here")
    (folder / "config").mkdir()
    (folder / "config" / "motions.csv").write_bytes(roster)
    try:
        stage.event.configure("disk_reserve = 1", table="downloads")
        program = stage.collector()
        await stage.downloads(program, 250_000)
        subprocess.run(["umount", "-l", folder], check=True)
        below = sorted(folder.rglob("*"))
        await program.says("Event folder gone")
        await program.says("must stay connected")
        device.bytes_per_second = 0
        assert sorted(folder.rglob("*")) == below
        assert "can be disconnected" not in program.output
        subprocess.run(mount, check=True)
        await program.says("Event folder is back")
        await program.says("motion-601 can be disconnected")
        assert stage.event.tracks() == stage.event.expected(601)
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert "Collector stopped" in stage.event.log()
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
@on_the_reactor
async def test_a_start_on_a_disk_that_an_endless_track_has_filled_comes_up(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    folder = stage.event.folder
    roster = (folder / "config" / "motions.csv").read_bytes()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        (folder / "config").mkdir()
        (folder / "config" / "motions.csv").write_bytes(roster)
        part = folder / "gpslogs" / "20251012" / ".ABC601_601_20251012_090000.oao.61000.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(bytes(shutil.disk_usage(folder).free))
        assert not shutil.disk_usage(folder).free
        stage.event.configure("disk_reserve = 1", table="downloads")
        program = stage.collector()
        await program.says(f"Removed {part.name}: it is longer than its device lists the track")
        await program.says("motion-601 can be disconnected")
        assert stage.event.tracks() == stage.event.expected(601)
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert "Traceback" not in program.output
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@pytest.mark.slow
@on_the_reactor
async def test_a_disk_that_hangs_blocks_neither_the_log_nor_the_end(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    await stage.event.device(602, 50_000)
    await stage.event.leave(602)
    stage.event.configure()
    flag = stage.event.root / "hangs"
    program = stage.collector_that_waits_while(flag, stage.event.folder)
    await program.says("motion-601 can be disconnected")
    flag.touch()
    await stage.event.return_(602)
    await program.says("motion-602 is connected")
    assert "#critical]" in await program.says("Disk hangs: the disk has not answered for")
    flag.unlink()
    await program.says("Disk answers again")
    await stage.collects(program, 602)
    flag.touch()
    await stage.event.leave(602)
    await program.says("Disk hangs")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Fatal" not in program.output


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes have one size here")
@on_the_reactor
async def test_a_pipe_that_nobody_reads_blocks_neither_the_collector_nor_its_end(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    config = str(stage.event.configure('console = "debug"'))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 1800)  # the lines of the start have room, those of the visit have not
    command = [str(SCRIPTS / "twistd"), "-n", "--pidfile=", "sse", "--web", "off", *QUIET, "--config", config]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.STDOUT) as process:
        try:
            await until(stage.reactor, lambda: "can be disconnected" in stage.event.log(), "motion-601 is collected")
            assert not select([], [writing], [], 0)[1]
            process.send_signal(signal.SIGTERM)
            await until(stage.reactor, lambda: process.poll() is not None, "it has ended")
            assert process.returncode == 0
        finally:
            process.kill()
            os.close(reading)
            os.close(writing)
    assert "Collector stopped" in stage.event.log()
