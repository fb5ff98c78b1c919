"""Ask a device for its identity, settings and listing; the answers are stored in the event folder."""

from __future__ import annotations

import hashlib

from attrs import define

from sse_twisted.devices.driver import Identity, Listing, Reply
from sse_twisted.devices.errors import BadAnswer, Refused, WrongDevice
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.runtime.log_levels import log_level
from sse_twisted.visits.detection import Sighting
from sse_twisted.visits.visit import QUICK_ANSWER, StoredAnswer, Visit


@define
class Inspector:
    """Inspects one device per call, under the limit for inspections."""

    _http: DeviceHttp
    _work: Workplace

    async def greet(self, visit: Visit, sighting: Sighting) -> None:
        """Store the answer of the detection and log its findings."""
        self._note_battery(visit, sighting.reply.value)
        await self._take(visit, visit.driver.files.identity, sighting.reply)

    async def settings(self, visit: Visit) -> None:
        """Fetch the device's settings, above all its time zone; raises DeviceError.

        Without them its last known time zone counts, or else each track's own, so that tracks keep their names.
        """
        async with self._work.live.limits.inspection.counted_for(self._work.clock, QUICK_ANSWER):
            with visit.talking():
                try:
                    reply = await visit.driver.settings(self._http, visit.address)
                except (Refused, BadAnswer) as error:
                    self._work.log.warn("{device} settings are unknown ({error})", device=visit.name, error=str(error))
                    reply = None
        if reply is None:
            visit.timezone = await self._work.disk.run(self._work.folder.timezone, visit.identifier)
            return
        visit.timezone = reply.value.timezone
        await self._take(visit, visit.driver.files.settings, reply)

    async def listing(self, visit: Visit) -> Listing:
        """Return a fresh listing, certainly of this device; raises DeviceError.

        A listing has no number of a device, and addresses change hands, so the device is identified after it.
        """
        files = visit.driver.files
        async with self._work.live.limits.inspection.counted_for(self._work.clock, QUICK_ANSWER):
            with visit.talking():
                reply = await visit.driver.listing(self._http, visit.address)
                identity = await visit.driver.identify(self._http, visit.address)
        if (number := identity.value.number) != visit.identifier:
            raise WrongDevice(f"{visit.driver.host_name(number)} answers at its address", number)
        self._note_battery(visit, identity.value)
        self._say(visit, files.identity, identity.stored)
        if visit.unstored and not reply.value.entries:
            return reply.value
        answers = visit.unstored | {files.listing: reply.stored}
        visit.unstored = {}
        for name, stored in answers.items():
            await self._store(visit, name, stored)
        return reply.value

    async def _take(self, visit: Visit, name: str, reply: Reply[object]) -> None:
        """Log the findings of an answer and store it; that of a stranger only when it lists a track.

        Something that answers with ever new numbers would leave a folder for each of them.
        """
        self._say(visit, name, reply.stored)
        expected = self._work.live.is_target(visit.identifier)
        if expected or await self._work.disk.run(self._work.folder.has_met, visit.identifier):
            await self._store(visit, name, reply.stored)
        else:
            visit.unstored[name] = reply.stored

    async def _store(self, visit: Visit, name: str, stored: bytes) -> None:
        """Keep an answer for later runs. The visit goes on meanwhile: it needs the answer, not the file."""
        known, mine = visit.stored_answers.get(name), StoredAnswer(hashlib.sha256(stored).digest())
        if known is not None and known.is_on_disk and known.sha256 == mine.sha256:
            return
        visit.stored_answers[name] = mine
        await self._work.disk.commit_soon(
            self._storing(visit.identifier, name, stored, mine), f"{name} of {visit.name}"
        )

    def _storing(self, identifier: int, name: str, stored: bytes, answer: StoredAnswer) -> Steps[None]:
        yield from self._work.folder.storing_answer(identifier, name, stored)
        answer.is_on_disk = True

    def _note_battery(self, visit: Visit, identity: Identity) -> None:
        if identity.battery is not None:
            self._work.fleet.update(visit.identifier, battery=identity.battery)

    def _say(self, visit: Visit, name: str, stored: bytes) -> None:
        """Log each subject once in a visit; unexpected values become findings of the device."""
        expected = self._work.live.settings.expected
        if visit.examined.get(name) == (stored, expected):
            return
        visit.examined[name] = stored, expected
        for finding in visit.driver.findings({name: stored}, expected):
            if finding.subject in visit.remarked:
                continue
            visit.remarked.add(finding.subject)
            self._work.log.emit(log_level(finding.level), "{device} {fact}", device=visit.name, fact=finding.text)
            if not finding.ok:
                self._work.fleet.add_finding(visit.identifier, finding.text)
