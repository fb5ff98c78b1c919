"""Which partial files there are: the hidden files in which tracks arrive, beside their final names.

A device may list a track with a new size at each inspection, and what was gathered of it at other sizes is removed
then. To look for it in the folder would be to list the tracks of a whole day for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

PARTIAL = re.compile(r"\.(.+)\.(-?[0-9]{1,19})\.part")  # a device may list a size below 0


def partial_path(final: Path, size: int) -> Path:
    """Return the path of a track while it arrives, in its final folder; `size` is in bytes, as listed."""
    return final.parent / f".{final.name}.{size}.part"


def listed_size(path: Path) -> int:
    """Return the size of a track, as listed, from the path of its partial file; 0 for another name."""
    match = PARTIAL.fullmatch(path.name)
    return int(match[2]) if match else 0


class PartialFiles:
    """The partial files of all tracks below `gpslogs`, those of earlier runs included. The first question blocks.

    One that is known may be gone: a person may have removed it, or a full disk kept it from being made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, set[Path]] | None = None  # by final paths
        self._looking = Lock()  # of several threads that ask first, one looks

    def found(self) -> list[Path]:
        """Look for all of them, and return their paths. Blocks, raises OSError."""
        return sorted(self.root.glob("gpslogs/**/.*.part"))

    def of(self, final: Path) -> tuple[Path, ...]:
        """Return the partial files of a track by its final path, at whatever sizes."""
        return tuple(self._all.get(final, ()))

    def forget(self) -> None:
        """Look for all of them again at the next question: another disk is in the place of the first."""
        self._known = None  # without the lock, which a thread may hold while its disk hangs

    def add(self, final: Path, path: Path) -> None:
        self._all.setdefault(final, set()).add(path)

    def drop(self, final: Path, path: Path) -> None:
        """Forget a file that is no more."""
        paths = self._all.get(final, set())
        paths.discard(path)
        if not paths:
            self._all.pop(final, None)

    @property
    def _all(self) -> dict[Path, set[Path]]:
        with self._looking:
            if self._known is None:
                self._known = _by_track(self.found())
            return self._known


def _by_track(paths: Iterable[Path]) -> dict[Path, set[Path]]:
    known: dict[Path, set[Path]] = {}
    for path in paths:
        if match := PARTIAL.fullmatch(path.name):
            known.setdefault(path.with_name(match[1]), set()).add(path)
    return known
