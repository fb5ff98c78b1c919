"""`twistd sse` ended and killed in the middle of an afternoon: what the next process knows of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations
from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, PATIENCE, Elsewhere, LiveEvent, Program, until


@frozen
class Afternoon:
    """A collector that is started again and again, and its board."""

    reactor: Any
    event: LiveEvent
    elsewhere: Elsewhere
    port: int

    async def start(self) -> Program:
        """A new process, that has told its fleet what was known before."""
        before = self._state()
        options = ("--web", f"tcp:{self.port}:interface=127.0.0.1", "--config", str(self.event.config))
        program = self.elsewhere.collector(*options)
        await program.says("The board is at")
        await until(self.reactor, lambda: self._state() != before, "the state is saved again")
        return program

    async def device(self, identifier: int) -> Any:
        """What the API says of a device."""
        return await self._ask("GET", f"devices/{identifier}")

    async def waive(self, identifier: int, reason: str) -> None:
        """As with a click."""
        await self._ask("POST", f"devices/{identifier}/waive", {"reason": reason})

    async def page(self, identifier: int) -> str:
        """The device's page."""
        client = HTTPClient(Agent(self.reactor))
        answer = await client.get(f"http://127.0.0.1:{self.port}/devices/{identifier}")
        text: str = await answer.text()
        return text

    async def hears(self, program: Program, text: str) -> None:
        """Wait until the program has said it, before or after what it said else."""
        await until(self.reactor, lambda: text in program.output, text)

    async def restores(self, identifier: int, events: list[Any]) -> None:
        """Wait until the process has read in the log what was said of a device before."""
        end = self.reactor.seconds() + PATIENCE
        while (known := (await self.device(identifier))["events"])[: len(events)] != events:
            assert self.reactor.seconds() < end, f"waited in vain until {events} are known, not {known}"
            await deferLater(self.reactor, 0.01)

    async def saves(self, text: str) -> None:
        """Wait until the state file and the log have it."""
        log = self.event.folder / "logs" / "server.json"
        await until(self.reactor, lambda: text in self._state(), f"{text} is saved")
        await until(self.reactor, lambda: text in log.read_text(), f"{text} is in the log")

    def _state(self) -> str:
        file = self.event.folder / ".sse_twisted" / "memory.json"
        return file.read_text() if file.exists() else ""

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        token = (self.event.folder / ".sse_twisted" / "web-token").read_text().strip()
        headers: Any = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        client = HTTPClient(Agent(self.reactor))
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        answer = await client.request(method, url, headers=headers, data=data)
        content = await answer.json()
        assert answer.code == 200, content
        return content


@pytest.fixture
def afternoon(tmp_path: Path) -> Iterator[Afternoon]:
    from twisted.internet import reactor

    (port,) = free_ports("127.0.0.1", 1)
    event, elsewhere = LiveEvent(reactor, tmp_path), Elsewhere(reactor, tmp_path)
    event.configure("interval = 0.2", "timeout = 0.5", table="cleanup")
    yield Afternoon(reactor, event, elsewhere, port)
    for part in (elsewhere, event):
        pytest_twisted.blockon(Deferred.fromCoroutine(part.close()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@on_the_reactor
async def test_alarms_waivers_verdicts_visits_and_events_are_known_to_the_next_process(
    afternoon: Afternoon, number: int
) -> None:
    for identifier in (601, 602, 603):
        device = await afternoon.event.device(identifier, 20_000)
        if identifier != 601:
            device.add_fault(Fault("cut", at=1000), path="/logs/")
    program = await afternoon.start()
    for identifier in (601, 602, 603):
        line = f"motion-{identifier} {'can be disconnected' if identifier == 601 else 'must stay connected'}"
        await afternoon.hears(program, line)
    await afternoon.event.leave(601, 602, 603)
    for identifier in (602, 603):
        line = f"motion-{identifier} left too early"
        await afternoon.hears(program, line)
    await afternoon.waive(603, "fell into the water")
    await afternoon.saves("fell into the water")
    await until(afternoon.reactor, lambda: _stage(afternoon, 601) == "gone", "the departure of 601 is saved")
    before = {identifier: await afternoon.device(identifier) for identifier in (601, 602, 603)}
    program.kill(number)
    assert await program.ends(END_WITHIN) == (0 if number == signal.SIGTERM else -number)
    program = await afternoon.start()
    await program.says("motion-602 left too early, before this start - Sailor 602: 1 of 1 track missing")
    after = {identifier: await afternoon.device(identifier) for identifier in (601, 602, 603)}
    for identifier, device in after.items():
        tile, was = device["tile"], before[identifier]["tile"]
        for key in ("stage", "since", "left_early", "waived", "missing", "battery"):
            assert tile[key] == was[key], key
        assert device["visits"] == before[identifier]["visits"]
        said = [each for each in before[identifier]["events"] if each["level"] != "debug"]
        await afternoon.restores(identifier, said)
    assert after[601]["visits"][0]["verdict"] == "can be disconnected"
    assert after[603]["tile"]["waived"].startswith("fell into the water (Sailor 603: 1 of 1 track missing")
    assert "fell into the water" in await afternoon.page(603)
    assert "motion-603 left too early, before" not in program.output
    afternoon.event.devices[602].clear_faults()
    await afternoon.event.return_(602)
    await program.says("motion-602 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output


def _stage(afternoon: Afternoon, identifier: int) -> str:
    """Return the stage of a device in the state file."""
    state = json.loads((afternoon.event.folder / ".sse_twisted" / "memory.json").read_bytes())
    return str(state["devices"].get(str(identifier), {}).get("stage"))


@pytest.mark.slow
@on_the_reactor
async def test_killed_while_it_works_it_takes_no_device_for_collected_that_is_not(afternoon: Afternoon) -> None:
    """Again and again, at moments in which verdicts are given; and all devices go while nobody looks."""
    for identifier in range(601, 607):
        (await afternoon.event.device(identifier, 400_000)).bytes_per_second = 300_000 * (identifier - 600)
    for count in range(1, 4):
        program = await afternoon.start()
        for _ in range(count):
            await program.says("can be disconnected")
        program.kill(signal.SIGKILL)
        assert await program.ends() == -signal.SIGKILL
        verdicts = {line.split()[-4] for line in program.lines if line.endswith("can be disconnected")}
        present = range(601, 607)
        await afternoon.event.leave(*present)
        program = await afternoon.start()
        for identifier in present:
            tile = (await afternoon.device(identifier))["tile"]
            if f"motion-{identifier}" not in verdicts:
                assert tile["stage"] != "gone" or tile["left_early"], (identifier, tile)
                assert tile["column"] != "gone"
        program.kill(signal.SIGKILL)
        await program.ends()
        await afternoon.event.return_(*present)
