"""`twistd sse` and `twist sse` as processes of their own, and devices on loopback: what no virtual time can show."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ParamSpec, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations
from attrs import frozen
from twisted.internet.defer import Deferred

from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.faults import Fault
from tests.daemon import END_WITHIN, Elsewhere, LiveEvent, Program, Watchman, until

P = ParamSpec("P")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def on_the_reactor(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Deferred[None]]:
    """Run an `async def` test on the real reactor: `pytest_twisted.ensureDeferred` with a type."""
    return cast(Callable[P, Deferred[None]], pytest_twisted.ensureDeferred(test))


@frozen
class Stage:
    """Everything that a test needs: the event, and a folder elsewhere to start programs in."""

    reactor: Any
    event: LiveEvent
    elsewhere: Elsewhere

    def collector(self, *arguments: str) -> Program:
        """`twistd -n sse` with the event's configuration."""
        return self.elsewhere.collector("--config", str(self.event.config), *arguments)

    async def is_collected_after(self, *identifiers: int) -> None:
        """Start the collector, wait until it lets the devices go, and end it: every track is whole then."""
        program = self.collector()
        for identifier in identifiers:
            await until(
                self.reactor,
                lambda name=f"motion-{identifier} can be disconnected": name in program.output,
                f"motion-{identifier} is collected",
            )
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        for identifier in identifiers:
            tracks = self.event.tracks()
            assert self.event.expected(identifier).items() <= tracks.items()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    from twisted.internet import reactor

    yield from stage_in(tmp_path)


@pytest.fixture
def public_stage() -> Iterator[Stage]:
    """A stage that others than its owner can reach."""
    folder = Path(tempfile.mkdtemp(prefix="sse-test-"))
    folder.chmod(0o755)
    yield from stage_in(folder)
    shutil.rmtree(folder)


def stage_in(folder: Path) -> Iterator[Stage]:
    from twisted.internet import reactor

    made = Stage(reactor, LiveEvent(reactor, folder), Elsewhere(reactor, folder))
    yield made
    for part in (made.elsewhere, made.event):
        pytest_twisted.blockon(Deferred.fromCoroutine(part.close()))


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    """The user without rights."""
    if os.getuid() != 0:
        pytest.skip("only root can become nobody")
    return pwd.getpwnam("nobody")


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
    assert "The collector stops: 1 devices collected since its start" in program.output
    assert stage.event.log().count("INFO,motion-601 can be disconnected") == 1
    assert "Traceback" not in program.output


@on_the_reactor
async def test_it_runs_below_twist_too(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure()
    program = stage.elsewhere.start("sse", "--config", str(stage.event.config), program="twist")
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGINT)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601)


@on_the_reactor
async def test_as_a_daemon_it_has_a_pid_file_a_log_and_the_umask_that_it_is_given(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure()
    log = await stage.elsewhere.daemonise("--umask", "027", "sse", "--config", str(stage.event.config))
    await until(stage.reactor, lambda: "can be disconnected" in log.read_text(), "motion-601 is collected")
    await stage.elsewhere.stop_daemon()
    assert "Server Shut Down" in log.read_text()
    assert stage.event.tracks() == stage.event.expected(601)
    made = [path for name in ("gpslogs", "motions", "logs") for path in (stage.event.folder / name).rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o640}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o750}


@on_the_reactor
async def test_relative_paths_stay_those_of_the_folder_where_it_was_started(stage: Stage) -> None:
    stage.event.write_roster([601])
    stage.event.configure()
    options = ("--rundir", "/", "sse", "--config", "sse.toml", "--event", "event")
    program = stage.elsewhere.start("-n", "--pidfile=", *options)
    await program.says(f"Collecting into {stage.event.folder}")
    await program.says("Roster: 1 assignments")
    program.kill(signal.SIGHUP)
    assert "is as before" in await program.says("onfiguration")


@on_the_reactor
async def test_root_can_hand_it_to_another_user(public_stage: Stage, nobody: pwd.struct_passwd) -> None:
    stage = public_stage
    await stage.event.device(601, 50_000)
    stage.event.configure()
    for path in (stage.event.root, *stage.event.root.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    who = ("--uid", str(nobody.pw_uid), "--gid", str(nobody.pw_gid))
    log = await stage.elsewhere.daemonise(*who, "sse", "--config", str(stage.event.config))
    await until(stage.reactor, lambda: "can be disconnected" in log.read_text(), "motion-601 is collected")
    await stage.elsewhere.stop_daemon()
    assert stage.event.tracks() == stage.event.expected(601)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in stage.event.folder.rglob("*")}
    assert owners == {(nobody.pw_uid, nobody.pw_gid)}


async def nothing_to_do(stage: Stage, program: Program) -> None:
    await program.says("motion-601 can be disconnected")


async def looking_for_devices(stage: Stage, program: Program) -> None:
    await program.says("Collecting into")
    await until(stage.reactor, lambda: stage.sockets, "a name is asked for")
