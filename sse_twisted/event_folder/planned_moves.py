"""The stored tracks that a new version of the roster would take from their owners."""

from __future__ import annotations

from collections.abc import Iterator

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Roster
from sse_twisted.config.roster_changes import TrackMove
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger
from sse_twisted.event_folder.moves import owner_changes


def planned_moves(folder: EventFolder, live: LiveConfig, former: Roster, new: Roster) -> tuple[TrackMove, ...]:
    """Return the tracks that would have another owner by `new`; `former` has the names of their owners. Blocks.

    Without a roster nothing moves. A ledger that cannot be read moves nothing either, until its device is back.
    """
    then = LiveConfig(live.settings, new, folder.drivers)
    return tuple(move for identifier in folder.identifiers() for move in _moves(folder, then, identifier, former))


def _moves(folder: EventFolder, live: LiveConfig, identifier: int, former: Roster) -> Iterator[TrackMove]:
    try:
        ledger = Ledger.read(folder.ledger_path(identifier), folder.drivers.of(identifier))
    except OSError:
        ledger = None
    if ledger is None:
        return
    rules = live.filing_rules(identifier, folder.timezone(identifier))
    for name, track in owner_changes(folder, identifier, rules, ledger):
        new_owner = track.owner.sailor or track.owner.file_id if track.owner else ""
        yield TrackMove(identifier, name, track.name, track.day, _owner(name, identifier, former), new_owner)


def _owner(name: str, identifier: int, roster: Roster) -> str:
    """Return the sailor whose File ID a name begins with, or that File ID."""
    file_id = name.rpartition(f"_{identifier}_")[0]
    return next((a.sailor for a in roster.of(identifier) if a.file_id == file_id and a.sailor), file_id)
