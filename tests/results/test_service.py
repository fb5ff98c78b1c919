from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Expected, Settings
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Fleet, Measured, Stage, TrackSummary
from sse_twisted.results import measuring
from sse_twisted.results import service as results
from sse_twisted.results.service import ResultsService
from sse_twisted.runtime.disk import Disk
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.headers import encode_header, read_header
from sse_twisted.tracks.format import Best
from sse_twisted.tracks.oao.firmware import BESTS
from sse_twisted.tracks.oao.layout import HEADER_SIZE
from tests.support.event import MORNING, VirtualEvent, log_of, track

NAME, LATER = "ABC601XYZ_601_20221017_090000.oao", "ABC601XYZ_601_20221017_100000.oao"
HOUR = 3_600_000


def kept(event: VirtualEvent) -> dict[str, Any]:
    event.advance(results.SAVE_PAUSE)
    tree: dict[str, Any] = json.loads((event.folder.device_folder(601) / "tracks.json").read_text())
    return tree


def boastful(knots_more: float) -> SimulatedLog:
    """A track whose header and listing claim more over 2 s than its fixes confirm."""
    content = track(601)
    header = read_header(content)
    best = header.bests["2s"][0]
    claimed = {name: header.bests[name] for name in BESTS}
    claimed["2s"] = (Best(best.second, best.value + round(knots_more * 514.4)),)
    return SimulatedLog(
        "/logs/2022/10/0601_2022-10-17-0900.oao",
        encode_header(evolve(header, bests=claimed)) + content[HEADER_SIZE:],
    )


def test_a_stored_track_is_measured(event: VirtualEvent) -> None:
    event.collect()
    line = event.until("measured - ")
    assert line == f"INFO motion-601 {NAME} measured - 39.06 (2s), 39.02 (10s), 38.99 (500m) knots"
    report = kept(event)[NAME]
    assert report["sha256"] == event.ledger(601)[NAME]["sha256"]
    assert report["claims"].keys() == {"exact", "within bounds"}
    assert report["remarks"] == []
    (measured,) = event.known(601).measured
    assert measured == Measured(NAME, (("2s", 20094), ("10s", 20074), ("500m", 20057)), sound=True)
    assert event.known(601).findings == ()


def test_a_claim_that_the_fixes_contradict_is_a_finding(event: VirtualEvent) -> None:
    event.device(601, boastful(3.0))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    line = event.until("WARN motion-601 ABC601XYZ_601_20221017_090000.oao claims")
    assert "claims 42.059 knots (2s) at 2022-10-17 08:00:19 UTC, its fixes give at most 39.060 knots" in line
    assert event.known(601).findings == (line.removeprefix("WARN motion-601 "),)
    assert [each.sound for each in event.known(601).measured] == [False]
    event.wake_all()
    event.advance(5)
    assert len(event.said("WARN")) == 1


def test_another_logging_rate_than_expected_is_a_finding(event: VirtualEvent) -> None:
    event.device(601, log_of(601)).settings["settings"]["gnss_rate"] = "10"
    event.settings = Settings(expected=Expected(gnss_rate=10))
    event.arrive(601)
    event.start()
    assert event.until(f"WARN motion-601 {NAME} was logged at 5 Hz")
    assert event.known(601).findings == (f"{NAME} was logged at 5 Hz",)


