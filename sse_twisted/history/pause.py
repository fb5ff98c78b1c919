"""The pause of downloads that an operator requests: it survives a restart, and ends with its day."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred, DeferredLock

from sse_twisted.event_folder.files import quarantine, sync, write_whole
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks

INTERVAL = 5.0  # s between two looks at the calendar
MAX_SIZE = 1000  # bytes of the file


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """What `.sse_twisted/paused.json` holds while downloads are paused."""

    paused_at: Annotated[float, Meta(ge=0, le=1e11)]  # s since 1970


class Pause(PeriodicService):
    """Keeps `live.paused` and the file `.sse_twisted/paused.json` in step."""

    def __init__(self, work: Workplace, resumed: Callable[[], None]) -> None:
        """`resumed` is called at the end of a pause."""
        super().__init__(work.clock, work.log, lambda: INTERVAL)
        self._work = work
        self._resumed = resumed
        self._since: float | None = None  # s since 1970
        self._turn = DeferredLock()
        self._tasks = Tasks(work.log)
        self._path = work.folder.state / "paused.json"

    @property
    def reason(self) -> str:
        """Why downloads are paused; "" if they are not, or not on request."""
        if self._since is None or not self._work.live.paused:
            return ""
        return f"requested by an operator at {self._clock_time(self._since)}, until midnight at the latest"

    def read_first(self) -> None:
        """Continue the pause of an earlier run, before any device is looked for. Blocks."""
        try:
            since = _read(self._path)
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            self._set_aside(error)
            return
        if since is None:
            return
        self._since = since
        self._work.live.change(paused=True)
        if self._is_of_today:
            text = "Downloads are still paused, as requested at {time} before this start: resume them when it is time"
            self._work.log.warn(text, time=self._clock_time(since))

    def stopService(self) -> Deferred[None]:
        """Stop looking at the calendar; the result fires when nothing is being written any more."""
        super().stopService()
        return self._turn.run(lambda: None)

    def round(self) -> None:
        """End a pause of another day."""
        if self._since is not None and not self._is_of_today:
            day = str(self._work.live.today(self._since))
            self._work.log.warn("Downloads resumed: the pause of {day} ended with its day", day=day)
            self._end()
            self._tasks.start("save", self._save(), "Removing the pause failed")

    async def begin(self) -> None:
        """Pause downloads at once, and return when that is on disk; raises DiskTrouble if only this run knows it."""
        if not self._work.live.paused:
            self._work.log.warn("Downloads paused on request")
            self._since = self._work.fleet.now
            self._work.live.change(paused=True)
        await self._save()

    async def end(self) -> None:
        """Resume downloads at once, and return when that is on disk; raises DiskTrouble if only this run knows it."""
        if self._work.live.paused:
            self._work.log.warn("Downloads resumed on request")
            self._end()
        await self._save()

    def _end(self) -> None:
        self._since = None
        self._work.live.change(paused=False)
        self._resumed()

    @property
    def _is_of_today(self) -> bool:
        return self._since is not None and self._work.live.is_same_day(self._since, self._work.fleet.now)

    async def _save(self) -> None:
        """Write or remove the file as the pause is by then: a later command may have overtaken this one."""
        async with self._turn:
            await self._work.disk.write(self._write, self._since if self._work.live.paused else None)

    def _write(self, since: float | None) -> None:
        """Write the file, in a thread; None removes it. The event folder is never made anew."""
        if since is not None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._path, msgspec.json.encode(_File(since)), private=True)
        elif self._path.exists():
            self._path.unlink()
            sync(self._path.parent)

    def _set_aside(self, error: Exception) -> None:
        why = getattr(error, "strerror", None) or str(error)
        with contextlib.suppress(OSError):
            why = f"{why}; kept as {quarantine(self._path)}"
        self._work.log.error("Saved pause is unreadable, downloads are not paused: {why}", why=why)

    def _clock_time(self, seconds: float) -> str:
        return datetime.datetime.fromtimestamp(seconds, self._work.live.zone).strftime("%H:%M")


def _read(path: Path) -> float | None:
    """Return since when downloads are paused; None without a file. Raises OSError or ValueError."""
    try:
        return msgspec.json.decode(read_bounded(path, MAX_SIZE), type=_File).paused_at
    except FileNotFoundError:
        return None
