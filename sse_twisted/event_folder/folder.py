"""The event folder as a whole: where things are, the devices' last answers, and which tracks it holds."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from sse_twisted.devices.driver import Finding, ListedTrack, Listing
from sse_twisted.devices.drivers import KNOWN, Drivers
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.event_folder.files import make_folder, sync_file, sync_folder, write_whole
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status, local_file_of, read_entries
from sse_twisted.event_folder.lock import LOCK
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.partial import PartialTrack, examine
from sse_twisted.event_folder.verification import Outcome, judge

LEDGER = "downloads.json"
NS = 1_000_000_000
AHEAD = 60.0  # s by which a file server's clock may be

Stamp = tuple[int, int]  # of a file: when it was written, in ns since 1970, and bytes; those of none are 0


@frozen
class Stamps:
    """By which the answers of a device that are kept are told from any others, whatever the clock says."""

    info: Stamp = (0, 0)
    listing: Stamp = (0, 0)


@frozen
class EventFolder:
    """All methods block and may raise OSError; each device's files are used by one visit at a time."""

    root: Path
    drivers: Drivers = field(factory=lambda: Drivers(*KNOWN), eq=False, repr=False)

    @property
    def roster(self) -> Path:
        """Who carries which device on which day."""
        return self.root / "config" / "motions.csv"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def motion(self, identifier: int) -> Path:
        """The last answers and the ledger of a device."""
        return self.root / "motions" / self.drivers.name(identifier)

    @property
    def state(self) -> Path:
        """The collector's own folder, readable by its owner only: keys, passwords and the state file."""
        return self.root / ".sse_twisted"

    @property
    def state_file(self) -> Path:
        return self.state / "memory.json"

    def keep_state(self, data: bytes) -> None:
        make_folder(self.root)
        self.state.mkdir(mode=0o700, exist_ok=True)
        if not self.state_file.exists():  # whoever made its folder
            sync_folder(self.root)
        write_whole(self.state_file, data, private=True)

    @property
    def _folders(self) -> tuple[Path, ...]:
        return self.root / "config", self.root / "gpslogs", self.root / "motions", self.logs

    def prepare(self) -> None:
        """Make the folders, and find out before the day whether they can be written to."""
        for folder in self._folders:
            make_folder(folder)
        if closed := self.closed():
            raise PermissionError(13, "Permission denied", str(closed))

    def closed(self) -> Path | None:
        """What of the folder can't be written to by the acting user, the folder itself included; makes nothing."""
        if not _may(self.root, os.R_OK | os.W_OK | os.X_OK):
            return self.root
        for folder in self._folders:
            if folder.exists() and not _may(folder, os.R_OK | os.W_OK | os.X_OK):
                return folder
        for file in (self.root / LOCK, self.logs / "server.log", self.logs / "server.json"):
            if file.exists() and not _may(file, os.R_OK | os.W_OK):
                return file
        return None

    def check_writable(self) -> None:
        """Write and remove a small file where the tracks go; raises OSError if that can't be done."""
        path = self.root / "gpslogs" / ".sse_twisted.check"
        try:
            write_whole(path, b"\0" * 65536)
        finally:
            path.unlink(missing_ok=True)

    def store_answer(self, identifier: int, name: str, stored: bytes) -> None:
        """Keep the device's last answer of that name."""
        write_whole(self.motion(identifier) / name, stored)

    def findings(self, identifier: int, expected: Any) -> tuple[Finding, ...]:
        """Compare what a device last said of itself with the table [expected] of the settings. Raises no OSError."""
        driver = self.drivers.of(identifier)
        files = {}
        for name in (driver.files.identity, driver.files.settings):
            with contextlib.suppress(OSError):
                files[name] = (self.motion(identifier) / name).read_bytes()
        return tuple(driver.findings(files, expected))

    def met_at(self, identifier: int) -> float:
        """When a device last said who it is, in s since 1970; 0 if never. Raises no OSError."""
        return self.stamps(identifier).info[0] / NS

    def is_listed(self, identifier: int) -> bool:
        """Whether a listing was kept after the device last said who it is. Raises no OSError.

        Of times that are still to come nobody knows which was first: the clock has been set back since.
        """
        stamps = self.stamps(identifier)
        return 0 < stamps.listing[0] < (time.time() + AHEAD) * NS and stamps.listing[0] >= stamps.info[0]

    def stamps(self, identifier: int) -> Stamps:
        """Those of the answers that are kept now. Raises no OSError."""
        folder, files = self.motion(identifier), self.drivers.of(identifier).files
        return Stamps(_stamp(folder / files.identity), _stamp(folder / files.listing))

    def all_stamps(self) -> dict[int, Stamps]:
        """Those of all devices that were ever here, by number. Raises no OSError."""
        return {identifier: self.stamps(identifier) for identifier in self._known()}

    def ledger(self, identifier: int) -> Ledger:
        return Ledger.load(self.ledger_path(identifier), self.drivers.of(identifier))

    def ledger_path(self, identifier: int) -> Path:
        """Where the ledger of a device is, or would be."""
        return self.motion(identifier) / LEDGER

    def identifiers(self) -> list[int]:
        return [identifier for identifier in self._known() if self.ledger_path(identifier).exists()]

    def _known(self) -> list[int]:
        """Return the devices that have a folder, by number. Raises no OSError."""
        try:
            names = [path.name for path in (self.root / "motions").iterdir()]
        except OSError:
            return []
        found = {name: number for name in names if (number := self.drivers.number(name)) is not None}
        return sorted(number for name, number in found.items() if name == self.drivers.name(number))

    def timezone(self, identifier: int) -> int | None:
        """Minutes east of UTC in the device's last settings; None if it does not say."""
        try:
            driver = self.drivers.of(identifier)
            return driver.stored_settings((self.motion(identifier) / driver.files.settings).read_bytes()).timezone
        except (OSError, BadAnswer):
            return None

    def entries(self, identifier: int) -> dict[str, dict[str, Any]]:
        """The entries of a device's ledger by track, to be looked at only."""
        return read_entries(self.motion(identifier) / "downloads.json")

    def all_entries(self) -> dict[int, dict[str, dict[str, Any]]]:
        """The entries of all devices that were ever here, by number."""
        return {identifier: self.entries(identifier) for identifier in self._known()}

    def listing(self, identifier: int) -> Listing:
        """The last listing of a device; raises OSError or BadAnswer if there is none."""
        driver = self.drivers.of(identifier)
        return driver.stored_listing((self.motion(identifier) / driver.files.listing).read_bytes())

    def held(self, track: EventTrack, ledger: Ledger) -> Fetched | None:
        """The completed download of a track if it is in the ledger and of its length on disk, else None.

        A file that the ledger knows nothing of, or only in the original's words, is examined, and counts if it is
        whole, and then on the disk; the caller records it.
        """
        path = self.root / track.local_file
        if not path.is_file():
            return None
        fetched = ledger.fetched(track)
        if fetched is not None:
            return fetched if path.stat().st_size == fetched.length else None
        return taken_over(path, track.log, track.identifier)

    def track_bytes(self, local_file: str, most: int) -> bytes | None:
        """The first `most` bytes of a track that a ledger names; None if that is no file below `gpslogs`.

        Raises no OSError. The ledger may be somebody else's: with characters that no path has, with a link that leads
        elsewhere, or with a pipe for which one would wait for ever.
        """
        try:
            path = (self.root / local_file).resolve(strict=True)
            if not path.is_relative_to((self.root / "gpslogs").resolve()) or not path.is_file():
                return None
            with path.open("rb") as file:
                return file.read(most)
        except (OSError, ValueError, RuntimeError):  # the last one of links in a circle
            return None

    def holds(self, identifier: int, name: str, entry: Mapping[str, Any]) -> bool:
        """Whether a track is completed, by its entry of a ledger, and its file there, of its length.

        Raises no OSError. Of a log that was never finalised the original does not tell how long its file should be.
        """
        local_file = local_file_of(name, entry)
        if entry.get("status") != Status.COMPLETED or local_file is None:
            return False
        try:
            status = (self.root / local_file).stat()
        except (OSError, ValueError):  # of a ledger that we did not write, with characters that no path has
            return False
        if not stat.S_ISREG(status.st_mode):
            return False
        size = status.st_size
        length, listed = entry.get("length"), entry.get("size")
        if type(length) is int:
            return size == length
        if type(listed) is not int or not entry.get("end_date"):
            return size > 0
        return self.drivers.of(identifier).is_whole(listed, size)

    def partial(self, track: EventTrack) -> PartialTrack:
        """Where the bytes of a track gather until it is whole."""
        return PartialTrack(self.root, track)

    def leftovers(self) -> list[Path]:
        """Tracks of which an earlier run got a part."""
        return sorted(self.root.glob("gpslogs/**/.*.part"))

    def free(self) -> int:
        """Bytes of room on the disk of the tracks."""
        return shutil.disk_usage(self.root / "gpslogs").free


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def taken_over(path: Path, log: ListedTrack, identifier: int) -> Fetched | None:
    """The download of a file that somebody else put there, if it is all of the log, and then on the disk.

    Blocks, raises OSError.
    """
    received = examine(path)
    if judge(received.integrity, log, identifier).outcome is not Outcome.VERIFIED:
        return None
    sync_file(path)
    return Fetched(Outcome.VERIFIED, received.integrity.length, received.sha256)
