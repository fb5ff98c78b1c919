"""File systems without modes, locks, or folders that can be synced."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.event_folder.files import write_private
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderLock, check_free
from tests.support.event import VirtualEvent

NUMBERS = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own state folder."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "sse_twisted"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "event").mkdir()
    return tmp_path / "event"


@pytest.fixture
def without_modes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the event folder every file has mode 0755, as on exFAT."""
    stat_of, chmod = Path.stat, Path.chmod

    def stat_there(path: Path, **options: Any) -> os.stat_result:
        found = stat_of(path, **options)
        if not path.is_relative_to(root):
            return found
        return os.stat_result((stat.S_IFMT(found.st_mode) | 0o755, *found[1:]))

    def no_chmod(path: Path, mode: int, **options: Any) -> None:
        if path.is_relative_to(root):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        chmod(path, mode, **options)

    monkeypatch.setattr(Path, "stat", stat_there)
    monkeypatch.setattr(Path, "chmod", no_chmod)


def unsupported(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, where: Callable[[int], bool], number: int = errno.EINVAL
) -> None:
    call = getattr(module, name)

    def instead(handle: int, *more: Any) -> Any:
        if where(handle):
            raise OSError(number, os.strerror(number))
        return call(handle, *more)

    monkeypatch.setattr(module, name, instead)


def test_a_disk_of_linux_can_do_everything_and_nothing_is_left_of_the_trial(root: Path) -> None:
    EventFolder(root).prepare()
    before = sorted(root.rglob("*"))
    assert EventFolder(root).remarks() == ()
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("number", NUMBERS)
def test_folders_that_can_not_be_synced_are_remarked_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    unsupported(monkeypatch, os, "fsync", lambda handle: stat.S_ISDIR(os.fstat(handle).st_mode), number)
    EventFolder(root).prepare()
    (remark,) = EventFolder(root).remarks()
    assert remark.startswith("its file system cannot sync folders")


@pytest.mark.parametrize("number", NUMBERS)
def test_locks_that_are_not_known_are_remarked_on_and_stop_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    unsupported(monkeypatch, fcntl, "flock", lambda _: True, number)
    (remark,) = EventFolder(root).remarks()
    assert remark.startswith("its file system knows no locks")
    lock = FolderLock(root)
    lock.acquire()
    assert not lock.is_kept
    check_free(root)
    lock.release()


def test_where_modes_are_kept_secrets_are_in_the_event_folder(root: Path, home: Path) -> None:
    folder = EventFolder(root)
    assert folder.secrets == folder.state
    folder.state.mkdir(mode=0o755)
    folder.prepare()
    assert stat.S_IMODE(folder.state.stat().st_mode) == 0o700
    assert folder.secrets == folder.state


@pytest.mark.usefixtures("without_modes")
def test_where_modes_are_not_kept_secrets_are_in_the_users_own_folder(root: Path, home: Path) -> None:
    folder = EventFolder(root)
    folder.prepare()
    assert folder.secrets == home / folder.event_id()
    (remark,) = folder.remarks()
    assert remark.startswith("its file system keeps no file modes, so console.password, ")
    assert remark.endswith(f"web-token are in {folder.secrets}")
    write_private(folder.secrets / "web-token", b"secret")
    assert stat.S_IMODE((folder.secrets / "web-token").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o700


def test_systemd_says_where_state_is(root: Path, monkeypatch: pytest.MonkeyPatch, without_modes: None) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/sse:/var/lib/other")
    folder = EventFolder(root)
    folder.prepare()
    assert folder.secrets == Path("/var/lib/sse") / folder.event_id()


@pytest.mark.usefixtures("without_modes")
def test_a_collector_collects_where_nothing_of_this_is_known(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsupported(monkeypatch, os, "fsync", lambda handle: stat.S_ISDIR(os.fstat(handle).st_mode))
    unsupported(monkeypatch, fcntl, "flock", lambda _: True, errno.ENOLCK)
    event = VirtualEvent(root)
    device = event.collect(601)
    assert list(event.tracks().values()) == [device.logs[0].content]
    assert len(event.said("WARN Event folder: ")) == 3
    assert not event.said("CRITICAL")
    assert not event.said("ERROR")
    event.stop()
