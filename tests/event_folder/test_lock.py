from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sse_twisted.event_folder.lock import LOCK, FolderInUse, FolderLock, check_free
from tests.event_folder.samples import FULL

HOLDER = """
import sys, time
from pathlib import Path
from sse_twisted.event_folder.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("locked", flush=True)
time.sleep(600)
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[FolderLock]:
    lock = FolderLock(tmp_path)
    yield lock
    lock.release()


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path, lock: FolderLock) -> None:
    lock.acquire()
    for ask in (FolderLock(tmp_path).acquire, lambda: check_free(tmp_path)):
        with pytest.raises(FolderInUse) as caught:
            ask()
        assert str(caught.value).startswith(f"{tmp_path} is in use by another collector (process {os.getpid()} on ")
        assert str(caught.value).isprintable()


def test_who_lets_go_lets_the_next_one_in(tmp_path: Path, lock: FolderLock) -> None:
    lock.acquire()
    lock.release()
    check_free(tmp_path)
    second = FolderLock(tmp_path)
    second.acquire()
    with pytest.raises(FolderInUse):
        lock.acquire()
    second.release()


def test_letting_go_twice_or_of_nothing_does_no_harm(tmp_path: Path, lock: FolderLock) -> None:
    lock.release()
    lock.acquire()
    lock.release()
    second = FolderLock(tmp_path)
    second.acquire()
    lock.release()
    with pytest.raises(FolderInUse):
        check_free(tmp_path)
    second.release()


def test_who_is_refused_takes_nothing_from_the_holder(tmp_path: Path, lock: FolderLock) -> None:
    lock.acquire()
    for _ in range(3):
        with pytest.raises(FolderInUse):
            FolderLock(tmp_path).acquire()
    with pytest.raises(FolderInUse, match=rf"\(process {os.getpid()} on "):
        check_free(tmp_path)


def test_a_holder_in_another_process_is_respected_until_it_is_killed(tmp_path: Path, lock: FolderLock) -> None:
    with another_process(tmp_path) as process:
        for ask in (lock.acquire, lambda: check_free(tmp_path)):
            with pytest.raises(FolderInUse, match=rf"\(process {process.pid} on "):
                ask()
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        check_free(tmp_path)
        lock.acquire()
    with pytest.raises(FolderInUse, match=rf"\(process {os.getpid()} on "):
        check_free(tmp_path)


def test_a_program_that_the_holder_starts_does_not_hold_it_on(tmp_path: Path, lock: FolderLock) -> None:
    lock.acquire()
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as child:
        assert child.stdout is not None
        child.stdout.readline()
        lock.release()
        check_free(tmp_path)
        child.communicate(b"\n")


def test_asking_touches_nothing(tmp_path: Path) -> None:
    check_free(tmp_path)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / LOCK
    path.write_bytes(b"process 1 on x\n")
    path.chmod(0o444)
    before = path.stat()
    check_free(tmp_path)
    after = path.stat()
    assert path.read_bytes() == b"process 1 on x\n"
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.parametrize("rubbish", [b"", b"\xff\xfe\n\x1b[2J\n2022-10-18,INFO,x", b"x" * 10_000])
def test_a_lock_file_with_rubbish_is_no_obstacle_and_says_nothing_odd(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / LOCK
    path.write_bytes(rubbish)
    check_free(tmp_path)
    lock = FolderLock(tmp_path)
    lock.acquire()
    path.write_bytes(rubbish)
    for ask in (FolderLock(tmp_path).acquire, lambda: check_free(tmp_path)):
        with pytest.raises(FolderInUse) as caught:
            ask()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < len(str(tmp_path)) + 300
    lock.release()


def test_a_full_disk_is_no_reason_not_to_hold_it(
    tmp_path: Path, lock: FolderLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart on a full disk must work."""

    def full(*_: object) -> int:
        raise FULL

    monkeypatch.setattr(os, "pwrite", full)
    lock.acquire()
    with pytest.raises(FolderInUse, match="unknown process"):
        FolderLock(tmp_path).acquire()


def test_where_no_lock_can_be_made_the_system_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "none").acquire()
    check_free(tmp_path / "none")
    (tmp_path / LOCK).mkdir()
    with pytest.raises(IsADirectoryError):
        FolderLock(tmp_path).acquire()
