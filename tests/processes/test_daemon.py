"""`twistd` in the background, with twistd's own options, and its console."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import stat

from sse_twisted.console.endpoints import DEFAULT
from tests.processes.stage import QUIET, Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, until


@on_the_reactor
async def test_as_a_daemon_it_has_a_pid_file_a_log_and_the_umask_that_it_is_given(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure()
    log = await stage.elsewhere.daemonise("--umask", "027", "sse", *QUIET, "--config", str(stage.event.config))
    await until(stage.reactor, lambda: "can be disconnected" in log.read_text(), "motion-601 is collected")
    await stage.elsewhere.stop_daemon()
    assert "Server Shut Down" in log.read_text()
    assert stage.event.tracks() == stage.event.expected(601)
    made = [path for name in ("gpslogs", "motions", "logs") for path in (stage.event.folder / name).rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o640}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o750}


@on_the_reactor
async def test_root_can_hand_it_to_another_user(public_stage: Stage, nobody: pwd.struct_passwd) -> None:
    stage = public_stage
    await stage.event.device(601, 50_000)
    stage.event.configure()
    for path in (stage.event.root, *stage.event.root.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    who = ("--uid", str(nobody.pw_uid), "--gid", str(nobody.pw_gid))
    console = ("--manhole", f"unix:{stage.event.root}/console", "--manhole-ssh", "tcp:0:interface=127.0.0.1")
    log = await stage.elsewhere.daemonise(*who, "sse", *console, "--config", str(stage.event.config))
    await until(stage.reactor, lambda: "can be disconnected" in log.read_text(), "motion-601 is collected")
    await until(stage.reactor, lambda: "by SSH" in log.read_text(), "there is a console")
    status = (stage.event.root / "console").stat()
    assert (status.st_uid, status.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    await stage.elsewhere.stop_daemon()
    assert stage.event.tracks() == stage.event.expected(601)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in stage.event.folder.rglob("*")}
    assert owners == {(nobody.pw_uid, nobody.pw_gid)}


@on_the_reactor
async def test_a_daemon_reads_its_configuration_again_and_its_log_can_be_rotated(stage: Stage) -> None:
    await stage.event.device(601)
    stage.event.configure()
    log = await stage.elsewhere.daemonise("sse", *QUIET, "--config", str(stage.event.config))
    await until(stage.reactor, lambda: "can be disconnected" in log.read_text(), "motion-601 is collected")
    number = int((stage.elsewhere.folder / "daemon.pid").read_text())
    stage.event.configure("battery = 70", table="expected")
    os.kill(number, signal.SIGHUP)
    await until(stage.reactor, lambda: "expected.battery: 60 -> 70" in log.read_text(), "the configuration is read")
    os.kill(number, signal.SIGUSR1)
    rotated = log.with_name("daemon.log.1")
    await until(stage.reactor, rotated.exists, "twistd has rotated its log")
    await stage.elsewhere.stop_daemon()
    assert "can be disconnected" in rotated.read_text()
    assert "can be disconnected" not in log.read_text()
    assert "Collector stopped" in log.read_text()


@on_the_reactor
async def test_the_console_of_a_daemon_is_a_socket_for_its_user_alone(stage: Stage) -> None:
    stage.event.write_roster([601])
    stage.event.configure()
    place = stage.elsewhere.folder / "console"
    options = ("--umask", "000", "sse", "--manhole", f"unix:{place}", "--config", str(stage.event.config))
    log = await stage.elsewhere.daemonise(*options)
    await until(
        stage.reactor, lambda: f"Console listening at {place} by telnet" in log.read_text(), "there is a console"
    )
    state = stage.event.folder / ".sse_twisted"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "console.password").stat().st_mode) == 0o600
    await stage.elsewhere.stop_daemon()
    assert not place.exists()
    assert {path.name for path in state.iterdir()} <= {"memory.json", "event-id", "roster.json", "starts"}


@on_the_reactor
async def test_a_console_that_nobody_asked_for_does_not_keep_the_collector_from_collecting(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    config = str(stage.event.configure())
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # then somebody else has the place, which is as well
            other.bind(("127.0.0.1", 6023))
            other.listen()
        program = stage.elsewhere.start("-n", "--pidfile=", "sse", "--config", config)
        assert "#error]" in await program.says("Console disabled: cannot listen on ")
        await program.says("motion-601 can be disconnected")
        status, output = await stage.elsewhere.run("sse", "--config", config, "--manhole", DEFAULT)
    assert status == 1
    assert "Traceback" not in output
    assert "Address already in use" in output.splitlines()[-1]
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
