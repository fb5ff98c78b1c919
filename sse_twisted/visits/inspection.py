"""Asking a device what it is, how it is set and what it holds; the answers are kept in the event folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import log_level
from sse_twisted.devices.errors import BadAnswer, Refused, WrongDevice
from sse_twisted.devices.http import LARGEST_LISTING, SMALL_ANSWER, DeviceHttp
from sse_twisted.devices.motion.findings import Fact, facts_of_info, facts_of_settings
from sse_twisted.devices.motion.messages import (
    DeviceSettings,
    Listing,
    Motion,
    info_of,
    listing_of,
    parse_json,
    settings_of,
)
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Fleet
from sse_twisted.runtime.disk import Disk
from sse_twisted.visits.detection import INFO, Sighting
from sse_twisted.visits.visit import Visit

T = TypeVar("T")

SETTINGS = "/settings.json"
LISTING = "/logs.json"
PARSED_AT_ONCE = 16 * 1024  # bytes; more are parsed in a thread


class Inspector:
    """Inspects one device at a time per call, under the limit for inspections."""

    def __init__(
        self, client: DeviceHttp, folder: EventFolder, disk: Disk, fleet: Fleet, live: LiveConfig, log: Logger
    ) -> None:
        self._client = client
        self._folder = folder
        self._disk = disk
        self._fleet = fleet
        self._live = live
        self._log = log

    async def greet(self, visit: Visit, sighting: Sighting) -> None:
        """Keep the info.json of the detection and say what is remarkable in it."""
        self._take_info(visit, sighting.motion)
        await self._disk.write(self._folder.store_answer, visit.identifier, INFO[1:], sighting.info)

    async def settings(self, visit: Visit) -> None:
        """Take the device's settings, above all its time zone; raises DeviceError.

        Without them, the time zone that it had last counts, or else each log's own: tracks must not change their names
        to and fro.
        """
        async with self._live.limits.inspection:
            with visit.talking():
                try:
                    tree, settings = await self._ask(visit, SETTINGS, settings_of)
                except (Refused, BadAnswer) as error:
                    self._log.warn("{device} settings are unknown ({error})", device=visit.name, error=str(error))
                    settings, tree = DeviceSettings(), None
        known = self._folder.timezone
        visit.timezone = settings.timezone if tree else await self._disk.run(known, visit.identifier)
        self._say(visit, facts_of_settings(settings, self._live.settings.expected))
        if tree is not None:
            await self._disk.write(self._folder.store_answer, visit.identifier, SETTINGS[1:], tree)

    async def listing(self, visit: Visit) -> Listing:
        """A fresh listing, certainly of this device; raises DeviceError.

        logs.json does not say whose it is, and addresses change hands; so info.json is asked for after it.
        """
        async with self._live.limits.inspection:
            with visit.talking():
                tree, listing = await self._ask(visit, LISTING, listing_of, LARGEST_LISTING)
                _, motion = await self._ask(visit, INFO, info_of)
        if motion.identifier != visit.identifier:
            raise WrongDevice(f"motion-{motion.identifier} answers at its address", motion.identifier)
        self._take_info(visit, motion)
        await self._disk.write(self._folder.store_answer, visit.identifier, LISTING[1:], tree)
        return listing

    async def _ask(self, visit: Visit, path: str, read: Callable[[Any], T], limit: int = SMALL_ANSWER) -> tuple[Any, T]:
        """An answer as it was parsed, and as it was read."""
        timeout = self._live.settings.inspection.timeout
        data = await self._client.answer(visit.address, path, timeout=timeout, limit=limit)

        def parse() -> tuple[Any, T]:
            tree = parse_json(data, path[1:])
            return tree, read(tree)

        return parse() if len(data) <= PARSED_AT_ONCE else await self._disk.run(parse)

    def _take_info(self, visit: Visit, motion: Motion) -> None:
        if motion.battery is not None:
            self._fleet.update(visit.identifier, battery=motion.battery)
        self._say(visit, facts_of_info(motion, self._live.settings.expected))

    def _say(self, visit: Visit, facts: Iterable[Fact]) -> None:
        """Log each subject once in a visit, and keep as findings what is other than expected."""
        for fact in facts:
            if fact.subject in visit.remarked:
                continue
            visit.remarked.add(fact.subject)
            self._log.emit(log_level(fact.level), "{device} {fact}", device=visit.name, fact=fact.text)
            if not fact.ok:
                findings = self._fleet[visit.identifier].findings
                self._fleet.update(visit.identifier, findings=(*findings, fact.text))
