from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.event_folder.files import (
    add_folder,
    free_name,
    keep_copy,
    make_folder,
    quarantine,
    replacing_json,
    sync,
    write_whole,
)
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.runtime.group_sync import at_once
from tests.event_folder.samples import FULL, Killed, failing_at_each_step, hidden

OLD, NEW = b"old", b"new" * 10_000


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the disk, and which names were given, in order."""
    done: list[str] = []
    fsync, rename, mkdir = os.fsync, os.rename, os.mkdir

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        done.append(f"sync {without_chance(path.name)}")

    def watched_rename(source: Path, target: Path, **folders: int) -> None:
        rename(source, target, **folders)
        done.append(f"rename {without_chance(Path(source).name)} {Path(target).name}")

    def watched_mkdir(path: Path, *args: Any) -> None:
        mkdir(path, *args)
        done.append(f"mkdir {Path(path).name}")

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    monkeypatch.setattr(os, "mkdir", watched_mkdir)
    return done


def without_chance(name: str) -> str:
    """The name of a hidden file without its random part."""
    return re.sub(r"\.[0-9a-f]{8}\.tmp$", ".tmp", name)


class TestWriteWhole:
    def test_makes_and_replaces_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        for data in (OLD, NEW, b""):
            write_whole(path, data)
            assert path.read_bytes() == data
        assert hidden(tmp_path) == []

    def test_brings_the_bytes_to_the_disk_before_the_name_and_the_name_before_its_end(
        self, tmp_path: Path, synced: list[str]
    ) -> None:
        write_whole(tmp_path / "x.json", NEW)
        assert synced == ["sync .x.json.tmp", "rename .x.json.tmp x.json", f"sync {tmp_path.name}"]

    def test_that_fails_or_is_killed_leaves_the_old_file_or_the_new_one(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        tried = 0
        for error in failing_at_each_step(lambda: write_whole(path, NEW), lambda: write_whole(path, OLD)):
            assert path.read_bytes() in (OLD, NEW)
            if error is FULL:
                assert hidden(tmp_path) == []
            tried += 1
        assert tried >= 6

    def test_after_a_kill_leaves_nothing_once_a_start_has_cleaned_up(self, tmp_path: Path) -> None:
        event = EventFolder(tmp_path)
        folder = event.device_folder(601)
        folder.mkdir(parents=True)
        path = folder / "x.json"
        for error in failing_at_each_step(lambda: write_whole(path, NEW), lambda: path.unlink(missing_ok=True)):
            assert not path.exists() or path.read_bytes() == NEW
            if isinstance(error, Killed):
                event.remove_unfinished()
                write_whole(path, OLD)
                assert path.read_bytes() == OLD
                assert hidden(tmp_path) == []

    def test_does_not_create_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            write_whole(tmp_path / "a" / "x.json", NEW)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("umask", [0, 0o022, 0o077])
    def test_of_a_private_file_never_has_a_mode_that_lets_others_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
    ) -> None:
        modes: list[int] = []
        fsync = os.fsync

        def watched_fsync(descriptor: int) -> None:
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            fsync(descriptor)

        def no_mode(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "fsync", watched_fsync)
        for name in ("fchmod", "chmod"):
            monkeypatch.setattr(os, name, no_mode)
        before = os.umask(umask)
        try:
            write_whole(tmp_path / "x.json", NEW, private=True)
        finally:
            os.umask(before)
        assert modes[0] == 0o600
        assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o600

    @pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
    def test_goes_on_where_a_folder_can_not_be_synced(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        fsync = os.fsync

        def of_files_only(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", of_files_only)
        write_whole(tmp_path / "x.json", NEW)
        sync(tmp_path / "x.json", tmp_path)
        assert (tmp_path / "x.json").read_bytes() == NEW

    def test_follows_no_link_that_others_have_put_there(self, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(OLD)
        for name in ("x.json", ".x.json.tmp"):
            (tmp_path / name).symlink_to(victim)
        write_whole(tmp_path / "x.json", NEW)
        assert victim.read_bytes() == OLD
        assert (tmp_path / "x.json").read_bytes() == NEW

    def test_of_a_file_where_a_folder_should_be_raises_what_the_system_says(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(OLD)
        with pytest.raises(OSError, match=r"exists|directory"):
            write_whole(tmp_path / "a" / "x.json", NEW)
        (tmp_path / "b").mkdir()
        with pytest.raises(IsADirectoryError):
            write_whole(tmp_path / "b", NEW)
        assert hidden(tmp_path) == []

    def test_writes_into_the_folder_that_was_at_its_path_or_nowhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The folder is renamed, and another one takes its place, while the bytes are brought to the disk."""
        folder, moved = tmp_path / "folder", tmp_path / "moved"
        folder.mkdir()
        fsync = os.fsync

        def moving_fsync(descriptor: int) -> None:
            if not moved.exists():
                folder.rename(moved)
                folder.mkdir()
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", moving_fsync)
        write_whole(folder / "x.json", NEW)
        assert list(folder.iterdir()) == []
        assert (moved / "x.json").read_bytes() == NEW


