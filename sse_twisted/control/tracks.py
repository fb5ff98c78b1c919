"""The tracks of a device, as its ledger and its last listing have them. All functions but `stored` block."""

from __future__ import annotations

from typing import Any

from sse_twisted.config.filing import FilingRules
from sse_twisted.control.errors import CommandError
from sse_twisted.devices.errors import DeviceError
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger
from sse_twisted.event_folder.naming import EventTrack, all_tracks, log_key
from sse_twisted.runtime.text import one_line


def known_tracks(folder: EventFolder, identifier: int, rules: FilingRules) -> tuple[Ledger, tuple[EventTrack, ...]]:
    """Return the ledger, not to be saved, and the listed tracks: none before the first inspection."""
    ledger = Ledger(folder.ledger_path(identifier), folder.entries(identifier), driver=folder.drivers.of(identifier))
    try:
        return ledger, all_tracks(identifier, folder.listing(identifier), rules, ledger.named())
    except (OSError, DeviceError):
        return ledger, ()


def find_track(folder: EventFolder, identifier: int, name: str, rules: FilingRules) -> tuple[EventTrack, bool]:
    """Return a track to be downloaded, and whether its ledger says that it is stored already. Raises CommandError.

    `name` is the name of the track, its path in the event folder or its path on the device.
    """
    ledger, tracks = known_tracks(folder, identifier, rules)
    track = next((track for track in tracks if name in (track.name, track.local_file, track.log.file)), None)
    if track is None:
        device = folder.drivers.name(identifier)
        raise CommandError(f"{device} has no track {one_line(name)}" if tracks else f"{device} has no tracks yet")
    if problem := track.log.path_problem:
        raise CommandError(f"{track.name} cannot be downloaded: {problem}")
    if folder.stored(track, ledger) is not None:
        raise CommandError(f"{track.name} is already stored: {track.local_file}")
    return track, bool(stored(ledger, track))


def stored(ledger: Ledger | None, track: EventTrack) -> dict[str, dict[str, Any]]:
    """Return the entry of a completed track by its current name, which may be another; {} if there is none.

    The track may have grown since it was requested.
    """
    if ledger is None:
        return {}
    return {
        known.name: ledger.entries[known.name]
        for known in ledger.named()
        if known.completed and log_key(known.log) == log_key(track.log) and known.log.size >= track.log.size
    }
