"""The events of today from before this start, read from the log into the history of each device."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define
from twisted.application.service import Service

from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.history.events import History, event_of
from sse_twisted.history.journal import Journal
from sse_twisted.history.log_tail import Event, recent_events
from sse_twisted.runtime.tasks import Tasks


@define(eq=False, slots=False)
class LogReplay(Service):
    """Reads the log of earlier runs once, from its end, in many short steps; the log may leave out debug lines."""

    _journal: Journal
    _history: History
    _work: Workplace

    def __attrs_post_init__(self) -> None:
        self._tasks = Tasks(self._work.log)

    def startService(self) -> None:
        super().startService()
        self._tasks.start("replay", self._replay(), "Reading the events of earlier runs failed")

    def stopService(self) -> None:
        super().stopService()
        self._tasks.stop()

    async def _replay(self) -> None:
        since = self._work.live.day_began_at(self._work.fleet.now)
        blocks = recent_events(self._journal.json_file, self._journal.earlier, since)
        earlier = History()
        try:
            while await self._work.disk.run(self._take_block, blocks, earlier):
                pass
        except OSError as error:
            text = "Cannot read the events of earlier runs: {error}; pages of devices begin with this start"
            self._work.log.error(text, error=str(error))
        self._history.restore(earlier)

    def _take_block(self, blocks: Iterator[list[Event]], earlier: History) -> bool:
        """Prepend the events of one block, in a thread; returns whether there may be more."""
        events = next(blocks, None)
        for event in reversed(events or ()):
            identifier = self._history.subject_of(event)
            if identifier is None or not earlier.has_room_for(identifier):
                continue
            if (device_event := event_of(event)) is not None:
                earlier.prepend(identifier, device_event)
        return events is not None and not earlier.is_full
