"""Write files atomically: a crash at any moment leaves the old file or the new one, never a part of it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sse_twisted.runtime.bounded_file import open_regular
from sse_twisted.runtime.file_sync import sync_open
from sse_twisted.runtime.group_sync import Steps, at_once
from sse_twisted.runtime.text import json_bytes

BLOCK_SIZE = 1 << 20  # bytes read at once
READ_ONLY = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe that somebody has put there must not block


def sync(*paths: Path) -> None:
    """Fsync files and folders. The name of a file survives a power cut once its folder is synced. Raises OSError.

    A folder that the file system cannot fsync is left as it is: nothing better can be done.
    """
    for path in paths:
        descriptor = os.open(path, READ_ONLY)
        try:
            sync_open(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def opened_folder(folder: Path, within: Path | None = None) -> Iterator[int]:
    """Yield a handle of a folder, not of a link to one; raises OSError.

    Names relative to it stay in that folder, even if its path changes meanwhile. No folder between `within` and this
    one may be a link either; `within` itself may.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(within or folder, flags if within else flags | os.O_NOFOLLOW)
    try:
        for name in folder.relative_to(within).parts if within else ():
            outer, descriptor = descriptor, os.open(name, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(outer)
        yield descriptor
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace the file at `path`: write a hidden file beside it, fsync, rename, fsync the folder. Raises OSError.

    The folder must exist. A `private` file has mode 0600 from its beginning, wherever the file system keeps modes.
    """
    at_once(replacing(path, data, private=private))


def replacing(path: Path, data: bytes, *, private: bool = False, beside: tuple[int, ...] = ()) -> Steps[None]:
    """Do the same in steps. What is `beside` goes to the disk before the file has its name."""
    with opened_folder(path.parent) as folder:
        with renamed_at_end(path.name, folder, 0o600 if private else 0o666) as file:
            file.write(data)
            file.flush()
            yield (file.fileno(), *beside)
        yield (folder,)


def replacing_in(folder: Path, name: str, data: bytes) -> Steps[None]:
    """Replace a file in a folder that is created if missing, in one that exists, in steps.

    The file is written in the first step: if it waited for a new folder, it would seem newer than what came after it.
    """
    _check_no_link(folder)
    if folder.is_dir():
        yield from replacing(folder / name, data)
        return
    folder.mkdir(exist_ok=True)
    try:
        with opened_folder(folder.parent, folder.parent) as parent:
            yield from replacing(folder / name, data, beside=(parent,))
    except BaseException:  # whoever tries again must not take the folder for one that is on disk
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def write_private(path: Path, data: bytes) -> None:
    """Replace the file at `path` with one of mode 0600, in a folder that is made if missing; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, data, private=True)


def replacing_json(path: Path, tree: Any) -> Steps[None]:
    """Replace the file at `path` with indented JSON, as the original writes it."""
    yield from replacing(path, json_bytes(tree))


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents; each name is on disk before the next folder is created in it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def add_folder(folder: Path, within: Path) -> None:
    """Create `folder` and its parents up to `within`, which must exist; raises OSError.

    Only a start creates the upper folders of an event. At a mount point whose disk has gone they are missing, and
    nothing may be created there.
    """
    if folder != within:
        _check_no_link(folder)
    if not folder.is_dir():
        if folder == within:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        add_folder(folder.parent, within)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)  # gpslogs may be a link to another disk


def _check_no_link(folder: Path) -> None:
    """Raise OSError if a folder is a link: another user may want files to be written elsewhere."""
    if folder.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "a link instead of a folder", str(folder))


def quarantine(path: Path) -> Path:
    """Rename an unusable file to `*.unusable.N`, so that nothing is lost; return its new path. Raises OSError."""
    return path.rename(free_name(path.with_name(f"{path.name}.unusable")))


def move_file(source: Path, target: Path, within: Path) -> None:
    """Rename a file from one folder below `within` to another, neither of which may be a link. Raises OSError."""
    with opened_folder(source.parent, within) as former, opened_folder(target.parent, within) as new:
        os.rename(source.name, target.name, src_dir_fd=former, dst_dir_fd=new)


def remove_file(path: Path, within: Path) -> None:
    """Remove a file in a folder below `within` that is no link. Raises OSError."""
    with opened_folder(path.parent, within) as folder:
        os.unlink(path.name, dir_fd=folder)


def keep_copy(path: Path, folder: Path) -> Path:
    """Link a file into `folder` before it is replaced, or copy it on a file system without links; return the path.

    A file of the same name and content that is already there is returned instead. `folder` and its parent may be
    missing; `path` must be below the parent of that parent.
    """
    within = folder.parent.parent
    add_folder(folder, within)
    for kept in folder.glob(f"{path.name}.*"):
        if same_content(path, kept):
            return kept
    copy = free_name(folder / path.name)
    with opened_folder(path.parent, within) as former, opened_folder(folder, within) as new:
        try:
            os.link(path.name, copy.name, src_dir_fd=former, dst_dir_fd=new, follow_symlinks=False)
        except OSError:
            with (
                os.fdopen(os.open(path.name, READ_ONLY | os.O_NOFOLLOW, dir_fd=former), "rb") as source,
                renamed_at_end(copy.name, new, 0o666) as target,
            ):
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
        sync_open(new)
    return copy


def same_content(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes. `filecmp.cmp` caches its results by date and size, so it can be wrong."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with open_regular(one) as first, open_regular(other) as second:
        while block := first.read(BLOCK_SIZE):
            if block != second.read(BLOCK_SIZE):
                return False
    return True


@contextlib.contextmanager
def renamed_at_end(name: str, folder: int, mode: int) -> Iterator[BinaryIO]:
    """Open a new hidden file that gets its final name at the end, or is removed after an exception.

    Its bytes must be on disk at the end of the block. Its name is random, so that nobody can put a link there before.
    `folder` is a handle.
    """
    hidden = f".{name}.{secrets.token_hex(4)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(hidden, flags, mode, dir_fd=folder), "wb") as file:
            yield file
        os.rename(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(hidden, dir_fd=folder)
        raise


def free_name(path: Path) -> Path:
    """Return `path` with the first unused number appended: `x.oao.1`."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in itertools.count(1))
    return next(each for each in numbered if not each.exists())
