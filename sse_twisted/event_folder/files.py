"""Write files atomically: a crash at any moment leaves the old file or the new one, never a part of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sse_twisted.runtime.text import json_bytes

BLOCK_SIZE = 1 << 20  # bytes read at once


def sync(*paths: Path) -> None:
    """Fsync files and folders. The name of a file survives a power cut once its folder is synced. Raises OSError."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace the file at `path`: write a hidden file beside it, fsync, rename, fsync the folder. Raises OSError.

    A `private` file has mode 0600, whatever the umask is.
    """
    make_folder(path.parent)
    with _renamed_at_end(path) as file:
        if private:
            os.fchmod(file.fileno(), 0o600)
        file.write(data)
    sync(path.parent)


def write_json(path: Path, tree: Any) -> None:
    """Replace the file at `path` with indented JSON, as the original writes it. Raises OSError."""
    write_whole(path, json_bytes(tree))


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents; each name is on disk before the next folder is created in it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def quarantine(path: Path) -> Path:
    """Rename an unusable file to `*.unusable.N`, so that nothing is lost; return its new path. Raises OSError."""
    return path.rename(free_name(path.with_name(f"{path.name}.unusable")))


def keep_copy(path: Path, folder: Path) -> Path:
    """Link a file into `folder` before it is replaced, or copy it on a file system without links; return the path.

    A file of the same name and content that is already there is returned instead.
    """
    make_folder(folder)
    for kept in folder.glob(f"{path.name}.*"):
        if same_content(path, kept):
            return kept
    copy = free_name(folder / path.name)
    try:
        os.link(path, copy)
    except OSError:
        with path.open("rb") as source, _renamed_at_end(copy) as target:
            shutil.copyfileobj(source, target)
    sync(folder)
    return copy


def same_content(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes. `filecmp.cmp` caches its results by date and size, so it can be wrong."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(BLOCK_SIZE):
            if block != second.read(BLOCK_SIZE):
                return False
    return True


@contextlib.contextmanager
def _renamed_at_end(path: Path) -> Iterator[BinaryIO]:
    """Open a hidden file that gets its final name once its bytes are on disk; remove it after an OSError."""
    hidden = path.with_name(f".{path.name}.tmp")
    try:
        with hidden.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise


def free_name(path: Path) -> Path:
    """Return `path` with the first unused number appended: `x.oao.1`."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in itertools.count(1))
    return next(each for each in numbered if not each.exists())
