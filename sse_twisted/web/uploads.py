"""Bodies of requests that bring files to be handed in: they go to disk while they arrive, and never into memory whole.

A program or a script sends one file as it is, with the token in a header. A page without a script sends a form, whose
first fields are the token and what is said about its files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import parse_qs

from attrs import define, field
from msgspec import Struct
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger
from twisted.web.server import Request

from sse_twisted.handin.intake import MAX_SIZE, Incoming, Kept, Unacceptable, clean_name, too_large
from sse_twisted.handin.register import shown
from sse_twisted.runtime.clients import client_of
from sse_twisted.runtime.disk import Disk, DiskTrouble
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.web.routing import Refusal, Upload, header
from sse_twisted.web.security import WITH_TOKEN

PAGE: Final = "/hand-in"
FILES: Final = "/hand-in/files"
CHUNK: Final = 256 * 1024  # bytes that are written at once
FIELDS: Final = ("token", "who", "file_id")  # of the form
MAX_FIELD: Final = 1000  # bytes of a field of the form
MAX_FILES: Final = 500  # in one form
MAX_FORM: Final = MAX_SIZE + 64 * 1024  # bytes
WRONG_TOKEN: Final = "wrong token: it is in the file that the hint on the page names"  # noqa: S105 - a message
NO_TOKEN: Final = "handing in needs the token"  # noqa: S105 - a message


@define(eq=False)
class Uploads:
    """Begins an upload for each request to one of the two paths."""

    _incoming: Callable[[str], Incoming]
    _disk: Disk
    _has_token: Callable[[Request], bool]
    _is_token: Callable[[str], bool]
    _log: Logger

    def begin(self, request: Request, length: int | None) -> Upload | None:
        """Return what takes the body of a request, None if it brings no file; raises Refusal."""
        channel = cast(Any, request.channel)
        method, path = channel.asked
        if method != b"POST" or path not in (FILES.encode(), PAGE.encode()):
            return None
        writer = Writer(channel, self._disk, Tasks(self._log), self._log, client_of(request.getClientAddress()))
        if path == FILES.encode():
            if not self._has_token(request):
                raise Refusal(401, NO_TOKEN, WITH_TOKEN)
            name = parse_qs(channel.query.decode("ascii", errors="replace")).get("name", ["unnamed"])[-1]
            if length is not None and length > MAX_SIZE:
                writer.tell(name, str(too_large(length)))
                raise Refusal(413, str(too_large(length)))
            writer.expect()
            return FileUpload(writer, name, self._incoming(name))
        kind, options = parse_options_header(header(request, "content-type"))
        if kind != "multipart/form-data" or not options.get("boundary"):
            raise Refusal(415, "unsupported content type; send multipart/form-data")
        if length is not None and length > MAX_FORM:
            writer.tell("(a form)", str(too_large(length)))
            raise Refusal(413, str(too_large(length)))
        return FormUpload(writer, self._incoming, self._is_token, options["boundary"])


@define(eq=False)
class Writer:
    """Writes pieces of files in threads, in their order; while much waits, the client sends nothing."""

    _channel: Any
    _disk: Disk
    _tasks: Tasks
    _log: Logger
    _client: str
    _turn: DeferredLock = field(factory=DeferredLock, init=False)
    _waiting: list[tuple[FileUpload, bytes | None]] = field(factory=list, init=False)  # None: the end
    _size: int = field(default=0, init=False)

    def tell(self, name: str, why: str) -> None:
        """Log why a file is not kept."""
        text = "Hand-in {name} from {client} is not kept: {why}"
        self._log.warn(text, name=shown(clean_name(name)), client=self._client, why=why)

    def expect(self) -> None:
        """Let the client take long, as long as bytes arrive: it has the token."""
        self._channel.expect_upload()

    def write(self, file: FileUpload, data: bytes) -> None:
        self._waiting.append((file, data))
        self._size += len(data)
        if self._size >= CHUNK:
            self._channel.hold()
        if self._size >= CHUNK and "write" not in self._tasks:
            self._tasks.start("write", self.flush(), "A file that is handed in could not be written")

    def end(self, file: FileUpload) -> None:
        """Close the file when all that waits for it is written."""
        self._waiting.append((file, None))

    async def flush(self) -> None:
        """Return when all that was passed to `write` is on disk; raises DiskTrouble."""
        async with self._turn:
            waiting, self._waiting, self._size = self._waiting, [], 0
            pieces: dict[FileUpload, list[bytes | None]] = {}
            for file, data in waiting:
                pieces.setdefault(file, []).append(data)
            for file, parts in pieces.items():
                await file.write(self._disk, b"".join(filter(None, parts)), is_end=None in parts)
        self._channel.go_on()

    async def finish(self, file: FileUpload) -> Kept:
        """Write all that waits, and keep the file; raises Unacceptable or DiskTrouble."""
        await self.flush()
        async with self._turn:
            return await file.finish_on(self._disk)

    def abort(self, file: FileUpload) -> None:
        """Forget a file that is not finished."""
        self._tasks.start(object(), self._abort(file), "A file that was cut could not be removed")

    async def _abort(self, file: FileUpload) -> None:
        async with self._turn:
            self._waiting = [each for each in self._waiting if each[0] is not file]
            await self._disk.run(file.incoming.abort)


@define(eq=False)
class FileUpload:
    """One file. Its first trouble is the answer to the request."""

    _writer: Writer
    _name: str
    incoming: Incoming
    _trouble: Exception | None = None
    _is_finished: bool = False  # or given up

    def feed(self, data: bytes) -> None:
        """Take the bytes that follow; raises Refusal if an earlier piece was too much or could not be written."""
        if self._trouble is not None:
            raise refusal_of(self._trouble)
        self._writer.write(self, data)

    def end(self) -> None:
        """Nothing follows: the file need not stay open."""
        self._writer.end(self)

    async def write(self, disk: Disk, data: bytes, *, is_end: bool) -> None:
        """Write a piece; a failure is kept for `feed` and `finish`."""
        if self._trouble is None and not self._is_finished:
            try:
                if data:
                    await disk.write(self.incoming.write, data)
                if is_end:
                    await disk.write(self.incoming.seal)
            except (Unacceptable, DiskTrouble) as error:
                self._trouble = error
                self._writer.tell(self._name, str(error))

    async def finish(self) -> Kept:
        """Keep the file; raises Refusal."""
        try:
            return await self._writer.finish(self)
        except (Unacceptable, DiskTrouble) as error:
            raise refusal_of(error) from None

    async def finish_on(self, disk: Disk) -> Kept:
        """Do the same at once."""
        try:
            if self._trouble is None:
                return await disk.write(self.incoming.finish)
        except (Unacceptable, DiskTrouble) as error:
            self._trouble = error
            self._writer.tell(self._name, str(error))
        finally:
            self._is_finished = True
            await disk.run(self.incoming.abort)
        raise self._trouble

    def abort(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            if self._trouble is None:
                self._writer.tell(self._name, "the upload was cut")
            self._writer.abort(self)


def refusal_of(error: Exception) -> Refusal:
    """Return the answer to a file that is not kept."""
    if isinstance(error, DiskTrouble):
        return Refusal(507, f"the file cannot be kept: {error}")
    text = str(error)
    return Refusal(413 if text.startswith("too large") else 400, text)


class Sent(Struct, frozen=True):
    """A file of a form: kept, or why it is not."""

    name: str
    kept: Kept | None
    why: str = ""


@define(eq=False)
class FormUpload:
    """The files of a form, one after the other."""

    _writer: Writer
    _incoming: Callable[[str], Incoming]
    _is_token: Callable[[str], bool]
    _boundary: str
    fields: dict[str, str] = field(factory=dict, init=False)
    _parser: PushMultipartParser = field(init=False)
    _name: str = field(default="", init=False)  # of the field that arrives
    _file: FileUpload | None = field(default=None, init=False)  # that arrives
    _files: list[tuple[str, FileUpload]] = field(factory=list, init=False)

    @_parser.default
    def _bounded(self) -> PushMultipartParser:
        return PushMultipartParser(self._boundary, max_segment_size=MAX_SIZE, max_segment_count=MAX_FILES + 10)

    def feed(self, data: bytes) -> None:
        """Take the bytes that follow; raises Refusal."""
        try:
            for event in self._parser.parse(data):
                self._take(event)
        except MultipartError as error:
            raise Refusal(400, f"the form cannot be read: {error}") from None

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if event is None:
            if self._file is not None:
                self._file.end()
            self._file, self._name = None, ""
        elif isinstance(event, MultipartSegment):
            self._begin(event)
        elif self._file is not None:
            self._file.feed(bytes(event))
        elif self._name:
            text = self.fields.get(self._name, "") + event.decode(errors="replace")
            if len(text) > MAX_FIELD:
                raise Refusal(400, "a field of the form is too long")
            self.fields[self._name] = text

    def _begin(self, segment: MultipartSegment) -> None:
        self._file, self._name = None, segment.name if segment.name in FIELDS else ""
        if segment.filename is None:
            return
        if not self._is_token(self.fields.get("token", "").strip()):
            raise Refusal(401, WRONG_TOKEN)
        self._writer.expect()
        if segment.filename:
            self._file = FileUpload(self._writer, segment.filename, self._incoming(segment.filename))
            self._files.append((segment.filename, self._file))

    async def finish(self) -> list[Sent]:
        """Keep the files; raises Refusal if the form was cut."""
        try:
            self._parser.close()
        except MultipartError as error:
            self.abort()
            raise Refusal(400, f"the form was cut: {error}") from None
        sent = []
        for name, file in self._files:
            try:
                sent.append(Sent(name, await file.finish()))
            except Refusal as refusal:
                sent.append(Sent(name, None, refusal.detail))
        return sent

    def abort(self) -> None:
        for _, file in self._files:
            file.abort()
