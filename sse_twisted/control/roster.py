"""What an operator may see of the roster, and decide: changes that wait, and devices that are not expected today."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Annotated

from attrs import define
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred

from sse_twisted.config.roster_changes import TrackMove
from sse_twisted.config.roster_service import RosterService
from sse_twisted.control.errors import CommandError
from sse_twisted.control.saving import saved
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.text import one_line


class RosterReport(Struct, frozen=True):
    """The roster in force, and what waits for a decision."""

    summary: Annotated[str, Meta(description="how many assignments of how many devices, and the days")]
    trouble: Annotated[str, Meta(description="what is wrong and what to do; empty if nothing is")]
    version: Annotated[str, Meta(description="the version that waits or was refused; empty if none")]
    waiting: Annotated[str, Meta(description="what would change; empty if nothing waits")]
    refused: Annotated[bool, Meta(description="whether it was refused, and stays undone until the roster changes")]
    vanished: Annotated[tuple[str, ...], Meta(description="assignments that the roster lacks and that stay in force")]
    moves: Annotated[tuple[TrackMove, ...], Meta(description="stored tracks that would change their owner")]
    mistakes: Annotated[tuple[str, ...], Meta(description="in the file, even if it is not in force")]
    remarks: tuple[str, ...]
    not_expected: Annotated[dict[int, str], Meta(description="devices that are not expected today, with the reasons")]


@define(eq=False)
class RosterCommands:
    """Reads and decides. A device that joins although it is not expected is expected again."""

    _work: Workplace
    _service: RosterService

    def __attrs_post_init__(self) -> None:
        self._work.fleet.observe(self._note)

    @property
    def _today(self) -> datetime.date:
        return self._work.live.today(self._work.fleet.now)

    def report(self) -> RosterReport:
        roster, file, question = self._work.live.roster, self._service.file, self._service.question
        return RosterReport(
            summary=roster.summary,
            trouble=self._service.trouble,
            version=question.version if question else "",
            waiting=question.text if question else "",
            refused=question.is_refused if question else False,
            vanished=tuple(map(str, question.vanished)) if question else (),
            moves=question.moves if question else (),
            mistakes=tuple(map(str, file.mistakes)),
            remarks=tuple(map(str, file.remarks)),
            not_expected=dict(self._work.live.excused.get(self._today, {})),
        )

    def confirm(self, version: str = "") -> Deferred[None]:
        """Do what waits for a decision: of `version`, if it is passed. Raises CommandError."""
        return self._decided(self._service.confirm, version, "confirmed")

    def refuse(self, version: str = "") -> Deferred[None]:
        """Leave it undone until the roster changes again. Raises CommandError."""
        return self._decided(self._service.refuse, version, "refused")

    def not_expected(self, device: Device, reason: str) -> Deferred[None]:
        """Do not expect a device today; fires after an attempt to save that. Raises CommandError."""
        reason = one_line(" ".join(str(reason).split()))
        today, live = self._today, self._work.live
        if device.identifier not in live.roster.expected(today):
            raise CommandError(f"{device.name} is not on the roster of today")
        if device.present:
            raise CommandError(f"{device.name} is connected")
        if device.left_early:
            raise CommandError(f"{device.name} left too early: waive it instead")
        if device.is_collected and any(track.day == today for track in device.tracks):
            raise CommandError(f"{device.name} is collected")
        if not reason:
            raise CommandError(f"a reason is required not to expect {device.name}")
        self._work.log.warn("{device} is not expected today - {reason}", device=device.name, reason=reason)
        return self._saved(self._service.excuse(device.identifier, reason), "not expected")

    def expect(self, device: Device) -> Deferred[None]:
        """Expect a device again that was not expected today. Raises CommandError."""
        if not self._work.live.not_expected(device.identifier, self._today):
            raise CommandError(f"{device.name} is not marked as not expected today")
        self._work.log.info("{device} is expected again", device=device.name)
        return self._saved(self._service.excuse(device.identifier, ""), "expected again")

    def _decided(self, decide: Callable[[str], Deferred[None]], version: str, done: str) -> Deferred[None]:
        try:
            return self._saved(decide(version), done)
        except LookupError as error:
            raise CommandError(str(error)) from None

    def _saved(self, saving: Deferred[None], done: str) -> Deferred[None]:
        return saved(self._work.disk, saving, f"{done}, but not saved yet")

    def _note(self, before: Device, after: Device) -> None:
        if not after.present or before.present:
            return
        if reason := self._work.live.not_expected(after.identifier, self._today):
            text = "{device} has joined although it was not expected today ({reason}): it is expected again"
            self._work.log.warn(text, device=after.name, reason=reason)
            # That the disk is in trouble has been logged; the next round saves it.
            self._service.excuse(after.identifier, "").addErrback(lambda failure: failure.trap(DiskTrouble) and None)
