"""Measures one track, for the worker: it imports no more than that takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sse_twisted.event_folder.track_file import Mark, marked_bytes
from sse_twisted.tracks.analysis import analyse_track
from sse_twisted.tracks.formats import MAX_SIZE, decode
from sse_twisted.tracks.report import Report, report_of


def measure(root: Path, local_file: str, sha256: str, mark: Mark | None = None) -> Report | None:
    """Return the report of a track; None if the file is gone, too large, or has another digest. "" is any digest.

    A file that still has the `mark` that it had when its bytes were verified has them, and that digest.
    """
    found = marked_bytes(root, local_file, MAX_SIZE + 1)
    if found is None or len(found[0]) > MAX_SIZE:
        return None
    data, now = found
    is_verified = bool(sha256) and now == mark
    digest = sha256 if is_verified else hashlib.sha256(data).hexdigest()
    if sha256 not in ("", digest):
        return None
    track = decode(data, local_file, is_verified=is_verified)
    return report_of(analyse_track(track), len(data)) | {"sha256": digest}
