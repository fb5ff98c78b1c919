"""An event folder on a real exFAT disk, which keeps no modes and knows no links."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.exfat_disk import exfat_at
from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN


@pytest.fixture
def exfat(stage: Stage) -> Iterator[Path]:
    """The event folder, on a disk of its own."""
    for _ in exfat_at(stage.event.folder, stage.event.root / "disk"):
        (stage.event.folder / "config").mkdir()
        yield stage.event.folder


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
