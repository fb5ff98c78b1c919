"""The log's outputs: twistd's own log, `logs/server.log` in the original's format, and `logs/server.json`.

All parts of the collector log to the journal's publisher; console and files have their own levels. Twisted's global log
cannot filter debug lines for one observer only, and its file format is not the original's.
"""

from __future__ import annotations

import datetime
import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

from twisted.application.service import Service
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevelFilterPredicate,
    LogPublisher,
    eventAsJSON,
    globalLogPublisher,
)
from zope.interface import implementer

from sse_twisted.config.settings import Log
from sse_twisted.event_folder.files import quarantine
from sse_twisted.history.events import words_of
from sse_twisted.runtime.line_writer import LineWriter
from sse_twisted.runtime.log_levels import log_level

NAMESPACE = "sse"
FLUSH_TIMEOUT = 0.3  # s for the last lines, where the disk hangs at the end


class Journal(Service):
    """Passes the collector's log events to all observers. Its files are open while it runs."""

    def __init__(self, folder: Path, settings: Callable[[], Log], guard: Callable[[], None] = lambda: None) -> None:
        """`guard` is called in a thread before a file is opened again; it raises OSError if the folder has gone."""
        self.json_file = folder / "server.json"
        self.earlier = 0  # bytes of it that earlier runs wrote
        self._publisher = LogPublisher()
        self._settings = settings
        formats = ((folder / "server.log", _as_original), (self.json_file, _as_json))
        reports = guard, self._report, self._report_dropped, self._report_aside
        self._files = [_File(path, line, *reports) for path, line in formats]
        self._console = LogLevelFilterPredicate()
        self._file = LogLevelFilterPredicate()
        self._observers = [FilteringLogObserver(file, [self._file]) for file in self._files]
        self._publisher.addObserver(FilteringLogObserver(globalLogPublisher, [self._console]))
        self.reconfigure()

    @property
    def log(self) -> Logger:
        """The logger for all parts of the collector."""
        return Logger(namespace=NAMESPACE, observer=self._publisher)

    def observe(self, observer: Callable[[LogEvent], None]) -> None:
        """Call `observer` with every event, at any level."""
        self._publisher.addObserver(cast(ILogObserver, observer))

    def startService(self) -> None:
        """Open the files. If that fails, log it: lines wait in memory until it succeeds, and collection goes on."""
        super().startService()
        for file, observer in zip(self._files, self._observers, strict=True):
            try:
                file.open()
            except OSError as error:
                self._report(error)
            self._publisher.addObserver(observer)
        with suppress(OSError):
            self.earlier = self.json_file.stat().st_size

    def stopService(self) -> None:
        super().stopService()
        end = time.monotonic() + FLUSH_TIMEOUT
        for file in self._files:
            file.writer.release()
        for file, observer in zip(self._files, self._observers, strict=True):
            self._publisher.removeObserver(observer)
            file.close(max(end - time.monotonic(), 0.0))

    def reconfigure(self) -> None:
        """Apply the live levels, and reopen the files, which may have been rotated."""
        settings = self._settings()
        for predicate, level in ((self._console, settings.console), (self._file, settings.file)):
            predicate.clearLogLevels()
            predicate.setLogLevelForNamespace("", log_level(level))
        if self.running:
            for file in self._files:
                file.reopen()

    def flush(self) -> None:
        """Block until all lines are in the files, or FLUSH_TIMEOUT is over."""
        for file in self._files:
            file.writer.flush(FLUSH_TIMEOUT)

    def hold(self) -> None:
        """Keep lines in memory: the event folder is not at its path."""
        for file in self._files:
            file.writer.hold()

    def release(self) -> None:
        """Open the files again, and write the lines that wait."""
        for file in self._files:
            file.reopen()
            file.writer.release()

    def _report(self, error: OSError) -> None:
        text = "Cannot write the log file, logging to the console only until it works again: {error}"
        self.log.error(text, error=str(error))

    def _report_aside(self, file: str, kept: str) -> None:
        text = "{file} was a hard link, perhaps to a file of somebody else: kept as {path}, a new file begins"
        self.log.warn(text, file=file, path=kept)

    def _report_dropped(self, file: str, count: int) -> None:
        text = "{count} log lines were dropped: the disk did not keep up with {file}"
        self.log.warn(text, count=count, file=file)


