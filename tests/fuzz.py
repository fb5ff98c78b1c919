"""Feeds mutated tracks to everything that reads tracks, and mutated answers of devices to their parsers.

    python -m tests.fuzz [--seconds N] [--seed N] [--random] [--format NAME]

Mutations: fields of any value with correct checksums; frames cut, doubled, mixed and damaged; bytes of other files;
pieces of JSON repeated thousands of times; files of all formats, with records of any content and right checksums. FIT
files are read in this process. An exception, a warning, or too much memory ends the run with exit status 1 and the
seed of the file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Final

import numpy as np

from sse_twisted.devices.answer_json import parse_json
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.motion.messages import info_of, listing_of, settings_of
from sse_twisted.runtime.text import json_bytes
from sse_twisted.simulator.headers import fletcher
from sse_twisted.simulator.writer import seal
from sse_twisted.tracks import formats
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.csv_export import write_csv
from sse_twisted.tracks.fit import reading
from sse_twisted.tracks.fit.decoding import FitFormat
from sse_twisted.tracks.gpx_export import write_gpx
from sse_twisted.tracks.oao.layout import FRAME, FRAME_SIZE, HEADER, HEADER_SIZE
from sse_twisted.tracks.plot.picture import plot
from sse_twisted.tracks.report import complaint, details, report_of, row
from tests.support.mutated_files import WRITERS, cut, mutated_file
from tests.tracks.voyages import small_track

MAX_MEMORY: Final = 30_000_000  # bytes, for files of up to 100 KB; most of it is the text of a GPX file
EXTREMES: Final = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def mutated(track: bytes, seed: int) -> bytes:
    """Return a track with a few changes that depend on the seed only."""
    chance = random.Random(seed)
    data = track
    for _ in range(chance.randint(1, 6)):
        data = chance.choice(MUTATIONS)(data, chance)
    return data


def _header_field(data: bytes, chance: random.Random) -> bytes:
    if len(data) < HEADER_SIZE:
        return data
    header = np.frombuffer(data[:HEADER_SIZE], np.uint8).copy()
    start = chance.randrange(4, HEADER_SIZE - 8)
    value = chance.choice([*EXTREMES, chance.getrandbits(64), chance.getrandbits(32), chance.getrandbits(8)])
    header[start : start + 8] = np.frombuffer(value.to_bytes(8, "little"), np.uint8)
    header[2:4] = fletcher(header.tobytes())
    assert HEADER.itemsize == HEADER_SIZE
    return header.tobytes() + data[HEADER_SIZE:]


def _frame_field(data: bytes, chance: random.Random) -> bytes:
    count = (len(data) - HEADER_SIZE) // FRAME_SIZE
    if count < 1:
        return data
    end = HEADER_SIZE + count * FRAME_SIZE
    frames = np.frombuffer(data[HEADER_SIZE:end], FRAME).copy()
    first = chance.randrange(count)
    places = slice(first, first + chance.choice([1, 2, 10, count]))
    name = chance.choice([name for name in FRAME.names or () if name not in ("checksum", "mode")])
    kind = FRAME[name]
    value = chance.choice([*EXTREMES, chance.getrandbits(64)]) % 2 ** (8 * kind.itemsize)
    if chance.random() < 0.3:
        frames[name][places] = (frames[name][places].astype(np.int64) * chance.choice([-1, 0, 2, 3, 1000])).astype(kind)
    else:
        frames[name][places] = np.frombuffer(value.to_bytes(kind.itemsize, "little"), kind)[0]
    return data[:HEADER_SIZE] + seal(frames) + data[end:]


def _flip(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _add(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    added = chance.choice([chance.randbytes(chance.randrange(700)), b"]}", bytes(600), b"<gpx>", data[:2000]])
    return data[:start] + added + data[start:]


def _turn(data: bytes, chance: random.Random) -> bytes:
    """Frames in another order."""
    middle = HEADER_SIZE + FRAME_SIZE * chance.randrange(max(1, (len(data) - HEADER_SIZE) // FRAME_SIZE))
    return data[:HEADER_SIZE] + data[middle:] + data[HEADER_SIZE:middle]


PIECES: Final = (
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\\",
    b",",
    b":",
    b"[],",
    b'"a":',
    b"1,",
    b"\xff",
    b"\0",
    b" ",
    b"1e9",
    b"NaN",
    b"-",
)
MUTATIONS: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    _header_field,
    _frame_field,
    _frame_field,
    _flip,
    cut,
    _add,
    _turn,
)


def mutated_answer(seed: int) -> bytes:
    """Return an answer of a device with a few changes that depend on the seed only."""
    chance = random.Random(seed)
    entry = {"file": "/logs/a.oao", "size": 1536, "start_date": 1_665_993_600_000, "500m_best": 9000, "spot": "é"}
    info = {"motion": {"identifier": 601, "firmware": {"name": "9008"}, "battery": {"level": 83}}}
    settings = {"settings": {"gnss_rate": "5", "timezone": "60", "wifi": [{"login": "WSW"}]}}
    data = json.dumps(chance.choice([info, settings, {"logs": [entry] * chance.randint(0, 5)}])).encode()
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1)
        piece = chance.choice(PIECES) * chance.choice([1, 1, 1, 20, 30_000])
        data = data[:at] + piece + data[at + chance.randrange(5) :]
    return data


def read_answer(data: bytes) -> None:
    """Read an answer as each of the three; only BadAnswer may be raised."""
    for read in (info_of, settings_of, listing_of):
        with contextlib.suppress(BadAnswer):
            tree = parse_json(data, "it")
            read(tree)
            json_bytes(tree)


def mutated_track(seed: int, name: str | None = None) -> bytes:
    """Return a mutated track of a format; of all in turn without a name."""
    names = ["oao", *WRITERS]
    name = name or names[seed % len(names)]
    return mutated(small_track(300), seed) if name == "oao" else mutated_file(name, seed)


def read_in_all_ways(data: bytes) -> None:
    """What the command, the collector and the board do with a file."""
    analysis = analyse(data)
    report = report_of(analysis, len(data))
    complaint(report)
    list(row("name", report, 10, "kn"))
    list(details(report, "km/h"))
    for _ in write_gpx(analysis.track):
        pass
    for _ in write_csv(analysis.track):
        pass
    plot(analysis.track)


def main() -> int:
    """Read mutated tracks for the chosen time."""
    parser = argparse.ArgumentParser(description="Feed mutated tracks to everything that reads tracks.")
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of the run (default: 60)")
    parser.add_argument("--seed", type=int, default=None, help="read only the file of this seed")
    parser.add_argument("--random", action="store_true", help="begin at a random seed")
    parser.add_argument("--format", choices=["oao", *WRITERS], help="read only tracks of this format (default: all)")
    options = parser.parse_args()
    warnings.simplefilter("error")
    here = FitFormat(reading.read)
    formats.FORMATS = tuple(here if each.name == "fit" else each for each in formats.FORMATS)  # type: ignore[misc]
    if options.seed is not None:
        read_in_all_ways(mutated_track(options.seed, options.format))
        read_answer(mutated_answer(options.seed))
        return 0
    end = time.monotonic() + options.seconds
    seed = random.SystemRandom().randrange(2**40) if options.random else 0
    read = 0
    tracemalloc.start()
    while time.monotonic() < end:
        tracemalloc.reset_peak()
        try:
            read_in_all_ways(mutated_track(seed, options.format))
            read_answer(mutated_answer(seed))
        except Exception:
            print(f"the file of seed {seed}:", file=sys.stderr)
            raise
        peak = tracemalloc.get_traced_memory()[1]
        if peak > MAX_MEMORY:
            print(f"the file of seed {seed} took {peak:,} bytes of memory: more than {MAX_MEMORY:,}", file=sys.stderr)
            return 1
        seed += 1
        read += 1
    print(f"{read:,} mutated tracks and answers read without failure in {options.seconds:g} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
