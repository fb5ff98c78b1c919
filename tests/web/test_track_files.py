"""Downloads of tracks: one by one, and those of a day as a ZIP file."""

from __future__ import annotations

import datetime
import io
import json
import os
import resource
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site

from sse_twisted.control.records import TrackFile
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.disk_threads import DiskThreads
from sse_twisted.web import track_files
from sse_twisted.web.request_queue import RequestQueue
from sse_twisted.web.routing import Router
from sse_twisted.web.track_files import CHUNK, LEFT_OUT, MAX_BLOCKED, Pace, TrackFiles, attachment, zipped
from tests.support.event import track
from tests.web.desk import Desk
from tests.web.test_pages import TRACK

DAY = "2022-10-17"
PLACE = f"20221017/{TRACK}"


@pytest.fixture
def full(desk: Desk) -> Desk:
    """601 and 602 are collected."""
    desk.event.arrive(601, 602)
    desk.event.until("motion-601 can be disconnected")
    desk.event.until("motion-602 can be disconnected")
    return desk


def write_ledger(desk: Desk, entries: dict[str, Any]) -> None:
    (desk.event.folder.device_folder(601) / "downloads.json").write_text(json.dumps(entries))


class TestOneTrack:
    def test_is_sent_whole_under_its_name(self, full: Desk) -> None:
        got = full.get(f"/devices/601/tracks/{TRACK}")
        assert (got.status, got.body) == (200, track(601))
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith(f'attachment; filename="{TRACK}"')

    def test_is_linked_on_the_pages_of_its_device_and_of_its_day(self, full: Desk) -> None:
        for path in ("/devices/601", f"/days/{DAY}"):
            assert f'href="/devices/601/tracks/{TRACK}" download' in full.get(path).text

    def test_is_linked_even_if_the_original_server_stored_it(self, full: Desk) -> None:
        write_ledger(full, {TRACK: {"status": "completed"}, "other.oao": {"status": "skipped"}})
        page = full.get("/devices/601").text
        assert f'href="/devices/601/tracks/{TRACK}" download' in page
        assert "/tracks/other.oao" not in page

    def test_is_not_sent_again_to_a_client_that_has_it(self, full: Desk) -> None:
        tag = full.get(f"/devices/601/tracks/{TRACK}").headers["etag"]
        again = full.get(f"/devices/601/tracks/{TRACK}", If_None_Match=tag)
        assert (again.status, again.body) == (304, b"")
        assert full.get(f"/devices/601/tracks/{TRACK}", If_None_Match='"another"').body == track(601)

    def test_has_headers_only_on_head(self, full: Desk) -> None:
        heard, _ = full.talk(f"HEAD /devices/601/tracks/{TRACK} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
        assert f"\r\ncontent-length: {len(track(601))}\r\n" in heard.decode().lower()
        assert heard.endswith(b"\r\n\r\n")

    @pytest.mark.parametrize(
        "name", ["..%2F..%2Fmotions.csv", "%00", "x" * 500, "downloads.json", "ABC601XYZ_601_20221018_090000.oao"]
    )
    def test_must_be_in_the_ledger(self, full: Desk, name: str) -> None:
        assert full.get(f"/devices/601/tracks/{name}").status == 404
        assert full.get(f"/devices/602/tracks/{TRACK}").status == 404

    @pytest.mark.parametrize(
        "local_file", ["gpslogs/../config/motions.csv", "/etc/passwd", "config/motions.csv", "gpslogs"]
    )
    def test_must_be_in_the_folder_of_tracks(self, full: Desk, local_file: str) -> None:
        write_ledger(full, {"odd.oao": {"status": "completed", "local_file": local_file}})
        assert full.get("/devices/601/tracks/odd.oao").status == 404

    @pytest.mark.parametrize("link", ["config/motions.csv", "gpslogs"])
    def test_must_be_a_file_in_it(self, full: Desk, link: str) -> None:
        path = full.event.root / "gpslogs" / PLACE
        path.unlink()
        path.symlink_to(full.event.root / link)
        assert full.get(f"/devices/601/tracks/{TRACK}").status == 404
        assert full.get(f"/days/{DAY}.zip").status == 200

    def test_may_have_a_name_in_any_alphabet(self, full: Desk) -> None:
        name = "ÆØÅ601_601_20221017_090000.oao"
        folder = full.event.root / "gpslogs" / "20221017"
        (folder / TRACK).rename(folder / name)
        write_ledger(full, {name: {"status": "completed", "local_file": f"gpslogs/20221017/{name}"}})
        got = full.get("/devices/601/tracks/%C3%86%C3%98%C3%85601_601_20221017_090000.oao")
        assert got.body == track(601)
        assert "filename*=UTF-8''%C3%86%C3%98%C3%85601_601" in got.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(full.get(f"/days/{DAY}.zip").body)) as archive:
            assert f"20221017/{name}" in archive.namelist()


