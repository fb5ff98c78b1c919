from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.partial import OVERLAP, OtherBytes, PartialTrack, Received, examine
from sse_twisted.event_folder.partial_files import PartialFiles, partial_path
from sse_twisted.runtime.group_sync import at_once
from tests.event_folder.samples import FINAL, FOLDER, FULL, NAME, Steps, failing_at_each_step, hidden, sailed, watched
from tests.support.event import MORNING, track

CONTENT, TRACK = sailed()
GROWN, GROWN_TRACK = sailed(900)
LENGTH = len(CONTENT)
SUPERSEDED = "gpslogs/superseded/20221017"


def part(root: Path, track: EventTrack = TRACK) -> Path:
    return partial_path(root / track.local_file, track.log.size)


def left(root: Path, data: bytes, track: EventTrack = TRACK) -> Path:
    """What an earlier transfer left."""
    path = part(root, track)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """An event folder as a start prepares it: nothing else may create its upper folders."""
    for name in ("gpslogs", "motions"):
        (tmp_path / name).mkdir()
    return tmp_path


def transferred(root: Path, content: bytes = CONTENT, track: EventTrack = TRACK, block: int = 3000) -> PartialTrack:
    """A track that the device sent from the first byte, ready to be committed."""
    partial = PartialTrack(PartialFiles(root), track)
    partial.open()
    partial.start_over()
    for start in range(0, len(content), block):
        partial.write(content[start : start + block])
    partial.finish()
    return partial


def resumed(root: Path, content: bytes = CONTENT, block: int = 3000) -> tuple[int, Received]:
    """Go on where an earlier transfer ended, as far as it is sound; with a device that can."""
    partial = PartialTrack(PartialFiles(root), TRACK)
    try:
        start = partial.open()
        if not start:
            partial.start_over()
        for at in range(start, len(content), block):
            partial.write(content[at : at + block])
        received = partial.finish()
        at_once(partial.committing())
    finally:
        partial.close()
    return start, received


def final(root: Path) -> bytes | None:
    path = root / FINAL
    return path.read_bytes() if path.exists() else None


def superseded(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / SUPERSEDED).glob("*"))}


class TestATransfer:
    @pytest.mark.parametrize("block", [1, 51, 512, 5000, LENGTH])
    def test_gathers_under_a_hidden_name_and_is_whole_at_its_final_one(self, tmp_path: Path, block: int) -> None:
        partial = transferred(tmp_path, block=block)
        assert hidden(tmp_path) == [f".{NAME}.{TRACK.log.size}.part"]
        assert final(tmp_path) is None
        assert at_once(partial.committing()) is None
        assert final(tmp_path) == CONTENT
        assert hidden(tmp_path) == []

    def test_says_what_it_brought(self, tmp_path: Path) -> None:
        partial = PartialTrack(PartialFiles(tmp_path), TRACK)
        assert partial.open() == 0
        partial.write(CONTENT)
        received = partial.finish()
        assert received.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert received.integrity.whole
        assert received.integrity.length == LENGTH
        partial.close()

    def test_of_nothing_is_nothing(self, tmp_path: Path) -> None:
        partial = PartialTrack(PartialFiles(tmp_path), TRACK)
        partial.open()
        assert partial.finish().integrity.length == 0
        partial.discard()
        assert hidden(tmp_path) == []

    def test_can_be_given_up(self, tmp_path: Path) -> None:
        partial = transferred(tmp_path)
        for _ in range(2):
            partial.discard()
            assert list((tmp_path / FOLDER).iterdir()) == []
        with pytest.raises(OSError, match="is closed"):
            partial.write(b"x")

    def test_is_on_disk_before_it_is_whole(self, tmp_path: Path) -> None:
        partial = PartialTrack(PartialFiles(tmp_path), TRACK)
        partial.open()
        partial.write(CONTENT)
        with watched(Steps()) as steps:
            partial.finish()
            at_once(partial.committing())
        assert [step for step in steps.names if step in ("fsync", "rename")] == ["fsync", "rename", "fsync"]

    def test_that_the_disk_does_not_take_is_an_error(self, tmp_path: Path) -> None:
        partial = PartialTrack(PartialFiles(tmp_path), TRACK)
        partial.open()
        partial.write(CONTENT)
        with watched(Steps(FULL, 0)), pytest.raises(OSError, match="No space"):
            at_once(partial.committing())
        partial.close()
        assert final(tmp_path) is None


