"""Stored tracks as downloads: each by itself, and those of a day as one ZIP file.

Both are streamed: disk reads happen in a thread, a slow client delays only itself, and no file is ever in memory as a
whole. The ZIP file comes from `zipfile` of the standard library, which writes to streams; nothing is compressed, since
that would cost more time than the network of an event.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Generator, Iterable
from typing import Any, Final, cast
from urllib.parse import quote

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web import http
from twisted.web.server import Request
from zope.interface import implementer

from sse_twisted.control.records import Records, TrackFile
from sse_twisted.runtime.disk import Disk
from sse_twisted.web.api import Nothing
from sse_twisted.web.routing import ParsedRequest, Refusal, Route

CHUNK: Final = 256 * 1024  # bytes that are read and sent at once
MAX_BLOCKED: Final = 60.0  # s that a client may take to accept what was sent
LEFT_OUT: Final = "left out.txt"  # in a ZIP file: the tracks that are not in it, and why
PRIVATE: Final = "it may hold health data"
PRIVATE_KINDS: Final = ("fit", "gpx")
FIRST_YEAR: Final = 1980  # that a ZIP file can hold

Chunks = Generator[bytes, None, None]  # reading the next one blocks


@frozen(eq=False)
class TrackFiles:
    """The routes of the downloads."""

    _records: Records
    _disk: Disk
    _clock: IReactorTime
    _event: str  # its name

    def routes(self) -> tuple[Route, ...]:
        day, track = "/days/{day}.zip", "/devices/{identifier}/tracks/{track}"
        return (
            Route("GET", day, self.day),
            Route("POST", day, self.day, takes=Nothing, needs_token=True),
            Route("GET", track, self.track),
            Route("POST", track, self.track, takes=Nothing, needs_token=True),
        )

    async def day(self, request: ParsedRequest) -> None:
        """Stream all tracks of a day that are stored when the download begins; with the token also private ones."""
        day: datetime.date = request.parameters["day"]
        files = await self._records.track_files(day)
        if not files:
            raise Refusal(404, f"no track of {day} is stored")
        self._describe(request.raw, "application/zip", f"{self._event} {day}.zip")
        await self._send(request.raw, zipped(files, with_private=request.raw.method == b"POST"))

    async def track(self, request: ParsedRequest) -> None:
        """Stream one track; respond 304 if the client has it."""
        file = await self._records.track_file(request.parameters["identifier"], request.parameters["track"])
        if file is None:
            raise Refusal(404, "this track is not stored")
        if is_private(file) and request.raw.method != b"POST":
            raise Refusal(403, f"{PRIVATE}: ask for it with the token")
        if request.raw.setETag(f'"{file.sha256 or f"{file.written:x}-{file.length:x}"}"'.encode()) is http.CACHED:
            request.raw.finish()
            return
        self._describe(request.raw, "application/octet-stream", file.file_name)
        request.raw.setHeader("Content-Length", str(file.length))
        await self._send(request.raw, contents(file))

    def _describe(self, request: Request, media_type: str, name: str) -> None:
        request.setHeader("Content-Type", media_type)
        request.setHeader("Content-Disposition", attachment(name))

    async def _send(self, request: Request, chunks: Chunks) -> None:
        """Send the chunks at the pace of the client; close their files, whatever happens."""
        pace = Pace(request, self._clock)
        request.registerProducer(cast(Any, pace), True)
        try:
            while request.method != b"HEAD" and (chunk := await self._disk.run(next, chunks, None)):
                await pace.wait()
                request.write(chunk)
        finally:
            pace.stopProducing()
            await self._disk.run(chunks.close)
        request.unregisterProducer()
        request.finish()


@implementer(IPushProducer)
@define(eq=False)
class Pace:
    """Waits until the client has accepted what was sent; closes the connection if that takes over MAX_BLOCKED."""

    _request: Request
    _clock: IReactorTime
    _resumed: Deferred[None] | None = None
    _is_paused: bool = False
    _timeout: IDelayedCall | None = field(default=None, init=False)

    async def wait(self) -> None:
        """Return when more can be sent."""
        if self._is_paused:
            self._resumed = Deferred()
            await self._resumed

    def pauseProducing(self) -> None:
        self._is_paused = True
        if self._timeout is None:
            self._timeout = self._clock.callLater(MAX_BLOCKED, self._abort)

    def resumeProducing(self) -> None:
        self.stopProducing()
        self._is_paused = False
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)

    def stopProducing(self) -> None:
        """Stop the timer. The router cancels the handler when the client has gone."""
        timeout, self._timeout = self._timeout, None
        if timeout is not None and timeout.active():
            timeout.cancel()

    def _abort(self) -> None:
        if (channel := cast(Any, self._request.channel)) is not None:
            channel.transport.abortConnection()


class _Sink(io.RawIOBase):
    """Keeps what `zipfile` writes until it is taken. It cannot seek, so sizes follow after each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def is_private(file: TrackFile) -> bool:
    """Whether a track may hold health data: the files of watches do, and what is exported from them.

    Its content tells, since somebody may have copied it into its folder under any name.
    """
    return file.kind in PRIVATE_KINDS or file.file_name.lower().endswith(tuple(f".{kind}" for kind in PRIVATE_KINDS))


def zipped(files: Iterable[TrackFile], *, with_private: bool = True) -> Chunks:
    """Yield the bytes of a ZIP file, never empty. Files that are left out are named in LEFT_OUT. Blocks."""
    sink = _Sink()
    left_out = []
    with zipfile.ZipFile(cast(Any, sink), "w") as archive:
        for file in files:
            if is_private(file) and not with_private:
                left_out.append(f"{file.name}: {PRIVATE}; it is in the file that needs the token")
                continue
            if (source := file.open()) is None:
                left_out.append(f"{file.name}: not readable any more")
                continue
            with source, archive.open(_entry(file), "w", force_zip64=file.length >= zipfile.ZIP64_LIMIT) as entry:
                while chunk := source.read(CHUNK):
                    entry.write(chunk)
                    yield sink.take()
        if left_out:
            archive.writestr(LEFT_OUT, "".join(f"{line}\n" for line in left_out))
    yield sink.take()


def contents(file: TrackFile) -> Chunks:
    """Yield the bytes of a file. Raises OSError if it is gone or has another length. Blocks."""
    source = file.open()
    if source is None:
        raise FileNotFoundError(f"{file.local_file} is gone")
    with source:
        left = file.length
        while left > 0:
            if not (chunk := source.read(min(CHUNK, left))):
                raise OSError(f"{file.local_file} has become shorter")
            left -= len(chunk)
            yield chunk


def attachment(name: str) -> str:
    """Return a Content-Disposition for a file name in any alphabet (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _entry(file: TrackFile) -> zipfile.ZipInfo:
    written = datetime.datetime.fromtimestamp(file.written / 1e9, file.zone)
    entry = zipfile.ZipInfo(file.place, max(written.timetuple()[:6], (FIRST_YEAR, 1, 1, 0, 0, 0)))
    entry.external_attr = 0o644 << 16
    return entry
