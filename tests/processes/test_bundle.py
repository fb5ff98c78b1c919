"""`twistd sse --bundle` as a process, beside a running collector and without one."""

from __future__ import annotations

import signal
import stat
import zipfile
from pathlib import Path

from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN


def contents(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@on_the_reactor
async def test_it_is_made_beside_a_running_collector_and_after_it(stage: Stage) -> None:
    program = await stage.started()
    folder, file = str(stage.event.folder), stage.elsewhere.folder / "bundle.zip"
    before = sorted(stage.event.folder.rglob("*"))
    status, output = await stage.elsewhere.run("sse", "--event", folder, "--bundle", "bundle.zip")
    assert (status, output.partition(": ")[0]) == (0, str(file))
    assert "Traceback" not in output
    assert sorted(stage.event.folder.rglob("*")) == before
    assert program.status is None
    files = contents(file)
    assert b"motion-601 can be disconnected" in files["logs/server.log"]
    assert b"ABC601XYZ" not in b"".join(files.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    status, output = await stage.elsewhere.run("sse", "--event", folder, "--bundle", "other.zip")
    assert status == 0
    assert b"Collector stopped" in contents(stage.elsewhere.folder / "other.zip")["logs/server.log"]


@on_the_reactor
async def test_an_existing_file_is_not_overwritten(stage: Stage) -> None:
    file = stage.elsewhere.folder / "precious.zip"
    file.write_text("precious")
    status, output = await stage.elsewhere.run("sse", "--event", str(stage.event.folder), "--bundle", str(file))
    assert status == 1
    assert f"{file} exists, and is not overwritten: choose another name" in output
    assert file.read_text() == "precious"


@on_the_reactor
async def test_an_invalid_configuration_is_in_the_bundle(stage: Stage) -> None:
    stage.event.config.write_text('[event]\nfolder = "event"\n[scan]\ninterval = "soon"\n# password = "hunter2"\n')
    config, folder = str(stage.event.config), str(stage.event.folder)
    status, output = await stage.elsewhere.run("sse", "--config", config, "--bundle", "bundle.zip")
    assert status == 1
    assert "scan.interval" in output
    assert "pass --event DIR to make a bundle all the same" in output
    status, output = await stage.elsewhere.run("sse", "--config", config, "--event", folder, "--bundle", "bundle.zip")
    assert status == 0, output
    files = contents(stage.elsewhere.folder / "bundle.zip")
    assert b'interval = "soon"' in files["configuration/sse.toml"]
    assert b"hunter2" not in files["configuration/sse.toml"]
    assert b"scan.interval" in files["reports/configuration.txt"]


@on_the_reactor
async def test_what_cannot_be_written_leaves_nothing(stage: Stage) -> None:
    folder = str(stage.event.folder)
    for arguments, why in (
        (("--event", folder, "--bundle", "no/such/folder.zip"), "No such file or directory"),
        (("--event", folder, "--bundle", ""), "--bundle is empty"),
        (("--bundle", "b.zip"), "no event folder"),
        (("--event", "nowhere", "--bundle", "b.zip"), "no such event folder"),
        (("--demo", "--bundle", "b.zip"), "--bundle starts nothing"),
    ):
        status, output = await stage.elsewhere.run("sse", *arguments)
        assert status == 1, output
        assert why in output
        assert "Traceback" not in output
    assert not list(stage.elsewhere.folder.rglob("*.zip"))
