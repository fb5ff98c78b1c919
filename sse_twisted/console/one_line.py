"""One line without a terminal: `ssh laptop fleet`, `ssh laptop 'why(602)'`.

Import this inside of functions only: Manhole installs the reactor as it is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from twisted.internet.defer import Deferred

from sse_twisted.console.lines import as_python
from sse_twisted.console.session import Interpreter  # noqa: TID253 - see above
from sse_twisted.control.errors import CommandError
from sse_twisted.runtime.disk import DiskTrouble

FAILED = 1  # exit statuses, as of a shell
UNKNOWN = 127


class OneLine(Interpreter):
    """Runs one line. `out` and `err` take text, without colours or a prompt, as soon as there is any."""

    def __init__(self, names: dict[str, object], out: Callable[[str], None], err: Callable[[str], None]) -> None:
        self._out = out
        self._err = err
        self._value: object = None
        self._status = 0
        handler: Any = self
        super().__init__(handler, names)

    async def run(self, line: str) -> int:
        """Run a line, wait for its result and show it; return the exit status."""
        if self.push(as_python(line, self.locals, bare_commands=True).encode()):
            self._fail("error: the line is incomplete\n")
        value = self._value
        if isinstance(value, Deferred):
            try:
                value = await value
            except (CommandError, DiskTrouble) as error:
                return self._fail(f"error: {error}\n")
            except Exception as error:  # noqa: BLE001 - the operator sees it
                return self._fail(f"error: {type(error).__name__}: {error}\n")
        if value is not None:
            self._out(f"{value!r}\n")
        return self._status

    def displayhook(self, value: object) -> None:
        """Keep the value of the line."""
        self._value = value

    def addOutput(self, data: str | bytes, isAsync: bool | None = None) -> None:
        """Take what the line prints."""
        self._out(data.decode() if isinstance(data, bytes) else data)

    def end(self, code: object) -> None:
        """Take the exit status of `raise SystemExit(3)`, as Python does; `exit()` has none."""
        if isinstance(code, int):
            self._status = code & 0xFF
        elif code is not None:
            self._fail(f"{code}\n")

    def handle_QUIT(self) -> None:
        """End: the line was `exit()`."""

    def excepthook(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Show the error as the console does; an unknown command has a status of its own."""
        super().excepthook(kind, error, traceback)
        if isinstance(error, NameError):
            self._status = UNKNOWN

    def write(self, data: str, isAsync: bool | None = None) -> None:
        """Take the text of an error."""
        self._fail(data)

    def _fail(self, text: str) -> int:
        self._err(text)
        self._status = self._status or FAILED
        return self._status
