"""Watch that the event folder stays at its path while the collector runs."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.event_folder.presence import FolderAway, Presence
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks

INTERVAL = 1.0  # s between two looks


class FolderWatch(PeriodicService):
    """Looks in a thread whether the event folder is there, says when it goes and comes back, and pauses downloads.

    `away` is called when it has gone; `back` when it is there again, with whether it comes from another mount. While
    it is away, open files still belong to it, wherever it is, but nothing new is created at its path.
    """

    def __init__(
        self,
        presence: Presence,
        disk: Disk,
        clock: IReactorTime,
        log: Logger,
        away: Callable[[], None],
        back: Callable[[bool], None],
    ) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self.trouble = ""  # why the folder cannot be used; "" if it can
        self._presence = presence
        self._disk = disk
        self._away = away
        self._back = back
        self._slow = False
        self._tasks = Tasks(log)

    def stopService(self) -> object:
        super().stopService()
        return self._tasks.stop()

    def round(self) -> None:
        self._tell_if_slow()
        if "look" not in self._tasks:  # a disk that hangs is not asked again
            self._tasks.start("look", self._look(), "Looking for the event folder failed")

    async def _look(self) -> None:
        try:
            is_new = await self._disk.run(self._presence.find_again)
        except FolderAway as error:
            self._lose(f"{error.strerror} ({error.filename})")
        except CancelledError:
            raise
        else:
            self._find(is_new)

    def _lose(self, trouble: str) -> None:
        before, self.trouble = self.trouble, trouble
        if before:
            return
        text = "Event folder gone: {trouble}. Nothing is created in its place; collection goes on when it is back"
        self._log.critical(text, trouble=trouble)
        self._disk.pause(trouble)
        self._away()

    def _find(self, is_new: bool) -> None:
        before, self.trouble = self.trouble, ""
        if before or is_new:
            self._log.warn("Event folder is back: {folder}", folder=str(self._presence.folder.root))
            self._back(is_new)

    def _tell_if_slow(self) -> None:
        before, self._slow = self._slow, bool(self._disk.slow)
        if self._slow and not before:
            self._log.critical("Disk hangs: {trouble}. Downloads wait for it", trouble=self._disk.slow)
        elif before and not self._slow:
            self._log.warn("Disk answers again")
