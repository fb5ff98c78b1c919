"""Writing files so that a crash at any moment leaves the old one or the new one, and never half of one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sse_twisted.runtime.text import json_bytes

BLOCK = 1 << 20  # bytes read at once


def sync_folder(folder: Path) -> None:
    """Make names that were given or taken in `folder` survive a loss of power."""
    _sync(folder)


def sync_file(path: Path) -> None:
    """Make a file survive a loss of power that somebody else wrote, and its name."""
    _sync(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace the file at `path`: a hidden file beside it, fsync, rename, fsync of the folder. Raises OSError.

    One that is `private` can be read by its owner alone, whatever the umask is.
    """
    make_folder(path.parent)
    with _hidden_at_first(path) as file:
        if private:
            os.fchmod(file.fileno(), 0o600)
        file.write(data)
    sync_folder(path.parent)


def write_json(path: Path, tree: Any) -> None:
    """Replace the file at `path` by indented JSON, as the original writes it. Raises OSError."""
    write_whole(path, json_bytes(tree))


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it, each on disk before anything is put into it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def set_aside(path: Path) -> Path:
    """Rename a file that can't be used, so that nothing is lost and a new one can be written; gives its new path."""
    aside = free_name(path.parent / f"{path.name}.unusable")
    path.rename(aside)
    return aside


def keep_copy(path: Path, folder: Path) -> Path:
    """A second name in `folder` for the file at `path`, before it is replaced; a copy where links are not known."""
    make_folder(folder)
    for kept in folder.glob(f"{path.name}.*"):
        if same_content(path, kept):
            return kept
    copy = free_name(folder / path.name)
    try:
        os.link(path, copy)
    except OSError:
        with path.open("rb") as source, _hidden_at_first(copy) as target:
            shutil.copyfileobj(source, target)
    sync_folder(folder)
    return copy


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes; unlike `filecmp`, which remembers its answers by date."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(BLOCK):
            if block != second.read(BLOCK):
                return False
    return True


@contextlib.contextmanager
def _hidden_at_first(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name when all that was written to it is on disk; if that fails, nothing is left of it."""
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
    """`path` with the first number behind it that no file has."""
    number = 1
    while (numbered := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return numbered
