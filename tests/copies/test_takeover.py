"""The computer is lost, and another one goes on with a copy; in virtual time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from sse_twisted.config.settings import Copies
from sse_twisted.fleet import Stage
from tests.copies.samples import contents
from tests.support.event import MORNING, VirtualEvent, log_of

HOUR = 3_600_000


@pytest.fixture
def stick(event: VirtualEvent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stick")
    event.settings = replace(event.settings, copies=Copies((str(folder),)))
    return folder


@pytest.fixture
def second(event: VirtualEvent, stick: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualEvent]:
    """Another computer, not started yet; its event folder is what was on the stick when it is started."""
    other = VirtualEvent(tmp_path_factory.mktemp("second") / "event", replace(event.settings, copies=Copies()))
    yield other
    if other.collector is not None:
        other.stop()


def take_over(first: VirtualEvent, second: VirtualEvent, stick: Path, *, coarse: bool = False) -> None:
    """Start the second computer, as the first one is lost: nobody stops it."""
    shutil.copytree(stick, second.root)
    if coarse:
        for path in second.root.rglob("*"):
            seconds = path.stat().st_mtime_ns // 2_000_000_000 * 2_000_000_000
            os.utime(path, ns=(seconds, seconds))
    second.utc = first.utc + first.reactor.seconds()
    second.start()
    second.advance(15)


@pytest.mark.parametrize("coarse", [False, True], ids=["", "on a stick with coarse times"])
def test_the_second_computer_knows_what_is_collected_what_left_too_early_and_what_is_waived(
    event: VirtualEvent, second: VirtualEvent, stick: Path, coarse: bool
) -> None:
    event.device(602, log_of(602, fixes=20_000)).bytes_per_second = 100_000
    event.device(603, log_of(603, fixes=20_000)).bytes_per_second = 100_000
    event.person(604)
    event.collect()
    event.arrive(602, 603)
    event.until("motion-602 is connected")
    event.until("motion-603 is connected")
    event.advance(1)
    event.leave(601, 602, 603)
    event.until("motion-602 left too early")
    event.until("motion-603 left too early")
    assert event.collector is not None
    event.collector.commands.waive(603, "fell into the water")
    event.advance(10)
    take_over(event, second, stick, coarse=coarse)
    assert second.known(601).stage is Stage.GONE
    assert second.known(601).is_collected
    assert second.known(602).left_early
    assert "fell into the water" in second.known(603).waived
    assert not second.known(603).left_early
    assert [line for line in second.lines if "left too early" in line and "motion-602" not in line] == []
    assert second.collector is not None
    missing = [[each.identifier for each in side.commands.missing()] for side in (event.collector, second.collector)]
    assert missing == [[602, 604], [602, 604]]


def test_the_second_computer_finishes_the_day_and_nothing_is_lost_when_its_folder_comes_back(
    event: VirtualEvent, second: VirtualEvent, stick: Path
) -> None:
    event.person(603)
    event.collect()
    event.leave(601)
    event.advance(20)
    last = event.device(602, log_of(602))
    event.arrive(602)
    event.until("motion-602 can be disconnected")
    shutil.rmtree(stick / "motions/motion-602", ignore_errors=True)  # the stick was pulled just before
    for path in stick.glob("gpslogs/*/*_602_*"):
        path.unlink()
    second.device(602, *last.logs, person=False)
    second.device(603, log_of(603, MORNING + HOUR), person=False)
    take_over(event, second, stick)
    assert second.known(601).is_collected
    assert not second.known(602).is_collected
    second.arrive(602, 603)
    second.until("motion-602 can be disconnected")
    second.until("motion-603 can be disconnected")
    assert {path.rpartition("_")[0].split("_")[1] for path in second.tracks()} == {"601", "602", "603"}
    second.stop()
    event.stop()
    before = contents(event.root)
    come_back(second.root, event.root)
    assert not any(path.endswith(".before") for path in event.tracks())
    after = {path.read_bytes() for path in event.root.rglob("*") if path.is_file()}
    assert set(before.values()) <= after
    event.lines.clear()
    event.start()
    event.advance(20)
    assert all(event.known(number).is_collected for number in (601, 602, 603))
    assert not event.said("CRITICAL")
    event.advance(30)
    assert event.said(f"Copy {stick} is there")
    assert {path for path in contents(stick) if path.startswith("gpslogs/")} == event.tracks().keys()


def come_back(source: Path, target: Path) -> None:
    """Copy by `rsync -ac --backup --suffix=.before`, or as it does."""
    if shutil.which("rsync"):
        subprocess.run(["rsync", "-ac", "--backup", "--suffix=.before", f"{source}/", f"{target}/"], check=True)
        return
    for path in sorted(source.rglob("*")):
        there = target / path.relative_to(source)
        if path.is_dir():
            there.mkdir(exist_ok=True)
            continue
        if there.exists() and there.read_bytes() != path.read_bytes():
            there.rename(there.with_name(f"{there.name}.before"))
        shutil.copy2(path, there)


def test_two_computers_that_both_go_on_say_so_and_write_to_no_copy_of_the_other(
    event: VirtualEvent, second: VirtualEvent, stick: Path
) -> None:
    """Each has the folder of the other as a copy, and the stick."""
    event.settings = replace(event.settings, copies=Copies((str(stick), str(second.root))))
    second.settings = replace(second.settings, copies=Copies((str(stick), str(event.root))))
    second.root.mkdir()
    event.person(603)
    event.collect()
    event.advance(20)
    event.device(602, log_of(602))
    second.device(603, log_of(603), person=False)
    shutil.rmtree(second.root)
    take_over(event, second, stick)
    event.arrive(602)
    event.until("motion-602 can be disconnected")
    second.arrive(603)
    second.until("motion-603 can be disconnected")
    for _ in range(30):
        event.advance(2)
        second.advance(2)
    event.until("CRITICAL Copy " + str(second.root))
    event.until("CRITICAL Copy " + str(stick))
    second.until("CRITICAL Copy " + str(event.root))
    assert not any("_603_" in path for path in event.tracks())
    assert not any("_602_" in path for path in second.tracks())
    stored = [path for path in contents(stick) if "gpslogs" in path]
    assert sorted(path.split("_")[1] for path in stored) in (["601", "603"], ["601"])
    for each, number in ((event, 602), (second, 603)):
        assert each.is_collected(number)
        assert json.loads((each.folder.device_folder(number) / "downloads.json").read_bytes())


@pytest.mark.parametrize("days", [-40, -0.05, 0.05, 40], ids="{} days".format)
def test_the_clocks_of_the_two_computers_do_not_count(
    event: VirtualEvent, second: VirtualEvent, stick: Path, days: float
) -> None:
    event.collect()
    event.leave(601)
    event.advance(20)
    event.utc += days * 86_400
    take_over(event, second, stick)
    event.device(602, log_of(602))
    event.arrive(602)
    event.until("motion-602 can be disconnected")
    shutil.copytree(second.root / ".sse_twisted/starts", stick / ".sse_twisted/starts", dirs_exist_ok=True)
    event.until(f"CRITICAL Copy {stick} is left alone: another collector has gone on with it")
    assert not second.said("CRITICAL")
    assert not second.known(601).left_early