class TestAResumedTransfer:
    @pytest.mark.parametrize("tail", [b"", bytes(30), bytes(9000), b"\xff" * 100, CONTENT[512:550], os.urandom(5000)])
    def test_goes_on_from_the_last_sound_frame(self, tmp_path: Path, tail: bytes) -> None:
        whole_to = 512 + 52 * 200
        left(tmp_path, CONTENT[:whole_to] + tail)
        start, received = resumed(tmp_path)
        assert start == whole_to - OVERLAP
        assert received.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert final(tmp_path) == CONTENT
        assert hidden(tmp_path) == []

    def test_goes_on_before_a_damage(self, tmp_path: Path) -> None:
        damaged = bytearray(CONTENT)
        damaged[512 + 52 * 150 + 7] ^= 1
        left(tmp_path, bytes(damaged))
        assert resumed(tmp_path)[0] == 512 + 52 * 150 - OVERLAP
        assert final(tmp_path) == CONTENT

    @pytest.mark.parametrize("rubbish", [b"", CONTENT[:100], CONTENT[:OVERLAP], b"<html>" * 5000, bytes(LENGTH)])
    def test_that_has_nothing_sound_begins_at_the_first_byte(self, tmp_path: Path, rubbish: bytes) -> None:
        left(tmp_path, rubbish)
        assert resumed(tmp_path)[0] == 0
        assert final(tmp_path) == CONTENT

    def test_that_has_a_sound_part_of_another_log_begins_at_the_first_byte(self, tmp_path: Path) -> None:
        for other in (track(602), track(601, MORNING + 1000)):
            left(tmp_path, other)
            assert resumed(tmp_path)[0] == 0
            assert final(tmp_path) == CONTENT

    def test_of_a_whole_track_repeats_its_end(self, tmp_path: Path) -> None:
        left(tmp_path, CONTENT)
        assert resumed(tmp_path)[0] == LENGTH - OVERLAP
        assert final(tmp_path) == CONTENT

    @pytest.mark.parametrize("block", [1, 1000, OVERLAP, OVERLAP + 1, 20_000])
    def test_with_other_bytes_than_before_is_stopped(self, tmp_path: Path, block: int) -> None:
        left(tmp_path, CONTENT[: 512 + 52 * 200])
        other = bytearray(CONTENT)
        other[512 + 52 * 200 - 5] ^= 1
        with pytest.raises(OtherBytes, match="repeats different bytes"):
            resumed(tmp_path, bytes(other), block)
        assert final(tmp_path) is None

    def test_of_a_log_that_has_shrunk_is_no_whole_one(self, tmp_path: Path) -> None:
        left(tmp_path, CONTENT[: 512 + 52 * 200])
        with pytest.raises(OtherBytes, match="ended before the bytes on disk"):
            resumed(tmp_path, CONTENT[: 512 + 52 * 190])
        assert final(tmp_path) is None

    def test_may_begin_at_the_first_byte_all_the_same(self, tmp_path: Path) -> None:
        left(tmp_path, GROWN)
        at_once(transferred(tmp_path).committing())
        assert final(tmp_path) == CONTENT

    def test_of_another_size_is_another_transfer(self, tmp_path: Path) -> None:
        left(tmp_path, CONTENT)
        partial = PartialTrack(PartialFiles(tmp_path), GROWN_TRACK)
        assert partial.open() == 0
        partial.close()

    @given(cut=st.integers(0, LENGTH), tail=st.binary(max_size=200), block=st.integers(1, 9000))
    def test_from_anywhere_returns_the_same_bytes(
        self, tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes, block: int
    ) -> None:
        root = tmp_path_factory.mktemp("event")
        left(root, CONTENT[:cut] + tail)
        start, received = resumed(root, block=block)
        assert start <= max(0, cut + len(tail) - OVERLAP)
        assert received.integrity.whole
        assert final(root) == CONTENT

    def test_after_a_kill_goes_on(self, tmp_path: Path) -> None:
        program = """
import os, signal, sys
from pathlib import Path
from sse_twisted.event_folder.partial import PartialTrack
from sse_twisted.event_folder.partial_files import PartialFiles
from tests.event_folder.samples import sailed
content, track = sailed()
partial = PartialTrack(PartialFiles(Path(sys.argv[1])), track)
partial.open()
for at in range(0, 15_000, 100):
    partial.write(content[at : at + 100])
os.kill(os.getpid(), signal.SIGKILL)
"""
        root = Path(__file__).parents[2]
        ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert final(tmp_path) is None
        start, _ = resumed(tmp_path)
        assert 0 < start < 15_000
        assert final(tmp_path) == CONTENT


