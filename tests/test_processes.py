"""`twistd sse` and `twist sse` as processes of their own, and devices on loopback: what no virtual time can show."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from select import select
from typing import Any, ParamSpec, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

import sse_twisted
from sse_twisted.console.endpoints import DEFAULT
from sse_twisted.roster_file import RosterService
from sse_twisted.settings import Devices, Settings
from sse_twisted.simulator.faults import Fault
from tests.daemon import END_WITHIN, HOUR, MORNING, Elsewhere, LiveEvent, Program, Watchman, until
from tests.event import VirtualEvent, log_of

P = ParamSpec("P")
QUIET = ("--manhole", "off")  # its place may be taken by a collector that is at work on this machine


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

    async def started(self) -> Program:
        """A collector that has nothing to do any more but to wait."""
        await self.event.device(601)
        self.event.configure()
        program = self.collector()
        await program.says("motion-601 can be disconnected")
        return program

    async def downloads(self, program: Program, size: int = 1) -> None:
        """Wait until the program has that many bytes of a track that is not whole yet."""

        def holds() -> bool:
            found = (path.stat() for path in self.event.partials())
            return any(status.st_size >= size and status.st_mtime > program.began for status in found)

        await until(self.reactor, holds, f"there are {size} bytes of a track")

    async def collects(self, program: Program, identifier: int) -> None:
        """Wait until the program lets the device go."""
        line = f"motion-{identifier} can be disconnected"
        await until(self.reactor, lambda: line in program.output, line)

    async def is_collected_after(self, *identifiers: int) -> None:
        """Start the collector, wait until it lets the devices go, and end it: every track is whole then."""
        program = self.collector()
        for identifier in identifiers:
            await self.collects(program, identifier)
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        for identifier in identifiers:
            tracks = self.event.tracks()
            assert self.event.expected(identifier).items() <= tracks.items()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
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
    """The user without rights, who must be able to read what Python has yet to import."""
    if os.getuid() != 0:
        pytest.skip("only root can become nobody")
    for file in (Path(os.__file__).resolve(), Path(sse_twisted.__file__).resolve()):
        closed = [folder for folder in file.parents if not folder.stat().st_mode & stat.S_IXOTH]
        if closed:
            pytest.skip(f"nobody can't import {file}: {closed[-1]} is closed to others")
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
    options = ("--log-format", "text", "sse", *QUIET, "--config", str(stage.event.config))
    program = stage.elsewhere.start(*options, program="twist")
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGINT)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601)


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
async def test_relative_paths_stay_those_of_the_folder_where_it_was_started(stage: Stage) -> None:
    await stage.event.device(601)
    stage.event.configure()
    options = ("--rundir", "/", "sse", *QUIET, "--config", "sse.toml", "--event", "event")
    program = stage.elsewhere.start("-n", "--pidfile=", *options)
    await program.says(f"Collecting into {stage.event.folder}")
    await program.says("motion-601 can be disconnected")
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
    assert "The collector stops" in log.read_text()


@on_the_reactor
async def test_the_console_of_a_daemon_is_a_socket_for_its_user_alone(stage: Stage) -> None:
    stage.event.write_roster([601])
    stage.event.configure()
    place = stage.elsewhere.folder / "console"
    options = ("--umask", "000", "sse", "--manhole", f"unix:{place}", "--config", str(stage.event.config))
    log = await stage.elsewhere.daemonise(*options)
    await until(stage.reactor, lambda: f"The console is at {place} by telnet" in log.read_text(), "there is a console")
    state = stage.event.folder / ".sse_twisted"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "console.password").stat().st_mode) == 0o600
    await stage.elsewhere.stop_daemon()
    assert not place.exists()
    assert {path.name for path in state.iterdir()} <= {"memory.json"}


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
        assert "#error]" in await program.says("There is no console (")
        await program.says("motion-601 can be disconnected")
        status, output = await stage.elsewhere.run("sse", "--config", config, "--manhole", DEFAULT)
    assert status == 1
    assert "Traceback" not in output
    assert "Address already in use" in output.splitlines()[-1]
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0


@on_the_reactor
async def test_systemd_is_told_when_it_works_and_when_it_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.event.write_roster([601])
    stage.event.configure()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        place = str(stage.elsewhere.folder / "notify")
        supervisor.bind(place)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        program = stage.collector()
        await until(stage.reactor, lambda: select([supervisor], [], [], 0)[0], "it says something")
        assert supervisor.recv(100) == b"READY=1"
        assert stage.event.in_use()
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        assert supervisor.recv(100) == b"STOPPING=1"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
@on_the_reactor
async def test_a_folder_that_the_other_user_can_not_write_to_is_a_usage_error(public_stage: Stage) -> None:
    nobody = pwd.getpwnam("nobody")
    folder, config = public_stage.event.folder, str(public_stage.event.configure())
    options = ("-n", "--pidfile=", "--uid", str(nobody.pw_uid), "sse", "--config", config)
    refused = f"{folder}: the event folder is not writable for {nobody.pw_name}"
    assert await public_stage.elsewhere.run(*options) == (1, f"twistd sse: {refused}\n")
    status, output = await public_stage.elsewhere.run(*options, "--check")
    assert status == 1
    assert f"mistake: {refused}" in output
    assert not public_stage.event.in_use()


async def ends_at_signals(stage: Stage, reached: Callable[[Program], Awaitable[object]]) -> None:
    """Whatever it is doing: a signal ends it in time, and further ones change nothing. The next start collects."""
    stage.event.configure()
    for signals in ((signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)):
        program = stage.collector()
        await reached(program)
        for number in signals:
            program.kill(number)
        assert await program.ends(END_WITHIN) == 0, program.output
        assert "Traceback" not in program.output
    for device in stage.event.devices.values():
        device.clear_faults()
        device.bytes_per_second = 0
    await stage.is_collected_after(601)
    assert not stage.event.partials()


@on_the_reactor
async def test_signals_end_it_when_it_is_idle(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    await ends_at_signals(stage, lambda program: program.says("can be disconnected"))


@on_the_reactor
async def test_signals_end_it_while_it_looks_for_names_and_devices_that_do_not_answer(stage: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind(("127.0.0.1", 0))
        stage.event.name_servers.append(f"127.0.0.1:{name_server.getsockname()[1]}")
        (await stage.event.device(601, 50_000)).add_fault(Fault("never-accepted"))
        await stage.event.device(602)
        stage.event.write_roster([601, 602, 603])

        async def others_are_looked_for(program: Program) -> None:
            await program.says("motion-602 can be disconnected")
            await until(stage.reactor, lambda: select([name_server], [], [], 0)[0], "a name is asked for")
            assert b"motion-603" in name_server.recv(512)

        await ends_at_signals(stage, others_are_looked_for)


@on_the_reactor
async def test_signals_end_it_while_a_device_keeps_it_waiting(stage: Stage) -> None:
    (await stage.event.device(601, 50_000)).add_fault(Fault("no-headers"), path="/settings.json")
    await ends_at_signals(stage, lambda program: program.says("motion-601 is connected"))


@on_the_reactor
async def test_signals_end_it_in_the_middle_of_a_download(stage: Stage) -> None:
    (await stage.event.device(601, 1_000_000)).bytes_per_second = 800_000
    await ends_at_signals(stage, lambda program: stage.downloads(program, 250_000))


@on_the_reactor
async def test_signals_end_it_while_a_transfer_stalls(stage: Stage) -> None:
    (await stage.event.device(601, 500_000)).add_fault(Fault("stall", at=400_000))
    await ends_at_signals(stage, lambda program: stage.downloads(program, 250_000))


@pytest.mark.slow
@on_the_reactor
async def test_a_disk_that_hangs_can_not_hold_up_the_end_and_impatience_changes_nothing(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure()
    motion = stage.event.folder / "motions" / "motion-601"
    motion.mkdir(parents=True)
    os.mkfifo(motion / ".info.json.tmp")  # whoever opens it to write into it waits for a reader
    program = stage.collector()
    await program.says("motion-601 is connected")
    program.kill(signal.SIGINT)
    await program.says("Port")
    program.kill(signal.SIGINT)
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Not everything ended within 4 s" in program.output
    assert "motion-601 is not collected" in stage.event.log()


@pytest.mark.slow
@on_the_reactor
async def test_killed_at_any_moment_it_leaves_nothing_half_and_goes_on(stage: Stage) -> None:
    device = await stage.event.device(601, 1_500_000, 400_000, 600_000)
    device.bytes_per_second = 2_000_000
    stage.event.configure()
    moments: tuple[Callable[[Program], Awaitable[object]], ...] = (
        lambda program: program.says("queued"),
        lambda program: stage.downloads(program, 250_000),
        lambda program: stage.downloads(program, 1_000_000),
        lambda program: program.says("downloaded"),
        lambda program: stage.downloads(program, 250_000),
    )
    watchman = Watchman(stage.reactor, stage.event)
    with watchman.looking():
        for number, reached in enumerate(moments):
            device.supports_range = number % 2 == 0
            program = stage.collector()
            await reached(program)
            program.kill(signal.SIGKILL)
            assert await program.ends() == -signal.SIGKILL
            assert "can be disconnected" not in program.output
        assert stage.event.partials()
        program = stage.collector()
        await program.says("cut off by the end of an earlier run")
        await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601)
    assert not stage.event.partials()
    assert watchman.looks > 100
    assert not watchman.torn


@on_the_reactor
async def test_sighup_puts_a_changed_configuration_in_force_and_refuses_a_broken_one(stage: Stage) -> None:
    program = await stage.started()
    stage.event.configure("battery = 70", "storage = 80", table="expected")
    program.kill(signal.SIGHUP)
    await program.says("Configuration: expected.storage: 95 -> 80")
    await program.says("Configuration: expected.battery: 60 -> 70")
    stage.event.configure("battery = 700", table="expected")
    program.kill(signal.SIGHUP)
    line = await program.says("The configuration before stays in force")
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
    await program.says("The configuration is as before")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Collecting into" in (logs / "server.log.1").read_text()
    assert "The collector stops" in (logs / "server.log").read_text()
    assert "The collector stops" in (logs / "server.json").read_text()


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
    line = await program.says("The roster can't be read")
    assert line.endswith("(line 1: no column 'End Date' nor 'File ID'): the one before stays in force")
    assert "#error]" in line
    stage.event.write_roster([601, 602])
    await program.says("Roster: now motion-602 ABC602XYZ Sailor 602, 2022-10-15 to 2022-10-21")
    await program.says("motion-602 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601) | stage.event.expected(602)


def test_whoever_is_there_at_the_start_is_not_collected_before_the_roster_is_read(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        is_roster = isinstance(getattr(function, "__self__", None), RosterService)
        return deferLater(event.reactor, 5.0 if is_roster else 0.0, function, *args, **kwargs)

    monkeypatch.setattr("tests.event.at_once", slowly)
    last_month = MORNING - 40 * 24 * HOUR
    event.device(601, log_of(601, last_month), log_of(601))
    event.settings = Settings(devices=Devices(addresses={"motion-601": "10.0.2.89"}))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    assert list(event.tracks()) == ["gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao"]


@on_the_reactor
async def test_a_second_collector_says_who_has_the_folder_and_ends(stage: Stage) -> None:
    stage.event.configure()
    first = stage.collector()
    await first.says("Collecting into")
    transport: Any = first.transport
    holder = f"in use by another collector (process {transport.pid} on {socket.gethostname()})"
    stage.event.write_roster([601])
    for more, status in (((), 1), (("--check",), 0)):
        second = stage.collector(*more)
        assert await second.ends() == status
        assert holder in second.output
        assert "Traceback" not in second.output
    first.kill(signal.SIGTERM)
    assert await first.ends(END_WITHIN) == 0
    assert "The collector stops" in stage.event.log()


MISTAKES = {
    "sse.toml": ("[scan]\ninterval = 'often'\n", "scan.interval: Expected `float`, got `str`"),
    "server.json": ('{"Event": "WSW", "Filters": {"500m": 1}}', "Filters.500m: unknown key"),
}


@pytest.mark.parametrize("name", MISTAKES)
@on_the_reactor
async def test_a_mistake_in_the_configuration_ends_it_before_anything_is_begun(stage: Stage, name: str) -> None:
    text, mistake = MISTAKES[name]
    config = stage.event.root / "config" / name
    config.parent.mkdir()
    config.write_text(text)
    before = sorted(stage.event.root.rglob("*"))
    status, output = await stage.elsewhere.run("sse", "--config", str(config), "--event", str(stage.event.folder))
    assert status == 1
    assert output == f"twistd sse: {config}: {mistake}\n"
    assert sorted(stage.event.root.rglob("*")) == before


@on_the_reactor
async def test_a_folder_that_is_missing_ends_it_before_anything_is_begun(stage: Stage) -> None:
    folder = stage.event.root / "nowhere"
    for program in ("twistd", "twist"):
        status, output = await stage.elsewhere.run("sse", "--event", str(folder), program=program)
        assert status == 1
        (line,) = output.splitlines()
        assert line.startswith(f"{program} sse: {folder}: there is no such event folder")
    assert not folder.exists()
    assert not (stage.event.root / "twistd.pid").exists()


PARSE_AS_ANOTHER = """
import os, sys
from sse_twisted.tap import Options, usage
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
for folder in sys.argv[3:]:
    try:
        Options().parseOptions(["--event", folder])
        print("accepted", folder)
    except usage.UsageError as error:
        print("refused", error)
