"""The Python interpreter of one console session.

Import this inside of functions only: Manhole installs the reactor as it is imported.
"""

from __future__ import annotations

import io
import sys
from traceback import format_exception_only
from types import TracebackType
from typing import Any

from twisted.conch.insults.insults import modes
from twisted.conch.manhole import ColoredManhole, ManholeInterpreter  # noqa: TID253 - see above
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sse_twisted.console.connections import QUIET
from sse_twisted.console.lines import as_python, unknown_command
from sse_twisted.console.namespace import Namespace
from sse_twisted.control.errors import CommandError
from sse_twisted.runtime.text import one_line

MAX_COLOURED = 400  # bytes of input that are still coloured; each key colours all of them again
MAX_LINE = 4000  # bytes
MAX_TOLD = 60  # characters of a line that its outcome is shown with


class Interpreter(ManholeInterpreter):
    """Runs the lines of a session; their exceptions do not reach the daemon."""

    def __init__(self, handler: ConsoleSession, names: dict[str, object]) -> None:
        super().__init__(handler, names)
        self._typed = ""  # the line that runs, the first one of several
        # input() would block the reactor until a line arrives at the terminal of the daemon.
        self.monkeyPatcher.addPatch(sys, "stdin", io.StringIO())

    def push(self, line: bytes) -> Any:
        """Run a line; show what the compiler itself raises (ValueError, RecursionError ...) like any other error."""
        try:
            if not self.buffer:
                self._typed = line.decode()
                line = as_python(self._typed, self.locals).encode()
            return super().push(line)
        except Exception:  # noqa: BLE001 - the session continues whatever is typed
            self.resetBuffer()
            self.showtraceback()
            return False

    def runcode(self, *args: Any, **kwargs: Any) -> None:
        """Run code; SystemExit ends the session, not the daemon."""
        try:
            super().runcode(*args, **kwargs)
        except SystemExit as end:
            self.end(end.code)

    def end(self, code: object) -> None:
        """End the session; `code` is that of SystemExit."""
        self.handler.handle_QUIT()

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:
        """Show in one line why a line is not valid Python."""
        error = sys.exc_info()[1]
        self.write(f"error: {getattr(error, 'msg', error)}; help lists the commands\n")

    def excepthook(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Show a mistake of the typed line in one line, and the traceback of an exception from deeper in the code."""
        if isinstance(error, CommandError):
            self.write(f"error: {error}\n")
        elif traceback is None or self._is_of_the_line(traceback):
            unknown = error.name if isinstance(error, NameError) else ""
            text = f"error: {unknown_command(unknown, self.locals)}\n" if unknown else ""
            self.write(text or "".join(format_exception_only(kind, error)))
        else:
            super().excepthook(kind, error, traceback)

    def _is_of_the_line(self, traceback: TracebackType) -> bool:
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        return bool(traceback.tb_frame.f_code.co_filename == self.filename)

    def displayhook(self, value: Any) -> None:
        """Show the result of a Deferred: at once if it is there already, or else when it is."""
        if isinstance(value, Deferred) and value.called and isinstance(value.result, Failure):
            value.addErrback(lambda failure: self.write(f"error: {failure.getErrorMessage()}\n"))
        elif isinstance(value, Deferred) and value.called and not isinstance(value.result, Deferred):
            super().displayhook(value.result)
        elif isinstance(value, Deferred):
            self._show_later(value)
        else:
            super().displayhook(value)

    def _show_later(self, running: Deferred[Any]) -> None:
        """Say that the line is running, and show its outcome when it is there. A shown failure is not logged."""
        line = one_line(self._typed.strip(), MAX_TOLD)

        def show(result: Any) -> Any:
            text = "done" if result is None else repr(result)
            gap = "\n" if "\n" in text else " "
            self.write(f"{line}:{gap}{text}", True)
            return result

        def show_failure(failure: Failure) -> None:
            self.write(f"{line} failed: {failure.getErrorMessage() or type(failure.value).__name__}", True)

        self.locals["_"] = running
        self.write(f"{line} is running; its outcome will be shown here")
        running.addCallbacks(show, show_failure)


class ConsoleSession(ColoredManhole):
    """The interpreter of one login, with colours, line editing and history."""

    _log = QUIET

    def __init__(self, namespace: Namespace) -> None:
        super().__init__()
        self._commands = namespace
        self._closed = False

    def names(self) -> dict[str, object]:
        """Return the names of a new session."""
        return self._commands.names()

    def connectionMade(self) -> None:
        super().connectionMade()
        self.interpreter = Interpreter(self, self.names())

    def initializeScreen(self) -> None:
        """Show greeting and prompt, without clearing the screen as Manhole does."""
        self.terminal.write(f"\n{self._commands.greeting}\n")
        self.terminal.write(self.ps[self.pn])
        self.setInsertMode()

    def terminalSize(self, width: int, height: int) -> None:
        """Store the size; Manhole's own method clears the screen, and the greeting with it."""
        self.width, self.height = width, height

    def connectionLost(self, reason: Failure) -> None:
        """Drop all further output: Deferreds may still fire."""
        if not self._closed:
            self._closed = True
            super().connectionLost(reason)

    def handle_QUIT(self) -> None:
        """End the session; Manhole's own method clears the screen."""
        self.ps = (b"", b"")
        self.terminal.resetModes([modes.IRM])
        self.terminal.nextLine()
        self.terminal.transport.loseConnection()

    def addOutput(self, data: str | bytes, isAsync: bool | None = None) -> None:
        """Show output, unless the connection is lost."""
        if not self._closed:
            super().addOutput(data, isAsync)

    def characterReceived(self, ch: bytes, moreCharactersComing: bool) -> None:
        """Add a character to the line; coloured, unless the input is too long or not yet valid Python."""
        if len(self.lineBuffer) >= MAX_LINE:
            self.terminal.write(b"\a")
        elif len(self.getSource()) > MAX_COLOURED:
            super(ColoredManhole, self).characterReceived(ch, moreCharactersComing)
        else:
            try:
                super().characterReceived(ch, moreCharactersComing)
            except (SyntaxError, IndexError, ValueError):  # not valid Python yet
                self.terminal.write(ch)
