"""An event folder on a real exFAT disk, which keeps no modes and knows no links."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN

NEEDED = ("mkfs.exfat", "mount.exfat-fuse", "losetup", "umount")


@pytest.fixture
def exfat(stage: Stage) -> Iterator[Path]:
    """The event folder, on a disk of its own."""
    if os.geteuid() != 0 or not all(map(shutil.which, NEEDED)):
        pytest.skip(f"only root can mount a disk, with {', '.join(NEEDED)}")
    image, folder = stage.event.root / "disk", stage.event.folder
    with image.open("wb") as file:
        file.truncate(64_000_000)
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    looped = subprocess.run(["losetup", "-f", "--show", image], check=False, capture_output=True, text=True)
    if looped.returncode:
        pytest.skip(f"no loop device: {looped.stderr}")
    loop = looped.stdout.strip()
    try:
        mounted = subprocess.run(
            ["mount.exfat-fuse", "-o", "nonempty", loop, folder], check=False, capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip(f"exFAT cannot be mounted: {mounted.stderr}")
        try:
            (folder / "config").mkdir()
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=False)
    finally:
        subprocess.run(["losetup", "-d", loop], check=False)


@pytest.mark.slow
@on_the_reactor
async def test_devices_are_collected_and_secrets_are_kept_elsewhere(
    stage: Stage, exfat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert not list(exfat.rglob("console.password"))
    program.kill(signal.SIGKILL)
    await program.ends()
    program = stage.collector()
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output
    assert stage.event.tracks() == stage.event.expected(601)
