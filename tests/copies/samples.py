"""An event folder with some of everything, and its copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from sse_twisted.copies.lineage import Lineage, begin
from sse_twisted.copies.source import Source, find_files
from sse_twisted.copies.target import Target
from sse_twisted.event_folder.folder import EventFolder

DAY = "gpslogs/20221017"
CONTENTS = {
    f"{DAY}/ABC601XYZ_601_20221017_090000.oao": b"track of 601" * 5000,
    f"{DAY}/DEF602XYZ_602_20221017_090000.oao": b"track of 602" * 9000,
    "gpslogs/unassigned/20221017/motion-603_20221017_090000.oao": b"track of 603",
    "config/motions.csv": b"Motion ID\n",
    "motions/motion-601/downloads.json": b"{}\n",
    "motions/motion-601/info.json": b'{"id": 601}\n',
    "results/decisions.jsonl": b'{"action": "exclude"}\n',
    "logs/server.log": b"2022-10-17 09:00:00,INFO,a line\n",
    ".sse_twisted/memory.json": b'{"format": "sse_twisted memory"}\n',
}
SECRETS = {
    ".sse_twisted/console.password": b"sse:secret\n",
    ".sse_twisted/web-token": b"token\n",
    ".sse_twisted/ssh_host_ed25519_key": b"key\n",
    ".sse_twisted/authorized_keys": b"key\n",
    "config/key.pem": b"key\n",
    "config/passwords": b"sse:secret\n",
    f"{DAY}/.ABC601XYZ_601_20221017_100000.oao.9000.part": b"half a track",
    f"{DAY}/.x.tmp": b"half a file",
    ".sse_twisted.lock": b"process 1\n",
}


class Clock:
    """Moments that a test chooses, in s."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def write(root: Path, path: str, data: bytes) -> None:
    """Replace a file as the collector does, in folders that may be missing."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + ".new")
    new.write_bytes(data)
    new.replace(target)


class Pair:
    """An event folder and a folder that is to be its copy."""

    def __init__(self, root: Path, name: str = "event") -> None:
        self.event = EventFolder(root / name)
        self.copy = root / f"copy of {name}"
        self.clock = Clock()
        self.turn: Callable[[], None] = lambda: None
        self.copy.mkdir()
        self.event.prepare()
        for path, data in (CONTENTS | SECRETS).items():
            write(self.event.root, path, data)
        self.lineage, _ = begin(self.event.root, 0.0)
        self.source = Source(self.event)
        self.target = self.new_target()

    def new_target(self, lineage: Lineage | None = None, before: Iterable[Target] = ()) -> Target:
        """Forget everything, as at a start."""
        own = lineage or self.lineage
        return Target(self.copy, self.source, own, lambda: 0.0, self.clock, lambda: self.turn(), lambda: before)

    def update(self, target: Target | None = None) -> int:
        """Copy until nothing is left to do; return the number of batches."""
        target = target or self.target
        for number in range(1, 100):
            self.clock.now += 100
            if target.update(self.source.find()).is_all:
                return number
        raise AssertionError("there is no end")

    def files(self) -> dict[str, bytes]:
        """What of the copy belongs to a copy."""
        return contents(self.copy)

    def expected(self) -> dict[str, bytes]:
        """What of the event folder belongs to a copy."""
        return contents(self.event.root)


def contents(root: Path) -> dict[str, bytes]:
    """All files of a folder that belong to a copy."""
    return {path: (root / path).read_bytes() for path in find_files(root)}
