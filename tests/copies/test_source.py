from __future__ import annotations

import os
from pathlib import Path

import pytest

from sse_twisted.copies.source import Kind, Look, Source, find_files, is_leftover, is_track, kind_of, walk
from sse_twisted.event_folder.folder import EventFolder
from tests.copies.samples import CONTENTS, SECRETS, write

START = f".sse_twisted/starts/{'0' * 32}.json"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao", Kind.TRACK),
        ("gpslogs/superseded/20221017/ABC601XYZ_601_20221017_090000.oao.1", Kind.TRACK),
        ("gpslogs/20221017/.ABC601XYZ_601_20221017_090000.oao.9000.part", None),
        ("gpslogs/.hidden/track.oao", None),
        ("motions/motion-601/downloads.json", Kind.RECORD),
        ("motions/motion-601/downloads.json.unusable.1", Kind.RECORD),
        ("config/motions.csv", Kind.RECORD),
        ("config/courses.json", Kind.RECORD),
        ("config/server.key", None),
        ("config/SERVER.KEY", None),
        ("config/board.p12", None),
        ("config/passwd", None),
        ("config/Passwords.txt", None),
        ("config/web-token.json", None),
        ("config/secretary.csv", Kind.RECORD),
        ("gpslogs/20221017/TOKEN_601_20221017_090000.oao", Kind.TRACK),
        ("results/decisions.jsonl", Kind.RECORD),
        ("gpsdata/20221017/S1.csv", Kind.RECORD),
        ("hand-in/kept/0a1b watch.fit", Kind.RECORD),
        ("hand-in/ledger.jsonl", Kind.RECORD),
        ("hand-in/watch.fit", None),
        ("logs/server.json", Kind.LOG),
        (".sse_twisted/memory.json", Kind.STATE),
        (".sse_twisted/roster.json", Kind.RECORD),
        (".sse_twisted/paused.json", Kind.RECORD),
        (".sse_twisted/event-id", Kind.RECORD),
        (START, Kind.START),
        (".sse_twisted/configuration/sse.toml", Kind.RECORD),
        (".sse_twisted/manifest.jsonl", None),
        (".sse_twisted/copy.json", None),
        (".sse_twisted/copies/0123.json", None),
        (".sse_twisted/previous/config/motions.csv", None),
        (".sse_twisted.lock", None),
        ("photo.jpg", None),
        ("config", None),
        *((path, None) for path in SECRETS),
    ],
)
def test_each_file_is_of_a_kind_or_does_not_belong_into_a_copy(path: str, kind: Kind | None) -> None:
    assert kind_of(path) is kind


def test_a_superseded_track_is_none_that_counts() -> None:
    assert is_track("gpslogs/20221017/a.oao")
    assert not is_track("gpslogs/superseded/20221017/a.oao.1")
    assert not is_track("logs/server.log")


def test_links_and_what_is_no_file_are_left_out_but_an_upper_folder_may_be_a_link(tmp_path: Path) -> None:
    root, disk = tmp_path / "event", tmp_path / "disk"
    for path, data in CONTENTS.items():
        write(root, path, data)
    (root / "gpslogs").rename(disk)
    (root / "gpslogs").symlink_to(disk)
    (root / "config" / "passwords.csv").symlink_to("/etc/passwd")
    (root / "results" / "elsewhere").symlink_to("/etc")
    assert find_files(root).keys() == CONTENTS.keys()


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert find_files(tmp_path / "nowhere") == {}


def test_the_configuration_comes_from_where_it_is_and_files_of_secrets_do_not(tmp_path: Path) -> None:
    root, config = tmp_path / "event", tmp_path / "sse.toml"
    write(root, "config/tokens.txt", b"secret")
    config.write_text("[event]")
    source = Source(EventFolder(root), config, (root / "config/tokens.txt",))
    assert source.find().keys() == {".sse_twisted/configuration/sse.toml"}
    assert source.file(".sse_twisted/configuration/sse.toml") == config
    assert source.file("config/tokens.txt") == root / "config/tokens.txt"


def test_a_roster_to_which_the_operator_has_linked_belongs_into_a_copy(tmp_path: Path) -> None:
    root, roster = tmp_path / "event", tmp_path / "shared/roster.csv"
    write(root, "config/other.csv", b"")
    write(tmp_path, "shared/roster.csv", b"Motion ID\n")
    (root / "config/motions.csv").symlink_to(roster)
    (root / "config/more.csv").symlink_to(roster)
    source = Source(EventFolder(root))
    assert source.find().keys() == {"config/motions.csv", "config/other.csv"}
    if os.geteuid() == 0:
        os.chown(root / "config/motions.csv", 12_345, 12_345, follow_symlinks=False)
        assert source.find().keys() == {"config/other.csv"}


@pytest.mark.parametrize("way", ["through a link", "under another name"])
def test_a_file_of_secrets_is_known_by_whatever_path_it_is_named(tmp_path: Path, way: str) -> None:
    root, named = tmp_path / "event", tmp_path / "current"
    write(root, "results/board.txt", b"secret")
    if way == "through a link":
        named.symlink_to(root)
        named /= "results/board.txt"
    else:
        named.hardlink_to(root / "results/board.txt")
    assert not Source(EventFolder(root), None, (named, tmp_path / "nowhere")).find()


def test_upper_folders_that_are_links_are_not_followed_in_a_copy(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "20221017/.a.oao.0123.tmp", b"")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/gpslogs").symlink_to(tmp_path / "elsewhere")
    assert not list(walk(tmp_path / "copy", follow=False))


class TestALook:
    def test_without_a_change_is_the_one_before(self, tmp_path: Path) -> None:
        write(tmp_path, "gpslogs/20221017/a.oao", b"track")
        source = Source(EventFolder(tmp_path))
        look = source.look(Look())
        assert (look.tracks, look.version) == (1, 1)
        assert source.look(look) is look

    @pytest.mark.parametrize(
        ("path", "version"),
        [("gpslogs/20221017/b.oao", 2), ("motions/motion-601/downloads.json", 2), ("logs/server.log", 1)],
    )
    def test_has_news_unless_only_a_log_has_grown(self, tmp_path: Path, path: str, version: int) -> None:
        source = Source(EventFolder(tmp_path))
        before = source.look(Look())
        write(tmp_path, path, b"new")
        look = source.look(before)
        assert look is not before
        assert look.version == version
        (tmp_path / path).unlink()
        assert source.look(look).version == 2 * version - 1

    def test_of_an_empty_folder_is_one(self, tmp_path: Path) -> None:
        assert Source(EventFolder(tmp_path)).look(Look()).version == 1


def test_unfinished_files_are_those_of_writes_and_not_of_downloads(tmp_path: Path) -> None:
    write(tmp_path, "gpslogs/20221017/.a.oao.0123.tmp", b"")
    write(tmp_path, "gpslogs/20221017/.a.oao.100.part", b"")
    write(tmp_path, "motions/motion-601/.info.json.0123.tmp", b"")
    assert {path for path, _ in walk(tmp_path) if is_leftover(path)} == {
        "gpslogs/20221017/.a.oao.0123.tmp",
        "motions/motion-601/.info.json.0123.tmp",
    }
