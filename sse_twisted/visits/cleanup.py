"""The cleanup: only it decides that a device has gone. It then drops the visit, and the scanner looks for it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sse_twisted.devices.errors import DeviceError, Unreachable
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Stage, what_is_missing
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.turns import in_turns
from sse_twisted.visits.visit import MAX_SILENCES, QUICK_ANSWER, Visit

IDENTITIES = 20.0  # a second, that collected devices are asked for; of more devices, most only have to be reachable


class CleanupService(PeriodicService):
    """Probes the devices that are not being asked anything right now.

    The requests of a visit themselves tell whether the device is present; a probe would only wait for them. A device
    with too many silences is gone if it has still not answered one round later.

    `http` gives up a connection after the cleanup's time-out. A device that accepts one is present, and may take as
    long to answer as in an inspection.
    """

    def __init__(
        self, http: DeviceHttp, visits: Mapping[int, Visit], drop: Callable[[Visit], None], work: Workplace
    ) -> None:
        super().__init__(work.clock, work.log, lambda: work.live.settings.cleanup.interval)
        self._http = http
        self._visits = visits
        self._drop = drop
        self._work = work
        self._probes = Tasks(work.log)
        self._silent: set[Visit] = set()  # visits with too many silences in the last round

    def stopService(self) -> None:
        super().stopService()
        self._probes.stop()

    def round(self) -> None:
        """Drop every device that has stopped answering, and probe the idle ones."""
        if "round" in self._probes:  # of very many, those that it has not come to would never be looked at
            return
        before, self._silent = self._silent, set()
        self._probes.start("round", self._look_at_all(before), "The devices could not be probed")

    async def _look_at_all(self, before: set[Visit]) -> None:
        """Do the work of a round; `before` are the visits that had too many silences in the last one."""
        async for visit in in_turns(list(self._visits.values()), self._work.clock):
            if visit.dropped or self._visits.get(visit.identifier) is not visit:
                continue
            if visit.silences >= MAX_SILENCES:
                if visit in before:
                    self._depart(visit, f"no answer to {visit.silences} requests in a row")
                    continue
                self._silent.add(visit)
            if visit not in self._probes and not visit.is_talking:
                self._probes.start(visit, self._probe(visit), "{device} could not be probed", device=visit.name)

    async def _probe(self, visit: Visit) -> None:
        async with self._work.live.limits.cleanup.counted_for(self._work.clock, QUICK_ANSWER):
            if visit.is_talking or self._visits.get(visit.identifier) is not visit:
                return
            conversations = visit.conversations
            gone = await self._why_gone(visit)
            if not gone or visit.dropped or self._visits.get(visit.identifier) is not visit:
                return
            if visit.conversations == conversations:
                self._depart(visit, gone)
            else:  # the probe may have waited for another request, whose outcome is counted by its visit
                visit.silences += 1

    async def _why_gone(self, visit: Visit) -> str:
        now = self._work.clock.seconds()
        is_done = self._work.fleet[visit.identifier].stage is Stage.COLLECTED
        try:
            if is_done and now < visit.identified_at + len(self._visits) / IDENTITIES:
                await self._http.reach(visit.address)
                return ""
            number = (await visit.driver.identify(self._http, visit.address)).value.number
            visit.identified_at = now
        except Unreachable as error:
            return str(error)
        except DeviceError:  # it answers, so the visit's own requests decide
            return ""
        return "" if number == visit.identifier else f"{visit.driver.host_name(number)} answers at its address"

    def _depart(self, visit: Visit, why: str) -> None:
        device, now = self._work.fleet[visit.identifier], self._work.fleet.now
        self._drop(visit)
        self._work.log.debug("{device} has been disconnected", device=visit.name, why=why)
        if device.stage is Stage.COLLECTED:
            # A device that was left on overnight keeps the day on which it was collected: it is expected again today.
            since = now if self._work.live.is_same_day(device.since, now) else device.since
            self._work.fleet.update(visit.identifier, stage=Stage.GONE, since=since)
            return
        lost = what_is_missing(device)
        self._work.fleet.update(visit.identifier, stage=Stage.GONE, left_early=lost)
        self._work.log.error("{device} left too early - {lost}", device=visit.name, lost=lost)
