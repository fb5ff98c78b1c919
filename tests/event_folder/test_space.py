"""The room on the disk of the tracks, and who may use it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sse_twisted.event_folder.space import COMMON_TRACK, MB, DiskSpace, NoRoom, believable_length

ONE, OTHER = Path("one"), Path("other")


class Disk:
    """A disk of 100 MB, of which 20 MB are to stay free."""

    def __init__(self) -> None:
        self.free = 100 * MB
        self.space = DiskSpace(lambda: self.free, lambda: 20 * MB)


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_a_track_that_fits_is_written_down_to_the_reserve(disk: Disk) -> None:
    disk.space.book(ONE, 80 * MB)
    for _ in range(80):
        disk.space.take(ONE, MB)
        disk.free -= MB
    with pytest.raises(OSError, match="only 20 MB free") as full:
        disk.space.take(ONE, 1)
    assert full.value.errno == errno.ENOSPC


def test_a_track_that_does_not_fit_is_refused_while_others_do(disk: Disk) -> None:
    with pytest.raises(NoRoom, match=r"no room for 80\.1 MB: 80\.0 MB above the reserve"):
        disk.space.book(ONE, 80 * MB + 100_000)
    disk.space.book(OTHER, 30 * MB)
    disk.space.check()


def test_what_others_have_booked_is_theirs_until_they_end(disk: Disk) -> None:
    disk.space.book(ONE, 60 * MB)
    with pytest.raises(NoRoom, match=r"no room for 30\.0 MB: 20\.0 MB above the reserve"):
        disk.space.book(OTHER, 30 * MB)
    disk.space.take(ONE, 50 * MB)
    disk.free -= 50 * MB
    with pytest.raises(NoRoom):
        disk.space.book(OTHER, 30 * MB)
    disk.space.release(ONE)
    disk.space.book(OTHER, 30 * MB)


def test_a_disk_without_room_for_a_common_track_is_full_until_there_is(disk: Disk) -> None:
    disk.free = 20 * MB + COMMON_TRACK - 1
    with pytest.raises(OSError, match="only 24 MB free"):
        disk.space.book(ONE, 30 * MB)
    with pytest.raises(OSError, match="only 24 MB free"):
        disk.space.check()
    disk.free += 1
    disk.space.check()


def test_a_body_that_is_longer_than_listed_never_makes_a_disk_full(disk: Disk) -> None:
    disk.free = 21 * MB
    with pytest.raises(NoRoom):
        disk.space.book_unlisted(ONE, 900 * MB)
    disk.space.check()


def test_a_device_alone_may_use_all_that_is_above_the_reserve(disk: Disk) -> None:
    for _ in range(26):
        disk.space.book(ONE, 3 * MB)
        disk.free -= 3 * MB
        disk.space.release(ONE)
    with pytest.raises(OSError, match="only 22 MB free"):
        disk.space.book(ONE, 3 * MB)


@pytest.mark.parametrize(("length", "believed"), [(0, 0), (100, 100), (101, 0), (-1, 0)])
def test_only_a_length_that_a_track_can_have_is_believed(length: int, believed: int) -> None:
    assert believable_length(length, 100) == believed
