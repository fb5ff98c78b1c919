"""Where the log goes: twistd's own, `logs/server.log` in the original's format, and `logs/server.json`.

All parts of the collector log to one publisher of the journal; each way out has its own level. Twisted's own log could
not hold back debug lines, and its file does not have the words that the results software's people read.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TextIO, cast

from twisted.application.service import Service
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevelFilterPredicate,
    LogPublisher,
    formatEvent,
    globalLogPublisher,
    jsonFileLogObserver,
)
from zope.interface import implementer

from sse_twisted.config.settings import Log
from sse_twisted.runtime.log_levels import log_level

NAMESPACE = "sse"


class Journal(Service):
    """Passes the collector's events on; the files are open while it runs."""

    def __init__(self, folder: Path, settings: Callable[[], Log]) -> None:
        self.json_file = folder / "server.json"
        self.earlier = 0  # bytes of it that earlier runs wrote
        self._publisher = LogPublisher()
        self._settings = settings
        self._text = _File(folder / "server.log")
        self._json = _File(self.json_file)
        self._console = LogLevelFilterPredicate()
        self._file = LogLevelFilterPredicate()
        self._files = (
            FilteringLogObserver(_OriginalFormat(self._text), [self._file]),
            FilteringLogObserver(_JsonFormat(self._json), [self._file]),
        )
        self._publisher.addObserver(FilteringLogObserver(globalLogPublisher, [self._console]))
        self.reconfigure()

    @property
    def log(self) -> Logger:
        """The logger for all parts of the collector."""
        return Logger(namespace=NAMESPACE, observer=self._publisher)

    def observe(self, observer: Callable[[LogEvent], None]) -> None:
        """Pass every event on to `observer` as well, at any level."""
        self._publisher.addObserver(cast(ILogObserver, observer))

    def startService(self) -> None:
        """Open the files; raises OSError."""
        super().startService()
        self._text.open()
        self._json.open()
        self.earlier = self._json.size
        for observer in self._files:
            self._publisher.addObserver(observer)

    def stopService(self) -> None:
        """Close the files."""
        super().stopService()
        for observer in self._files:
            self._publisher.removeObserver(observer)
        self._text.close()
        self._json.close()

    def reconfigure(self) -> None:
        """Go on at the levels that are in force, in files that may have been rotated away."""
        settings = self._settings()
        for predicate, level in ((self._console, settings.console), (self._file, settings.file)):
            predicate.clearLogLevels()
            predicate.setLogLevelForNamespace("", log_level(level))
        if self.running:
            for file in (self._text, self._json):
                try:
                    file.open()
                except OSError as error:
                    self.log.error("The log goes on without its file: {error}", error=str(error))


class _File:
    """A log file that loses lines rather than stopping the collector when the disk is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def open(self) -> None:
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        if self.size and not self._ends_a_line():  # the run before was killed within it
            self.write("\n")
            self.flush()

    @property
    def size(self) -> int:
        """In bytes, as far as they were written."""
        return self._file.tell() if self._file is not None else 0

    def _ends_a_line(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            _quietly(file.close)

    def write(self, text: str) -> None:
        if self._file is not None:
            _quietly(self._file.write, text)

    def flush(self) -> None:
        if self._file is not None:
            _quietly(self._file.flush)


def _quietly(function: Callable[..., object], *args: object) -> None:
    """Without an OSError: that the disk is full is said by the Disk, and saying it here would need room again."""
    try:
        function(*args)
    except OSError:
        return


def local_offset(seconds: float) -> datetime.timedelta:
    """How far east of UTC the times of `server.log` are, at `seconds` since 1970."""
    return datetime.timedelta(seconds=time.localtime(seconds).tm_gmtoff)


@implementer(ILogObserver)
class _OriginalFormat:
    """`YYYY-MM-DD HH:MM:SS,LEVEL,message`, in the time of the laptop, as the original writes it."""

    def __init__(self, file: _File) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["log_time"]))
        name = event["log_level"].name
        level = "WARNING" if name == "warn" else name.upper()
        message = formatEvent(event)
        if (failure := event.get("log_failure")) is not None:
            message += f": {failure.getErrorMessage()}"
        self._file.write(f"{stamp},{level},{' '.join(message.splitlines())}\n")
        self._file.flush()


@implementer(ILogObserver)
class _JsonFormat:
    """Twisted's own JSON, one object a line; of a failure it keeps the place, and we the message."""

    def __init__(self, file: _File) -> None:
        self._observer = jsonFileLogObserver(cast(IO[Any], file), recordSeparator="")

    def __call__(self, event: LogEvent) -> None:
        if (failure := event.get("log_failure")) is not None:
            event = event | {"error": failure.getErrorMessage()}
        self._observer(event)
