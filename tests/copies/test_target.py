from __future__ import annotations

import hashlib
import io
import os
import shutil
from pathlib import Path

import pytest

from sse_twisted.copies import batch, lineage, target
from sse_twisted.copies.identity import IDENTITY, CopyRefused
from sse_twisted.copies.lineage import begin
from sse_twisted.copies.manifest import PATH as MANIFEST
from sse_twisted.copies.source import STARTS, SUPERSEDED
from sse_twisted.copies.target import CopyAway
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.runtime.bounded_file import open_regular
from tests.copies.samples import CONTENTS, DAY, SECRETS, Pair, contents, write
from tests.event_folder.samples import Killed, failing_at_each_step, hidden

TRACK = f"{DAY}/ABC601XYZ_601_20221017_090000.oao"
OTHER = f"{DAY}/DEF602XYZ_602_20221017_090000.oao"
LEDGER = "motions/motion-601/downloads.json"
AWAY = "gpslogs/20221018/GHI601XYZ_601_20221018_090000.oao"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are written to a copy."""
    names: list[str] = []
    open_ = os.open

    def watch(path: str, flags: int, *args: int, **more: int) -> int:
        if flags & os.O_EXCL and str(path).startswith("."):
            names.append(str(path)[1:].rsplit(".", 2)[0])
        return open_(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", watch)
    return names


class TestACopy:
    def test_has_all_that_belongs_into_it_and_no_secret(self, pair: Pair) -> None:
        pair.update()
        assert CONTENTS.items() <= pair.files().items()
        assert pair.files() == pair.expected()
        everything = {str(path.relative_to(pair.copy)) for path in pair.copy.rglob("*") if path.is_file()}
        assert not everything & SECRETS.keys() - {".sse_twisted.lock"}
        assert not hidden(pair.copy / "gpslogs")

    def test_has_the_times_of_the_files(self, pair: Pair) -> None:
        os.utime(pair.event.root / TRACK, ns=(0, 1_665_993_600_123_456_789))
        pair.update()
        assert (pair.copy / TRACK).stat().st_mtime_ns == 1_665_993_600_123_456_789

    def test_keeps_the_state_from_others(self, pair: Pair) -> None:
        (pair.event.root / ".sse_twisted/memory.json").chmod(0o600)
        pair.update()
        assert (pair.copy / ".sse_twisted").stat().st_mode & 0o777 == 0o700
        assert (pair.copy / ".sse_twisted/memory.json").stat().st_mode & 0o777 == 0o600

    def test_gets_only_what_is_missing_or_different(self, pair: Pair, opened: list[str]) -> None:
        pair.update()
        opened.clear()
        pair.update()
        assert not opened
        write(pair.event.root, LEDGER, b'{"a": {}}\n')
        (pair.copy / OTHER).unlink()
        pair.update(pair.new_target())
        assert sorted(opened) == [Path(OTHER).name, "downloads.json"]
        assert pair.files() == pair.expected()

    def test_whose_manifest_is_no_file_that_can_be_used_gets_a_new_one(self, pair: Pair) -> None:
        pair.update()
        (pair.copy / MANIFEST).unlink()
        os.mkfifo(pair.copy / MANIFEST)
        pair.update(pair.new_target())
        assert pair.files() == pair.expected()
        assert (pair.copy / MANIFEST).is_file()

    def test_that_lost_its_manifest_is_compared_and_not_written_again(self, pair: Pair, opened: list[str]) -> None:
        pair.update()
        opened.clear()
        (pair.copy / MANIFEST).write_bytes(b'{"path": "gpslogs/torn')
        pair.update(pair.new_target())
        assert set(opened) == {"manifest.jsonl", "server.log"}
        assert pair.files() == pair.expected()
        opened.clear()
        pair.update(pair.new_target())
        assert not opened

    def test_gets_what_was_damaged_on_its_disk_without_a_change_of_time(self, pair: Pair) -> None:
        pair.update()
        (pair.copy / TRACK).write_bytes(b"short")
        pair.update(pair.new_target())
        assert pair.files().items() >= CONTENTS.items()
        assert (pair.copy / f"{SUPERSEDED}20221017/{Path(TRACK).name}.1").read_bytes() == b"short"

    def test_follows_a_move_by_a_move(self, pair: Pair, opened: list[str]) -> None:
        pair.update()
        opened.clear()
        (pair.event.root / AWAY).parent.mkdir()
        (pair.event.root / TRACK).rename(pair.event.root / AWAY)
        pair.update()
        assert not opened
        assert pair.files() == pair.expected()
        assert f'"was":"{TRACK}"' in (pair.copy / MANIFEST).read_text()

    def test_follows_tracks_that_exchange_their_names(self, pair: Pair) -> None:
        pair.update()
        first, second, aside = (pair.event.root / path for path in (TRACK, OTHER, AWAY))
        aside.parent.mkdir()
        first.rename(aside)
        second.rename(first)
        aside.rename(second)
        pair.update()
        assert pair.files() == pair.expected()

    def test_never_deletes_a_track(self, pair: Pair) -> None:
        pair.update()
        (pair.event.root / TRACK).unlink()
        pair.update()
        assert (pair.copy / TRACK).read_bytes() == CONTENTS[TRACK]

    def test_sets_a_handed_in_track_aside_that_was_taken_away(self, pair: Pair) -> None:
        write(pair.event.root, "hand-in/kept/watch.oao", b"handed in")
        write(pair.event.root, AWAY, b"handed in")
        pair.update()
        assert (pair.copy / AWAY).exists()
        (pair.event.root / AWAY).unlink()
        pair.update()
        assert not (pair.copy / AWAY).exists()
        assert (pair.copy / f"{SUPERSEDED}20221018/{Path(AWAY).name}.1").read_bytes() == b"handed in"
        write(pair.event.root, AWAY, b"handed in")
        pair.update()
        assert pair.expected().items() <= pair.files().items()

    def test_keeps_the_bytes_of_a_track_that_is_replaced(self, pair: Pair) -> None:
        pair.update()
        write(pair.event.root, TRACK, b"grown" * 50_000)
        pair.update()
        assert (pair.copy / TRACK).read_bytes() == b"grown" * 50_000
        kept = pair.copy / f"{SUPERSEDED}20221017/{Path(TRACK).name}.1"
        assert kept.read_bytes() == CONTENTS[TRACK]
        write(pair.event.root, f"{SUPERSEDED}20221017/{kept.name}", CONTENTS[TRACK])  # as the collector keeps it
        pair.update()
        assert pair.files() == pair.expected()

    def test_keeps_verified_bytes_when_the_event_folder_has_others(self, pair: Pair) -> None:
        digest = hashlib.sha256(CONTENTS[TRACK]).hexdigest()
        ledger = f'{{"{Path(TRACK).name}": {{"local_file": "{TRACK}", "status": "completed", "sha256": "{digest}"}}}}'
        write(pair.event.root, LEDGER, ledger.encode())
        pair.update()
        write(pair.event.root, TRACK, CONTENTS[TRACK][:-1] + b"?")
        pair.update()
        assert (pair.copy / TRACK).read_bytes() == CONTENTS[TRACK]
        assert "ledger" in pair.target.failures[TRACK]

    def test_keeps_the_last_version_of_other_files(self, pair: Pair) -> None:
        pair.update()
        write(pair.event.root, "config/motions.csv", b"")
        pair.update()
        assert (pair.copy / "config/motions.csv").read_bytes() == b""
        assert (pair.copy / ".sse_twisted/previous/config/motions.csv").read_bytes() == CONTENTS["config/motions.csv"]

    def test_does_not_keep_a_pause_that_has_ended(self, pair: Pair) -> None:
        write(pair.event.root, ".sse_twisted/paused.json", b'{"paused_at": 1}')
        pair.update()
        assert (pair.copy / ".sse_twisted/paused.json").exists()
        (pair.event.root / ".sse_twisted/paused.json").unlink()
        pair.update()
        assert not (pair.copy / ".sse_twisted/paused.json").exists()

    def test_lacks_a_file_whose_name_its_disk_cannot_have_and_no_other(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = os.rename

        def picky(old: str, new: str, **folders: int) -> None:
            if new == Path(TRACK).name:
                raise OSError(22, "Invalid argument")
            rename(old, new, **folders)

        monkeypatch.setattr(os, "rename", picky)
        pair.update()
        assert pair.target.failures == {TRACK: "its disk cannot have this name (Invalid argument)"}
        assert pair.expected().keys() - pair.files().keys() == {TRACK}
        assert not hidden(pair.copy / "gpslogs")
        monkeypatch.undo()
        pair.update()
        assert not pair.target.failures
        assert pair.files() == pair.expected()

    def test_that_lacked_a_file_which_is_no_more_lacks_nothing(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(old: str, new: str, **folders: int) -> None:
            raise OSError(22, "Invalid argument")

        pair.update()
        write(pair.event.root, "config/new.csv", b"")
        monkeypatch.setattr(os, "rename", refuse)
        pair.target.update(pair.source.find())
        assert pair.target.failures == {"config/new.csv": "its disk cannot have this name (Invalid argument)"}
        monkeypatch.undo()
        (pair.event.root / "config/new.csv").unlink()
        assert not pair.target.update(pair.source.find()).files
        assert not pair.target.failures

    @pytest.mark.parametrize(
        ("name", "why"),
        [(os.fsdecode(b"Z\xfcrich.csv"), "its name is not UTF-8: rename it"), ("ж" * 122 + ".csv", "")],
    )
    def test_lacks_a_file_whose_name_is_not_utf_8_and_no_other(self, pair: Pair, name: str, why: str) -> None:
        write(pair.event.root, "results/x", b"")
        (pair.event.root / "results/x").rename(pair.event.root / "results" / name)
        pair.update()
        assert pair.target.failures == ({f"results/{name}": why} if why else {})
        assert pair.expected().keys() - pair.files().keys() == pair.target.failures.keys()

    def test_lacks_a_file_that_the_disk_of_the_event_folder_does_not_return_and_no_other(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Broken(io.FileIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise OSError(5, "Input/output error")

        monkeypatch.setattr(
            batch, "open_regular", lambda path: Broken(path) if path.name == Path(TRACK).name else open_regular(path)
        )
        pair.update()
        assert pair.target.failures == {TRACK: "it cannot be read: Input/output error"}
        assert pair.expected().keys() - pair.files().keys() == {TRACK}

    def test_gets_large_files_in_several_batches(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(target, "BATCH_SIZE", 100)
        for number in range(4):
            write(pair.event.root, f"hand-in/kept/{number} watch.fit", bytes(60))
        assert pair.update() >= 4
        assert pair.files() == pair.expected()

    def test_on_a_full_disk_gets_what_there_is_room_for(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        def used() -> int:
            return sum(path.stat().st_size for path in pair.copy.rglob("*"))

        def fill(file: int, data: memoryview) -> int:
            if used() + len(data) > size:
                raise OSError(28, "No space left on device")
            return real(file, data)

        pair.update()
        size, real = used() + 80_000, os.write
        for number in range(5):
            write(pair.event.root, f"{DAY}/NEW{number}_601_20221017_10000{number}.oao", bytes(30_000))
        monkeypatch.setattr(os, "write", fill)
        for _ in range(5):
            with pytest.raises(CopyAway, match="its disk is full: make room"):
                pair.update()
        monkeypatch.undo()
        assert len(list((pair.copy / DAY).glob("NEW*"))) == 2
        pair.update()
        assert pair.files() == pair.expected()

    def test_from_which_somebody_deletes_a_track_gets_it_again_within_minutes(self, pair: Pair) -> None:
        pair.update()
        (pair.copy / TRACK).unlink()
        for _ in range(4):
            pair.update()
        assert pair.files() == pair.expected()

    def test_in_which_something_is_in_the_place_of_a_track_lacks_it_and_follows_no_link(self, pair: Pair) -> None:
        pair.update()
        (pair.copy / TRACK).unlink()
        (pair.copy / TRACK).symlink_to("/etc/passwd")
        (pair.copy / OTHER).unlink()
        (pair.copy / OTHER).mkdir()
        second = pair.new_target()
        pair.update(second)
        assert second.failures.keys() == {TRACK, OTHER}
        assert all("something else is in its place" in why for why in second.failures.values())

    def test_is_read_back(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.write
        monkeypatch.setattr(os, "write", lambda file, data: real(file, bytes(len(data))))
        with pytest.raises(CopyAway, match="does not return what was written"):
            pair.update()
        assert not (pair.copy / TRACK).exists()
        assert not hidden(pair.copy / "gpslogs")

    def test_that_fails_or_is_killed_at_any_step_has_only_whole_files_and_is_completed(self, pair: Pair) -> None:
        before = pair.expected()

        def prepare() -> None:
            shutil.rmtree(pair.copy)
            shutil.rmtree(pair.event.state / "copies", ignore_errors=True)
            pair.copy.mkdir()
            pair.target = pair.new_target()
            for path, data in before.items():
                write(pair.event.root, path, data)
            pair.update()
            write(pair.event.root, TRACK, b"grown" * 5000)
            write(pair.event.root, LEDGER, b'{"a": {}}\n')

        def update() -> None:
            try:
                pair.update()
            except CopyAway as error:
                raise OSError(str(error)) from error

        for error in failing_at_each_step(update, prepare):
            wanted = pair.expected()
            for path, data in pair.files().items():
                whole = {before.get(path), wanted.get(path)}
                assert data in whole or path.startswith(SUPERSEDED) or data == before[TRACK]
            pair.update(pair.new_target() if isinstance(error, Killed) else None)
            assert wanted.items() <= pair.files().items()
            kept = [path.read_bytes() for path in (pair.copy / SUPERSEDED).rglob("*") if path.is_file()]
            assert kept == [before[TRACK]]
            assert not hidden(pair.copy / "gpslogs")

    def test_that_fails_or_is_killed_as_it_is_begun_is_begun_again(self, pair: Pair) -> None:
        def prepare() -> None:
            shutil.rmtree(pair.copy)
            shutil.rmtree(pair.event.state / "copies", ignore_errors=True)
            pair.copy.mkdir()
            pair.target = pair.new_target()

        def update() -> None:
            try:
                pair.update()
            except CopyAway as error:
                raise OSError(str(error)) from error

        for _ in failing_at_each_step(update, prepare):
            pair.update(pair.new_target())
            assert pair.files() == pair.expected()


class TestAFolder:
    def test_that_is_missing_is_not_made(self, pair: Pair) -> None:
        pair.copy.rmdir()
        with pytest.raises(CopyAway, match="the folder is not there"):
            pair.update()
        assert not pair.copy.exists()

    def test_that_is_the_mount_point_of_a_disk_that_has_gone_is_never_filled(self, pair: Pair) -> None:
        pair.update()
        disk = pair.copy.rename(pair.copy.with_name("unplugged"))
        pair.copy.mkdir()
        for each in (pair.target, pair.new_target()):
            with pytest.raises(CopyAway, match="is its disk plugged in"):
                pair.update(each)
        assert not list(pair.copy.iterdir())
        pair.copy.rmdir()
        disk.rename(pair.copy)
        write(pair.event.root, AWAY, b"meanwhile")
        pair.update()
        assert pair.files() == pair.expected()

    def test_whose_disk_is_taken_away_while_it_is_compared_is_not_taken_for_an_empty_one(self, pair: Pair) -> None:
        pair.update()
        before = contents(pair.copy), (pair.copy / MANIFEST).read_bytes()
        disk = pair.copy.with_name("unplugged")

        def unplug() -> None:
            pair.turn = lambda: None
            pair.copy.rename(disk)
            pair.copy.mkdir()

        pair.turn = unplug
        with pytest.raises(CopyAway, match="its disk was taken away"):
            pair.update(pair.new_target())
        assert (contents(disk), (disk / MANIFEST).read_bytes()) == before

    def test_of_another_event_is_refused_and_left_alone(self, pair: Pair, tmp_path: Path) -> None:
        other = Pair(tmp_path, "other")
        other.update()
        before = other.files()
        pair.copy = other.copy
        with pytest.raises(CopyRefused, match="another event"):
            pair.update(pair.new_target())
        assert other.files() == before

    def test_that_is_not_empty_is_refused(self, pair: Pair) -> None:
        (pair.copy / "photo.jpg").write_bytes(b"")
        with pytest.raises(CopyRefused, match="not empty"):
            pair.update()
        assert [path.name for path in pair.copy.iterdir()] == ["photo.jpg"]

    def test_that_a_file_system_made_not_quite_empty_is_used(self, pair: Pair) -> None:
        (pair.copy / "lost+found").mkdir()
        pair.update()
        assert pair.files() == pair.expected()

    @pytest.mark.parametrize("path", ["event/copy", "event", "."])
    def test_inside_or_around_the_event_folder_is_refused_wherever_links_lead(self, pair: Pair, path: str) -> None:
        pair.copy.rmdir()
        there = pair.event.root.parent / path
        there.mkdir(exist_ok=True)
        pair.copy.symlink_to(there)
        with pytest.raises(CopyRefused, match="event folder"):
            pair.update()

    def test_inside_a_folder_to_which_a_part_of_the_event_folder_leads_is_refused(self, pair: Pair) -> None:
        elsewhere = pair.event.root.with_name("elsewhere")
        (pair.event.root / "gpslogs").rename(elsewhere)
        (pair.event.root / "gpslogs").symlink_to(elsewhere)
        pair.copy = elsewhere / "copy"
        pair.copy.mkdir()
        with pytest.raises(CopyRefused, match="inside the event folder"):
            pair.update(pair.new_target())
        assert not list(pair.copy.iterdir())

    def test_that_is_a_copy_under_another_path_already_is_refused(self, pair: Pair) -> None:
        pair.update()
        other = Pair.__new__(Pair)
        other.__dict__ |= pair.__dict__
        other.copy = pair.copy.with_name("link")
        other.copy.symlink_to(pair.copy)
        second = other.new_target(before=[pair.target])
        with pytest.raises(CopyRefused, match="same folder as copy"):
            pair.update(second)
        other.copy = pair.copy.with_name("beside")
        other.copy.mkdir()
        third = other.new_target(before=[pair.target])
        pair.update(third)
        assert third.beside == "the event folder"

    def test_without_its_links_to_other_places_is_tidied_up(self, pair: Pair, tmp_path: Path) -> None:
        pair.update()
        write(tmp_path / "elsewhere", "20221017/.work.0123.tmp", b"of somebody else")
        shutil.rmtree(pair.copy / "gpslogs")
        (pair.copy / "gpslogs").symlink_to(tmp_path / "elsewhere")
        second = pair.new_target()
        pair.update(second)
        assert (tmp_path / "elsewhere/20221017/.work.0123.tmp").exists()
        assert second.failures.keys() == {path for path in CONTENTS if path.startswith("gpslogs/")}

    def test_in_which_a_collector_is_at_work_is_left_alone(self, pair: Pair) -> None:
        pair.update()
        lock = FolderLock(pair.copy)
        lock.acquire()
        write(pair.event.root, AWAY, b"meanwhile")
        with pytest.raises(CopyRefused, match="in use by another collector"):
            pair.update()
        lock.release()
        pair.update()
        assert pair.files() == pair.expected()

    def test_with_which_another_collector_has_gone_on_is_left_alone_until_it_came_back(self, pair: Pair) -> None:
        pair.update()
        begin(pair.copy, 0.0)
        write(pair.event.root, AWAY, b"meanwhile")
        before = (pair.copy / MANIFEST).read_bytes()
        for each in (pair.target, pair.new_target()):
            with pytest.raises(CopyRefused, match="another collector has gone on with it on"):
                pair.update(each)
        assert not (pair.copy / AWAY).exists()
        assert (pair.copy / MANIFEST).read_bytes() == before
        shutil.copytree(pair.copy, pair.event.root, dirs_exist_ok=True)
        pair.update(pair.new_target(begin(pair.event.root, 0.0)[0]))
        assert pair.expected().items() <= pair.files().items()

    def test_is_read_anew_after_it_was_left_alone(self, pair: Pair) -> None:
        pair.update()
        stranger, _ = begin(pair.copy, 0.0)
        with pytest.raises(CopyRefused):
            pair.update()
        (pair.copy / TRACK).unlink()
        (pair.copy / STARTS / f"{stranger.own}.json").unlink()
        pair.update()
        assert pair.files() == pair.expected()

    def test_whose_starts_cannot_be_read_is_not_written_to(self, pair: Pair) -> None:
        pair.update()
        shutil.rmtree(pair.copy / STARTS)
        (pair.copy / STARTS).write_bytes(b"")
        write(pair.event.root, AWAY, b"meanwhile")
        with pytest.raises(CopyAway, match="Not a directory"):
            pair.update(pair.new_target())
        assert not (pair.copy / AWAY).exists()

    def test_has_as_few_starts_as_the_event_folder(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lineage, "MAX_FILES", 3)
        for _ in range(8):
            own, _ = begin(pair.event.root, 0.0)
            pair.update(pair.new_target(own))
            assert pair.files() == pair.expected()
            assert len(list((pair.copy / STARTS).iterdir())) <= 3
        other, _ = begin(pair.copy, 0.0)
        assert not other.strangers([pair.lineage.own, own.own])

    def test_is_not_an_event_folder_of_its_own(self, pair: Pair, tmp_path: Path) -> None:
        shutil.copytree(pair.event.root, tmp_path / "moved")
        pair.copy = tmp_path / "moved"
        with pytest.raises(CopyRefused, match="no copy of this event"):
            pair.update(pair.new_target())
        assert not (pair.copy / IDENTITY).exists()
