"""`sse-track --verify`: every file of an event folder and of its copies."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from sse_twisted.config.settings import Copies
from sse_twisted.daemon.track_command import main
from sse_twisted.handin.ledger import Filed, Received, append
from tests.copies.samples import Pair, write
from tests.support.event import VirtualEvent, log_of

LEDGER = "motions/motion-601/downloads.json"
LOG = "logs/server.log"


@pytest.fixture
def folders(event: VirtualEvent, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The event folder of a day that is over, and two copies."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    event.settings = replace(event.settings, copies=Copies((str(first), str(second))))
    event.device(602, log_of(602))
    event.arrive(602)
    event.collect()
    event.until("motion-602 can be disconnected")
    event.stop()
    return event.root, first, second


def verify(*folders: Path) -> int:
    return main(["--verify", *map(str, folders)])


def track_in(folder: Path) -> Path:
    (track,) = folder.glob("gpslogs/*/*_601_*.oao")
    return track


def test_a_day_and_its_copies_are_whole(folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(*folders) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("0 different, 0 missing, 0 more; 2 tracks" in line for line in lines)
    assert verify(folders[1]) == 0


def test_a_copy_restores_the_event_folder_and_another_copy(folders: tuple[Path, Path, Path]) -> None:
    event, first, second = folders
    for lost in (event, second):
        shutil.rmtree(lost)
        shutil.copytree(first, lost)
        assert verify(event, first, second) == 0


@pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here")
def test_a_copy_restores_a_damaged_track_that_has_kept_its_length_and_time(folders: tuple[Path, Path, Path]) -> None:
    event, first, _ = folders
    track = track_in(event)
    before, status = track.read_bytes(), track.stat()
    change(track)
    os.utime(track, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert verify(event, first) == 1
    subprocess.run(["rsync", "-ac", f"{first}/", f"{event}/"], check=True)
    assert track.read_bytes() == before
    assert verify(event, first) == 0


def change(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def remove(path: Path) -> None:
    path.unlink()


def add(path: Path) -> None:
    shutil.copy(path, path.with_name(path.name.replace("_601_", "_609_").replace(".json", ".csv")))


def named(text: str) -> list[tuple[str, str]]:
    """Word and path of each file that is not whole."""
    found = (line.partition(":")[0].split(maxsplit=1) for line in text.splitlines() if ": 1" not in line)
    return [(words[0], words[1]) for words in found if words[0] in ("different", "missing", "more")]


@pytest.mark.parametrize(("harm", "word"), [(change, "different"), (remove, "missing"), (add, "more")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_track_that_is_not_whole_is_named_where_it_is(
    folders: tuple[Path, Path, Path],
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    word: str,
    place: int,
) -> None:
    harm(track_in(folders[place]))
    assert verify(*folders) == 1
    found = named(capsys.readouterr().out)
    number = "_609_" if harm is add else "_601_"
    assert [path for each, path in found if each == word and number in path and str(folders[place]) in path]
    assert all(number in path for _, path in found)
    assert len(found) == (1 if place else 3)


@pytest.mark.parametrize(("harm", "word"), [(change, "different"), (remove, "missing"), (add, "more")])
def test_any_other_file_of_a_copy_that_is_not_whole_is_named(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], word: str
) -> None:
    harm(folders[2] / "motions/motion-601/info.json")
    assert verify(*folders) == 1
    ((found, path),) = named(capsys.readouterr().out)
    assert found == word
    assert path.startswith(f"{folders[2]}/motions/motion-601/info.")


@pytest.mark.parametrize(("harm", "word"), [(change, "different"), (remove, "more"), (add, "missing")])
def test_a_change_of_the_event_folder_that_the_copies_have_not_is_named_for_each(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], word: str
) -> None:
    harm(folders[0] / "motions/motion-601/info.json")
    assert verify(*folders) == 1
    assert [found for found, _ in named(capsys.readouterr().out)] == [word, word]


def test_a_name_that_is_not_printable_is_escaped(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders[0] / "results").mkdir(exist_ok=True)
    (folders[0] / os.fsdecode(b"results/Z\xfcrich\n.csv")).write_bytes(b"")
    assert verify(*folders) == 1
    said = capsys.readouterr().out
    assert f"missing   {folders[1]}/results/Z\\xdcfcrich\\x0a.csv: the event folder has it\n" in said


def test_a_roster_to_which_the_event_folder_links_is_whole(
    event: VirtualEvent, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, shared = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("shared") / "roster.csv"
    event.settings = replace(event.settings, copies=Copies((str(copy),)))
    event.device(601, log_of(601))
    event.folder.roster.rename(shared)
    event.folder.roster.symlink_to(shared)
    event.start()
    event.advance(10)
    event.stop()
    assert (copy / "config/motions.csv").read_bytes() == shared.read_bytes()
    assert verify(event.root, copy) == 0, capsys.readouterr().out


def test_a_track_of_the_ledger_without_its_bytes_is_named_without_a_copy(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    change(track_in(folders[0]))
    assert verify(folders[0]) == 1
    assert "not as in the ledger of motion-601" in capsys.readouterr().out
    remove(track_in(folders[0]))
    assert verify(folders[0]) == 1
    assert f"missing   {folders[0]}/gpslogs" in capsys.readouterr().out


def test_what_was_handed_in_is_compared_with_its_own_ledger(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    event, kept, filed = folders[0], "hand-in/kept/watch.oao", "gpslogs/20221017/ABC601XYZ_601_20221017_120000.oao"
    data = track_in(event).read_bytes()
    received = Received(sha256=hashlib.sha256(data).hexdigest(), time=0.0, name="w", size=len(data), kept=kept)
    for path in (kept, filed):
        write(event, path, data)
    append(event, [received, Filed(sha256=received.sha256, time=0.0, day=datetime.date(2022, 10, 17), path=filed)])
    assert verify(event) == 0
    change(event / filed)
    remove(event / kept)
    assert verify(event) == 1
    assert named(capsys.readouterr().out) == [("different", str(event / filed)), ("missing", str(event / kept))]


def test_a_log_may_have_gone_on_since(folders: tuple[Path, Path, Path]) -> None:
    with (folders[0] / LOG).open("a") as file:
        file.write("a line\n")
    assert verify(*folders) == 0
    change(folders[1] / LOG)
    assert verify(*folders) == 1


def test_a_copy_of_another_event_and_no_folder_are_refused(
    folders: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Pair(tmp_path_factory.mktemp("other"))
    other.update()
    assert verify(folders[0], other.copy) == 1
    assert capsys.readouterr().err == f"sse-track: {other.copy}: it is a copy of another event\n"
    for missing in ((Path("/nowhere"),), (folders[0], Path("/nowhere"))):
        assert verify(*missing) == 1
        assert capsys.readouterr().err == "sse-track: /nowhere: No such file or directory\n"


def test_a_collector_that_is_at_work_is_remarked_on(
    folders: tuple[Path, Path, Path], event: VirtualEvent, capsys: pytest.CaptureFixture[str]
) -> None:
    event.start()
    verify(folders[0])
    assert "in use by another collector" in capsys.readouterr().err


def test_files_are_reported_on_as_before(folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(track_in(folders[0]))]) == 0
    assert "track (kn)" in capsys.readouterr().out
