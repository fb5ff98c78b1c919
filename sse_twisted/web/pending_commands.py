"""Commands that take their time: who gave one waits a little for its outcome, and it goes on without him."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.control.commands import CommandError

WAIT = 5.0  # s for the outcome; then it is said that it has begun
GOES_ON = object()  # instead of the outcome


class PendingCommands:
    """All that are under way. The end of those that nobody waits for any more is logged."""

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._under_way: dict[Deferred[Any], None] = {}

    async def wait(self, device: str, what: str, doing: Deferred[Any]) -> bool:
        """Whether it comes to its end within the time that somebody waits; raises what it fails with by then."""
        outcome: Deferred[Any] = Deferred()
        self._under_way[doing] = None

        def end(result: Any) -> None:
            del self._under_way[doing]
            if outcome.called:
                self._say(device, what, result)
            else:
                outcome.callback(result)

        doing.addBoth(end)
        # That who gave it hangs up, or waits no longer, cancels the outcome and not what is done.
        return await outcome.addTimeout(WAIT, self._clock, onTimeoutCancel=lambda *_: GOES_ON) is not GOES_ON

    def close(self) -> None:
        """Give up what is under way."""
        for doing in list(self._under_way):
            doing.cancel()

    def _say(self, device: str, what: str, result: Any) -> None:
        if not isinstance(result, Failure):
            self._log.info("{device} {what}, as asked for on the board, is done", device=device, what=what)
        elif result.check(CancelledError):
            self._log.info("{device} {what}, as asked for on the board, is given up", device=device, what=what)
        elif result.check(CommandError):
            text = "{device} {what}, as asked for on the board, came to nothing: {why}"
            self._log.warn(text, device=device, what=what, why=str(result.value))
        else:
            self._log.failure("{device} {what}, as asked for on the board, failed", result, device=device, what=what)
