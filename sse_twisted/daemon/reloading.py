"""The configuration of a running collector, which is read again when it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.defer import DeferredLock

from sse_twisted.config.server_json import ConfigRemark
from sse_twisted.config.settings import Settings, SettingsError, differences
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.runtime.disk import DiskHangs
from sse_twisted.runtime.tasks import Tasks

ConfigRemarks = tuple[ConfigRemark, ...]


class Reconfigurable(Protocol):
    """A service that takes some settings over only when it is told to."""

    def reconfigure(self) -> None:
        """Apply the settings as they are now."""


class Reloading:
    """Reads the configuration again, one request after the other, and applies it if it is valid."""

    def __init__(
        self,
        read_settings: Callable[[], Settings],
        remarks: Callable[[], ConfigRemarks],
        work: Workplace,
        note: Callable[[ConfigRemarks], None],
        services: Iterable[Reconfigurable],
    ) -> None:
        """`read_settings` may raise SettingsError; it and `remarks` run in a thread. `note` logs new remarks."""
        self._read_settings = read_settings
        self._remarks = remarks
        self._work = work
        self._note = note
        self._services = tuple(services)
        self._tasks = Tasks(work.log)
        self._reading = DeferredLock()

    def remark(self) -> None:
        """Log what is odd about the configuration that the collector starts with. Blocks."""
        self._note(self._remarks())

    def reload(self) -> None:
        """Apply the configuration as it is now; if it is invalid, log an error and keep the previous one."""
        own_key = object()  # each is done, in its turn
        self._tasks.start(own_key, self._reload(), "The configuration cannot be applied")

    def stop(self) -> None:
        """Give up what is under way."""
        self._tasks.stop()

    async def _reload(self) -> None:
        with contextlib.suppress(SettingsError, DiskHangs):  # it has been logged
            await self.read_again()

    async def read_again(self) -> tuple[str, ...]:
        """Do the same as `reload`, and return what changed; raises SettingsError or DiskHangs."""
        work = self._work
        async with self._reading:
            try:
                settings, remarks = await work.disk.read(self._read)
            except SettingsError as error:
                work.log.error("Invalid configuration, keeping the previous one: {error}", error=str(error))
                raise
            except DiskHangs as error:
                work.log.error("Cannot read the configuration, keeping the previous one: {error}", error=str(error))
                raise
            return self._change(settings, remarks)

    def _read(self) -> tuple[Settings, ConfigRemarks]:
        """Read the configuration, in a thread: it may be on a disk that hangs."""
        return self._read_settings(), self._remarks()

    def _change(self, settings: Settings, remarks: ConfigRemarks) -> tuple[str, ...]:
        live, log = self._work.live, self._work.log
        changed = tuple(differences(live.settings, settings))
        for change in changed:
            later = " (from the next start on)" if change.startswith("event.folder") else ""
            log.info("Configuration: {change}{later}", change=change, later=later)
        if not changed:
            log.info("Configuration unchanged")
        self._note(remarks)
        live.change(settings=settings)
        for service in self._services:
            service.reconfigure()
        return changed
