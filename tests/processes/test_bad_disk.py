"""A collector on a disk that hangs, dies, or lacks what others can: a real process, and a FUSE file system."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import define
from treq.client import HTTPClient
from twisted.internet.utils import getProcessOutputAndValue
from twisted.web.client import Agent
from twisted.web.http_headers import Headers

from sse_twisted.simulator.addresses import free_ports
from tests.processes.bad_disk import Disk, disk_at
from tests.processes.stage import Stage
from tests.simulator.wire import on_the_reactor
from tests.support.courses import S1, write_courses
from tests.support.daemon import COLUMNS, END_WITHIN, Program, until
from tests.support.disk_faults import DEAD, NO_CHMOD, NO_FLOCK, NO_FOLDER_SYNC
from tests.tracks.written import points, sbp

DAY = "2022-10-17"
TRACK = "ABC601XYZ_601_20221017_090000.oao"
AT_HAND = ("/", "/roster", "/help", "/support", "/metrics", "/healthz", "/readyz", "/api/v1/openapi.json")
READ = (
    "/days",
    f"/days/{DAY}",
    f"/days/{DAY}?only=missing",
    f"/days/{DAY}.csv",
    f"/days/{DAY}.json",
    f"/days/{DAY}.zip",
    "/ranking",
    "/devices/601",
    f"/devices/601/tracks/{TRACK}",
    f"/devices/601/{TRACK}.svg",
    "/course",
    f"/course/{DAY}",
    f"/course/{DAY}.csv",
    f"/course/{DAY}/601",
)
COMMANDS = ("rescan", "pause", "resume", "reload", "devices/601/retry")
PAGE_TIMEOUT = 15  # s; a page may wait for 10


@pytest.fixture
def disk(stage: Stage) -> Iterator[Disk]:
    yield from disk_at(stage.event.folder, stage.event.root)


@define
class Board:
    """A collector with its board and its console by SSH."""

    reactor: Any
    program: Program
    web: int
    ssh: int
    key: Path
    token: str = ""

    async def get(self, path: str) -> tuple[int, str]:
        client = HTTPClient(Agent(self.reactor))
        answer = await client.get(f"http://127.0.0.1:{self.web}{path}", timeout=PAGE_TIMEOUT)
        body = await answer.content().addTimeout(PAGE_TIMEOUT, self.reactor)
        return answer.code, body.decode(errors="replace")

    async def post(self, command: str, body: object = None) -> int:
        return (await self.ask(command, body))[0]

    async def ask(self, command: str, body: object = None) -> tuple[int, str]:
        """Status and text of the answer to a command."""
        return await self._send(f"/api/v1/{command}", json.dumps(body or {}).encode(), "application/json")

    async def hand_in(self, name: str, data: bytes) -> tuple[int, str]:
        """Status and text of the answer to a file that is handed in."""
        return await self._send(f"/hand-in/files?name={quote(name)}&who=Ann", data, "application/octet-stream")

    async def bundle(self) -> bytes:
        """A support bundle, which is made now."""
        answer = await self._post("/bundle.zip", b"{}", "application/json")
        content: bytes = await answer.content()
        return content

    async def _send(self, path: str, data: bytes, kind: str) -> tuple[int, str]:
        answer = await self._post(path, data, kind)
        return answer.code, await answer.text().addTimeout(PAGE_TIMEOUT, self.reactor)

    async def _post(self, path: str, data: bytes, kind: str) -> Any:
        headers = Headers({"Authorization": [f"Bearer {self.token}"], "Content-Type": [kind]})
        url = f"http://127.0.0.1:{self.web}{path}"
        return await HTTPClient(Agent(self.reactor)).post(url, data=data, headers=headers, timeout=PAGE_TIMEOUT)

    async def run(self, line: str) -> tuple[int, str]:
        """Exit status and output of a line of the console, by SSH."""
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        arguments = ["-F", "none", *(f"-o{option}" for option in options), "-i", str(self.key)]
        arguments += ["-p", str(self.ssh), "sse@127.0.0.1", line]
        ssh = getProcessOutputAndValue(shutil.which("ssh") or "", arguments, None, reactor=self.reactor)
        out, err, status = await ssh.addTimeout(2 * PAGE_TIMEOUT, self.reactor)
        return status, (out + err).decode()


async def board_of(stage: Stage) -> Board:
    """A collector that has collected 601."""
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh here: apt-get install openssh-client")
    await stage.event.device(601, 50_000)
    stage.event.configure("disk_reserve = 1", table="downloads")
    key = stage.event.root / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    web, ssh = free_ports("127.0.0.1", 2)
    here = "interface=127.0.0.1"
    places = ("--web", f"tcp:{web}:{here}", "--manhole", f"tcp:0:{here}", "--manhole-ssh", f"tcp:{ssh}:{here}")
    config = ("--config", str(stage.event.config), "--manhole-keys", f"{key}.pub")
    program = stage.elsewhere.start("-n", "--pidfile=", "sse", *config, *places)
    board = Board(stage.reactor, program, web, ssh, key)
    await program.says("motion-601 can be disconnected")
    board.token = (stage.event.folder / ".sse_twisted" / "web-token").read_text().strip()
    return board


def thread_of(program: Program) -> int:
    """The thread of the reactor, which is the process' first."""
    transport: Any = program.transport
    number: int = transport.pid
    return number


