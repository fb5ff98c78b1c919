"""What the log says of the day before this start, for the history of each device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.application.service import Service
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.history.events import History, happening_of, subject_of
from sse_twisted.history.journal import Journal
from sse_twisted.history.log_tail import Event, recent_events
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.tasks import Tasks


class LogReplay(Service):
    """Reads the journal of earlier runs once, from its end on, in many short steps; debug lines are not in it."""

    def __init__(
        self,
        journal: Journal,
        history: History,
        disk: Disk,
        live: LiveConfig,
        utc: Callable[[], float],
        log: Logger,
    ) -> None:
        self._log = log
        self._tasks = Tasks(log)
        self._journal = journal
        self._history = history
        self._disk = disk
        self._live = live
        self._utc = utc

    def startService(self) -> None:
        """Begin to read."""
        super().startService()
        self._tasks.start("replay", self._replay(), "The events of before this start could not be told")

    def stopService(self) -> None:
        """Read no further."""
        super().stopService()
        self._tasks.stop()

    async def _replay(self) -> None:
        since = self._live.day_began_at(self._utc())
        blocks = recent_events(self._journal.json_file, self._journal.earlier, since, b'"motion-')
        earlier = History()
        try:
            while await self._disk.run(self._take_some, blocks, earlier):
                pass
        except OSError as error:
            self._log.error("The events of before this start could not be read: {error}", error=str(error))
        self._history.recall(earlier)

    def _take_some(self, blocks: Iterator[list[Event]], earlier: History) -> bool:
        """In a thread: events that are older than all that were taken before; whether there may be more."""
        events = next(blocks, None)
        for event in reversed(events or ()):
            identifier = subject_of(event)
            if identifier is None or not earlier.has_room_for(identifier):
                continue
            if (happening := happening_of(event)) is not None:
                earlier.precede(identifier, happening)
        return events is not None and not earlier.is_full
