"""An event folder that is taken away, replaced, copied, and brought back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import LOCK, FolderInUse, FolderLock, check_free
from sse_twisted.event_folder.presence import FolderAway, Presence
from sse_twisted.runtime.group_sync import at_once


def held(root: Path) -> Presence:
    """The folder as a running collector holds it."""
    folder = EventFolder(root)
    folder.prepare()
    presence = Presence(folder, FolderLock(root))
    presence.lock.acquire()
    presence.hold()
    return presence


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "event"


@pytest.fixture
def presence(root: Path) -> Iterator[Presence]:
    presence = held(root)
    yield presence
    presence.release()
    presence.lock.release()


def test_a_folder_that_is_there_is_there(presence: Presence) -> None:
    presence.check()
    assert presence.find_again() is False


def test_a_folder_that_was_renamed_is_away_until_it_is_renamed_back(presence: Presence, root: Path) -> None:
    moved = root.rename(root.with_name("moved"))
    for ask in (presence.check, presence.find_again):
        with pytest.raises(FolderAway, match="is not there: No such file"):
            ask()
    assert not root.exists()
    moved.rename(root)
    presence.check()
    assert presence.find_again() is False


@pytest.mark.parametrize("name", ["gpslogs", "motions"])
def test_a_folder_of_its_that_was_replaced_is_not_the_same(presence: Presence, root: Path, name: str) -> None:
    """Tracks may be on a disk of their own."""
    (root / name).rename(root / "aside")
    with pytest.raises(FolderAway, match="is not there"):
        presence.check()
    (root / name).mkdir()
    for ask in (presence.check, presence.find_again):
        with pytest.raises(FolderAway, match="another folder is in the place"):
            ask()


def test_another_event_at_its_path_is_not_taken_for_it(presence: Presence, root: Path) -> None:
    root.rename(root.with_name("moved"))
    EventFolder(root).prepare()
    for ask in (presence.check, presence.find_again):
        with pytest.raises(FolderAway, match="another folder is in the place"):
            ask()
    assert not (root / LOCK).exists()


def test_a_copy_is_not_taken_for_it_while_the_original_is_open(presence: Presence, root: Path) -> None:
    moved = root.rename(root.with_name("moved"))
    shutil.copytree(moved, root)
    with pytest.raises(FolderAway, match="a copy of the event folder"):
        presence.find_again()
    check_free(root)


def test_a_copy_is_taken_for_it_when_the_original_is_removed(presence: Presence, root: Path) -> None:
    moved = root.rename(root.with_name("moved"))
    shutil.copytree(moved, root)
    shutil.rmtree(moved)
    assert presence.find_again() is True
    presence.check()
    with pytest.raises(FolderInUse):
        check_free(root)


def test_a_disk_that_is_plugged_in_again_is_known_by_the_name_of_the_event(
    presence: Presence, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has other numbers then, and what is open on the old one can't be written any more."""
    moved = root.rename(root.with_name("moved"))
    shutil.copytree(moved, root)
    monkeypatch.setattr(FolderLock, "is_writable", lambda _: False)
    with pytest.raises(FolderAway):
        presence.check()
    assert presence.find_again() is True
    presence.check()
    assert presence.find_again() is False
    with pytest.raises(FolderInUse):
        check_free(root)


def test_a_disk_that_is_plugged_in_again_and_used_by_another_is_left_alone(
    presence: Presence, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = root.rename(root.with_name("moved"))
    shutil.copytree(moved, root)
    other = FolderLock(root)
    other.acquire()
    monkeypatch.setattr(FolderLock, "is_writable", lambda _: False)
    with pytest.raises(FolderAway, match="in use by another collector"):
        presence.find_again()
    other.release()
    assert presence.find_again() is True


def test_a_lock_that_was_removed_is_taken_again(presence: Presence, root: Path) -> None:
    (root / LOCK).unlink()
    presence.check()
    check_free(root)
    assert presence.find_again() is False
    with pytest.raises(FolderInUse):
        check_free(root)


def test_a_lock_that_another_collector_has_made_anew_is_its(presence: Presence, root: Path) -> None:
    (root / LOCK).unlink()
    other = FolderLock(root)
    other.acquire()
    with pytest.raises(FolderAway, match="lock of the event folder is not"):
        presence.check()
    with pytest.raises(FolderAway, match="in use by another collector"):
        presence.find_again()
    other.release()
    presence.find_again()
    presence.check()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, mounted where the event is."""
    place = tmp_path / "stick"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "none", place], check=False).returncode:
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["umount", "-l", place], check=False, stderr=subprocess.DEVNULL)


def test_at_a_mount_point_whose_disk_has_gone_nothing_is_created(mounted: Path) -> None:
    presence = held(mounted)
    subprocess.run(["umount", "-l", mounted], check=True)
    with pytest.raises(FolderAway, match=r"is not there|another folder"):
        presence.check()
    for write in (
        presence.folder.check_writable,
        lambda: at_once(presence.folder.storing_answer(601, "info.json", b"{}")),
        lambda: at_once(presence.folder.saving_state(b"{}")),
        presence.folder.ledger(601).save,
    ):
        with pytest.raises(FileNotFoundError):
            write()
    assert list(mounted.iterdir()) == []
    presence.release()
    presence.lock.release()


def test_an_event_keeps_its_name(root: Path) -> None:
    EventFolder(root).prepare()
    name = EventFolder(root).event_id()
    assert len(name) == 32
    EventFolder(root).prepare()
    assert EventFolder(root).event_id() == name
    (root / ".sse_twisted" / "event-id").write_bytes(b"\xff" * 1000)
    assert EventFolder(root).event_id() == ""
