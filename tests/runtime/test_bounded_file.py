"""Files that others can put where the collector reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sse_twisted.runtime.bounded_file import UnusableFile, owner_problem, read_bounded


def test_a_regular_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10)
    assert read_bounded(file, 10) == b"x" * 10
    with pytest.raises(UnusableFile, match="larger than 9 bytes"):
        read_bounded(file, 9)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(UnusableFile, match="larger than"):
        read_bounded(file)


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(UnusableFile, match="not a regular file"):
            read_bounded(tmp_path / name)


def test_a_folder_and_a_missing_file_are_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "none")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_secrets_of_another_user_or_in_the_folder_of_one_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "own" / "file"
    file.parent.mkdir()
    file.touch()
    assert owner_problem(file) == ""
    os.chown(file, 65534, 65534)
    assert owner_problem(file) == f"{file} belongs to another user"
    os.chown(file, 0, 0)
    os.chown(file.parent, 65534, 65534)
    assert owner_problem(file) == f"{file.parent} belongs to another user"


def test_secrets_in_a_folder_that_all_can_write_to_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "open" / "file"
    file.parent.mkdir()
    file.touch()
    file.parent.chmod(0o777)
    assert owner_problem(file) == f"all users can write to {file.parent}"
    file.parent.chmod(0o1777)
    assert owner_problem(file) == ""