class TestCommit:
    def test_keeps_a_different_file_that_had_the_name(self, tmp_path: Path) -> None:
        at_once(transferred(tmp_path).committing())
        kept = at_once(transferred(tmp_path, GROWN, GROWN_TRACK).committing())
        assert kept == tmp_path / SUPERSEDED / f"{NAME}.1"
        assert final(tmp_path) == GROWN
        assert superseded(tmp_path) == {f"{NAME}.1": CONTENT}
        at_once(transferred(tmp_path).committing())
        assert superseded(tmp_path) == {f"{NAME}.1": CONTENT, f"{NAME}.2": GROWN}

    def test_does_not_keep_the_same_bytes_twice(self, tmp_path: Path) -> None:
        for _ in range(3):
            assert at_once(transferred(tmp_path).committing()) is None
        assert final(tmp_path) == CONTENT
        assert superseded(tmp_path) == {}

    def test_compares_bytes_and_not_dates(self, tmp_path: Path) -> None:
        """Some disks tell times in steps of two seconds."""
        other = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
        for content in (CONTENT, CONTENT, other):
            partial = transferred(tmp_path, content)
            os.utime(part(tmp_path), ns=(10**18, 10**18))
            at_once(partial.committing())
        assert final(tmp_path) == other
        assert superseded(tmp_path) == {f"{NAME}.1": CONTENT}

    def test_removes_what_was_gathered_of_the_same_track_at_other_sizes(self, tmp_path: Path) -> None:
        left(tmp_path, CONTENT[:9000])
        neighbour = left(tmp_path, CONTENT[:9000], replace(TRACK, filed_as=TRACK.filed_as.with_number(2)))
        stranger = tmp_path / FOLDER / ".x"
        stranger.touch()
        at_once(transferred(tmp_path, GROWN, GROWN_TRACK).committing())
        assert hidden(tmp_path) == sorted([neighbour.name, stranger.name])

    def test_that_fails_or_is_killed_loses_nothing(self, tmp_path: Path) -> None:
        ready: list[PartialTrack] = []

        def prepare() -> None:
            shutil.rmtree(tmp_path / "gpslogs", ignore_errors=True)
            (tmp_path / "gpslogs").mkdir()
            at_once(transferred(tmp_path).committing())
            ready.append(transferred(tmp_path, GROWN, GROWN_TRACK))

        def commit() -> None:
            at_once(ready[-1].committing())

        tried = 0
        for _ in failing_at_each_step(commit, prepare):
            now, before = final(tmp_path), superseded(tmp_path)
            assert now == CONTENT or (now == GROWN and CONTENT in before.values())
            assert set(before.values()) <= {CONTENT}
            at_once(transferred(tmp_path, GROWN, GROWN_TRACK).committing())
            assert final(tmp_path) == GROWN
            assert superseded(tmp_path) == {f"{NAME}.1": CONTENT}
            assert hidden(tmp_path) == []
            tried += 1
        assert tried >= 8

    def test_that_fails_can_be_done_again_without_a_second_copy(self, tmp_path: Path) -> None:
        at_once(transferred(tmp_path).committing())
        partial = transferred(tmp_path, GROWN, GROWN_TRACK)
        with watched(Steps()) as steps, pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "rename", steps.instead_of("rename", no_rename))
            for _ in range(3):
                with pytest.raises(OSError, match="Read-only"):
                    at_once(partial.committing())
        at_once(partial.committing())
        assert final(tmp_path) == GROWN
        assert superseded(tmp_path) == {f"{NAME}.1": CONTENT}

    def test_over_a_folder_says_so_and_keeps_the_bytes(self, tmp_path: Path) -> None:
        (tmp_path / FINAL).mkdir(parents=True)
        partial = transferred(tmp_path)
        with pytest.raises(OSError, match=r"directory|Operation not permitted"):
            at_once(partial.committing())
        partial.close()
        assert part(tmp_path).read_bytes() == CONTENT


def no_rename(*_: Any, **folders: int) -> None:
    raise OSError(30, "Read-only file system")


def test_a_file_that_is_there_is_examined(tmp_path: Path) -> None:
    path = tmp_path / "x.oao"
    path.write_bytes(CONTENT)
    received = examine(path)
    assert received.integrity.whole
    assert received.sha256 == hashlib.sha256(CONTENT).hexdigest()
    path.write_bytes(CONTENT[:-1])
    assert not examine(path).integrity.whole
    with pytest.raises(FileNotFoundError):
        examine(tmp_path / "none")
