"""`twistd sse` and `twist sse` as processes of their own, and devices on loopback: what no virtual time can show."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.support.daemon import END_WITHIN, Elsewhere, LiveEvent, Program, until

QUIET = ("--manhole", "off")  # its place may be taken by a collector that is at work on this machine


# `twistd`, on a disk that hangs for as long as there is a certain file: each write to the event folder waits.
ON_A_DISK_THAT_HANGS = """
import os, sys, time
from twisted.scripts.twistd import run
flag, folder = sys.argv[1:3]
def hanging(call):
    def instead(descriptor, *more):
        while os.readlink(f"/proc/self/fd/{descriptor}").startswith(folder) and os.path.exists(flag):
            time.sleep(0.05)
        return call(descriptor, *more)
    return instead
os.write, os.fsync = hanging(os.write), hanging(os.fsync)
sys.argv = ["twistd", *sys.argv[3:]]
run()
"""


# `twistd`, which says "Arrived" at a call in its start and waits there for as long as there is a certain file.
THAT_WAITS_IN_ITS_START = """
import importlib, os, sys, time
from twisted.scripts.twistd import run
flag, module, *path, name = sys.argv[1:3] + sys.argv[3].split(".")
owner = importlib.import_module(module)
for each in path:
    owner = getattr(owner, each)
call = getattr(owner, name)
def waiting(*args):
    print("Arrived", flush=True)
    while os.path.exists(flag):
        time.sleep(0.01)
    return call(*args)
setattr(owner, name, waiting)
sys.argv = ["twistd", *sys.argv[4:]]
run()
"""


@frozen
class Stage:
    """Everything that a test needs: the event, and a folder elsewhere to start programs in."""

    reactor: Any
    event: LiveEvent
    elsewhere: Elsewhere

    def collector(self, *arguments: str) -> Program:
        """`twistd -n sse` with the event's configuration."""
        return self.elsewhere.collector("--config", str(self.event.config), *arguments)

    def collector_that_waits_while(self, flag: Path, folder: Path) -> Program:
        """A collector whose disk hangs while there is a file `flag`: each write below `folder` waits."""
        options = ("-n", "--pidfile=", "sse", "--web", "off", *QUIET, "--config", str(self.event.config))
        return self.elsewhere.start("-c", ON_A_DISK_THAT_HANGS, str(flag), str(folder), *options, program="python")

    def collector_that_waits_in_its_start(self, flag: Path, module: str, call: str) -> Program:
        """A collector that says "Arrived" before a call in its start, and waits there while there is a file `flag`."""
        options = ("-n", "--pidfile=", "sse", "--web", "off", *QUIET, "--config", str(self.event.config))
        return self.elsewhere.start("-c", THAT_WAITS_IN_ITS_START, str(flag), module, call, *options, program="python")

    async def started(self) -> Program:
        """A collector that has nothing to do any more but to wait."""
        await self.event.device(601)
        self.event.configure()
        program = self.collector()
        await program.says("motion-601 can be disconnected")
        return program

    async def downloads(self, program: Program, size: int = 1) -> None:
        """Wait until the program has that many bytes of a track that is not whole yet."""

        def holds() -> bool:
            found = (path.stat() for path in self.event.partials())
            return any(status.st_size >= size and status.st_mtime > program.began for status in found)

        await until(self.reactor, holds, f"there are {size} bytes of a track")

    async def collects(self, program: Program, identifier: int) -> None:
        """Wait until the program lets the device go."""
        line = f"motion-{identifier} can be disconnected"
        await until(self.reactor, lambda: line in program.output, line)

    async def check_that_it_collects(self, *identifiers: int) -> None:
        """Started, the collector lets the devices go; then it is ended, and every track is whole."""
        program = self.collector()
        for identifier in identifiers:
            await self.collects(program, identifier)
        program.kill(signal.SIGTERM)
        assert await program.ends(END_WITHIN) == 0
        for identifier in identifiers:
            tracks = self.event.tracks()
            assert self.event.expected(identifier).items() <= tracks.items()