class TestTheTracksOfADay:
    def test_are_in_one_file(self, full: Desk) -> None:
        got = full.get(f"/days/{DAY}.zip")
        assert got.headers["content-type"] == "application/zip"
        assert f'filename="{full.event.root.name} {DAY}.zip"' in got.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == [PLACE, PLACE.replace("601", "602")]
            assert archive.read(PLACE) == track(601)
        assert f'href="/days/{DAY}.zip"' in full.get(f"/days/{DAY}").text

    def test_include_the_unassigned_ones(self, full: Desk) -> None:
        name = "motion-601_20221017_120000.oao"
        path = full.event.root / "gpslogs/unassigned/20221017" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(track(601))
        write_ledger(full, {name: {"status": "completed"}})
        with zipfile.ZipFile(io.BytesIO(full.get(f"/days/{DAY}.zip").body)) as archive:
            assert f"unassigned/20221017/{name}" in archive.namelist()

    def test_are_not_there_without_a_stored_track(self, full: Desk) -> None:
        got = full.get("/days/2022-10-18.zip")
        assert (got.status, got.json["detail"]) == (404, "no track of 2022-10-18 is stored")
        assert ".zip" not in full.get("/days/2022-10-18").text

    def test_have_headers_only_on_head(self, full: Desk) -> None:
        got = full.ask("HEAD", f"/days/{DAY}.zip")
        assert (got.status, got.body) == (200, b"")


def file_of(root: Path, place: str, content: bytes | int = b"track") -> TrackFile:
    path = root / "gpslogs" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, int):
        path.touch()
        os.truncate(path, content)
    else:
        path.write_bytes(content)
    status = path.stat()
    written = status.st_mtime_ns
    return TrackFile(path.name, f"gpslogs/{place}", "", status.st_size, written, datetime.UTC, EventFolder(root))


