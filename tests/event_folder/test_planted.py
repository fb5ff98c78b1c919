"""What somebody else who may write to the event folder can put there: links, pipes, and files without end."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sse_twisted.event_folder.files import add_folder, write_whole
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import LOCK, FolderLock, check_free
from sse_twisted.event_folder.partial import PartialTrack
from sse_twisted.runtime.group_sync import at_once
from tests.event_folder.samples import FOLDER, NAME, sailed
from tests.support.event import VirtualEvent

CONTENT, TRACK = sailed()
MINE = b"mine"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that is none of the collector's business."""
    file = tmp_path / "victim"
    file.write_bytes(MINE)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> EventFolder:
    folder = EventFolder(tmp_path / "event")
    folder.prepare()
    return folder


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_a_partial_track_is_a_file_of_ours(folder: EventFolder, victim: Path, kind: str) -> None:
    partial = PartialTrack(folder.partials, TRACK)
    partial.path.parent.mkdir(parents=True)
    if kind == "link":
        partial.path.symlink_to(victim)
    elif kind == "hard link":
        partial.path.hardlink_to(victim)
    else:
        os.mkfifo(partial.path)
    assert partial.open() == 0
    partial.start_over()
    partial.write(CONTENT)
    partial.finish()
    at_once(partial.committing())
    assert victim.read_bytes() == MINE
    assert (folder.root / FOLDER / NAME).read_bytes() == CONTENT


def test_a_link_instead_of_a_folder_is_not_followed(folder: EventFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder.root / FOLDER).symlink_to(elsewhere)
    folder.device_folder(601).symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError):
        PartialTrack(folder.partials, TRACK).open()
    with pytest.raises(OSError, match=r"link|directory|symbolic"):
        at_once(folder.storing_answer(601, "info.json", b"{}"))
    with pytest.raises(OSError, match=r"directory|symbolic"):
        write_whole(folder.device_folder(601) / "downloads.json", b"{}")
    assert list(elsewhere.iterdir()) == []


def test_the_folder_of_all_tracks_may_be_a_link_to_another_disk(folder: EventFolder, tmp_path: Path) -> None:
    (folder.root / "gpslogs").rename(tmp_path / "disk")
    (folder.root / "gpslogs").symlink_to(tmp_path / "disk")
    folder.check_writable()
    add_folder(folder.root / FOLDER, folder.root / "gpslogs")
    assert (tmp_path / "disk" / Path(FOLDER).name).is_dir()


def test_a_link_instead_of_the_lock_is_not_followed(folder: EventFolder, victim: Path) -> None:
    (folder.root / LOCK).symlink_to(victim)
    for ask in (FolderLock(folder.root).acquire, lambda: check_free(folder.root)):
        with pytest.raises(OSError, match="symbolic"):
            ask()
    assert victim.read_bytes() == MINE


def test_a_link_instead_of_the_collectors_own_folder_is_not_used(folder: EventFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    folder.state.rename(tmp_path / "old")
    folder.state.symlink_to(elsewhere)
    folder.prepare()
    assert elsewhere.stat().st_mode & 0o777 == 0o755
    assert folder.secrets != folder.state
    with pytest.raises(OSError, match=r"directory|symbolic"):
        at_once(folder.saving_state(b"{}"))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["downloads.json", "info.json", "settings.json", "logs.json"])
def test_pipes_in_the_folder_of_a_device_block_nothing(event: VirtualEvent, name: str) -> None:
    path = event.folder.device_folder(601) / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    device = event.collect(601)
    assert list(event.tracks().values()) == [device.logs[0].content]
    assert path.is_file()
    event.stop()


def test_a_saved_state_that_is_a_pipe_is_set_aside(event: VirtualEvent) -> None:
    event.folder.state.mkdir(mode=0o700)
    os.mkfifo(event.folder.state_file)
    event.collect(601)
    assert event.said("ERROR Saved state is unreadable, rebuilding it from the ledgers: not a regular file; kept as ")
    event.stop()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_lock_that_can_not_be_written_does_not_stop_a_start_and_nothing_is_stored_before(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(lock: FolderLock) -> None:
        raise OSError(number, os.strerror(number))

    event.device(601)
    event.arrive(601)
    with monkeypatch.context() as patch:
        patch.setattr(FolderLock, "acquire", failing)
        event.start()
        event.until("ERROR Cannot lock the event folder, retrying: ")
        event.until("CRITICAL Event folder gone: the event folder cannot be locked")
        event.advance(20)
        assert not event.said("can be disconnected")
    event.until("Event folder is back")
    event.until("motion-601 can be disconnected")
    event.stop()


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_a_roster_that_can_not_be_read_keeps_the_collector_from_nothing(event: VirtualEvent, kind: str) -> None:
    event.device(601)
    event.device(602)
    event.arrive(601)
    event.start()
    event.until("motion-601 can be disconnected")
    event.stop()
    event.folder.roster.unlink()
    if kind == "pipe":
        os.mkfifo(event.folder.roster)
    else:
        event.folder.roster.symlink_to("/dev/zero")
    event.start()
    event.until("not a regular file")
    event.arrive(602)
    event.until("motion-602 can be disconnected")
    event.stop()


@pytest.mark.parametrize("name", ["roster.json", "paused.json"])
def test_saved_decisions_that_are_a_pipe_do_not_stop_a_start(event: VirtualEvent, name: str) -> None:
    event.folder.state.mkdir(mode=0o700)
    os.mkfifo(event.folder.state / name)
    event.collect(601)
    assert event.said("not a regular file")
    event.stop()
