from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sse_twisted.results.courses import output
from sse_twisted.results.courses.output import Written, write_day

DAY = dt.date(2023, 10, 7)
PATH = "gpsdata/20231007/GPSDATA_20231007_S1.csv"
ASIDE = f"results/{PATH}"


def written(root: Path, **files: bytes) -> dict[str, Written]:
    return write_day(root, DAY, files)


def seen_by_the_results_software(root: Path) -> set[str]:
    return {file.name for file in (root / "gpsdata" / "20231007").iterdir() if not file.name.startswith(".")}


def test_a_file_is_written_anew_while_it_is_ours(tmp_path: Path) -> None:
    for data in (b"one", b"two", b"two", b"three"):
        assert written(tmp_path, S1=data) == {"S1": Written(PATH)}
        assert (tmp_path / PATH).read_bytes() == data
        assert seen_by_the_results_software(tmp_path) == {"GPSDATA_20231007_S1.csv"}


def test_a_file_of_the_other_program_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_bytes(b"theirs")
    assert written(tmp_path, S1=b"ours") == {"S1": Written(ASIDE, b"theirs")}
    assert (tmp_path / PATH).read_bytes() == b"theirs"
    assert (tmp_path / ASIDE).read_bytes() == b"ours"
    assert seen_by_the_results_software(tmp_path) == {"GPSDATA_20231007_S1.csv"}


def test_a_file_of_ours_that_somebody_changed_is_theirs(tmp_path: Path) -> None:
    written(tmp_path, S1=b"ours")
    (tmp_path / PATH).write_bytes(b"corrected by hand")
    assert written(tmp_path, S1=b"newer") == {"S1": Written(ASIDE, b"corrected by hand")}
    assert (tmp_path / PATH).read_bytes() == b"corrected by hand"


def test_a_file_that_somebody_removed_is_written_again(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_bytes(b"theirs")
    written(tmp_path, S1=b"ours")
    (tmp_path / PATH).unlink()
    assert written(tmp_path, S1=b"ours") == {"S1": Written(PATH)}


def test_where_ours_has_its_place_again_no_copy_stays_aside(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_bytes(b"theirs")
    written(tmp_path, S1=b"ours")
    (tmp_path / PATH).unlink()
    written(tmp_path, S1=b"ours")
    assert not (tmp_path / ASIDE).exists()


def test_a_file_that_says_the_same_is_not_theirs(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_bytes(b"same")
    assert written(tmp_path, S1=b"same") == {"S1": Written(PATH)}


def test_the_file_of_a_course_that_is_gone_is_removed_and_somebody_s_is_not(tmp_path: Path) -> None:
    written(tmp_path, S1=b"one", S2=b"two", H1=b"three")
    (tmp_path / PATH.replace("S2", "H1")).write_bytes(b"three")
    (tmp_path / "gpsdata/20231007/GPSDATA_20231007_H1.csv").write_bytes(b"by hand")
    written(tmp_path, S1=b"one")
    assert seen_by_the_results_software(tmp_path) == {"GPSDATA_20231007_S1.csv", "GPSDATA_20231007_H1.csv"}


def test_a_crash_between_note_and_file_leaves_the_old_file_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, S1=b"one")
    with monkeypatch.context() as crash:
        crash.setattr(output, "write_whole", _fail)
        with pytest.raises(OSError, match="crash"):
            written(tmp_path, S1=b"two")
    assert written(tmp_path, S1=b"three") == {"S1": Written(PATH)}
    assert (tmp_path / PATH).read_bytes() == b"three"


def _fail(*_: object) -> None:
    raise OSError("crash")


def test_without_notes_every_file_is_somebody_s(tmp_path: Path) -> None:
    written(tmp_path, S1=b"one")
    (tmp_path / output.NOTES).write_bytes(b"{torn")
    assert written(tmp_path, S1=b"two") == {"S1": Written(ASIDE, b"one")}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/hostname")])
def test_what_is_no_file_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    make(tmp_path / PATH)
    assert written(tmp_path, S1=b"ours")["S1"].path == ASIDE
