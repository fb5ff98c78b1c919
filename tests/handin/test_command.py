"""`sse-track --hand-in`: into the watched folder, whether or not a collector runs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sse_twisted.daemon.track_command import main
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
    assert "not an event folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_the_option_the_files_are_reported(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file)]) == 0
    assert "sbp" in capsys.readouterr().out
