from __future__ import annotations

import os
from pathlib import Path

import pytest

from sse_twisted.copies.tree import Tree
from sse_twisted.event_folder.files import opened_folder


def test_a_file_gets_its_folders_and_stays_below_the_open_one(tmp_path: Path) -> None:
    there, moved = tmp_path / "there", tmp_path / "moved"
    there.mkdir()
    with opened_folder(there) as root:
        tree = Tree(root)
        there.rename(moved)
        there.mkdir()
        with tree.opened():
            os.write(tree.create("a/b/.file.tmp", 0o600), b"some bytes")
            tree.move("a/b/.file.tmp", "a/c/file")
            assert tree.size("a/c/file") == 10
            assert tree.size("a/b/.file.tmp") is None
    assert (moved / "a/c/file").read_bytes() == b"some bytes"
    assert not list(there.iterdir())


@pytest.mark.parametrize("path", ["link/file", "folder/link/file"])
def test_links_are_not_followed(tmp_path: Path, path: str) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    for folder in (outside, root / "folder"):
        folder.mkdir(parents=True)
    (outside / "file").write_bytes(b"")
    (root / path).parent.symlink_to(outside)
    with opened_folder(root) as handle:
        tree = Tree(handle)
        with tree.opened(), pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            tree.remove(path)
    assert (outside / "file").exists()


def test_a_file_that_is_a_link_is_neither_read_nor_written(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("secret")
    with opened_folder(tmp_path) as handle:
        tree = Tree(handle)
        with tree.opened():
            for call in (lambda: tree.open("link"), lambda: tree.create("link", 0o600)):
                with pytest.raises(OSError, match=r"Too many levels|File exists"):
                    call()


def test_all_handles_are_closed_at_the_end(tmp_path: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    with opened_folder(tmp_path) as handle:
        tree = Tree(handle)
        with tree.opened():
            tree.create("a/b/c/file", 0o600)
    assert len(list(Path("/dev/fd").iterdir())) == before
