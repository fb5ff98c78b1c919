"""What keeps it from starting, said in a line or two before anything is begun."""

from __future__ import annotations

import os
import pwd
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.processes.stage import QUIET, Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, until

MISTAKES = {
    "sse.toml": ("[scan]\ninterval = 'often'\n", "scan.interval: Expected `float`, got `str`"),
    "server.json": (
        '{"Event": "WSW", "Filters": {"500m Best": "x"}}',
        "Filters.500m Best: Expected `float`, got `str` (line 1)",
    ),
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
        assert line.startswith(f"{program} sse: {folder}: no such event folder")
    assert not folder.exists()
    assert not (stage.event.root / "twistd.pid").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
@on_the_reactor
async def test_a_folder_that_the_other_user_can_not_write_to_is_a_usage_error(public_stage: Stage) -> None:
    nobody = pwd.getpwnam("nobody")
    folder, config = public_stage.event.folder, str(public_stage.event.configure())
    options = ("-n", "--pidfile=", "--uid", str(nobody.pw_uid), "sse", "--config", config)
    refused = f"{folder}: not writable for {nobody.pw_name}"
    assert await public_stage.elsewhere.run(*options) == (1, f"twistd sse: {refused}\n")
    status, output = await public_stage.elsewhere.run(*options, "--check")
    assert status == 1
    assert f"mistake: {refused}" in output
    assert not public_stage.event.in_use()


PARSE_AS_ANOTHER = """
import os, sys
from sse_twisted.daemon.options import Options, usage
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
    assert "Collector stopped" in stage.event.log()


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


@on_the_reactor
async def test_a_check_says_what_would_be_done_and_ends_with_0_or_1(stage: Stage) -> None:
    stage.event.write_roster([601, 602])
    config = str(stage.event.configure())
    status, output = await stage.elsewhere.run("sse", "--config", config, "--check")
    assert status == 0
    assert "devices:       2: motion-601, motion-602" in output
    assert output.splitlines()[-1].startswith("no mistakes, ")  # the roster is of 2022
    stage.event.write_roster([601, 602, 601])
    status, output = await stage.elsewhere.run("sse", "--config", config, "--check")
    assert status == 1
    roster = stage.event.folder / "config" / "motions.csv"
    assert f"mistake: {roster}: line 4: motion-601 is already assigned on 2022-10-15: line 2 counts" in output
    assert not stage.event.in_use()
