"""Alarms of devices that left too early: each says what its sailor has handed in, and goes on."""

from __future__ import annotations

from attrs import frozen

from sse_twisted.config.assignment import sharers_on
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device
from sse_twisted.handin.ledger import Ledger


@frozen
class Alarms:
    """Adds the backups to the snapshots of the devices."""

    _work: Workplace

    def tell(self, ledger: Ledger) -> None:
        """Compare each device that left too early with the hand-ins of the day on which it left."""
        for device in list(self._work.fleet):
            backup = self._backup_of(device, ledger) if device.left_early else ""
            if backup == device.backup:
                continue
            self._work.fleet.update(device.identifier, backup=backup)
            if backup:
                text = "{device} left too early - {lost}; its sailor has handed in a backup: {backup}"
                self._work.log.warn(text, device=device.name, lost=device.left_early, backup=backup)

    def _backup_of(self, device: Device, ledger: Ledger) -> str:
        day = self._work.live.today(device.since)
        sharers = sharers_on(day, self._work.live.roster.of(device.identifier)).get(device.identifier, [])
        people = {carrier.file_id for carrier in sharers}
        paths = (entry.filed.get(day, "") for entry in ledger.entries.values() if entry.file_id in people)
        return ", ".join(path.rpartition("/")[2] for path in paths if path)
