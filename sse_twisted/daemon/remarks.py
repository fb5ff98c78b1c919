"""What the collector says of its configuration and its days, and at its end."""

from __future__ import annotations

import datetime

from twisted.logger import Logger

from sse_twisted.config.server_json import ConfigRemark
from sse_twisted.control import health
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Fleet, Stage, what_is_missing
from sse_twisted.history.journal import local_offset
from sse_twisted.runtime.text import plural


class Remarks:
    """Logs each remark once, as long as nothing changes."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._on_config: tuple[ConfigRemark, ...] = ()  # as logged last
        self._logged: set[object] = set()

    def on_configuration(self, remarks: tuple[ConfigRemark, ...]) -> None:
        """Log the remarks on the configuration, unless they were logged before."""
        before, self._on_config = self._on_config, remarks
        if self._on_config == before:
            return
        for remark in self._on_config:
            emit = self._work.log.warn if remark.is_warning else self._work.log.info
            emit("Configuration: {remark}", remark=remark.text)

    def on_days_and_limits(self) -> None:
        """Log what may be wrong with days, time zones and limits, once for the same values."""
        live, log, now = self._work.live, self._work.log, self._work.fleet.now
        days, zone, today = live.days, live.zone, live.today(now)
        here, slow = datetime.timezone(local_offset(now)), live.remark_on_scan()
        if days is not None and not days[0] <= today <= days[1] and self._is_new(today, days):
            if today > days[1]:
                text = "The event is over: its last day was {last}. If not, correct the roster"
                log.warn(text, last=str(days[1]))
            elif health.outside(today, days):
                log.info("The event has not begun: its first day is {first}", first=str(days[0]))
            else:
                text = "Today, {today}, is outside the event ({first} to {last}): check the roster and the clock"
                log.warn(text, today=str(today), first=str(days[0]), last=str(days[1]))
        if here != zone and self._is_new(here, zone):
            text = "Times in server.log are {here}, as on this computer; on the board they are {event}, as at the event"
            log.info(text, here=str(here), event=str(zone))
        if slow and self._is_new(slow):
            log.info("Slow scans: {remark}", remark=slow)

    def _is_new(self, *remark: object) -> bool:
        is_new = remark not in self._logged
        self._logged.add(remark)
        return is_new


def summarise(fleet: Fleet, log: Logger) -> None:
    """Log what was not collected, and how many devices were."""
    for device in fleet:
        if device.left_early and device.stage is Stage.ABSENT:  # whether it has left is not known yet
            log.error("{device} is not collected - {lost}", device=device.name, lost=device.left_early)
        elif device.left_early:
            log.error("{device} left too early - {lost}", device=device.name, lost=device.left_early)
        elif device.waived:
            log.info("{device} is waived - {waived}", device=device.name, waived=device.waived)
        elif device.present and device.stage is not Stage.COLLECTED:
            log.error("{device} is not collected - {lost}", device=device.name, lost=what_is_missing(device))
    collected = sum(device.is_collected for device in fleet)
    text = "Collector stopped: {devices} collected"
    log.info(text, devices=plural(collected, "device"), collected=collected)
