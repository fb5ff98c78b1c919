"""`sse-track FILE|FOLDER...`: the contents of track files as a table, JSON, GPX, CSV or a plot."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from sse_twisted import __version__
from sse_twisted.runtime.one_thread import compute_in_one_thread
from sse_twisted.runtime.programs import (
    add_workers,
    is_on_cluster,
    json_list,
    one_of_each_folder,
    opened_workers,
    until_interrupted,
    with_progress,
)
from sse_twisted.tracks.formats import FORMATS, format_named
from sse_twisted.tracks.report import UNITS, Report, complaint, details, edition, heading, is_track, row
from sse_twisted.tracks.track_files import Reading, TrackJob, failure

HandInFiles = Callable[[Path, Sequence[Path]], int]  # takes the event folder and files, returns an exit status
BATCH_SIZE: Final = 4  # files that a worker takes at a time
OTHER_KINDS: Final = {".gpx", ".csv", ".svg", ".png", ".jpg", ".jpeg", ".gif", ".pdf", ".webp"}  # of exports
EPILOG: Final = """\
speeds:
  All speeds are those that the device measured (Doppler), unless the column
  "speeds" says that they were made from positions. Of a Motion, only usable
  fixes count: 3D, with 7 satellites or more and a speed accuracy of 1 m/s or
  better; of an ESP logger, those with 5 satellites or more and that accuracy.
  Of other devices all count, and a doubtful best is remarked: a spike, few
  satellites, a large speed error or HDOP. Speeds are rounded down to whole
  mm/s, as on the device. The five best share no fix and are of different runs;
  a run ends when the speed stays under 5 knots for three fixes. A best may
  begin in an earlier run; on the device it may not, so the device can show
  less.

  1s, 2s, 10s       mean of the fixes of that time, with none missing
  100m, 250m,       mean over the fewest fixes that reach the distance; their
  500m, 1852m       distance beyond it counts; missing fixes take time, but add
                    no distance
  alpha             alpha 500: mean over a path of 100 to 500 m that ends within
                    50 m of its start, with the course turned by 90 degrees or
                    more
  1h                mean over any 3600 s while the device was on; fixes that are
                    missing or may stand still count as 0
  5x10s             mean of the five best 10s
  max               fastest fix
  km                sum of the stored fixes that certainly move; event firmware
                    stores none under 5 knots, so the device shows more

  format            by the content: {formats}
  Hz                fixes that the device logs each second
  speeds            Doppler: measured by the receiver; positions: made from
                    places and times, so an error of place makes a false speed
  evidence          what proves that nothing was changed or lost:
                    proven: checksums and the length;
                    consistent: checksums, but a missing end would not be seen;
                    as handed in: nothing

claims:
  Each figure in a track's header is checked at its own second:
  exact             the fixes reproduce it
  within bounds     possible with the slow fixes that event firmware leaves out
  unseen            the fixes that would decide are not in the file
  contradicted      the fixes do not allow it

A folder stands for all tracks in it and below it, in the order of their paths.
Other files in it, and hidden ones, are left out.

