"""The event folder: its paths, the last answers of each device, and the stored tracks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from attrs import field, frozen
from msgspec import Struct

from sse_twisted.devices.driver import Finding, ListedTrack, Listing
from sse_twisted.devices.drivers import KNOWN, Drivers
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.event_folder.abilities import keeps_others_out, remarks_on
from sse_twisted.event_folder.files import make_folder, opened_folder, replacing, replacing_in, sync, write_whole
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status, local_file_of, read_entries
from sse_twisted.event_folder.lock import LOCK
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.partial import examine
from sse_twisted.event_folder.partial_files import PartialFiles, listed_size
from sse_twisted.event_folder.space import SLACK, believable_length
from sse_twisted.event_folder.track_file import marked_bytes, open_track
from sse_twisted.event_folder.verification import Outcome, judge
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.group_sync import Steps, at_once
from sse_twisted.runtime.options import state_home

LEDGER = "downloads.json"
EVENT_ID = "event-id"
SECRETS = ("console.password", "ssh_host_ed25519_key", "authorized_keys", "web-token")
NS = 1_000_000_000
TIME_STEPS = (NS // 100, NS, 2 * NS)  # ns; the resolutions of times on exFAT and FAT
MAX_CLOCK_LEAD = 60.0  # s by which the clock of a file server may be ahead

Stamp = tuple[int, int]  # of a file: when it was written, in ns since 1970, and its bytes; (0, 0) if it is missing


class Stamps(Struct, frozen=True):
    """Identify the stored answers of a device, even if the clock was set back."""

    info: Stamp = (0, 0)
    listing: Stamp = (0, 0)

    def may_be_copies_of(self, others: Stamps) -> bool:
        """Whether these may be the stamps of the files that had the `others`, or of their copies on a coarse disk."""
        return _may_be_copy(self.info, others.info) and _may_be_copy(self.listing, others.listing)


@frozen
class EventFolder:
    """Paths and files of one event. Methods block and may raise OSError; one visit at a time uses a device's files."""

    root: Path
    drivers: Drivers = field(factory=lambda: Drivers(*KNOWN), eq=False, repr=False)
    partials: PartialFiles = field(init=False, eq=False, repr=False)

    @partials.default
    def _of_its_tracks(self) -> PartialFiles:
        return PartialFiles(self.root)

    @property
    def roster(self) -> Path:
        """The assignments of devices to sailors by day."""
        return self.root / "config" / "motions.csv"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def device_folder(self, identifier: int) -> Path:
        """Return the folder of a device's last answers and its ledger."""
        return self.root / "motions" / self.drivers.name(identifier)

    @property
    def state(self) -> Path:
        """The collector's own folder, readable by its owner only: keys, passwords and the state file."""
        return self.root / ".sse_twisted"

    @property
    def secrets(self) -> Path:
        """The folder of passwords, keys and token, which may be missing.

        It is the collector's own folder, or, where the file system keeps no modes, one in the user's own state folder.
        """
        if keeps_others_out(self.state):
            return self.state
        return state_home() / (self.event_id() or hashlib.sha256(os.fsencode(self.root)).hexdigest()[:32])

    def remarks(self) -> tuple[str, ...]:
        """Return what the file system of the folder cannot do. Blocks; raises no OSError."""
        elsewhere = state_home() / (self.event_id() or "…")
        return tuple(remarks_on(self.root, elsewhere, SECRETS))

    @property
    def state_file(self) -> Path:
        return self.state / "memory.json"

    @property
    def kept_roster(self) -> Path:
        """The last good roster, with the decisions of operators on it."""
        return self.state / "roster.json"

    def saving_state(self, data: bytes) -> Steps[None]:
        yield from self._saving_private(self.state_file, data)

    def keep_roster(self, data: bytes) -> None:
        at_once(self._saving_private(self.kept_roster, data))

    def _saving_private(self, path: Path, data: bytes) -> Steps[None]:
        if not path.exists():  # another program may have created the folder without syncing it
            with opened_folder(self.root, self.root) as root:
                yield (root,)
        yield from replacing(path, data, private=True)

    @property
    def _folders(self) -> tuple[Path, ...]:
        return self.root / "config", self.root / "gpslogs", self.root / "motions", self.logs

    def prepare(self) -> None:
        """Create the folders; raise PermissionError if one of them is not writable. Only a start does so."""
        for folder in self._folders:
            make_folder(folder)
        if closed := self.closed():
            raise PermissionError(13, "Permission denied", str(closed))
        with contextlib.suppress(OSError):  # console, board and state say what they cannot write
            self.state.mkdir(mode=0o700, exist_ok=True)
            self.close_state()
            if not self.event_id():
                write_whole(self.state / EVENT_ID, f"{secrets.token_hex(16)}\n".encode())
            sync(self.root)

    def close_state(self) -> None:
        """Let nobody else into the collector's own folder, if the file system keeps modes."""
        if not keeps_others_out(self.state) and not self.state.is_symlink():
            with contextlib.suppress(OSError):
                self.state.chmod(0o700)

    def event_id(self) -> str:
        """Return the random name by which this folder is known if its disk is plugged in again; "" without one."""
        try:
            name = read_bounded(self.state / EVENT_ID, 100).decode(errors="replace").strip()
        except OSError:
            return ""
        return name if re.fullmatch(r"[0-9a-f]{32}", name) else ""

    def remove_unfinished(self) -> None:
        """Remove the hidden files of writes that a kill interrupted; raises OSError."""
        ours = (
            ".sse_twisted/**",
            "config",
            "logs",
            "motions/*",
            "gpslogs/**",
            "results/**",
            "gpsdata/**",
            "hand-in/kept",
        )
        for folder in ours:
            for path in self.root.glob(f"{folder}/.*.tmp"):
                path.unlink(missing_ok=True)

    def closed(self) -> Path | None:
        """Return the first path that the acting user cannot write to, or None. Creates nothing."""
        read_write, effective = os.R_OK | os.W_OK, os.access in os.supports_effective_ids
        files = (self.root / LOCK, self.logs / "server.log", self.logs / "server.json")
        modes = dict.fromkeys((self.root, *self._folders), read_write | os.X_OK) | dict.fromkeys(files, read_write)
        existing = (path for path in modes if path == self.root or path.exists())
        return next((path for path in existing if not os.access(path, modes[path], effective_ids=effective)), None)

    def check_writable(self) -> None:
        """Write and remove a small file in the folder of the tracks; raises OSError if that fails."""
        path = (self.root / "gpslogs").resolve() / ".sse_twisted.check"  # that folder may be a link to another disk
        try:
            write_whole(path, b"\0" * 65536)
        finally:
            path.unlink(missing_ok=True)

    def storing_answer(self, identifier: int, name: str, stored: bytes) -> Steps[None]:
        """Replace the stored answer `name` of a device, in steps."""
        yield from replacing_in(self.device_folder(identifier), name, stored)

    def findings(self, identifier: int, expected: Any) -> tuple[Finding, ...]:
        """Compare the last answers of a device with the table [expected] of the settings. Raises no OSError."""
        driver = self.drivers.of(identifier)
        files = {}
        for name in (driver.files.identity, driver.files.settings):
            with contextlib.suppress(OSError):
                files[name] = read_bounded(self.device_folder(identifier) / name)
        return tuple(driver.findings(files, expected))

    def has_met(self, identifier: int) -> bool:
        """Whether there is a folder of a device. Raises no OSError."""
        return os.path.isdir(self.device_folder(identifier))  # noqa: PTH112 - Path.is_dir raises for a closed one

    def met_at(self, identifier: int) -> float:
        """Return when a device last identified itself, in s since 1970; 0 if never. Raises no OSError."""
        return self.stamps(identifier).info[0] / NS

    def is_listed(self, identifier: int) -> bool:
        """Whether a listing was stored after the device last identified itself. Raises no OSError.

        Times in the future count as unknown: the clock has been set back since.
        """
        stamps = self.stamps(identifier)
        return 0 < stamps.listing[0] < (time.time() + MAX_CLOCK_LEAD) * NS and stamps.listing[0] >= stamps.info[0]

    def stamps(self, identifier: int) -> Stamps:
        """Return the stamps of a device's stored answers. Raises no OSError."""
        folder, files = self.device_folder(identifier), self.drivers.of(identifier).files
        return Stamps(_stamp(folder / files.identity), _stamp(folder / files.listing))

    def all_stamps(self) -> dict[int, Stamps]:
        """Return the stamps of all devices that have a folder, by number. Raises no OSError."""
        return {identifier: self.stamps(identifier) for identifier in self._known()}

    def stamps_of(self, identifiers: Iterable[int]) -> dict[int, Stamps]:
        """Return the stamps of those devices that have a folder, by number. Raises no OSError."""
        return {identifier: self.stamps(identifier) for identifier in identifiers if self.has_met(identifier)}

    def ledger(self, identifier: int) -> Ledger:
        return Ledger.load(self.ledger_path(identifier), self.drivers.of(identifier))

    def ledger_path(self, identifier: int) -> Path:
        return self.device_folder(identifier) / LEDGER

    def identifiers(self) -> list[int]:
        """Return the numbers of the devices that have a ledger."""
        # Path.exists raises an error for a folder that is closed to us, and one device must not hide the others.
        return [identifier for identifier in self._known() if os.path.exists(self.ledger_path(identifier))]  # noqa: PTH110

    def _known(self) -> list[int]:
        """Return the numbers of the devices that have a folder. Raises no OSError."""
        try:
            names = [path.name for path in (self.root / "motions").iterdir()]
        except OSError:
            return []
        found = {name: number for name in names if (number := self.drivers.number(name)) is not None}
        return sorted(number for name, number in found.items() if name == self.drivers.name(number))

    def timezone(self, identifier: int) -> int | None:
        """Return the minutes east of UTC in the last settings of a device; None if they are unknown."""
        try:
            driver = self.drivers.of(identifier)
            return driver.stored_settings(read_bounded(self.device_folder(identifier) / driver.files.settings)).timezone
        except (OSError, BadAnswer):
            return None

    def entries(self, identifier: int) -> dict[str, dict[str, Any]]:
        """Return the ledger entries of a device by track, for reading only."""
        return read_entries(self.ledger_path(identifier))

    def all_entries(self) -> dict[int, dict[str, dict[str, Any]]]:
        """Return the ledger entries of all devices that have a folder, by number."""
        return {identifier: self.entries(identifier) for identifier in self._known()}

    def listing(self, identifier: int) -> Listing:
        """Return the last listing of a device; raises OSError or BadAnswer if there is none."""
        driver = self.drivers.of(identifier)
        return driver.stored_listing(read_bounded(self.device_folder(identifier) / driver.files.listing))

    def stored(self, track: EventTrack, ledger: Ledger) -> Fetched | None:
        """Return the completed download of a track if its file has the length in the ledger, else None.

        A file without an entry, or with an entry of the original, is examined and synced: it counts if it is whole.
        The caller records it.
        """
        path = self.root / track.local_file
        if not path.is_file():
            return None
        fetched = ledger.fetched(track)
        if fetched is not None:
            return fetched if path.stat().st_size == fetched.length else None
        return adopt(path, track.log, track.identifier)

    def track_bytes(self, local_file: str, most: int) -> bytes | None:
        """Return the first `most` bytes of a track; None as for `open_track`, or if it cannot be read."""
        found = marked_bytes(self.root, local_file, most)
        return found[0] if found else None

    def open_track(self, local_file: str) -> BinaryIO | None:
        """Open a track for reading; None unless `local_file` is a regular file below `gpslogs`."""
        return open_track(self.root, local_file)

    def is_stored(self, identifier: int, name: str, entry: Mapping[str, Any]) -> bool:
        """Whether a ledger entry is completed and its file has the right length. Raises no OSError.

        Entries of the original do not tell the length of a log that was never finalised: any file but an empty one
        counts.
        """
        local_file = local_file_of(name, entry)
        if entry.get("status") != Status.COMPLETED or local_file is None:
            return False
        try:
            status = (self.root / local_file).stat()
        except (OSError, ValueError):  # ValueError: a foreign ledger has invalid characters in a path
            return False
        if not stat.S_ISREG(status.st_mode):
            return False
        size, length, listed = status.st_size, entry.get("length"), entry.get("size")
        if type(length) is int:
            return size == length
        if type(listed) is not int or not entry.get("end_date"):
            return size > 0
        return self.drivers.of(identifier).is_whole(listed, size)

    def remove_overlong(self, largest: int) -> list[Path]:
        """Remove partial files with more bytes than listed, and return them; `largest` is the most that is believed.

        Raises OSError.
        """
        removed = []
        for path in self.partials.found():
            status = path.lstat()
            bound = believable_length(listed_size(path), largest) + SLACK
            if stat.S_ISREG(status.st_mode) and status.st_size > bound:
                path.unlink(missing_ok=True)
                removed.append(path)
        return removed

    def free(self) -> int:
        """Return the free bytes on the disk of the tracks."""
        return shutil.disk_usage(self.root / "gpslogs").free


def _may_be_copy(stamp: Stamp, other: Stamp) -> bool:
    """Whether a stamp is the other one as exFAT and FAT keep it, which cut off a part of a time."""
    return stamp[1] == other[1] and stamp[0] in (other[0], *(other[0] // step * step for step in TIME_STEPS))


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def adopt(path: Path, log: ListedTrack, identifier: int) -> Fetched | None:
    """Return the download that another program stored, synced, if it is verified, else None. Blocks, raises OSError."""
    received = examine(path)
    if judge(received.integrity, log, identifier).outcome is not Outcome.VERIFIED:
        return None
    sync(path, path.parent)
    return Fetched(Outcome.VERIFIED, received.integrity.length, received.sha256, mark=received.mark)