@pytest.mark.slow
@on_the_reactor
async def test_after_its_start_the_reactor_leaves_the_disk_to_its_threads(stage: Stage, disk: Disk) -> None:
    board = await board_of(stage)
    begun = len(disk.calls())
    for path in (*AT_HAND, *READ):
        assert (await board.get(path))[0] in (200, 404), path
    for command in COMMANDS:
        assert await board.post(command) in (200, 202), command
    for line in ("fleet", "device(601)", f"tracks('{DAY}')", "pause", "resume", "reload", "roster", "loglevel('info')"):
        assert (await board.run(line))[0] == 0, line
    board.program.kill(signal.SIGHUP)
    await board.program.says("Configuration unchanged")
    stage.event.write_roster([601, 602])
    kept = stage.event.folder / ".sse_twisted" / "roster.json"
    await until(stage.reactor, lambda: kept.exists() and "602" in kept.read_text(), "")
    calls = disk.calls()[begun:]
    assert len(calls) > 100
    assert not [call for thread, call in calls if thread == thread_of(board.program)]
    board.program.kill(signal.SIGTERM)
    assert await board.program.ends(END_WITHIN) == 0


@pytest.mark.slow
@on_the_reactor
async def test_while_the_disk_hangs_each_page_and_command_answers_and_then_all_goes_on(
    stage: Stage, disk: Disk
) -> None:
    board = await board_of(stage)
    await stage.event.device(602, 50_000)
    await stage.collects(board.program, 602)
    disk.hang()
    status, said = await board.get("/days")
    assert (status, "the disk has not answered for 1" in said) == (503, True)
    for path in READ:
        assert (await board.get(path))[0] in (404, 503), path
        assert (await board.get("/healthz"))[0] == 200
    for path in AT_HAND:
        assert (await board.get(path))[0] == (503 if path == "/readyz" else 200), path
    assert "the disk has not answered" in (await board.get("/"))[1]
    for command in COMMANDS:
        assert await board.post(command) in (200, 202, 404, 409), command
    assert (await board.run("fleet"))[0] == 0
    for line, said in (
        ("device(601)", "error: the disk has not answered for "),
        ("pause", "error: downloads paused, but only until a restart: the disk has not answered"),
        ("resume", "error: downloads resumed, but only until a restart: the disk has not answered"),
        ("reload", "error: cannot read the configuration, keeping the previous one: the disk has not answered"),
    ):
        status, output = await board.run(line)
        assert status == 1
        assert said in output
    board.program.kill(signal.SIGHUP)
    await board.program.says("Cannot read the configuration, keeping the previous one: the disk has not answered for")
    assert (await board.get("/healthz"))[0] == 200
    disk.answer()
    await board.program.says("Disk answers again")
    for path in READ[:-1]:
        assert (await board.get(path))[0] == 200, path
    await stage.event.device(603, 50_000)
    await stage.collects(board.program, 603)
    assert stage.event.expected(603).items() <= stage.event.tracks().items()
    assert "Traceback" not in board.program.output
    disk.hang()
    await board.program.says("Disk hangs")
    board.program.kill(signal.SIGTERM)
    assert await board.program.ends(END_WITHIN) == 0