Times are UTC. Exit status: 0; 1 if a file is damaged, not a track or
unreadable, or a folder holds no track; 2 for wrong usage, or if the work could
not go on, as when a cluster is away or the disk of the output is full: a JSON
list then has no end.
"""


def main(
    arguments: Sequence[str] | None = None,
    hand_in: HandInFiles | None = None,
    verify: Callable[[Sequence[str]], int] | None = None,
) -> int:
    """Run the command and return its exit status: 0, 1 if a file is damaged or not a track, 2 for an error.

    `hand_in` and `verify` do what `--hand-in` and `--verify` say; without them there are no such options.
    """
    parser = _parser(hand_in is not None)
    if verify is not None:
        text = "compare an event folder (the first FILE) with its ledgers, and its copies (the others) with it"
        parser.add_argument("--verify", action="store_true", help=text)
    options = parser.parse_args(arguments)
    if hand_in is not None and options.hand_in is not None:
        return hand_in(options.hand_in, list(map(Path, options.files)))
    if verify is not None and options.verify:
        return until_interrupted("sse-track", lambda: verify(options.files))
    compute_in_one_thread()
    options.files = list(dict.fromkeys(_expanded(options.files)))
    count = len(options.files)
    targets = {"gpx": options.gpx, "csv": options.csv, "svg": options.plot}
    exports = {extension: path for extension, path in targets.items() if path is not None}
    for extension, path in exports.items():
        if path.is_dir():
            continue
        if count > 1:
            parser.error(f"{path} is not a folder: pass an existing folder to export {count} tracks")
        if path.suffix.lower() in OTHER_KINDS - {f".{extension}"}:
            name = path.with_suffix(f".{extension}")
            parser.error(f"{path} would hold {extension.upper()}, whatever its name says: name it {name}")
    show = _show_lines if options.json_lines else _show_list if options.json else _show_table

    def report_all() -> int:
        with closing(_reports(options, exports)) as reports:  # the cluster is left even if nothing can be printed
            return 1 if show(reports, options) else 0

    return until_interrupted("sse-track", report_all)


def _reports(options: argparse.Namespace, exports: Mapping[str, Path]) -> Generator[tuple[str, Report], None, None]:
    """Yield the reports in the order of the files, as they come; raises WorkError."""
    names: Sequence[str] = options.files
    stems = Counter(Path(name).stem for name in names)
    jobs = (TrackJob(name, stems[Path(name).stem] > 1) for name in names)
    folder = Path.cwd() if is_on_cluster(options) else Path()
    reading = Reading(folder, exports, options.gpx_version)
    options.jobs = min(options.jobs, len(names))
    with opened_workers(options, edition) as workers:
        workers.require(one_of_each_folder(path for name in names if (path := Path(name)).is_file()))
        workers.require(path.absolute() if path.is_dir() else path.absolute().parent for path in exports.values())
        reports = workers.map(reading, jobs, file=reading.path, failure=failure, batch=BATCH_SIZE)
        yield from zip(names, with_progress(reports, len(names)), strict=True)


def _expanded(names: Iterable[str]) -> Iterator[str]:
    """Expand folders, and the patterns that the shell has not expanded.

    What cannot be read, or holds no track, stays, for an error message.
    """
    for name in names:
        path = Path(name)
        found: Sequence[object] = ()
        with suppress(OSError, ValueError):  # a name that is too long, "**" inside a word
            if path.is_dir():
                found = sorted(_tracks_below(path))
            elif not path.exists():
                found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        yield from map(str, found or [name])


def _tracks_below(folder: Path) -> Iterator[str]:
    """Yield the tracks in a folder and below it, and the folders that cannot be read.

    Links to folders are not followed. The collector's partial files are hidden.
    """
    closed: list[str] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (str(Path(root, name)) for name in files if not name.startswith(".") and format_named(name))
    yield from closed


def _show_lines(reports: Iterable[tuple[str, Report]], options: argparse.Namespace) -> int:
    """Print one object a line, each at once; return the number of files with a complaint."""
    bad = 0
    for name, report in reports:
        bad += bool(complaint(report))
        print(_json(name, report), flush=True)
    return bad


def _show_list(reports: Iterable[tuple[str, Report]], options: argparse.Namespace) -> int:
    """Print a list with one object a line; return the number of files with a complaint."""
    bad = 0
    with json_list() as add:
        for name, report in reports:
            bad += bool(complaint(report))
            add(_json(name, report))
    return bad


def _json(name: str, report: Report) -> str:
    return json.dumps({"file": name} | report, ensure_ascii=False)


def _show_table(reports: Iterable[tuple[str, Report]], options: argparse.Namespace) -> int:
    """Print the tracks, and other files on standard error; return the number of files with a complaint."""
    bad = shown = 0
    width = max(len(name) for name in options.files)
    for name, report in reports:
        bad += bool(complaint(report))
        if not is_track(report):
            print(f"sse-track: {name}: {complaint(report)}", file=sys.stderr)
            continue
        lines = [heading(width, options.unit)] if not shown else []
        lines += row(name, report, width, options.unit)
        lines += details(report, options.unit) if options.verbose else ()
        print("\n".join(lines))
        shown += 1
    return bad


def _parser(can_hand_in: bool = False) -> argparse.ArgumentParser:
    known = ", ".join(each.extension for each in FORMATS)
    parser = argparse.ArgumentParser(
        prog="sse-track",
        description="Report on track files: integrity, speeds, and a check of the device's claims.",
        epilog=EPILOG.format(formats=", ".join(each.name for each in FORMATS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = f"a track file ({known}), a folder of them, or a pattern such as 'gpslogs/*/ABC*{FORMATS[0].extension}'"
    parser.add_argument("files", nargs="+", metavar="FILE", help=files)
    as_json = parser.add_mutually_exclusive_group()
    as_json.add_argument("--json", action="store_true", help="print a JSON list with one object a line")
    lines = "print one JSON object a line as soon as a track is measured, for another program"
    as_json.add_argument("--json-lines", action="store_true", help=lines)
    for option, text in (("gpx", "GPX"), ("csv", "CSV"), ("plot", "a plot as SVG")):
        where = "to this file, or for several tracks into this folder"
        parser.add_argument(f"--{option}", type=Path, metavar="PATH", help=f"write {text} {where}")
    gpx = "1.1 (default) has speeds in extensions; 1.0 has them where GPSBabel and older programs expect them"
    parser.add_argument("--gpx-version", choices=["1.1", "1.0"], default="1.1", help=gpx)
    parser.add_argument("--unit", choices=[*UNITS], default="kn", help="unit of the speeds in the table (default: kn)")
    if can_hand_in:
        text = "hand the files in to the event in this folder, and do nothing else; they need no particular names"
        parser.add_argument("--hand-in", type=Path, metavar="EVENT", help=text)
    parser.add_argument("-v", "--verbose", action="store_true", help="also print header, claims and the five best")
    add_workers(parser)
    parser.add_argument("--version", action="version", version=f"sse_twisted {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
