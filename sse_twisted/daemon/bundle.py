"""`twistd sse --bundle FILE.zip`: the support bundle on the command line, with or without a running collector."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sse_twisted.control.bundle import Source, write_bundle
from sse_twisted.runtime.text import size

NO_REPORTS = "Made on the command line: what a running collector knows is only in a bundle that is made on the board.\n"


class BundleError(Exception):
    """The bundle cannot be made; the message is one line."""


def make_bundle(file: Path, source: Source, now: float) -> str:
    """Write a new file of mode 0600 and return what to tell; raises BundleError."""
    if not source.folder.root.is_dir():
        raise BundleError(f"{source.folder.root}: no such event folder; pass --event DIR")
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BundleError(f"{file} exists, and is not overwritten: choose another name") from None
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as target:
            for _ in write_bundle(target, source, now):
                pass
            os.fsync(target.fileno())
    except BaseException as error:
        with contextlib.suppress(OSError):
            file.unlink()
        if isinstance(error, OSError):
            raise BundleError(f"{file}: {error.strerror or error}") from None
        raise
    return f"{file}: {size(file.stat().st_size)}. README.txt in it says what it holds and what was replaced."