@pytest.mark.slow
@on_the_reactor
async def test_a_signal_ends_it_in_time_if_the_disk_has_hung_for_a_moment_only(stage: Stage, disk: Disk) -> None:
    board = await board_of(stage)
    disk.hang()
    board.program.kill(signal.SIGTERM)
    assert await board.program.ends(END_WITHIN) == 0


@pytest.mark.slow
@on_the_reactor
async def test_a_start_on_a_disk_that_hangs_says_so_and_ends(stage: Stage, disk: Disk) -> None:
    stage.event.configure()
    disk.hang()
    for more in (("--check",), ()):
        status, said = await stage.elsewhere.run("-n", "sse", "--event", str(stage.event.folder), *more)
        assert status == 1
        assert f"{stage.event.folder}: its disk has not answered for 10 s; is it plugged in?" in said


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


DECISION = {"action": "course", "who": "Committee", "reason": "wind", "course": "S1", "set": {"Direction": 10}}
AWAY = "another folder is in the place of the event folder"
SBP = sbp(points(100))
TODAY = ("2022-10-15", "2099-12-31")  # the days of the roster


def fill(folder: Path) -> None:
    """Make an event folder of an earlier year, with files to be taken in."""
    for name in (
        *("config/sessions/20221017", "gpslogs/20221017", "motions/motion-601", "motions/motion-602", "logs"),
        *("results/gpsdata", "gpsdata/20221017", "hand-in/kept", ".sse_twisted/starts"),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / ".sse_twisted").chmod(0o700)
    (folder / "hand-in" / "ABC601XYZ old.sbp").write_bytes(SBP)
    write_courses(folder, S1=S1)
    (folder / "config" / "motions.csv").write_text(f"{','.join(COLUMNS)}\n777,2022-10-15,2099-12-31,OLD,Old,Sailor\n")


def contains(program: Program, text: str) -> bool:
    return text in program.output


async def write_all(board: Board, key: str, phase: str) -> None:
    """Make each command write that can, and see that each says that it could not."""
    for command, body, said in (
        ("pause", None, "downloads paused, but only until a restart: "),
        ("resume", None, "downloads resumed, but only until a restart: "),
        ("devices/604/not-expected", {"reason": phase}, "not expected, but not saved yet: "),
        ("courses/2022-10-17/decisions", DECISION, "not decided: "),
        (f"hand-ins/{key}/owner", {"file_id": "ABC602XYZ", "who": "Ann"}, "not done yet: "),
        (f"hand-ins/{key}/counts", COUNTS, "not saved: "),
    ):
        status, text = await board.ask(command, body)
        assert (status, said + AWAY in text) == (409, True), (command, text)
    for command, body in (
        ("devices/604/expect", None),  # as it is on the disk
        ("loglevel", {"level": "debug"}),
        ("devices/601/retry", None),
        ("devices/602/forget", None),
    ):
        assert await board.post(command, body) == 200, command
    status, text = await board.hand_in(f"ABC602XYZ {phase}.sbp", SBP + b"\n")
    assert (status, f"the file cannot be kept: {AWAY}" in text) == (507, True), text
    assert (await board.bundle())[:2] == b"PK"
    board.program.kill(signal.SIGHUP)


COUNTS = {"day": "2022-10-19", "counts": True, "who": "Ann", "reason": "it is longer"}


