"""Measures what reading tracks costs: `python -m tests.benchmarks.tracks [--captures FOLDER] [--repeat N]`

verify    GB/s of decoding and verifying a track at once and in chunks of 256 KB, and how many times as fast as a
          straightforward checksum in Python, byte by byte, measured on a part of the same bytes.
speeds    the time for all speeds but alpha, for alpha, and for the claims, of the track with the most fixes.
season    390 tracks of 550 MB in all with `sse-track --json`, in as many processes as there are cores.

With --captures the tracks are those of a folder (`**/*.oao`), else invented ones of 4 hours. Best of N repetitions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sse_twisted.simulator.generator import generate_afternoon
from sse_twisted.simulator.writer import seal
from sse_twisted.tracks.bests import Measures, best_hours, best_windows, run_ends, runs_of
from sse_twisted.tracks.claims import check_claims
from sse_twisted.tracks.formats import FileVerifier, decode
from sse_twisted.tracks.grid import on_grid
from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_SIZE
from sse_twisted.tracks.session import SPEEDS, in_time
from tests.benchmarks.report import Figure, table
from tests.tracks.voyages import frames_in

CHUNK: Final = 256 * 1024
SEASON_TRACKS: Final = 390
SEASON_BYTES: Final = 550_000_000
SUMMED: Final = 200_000  # bytes that the loop in Python adds up


def best_of(repeat: int, act: Callable[[], object]) -> float:
    """The shortest of so many runs, in s."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return min(times)


def slow_sums(data: bytes) -> int:
    """The checksum of each frame as one would write it down, and how many are wrong."""
    wrong = 0
    for start in range(HEADER_SIZE, len(data) - FRAME_SIZE + 1, FRAME_SIZE):
        first = second = 0
        for place in range(start, start + FRAME_SIZE):
            if place - start not in (2, 3):
                first = (first + data[place]) & 255
                second = (second + first) & 255
        wrong += (first, second) != (data[start + 2], data[start + 3])
    return wrong


def in_chunks(data: bytes) -> bool:
    """Verify as the collector does."""
    verifier = FileVerifier()
    for start in range(0, len(data), CHUNK):
        verifier.feed(data[start : start + CHUNK])
    return verifier.finish().whole


def verify_figures(tracks: Sequence[bytes], repeat: int) -> Iterator[Figure]:
    """How fast bytes are verified."""
    size = sum(map(len, tracks))
    at_once = size / best_of(repeat, lambda: [decode(data) for data in tracks])
    streamed = size / best_of(repeat, lambda: [in_chunks(data) for data in tracks])
    part = max(tracks, key=len)[:SUMMED]
    by_byte = len(part) / best_of(1, lambda: slow_sums(part))
    yield Figure("verify", f"decode and verify {len(tracks)} tracks at once", at_once / 1e9, "GB/s (goal: 1)")
    yield Figure("verify", "in chunks", streamed / 1e9, "GB/s (goal: 1)")
    yield Figure("verify", "at once : byte by byte in Python", at_once / by_byte)


def speed_figures(tracks: Sequence[bytes], repeat: int) -> Iterator[Figure]:
    """How long the speeds of the largest track take."""
    finalised = (track for data in tracks if (track := decode(data)).header and track.header.end_date)
    track = max(finalised, key=lambda track: len(track.fixes))
    header, rules = track.header, track.rules
    assert header is not None
    fixes = track.fixes[in_time(track.fixes.time)]

    def sail(names: Sequence[str]) -> Measures:
        measures = Measures(on_grid(fixes, track.rate, rules))
        run = runs_of(measures.grid, run_ends(measures.grid, missing_is_slow=rules.logging_threshold > 0))
        for name in names:
            if name == "1h":
                best_hours(measures.grid)
            else:
                best_windows(measures.grid, measures[name], run)
        return measures

    others = [name for name in SPEEDS if name != "alpha500"]
    measures = sail(SPEEDS)
    case = f"speeds of {len(fixes):,} fixes"
    yield Figure(case, "all but alpha", 1000 * best_of(repeat, lambda: sail(others)), "ms", 50)
    yield Figure(case, "alpha", 1000 * best_of(repeat, lambda: sail(["alpha500"])), "ms", 300)
    claims = 1000 * best_of(repeat, lambda: check_claims(header, fixes, measures, rules))
    yield Figure(case, "claims", claims, "ms")


def season_figures(
    kinds: Sequence[bytes], repeat: int, tracks: int = SEASON_TRACKS, size: int = SEASON_BYTES
) -> Iterator[Figure]:
    """How long the command takes for a season: the same tracks again and again, as long as the season's are."""
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-") as folder:
        names, written = [], 0
        for number in range(tracks):
            data = stretched(kinds[number % len(kinds)], (size - written) // (tracks - number))
            names.append(str(Path(folder) / f"{number}.oao"))
            Path(names[-1]).write_bytes(data)
            written += len(data)
        command = [sys.executable, "-m", "sse_twisted.tracks.command", "--json", *names]
        seconds = best_of(repeat, lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=False))
    yield Figure("season", f"sse-track --json of {tracks} tracks, {written / 1e6:.0f} MB", seconds, "s", 10)


def stretched(track: bytes, size: int) -> bytes:
    """The track with its fixes once more, a day later each time, until it has the size."""
    frames = frames_in(track).copy()
    parts = [track[:HEADER_SIZE]]
    missing = max(0, size - HEADER_SIZE) // FRAME_SIZE
    span = int(frames["utc"][-1]) - int(frames["utc"][0]) + 60_000 if len(frames) else 0
    while missing > 0 and len(frames):
        parts.append(seal(frames[:missing]))
        missing -= len(frames)
        frames["utc"] += span
    return b"".join(parts)


def main() -> int:
    """Measure and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--captures", type=Path, help="folder with tracks of real devices")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="best of so many (3)")
    options = parser.parse_args()
    if options.captures:
        tracks = [path.read_bytes() for path in sorted(options.captures.glob("**/*.oao"))]
    else:
        tracks = [log.content for device in range(601, 611) for log in generate_afternoon(device, 1, 1_666_200_000_000)]
    tracks = [data for data in tracks if len(data) > CHUNK]
    figures: list[Figure] = []
    for measure in (verify_figures, speed_figures, season_figures):
        figures += measure(tracks, options.repeat)
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
