"""Copies on disks of their own: real processes, FUSE file systems, exFAT and small disks."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from twisted.internet.task import deferLater

from sse_twisted.copies.source import SUPERSEDED, is_track
from sse_twisted.copies.target import CopyAway
from tests.copies.samples import DAY, Pair, contents, write
from tests.event_folder.samples import hidden
from tests.processes.bad_disk import Disk, disk_at
from tests.processes.exfat_disk import exfat_at
from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, until
from tests.support.disk_faults import DEAD, SLOW

MOMENTS = 100
GIVE_UP = 60.0  # s for a batch to fail


@pytest.fixture
def folder(stage: Stage) -> Path:
    """The folder of a copy."""
    folder = stage.event.root / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def stick(stage: Stage, folder: Path) -> Iterator[Disk]:
    """A disk for a copy."""
    yield from disk_at(folder, stage.event.root)


@pytest.mark.slow
def test_a_disk_that_is_pulled_at_a_hundred_random_moments_has_whole_files_only_and_is_completed(
    tmp_path: Path,
) -> None:
    pair = Pair(tmp_path)
    chance = random.Random(1)
    for disk in disk_at(pair.copy, tmp_path):
        pair.update()
        known = {path: {data} for path, data in pair.expected().items()}
        seen: set[bytes] = set()  # all tracks that the copy ever had
        failed = 0
        for number in range(MOMENTS):
            _change(pair, chance, number)
            for path, data in pair.expected().items():
                known.setdefault(path, set()).add(data)
            failed += _pull(pair, disk, chance.uniform(0.0, 0.08))
            assert not list(pair.copy.iterdir())  # of the mount point
            disk.mount()
            files = contents(pair.copy)
            for path, data in files.items():
                assert path.startswith(SUPERSEDED) or data in known[path], f"{path} is torn"
            tracks = {data for path, data in files.items() if path.startswith("gpslogs/")}
            assert seen <= tracks
            seen = tracks
            if number % 5 == 4:
                pair.update()
                assert pair.expected().items() <= pair.files().items()
                assert not hidden(pair.copy / "gpslogs")
        assert failed > MOMENTS // 4


def _change(pair: Pair, chance: random.Random, number: int) -> None:
    """Add a track, let one grow or move, and change a ledger."""
    root = pair.event.root
    write(root, f"{DAY}/NEW{number}_601_20221017_1{number:05}.oao", chance.randbytes(200_000))
    write(root, "motions/motion-601/downloads.json", f'{{"{number}": {{}}}}\n'.encode())
    tracks = sorted((root / DAY).glob("[!.]*.oao"))
    grown, moved = chance.sample(tracks, 2)
    if number % 2:
        write(root, str(grown.relative_to(root)), grown.read_bytes() + chance.randbytes(1000))
    else:
        moved.rename(moved.with_name(f"M{number}_{moved.name.partition('_')[2]}"))


def _pull(pair: Pair, disk: Disk, seconds: float) -> bool:
    """Take the disk away while it is written to; return whether that failed."""
    failures: list[Exception] = []

    def update() -> None:
        try:
            pair.update()
        except CopyAway as error:
            failures.append(error)

    thread = Thread(target=update)
    thread.start()
    time.sleep(seconds)
    disk.unmount()
    thread.join(GIVE_UP)
    assert not thread.is_alive()
    return bool(failures)


@pytest.mark.slow
@on_the_reactor
async def test_a_disk_that_is_pulled_fails_or_hangs_holds_up_nothing_and_is_completed(
    stage: Stage, folder: Path, stick: Disk
) -> None:
    event = stage.event
    await event.device(601, 300_000, 200_000)
    event.configure()
    program = stage.collector("--copy", str(folder))
    await program.says("motion-601 can be disconnected")
    await until(stage.reactor, lambda: _has_tracks(folder, 601, stage), "the copy has all")
    stick.hang()
    await event.device(602, 300_000)
    await program.says("motion-602 can be disconnected")
    stick.answer()
    await until(stage.reactor, lambda: _has_tracks(folder, 602, stage), "the copy has all")
    stick.begin(DEAD)
    await program.says(f"Copy {folder} cannot be written")
    await event.device(603, 300_000)
    await program.says("motion-603 can be disconnected")
    stick.end(DEAD)
    await program.says(f"Copy {folder} is there")
    stick.unmount()
    await program.says(f"Copy {folder} cannot be written")
    await event.device(604, 300_000)
    await program.says("motion-604 can be disconnected")
    assert not list(folder.iterdir())
    stick.mount()
    await program.says(f"Copy {folder} is there")
    await until(stage.reactor, lambda: _has_tracks(folder, 604, stage), "the copy has all")
    stick.hang()
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    stick.answer()
    assert "Traceback" not in program.output
    program = stage.collector("--copy", str(folder))
    await program.says(f"Copy {folder} is there")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    status, said = await stage.elsewhere.run("--verify", str(event.folder), str(folder), program="sse-track")
    assert status == 0, said


@pytest.mark.slow
@on_the_reactor
async def test_a_disk_of_which_each_call_takes_a_second_holds_up_neither_collecting_nor_the_end(
    stage: Stage, folder: Path, stick: Disk
) -> None:
    event = stage.event
    await event.device(601, 60_000)
    event.configure()
    program = stage.collector("--copy", str(folder))
    await program.says("motion-601 can be disconnected")
    await until(stage.reactor, lambda: _has_tracks(folder, 601, stage), "the copy has all")
    stick.begin(SLOW)
    await event.device(602, 60_000)
    await program.says("motion-602 can be disconnected")
    await until(stage.reactor, lambda: list(stick.source.rglob(".*.tmp")), "the copy is being written")
    program.kill(signal.SIGTERM)
    await program.says("Server Shut Down")
    stick.end(SLOW)  # the kernel lets no process end within one of its calls, which the disk takes in small pieces
    assert await program.ends() == 0
    assert "Traceback" not in program.output
    assert "cannot be written" not in program.output
    program = stage.collector("--copy", str(folder))
    await program.says(f"Copy {folder} is there")
    await until(stage.reactor, lambda: _has_tracks(folder, 602, stage), "the copy has all")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    status, said = await stage.elsewhere.run("--verify", str(event.folder), str(folder), program="sse-track")
    assert status == 0, said


def _has_tracks(folder: Path, identifier: int, stage: Stage) -> bool:
    with suppress(OSError):
        return all(
            (folder / path).exists() and (folder / path).read_bytes() == data
            for path, data in stage.event.expected(identifier).items()
        )
    return False


@pytest.mark.slow
@on_the_reactor
async def test_a_collector_that_is_killed_again_and_again_leaves_whole_copies(stage: Stage, folder: Path) -> None:
    event = stage.event
    chance = random.Random(2)
    event.configure()
    whole: dict[str, bytes] = {}
    for number in range(8):
        await event.device(601 + number, 400_000, 300_000)
        whole |= event.expected(601 + number)
        program = stage.collector("--copy", str(folder))
        await program.says(f"motion-{601 + number} is connected")
        await deferLater(stage.reactor, chance.uniform(0.0, 1.5))
        program.kill(signal.SIGKILL)
        await program.ends()
        for path, data in contents(folder).items():
            assert not is_track(path) or data == whole[path]
    program = stage.collector("--copy", str(folder))
    await program.says(f"Copy {folder} is there")
    await until(stage.reactor, lambda: "motion-608 can be disconnected" in program.output, "all is in the ledgers")
    await until(stage.reactor, lambda: event.tracks() == whole, "all is collected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    status, said = await stage.elsewhere.run("--verify", str(event.folder), str(folder), program="sse-track")
    assert status == 0, said
    assert not hidden(folder / "gpslogs")


@pytest.mark.slow
@on_the_reactor
async def test_a_full_disk_is_completed_when_there_is_room(stage: Stage, folder: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a disk")
    event = stage.event
    try:
        await event.device(601, 400_000, 50_000)
        event.configure()
        program = stage.collector("--copy", str(folder))
        await program.says("motion-601 can be disconnected")
        await program.says(f"Copy {folder} cannot be written: its disk is full: make room on it")
        subprocess.run(["mount", "-o", "remount,size=10m", folder], check=True)
        await program.says(f"Copy {folder} is there")
        await until(stage.reactor, lambda: _has_tracks(folder, 601, stage), "the copy has all")
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        status, said = await stage.elsewhere.run("--verify", str(event.folder), str(folder), program="sse-track")
        assert status == 0, said
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@pytest.mark.slow
@on_the_reactor
async def test_a_disk_that_becomes_read_only_holds_up_nothing_and_is_completed(stage: Stage, folder: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a disk")
    event = stage.event
    try:
        await event.device(601, 60_000)
        event.configure()
        program = stage.collector("--copy", str(folder))
        await program.says("motion-601 can be disconnected")
        await until(stage.reactor, lambda: _has_tracks(folder, 601, stage), "the copy has all")
        await until(stage.reactor, lambda: _remount(folder, "ro"), "nothing is being written")
        await program.says(f"Copy {folder} cannot be written: its disk is read-only")
        await event.device(602, 60_000)
        await program.says("motion-602 can be disconnected")
        assert not _has_tracks(folder, 602, stage)
        assert _remount(folder, "rw")
        await program.says(f"Copy {folder} is there: ")
        await until(stage.reactor, lambda: _has_tracks(folder, 602, stage), "the copy has all")
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert "Traceback" not in program.output
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def _remount(folder: Path, way: str) -> bool:
    return not subprocess.run(["mount", "-o", f"remount,{way}", folder], check=False, capture_output=True).returncode


@pytest.mark.slow
def test_names_that_differ_by_case_only_are_no_two_on_exfat(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    upper, lower = (f"{DAY}/{name}_601_20221017_090000.oao" for name in ("ABC601XYZ", "abc601xyz"))
    for _ in exfat_at(pair.copy, tmp_path / "disk"):
        pair.update()
        write(pair.event.root, lower, b"other bytes")
        for target in (pair.target, pair.new_target()):
            pair.update(target)
            assert target.failures.keys() == {lower}
            assert upper in pair.files()
            assert pair.expected().keys() - pair.files().keys() == {lower}
        (pair.event.root / upper).replace(pair.event.root / lower)  # the File ID is corrected
        for target in (pair.target, pair.new_target()):
            pair.update(target)
            assert not target.failures
            assert pair.files() == pair.expected()


@pytest.mark.slow
@on_the_reactor
async def test_a_copy_on_exfat_is_an_event_folder_for_another_computer(stage: Stage, folder: Path) -> None:
    for _ in exfat_at(folder, stage.event.root / "disk"):
        event = stage.event
        await event.device(601, 400_000, 50_000)
        event.configure("disk_reserve = 1", table="downloads")
        program = stage.collector("--copy", str(folder))
        await program.says("motion-601 can be disconnected")
        await event.leave(601)
        await program.says("Copies: all 2 tracks are on 1 copy")
        await until(stage.reactor, lambda: b'"gone"' in _state(folder), "the copy knows that it has left")
        program.kill(signal.SIGKILL)
        await program.ends()
        status, said = await stage.elsewhere.run("--verify", str(folder), program="sse-track")
        assert status == 0, said
        config = folder / ".sse_twisted/configuration/sse.toml"
        program = stage.elsewhere.collector("--event", str(folder), "--config", str(config))
        await program.says("Collecting into")
        await event.device(602, 60_000)
        shutil.copy(event.folder / "config/motions.csv", folder / "config/motions.csv")
        await program.says("motion-602 can be disconnected")
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert "left too early" not in program.output
        assert _has_tracks(folder, 601, stage)
        assert _has_tracks(folder, 602, stage)


def _state(folder: Path) -> bytes:
    """Return the state that a copy holds; on exFAT there is none for a moment while a new one takes its place."""
    try:
        return (folder / ".sse_twisted/memory.json").read_bytes()
    except FileNotFoundError:
        return b""