@pytest.mark.slow
@on_the_reactor
async def test_nothing_is_written_below_the_mount_point_when_the_disk_has_gone(stage: Stage, disk: Disk) -> None:
    """Whatever is written, and although a whole event folder is there, as of an earlier year."""
    with disk.below() as below:
        fill(below)
        before = contents(below)
    write_courses(stage.event.folder, S1=S1)
    stage.event.days = TODAY
    stage.event.write_roster([604])
    board = await board_of(stage)
    status, text = await board.hand_in("ABC601XYZ.sbp", SBP)
    assert status == 200, text
    key = json.loads(text)["key"]
    await stage.event.device(602, 50_000)
    await stage.collects(board.program, 602)
    await stage.event.leave(602)
    slow = await stage.event.device(603, 3_000_000)
    slow.bytes_per_second = 400_000
    await stage.downloads(board.program, 600_000)
    disk.hide()
    await write_all(board, key, "at once")
    assert contents(below) == before
    await stage.event.return_(602)
    slow.bytes_per_second = 0
    await board.program.says("Event folder gone")
    status, text = await board.get("/days")
    assert (status, f"{AWAY[1:]} (" in text) == (503, True), text
    await write_all(board, key, "later")
    for text in (
        "Cannot save the state of the devices, retrying: ",
        "Cannot save the roster for the next start, retrying: ",
        "motion-601 must stay connected - tracks can't be stored: ",
        "motion-602 must stay connected - tracks can't be stored: ",
        "motion-603 must stay connected - ",
    ):
        await until(stage.reactor, partial(contains, board.program, text), text)
    assert contents(below) == before
    board.program.kill(signal.SIGTERM)
    assert await board.program.ends(END_WITHIN) == 0
    assert contents(below) == before
    assert "Traceback" not in board.program.output


@pytest.mark.slow
@on_the_reactor
async def test_an_end_right_after_the_disk_has_gone_writes_nothing_below_it(stage: Stage, disk: Disk) -> None:
    with disk.below() as below:
        for name in ("gpslogs", "motions", "logs", ".sse_twisted"):
            (below / name).mkdir()
        before = contents(below)
    board = await board_of(stage)
    disk.hide()
    board.program.kill(signal.SIGHUP)
    board.program.kill(signal.SIGTERM)
    assert await board.program.ends(END_WITHIN) == 0
    assert contents(below) == before


@on_the_reactor
async def test_a_stick_that_dies_pauses_downloads_and_loses_nothing(stage: Stage, disk: Disk) -> None:
    device = await stage.event.device(601, 1_000_000, 50_000)
    device.bytes_per_second = 400_000
    stage.event.configure("disk_reserve = 1", table="downloads")
    program = stage.collector()
    await stage.downloads(program, 250_000)
    disk.begin(DEAD)
    await program.says("Downloads pause: ")
    await program.says("motion-601 must stay connected")
    assert "can be disconnected" not in program.output
    device.bytes_per_second = 0
    disk.end(DEAD)
    await program.says("Downloads resume")
    await program.says("motion-601 can be disconnected")
    assert stage.event.tracks() == stage.event.expected(601)
    disk.begin(DEAD)
    await program.says("Event folder gone")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output


@pytest.mark.slow
@on_the_reactor
async def test_what_a_file_system_lacks_is_remarked_and_does_not_keep_devices(stage: Stage, disk: Disk) -> None:
    disk.begin(NO_FLOCK, NO_FOLDER_SYNC, NO_CHMOD)
    await stage.event.device(601, 50_000)
    stage.event.configure("disk_reserve = 1", table="downloads")
    remarks = (
        "its file system cannot sync folders: after a power cut the newest file names may be missing",
        "its file system knows no locks: make sure yourself that no collector on another computer works in it",
    )
    status, said = await stage.elsewhere.run("sse", "--config", str(stage.event.config), "--check")
    assert status == 0
    assert all(remark in said for remark in remarks)
    program = stage.collector()
    for remark in remarks:
        await program.says(f"Event folder: {remark}")
    await program.says("motion-601 can be disconnected")
    assert stage.event.tracks() == stage.event.expected(601)
    for more in (("--check",), ()):
        status, said = await stage.elsewhere.run("-n", "sse", "--config", str(stage.event.config), *more)
        assert f"is in use by another collector (process {thread_of(program)} on " in said
        assert status == (0 if more else 1)
    program.kill(signal.SIGKILL)
    await program.ends()
    program = stage.collector()
    await program.says("motion-601 can be disconnected")
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert "Traceback" not in program.output
