"""The ways out of the log: twistd's own log, `logs/server.log` in the original's format, and `logs/server.json`.

All parts of the collector log to one publisher, the journal's; each way out has its own level. Twisted's global log
cannot filter debug lines for one observer only, and its file format is not the original's.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from twisted.application.service import Service
from twisted.logger import (
    FileLogObserver,
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

from sse_twisted.config.settings import Log
from sse_twisted.runtime.log_levels import log_level

NAMESPACE = "sse"


class Journal(Service):
    """Passes the collector's log events on to all observers; its files are open while it runs."""

    def __init__(self, folder: Path, settings: Callable[[], Log]) -> None:
        self.json_file = folder / "server.json"
        self.earlier = 0  # bytes of it that earlier runs wrote
        self._publisher = LogPublisher()
        self._settings = settings
        self._text = _File(folder / "server.log")
        self._json = _File(self.json_file)
        self._console = LogLevelFilterPredicate()
        self._file = LogLevelFilterPredicate()
        self._files = tuple(
            FilteringLogObserver(FileLogObserver(cast(Any, file), formatter), [self._file])
            for file, formatter in ((self._text, _as_original), (self._json, _as_json))
        )
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
        self._text.open()
        self._json.open()
        self.earlier = self.json_file.stat().st_size
        for observer in self._files:
            self._publisher.addObserver(observer)

    def stopService(self) -> None:
        super().stopService()
        for observer in self._files:
            self._publisher.removeObserver(observer)
        self._text.close()
        self._json.close()

    def reconfigure(self) -> None:
        """Apply the live levels, and open the files again, which may have been rotated."""
        settings = self._settings()
        for predicate, level in ((self._console, settings.console), (self._file, settings.file)):
            predicate.clearLogLevels()
            predicate.setLogLevelForNamespace("", log_level(level))
        if self.running:
            for file in (self._text, self._json):
                try:
                    file.open()
                except OSError as error:
                    self.log.error("Cannot open the log file; logging to the console only: {error}", error=str(error))


class _File:
    """A log file that loses lines, rather than stop the collector, while the disk is full; the Disk reports that."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def open(self) -> None:
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        with self._path.open("rb") as file:
            file.seek(max(self._file.tell() - 1, 0))
            if file.read(1) not in (b"", b"\n"):  # the run before was killed within a line
                self.write("\n")
                self.flush()

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()

    def write(self, text: str) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.write(text)

    def flush(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.flush()


def local_offset(seconds: float) -> datetime.timedelta:
    """Return how far east of UTC the times of `server.log` are, at `seconds` since 1970."""
    return datetime.timedelta(seconds=time.localtime(seconds).tm_gmtoff)


def _as_original(event: LogEvent) -> str:
    """Return the line `YYYY-MM-DD HH:MM:SS,LEVEL,message`, in the time of the laptop, as the original writes it."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["log_time"]))
    name = event["log_level"].name
    level = "WARNING" if name == "warn" else name.upper()
    message = formatEvent(event)
    if (failure := event.get("log_failure")) is not None:
        message += f": {failure.getErrorMessage()}"
    return f"{stamp},{level},{' '.join(message.splitlines())}\n"


def _as_json(event: LogEvent) -> str:
    """Return Twisted's own JSON on one line; of a failure Twisted keeps the place, and `error` is the message."""
    if (failure := event.get("log_failure")) is not None:
        event = event | {"error": failure.getErrorMessage()}
    return f"{eventAsJSON(event)}\n"
