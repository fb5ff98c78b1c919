"""One copy as the reactor sees it: a task that brings it up to date in its own thread, and how far behind it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from attrs import define, field
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.copies.identity import CopyRefused
from sse_twisted.copies.source import Look
from sse_twisted.copies.target import CopyAway, Remaining, Stopped, Target
from sse_twisted.runtime.group_sync import Starter
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.text import duration, one_line, plural

LATE = 60.0  # s that a copy may be behind
NOTEWORTHY = 10.0  # s that a copy may be behind without a word
SILENCE = 20.0  # s without a byte after which a disk counts as one that hangs
FIRST_RETRY, LAST_RETRY = 2.0, 30.0  # s until a copy that is gone is looked for again
LEAST = 0.1  # s that a copy is behind at least, if it lacks something
MAX_PATH = 300  # characters of a path that are told
UP_TO_DATE = "up to date"
CHECK_INTERVAL = 5.0  # s between two looks whether a copy that has everything is there


class CopyReport(Struct, frozen=True):
    """A copy, as it is now."""

    folder: str
    ok: Annotated[bool, Meta(description="whether it has everything, or lacks only what is younger than a minute")]
    text: Annotated[str, Meta(description="how far it is behind, and why")]
    behind: Annotated[float, Meta(description="s since it had everything; 0 if it has")]
    tracks: Annotated[int, Meta(description="tracks that are on it, each read back and compared")]
    files_left: Annotated[int, Meta(description="files that are missing or different")]
    bytes_left: int
    beside: Annotated[str, Meta(description="what is on the same disk, and is lost with it; empty if nothing is")] = ""

    @property
    def state(self) -> str:
        """How far it is behind, and whether it shares a disk."""
        return f"{self.text}, but on the same disk as {self.beside}" if self.beside else self.text


@define(eq=False)
class Copy:
    """Keeps one copy up to date; `progress` is called after each batch."""

    target: Target
    _start: Starter
    _clock: IReactorTime
    _log: Logger
    _progress: Callable[[], None]
    _look: Look = field(factory=Look, init=False)  # at the event folder, the last one
    _looked_at: float = field(default=0.0, init=False)  # s of the clock, when that was
    _has_news: bool = field(default=False, init=False)  # whether files have changed since the last batch began
    _version: int = field(default=0, init=False)  # of the last look of which it has everything
    _trouble: str = field(default="", init=False)
    _is_refused: bool = field(default=False, init=False)
    _complete_at: float = field(default=0.0, init=False)  # s of the clock, when it last had everything
    _gone_at: float = field(default=0.0, init=False)  # s of the clock, when the trouble began
    _left: Remaining | None = field(default=None, init=False)  # None before the first batch
    _is_told: bool = field(default=False, init=False)  # whether the log says that it lacks something
    _retry_at: float = field(default=0.0, init=False)  # s of the clock, when it is looked for without news
    _delay: float = field(default=FIRST_RETRY, init=False)  # s
    _stops_at: float | None = field(default=None, init=False)  # s of the clock, after which no block is written
    _heard_at: float | None = field(default=None, init=False)  # s of the clock, of the last block of a batch under way
    _failures: dict[str, str] = field(factory=dict, init=False)  # that were logged
    _is_silent: bool = field(default=False, init=False)  # whether the log has ended
    _tasks: Tasks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tasks = Tasks(self._log)
        self._complete_at = self._clock.seconds()

    @property
    def name(self) -> str:
        return str(self.target.root)

    def turn(self) -> None:
        """Note a sign of life of the thread, or stop it."""
        self._heard_at = self._clock.seconds()
        if self._stops_at is not None and self._heard_at > self._stops_at:
            raise Stopped

    def take(self, look: Look) -> None:
        """Copy what is missing or different after a look at the event folder."""
        now = self._clock.seconds()
        self._has_news = self._has_news or look is not self._look
        self._look, self._looked_at = look, now
        if self._is_complete:
            self._complete_at = now
        is_due = now >= self._retry_at or (self._has_news and not self._trouble)
        if is_due and "copy" not in self._tasks:
            self.catch_up()

    def catch_up(self) -> Deferred[None]:
        """Begin to copy; fires at the end."""
        return self._tasks.start("copy", self._catch_up(), "Copying to {folder} failed", folder=self.name)

    def finish(self, look: Look) -> Deferred[None]:
        """Copy what was written last, logs too, unless the copy cannot be written; fires at the end."""
        self._look, self._looked_at = look, self._clock.seconds()
        self._is_silent = True
        if self._trouble:
            return succeed(None)
        self.target.hurry()
        return self.catch_up()

    def stop(self, seconds: float = 0.0) -> None:
        """Write no block after some seconds."""
        self._stops_at = self._clock.seconds() + seconds

    def abandon(self) -> Deferred[None]:
        """Stop, without waiting for a disk that hangs."""
        self.stop()
        return self._tasks.stop()

    def report(self) -> CopyReport:
        """Return how far the copy is behind."""
        now, left = self._clock.seconds(), self._left or Remaining(0, 0, 0, False)
        behind = 0.0 if self._is_complete else max(now - self._complete_at, LEAST)
        trouble = self._trouble_at(now)
        is_ok = not trouble and behind <= LATE and not self.target.failures
        text = self._text(trouble, now, behind)
        beside = "" if trouble else self.target.beside
        return CopyReport(self.name, is_ok, text, behind, left.tracks, left.files, left.size, beside)

    def _trouble_at(self, now: float) -> str:
        silent = now - self._heard_at if self._heard_at is not None else 0.0
        return f"its disk has not responded for {_about(silent)}" if silent > SILENCE else self._trouble

    def _text(self, trouble: str, now: float, behind: float) -> str:
        if trouble and self._is_refused:
            return f"left alone: {trouble}"
        if trouble:
            return f"not written for {_about(now - self._gone_at)}: {trouble}" if self._trouble else trouble
        if self._left is None:
            return "being compared"
        if failures := self.target.failures.copy():
            path, why = next(iter(failures.items()))
            return f"lacks {plural(len(failures), 'file')}: {one_line(path, MAX_PATH)}: {why}"
        if behind > NOTEWORTHY:
            return f"{_about(behind)} behind, {plural(self._left.files, 'file')} to copy"
        return UP_TO_DATE

    @property
    def _is_complete(self) -> bool:
        return self._version == self._look.version > 0 and not self._trouble

    async def _catch_up(self) -> None:
        try:
            while True:
                self._has_news = False
                look, looked_at, self._heard_at = self._look, self._looked_at, self._clock.seconds()
                try:
                    left = await self._start(self.target.update, look.files)
                finally:
                    self._heard_at = None
                self._note_success(left, look, looked_at)
                if left.is_all:
                    return
        except (CopyAway, CopyRefused) as error:
            self._note_trouble(str(error), is_refused=isinstance(error, CopyRefused))
        except Stopped:
            pass

    def _note_success(self, left: Remaining, look: Look, looked_at: float) -> None:
        if self._is_silent:
            return
        is_back, self._left = bool(self._trouble) or self._left is None, left
        self._version = 0 if left.files else look.version
        self._trouble, self._is_refused, self._delay = "", False, FIRST_RETRY
        now = self._clock.seconds()
        self._retry_at = now + CHECK_INTERVAL
        tracks = plural(left.tracks, "track")
        if is_back:
            text = "Copy {folder} is there: {tracks} on it, {files} to copy"
            self._log.info(text, folder=self.name, tracks=tracks, files=plural(left.files, "file"))
            self._is_told = left.files > 0
        elif left.files and not self._is_told and now - self._complete_at > LATE:
            text = "Copy {folder} is {behind} behind: {files} to copy"
            self._log.warn(
                text, folder=self.name, behind=_about(now - self._complete_at), files=plural(left.files, "file")
            )
            self._is_told = True
        if not left.files:
            self._complete_at = looked_at
            if self._is_told:
                self._log.info("Copy {folder} is up to date: {tracks} on it", folder=self.name, tracks=tracks)
            self._is_told = False
        if is_back and self.target.beside:
            text = "Copy {folder} is on the same disk as {other}: is its own disk plugged in?"
            self._log.warn(text, folder=self.name, other=self.target.beside)
        for path, why in self.target.failures.items():
            if self._failures.get(path) != why:
                shown = one_line(path, MAX_PATH)
                self._log.warn("Copy {folder} lacks {path}: {why}", folder=self.name, path=shown, why=why)
        self._failures = dict(self.target.failures)
        self._progress()

    def _note_trouble(self, trouble: str, *, is_refused: bool) -> None:
        if self._is_silent:
            return
        before, self._trouble = self._trouble, trouble
        now = self._clock.seconds()
        self._retry_at, self._delay = now + self._delay, min(2 * self._delay, LAST_RETRY)
        if not before:
            self._gone_at = now
        if before and is_refused == self._is_refused:
            return
        self._is_refused = is_refused
        if is_refused:
            text = "Copy {folder} is left alone: {why}. Collection goes on into the event folder"
            self._log.critical(text, folder=self.name, why=trouble)
        else:
            text = "Copy {folder} cannot be written: {why}. Collection goes on, and the copy when it can"
            self._log.error(text, folder=self.name, why=trouble)


def whereabouts(tracks: int, copies: int) -> str:
    """Return "all 71 tracks are on 2 copies"."""
    where = plural(copies, "copy", "copies")
    if tracks < 2:
        return f"the only track is on {where}" if tracks else f"{where} up to date"
    return f"all {tracks:,} tracks are on {where}"


def _about(seconds: float) -> str:
    """Return a time in steps of 10 s, so that pages change seldom."""
    return duration(max(seconds // 10 * 10, 10.0))
