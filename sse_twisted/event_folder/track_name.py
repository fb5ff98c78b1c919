"""The file name of a track: one grammar, parsed from the right, since a File ID may hold an underscore."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from msgspec import Struct

MAX_MINUTES = 840  # of a time zone off UTC
GRAMMAR = r"({}+[_-]\d+)_(\d+_\d{{6}}|undated_-?\d+)(?:-([2-9]|[1-9]\d+))?(\.[A-Za-z0-9]+)"
NAME = re.compile(GRAMMAR.format(r"[^/\0]"), re.ASCII)  # the original put any File ID into a name: "DE 101XYZ"
NAME_IN_TEXT = re.compile(GRAMMAR.format(r"[^/\0\s(),]"), re.ASCII)  # of a File ID with a blank, its last word only


class TrackName(Struct, frozen=True, gc=False):
    """The file name of a track; `str` formats it, and `parse` is the inverse.

    ABC601XYZ_601_20221018_113632-2.oao has an owner: File ID, number of the device, local start, repeat number.
    motion-601_20221018_113632.oao is unassigned: host name of the device, local start.
    motion-601_undated_4611686018427387904.oao is from a device without a clock: start in ms since 1970, as listed.
    """

    prefix: str  # "ABC601XYZ_601", or "motion-601" if unassigned
    stamp: str  # "20221018_113632" in the time zone of the device, or "undated_4611686018427387904"
    number: int = 1  # among the tracks of one prefix that began in the same second
    extension: str = ".oao"

    @classmethod
    def parse(cls, text: str) -> TrackName | None:
        """Return the name that `text` is, or None for any other text."""
        match = NAME.fullmatch(text)
        return _of(match) if match else None

    def __str__(self) -> str:
        number = f"-{self.number}" if self.number > 1 else ""
        return f"{self.prefix}_{self.stamp}{number}{self.extension}"

    def with_number(self, number: int) -> TrackName:
        """Return the name of another track of the same second; 1 is the name without a number."""
        return TrackName(self.prefix, self.stamp, number, self.extension)

    @property
    def is_unassigned(self) -> bool:
        """Whether the prefix is a host name, which has a hyphen before the number of the device."""
        return self.prefix.rstrip("0123456789").endswith("-")

    @property
    def folder(self) -> str:
        """The folder of the track below the event folder."""
        date = self.stamp.partition("_")[0]
        return f"gpslogs/unassigned/{date}" if self.is_unassigned else f"gpslogs/{date}"

    @property
    def local_file(self) -> str:
        """The path of the track below the event folder."""
        return f"{self.folder}/{self}"

    @property
    def day(self) -> dt.date | None:
        """The day of the start in the time zone of the device; None without a date."""
        try:
            return dt.date.fromisoformat(self.stamp.partition("_")[0])
        except ValueError:  # "undated", or a year before 1000
            return None

    @property
    def local_start(self) -> dt.datetime | None:
        """The start in the time zone of the device, without tzinfo; None without a date."""
        try:
            return dt.datetime.fromisoformat(self.stamp)
        except ValueError:
            return None

    def minutes_east(self, start_date: int) -> int | None:
        """Return the time zone in minutes east of UTC, if the track began at `start_date` ms since 1970."""
        if (local := self.local_start) is None:
            return None
        minutes = (int(local.replace(tzinfo=dt.UTC).timestamp()) - start_date // 1000) // 60
        return minutes if abs(minutes) <= MAX_MINUTES else None


def day_of(text: str) -> dt.date | None:
    """Return the day of a track by its file name; None if the name has no date."""
    name = TrackName.parse(text)
    return name.day if name else None


def replace_names(text: str, spell: Callable[[TrackName], str]) -> str:
    """Return a sentence with each name of a track in it spelled by `spell`."""
    return NAME_IN_TEXT.sub(lambda match: spell(_of(match)), text)


def _of(match: re.Match[str]) -> TrackName:
    prefix, stamp, number, extension = match.groups()
    return TrackName(prefix, stamp, int(number or 1), extension)