class TestTheFile:
    @pytest.mark.parametrize("program", [["unzip", "-t"], ["bsdtar", "-tvf"], ["python3", "-m", "zipfile", "-t"]])
    def test_opens_in_other_programs(self, tmp_path: Path, program: list[str]) -> None:
        if shutil.which(program[0]) is None:
            pytest.skip(f"{program[0]} is not installed")
        files = [file_of(tmp_path, f"20221017/{name}.oao", bytes(300_000)) for name in ("a", "ÆØÅ", "c d")]
        (tmp_path / "day.zip").write_bytes(b"".join(zipped(files)))
        done = subprocess.run([*program, tmp_path / "day.zip"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_names_what_could_not_be_read(self, tmp_path: Path) -> None:
        files = [file_of(tmp_path, f"20221017/{name}.oao") for name in "ab"]
        (tmp_path / "gpslogs/20221017/a.oao").unlink()
        with zipfile.ZipFile(io.BytesIO(b"".join(zipped(files)))) as archive:
            assert archive.namelist() == ["20221017/b.oao", LEFT_OUT]
            assert archive.read(LEFT_OUT) == b"a.oao: not readable any more\n"

    def test_has_the_track_as_it_was_when_its_turn_came(self, tmp_path: Path) -> None:
        """A track that is downloaded anew replaces the file; it does not write into it."""
        file = file_of(tmp_path, "20221017/a.oao", b"a" * 3 * CHUNK)
        chunks = zipped([file])
        begun = next(chunks)
        (tmp_path / "new").write_bytes(b"b" * 10)
        (tmp_path / "new").replace(tmp_path / "gpslogs/20221017/a.oao")
        with zipfile.ZipFile(io.BytesIO(begun + b"".join(chunks))) as archive:
            assert archive.read("20221017/a.oao") == b"a" * 3 * CHUNK

    def test_never_leaves_the_folder_in_which_it_is_unpacked(self, tmp_path: Path) -> None:
        file = file_of(tmp_path, "20221017/a.oao")
        odd = TrackFile("a", "gpslogs//20221017/./a.oao", "", 5, 0, datetime.UTC, EventFolder(tmp_path))
        assert (file.place, odd.place) == ("20221017/a.oao", "20221017/a.oao")
        with zipfile.ZipFile(io.BytesIO(b"".join(zipped([odd])))) as archive:
            assert archive.getinfo("20221017/a.oao").date_time == (1980, 1, 1, 0, 0, 0)


class Client(Protocol):
    """Counts what it receives; `gone` fires when the connection is lost."""

    def __init__(self) -> None:
        self.received = 0
        self.end = b""
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        self.end = (self.end + data)[-30:]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


class Hall:
    """The routes of the downloads at a real port, with ten tracks of 20 MB on disk."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.files = tuple(file_of(root, f"20221017/{number}.oao", 20_000_000) for number in range(10))
        self.read = 0  # bytes
        self.closed: Deferred[None] = Deferred()
        self.paused: Deferred[None] = Deferred()
        self.clock = Clock()
        monkeypatch.setattr(track_files, "zipped", self._counted)
        monkeypatch.setattr(Pace, "pauseProducing", self._noted(Pace.pauseProducing))
        threads = DiskThreads(reactor)
        disk = Disk(threads.start, self.clock, Logger(), lambda: None)
        routes = TrackFiles(cast(Any, self), disk, self.clock, "Weymouth").routes()
        queue = RequestQueue(reactor, Logger())
        router = Router(routes, lambda request, route: None, cast(Any, None), {}, queue, Logger())
        self.port: Any = self.reactor.listenTCP(0, cast(Any, Site(cast(Any, router))), interface="127.0.0.1")

    async def track_files(self, day: datetime.date) -> tuple[TrackFile, ...]:
        return self.files

    async def connect(self) -> Client:
        client = Client()
        await connectProtocol(TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port.getHost().port), client)
        cast(Any, client.transport).write(b"GET /days/2022-10-17.zip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return client

    def _counted(self, files: Any, *, with_private: bool = True) -> Iterator[bytes]:
        try:
            for chunk in zipped(files):
                self.read += len(chunk)
                yield chunk
        finally:
            self.reactor.callFromThread(self.closed.callback, None)

    def _noted(self, pause: Any) -> Any:
        def note(pace: Pace) -> None:
            pause(pace)
            if not self.paused.called:
                self.paused.callback(None)

        return note


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hall:
    return Hall(tmp_path, monkeypatch)


def resident() -> int:
    """The memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class TestADownload:
    async def test_of_200_mb_arrives_whole_and_needs_little_memory(self, hall: Hall) -> None:
        before = resident()
        client = await hall.connect()
        await client.gone
        await hall.closed
        assert client.received > hall.read > 200_000_000
        assert client.end.endswith(b"\r\n0\r\n\r\n")
        assert resident() - before < 40_000_000
        await hall.port.stopListening()

    async def test_waits_for_a_slow_client_and_ends_with_one_that_hangs(self, hall: Hall) -> None:
        client = await hall.connect()
        cast(Any, client.transport).pauseProducing()
        await hall.paused
        assert hall.read < 50_000_000  # what the buffers of the system take
        hall.clock.advance(MAX_BLOCKED - 1)
        assert not hall.closed.called
        hall.clock.advance(1)
        await hall.closed
        cast(Any, client.transport).abortConnection()
        await client.gone
        await hall.port.stopListening()

    async def test_ends_with_a_client_that_goes_away(self, hall: Hall) -> None:
        client = await hall.connect()
        cast(Any, client.transport).pauseProducing()
        await hall.paused
        cast(Any, client.transport).abortConnection()
        await client.gone
        await hall.closed
        assert hall.read < 50_000_000
        hall.clock.advance(0)
        assert not hall.clock.getDelayedCalls()
        await hall.port.stopListening()


def test_a_file_name_in_a_header_is_quoted() -> None:
    assert attachment('Ü "a"\r\n.zip') == (
        "attachment; filename=\"_ _a___.zip\"; filename*=UTF-8''%C3%9C%20%22a%22%0D%0A.zip"
    )
