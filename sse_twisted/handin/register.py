"""The register of the hand-ins: the ledger as it is on disk, and the files that come in."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from msgspec import structs
from twisted.internet.defer import DeferredLock
from twisted.internet.task import deferLater

from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.handin.intake import Incoming, Kept, is_whole, orphans, public
from sse_twisted.handin.ledger import KEPT, KEY, HandIn, Ledger, Line, Received, append
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.text import one_line, size

READY_INTERVAL: Final = 0.2  # s between looks whether the ledger was read
MAX_LOGGED: Final = 120  # characters of a name in the log


class Register:
    """What is known of all hand-ins; each step is on disk before it is in force."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self.ledger = Ledger()
        self.is_ready = False  # whether the ledger was read
        self._writing = DeferredLock()  # steps are noted in the order in which they are written
        self._taking = DeferredLock()  # of two files of one content, the second finds the first
        self._has_told = False  # that the ledger cannot be read
        self._observers: list[Callable[[], None]] = []

    def when_it_changes(self, observer: Callable[[], None]) -> None:
        """Call `observer` after each step."""
        self._observers.append(observer)

    def incoming(self, name: str) -> Incoming:
        """Return a file that is about to arrive; its methods block."""
        space = self._work.space

        def reserve(count: int) -> None:
            if space.room() < count:
                raise OSError(errno.ENOSPC, "the disk is full")

        return Incoming(self._work.folder.root, name, reserve)

    async def take(self, kept: Kept, who: str) -> HandIn:
        """Note a file that is kept; raises DiskTrouble. The same content twice is one."""
        while not self.is_ready:
            await deferLater(self._work.clock, READY_INTERVAL)
        async with self._taking:
            return await self._take(kept, who)

    async def _take(self, kept: Kept, who: str) -> HandIn:
        known = self.ledger.entries.get(kept.sha256)
        name = shown(kept.name)
        line = Received(
            sha256=kept.sha256, time=self._work.fleet.now, who=who, name=kept.name, size=kept.size, kept=kept.path
        )
        if known is not None:
            await self._take_again(known, line)
            return self.ledger.entries[kept.sha256]
        text = "Hand-in {name}: {size} from {who}, kept as {kept}"
        self._work.log.info(text, name=name, size=size(kept.size), who=who, kept=kept_as(kept.sha256, kept.name))
        await self.note(line)
        return self.ledger.entries[kept.sha256]

    async def _take_again(self, known: HandIn, line: Received) -> None:
        """Keep one copy of the same content. As long as nobody is its owner, the name that came last is the clue."""
        root, kept = self._work.folder.root, known.received.kept
        is_there = kept == line.kept or await self._work.disk.run(is_whole, root / kept, line.sha256)
        if is_there and kept != line.kept:
            await self._work.disk.write((root / line.kept).unlink, missing_ok=True)
        text = "Hand-in {name} from {who} is {known}, handed in before"
        self._work.log.info(text, name=shown(line.name), who=line.who, known=shown(known.name))
        is_new_clue = known.assigned is None and not known.trouble and line.name != known.name
        if is_new_clue or not is_there:
            await self.note(structs.replace(line, kept=kept if is_there else line.kept))

    async def note(self, line: Line) -> None:
        """Put a step on disk, and then in force. Raises DiskTrouble."""
        async with self._writing:
            await self._work.disk.write(append, self._work.folder.root, [line])
            self.ledger.note(line)
        notify(self._observers, lambda: self._work.log.failure("An observer of the hand-ins failed"))

    async def read(self) -> None:
        try:
            self.ledger = await self._work.disk.run(Ledger.read, self._work.folder.root)
        except OSError as error:
            if not self._has_told:
                self._work.log.error("Cannot read the ledger of the hand-ins, retrying: {error}", error=str(error))
            self._has_told = True
            return
        self.is_ready = True
        if self.ledger.unreadable:
            text = "The ledger of the hand-ins has unreadable lines, which do not count: {count}"
            self._work.log.warn(text, count=self.ledger.unreadable)
        for kept in await self._work.disk.run(orphans, self._work.folder.root, frozenset(self.ledger.entries)):
            try:
                await self._take(kept, "a run that was cut")
            except DiskTrouble:
                break


def shown(name: str) -> str:
    """Return the name of a file as it may be in the log."""
    return one_line(public(name), MAX_LOGGED)


def kept_as(sha256: str, name: str) -> str:
    """Return the path of a kept file as it may be in the log."""
    return f"{KEPT}/{sha256[:KEY]} {shown(name)}"