"""


@on_the_reactor
async def test_a_folder_that_is_not_ours_to_write_is_a_usage_error(public_stage: Stage) -> None:
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())  # root may write anywhere
    closed: list[Path] = []
    events: list[str] = []
    for name in (".", "event", "event/logs", "event/gpslogs", "event/.sse_twisted.lock"):
        root = public_stage.event.root / str(len(events))
        for folder in ("logs", "gpslogs", "motions"):
            (root / "event" / folder).mkdir(parents=True)
        (root / "event" / ".sse_twisted.lock").touch()
        for path in (root, *root.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        closed.append(root / name)
        events.append(str(root / "event"))
    for path in closed:
        path.chmod(0o444)
    arguments = ("-c", PARSE_AS_ANOTHER, str(user.pw_uid), str(user.pw_gid), *events)
    status, output = await public_stage.elsewhere.run(*arguments, program="python")
    for path in closed:
        path.chmod(0o755)
    assert status == 0, output
    for line, event in zip(output.splitlines(), events, strict=True):
        assert line.startswith(f"refused {event}")


@on_the_reactor
async def test_a_check_says_what_would_be_done_and_ends_with_0_or_1(stage: Stage) -> None:
    stage.event.write_roster([601, 602])
    config = str(stage.event.configure())
    status, output = await stage.elsewhere.run("sse", "--config", config, "--check")
    assert status == 0
    assert "devices:       2: motion-601, motion-602" in output
    assert output.splitlines()[-1] == "no mistakes"
    stage.event.write_roster([601, 602, 601])
    status, output = await stage.elsewhere.run("sse", "--config", config, "--check")
    assert status == 1
    roster = stage.event.folder / "config" / "motions.csv"
    assert f"mistake: {roster}: line 4: motion-601 is on line 2 too on 2022-10-15: line 2 counts" in output
    assert not stage.event.in_use()


@on_the_reactor
async def test_it_collects_from_the_simulator_in_another_process(stage: Stage) -> None:
    stage.event.hosts.write_text("127.77.9.1 motion-601\n127.77.9.2 motion-602\n")
    stage.event.write_roster([601, 602])
    stage.event.configure()
    roster = stage.event.folder / "config" / "motions.csv"
    roster.write_text(roster.read_text().replace("2022-10-15", "2022-01-01").replace("2022-10-21", "2099-12-31"))
    options = ("--address", "127.77.9.0", "--port", str(stage.event.port), "--devices", "2", "--size", "100")
    simulator = stage.elsewhere.start("-n", "--pidfile=", "sse-simulator", *options, "--rate", "0")
    await simulator.says("motion-601 is at")
    program = stage.collector()
    for identifier in (601, 602):
        await stage.collects(program, identifier)
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    simulator.kill(signal.SIGTERM)
    await simulator.ends(END_WITHIN)
    assert len(stage.event.tracks()) == 2


@on_the_reactor
async def test_the_demo_tells_its_story_and_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(stage.event.root))
    program = stage.elsewhere.start("-n", "--pidfile=", "sse", *QUIET, "--demo", "--demo-devices", "120")
    line = await program.says("Demo: 120 simulated devices join")
    folder = Path(line.rpartition("Event folder: ")[2])
    assert folder.parent == stage.event.root
    await program.says("is connected")
    await program.says("downloaded")
    await program.says("can be disconnected")
    program.kill(signal.SIGINT)
    assert await program.ends(END_WITHIN) == 0
    assert "Roster: 120 assignments of 120 devices" in program.output
    assert "Traceback" not in program.output
    assert "left too early" not in program.output
    assert "The collector stops" in (folder / "logs" / "server.log").read_text()


@on_the_reactor
async def test_the_demo_leaves_an_event_alone(stage: Stage) -> None:
    stage.event.write_roster([601])
    roster = stage.event.folder / "config" / "motions.csv"
    before = roster.read_bytes()
    program = stage.elsewhere.start(
        "-n", "--pidfile=", "sse", *QUIET, "--demo", "--demo-devices", "2", "--event", str(stage.event.folder)
    )
    await until(stage.reactor, lambda: program.status is not None or stage.event.in_use(), "it starts or ends")
    assert roster.read_bytes() == before
    assert await program.ends() == 1
