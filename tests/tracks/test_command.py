"""`sse-track`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.claims import ClaimCheck
from sse_twisted.tracks.command import main
from sse_twisted.tracks.report import heading
from sse_twisted.tracks.track_files import Reading, TrackJob
from tests.tracks.voyages import sail
from tests.tracks.written import gpy, points, sbp

COMMAND = [sys.executable, "-m", "sse_twisted.tracks.command"]


@pytest.fixture(scope="module")
def sound() -> bytes:
    fixes = sail(400, pause=10)
    fixes["speed"] = np.convolve(fixes["speed"], np.ones(25) / 25, "same")  # nobody stops within a fifth of a second
    return write_track(fixes, identifier=601, nickname="WSW")


@pytest.fixture
def folder(tmp_path: Path, sound: bytes) -> Path:
    """A sound track, a damaged one, and what is none."""
    damaged = bytearray(sound)
    damaged[512 + 52 * 300 + 7] ^= 1
    files: dict[str, bytes] = {
        "sound.oao": sound,
        "damaged.oao": bytes(damaged),
        "cut.oao": sound[:-20],
        "empty.oao": b"",
        "short.oao": b"\xd0\x0a\x00",
        "nmea.oao": b"$GPRMC,120000,A",
        "only-a-header.oao": sound[:512],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.oao").mkdir()
    with (tmp_path / "sparse.oao").open("wb") as file:
        file.truncate(2_000_000_000)
    with (tmp_path / "long.oao").open("wb") as file:
        file.write(sound)
        file.truncate(2_000_000_000)
    return tmp_path


def said_of(folder: Path, capsys: pytest.CaptureFixture[str], *names: str, status: int) -> tuple[list[str], list[str]]:
    """Lines of the table, and those on standard error."""
    assert main([*(str(folder / name) for name in names), "--jobs", "1"]) == status
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def test_a_sound_track_has_one_line_and_status_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (heading, line), errors = said_of(folder, capsys, "sound.oao", status=0)
    columns = ["device", "hours", "km", "max", "2s", "10s", "5x10s", "500m", "alpha", "1852m", "1h"]
    columns += ["format", "Hz", "speeds", "evidence"]
    assert heading.split()[2:] == columns
    assert line.split()[1:4] == ["601", "0.1", "2.9"]
    assert [float(speed) > 10 for speed in line.split()[4:10]] == [True] * 6
    assert errors == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("damaged.oao", "damaged frame at byte 16,112 (52 bytes, 1 fix lost between 2022-10-19 "),
        ("cut.oao", "cut inside a frame at byte "),
    ],
)
def test_a_damaged_track_is_complained_of_below_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, complaint: str
) -> None:
    lines, errors = said_of(folder, capsys, name, status=1)
    assert lines[1].split()[1] == "601"
    assert lines[2].startswith(f"    ! {complaint}")
    assert errors == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("empty.oao", "not a track: the file is empty"),
        ("nmea.oao", "not a track that can be read (nmea)"),
        ("folder.oao", "this folder holds no track"),
        ("sparse.oao", "not a track that can be read (unknown)"),
        ("long.oao", "too large for a track: 2,000,000,000 bytes, the limit is 268,435,456"),
        ("absent.oao", "No such file or directory"),
    ],
)
def test_what_is_no_track_has_one_line_on_standard_error(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, complaint: str
) -> None:
    lines, errors = said_of(folder, capsys, name, status=1)
    assert lines == []
    assert errors == [f"sse-track: {folder / name}: {complaint}"]


def test_a_device_s_special_file_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/dev/zero"]) == 1
    assert capsys.readouterr().err == "sse-track: /dev/zero: not a regular file\n"


def test_three_bytes_of_a_track_are_damage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = said_of(folder, capsys, "short.oao", status=1)
    assert lines[1].split()[1:] == ["?", "no", "fixes"]
    assert lines[2] == "    ! cut inside the header at byte 0 (3 bytes, 1 fix lost)"


def test_an_empty_log_is_no_mistake(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = said_of(folder, capsys, "only-a-header.oao", status=0)
    assert lines[1].endswith("601  no fixes")


def test_one_bad_file_does_not_keep_the_others_from_being_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, errors = said_of(folder, capsys, "empty.oao", "sound.oao", "absent.oao", "damaged.oao", status=1)
    assert [line.split()[0].rpartition("/")[2] for line in lines[1:3]] == ["sound.oao", "damaged.oao"]
    assert len(errors) == 2


def test_a_folder_stands_for_the_tracks_in_it_and_below_it(
    tmp_path: Path, sound: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["20261012/b.oao", "20261011/C.OAO", "20261012/a.oao", "top.oao", "20261012/.a.oao.part", ".trash/x.oao"]
    for name in (*names, "20261012/notes.txt", "20261012/.hidden.oao"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(sound)
    lines, errors = said_of(tmp_path, capsys, ".", status=0)
    order = ["20261011/C.OAO", "20261012/a.oao", "20261012/b.oao", "top.oao"]
    assert [line.split()[0] for line in lines[1:]] == [str(tmp_path / name) for name in order]
    assert errors == []


def test_a_track_that_is_named_twice_is_read_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = said_of(folder, capsys, "sound.oao", "s*d.oao", status=0)
    assert len(lines) == 2


def test_unreadable_files_of_a_folder_are_named_and_the_others_are_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gone.oao").symlink_to("nowhere.oao")
    lines, errors = said_of(folder, capsys, ".", status=1)
    assert [line.split()[0].rpartition("/")[2] for line in lines if "/" in line.split()[0]] == [
        "cut.oao",
        "damaged.oao",
        "only-a-header.oao",
        "short.oao",
        "sound.oao",
    ]
    assert f"sse-track: {folder / 'gone.oao'}: No such file or directory" in errors
    assert len(errors) == 5


@pytest.mark.parametrize(
    ("option", "name", "better"), [("plot", "p.png", "p.svg"), ("plot", "p.gpx", "p.svg"), ("gpx", "t.csv", "t.gpx")]
)
def test_an_export_is_not_written_under_the_name_of_another_kind(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, name: str, better: str
) -> None:
    with pytest.raises(SystemExit) as ending:
        main([str(folder / "sound.oao"), f"--{option}", str(folder / name)])
    assert ending.value.code == 2
    assert f"name it {folder / better}" in capsys.readouterr().err
    assert not (folder / name).exists()


def test_a_pattern_that_the_shell_leaves_alone_is_resolved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder / "s*d.oao"), str(folder / "no*.oao")]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err == f"sse-track: {folder / 'no*.oao'}: No such file or directory\n"


@pytest.mark.parametrize(
    ("name", "reason"), [("no**.oao", "No such file or directory"), ("x" * 300, "File name too long")]
)
def test_a_name_that_no_file_can_have_has_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    assert said_of(folder, capsys, name, status=1) == ([], [f"sse-track: {folder / name}: {reason}"])


def test_json_has_every_file_with_all_that_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["sound.oao", "damaged.oao", "nmea.oao", "absent.oao"]
    assert main([*(str(folder / name) for name in names), "--json"]) == 1
    reports: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [Path(report["file"]).name for report in reports] == names
    sound, damaged, nmea, absent = reports
    assert sound["header"]["identifier"] == 601
    assert sound["session"]["bests"]["2s"][0].keys() == {"kn", "km/h", "m/s", "from", "to"}
    assert sound["claims"].keys() <= {"exact", "within bounds"}
    assert (sound["whole"], damaged["whole"], nmea["kind"], absent["error"]) == (
        True,
        False,
        "nmea",
        "No such file or directory",
    )
    assert damaged["damages"][0] | {"from": 0, "to": 0} == {
        "byte": 16_112,
        "bytes": 52,
        "what": "damaged frame",
        "fixes": 1,
        "from": 0,
        "to": 0,
    }


def test_details_are_printed_on_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder / "sound.oao"), "-v", "--unit", "km/h"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("track (km/h)")
    assert lines[2].strip().startswith("WSW, firmware 9004, 5 Hz, 2022-10-19 11:00:00 to 2022-10-19 11:06:39 UTC")
    assert [line.split()[0] for line in lines[5:]] == ["2s", "10s", "500m", "alpha500", "1852m", "1s", "100m", "250m"]
    assert len(lines[5].split("  ")[2:]) >= 5


def test_one_track_is_exported_to_files_of_any_name(folder: Path) -> None:
    arguments = [word for kind in ("gpx", "csv", "plot") for word in (f"--{kind}", str(folder / f"out.{kind}"))]
    assert main([str(folder / "sound.oao"), *arguments]) == 0
    assert (folder / "out.gpx").read_text().count("<trkpt ") == (folder / "out.csv").read_text().count("\n") - 1
    picture = (folder / "out.plot").read_text()
    assert picture.startswith("<svg ")
    assert all(label in picture for label in ("2 s", "10 s", "500 m", "alpha 500", "1852 m"))
    assert main([str(folder / "sound.oao"), "--gpx", str(folder / "old.gpx"), "--gpx-version", "1.0"]) == 0
    assert '<gpx version="1.0"' in (folder / "old.gpx").read_text()


def test_the_help_defines_every_speed_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for name in (*heading(20, "kn").split()[4:], "1s", "100m", "250m", *ClaimCheck):
        assert re.search(rf"^  .*\b{name}\b", said.split("speeds:")[1], re.MULTILINE), name
    assert max(map(len, said.splitlines())) <= 80


def test_several_tracks_are_exported_to_a_folder(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    names = ["sound.oao", "damaged.oao"]
    assert main([*(str(folder / name) for name in names), "--gpx", str(out), "--plot", str(out)]) == 1
    assert sorted(path.name for path in out.iterdir()) == ["damaged.gpx", "damaged.svg", "sound.gpx", "sound.svg"]


def test_tracks_of_one_name_in_several_formats_are_exported_apart(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    for kind, data in (("sbp", sbp(points())), ("gpy", gpy(points()))):
        (folder / f"a.{kind}").write_bytes(data)
    assert main([*(str(folder / name) for name in ("a.sbp", "a.gpy", "sound.oao")), "--csv", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a-gpy.csv", "a-sbp.csv", "sound.csv"]


def test_several_tracks_can_not_be_exported_to_one_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([str(folder / "sound.oao"), str(folder / "damaged.oao"), "--gpx", str(folder / "one.gpx")])
    assert ending.value.code == 2
    assert "one.gpx is not a folder: pass an existing folder to export 2 tracks" in capsys.readouterr().err


def test_a_track_is_never_overwritten_by_its_own_export(folder: Path, sound: bytes) -> None:
    assert main([str(folder / "sound.oao"), "--csv", str(folder / "sound.oao")]) == 1
    assert (folder / "sound.oao").read_bytes() == sound


def test_an_export_that_can_not_be_written_is_complained_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder / "sound.oao"), "--csv", str(folder / "nowhere" / "out.csv")]) == 1
    assert "nowhere/out.csv: No such file or directory" in capsys.readouterr().out


def test_processes_give_the_same_as_one_alone(folder: Path, sound: bytes) -> None:
    names = []
    for number in range(9):
        names.append(str(folder / f"{number}.oao"))
        Path(names[-1]).write_bytes(sound[: 512 + 52 * 100 * (number + 1)])
    alone, together = (
        subprocess.run([*COMMAND, *names, "--json", "--jobs", jobs], capture_output=True, check=False)
        for jobs in ("1", "3")
    )
    assert alone.stdout == together.stdout
    assert json.loads(alone.stdout)[8]["fixes"] == 900
    assert alone.stderr == together.stderr == b""


def test_a_reader_that_goes_away_is_no_traceback(folder: Path) -> None:
    for number in range(300):
        shutil.copy(folder / "only-a-header.oao", folder / f"{number}.oao")
    with subprocess.Popen(
        [*COMMAND, *(str(folder / f"{number}.oao") for number in range(300)), "--json", "--jobs", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 1)


def test_a_track_that_may_not_be_read_is_complained_of(folder: Path) -> None:
    (folder / "sound.oao").chmod(0)
    if os.access(folder / "sound.oao", os.R_OK):
        pytest.skip("nothing is forbidden to root")
    assert Reading()(TrackJob(str(folder / "sound.oao"))) == {"error": "Permission denied"}
