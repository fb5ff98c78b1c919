"""The roster as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from sse_twisted.console.tables import table
from sse_twisted.control.roster import RosterReport


def roster_text(report: RosterReport) -> str:
    """Return what is in force, what is wrong with it, and what waits."""
    return "\n".join(_lines(report))


def _lines(report: RosterReport) -> Iterator[str]:
    yield f"in force: {report.summary}"
    if report.trouble:
        yield f"trouble: {report.trouble}"
    yield from (f"mistake: {mistake}" for mistake in report.mistakes)
    yield from (f"remark: {remark}" for remark in report.remarks)
    yield from (f"device {number} is not expected today: {why}" for number, why in report.not_expected.items())
    if not report.version:
        yield "no change waits for a decision"
        return
    yield f"{'refused' if report.refused else 'waiting for confirm() or refuse()'}: {report.waiting}"
    yield from (f"not in the new version: {assignment}" for assignment in report.vanished)
    if report.moves:
        rows = [(m.track, m.owner, m.new_owner or "unassigned", str(m.day or "")) for m in report.moves]
        yield table(("track", "now of", "would be of", "day"), rows)