def test_a_restart_does_not_measure_tracks_again(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    event.device(601, boastful(3.0))
    event.arrive(601)
    event.start()
    event.until("measured - ")
    event.stop()
    monkeypatch.delattr(measuring, "analyse_track")
    event.lines.clear()
    event.start()
    event.until("can be disconnected")
    event.until("WARN motion-601 ABC601XYZ_601_20221017_090000.oao claims")
    assert len(event.known(601).measured) == 1
    assert not event.said("measured - ")


def test_a_track_that_has_grown_is_measured_again(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("measured - ")
    before = kept(event)[NAME]
    device.logs[0].grow(50)
    event.wake_all()
    event.advance(5)
    assert kept(event)[NAME]["fixes"] == before["fixes"] + 50
    assert len(event.said("measured - ")) == 2


def test_tracks_of_earlier_runs_are_measured_without_a_device(event: VirtualEvent) -> None:
    """The ledger of the original has a path of another machine."""
    event.person(601)
    path = event.root / "gpslogs" / "20221017" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(track(601))
    entry = {"status": "completed", "local_file": f"C:\\events\\gpslogs\\20221017\\{NAME}", "size": 1}
    event.folder.device_folder(601).mkdir(parents=True)
    (event.folder.device_folder(601) / "downloads.json").write_text(json.dumps({NAME: entry}))
    event.start()
    event.advance(1)
    assert kept(event)[NAME]["session"]["maximum"]["m/s"] == 20.099
    assert not event.said("measured - ")


def test_a_file_that_differs_from_its_ledger_is_not_measured(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("measured - ")
    event.stop()
    (event.folder.device_folder(601) / "tracks.json").unlink()
    event.leave(601)
    (event.root / "gpslogs" / "20221017" / NAME).write_bytes(track(601, MORNING + 1000))
    event.start()
    event.advance(results.SAVE_PAUSE + 1)
    assert not (event.folder.device_folder(601) / "tracks.json").exists()


def test_new_reports_of_many_tracks_are_written_together(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    writing = ResultsService._writing

    def noted(service: ResultsService, identifier: int, reports: dict[str, Any]) -> Any:
        written.append(len(reports))
        return writing(service, identifier, reports)

    monkeypatch.setattr(ResultsService, "_writing", noted)
    event.device(601, log_of(601), log_of(601, MORNING + HOUR))
    event.arrive(601)
    event.start()
    event.until(f"{LATER} measured - ")
    assert kept(event).keys() == {NAME, LATER}
    assert written == [2]


def test_reports_that_are_not_written_yet_are_written_at_the_stop(event: VirtualEvent) -> None:
    event.collect()
    event.until("measured - ")
    file = event.folder.device_folder(601) / "tracks.json"
    assert not file.exists()
    event.stop()
    assert json.loads(file.read_text()).keys() == {NAME}


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {}}', b"[" * 100_000])
def test_a_torn_report_file_is_set_aside_and_its_tracks_measured_again(event: VirtualEvent, torn: bytes) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("measured - ")
    event.stop()
    (event.folder.device_folder(601) / "tracks.json").write_bytes(torn)
    event.start()
    event.until("tracks.json is unreadable: kept as")
    event.advance(1)
    assert NAME in kept(event)
    assert (event.folder.device_folder(601) / "tracks.json.unusable.1").read_bytes() == torn


SAILED = {"start": 0, "end": 1000, "distance_m": 10.0}
SPEED = {"kn": 30.0, "km/h": 55.6, "m/s": 15.4}


@pytest.mark.parametrize(
    "odd",
    [
        {"session": "x"},
        {"session": SAILED | {"bests": [], "5x10s": None}},
        {"session": SAILED | {"bests": {"2s": {}}, "5x10s": None}},
        {"session": SAILED | {"bests": {"2s": [SPEED | {"m/s": "fast"}]}, "5x10s": None}},
        {"session": SAILED | {"bests": {"2s": [SPEED | {"m/s": 1e308}]}, "5x10s": None}},
        {"session": SAILED | {"bests": {"2s": [SPEED | {"m/s": float("nan")}]}, "5x10s": None}},
        {"session": SAILED | {"bests": {}}},
        {"session": SAILED | {"bests": {}, "5x10s": None, "end": "late"}},
        {"session": SAILED | {"bests": {}, "5x10s": None, "end": 10**30}},
        {"session": SAILED | {"bests": {}, "5x10s": None, "distance_m": -1.0}},
        {"header": {"frequency": "5"}},
        {"header": []},
        {"remarks": "odd"},
        {"remarks": [7]},
        {"claimed": {"2s": 7}},
        {"claimed": {"2s": {"value": 10**400, "bearing": "exact"}}},
        {"claimed": {"2s": {"value": 7, "bearing": "as it likes"}}},
        {"sha256": None},
        {"whole": "yes"},
    ],
    ids=str,
)
def test_a_report_file_of_another_shape_is_set_aside_and_its_tracks_measured_again(
    event: VirtualEvent, captured: dict[str, Any], odd: dict[str, Any]
) -> None:
    file = event.folder.device_folder(601) / "tracks.json"
    file.write_text(json.dumps({NAME: captured | odd}))
    event.start()
    event.until("tracks.json is unreadable: kept as")
    event.advance(1)
    assert kept(event) == {NAME: captured}


@pytest.fixture
def captured(event: VirtualEvent) -> dict[str, Any]:
    """The report that an earlier run made of the track of 601, which is absent."""
    event.person(601)
    path = event.root / "gpslogs" / "20221017" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(track(601))
    entry = {"status": "completed", "local_file": f"gpslogs/20221017/{NAME}", "size": 1}
    event.folder.device_folder(601).mkdir(parents=True)
    (event.folder.device_folder(601) / "downloads.json").write_text(json.dumps({NAME: entry}))
    event.start()
    event.advance(1)
    event.stop()
    report: dict[str, Any] = kept(event)[NAME]
    return report


def test_reports_are_read_as_they_were_written(event: VirtualEvent, captured: dict[str, Any]) -> None:
    event.start()
    event.advance(1)
    assert not event.said("tracks.json")
    assert kept(event) == {NAME: captured}


@pytest.mark.parametrize("rules", [{"rules": 1}, {}], ids=["older", "unknown"])
def test_reports_by_the_rules_of_another_version_are_measured_again(
    event: VirtualEvent, captured: dict[str, Any], rules: dict[str, int]
) -> None:
    old = {key: value for key, value in captured.items() if key != "rules"} | rules
    (event.folder.device_folder(601) / "tracks.json").write_text(json.dumps({NAME: old | {"remarks": ["old"]}}))
    event.start()
    event.advance(1)
    assert kept(event) == {NAME: captured}
    assert not event.said("tracks.json")


def test_an_internal_error_leaves_the_other_tracks_waiting(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("test")

    event.device(601, log_of(601), log_of(601, MORNING + HOUR, 900))
    event.device(602, log_of(602))
    event.arrive(601)
    event.start()
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "analyse_track", fail)
        event.until("Tracks could not be measured")
        event.leave(601)
        event.until("motion-601 has been disconnected")
    logged_failures.clear()
    event.arrive(602)
    event.until("motion-602 ABC602XYZ_602_20221017_090000.oao measured - ")
    assert kept(event).keys() == {LATER}


def test_an_invalid_path_in_a_ledger_does_not_stop_other_measurements(event: VirtualEvent) -> None:
    odd = {"status": "completed", "local_file": "gpslogs/20221017/\0.oao", "size": 1}
    event.folder.device_folder(600).mkdir(parents=True)
    (event.folder.device_folder(600) / "downloads.json").write_text(json.dumps({"A_600_20221017_090000.oao": odd}))
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    assert event.until("measured - ")
    assert event.until("can be disconnected")


def test_a_full_disk_does_not_stop_collecting(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: object, tree: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "replacing_json", full)
    event.collect()
    event.until("Downloads pause: No space left on device")
    event.until("Downloads resume")
    assert event.is_collected(601)


def test_stopping_waits_for_the_track_that_is_being_measured(event: VirtualEvent) -> None:
    """Its thread may be about to write, when another collector already owns the event folder."""
    at_work: list[Deferred[None]] = []

    def start(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        at_work.append(Deferred())
        return at_work[-1].addCallback(lambda _: function(*args))

    settings = Settings()
    fleet = Fleet(event.reactor.seconds, Logger())
    disk = Disk(start, event.reactor, Logger(), lambda: None)
    work = Workplace(event.folder, disk, fleet, LiveConfig(settings), event.reactor, Logger())
    service = ResultsService(work)
    service.startService()
    ended: list[None] = []
    service.stopService().addCallback(ended.append)
    assert ended == []
    at_work[0].callback(None)
    assert ended == [None]
    assert service.stopService().called


@pytest.mark.parametrize("when", ["present", "away", "at the next start"])
def test_a_renamed_track_keeps_its_report(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("measured - ")
    before = kept(event)[NAME]
    if when != "present":
        event.leave(601)
        event.until("motion-601 has been disconnected")
    monkeypatch.delattr(measuring, "analyse_track")
    if when == "at the next start":
        event.stop()
    event.people[0]["File ID"] = "NEW"
    event.write_roster()
    if when == "at the next start":
        event.start()
    event.until(f"motion-601 {NAME} is now NEW_601_20221017_090000.oao")
    event.advance(1)
    assert kept(event) == {"NEW_601_20221017_090000.oao": before}
    if when == "present":
        assert [each.track for each in event.known(601).measured] == ["NEW_601_20221017_090000.oao"]


def test_tracks_that_exchange_their_names_keep_their_reports(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device reports no time zone, and its listing has another one for each log than before."""
    device = event.device(601, log_of(601), log_of(601, MORNING + HOUR, 900))
    del device.settings["settings"]["timezone"]
    event.arrive(601)
    event.start()
    event.until(f"{LATER} measured - ")
    before, (one, other) = kept(event), event.known(601).measured
    monkeypatch.delattr(measuring, "analyse_track")
    for log, minutes in zip(device.logs, (120, 0), strict=True):
        log.entry["timezone"] = minutes
    event.wake_all()
    event.advance(1)
    assert kept(event) == {NAME: before[LATER], LATER: before[NAME]}
    assert set(event.known(601).measured) == {replace(one, track=LATER), replace(other, track=NAME)}
    assert kept(event)[NAME]["sha256"] == event.ledger(601)[NAME]["sha256"]


def test_an_unreadable_report_file_is_left_and_logged_once(event: VirtualEvent) -> None:
    """A retry without a pause would fail for ever."""
    event.device(601, log_of(601))
    event.folder.device_folder(601).mkdir(parents=True)
    (event.folder.device_folder(601) / "downloads.json").write_text("{}")
    (event.folder.device_folder(601) / "tracks.json").symlink_to("tracks.json")
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    event.advance(10)
    assert len(event.said("tracks.json is unreadable: left in place (Too many levels of symbolic links)")) == 1
    assert event.said("measured - ")
    assert kept(event).keys() == {NAME}


class TestATrackThatWasNeverFinalised:
    """Its device lists no end, no hours, no distance and no bests."""

    @pytest.fixture
    def unfinished(self, event: VirtualEvent) -> VirtualEvent:
        log = log_of(601)
        event.device(601, log).add_fault(Fault("not-finalised"), path=log.path)
        event.arrive(601)
        event.start()
        event.until("measured - ")
        return event

    def summary(self, event: VirtualEvent) -> TrackSummary:
        (summary,) = event.known(601).tracks
        return summary

    def figures(self, event: VirtualEvent) -> tuple[int, int, int]:
        """Seconds, metres, and mm/s over 500 m."""
        summary = self.summary(event)
        return summary.duration // 1000, summary.distance // 1000, summary.best_500m

    def test_has_the_measured_figures(self, unfinished: VirtualEvent) -> None:
        assert self.figures(unfinished) == (78, 1575, 20057)
        assert self.summary(unfinished).end_date == 0

    def test_keeps_them_after_another_inspection(self, unfinished: VirtualEvent) -> None:
        before = self.figures(unfinished)
        unfinished.wake_all()
        unfinished.advance(5)
        assert self.figures(unfinished) == before

    @pytest.mark.parametrize("state", ["kept", "lost"])
    @pytest.mark.parametrize("results", ["kept", "lost"])
    def test_has_them_after_a_restart_without_its_device(
        self, unfinished: VirtualEvent, state: str, results: str
    ) -> None:
        before = self.figures(unfinished)
        unfinished.leave(601)
        unfinished.until("motion-601 has been disconnected")
        unfinished.stop()
        if state == "lost":
            unfinished.folder.state_file.unlink()
        if results == "lost":
            (unfinished.folder.device_folder(601) / "tracks.json").unlink()
        unfinished.start()
        unfinished.advance(2)
        assert unfinished.known(601).stage is Stage.GONE
        assert self.figures(unfinished) == before

    def test_has_those_of_the_whole_track_when_the_report_is_older(self, unfinished: VirtualEvent) -> None:
        """The collector may be killed between download and measurement."""
        before = self.figures(unfinished)
        unfinished.leave(601)
        unfinished.until("motion-601 has been disconnected")
        unfinished.stop()
        unfinished.folder.state_file.unlink()
        report = kept(unfinished)[NAME]
        report["sha256"], report["session"]["end"] = "0", report["session"]["start"]
        (unfinished.folder.device_folder(601) / "tracks.json").write_text(json.dumps({NAME: report}))
        unfinished.start()
        unfinished.advance(2)
        assert self.figures(unfinished) == before
