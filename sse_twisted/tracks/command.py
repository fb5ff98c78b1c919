"""`sse-track FILE...`: what track files hold, as a table, JSON, GPX, CSV or a plot."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Literal

from attrs import frozen
from tqdm import tqdm

from sse_twisted import __version__
from sse_twisted.tracks.analysis import Analysis, analyse
from sse_twisted.tracks.csv_export import write_csv
from sse_twisted.tracks.gpx_export import write_gpx
from sse_twisted.tracks.kinds import kind_of
from sse_twisted.tracks.oao.layout import HEADER_SIZE
from sse_twisted.tracks.plot.picture import marks_of, plot
from sse_twisted.tracks.report import UNITS, Report, complaint, details, heading, report_of, row

LARGEST: Final = 256 * 1024 * 1024  # bytes; ten times the longest track that was ever listed
AT_ONCE: Final = 4  # files that a process takes at a time


@frozen
class Exports:
    """Where to write what: a file for one track, a folder for several; None = not wanted."""

    gpx: Path | None = None
    csv: Path | None = None
    plot: Path | None = None
    gpx_version: Literal["1.1", "1.0"] = "1.1"

    def paths(self) -> Iterator[tuple[str, Path]]:
        """The wanted ones, by extension."""
        for extension, path in (("gpx", self.gpx), ("csv", self.csv), ("svg", self.plot)):
            if path is not None:
                yield extension, path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status: 0, or 1 if a file is damaged or no track, or 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.files = list(_expanded(options.files))
    exports = Exports(options.gpx, options.csv, options.plot, options.gpx_version)
    for _, path in exports.paths():
        if len(options.files) > 1 and not path.is_dir():
            parser.error(f"{path} is no folder, and there are {len(options.files)} tracks to write")
    try:
        return _run(options, exports)
    except BrokenPipeError:  # as with `sse-track ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _expanded(names: Iterable[str]) -> Iterator[str]:
    """The names with patterns resolved that the shell left alone; one without a match stays, to be complained of."""
    for name in names:
        path = Path(name)
        found = [] if path.exists() else sorted(map(str, Path(path.anchor).glob(str(path.relative_to(path.anchor)))))
        yield from found or [name]


def _run(options: argparse.Namespace, exports: Exports) -> int:
    reports: Iterable[tuple[str, Report]] = _all_reports(options.files, exports, options.jobs)
    if sys.stderr.isatty() and len(options.files) > 1:
        reports = tqdm(reports, total=len(options.files), unit="track", leave=False)
    show = _show_json if options.json else _show_table
    return 1 if show(reports, options) else 0


def _show_json(reports: Iterable[tuple[str, Report]], options: argparse.Namespace) -> int:
    """Print a list, one object a line; gives the number of those with a complaint."""
    bad = 0
    print("[", end="")
    for number, (name, report) in enumerate(reports):
        bad += bool(complaint(report))
        print(",\n" if number else "\n", json.dumps({"file": name} | report, ensure_ascii=False), sep="", end="")
    print("\n]")
    return bad


def _show_table(reports: Iterable[tuple[str, Report]], options: argparse.Namespace) -> int:
    """Print the tracks, and on standard error what is none; gives the number of those with a complaint."""
    bad = shown = 0
    width = max(len(name) for name in options.files)
    for name, report in reports:
        bad += bool(complaint(report))
        if report.get("kind") != "oao":
            print(f"sse-track: {name}: {complaint(report)}", file=sys.stderr)
            continue
        lines = [heading(width, options.unit)] if not shown else []
        lines += row(name, report, width, options.unit)
        lines += details(report, options.unit) if options.verbose else ()
        print("\n".join(lines))
        shown += 1
    return bad


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sse-track",
        description="Say what OAO tracks hold: whether they are whole, the speeds, whether the device's claims hold.",
        epilog="Exit status: 0; 1 if a file is damaged, no track or can't be read; 2 for wrong usage.",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a track as a device sent it, or a pattern such as 'gpslogs/**/*.oao'"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list with one object a line")
    for option, text in (("gpx", "GPX"), ("csv", "CSV"), ("plot", "a plot as SVG")):
        where = "to this file; of several tracks, into this folder"
        parser.add_argument(f"--{option}", type=Path, metavar="PATH", help=f"write {text} {where}")
    gpx = "1.1 (the default) has speeds as extensions, 1.0 where older programs and GPSBabel look for them"
    parser.add_argument("--gpx-version", choices=["1.1", "1.0"], default="1.1", help=gpx)
    parser.add_argument("--unit", choices=[*UNITS], default="kn", help="of speeds in the table (kn)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print header, claims and the five best as well")
    parser.add_argument("--jobs", type=_jobs, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    parser.add_argument("--version", action="version", version=f"sse_twisted {__version__}")
    return parser


def _jobs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{number} processes are not possible")
    return number


def _all_reports(files: Sequence[str], exports: Exports, jobs: int) -> Iterator[tuple[str, Report]]:
    work = partial(read_track, exports=exports)
    if jobs == 1 or len(files) == 1:
        yield from ((name, work(name)) for name in files)
        return
    with ProcessPoolExecutor(min(jobs, len(files))) as pool:
        yield from zip(files, pool.map(work, files, chunksize=AT_ONCE), strict=True)


def read_track(name: str, exports: Exports = Exports()) -> Report:
    """The report of a file, and its exports written; of one that can't be read, or is no track, an `error`."""
    path = Path(name)
    try:
        data = _contents(path)
    except (OSError, ValueError) as error:
        return {"error": (error.strerror if isinstance(error, OSError) else None) or str(error)}
    analysis = analyse(data)
    report = report_of(analysis, len(data))
    if report["kind"] == "oao":
        try:
            for extension, target in exports.paths():
                _export(analysis, path, extension, target, exports.gpx_version)
        except OSError as error:
            report["error"] = f"{error.filename}: {error.strerror}"
    return report


def _contents(path: Path) -> bytes:
    """The bytes of a file that may be a track; raises ValueError for one that can't be, without reading it all."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is no file: no track at byte 0")
        if status.st_size <= LARGEST:
            return file.read(status.st_size)
        kind = kind_of(file.read(HEADER_SIZE))
    if kind != "oao":
        raise ValueError(f"no OAO track ({kind}) at byte 0")
    raise ValueError(f"goes on behind byte {LARGEST:,} (to {status.st_size:,}), as no track does")


def _export(analysis: Analysis, source: Path, extension: str, target: Path, version: Literal["1.1", "1.0"]) -> None:
    path = target / f"{source.stem}.{extension}" if target.is_dir() else target
    writers: dict[str, Callable[[], Iterable[str]]] = {
        "gpx": lambda: write_gpx(analysis.track, version),
        "csv": lambda: write_csv(analysis.track),
        "svg": lambda: [plot(analysis.track, marks_of(analysis.session), source.stem)],
    }
    if path.exists() and path.samefile(source):
        raise OSError(0, "is the track itself", str(path))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(writers[extension]())


if __name__ == "__main__":
    sys.exit(main())
