"""Measures one track, for the worker: it imports no more than that takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sse_twisted.event_folder.track_file import track_bytes
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.formats import MAX_SIZE
from sse_twisted.tracks.report import Report, report_of


def measure(root: Path, local_file: str, sha256: str) -> Report | None:
    """Return the report of a track; None if the file is gone, too large, or has another digest. "" is any digest."""
    data = track_bytes(root, local_file, MAX_SIZE + 1)
    if data is None or len(data) > MAX_SIZE:
        return None
    digest = hashlib.sha256(data).hexdigest()
    if sha256 not in ("", digest):
        return None
    return report_of(analyse(data, local_file), len(data)) | {"sha256": digest}
