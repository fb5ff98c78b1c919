"""Files that are handed in to a collector by HTTP: it is killed meanwhile, and tells no health data."""

from __future__ import annotations

import io
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field
from treq.client import HTTPClient
from twisted.web.client import Agent
from twisted.web.http_headers import Headers

from sse_twisted.simulator.addresses import free_ports
from tests.processes.bad_disk import Disk, disk_at
from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, MORNING, Program, until
from tests.support.disk_faults import DEAD
from tests.tracks import written

SBP = written.sbp(written.points(100, start=MORNING))
FIT = written.fit(written.points(100, rate=1, start=MORNING))
DAY = "2022-10-17"
PAGES = ("/hand-in", "/api/v1/hand-ins", f"/days/{DAY}", f"/days/{DAY}.json", f"/days/{DAY}.csv", f"/ranking?day={DAY}")
FIT_TRACK = "ABC601XYZ_601_20221017_090000.fit"


@define
class Board:
    """The board of a collector, asked by real connections."""

    stage: Stage
    port: int = field(factory=lambda: free_ports("127.0.0.1", 1)[0])

    async def opened(self) -> Program:
        """Start a collector whose board answers."""
        program = self.stage.collector("--web", f"tcp:{self.port}:interface=127.0.0.1")
        await program.says("The board is at ")
        await self.ask("GET", "/healthz")  # until then the reactor may not take signals yet
        return program

    async def ask(self, method: str, path: str, data: bytes | None = None, *, token: bool = False) -> tuple[int, bytes]:
        headers = Headers({"Content-Type": ["application/json"]})
        if token:
            text = (self.stage.event.folder / ".sse_twisted/web-token").read_text().strip()
            headers.setRawHeaders("Authorization", [f"Bearer {text}"])
        client = HTTPClient(Agent(self.stage.reactor))
        answer = await client.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, data=data)
        return answer.code, await answer.content()

    async def hand_in(self, name: str, data: bytes) -> tuple[int, bytes]:
        return await self.ask("POST", f"/hand-in/files?name={name}", data, token=True)


async def board_of(stage: Stage) -> Board:
    """A board of an event with two people, whose devices are away."""
    for identifier in (601, 602):
        await stage.event.device(identifier)
    await stage.event.leave(601, 602)
    stage.event.configure()
    return Board(stage)


@on_the_reactor
async def test_a_file_that_was_acknowledged_outlives_a_kill(stage: Stage) -> None:
    board = await board_of(stage)
    for name, data in (("ABC601XYZ.sbp", SBP), ("ABC602XYZ.fit", FIT)):
        program = await board.opened()
        status, _ = await board.hand_in(name, data)
        program.kill(signal.SIGKILL)
        assert status in (200, 202)
        assert await program.ends() == -signal.SIGKILL
    program = await board.opened()
    expected = {FIT_TRACK.replace(".fit", ".sbp"): SBP, FIT_TRACK.replace("601", "602"): FIT}
    await until(stage.reactor, lambda: found(stage) == expected, "both are filed")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    kept = (stage.event.folder / "hand-in/kept").iterdir()
    assert sorted(path.read_bytes() for path in kept) == sorted([SBP, FIT])


def found(stage: Stage) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (stage.event.folder / "gpslogs").glob("2*/*")}


@on_the_reactor
async def test_no_page_file_or_answer_without_the_token_has_health_data(stage: Stage) -> None:
    board = await board_of(stage)
    program = await board.opened()
    assert (await board.hand_in("ABC601XYZ.fit", FIT))[0] in (200, 202)
    assert (await board.hand_in("ABC602XYZ.sbp", SBP))[0] in (200, 202)
    await until(stage.reactor, lambda: len(found(stage)) == 2, "both are filed")

    status, body = await board.ask("GET", f"/days/{DAY}.zip")
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        names = [name.rpartition("/")[2] for name in archive.namelist()]
        assert sorted(names) == ["ABC602XYZ_602_20221017_090000.sbp", "left out.txt"]
    assert (await board.ask("GET", f"/devices/601/tracks/{FIT_TRACK}"))[0] == 403
    for path in (f"/days/{DAY}.zip", f"/devices/601/tracks/{FIT_TRACK}"):
        assert (await board.ask("POST", path, b"{}"))[0] == 401
    status, body = await board.ask("POST", f"/days/{DAY}.zip", b"{}", token=True)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert FIT in [archive.read(name) for name in archive.namelist()]
    assert status == 200

    told = [(await board.ask("GET", path))[1] for path in PAGES]
    for data in (*told, *(path.read_bytes() for path in (stage.event.folder / "logs").iterdir())):
        assert b"987654321" not in data, "the serial number of the watch"
        assert b"heart" not in data.lower()
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Disk]:
    """A stick with a track on it, mounted outside of the event."""
    place = tmp_path / "elsewhere"
    (place / "stick").mkdir(parents=True)
    yield from disk_at(place / "stick", place)


@pytest.mark.slow
@on_the_reactor
async def test_a_stick_that_hangs_or_dies_disturbs_nothing_and_is_read_later(stage: Stage, stick: Disk) -> None:
    board = await board_of(stage)
    stage.event.configure(f'folders = ["{stick.mount_point}"]', table="hand_in")
    program = await board.opened()
    (stick.source / "ABC601XYZ.sbp").write_bytes(SBP)
    stick.hang()
    await program.says(f"{stick.mount_point} has not answered for 10 s: no hand-in is taken from it until it does")
    status, _ = await board.hand_in("ABC602XYZ.fit", FIT)
    assert status == 200
    (stage.event.folder / "hand-in/ABC602XYZ.sbp").write_bytes(written.sbp(written.points(60, start=MORNING)))
    await until(stage.reactor, lambda: len(found(stage)) == 2, "both are filed")
    assert (await board.ask("GET", f"/days/{DAY}"))[0] == 200
    assert "Disk hangs" not in program.output

    before = len(stick.calls())
    stick.begin(DEAD)
    stick.answer()
    await until(stage.reactor, lambda: len(stick.calls()) > before, "the dead stick is looked at")
    stick.end(DEAD)
    await until(stage.reactor, lambda: SBP in found(stage).values(), "the track of the stick is filed")
    assert (stick.source / "ABC601XYZ.sbp").read_bytes() == SBP
    stick.hang()
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Shutdown timed out" not in program.output
    assert "Downloads pause" not in program.output
