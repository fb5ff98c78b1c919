"""The output of twistd and twist - a terminal, a pipe or a file - written outside of the reactor."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define
from twisted.application.service import Service
from twisted.logger import FileLogObserver, Logger, globalLogPublisher

from sse_twisted.runtime.line_writer import LineWriter

FLUSH_TIMEOUT = 0.4  # s for the last lines at the end


@define
class QueuedOutput:
    """What a FileLogObserver writes to instead of its own file."""

    writer: LineWriter

    def write(self, text: str) -> None:
        self.writer.put(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Leave it to the thread."""


class LogOutputService(Service):
    """Puts a LineWriter between Twisted's log observers and their files while the collector runs.

    Twisted has no public way to replace the file of an observer that twistd made. An observer that is not as expected
    is left alone.
    """

    def __init__(self, reactor: Any, log: Logger) -> None:
        self._reactor = reactor
        self._log = log
        self._diverted: list[tuple[Any, Any]] = []  # observers, and their own files

    def startService(self) -> None:
        """Wait until the reactor runs: twist adds its observer after the services have started."""
        super().startService()
        self._reactor.callWhenRunning(self._divert)

    def stopService(self) -> None:
        """Write the last lines; then each observer has its own file again, unless that hangs."""
        super().stopService()
        for observer, file in self._diverted:
            if observer._outFile.writer.close(FLUSH_TIMEOUT):
                observer._outFile = file
        self._diverted.clear()

    def _divert(self) -> None:
        if not self.running:
            return
        for observer in _file_observers():
            file = observer._outFile
            if (write := _writing_to(file)) is not None:
                observer._outFile = QueuedOutput(LineWriter(write, self._tell))
                self._diverted.append((observer, file))

    def _tell(self, count: int) -> None:
        self._log.warn("{count} log lines were dropped: the output of twistd did not keep up", count=count)


def _file_observers() -> Iterator[Any]:
    for observer in tuple(getattr(globalLogPublisher, "_observers", ())):
        inner = getattr(observer, "_observer", observer)  # below twist it is filtered
        if isinstance(inner, FileLogObserver) and hasattr(inner, "_outFile"):
            yield inner


def _writing_to(file: Any) -> Callable[[bytes], int] | None:
    """Return a function that writes bytes to the file of an observer; None for a file that it does not know."""
    if isinstance(file, io.TextIOBase):
        try:
            file.flush()
            descriptor = file.fileno()
        except (OSError, ValueError):
            return None
        # Not by the file's own buffer: a write that hangs would hold its lock, which the end of Python needs.
        return lambda data: os.write(descriptor, data)

    def write(data: bytes) -> int:
        file.write(data.decode(errors="replace"))
        file.flush()
        return len(data)

    return write if hasattr(file, "shouldRotate") else None
