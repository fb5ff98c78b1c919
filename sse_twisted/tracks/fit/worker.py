"""Reads a FIT file in a process of its own, within limits of time and memory.

As a program it reads the file from its standard input, and writes a line of JSON and the columns of the records.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from array import array
from contextlib import suppress
from typing import Final

from sse_twisted.tracks.fit.reading import COLUMNS, MAX_SECONDS, Reading, read

MAX_MEMORY: Final = 1 << 30  # bytes of address space: a file of 200 MB, its records, and Python
GRACE: Final = 15.0  # s for the start of the process, and for handing over
SLOWER: Final = 4  # times, by which other processes may slow it down
NOT_READ: Final = "not read: the reader of FIT files failed"
WORD: Final = 8  # bytes of a value


def read_in_worker(data: bytes, max_seconds: float = MAX_SECONDS) -> Reading:
    """Read a file. Raises nothing: `problem` says if the process failed. Blocks for up to 4 * `max_seconds` + 15 s."""
    command = [sys.executable, "-m", __name__, str(max_seconds)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SLOWER * max_seconds + GRACE,
            check=True,
        )
        return _unpacked(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError, TypeError):
        return Reading(problem=NOT_READ)


def main() -> int:
    """Read standard input; return 0."""
    with suppress(ValueError, OSError):  # macOS knows the limit, and refuses it
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    sys.stdout.buffer.write(_packed(read(sys.stdin.buffer.read(), float(sys.argv[1]))))
    return 0


def _packed(reading: Reading) -> bytes:
    told = [reading.maker, reading.model, reading.serial, reading.sound_to, reading.problem]
    return b"\n".join([json.dumps(told).encode(), b"".join(reading.columns[name].tobytes() for name in COLUMNS)])


def _unpacked(output: bytes) -> Reading:
    line, _, packed = output.partition(b"\n")
    maker, model, serial, sound_to, problem = json.loads(line)
    size = len(packed) // len(COLUMNS) // WORD * WORD
    columns = {name: array("q", packed[at * size : (at + 1) * size]) for at, name in enumerate(COLUMNS)}
    return Reading(columns, maker, model, serial, sound_to, problem)


if __name__ == "__main__":
    sys.exit(main())
