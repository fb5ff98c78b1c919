"""One session of the interpreter.

Import this inside of functions only: Manhole installs the reactor as it is imported.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from traceback import format_exception_only
from types import TracebackType
from typing import Any

from twisted.conch.insults.insults import modes
from twisted.conch.manhole import ColoredManhole, ManholeInterpreter  # noqa: TID253 - see above
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.console.namespace import Leave, Namespace
from sse_twisted.control.commands import CommandError

COLOURED = 400  # bytes of input; each key colours all of it again
LONGEST_LINE = 4000  # bytes


class Interpreter(ManholeInterpreter):
    """Runs what is typed, and lets nothing of it reach the daemon but what it does on purpose."""

    def __init__(self, handler: Session, names: dict[str, object]) -> None:
        super().__init__(handler, names)
        # Else input() would wait for the terminal of the daemon, and the reactor with it.
        self.monkeyPatcher.addPatch(sys, "stdin", io.StringIO())

    def push(self, line: bytes) -> Any:
        """As the plain one; what the compiler itself stumbles over is shown as any other mistake."""
        try:
            return super().push(line)
        except (Exception, RecursionError, MemoryError):  # noqa: BLE001 - whatever is typed, the session goes on
            self.resetBuffer()
            self.showtraceback()
            return False

    def runcode(self, *args: Any, **kwargs: Any) -> None:
        """As the plain one; exit() ends the session, and not the daemon."""
        try:
            super().runcode(*args, **kwargs)
        except SystemExit:
            self.handler.handle_QUIT()

    def excepthook(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Of a command that can't be done, its line; of anything else the traceback."""
        if isinstance(error, CommandError):
            self.write(f"error: {error}\n")
        elif traceback is None:
            self.write("".join(format_exception_only(kind, error)))
        else:
            super().excepthook(kind, error, traceback)

    def _ebDisplayDeferred(self, failure: Failure, number: int, deferred: Any) -> None:
        """Show the failure; it is handled by that, and does not come up again in the log."""
        super()._ebDisplayDeferred(failure, number, deferred)


class Session(ColoredManhole):
    """The coloured interpreter, line editing and history, for one who has logged in."""

    _log = Logger(observer=lambda _: None)  # type: ignore[arg-type]  # what keys it does not know is nobody's worry

    def __init__(self, namespace: Namespace, ended: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._names = namespace.names()
        self._greeting = namespace.greeting
        self._ended = ended
        self._closed = False

    def connectionMade(self) -> None:
        """Begin."""
        super().connectionMade()
        self._names["exit"] = self._names["quit"] = Leave(self.handle_QUIT)
        self.interpreter = Interpreter(self, self._names)

    def initializeScreen(self) -> None:
        """Greet, below what is on the screen."""
        self.terminal.write(f"\n{self._greeting}\n")
        self.terminal.write(self.ps[self.pn])
        self.setInsertMode()

    def terminalSize(self, width: int, height: int) -> None:
        """Take note, without the clearing of the screen that would take the greeting with it."""
        self.width, self.height = width, height

    def connectionLost(self, reason: Failure) -> None:
        """Say no more, whatever is still to fire."""
        if not self._closed:
            self._closed = True
            super().connectionLost(reason)
            self._ended()

    def handle_QUIT(self) -> None:
        """Leave, without the clearing of the screen that Manhole ends with."""
        self.ps = (b"", b"")
        self.terminal.resetModes([modes.IRM])
        self.terminal.nextLine()
        self.terminal.transport.loseConnection()

    def addOutput(self, data: str | bytes, isAsync: bool | None = None) -> None:
        """Show something, unless nobody is there any more."""
        if not self._closed:
            super().addOutput(data, isAsync)

    def characterReceived(self, ch: bytes, moreCharactersComing: bool) -> None:
        """Take a key, in colours if that is possible and does not take long."""
        if len(self.lineBuffer) >= LONGEST_LINE:
            self.terminal.write(b"\a")
        elif len(self.getSource()) > COLOURED:
            super(ColoredManhole, self).characterReceived(ch, moreCharactersComing)
        else:
            try:
                super().characterReceived(ch, moreCharactersComing)
            except (SyntaxError, IndexError, ValueError):  # it is no Python yet
                self.terminal.write(ch)
