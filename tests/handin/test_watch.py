"""Files in the watched folders, and what becomes of them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from attrs import evolve
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sse_twisted.config.settings import HandIn, Settings
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.handin import intake
from sse_twisted.handin import service as service_module
from sse_twisted.handin.watch import HandInWatch
from sse_twisted.runtime.worker import WorkerError
from tests.support.event import VirtualEvent, begin_anew, log_of, track
from tests.tracks import written
from tests.tracks.voyages import START

DAY = 86_400_000
SBP = written.sbp(written.points(100))
ADA = "gpslogs/20221019/ABC601XYZ_601_20221019_120000.sbp"


@pytest.fixture
def open_event(event: VirtualEvent) -> VirtualEvent:
    """A collector, and two people on the roster, whose devices are away."""
    event.person(601)
    event.person(602)
    event.start()
    event.advance(1)
    return event


def drop(event: VirtualEvent, name: str, data: bytes = SBP) -> Path:
    """Put a file into the watched folder, and wait until it is taken."""
    path = event.root / "hand-in" / name
    path.write_bytes(data)
    event.advance(8)
    return path


def lines(event: VirtualEvent) -> list[dict[str, Any]]:
    path = event.root / "hand-in/ledger.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def kept(event: VirtualEvent) -> list[bytes]:
    return [path.read_bytes() for path in sorted((event.root / "hand-in/kept").iterdir())]


def test_a_file_is_kept_as_it_came_and_filed_under_the_name_of_the_results_software(open_event: VirtualEvent) -> None:
    path = drop(open_event, "abc601xyz watch.sbp")
    assert open_event.tracks() == {ADA: SBP}
    assert kept(open_event) == [SBP]
    assert not path.exists()
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (open_event.root / "hand-in/kept").iterdir()]
    assert modes == [0o600]
    assert stat.S_IMODE((open_event.root / "hand-in/ledger.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((open_event.root / ADA).stat().st_mode) == 0o644


def test_each_step_has_its_time_and_by_whom(open_event: VirtualEvent) -> None:
    drop(open_event, "abc601xyz watch.sbp")
    steps = lines(open_event)
    assert [(each["step"], each["who"]) for each in steps] == [
        ("received", "hand-in"), ("examined", "collector"), ("assigned", "collector"), ("filed", "collector")
    ]  # fmt: skip
    assert all(each["time"] > 1_600_000_000 for each in steps)


def test_a_file_that_grows_is_not_taken(open_event: VirtualEvent) -> None:
    path = open_event.root / "hand-in/ABC601XYZ.sbp"
    for count in range(10, 60, 10):
        path.write_bytes(written.sbp(written.points(count)))
        open_event.advance(2)
        assert not open_event.tracks()
    open_event.advance(8)
    assert list(open_event.tracks().values()) == [written.sbp(written.points(50))]


def test_the_same_content_twice_is_one(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ.sbp")
    drop(open_event, "ABC602XYZ.sbp")
    assert list(open_event.tracks()) == [ADA]
    assert kept(open_event) == [SBP]
    assert open_event.said("ABC602XYZ.sbp from hand-in is ABC601XYZ.sbp, handed in before")


def test_a_file_that_comes_again_under_a_name_that_tells_its_owner_is_filed(open_event: VirtualEvent) -> None:
    drop(open_event, "activity.sbp")
    drop(open_event, "ABC601XYZ watch.sbp")
    assert open_event.tracks() == {ADA: SBP}
    assert kept(open_event) == [SBP]


def test_a_file_that_comes_again_is_kept_where_its_first_copy_is_lost(open_event: VirtualEvent) -> None:
    drop(open_event, "activity.sbp")
    (first,) = (open_event.root / "hand-in/kept").iterdir()
    first.unlink()
    drop(open_event, "another.sbp")
    assert kept(open_event) == [SBP]
    give(open_event, "another.sbp", "ABC601XYZ")
    assert open_event.tracks() == {ADA: SBP}


def test_files_are_examined_one_at_a_time_so_that_others_are_computed_between_them(
    open_event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in (10, 20, 30):
        drop(open_event, f"ABC601XYZ {count}.sbp", written.sbp(written.points(count)))
    answers: list[Callable[[], None]] = []

    def compute(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        answers.append(lambda: done.callback(function(*args)))
        return done

    assert open_event.collector is not None
    service = open_event.collector.hand_ins
    service._work = evolve(service._work, compute=compute)
    monkeypatch.setattr(service_module, "VERSION", 99)  # all of them again
    open_event.advance(3)
    for number in range(3):
        assert len(answers) == number + 1
        answers[number]()
        open_event.advance(3)
    assert [each["step"] for each in lines(open_event) if each.get("version") == 99] == ["examined"] * 3


def test_a_name_that_is_taken_gets_a_number(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ a.sbp")
    other = written.sbp(written.points(60))
    drop(open_event, "ABC601XYZ b.sbp", other)
    assert open_event.tracks() == {ADA: SBP, ADA.replace(".sbp", "-2.sbp"): other}


def test_a_rider_without_a_device_on_that_day_has_the_number_0(event: VirtualEvent) -> None:
    event.person(601, last="2022-10-18")
    event.person(602)
    event.start()
    event.advance(1)
    drop(event, "ABC601XYZ.sbp")
    assert list(event.tracks()) == [ADA.replace("_601_", "_0_")]


def test_a_rider_who_gets_another_device_on_that_day_has_its_number_in_the_name(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ.sbp")
    drop(open_event, "ABC602XYZ.sbp", written.sbp(written.points(60)))
    open_event.people[0]["Motion ID"] = "699"
    open_event.write_roster()
    open_event.advance(10)
    assert sorted(open_event.tracks()) == [
        ADA.replace("_601_", "_699_"),
        ADA.replace("601", "602"),
    ]
    begin_anew(open_event)
    open_event.advance(10)
    assert len(open_event.tracks()) == 2


def test_a_new_number_that_a_full_disk_has_cut_is_in_the_name_later(
    open_event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(open_event, "ABC601XYZ.sbp")

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sse_twisted.handin.filing.move", full)
    open_event.people[0]["Motion ID"] = "699"
    open_event.write_roster()
    open_event.advance(10)
    assert list(open_event.tracks()) == [ADA]
    monkeypatch.undo()
    open_event.advance(8)
    assert list(open_event.tracks()) == [ADA.replace("_601_", "_699_")]


def test_a_rider_who_is_taken_from_the_roster_keeps_the_name_of_the_track(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ.sbp")
    open_event.people[0]["End Date"] = "2022-10-18"
    open_event.write_roster()
    open_event.advance(10)
    assert list(open_event.tracks()) == [ADA]


def test_a_file_over_two_days_is_filed_for_each(open_event: VirtualEvent) -> None:
    data = written.sbp(written.points(50) + written.points(50, start=START + DAY))
    drop(open_event, "ABC601XYZ.sbp", data)
    assert open_event.tracks() == {ADA: data, ADA.replace("20221019", "20221020"): data}


def test_the_content_decides_the_extension(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ.sbp", written.gpx(written.points(50)))
    drop(open_event, "ABC602XYZ.SBN", written.sbn(written.points(50)))
    assert [Path(path).suffix for path in open_event.tracks()] == [".gpx", ".SBN"]


def test_a_track_of_nobody_waits_and_is_filed_when_somebody_says_whose_it_is(open_event: VirtualEvent) -> None:
    drop(open_event, "activity.sbp")
    assert not open_event.tracks()
    assert open_event.said("Hand-in activity.sbp waits: no owner found. Say whose it is on /hand-in")
    service = open_event.collector.hand_ins  # type: ignore[union-attr]
    (entry,) = service.ledger.entries.values()
    give(open_event, "activity.sbp", "ABC602XYZ")
    assert list(open_event.tracks()) == ["gpslogs/20221019/ABC602XYZ_602_20221019_120000.sbp"]
    assert service.ledger.entries[entry.sha256].file_id == "ABC602XYZ"


def give(event: VirtualEvent, name: str, file_id: str) -> None:
    assert event.collector is not None
    service = event.collector.hand_ins
    (entry,) = service.ledger.find(name)
    Deferred.fromCoroutine(service.assign(entry, file_id, "Ann"))
    event.advance(1)


def test_a_wrong_owner_is_corrected_and_nothing_is_lost(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ.sbp")
    give(open_event, "ABC601XYZ.sbp", "ABC602XYZ")
    assert open_event.tracks() == {"gpslogs/20221019/ABC602XYZ_602_20221019_120000.sbp": SBP}
    assert open_event.said("Hand-in ABC601XYZ.sbp: Ann gave it to ABC602XYZ (before: ABC601XYZ)")
    give(open_event, "ABC601XYZ.sbp", "")
    assert not open_event.tracks()
    assert kept(open_event) == [SBP]
    begin_anew(open_event)
    open_event.advance(5)
    assert not open_event.tracks()
    give(open_event, "ABC601XYZ.sbp", "ABC601XYZ")
    assert open_event.tracks() == {ADA: SBP}


def test_a_correction_that_a_full_disk_has_cut_goes_on_later(
    open_event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(open_event, "ABC601XYZ.sbp")

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sse_twisted.handin.filing.move", full)
    assert open_event.collector is not None
    service = open_event.collector.hand_ins
    (entry,) = service.ledger.find("ABC601XYZ.sbp")
    failed: list[object] = []
    Deferred.fromCoroutine(service.assign(entry, "ABC602XYZ", "Ann")).addErrback(failed.append)
    open_event.advance(1)
    assert failed
    assert list(open_event.tracks()) == [ADA]
    monkeypatch.undo()
    open_event.advance(8)
    assert open_event.tracks() == {"gpslogs/20221019/ABC602XYZ_602_20221019_120000.sbp": SBP}


def test_a_roster_that_names_the_owner_later_files_the_track(open_event: VirtualEvent) -> None:
    drop(open_event, "NEW603.sbp")
    assert not open_event.tracks()
    open_event.person(603, file_id="NEW603")
    open_event.advance(10)
    assert list(open_event.tracks()) == ["gpslogs/20221019/NEW603_603_20221019_120000.sbp"]


def test_what_a_stop_has_cut_goes_on_at_the_next_start(open_event: VirtualEvent) -> None:
    drop(open_event, "ABC601XYZ.sbp")
    ledger = open_event.root / "hand-in/ledger.jsonl"

    def go_back() -> None:
        first = ledger.read_bytes().splitlines(keepends=True)
        ledger.write_bytes(first[0] + first[1][:40])
        (open_event.root / ADA).unlink()

    begin_anew(open_event, go_back)
    open_event.advance(5)
    assert open_event.tracks() == {ADA: SBP}
    assert open_event.said("unreadable lines, which do not count: 1")


def test_a_worker_that_dies_says_nothing_about_a_file(
    open_event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise WorkerError("the worker process ended twice (signal 9)")

    with monkeypatch.context() as patch:
        patch.setattr("sse_twisted.handin.service.examine", dies)
        drop(open_event, "ABC601XYZ.sbp")
        assert open_event.said("Hand-in ABC601XYZ.sbp: the kept file cannot be read: the worker process ended twice")
        assert len(lines(open_event)) == 1
        count = len(open_event.lines)
        open_event.advance(20)
        assert not open_event.said("Hand-in", count)
    drop(open_event, "ABC601XYZ.sbp")
    assert open_event.tracks() == {ADA: SBP}


def test_a_reader_of_fit_files_that_is_killed_says_nothing_about_a_file(
    open_event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written.fit(written.points(60, rate=1))
    with monkeypatch.context() as patch:
        patch.setattr("sse_twisted.tracks.fit.worker.GRACE", -1000.0)
        drop(open_event, "ABC601XYZ.fit", data)
        assert open_event.said("the kept file cannot be read: not read: the reader of FIT files failed")
    drop(open_event, "ABC601XYZ.fit", data)
    assert list(open_event.tracks().values()) == [data]


@pytest.mark.parametrize("year", [2021, 1980])
def test_a_track_of_another_year_waits(open_event: VirtualEvent, year: int) -> None:
    start = START - (2022 - year) * 365 * DAY
    drop(open_event, "ABC601XYZ.gpx", written.gpx(written.points(50, start=start)))
    assert not open_event.tracks()
    assert open_event.said("Hand-in ABC601XYZ.gpx waits: ")
    assert open_event.said(" is outside the event. Say whose it is on /hand-in")


ROLLOVER = 1024 * 7 * DAY


def test_a_track_before_the_week_rollover_is_filed_under_its_true_date_when_somebody_says_whose_it_is(
    open_event: VirtualEvent,
) -> None:
    data = written.sbp(written.points(100, start=START - ROLLOVER))
    drop(open_event, "ABC601XYZ.sbp", data)
    assert not open_event.tracks()
    assert open_event.said("waits: dated 2003-03-05, which is 2022-10-19 by the GPS week rollover")
    begin_anew(open_event)
    open_event.advance(5)
    give(open_event, "ABC601XYZ.sbp", "ABC601XYZ")
    assert open_event.tracks() == {ADA: data}


def test_a_copy_of_a_track_before_the_week_rollover_counts_on_the_day_of_its_folder(open_event: VirtualEvent) -> None:
    data = written.sbp(written.points(100, start=START - ROLLOVER))
    path = open_event.root / ADA
    path.parent.mkdir()
    path.write_bytes(data)
    open_event.advance(8)
    assert [each["step"] for each in lines(open_event)] == ["received", "examined", "assigned", "filed"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.zip", b"PK\x03\x04" + bytes(500), "not a track but an archive (zip): unpack it, and hand in the files"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(500), "not a track that can be read (jpeg)"),
        ("a.sbp", b"hello\n" * 100, "not a track that can be read (unknown)"),
        ("a.txt", b"hello\n" * 100, "not a track that can be read (unknown)"),
        ("a.fit", written.fit(written.points(50))[:40] + b"\xff" * 500, ""),
    ],
)
def test_what_is_no_track_is_kept_and_named(open_event: VirtualEvent, name: str, data: bytes, why: str) -> None:
    drop(open_event, name, data)
    assert not open_event.tracks()
    assert kept(open_event) == [data]
    assert open_event.said(f"Hand-in {name}: {why}")
    begin_anew(open_event)
    open_event.advance(5)
    assert not open_event.said(f"Hand-in {name}")


def test_an_empty_file_stays_where_it_is(open_event: VirtualEvent) -> None:
    path = drop(open_event, "ABC601XYZ.sbp", b"")
    assert path.exists()
    assert open_event.said("Hand-in ABC601XYZ.sbp in hand-in is not taken: the file is empty")
    path.write_bytes(SBP)
    open_event.advance(8)
    assert open_event.tracks() == {ADA: SBP}


def test_a_file_that_is_too_large_stays_where_it_is(open_event: VirtualEvent) -> None:
    path = open_event.root / "hand-in/film.sbp"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    open_event.advance(8)
    assert path.exists()
    assert not kept(open_event)
    assert open_event.said("film.sbp in hand-in is not taken: too large: 2.0 GB, the limit is 200.0 MB")


def test_a_long_or_odd_name_is_cut_for_the_disk_and_escaped_in_the_log(open_event: VirtualEvent) -> None:
    drop(open_event, f"ABC601XYZ{'x' * 200}.sbp".replace("XYZx", "XYZ x"))
    drop(open_event, "two\nlines ABC602XYZ.sbp", written.sbp(written.points(60)))
    assert len(kept(open_event)) == 2
    assert all("\n" not in line for line in open_event.lines)
    assert open_event.tracks()[ADA] == SBP


def test_a_stick_keeps_its_files_and_only_tracks_are_taken(event: VirtualEvent, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    (stick / "GT31").mkdir(parents=True)
    (stick / "GT31/ABC601XYZ.sbp").write_bytes(SBP)
    (stick / "letter.docx").write_bytes(b"PK\x03\x04")
    event.settings = replace(Settings(), hand_in=HandIn((str(stick),)))
    event.person(601)
    event.start()
    event.advance(10)
    assert (stick / "GT31/ABC601XYZ.sbp").read_bytes() == SBP
    assert event.tracks() == {ADA: SBP}
    assert not event.said("letter")
    count = len(event.lines)
    event.advance(20)
    assert not event.said("Hand-in", count)


def test_a_copy_of_an_event_on_a_stick_is_no_hand_in(event: VirtualEvent, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    for folder in ("event/.sse_twisted", "event/gpslogs/20221019", "event/hand-in/kept"):
        (stick / folder).mkdir(parents=True)
    (stick / "event" / ADA).write_bytes(SBP)
    (stick / "event/hand-in/kept/ABC601XYZ.sbp").write_bytes(SBP)
    (stick / "ABC602XYZ.sbp").write_bytes(SBP)
    event.settings = replace(Settings(), hand_in=HandIn((str(stick),)))
    event.person(601)
    event.person(602)
    event.start()
    event.advance(10)
    assert event.tracks() == {ADA.replace("601", "602"): SBP}
    assert [each["name"] for each in lines(event) if each["step"] == "received"] == ["ABC602XYZ.sbp"]


def test_a_stick_that_is_pulled_while_it_is_read_costs_nothing(
    event: VirtualEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "ABC601XYZ.sbp").write_bytes(SBP)
    event.settings = replace(Settings(), hand_in=HandIn((str(stick),)))
    event.person(601)

    def pulled(self: intake.Incoming, data: bytes) -> None:
        write(self, data)
        (stick / "ABC601XYZ.sbp").unlink()

    write = intake.Incoming.write
    monkeypatch.setattr(intake.Incoming, "write", pulled)
    event.start()
    event.advance(6)
    assert event.said("Hand-in ABC601XYZ.sbp in")
    assert not event.tracks()
    assert not kept(event)
    assert not event.said("Downloads pause")
    monkeypatch.undo()
    (stick / "ABC601XYZ.sbp").write_bytes(SBP)
    event.advance(8)
    assert event.tracks() == {ADA: SBP}


def test_a_track_that_somebody_copied_into_its_day_is_taken_into_the_ledger(open_event: VirtualEvent) -> None:
    path = open_event.root / ADA.replace("_601_", "_0_")
    path.parent.mkdir()
    path.write_bytes(SBP)
    open_event.advance(8)
    assert list(open_event.tracks()) == [ADA.replace("_601_", "_0_")]
    assert [each["step"] for each in lines(open_event)] == ["received", "examined", "assigned", "filed"]
    begin_anew(open_event)
    open_event.advance(8)
    assert len(lines(open_event)) == 4


def test_a_copy_in_the_folder_of_another_day_does_not_count_there(open_event: VirtualEvent) -> None:
    path = open_event.root / "gpslogs/20221018/ABC601XYZ_601_20221018_120000.sbp"
    path.parent.mkdir()
    path.write_bytes(SBP)
    open_event.advance(8)
    assert open_event.said("has no fix of 2022-10-18: it does not count there")
    assert open_event.tracks() == {ADA: SBP, "gpslogs/20221018/ABC601XYZ_601_20221018_120000.sbp": SBP}


def test_tracks_that_the_collector_downloads_are_no_hand_ins(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.collect(602)
    event.arrive(601)
    event.until("motion-601 can be disconnected")
    event.advance(10)
    event.leave(601, 602)
    event.advance(60)
    begin_anew(event)
    event.advance(10)
    assert not lines(event)


def test_the_ledger_of_a_device_is_read_once_when_it_has_left(event: VirtualEvent) -> None:
    event.collect(601)
    for _ in range(2):
        event.advance(20)
        assert event.is_collected(601)
        with patch.object(EventFolder, "entries", autospec=True, side_effect=EventFolder.entries) as read:
            event.leave(601)
            event.advance(60)
        assert not event.known(601).present
        assert read.call_count == 1
        event.arrive(601)
    assert not lines(event)


def test_a_track_that_its_device_has_brought_is_not_taken_again(event: VirtualEvent) -> None:
    event.collect(601)
    drop(event, "0601 by cable.oao", track(601))
    assert len(event.tracks()) == 1
    assert event.said("Hand-in 0601 by cable.oao: collected from its device already: ABC601XYZ_601_20221017_090000.oao")


def test_a_rider_without_any_device_hands_in_with_the_number_0(event: VirtualEvent) -> None:
    event.person(601)
    event.people.append(dict.fromkeys(event.people[0], "") | {"File ID": "NODEV", "First Name": "Eva"})
    event.write_roster()
    event.start()
    event.advance(1)
    drop(event, "NODEV watch.sbp")
    assert list(event.tracks()) == ["gpslogs/20221019/NODEV_0_20221019_120000.sbp"]


def test_500_files_at_once_are_all_taken(open_event: VirtualEvent) -> None:
    for number in range(500):
        start = START + 60_000 * number
        data = written.sbp(written.points(12, start=start))
        (open_event.root / f"hand-in/ABC601XYZ {number}.sbp").write_bytes(data)
    open_event.advance(8)
    assert len(open_event.tracks()) == 500
    assert len(kept(open_event)) == 500


def test_an_xml_bomb_is_named_and_kept(open_event: VirtualEvent) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "aaaa">' + b'<!ENTITY b "&a;&a;">' * 3 + b"]><gpx>&b;</gpx>"
    drop(open_event, "ABC601XYZ.gpx", bomb)
    assert open_event.said("Hand-in ABC601XYZ.gpx: ")
    assert not open_event.tracks()
    assert kept(open_event) == [bomb]


def test_a_disk_that_dies_is_no_error_of_the_hand_in(open_event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(HandInWatch, "_find", broken)
        open_event.advance(10)
    drop(open_event, "ABC601XYZ.sbp")
    assert (open_event.root / ADA).exists()
    assert not open_event.said("could not be read")
