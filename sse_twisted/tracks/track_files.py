"""Reads a track file for its report, and writes its exports. Picklable, for another process."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from sse_twisted.tracks.analysis import Analysis, analyse
from sse_twisted.tracks.formats import START_SIZE, is_readable, kind_of
from sse_twisted.tracks.report import Report, is_track, report_of

if TYPE_CHECKING:
    from sse_twisted.tracks.gpx_export import Version

MAX_SIZE: Final = 256 * 1024 * 1024  # bytes; ten times the longest track in any real listing


class TrackJob(Struct, frozen=True):
    """A track file that is to be read, by the name that the user knows."""

    name: str
    kind_in_exports: bool = False  # another file has the same stem, such as a.sbp and a.gpy


class Reading(Struct, frozen=True):
    """How tracks are read: call it with a job.

    `exports` are the paths by extension ("gpx", "csv", "svg"): a file, or a folder for several tracks.
    """

    folder: Path = Path()  # where relative names begin; absolute if another computer reads
    exports: Mapping[str, Path] = msgspec.field(default_factory=dict)
    gpx_version: Version = "1.1"

    def path(self, job: TrackJob) -> Path:
        """Return the path of the file that is read."""
        return self.folder / job.name

    def __call__(self, job: TrackJob) -> Report:
        """Return the report of a file, with an `error` in it if the file cannot be read, and write its exports."""
        path = self.path(job)
        try:
            if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
                raise ValueError("this folder holds no track")
            data = _contents(path)
        except (OSError, ValueError) as error:
            return {"error": (error.strerror if isinstance(error, OSError) else None) or str(error)}
        analysis = analyse(data, job.name)
        report = report_of(analysis, len(data))
        if not is_track(report):
            return report
        stem = f"{path.stem}-{report['kind']}" if job.kind_in_exports else path.stem
        for extension, target in self.exports.items():
            if (self.folder / target).is_dir():
                target /= f"{stem}.{extension}"
            try:
                self._export(analysis, path, extension, self.folder / target)
            except OSError as error:
                report["error"] = f"{target}: {error.strerror}"
                break
        return report

    def _export(self, analysis: Analysis, source: Path, extension: str, path: Path) -> None:
        from sse_twisted.tracks.csv_export import write_csv
        from sse_twisted.tracks.gpx_export import write_gpx
        from sse_twisted.tracks.plot.picture import marks_of, plot

        writers: dict[str, Callable[[], Iterable[str]]] = {
            "gpx": lambda: write_gpx(analysis.track, self.gpx_version),
            "csv": lambda: write_csv(analysis.track),
            "svg": lambda: [plot(analysis.track, marks_of(analysis.session), source.stem)],
        }
        if path.exists() and path.samefile(source):
            raise OSError(0, "refusing to overwrite the track itself")
        _write(path, writers[extension]())


def failure(job: TrackJob, report: Report) -> str:
    """Return what could not be read or written; "" if all could."""
    return f"{job.name}: {report['error']}" if "error" in report else ""


def _contents(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError, and ValueError for a file that cannot be a track."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if status.st_size <= MAX_SIZE:
            return file.read(status.st_size)
        kind = kind_of(file.read(START_SIZE))
    if not is_readable(kind):
        raise ValueError(f"not a track that can be read ({kind})")
    raise ValueError(f"too large for a track: {status.st_size:,} bytes, the limit is {MAX_SIZE:,}")


def _write(path: Path, texts: Iterable[str]) -> None:
    """Replace a file as a whole: a process may be killed, and two may write the same file. Raises OSError."""
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():  # such as /dev/stdout
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(texts)
        return
    part = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            file.writelines(texts)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