@implementer(ILogObserver)
class _File:
    """A log file, written in a thread. It never stops the collector.

    Lines that cannot be written wait, within a bound. The first failure is reported together with the next event,
    because the thread must not log.
    """

    def __init__(
        self,
        path: Path,
        format_line: Callable[[LogEvent], str],
        guard: Callable[[], None],
        failed: Callable[[OSError], None],
        dropped: Callable[[str, int], None],
        put_aside: Callable[[str, str], None],
    ) -> None:
        self._path = path
        self._format_line = format_line
        self._guard = guard
        self._dropped = partial(dropped, path.name)
        self._failed = failed
        self._put_aside = partial(put_aside, path.name)
        self._kept = ""  # the new path of a file that was put aside, not reported yet
        self._failure: OSError | None = None  # not reported yet
        self._fails = False
        self._descriptor = -1
        self._reopens = True
        self.writer = LineWriter(self._write, self._dropped)

    def open(self) -> None:
        """Open the file in place of the one that is open; raises OSError.

        A file with another name may be one of somebody else: it is put aside, and a new one begins.
        """
        descriptor, status = self._opened()
        if status.st_nlink > 1:
            os.close(descriptor)
            self._kept = str(quarantine(self._path))
            descriptor, status = self._opened(os.O_EXCL)
        self._close()
        self._descriptor, self._reopens = descriptor, False
        if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":  # killed within a line
            with suppress(OSError):  # on a full disk the next line continues the torn one
                os.write(descriptor, b"\n")

    def _opened(self, more: int = 0) -> tuple[int, os.stat_result]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self._path, flags | more, 0o666)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", str(self._path))
        return descriptor, status

    def reopen(self) -> None:
        """Open the file before the next line is written."""
        self._reopens = True

    def close(self, seconds: float) -> None:
        """Write the last lines, within `seconds`."""
        flushed = self.writer.close(seconds)
        self.writer = LineWriter(self._write, self._dropped)
        self._reopens = True
        if flushed:
            self._close()

    def __call__(self, event: LogEvent) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            self._failed(failure)
        kept, self._kept = self._kept, ""
        if kept:
            self._put_aside(kept)
        self.writer.put(self._format_line(event).encode(errors="backslashreplace"))

    def _write(self, data: bytes) -> int:
        """Write in the thread; raises OSError."""
        try:
            if self._reopens and self._is_there():
                self.open()
            written = os.write(self._descriptor, data)
        except OSError as error:
            if not self._fails:
                self._fails, self._failure = True, error
            raise
        self._fails = False
        return written

    def _is_there(self) -> bool:
        """Whether the folder is at its path; if not, an open file goes on, wherever it is. Raises OSError without."""
        try:
            self._guard()
        except OSError:
            if self._descriptor < 0:
                raise
            return False
        return True

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)


def local_offset(seconds: float) -> datetime.timedelta:
    """Return how far east of UTC the times of `server.log` are, at `seconds` since 1970."""
    return datetime.timedelta(seconds=time.localtime(seconds).tm_gmtoff)


def _as_original(event: LogEvent) -> str:
    """Return the original's line `YYYY-MM-DD HH:MM:SS,LEVEL,message`, in the time of the laptop."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["log_time"]))
    name = event["log_level"].name
    level = "WARNING" if name == "warn" else name.upper()
    message = words_of(event)
    if (failure := event.get("log_failure")) is not None:
        message += f": {failure.getErrorMessage()}"
    return f"{stamp},{level},{' '.join(message.splitlines())}\n"


def _as_json(event: LogEvent) -> str:
    """Return Twisted's own JSON on one line. It has the traceback of a failure; `error` adds the message."""
    if (failure := event.get("log_failure")) is not None:
        event = event | {"error": failure.getErrorMessage()}
    return f"{eventAsJSON(event)}\n"