class TestWriteJson:
    def test_is_indented_and_readable(self, tmp_path: Path) -> None:
        at_once(replacing_json(tmp_path / "x.json", {"spot": "Zoë", "b": [1, 2.5, None]}))
        assert (tmp_path / "x.json").read_text(encoding="utf-8") == (
            '{\n  "spot": "Zoë",\n  "b": [\n    1,\n    2.5,\n    null\n  ]\n}\n'
        )

    def test_of_half_a_character_is_still_a_file(self, tmp_path: Path) -> None:
        at_once(replacing_json(tmp_path / "x.json", {"\ud800": "a\udfffb"}))
        assert json.loads((tmp_path / "x.json").read_bytes()) == {"?": "a?b"}

    @given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.floats(allow_nan=False)))
    def test_can_be_read_again(self, tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
        path = tmp_path_factory.getbasetemp() / "x.json"
        at_once(replacing_json(path, tree))
        assert json.loads(path.read_bytes()) == tree


class TestMakeFolder:
    def test_brings_each_folder_to_the_disk_before_the_next(self, tmp_path: Path, synced: list[str]) -> None:
        make_folder(tmp_path / "a" / "b")
        assert synced == ["mkdir a", f"sync {tmp_path.name}", "mkdir b", "sync a"]
        make_folder(tmp_path / "a" / "b")
        assert len(synced) == 4

    def test_of_one_that_another_makes_at_the_same_time_is_no_mistake(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mkdir = os.mkdir

        def after_another(path: Path, *args: Any) -> None:
            mkdir(path)
            mkdir(path, *args)

        monkeypatch.setattr(os, "mkdir", after_another)
        make_folder(tmp_path / "a")
        assert (tmp_path / "a").is_dir()

    def test_within_another_creates_none_above_it(self, tmp_path: Path) -> None:
        """As at a mount point whose disk has gone."""
        with pytest.raises(FileNotFoundError):
            add_folder(tmp_path / "gpslogs" / "20221017", tmp_path / "gpslogs")
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "gpslogs").mkdir()
        add_folder(tmp_path / "gpslogs" / "unassigned" / "20221017", tmp_path / "gpslogs")
        assert (tmp_path / "gpslogs" / "unassigned" / "20221017").is_dir()

    def test_that_can_not_be_synced_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            sync(tmp_path / "none")


def test_a_quarantined_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "downloads.json"
    for number in range(1, 4):
        path.write_bytes(b"%d" % number)
        assert quarantine(path) == tmp_path / f"downloads.json.unusable.{number}"
        assert not path.exists()
    assert [(tmp_path / f"downloads.json.unusable.{number}").read_bytes() for number in (1, 2, 3)] == [b"1", b"2", b"3"]


def test_a_free_name_is_the_first_unused_one(tmp_path: Path) -> None:
    assert free_name(tmp_path / "x.oao").name == "x.oao.1"
    (tmp_path / "x.oao.1").mkdir()
    (tmp_path / "x.oao.3").touch()
    assert free_name(tmp_path / "x.oao").name == "x.oao.2"


class TestKeepCopy:
    def test_is_a_second_name(self, tmp_path: Path, synced: list[str]) -> None:
        path, folder = tmp_path / "x.oao", tmp_path / "kept"
        for number in (1, 2):
            path.write_bytes(b"%d" % number)
            copy = keep_copy(path, folder)
            assert copy == folder / f"x.oao.{number}"
            path.unlink()
            assert copy.read_bytes() == b"%d" % number
        assert synced[-1] == "sync kept"

    def test_is_a_copy_where_links_are_not_known(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[str]
    ) -> None:
        path = tmp_path / "x.oao"
        path.write_bytes(NEW)
        monkeypatch.setattr(os, "link", no_link)
        copy = keep_copy(path, tmp_path / "kept")
        assert copy.read_bytes() == NEW
        assert copy.stat().st_ino != path.stat().st_ino
        assert next(step for step in synced if "x.oao" in step).startswith("sync ")
        assert synced[-1] == "sync kept"
        assert hidden(tmp_path) == []

    def test_that_fails_on_the_way_leaves_nothing_that_looks_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def half(source: Any, target: Any) -> None:
            target.write(source.read(10))
            raise FULL

        path = tmp_path / "x.oao"
        path.write_bytes(NEW)
        monkeypatch.setattr(os, "link", no_link)
        monkeypatch.setattr(shutil, "copyfileobj", half)
        with pytest.raises(OSError, match="No space"):
            keep_copy(path, tmp_path / "kept")
        assert list((tmp_path / "kept").iterdir()) == []
        assert path.read_bytes() == NEW

    def test_that_is_killed_on_the_way_leaves_nothing_that_looks_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def half(source: Any, target: Any) -> None:
            target.write(source.read(10))
            raise Killed

        path = tmp_path / "x.oao"
        path.write_bytes(NEW)
        monkeypatch.setattr(os, "link", no_link)
        monkeypatch.setattr(shutil, "copyfileobj", half)
        with pytest.raises(Killed):
            keep_copy(path, tmp_path / "kept")
        assert [kept for kept in (tmp_path / "kept").iterdir() if not kept.name.startswith(".")] == []


def no_link(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_files_are_readable_by_the_rest_of_the_software(tmp_path: Path) -> None:
    write_whole(tmp_path / "x.json", NEW)
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) & 0o600 == 0o600
