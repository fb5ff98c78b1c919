"""The commands of the console about tracks that were handed in."""

from __future__ import annotations

import datetime

from attrs import frozen
from twisted.internet.defer import Deferred

from sse_twisted.console.tables import Result, table
from sse_twisted.control.commands import Commands
from sse_twisted.control.errors import CommandError
from sse_twisted.control.hand_ins import WAITING, HandInReport
from sse_twisted.runtime.text import one_line

NAME_WIDTH = 40  # columns


@frozen
class HandInConsole:
    """Reading and deciding. A hand-in is named by its key, its name or its track."""

    _commands: Commands

    def hand_ins(self) -> Result:
        """List the tracks that were handed in, those without an owner first."""
        reports = self._commands.hand_ins.all()
        return Result(tuple(sorted(reports, key=lambda report: report.state != WAITING)), _text)

    def give(self, hand_in: str, file_id: str, who: str) -> Deferred[Result]:
        """Say whose a handed-in track is, by File ID.

        "" takes it from its owner.
        give("activity.fit", "ABC602XYZ", "Ann")
        """
        giving = self._commands.hand_ins.assign(str(hand_in), str(file_id), who)
        return Deferred.fromCoroutine(giving).addCallback(Result)

    def prefer(
        self, hand_in: str, counts: bool | None, reason: str, who: str, day: str | None = None
    ) -> Deferred[Result]:
        """Say whether a handed-in track counts.

        True: instead of the event's device. False: not. None: the rule decides.
        prefer("activity.fit", True, "the device was under water", "Ann")
        """
        hand_ins = self._commands.hand_ins
        days = sorted(hand_ins.find(str(hand_in)).filed)
        if day is None and len(days) != 1:
            raise CommandError(f'it has tracks of {len(days)} days: pass day="YYYY-MM-DD"')
        try:
            chosen = datetime.date.fromisoformat(str(day)) if day else days[0]
        except ValueError:
            raise CommandError(f"invalid date {one_line(str(day), 40)!r}: expected YYYY-MM-DD") from None
        deciding = hand_ins.decide(str(hand_in), chosen, counts, who, reason)
        return Deferred.fromCoroutine(deciding).addCallback(lambda _: Result("decided"))


def _text(reports: tuple[HandInReport, ...]) -> str:
    if not reports:
        return "nothing was handed in"
    rows = (
        (
            report.key,
            one_line(report.name, NAME_WIDTH),
            report.state,
            report.file_id,
            " ".join(str(day.day) for day in report.days),
            report.why,
        )
        for report in reports
    )
    return table(("key", "name", "state", "File ID", "days", "why"), rows, whole=True)
