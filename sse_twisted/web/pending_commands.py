"""Commands that take long: the client waits a few seconds, then the command continues in the background."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.control.errors import CommandError

WAIT = 5.0  # s that a client waits for the result
TIMED_OUT = object()  # instead of the result


@frozen(eq=False)
class PendingCommands:
    """The commands in progress. The result of a command that outlasts its client's wait is logged."""

    _clock: IReactorTime
    _log: Logger
    _pending: dict[Deferred[Any], None] = field(factory=dict, init=False)

    async def wait(self, device: str, what: str, running: Deferred[Any]) -> Any:
        """Return the result of a command, or TIMED_OUT after WAIT; raise its exception if it fails by then."""
        outcome: Deferred[Any] = Deferred()
        self._pending[running] = None

        def end(result: Any) -> None:
            del self._pending[running]
            if outcome.called:
                self._log_result(device, what, result)
            else:
                outcome.callback(result)

        running.addBoth(end)
        # A disconnect or a timeout cancels `outcome`, never the command itself.
        return await outcome.addTimeout(WAIT, self._clock, onTimeoutCancel=lambda *_: TIMED_OUT)

    def close(self) -> None:
        for running in list(self._pending):
            running.cancel()

    def _log_result(self, device: str, what: str, result: Any) -> None:
        text = "{device} {what}, requested on the board, "
        if not isinstance(result, Failure):
            self._log.info(text + "is done", device=device, what=what)
        elif result.check(CancelledError):
            self._log.info(text + "is cancelled", device=device, what=what)
        elif result.check(CommandError):
            self._log.warn(text + "failed: {why}", device=device, what=what, why=str(result.value))
        else:
            self._log.failure(text + "failed with an internal error", result, device=device, what=what)
