"""`sse-track --hand-in`: into the watched folder, whether or not a collector runs."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sse_twisted.daemon.track_command import main
from sse_twisted.event_folder.lock import flock
from sse_twisted.handin import command
from sse_twisted.handin.intake import MAX_SIZE
from tests.support.event import VirtualEvent
from tests.tracks import written

SBP = written.sbp(written.points(100))


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("laptop") / "ABC601XYZ.sbp"
    path.write_bytes(SBP)
    return path


def hand_in(event: Path, *files: Path) -> int:
    return main(["--hand-in", str(event), *map(str, files)])


def test_a_running_collector_takes_the_files(
    event: VirtualEvent, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event.person(601)
    event.start()
    assert hand_in(event.root, file) == 0
    assert (
        capsys.readouterr().out == "1 file handed in: the running collector takes them now; see /hand-in of the board\n"
    )
    event.advance(8)
    assert list(event.tracks().values()) == [SBP]
    assert file.exists()


def test_without_a_collector_the_next_one_takes_them(
    event: VirtualEvent, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event.person(601)
    event.folder.prepare()
    assert hand_in(event.root, file, file) == 0
    folder = event.root / "hand-in"
    said = f"2 files handed in: no collector is running; the next one takes them from {folder}\n"
    assert capsys.readouterr().out == said
    assert sorted(path.name for path in folder.iterdir()) == ["ABC601XYZ 2.sbp", "ABC601XYZ.sbp"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    event.start()
    event.advance(8)
    assert list(event.tracks().values()) == [SBP]


def test_what_cannot_be_handed_in_is_named_and_the_others_are(
    event: VirtualEvent, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event.folder.prepare()
    empty = file.with_name("empty.sbp")
    empty.touch()
    assert hand_in(event.root, empty, file.with_name("none.sbp"), file) == 1
    errors = capsys.readouterr().err
    assert f"{empty}: not handed in: the file is empty" in errors
    assert "none.sbp: not handed in: No such file or directory" in errors
    assert [path.name for path in (event.root / "hand-in").iterdir()] == ["ABC601XYZ.sbp"]


def test_a_folder_that_is_no_event_stays_as_it_is(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hand_in(tmp_path, file) == 1
    assert capsys.readouterr().err == (
        f"sse-track: {tmp_path}: not an event folder: it has no config/motions.csv, .sse_twisted or gpslogs. "
        f"To make it one, write the roster to {tmp_path}/config/motions.csv\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_new_event_folder_that_has_only_a_roster_takes_files(tmp_path: Path, file: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "motions.csv").touch()
    assert hand_in(tmp_path, file) == 0
    assert [path.name for path in (tmp_path / "hand-in").iterdir()] == ["ABC601XYZ.sbp"]
    assert not (tmp_path / "gpslogs").exists()


def test_what_a_killed_run_has_left_is_removed_by_the_next_one_and_what_a_running_one_writes_is_not(
    event: VirtualEvent, file: Path
) -> None:
    event.folder.prepare()
    large = file.with_name("large.sbp")
    with large.open("wb") as content:
        content.truncate(MAX_SIZE)
    inbox, program = event.root / "hand-in", str(Path(sys.executable).with_name("sse-track"))
    with subprocess.Popen([program, "--hand-in", str(event.root), str(large)]) as running:
        while not (hidden := [*inbox.glob(".*.part")]):
            assert running.poll() is None
        running.send_signal(signal.SIGSTOP)
        assert hand_in(event.root, file) == 0
        assert [*inbox.glob(".*.part")] == hidden
        running.kill()
    assert hidden[0].exists()
    assert hand_in(event.root, file) == 0
    assert sorted(path.name for path in inbox.iterdir()) == ["ABC601XYZ 2.sbp", "ABC601XYZ.sbp"]


def test_a_file_that_another_run_takes_for_a_leftover_is_written_again(
    event: VirtualEvent, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.folder.prepare()
    inbox = event.root / "hand-in"
    removed: list[Path] = []

    def late(descriptor: int, operation: int) -> bool:
        if not removed:
            removed.extend(inbox.glob(".*.part"))
            removed[0].unlink()
        return flock(descriptor, operation)

    monkeypatch.setattr(command, "flock", late)
    assert hand_in(event.root, file) == 0
    assert [path.name for path in inbox.iterdir()] == ["ABC601XYZ.sbp"]


def test_a_file_is_no_leftover_until_it_has_its_name(
    event: VirtualEvent, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.folder.prepare()
    free = command._free

    def free_while_another_run_looks(path: Path) -> Path:
        command._remove_leftovers(path.parent)
        return free(path)

    monkeypatch.setattr(command, "_free", free_while_another_run_looks)
    assert hand_in(event.root, file) == 0
    assert [path.name for path in (event.root / "hand-in").iterdir()] == ["ABC601XYZ.sbp"]


def test_other_hidden_files_are_left_alone(event: VirtualEvent, file: Path) -> None:
    event.folder.prepare()
    (event.root / "hand-in").mkdir(exist_ok=True)
    foreign = event.root / "hand-in" / ".large.sbp.a1b2c3.part"
    foreign.touch()
    assert hand_in(event.root, file) == 0
    assert foreign.exists()


def test_without_the_option_the_files_are_reported(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file)]) == 0
    assert "sbp" in capsys.readouterr().out
