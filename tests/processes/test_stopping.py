"""Signals, and the end that nobody can prepare for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Awaitable, Callable
from select import select

import pytest
from treq.client import HTTPClient
from twisted.web.client import Agent
from twisted.web.http_headers import Headers

from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.faults import Fault
from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, Program, Watchman, until


async def check_that_signals_end_it(stage: Stage, reached: Callable[[Program], Awaitable[object]]) -> None:
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
    await stage.check_that_it_collects(601)
    assert not stage.event.partials()


@on_the_reactor
async def test_signals_end_it_when_it_is_idle(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    await check_that_signals_end_it(stage, lambda program: program.says("can be disconnected"))


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
            asked = b""
            while b"motion-603" not in asked:
                await until(stage.reactor, lambda: select([name_server], [], [], 0)[0], "a name is asked for")
                asked = name_server.recv(512)

        await check_that_signals_end_it(stage, others_are_looked_for)


@on_the_reactor
async def test_signals_end_it_while_a_device_keeps_it_waiting(stage: Stage) -> None:
    (await stage.event.device(601, 50_000)).add_fault(Fault("no-headers"), path="/settings.json")
    await check_that_signals_end_it(stage, lambda program: program.says("motion-601 is connected"))


@on_the_reactor
async def test_signals_end_it_in_the_middle_of_a_download(stage: Stage) -> None:
    (await stage.event.device(601, 1_000_000)).bytes_per_second = 800_000
    await check_that_signals_end_it(stage, lambda program: stage.downloads(program, 250_000))


@pytest.mark.slow
@on_the_reactor
async def test_signals_end_it_while_a_transfer_stalls(stage: Stage) -> None:
    (await stage.event.device(601, 500_000)).add_fault(Fault("stall", at=400_000))
    await check_that_signals_end_it(stage, lambda program: stage.downloads(program, 250_000))


@pytest.mark.slow
@on_the_reactor
async def test_a_disk_that_hangs_can_not_hold_up_the_end_and_impatience_changes_nothing(stage: Stage) -> None:
    await stage.event.device(601, 50_000)
    stage.event.configure()
    flag = stage.event.root / "hangs"
    flag.touch()
    program = stage.collector_that_waits_while(flag, stage.event.folder / "motions")
    await program.says("motion-601 is connected")
    program.kill(signal.SIGINT)
    await program.says("Port")
    program.kill(signal.SIGINT)
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Shutdown timed out after 4 s" in program.output
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
            if reached is moments[-1]:
                device.bytes_per_second = 200_000  # so that the track is not whole when it is killed
            program = stage.collector()
            await reached(program)
            program.kill(signal.SIGKILL)
            assert await program.ends() == -signal.SIGKILL
            assert "can be disconnected" not in program.output
        assert stage.event.partials()
        device.bytes_per_second = 2_000_000
        program = stage.collector()
        await program.says("of earlier runs incomplete")
        await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert stage.event.tracks() == stage.event.expected(601)
    assert not stage.event.partials()
    assert watchman.looks > 100
    assert not watchman.torn


@on_the_reactor
async def test_a_pause_survives_being_killed_as_soon_as_it_is_answered(stage: Stage) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    place = f"tcp:{port}:interface=127.0.0.1"
    program = await stage.started()
    program.kill(signal.SIGTERM)
    await program.ends(END_WITHIN)
    program = stage.collector("--web", place)
    await program.says("The board is at ")
    token = (stage.event.folder / ".sse_twisted" / "web-token").read_text().strip()
    headers = Headers({"Authorization": [f"Bearer {token}"], "Content-Type": ["application/json"]})
    client = HTTPClient(Agent(stage.reactor))
    answer = await client.post(f"http://127.0.0.1:{port}/api/v1/pause", data=b"{}", headers=headers)
    program.kill(signal.SIGKILL)
    assert await answer.json() == {"done": True, "detail": ""}
    assert await program.ends() == -signal.SIGKILL
    await stage.event.device(602, 50_000)
    program = stage.collector("--web", place)
    await program.says("Downloads are still paused, as requested at ")
    await program.says("motion-602 must stay connected - 1 of 1 track missing, downloads are paused")
    answer = await client.get(f"http://127.0.0.1:{port}/")
    assert '<p class="paused">' in await answer.text()
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
