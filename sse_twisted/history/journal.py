"""The log's outputs: twistd's own log, `logs/server.log` in the original's format, and `logs/server.json`.

All parts of the collector log to the journal's publisher; console and files have their own levels. Twisted's global log
cannot filter debug lines for one observer only, and its file format is not the original's.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

from twisted.application.service import Service
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevelFilterPredicate,
    LogPublisher,
    eventAsJSON,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from sse_twisted.config.settings import Log
from sse_twisted.runtime.log_levels import log_level

NAMESPACE = "sse"


class Journal(Service):
    """Passes the collector's log events to all observers. Its files are open while it runs."""

    def __init__(self, folder: Path, settings: Callable[[], Log]) -> None:
        self.json_file = folder / "server.json"
        self.earlier = 0  # bytes of it that earlier runs wrote
        self._publisher = LogPublisher()
        self._settings = settings
        self._files = (_File(folder / "server.log", _as_original), _File(self.json_file, _as_json))
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
        """Open the files; raises OSError."""
        super().startService()
        for file in self._files:
            file.open()
        self.earlier = self.json_file.stat().st_size
        for observer in self._observers:
            self._publisher.addObserver(observer)

    def stopService(self) -> None:
        super().stopService()
        for file, observer in zip(self._files, self._observers, strict=True):
            self._publisher.removeObserver(observer)
            file.close()

    def reconfigure(self) -> None:
        """Apply the live levels, and reopen the files, which may have been rotated."""
        settings = self._settings()
        for predicate, level in ((self._console, settings.console), (self._file, settings.file)):
            predicate.clearLogLevels()
            predicate.setLogLevelForNamespace("", log_level(level))
        if self.running:
            for file in self._files:
                try:
                    file.open()
                except OSError as error:
                    self.log.error("Cannot open the log file; logging to the console only: {error}", error=str(error))


@implementer(ILogObserver)
class _File:
    """A log file. It loses lines while the disk is full, which the Disk reports, and never stops the collector."""

    def __init__(self, path: Path, format_line: Callable[[LogEvent], str]) -> None:
        self._path = path
        self._format_line = format_line
        self._file: TextIO | None = None

    def open(self) -> None:
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        with self._path.open("rb") as file:
            file.seek(max(self._file.tell() - 1, 0))
            if file.read(1) not in (b"", b"\n"):  # the last run was killed within a line
                self._write("\n")

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()

    def __call__(self, event: LogEvent) -> None:
        self._write(self._format_line(event))

    def _write(self, text: str) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.write(text)
                self._file.flush()


def local_offset(seconds: float) -> datetime.timedelta:
    """Return how far east of UTC the times of `server.log` are, at `seconds` since 1970."""
    return datetime.timedelta(seconds=time.localtime(seconds).tm_gmtoff)


def _as_original(event: LogEvent) -> str:
    """Return the original's line `YYYY-MM-DD HH:MM:SS,LEVEL,message`, in the time of the laptop."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["log_time"]))
    name = event["log_level"].name
    level = "WARNING" if name == "warn" else name.upper()
    message = formatEvent(event)
    if (failure := event.get("log_failure")) is not None:
        message += f": {failure.getErrorMessage()}"
    return f"{stamp},{level},{' '.join(message.splitlines())}\n"


def _as_json(event: LogEvent) -> str:
    """Return Twisted's own JSON on one line. It has the traceback of a failure; `error` adds the message."""
    if (failure := event.get("log_failure")) is not None:
        event = event | {"error": failure.getErrorMessage()}
    return f"{eventAsJSON(event)}\n"
