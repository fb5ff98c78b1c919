"""The commands of console and board, on a collector in virtual time."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater

from sse_twisted.config.settings import Filters, Settings, SettingsError
from sse_twisted.console.tables import day_tracks_text, device_text
from sse_twisted.control.commands import Commands
from sse_twisted.control.errors import CommandError
from sse_twisted.control.reports import DayTracks
from sse_twisted.fleet import Stage
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.visits.runner import VisitRunner
from tests.support.event import MORNING, VirtualEvent, log_of, track
from tests.support.virtual import LateThreads, asked_for

T = TypeVar("T")
HOUR = 3_600_000
MONTH = 30 * 24 * HOUR
NAME = "ABC601XYZ_601_20221017_090000.oao"
OLD = "motion-601_20220917_090000.oao"
DAY = datetime.date(2022, 10, 17)


def result(deferred: Deferred[T]) -> T:
    """Return the result of a Deferred that has fired; raise its failure."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "it has not fired"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    value: T = results[0]
    return value


@pytest.fixture
def commands(event: VirtualEvent) -> Commands:
    """Commands of a collector on 17 October 2022, with 601 collected and 602 not seen yet."""
    event.device(601, log_of(601), log_of(601, MORNING - MONTH))
    event.device(602, log_of(602))
    event.arrive(601)
    collector = event.start()
    event.until("motion-601 can be disconnected")
    return collector.commands


class TestReading:
    def test_the_fleet_is_sorted_by_number(self, commands: Commands) -> None:
        assert [(device.identifier, str(device.stage)) for device in commands.fleet()] == [
            (601, "collected"),
            (602, "absent"),
        ]

    def test_a_report_has_the_ledger_the_last_events_and_the_tracks_outside_the_event(self, commands: Commands) -> None:
        report = result(commands.device(601))
        assert report.device.stage is Stage.COLLECTED
        assert [assignment.sailor for assignment in report.assignments] == ["Sailor 601"]
        assert report.events[-1].text == "can be disconnected"
        (track,) = report.tracks
        assert (track.name, track.status, track.outcome) == (NAME, "completed", "verified")
        (old,) = report.others
        assert (old.name, old.status) == (OLD, "of another time")

    def test_a_device_is_named_by_its_host_name_or_its_number(self, commands: Commands) -> None:
        for name in ("motion-601", "601", 601):
            assert result(commands.device(name)).device.identifier == 601

    @pytest.mark.parametrize("unknown", [999, 0, -1, "motion-999", "601; rm", None, 601.5, [601]])
    def test_an_unknown_device_is_an_error_of_one_line(self, commands: Commands, unknown: Any) -> None:
        for command in (commands.device, commands.why, commands.retry, commands.forget):
            with pytest.raises(CommandError, match="is not on the roster and was never seen") as error:
                command(unknown)
            assert "\n" not in str(error.value)

    def test_the_tracks_of_a_day_are_those_of_all_devices(self, event: VirtualEvent, commands: Commands) -> None:
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        tracks = result(commands.tracks("2022-10-17"))
        assert [(track.identifier, track.status) for track in tracks.tracks] == [(601, "completed"), (602, "completed")]
        assert result(commands.tracks(DAY)) == tracks
        assert result(commands.tracks("2022-10-18")) == DayTracks(())

    def test_tracks_that_are_too_many_are_counted(
        self, event: VirtualEvent, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sse_twisted.control.commands.MAX_REPORTED", 1)
        ledger = event.folder.ledger(601)
        ledger.entries["ABC601XYZ_601_20221017_080000.oao"] = ledger.entries[NAME] | {"start_date": 1}
        ledger.save()
        found = result(commands.tracks(DAY))
        assert ([track.name for track in found.tracks], found.left_out) == ([NAME], 1)
        assert day_tracks_text(found, DAY).startswith("1 track of 2022-10-17, and 1 more that are left out\n")

    def test_reading_does_not_set_a_torn_ledger_aside(self, event: VirtualEvent, commands: Commands) -> None:
        path = event.folder.device_folder(602) / "downloads.json"
        path.parent.mkdir(parents=True)
        path.write_text('{"half')
        assert len(result(commands.tracks(DAY)).tracks) == 1
        assert path.read_text() == '{"half'

    @pytest.mark.parametrize("day", ["17.10.2022", "yesterday", "", None, 5])
    def test_an_invalid_date_is_an_error(self, commands: Commands, day: Any) -> None:
        with pytest.raises(CommandError, match=r"invalid date .+: expected YYYY-MM-DD"):
            commands.tracks(day)

    def test_a_device_that_is_expected_today_and_not_collected_is_missing(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        event.person(603, "2022-10-18", "2022-10-21")
        event.advance(5)
        (missing,) = commands.missing()
        assert (missing.identifier, missing.sailor, missing.stage) == (602, "Sailor 602", "absent")

    def test_the_first_of_two_sailors_of_a_device_is_missing(self, event: VirtualEvent, commands: Commands) -> None:
        event.person(602)
        event.people[-1]["First Name"] = "Second"
        event.write_roster()
        event.advance(5)
        assert [missing.sailor for missing in commands.missing()] == ["Sailor 602"]

    def test_figures_semaphores_and_settings_are_those_of_now(self, commands: Commands) -> None:
        assert commands.stats().tracks["verified"] == 1
        downloads = next(semaphore for semaphore in commands.semaphores() if semaphore.step == "downloads")
        assert (downloads.limit, downloads.free, downloads.waiting) == (16, 16, 0)
        assert commands.settings == Settings()


class TestWhy:
    def test_each_stage_has_its_own_words(self, event: VirtualEvent, commands: Commands) -> None:
        assert commands.why(601) == "can be disconnected, collected 0 s ago"
        assert commands.why(602).startswith("not seen yet, looked for every 1 s")
        device = event.servers[602].device
        device.bytes_per_second = 4000
        device.add_fault(parse_fault("cut@12000")[0], path="/logs/", times=1)
        event.arrive(602)
        event.until("motion-602 ABC602XYZ")
        event.advance(1)
        assert commands.why(602).startswith("downloading ABC602XYZ_602_20221017_090000.oao, ")
        event.until("motion-602 must stay connected")
        assert "next try in 2 s" in commands.why(602)
        event.until("motion-602 can be disconnected")
        event.leave(602)
        event.until("motion-602 has been disconnected")
        assert commands.why(602).endswith(", collected")

    def test_a_waiting_device_is_told_how_many_others_wait(self, event: VirtualEvent, commands: Commands) -> None:
        event.settings = Settings(downloads=type(Settings().downloads)(limit=1))
        commands.reload()
        event.device(603, log_of(603))
        for identifier in (602, 603):
            event.servers[identifier].device.bytes_per_second = 1000
        event.arrive(602, 603)
        event.advance(6)
        assert any("waiting for its turn to download" in commands.why(number) for number in (602, 603))
        assert any("1 waiting, 1 at once" in commands.why(number) for number in (602, 603))


class TestRetry:
    def test_it_does_not_wait_for_the_time_of_the_next_try(self, event: VirtualEvent, commands: Commands) -> None:
        device = event.servers[602].device
        device.add_fault(parse_fault("404")[0], path="/logs/")
        event.arrive(602)
        event.until("motion-602 must stay connected - 1 of 1 track missing (request refused (HTTP 404)), retry 5 in 32")
        device.clear_faults()
        verdict = commands.retry(602)
        event.advance(1)
        assert result(verdict).stage is Stage.COLLECTED
        assert event.is_collected(602)

    def test_a_device_that_is_not_connected_is_an_error(self, commands: Commands) -> None:
        with pytest.raises(CommandError, match=r"motion-602 is not connected \(absent\)"):
            commands.retry(602)

    def test_a_device_that_is_reset_meanwhile_is_an_error(self, commands: Commands) -> None:
        verdict = commands.retry(601)
        commands.forget(601)
        with pytest.raises(CommandError, match="motion-601 is no longer connected"):
            result(verdict)

    def test_a_cancelled_retry_stops_observing_the_fleet(self, commands: Commands) -> None:
        verdict = commands.retry(601)
        observers = len(commands._work.fleet._observers)
        verdict.addErrback(lambda _: None)
        verdict.cancel()
        assert len(commands._work.fleet._observers) == observers - 1


class TestFetch:
    @pytest.fixture
    def skipping(self, event: VirtualEvent, commands: Commands) -> Commands:
        """Commands with a filter that skips every track of 602, which is connected."""
        event.settings = Settings(filters=Filters(best_500m=99.0))
        commands.reload()
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        return commands

    def test_a_skipped_track_is_fetched_verified_and_in_the_ledger(
        self, event: VirtualEvent, skipping: Commands
    ) -> None:
        name = "ABC602XYZ_602_20221017_090000.oao"
        assert event.ledger(602)[name]["status"] == "skipped"
        fetching = skipping.fetch(602, name)
        event.advance(2)
        assert result(fetching).status == "completed"
        assert event.ledger(602)[name]["outcome"] == "verified"
        assert event.tracks()[f"gpslogs/20221017/{name}"] == event.servers[602].device.logs[0].content
        assert event.is_collected(602)

    def test_a_track_from_before_the_event_goes_to_the_unassigned_tracks(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        path = event.servers[601].device.logs[1].path
        fetching = commands.fetch(601, path)
        event.advance(2)
        track = result(fetching)
        assert track.local_file == f"gpslogs/unassigned/20220917/{OLD}"
        assert event.tracks()[track.local_file] == event.servers[601].device.logs[1].content
        assert event.is_collected(601)

    def test_the_device_must_stay_connected_until_the_track_is_stored(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        device = event.servers[601].device
        device.add_fault(parse_fault("404")[0], path=device.logs[1].path)
        fetching = commands.fetch(601, OLD)
        event.until("motion-601 must stay connected - 1 of 2 tracks missing (request refused (HTTP 404))")
        assert not fetching.called
        assert event.known(601).missing == (OLD,)
        device.clear_faults()
        event.advance(10)
        assert result(fetching).outcome == "verified"
        assert event.is_collected(601)

    def test_a_device_that_leaves_before_has_left_too_early(self, event: VirtualEvent, commands: Commands) -> None:
        device = event.servers[601].device
        device.bytes_per_second = 1000
        fetching = commands.fetch(601, OLD)
        event.advance(2)
        event.leave(601)
        event.until("motion-601 left too early - Sailor 601: 1 of 2 tracks missing")
        with pytest.raises(CommandError, match="is no longer connected"):
            result(fetching)

    def test_the_verdict_waits_for_a_track_that_is_requested_just_before_it(
        self, event: VirtualEvent, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = []

        def slowly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
            if getattr(asked_for(function, *args), "__func__", None) is VisitRunner._look:
                looks.append(function)
                return deferLater(event.reactor, 1.0, function, *args, **kwargs)
            return maybeDeferred(function, *args, **kwargs)

        assert event.collector is not None
        monkeypatch.setattr(event.collector.disk, "_start", slowly)
        event.lines.clear()
        commands.retry(601)
        for _ in range(100):
            if not looks:
                event.advance(0.05)
        assert looks
        commands.fetch(601, OLD)
        event.until("can be disconnected")
        assert event.tracks()[f"gpslogs/unassigned/20220917/{OLD}"]

    @pytest.fixture
    def renumbered(self, event: VirtualEvent, commands: Commands) -> Commands:
        """602 listed two skipped logs of the same second, and only the second one is left."""
        event.settings = Settings(filters=Filters(best_500m=99.0))
        commands.reload()
        logs = event.servers[602].device.logs
        logs.append(SimulatedLog("/logs/2022/10/again.oao", track(602, fixes=300)))
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        del logs[0]
        event.wake_all()
        event.advance(2)
        return commands

    @pytest.mark.parametrize("name", ["/logs/2022/10/again.oao", "ABC602XYZ_602_20221017_090000-2.oao"])
    def test_a_track_keeps_the_number_of_its_name(self, event: VirtualEvent, renumbered: Commands, name: str) -> None:
        fetching = renumbered.fetch(602, name)
        event.advance(2)
        assert result(fetching).local_file == "gpslogs/20221017/ABC602XYZ_602_20221017_090000-2.oao"
        assert list(event.tracks().values())[-1] == track(602, fixes=300)

    def test_a_track_that_is_renamed_meanwhile_is_reported_by_its_new_name(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        device = event.servers[601].device
        device.add_fault(parse_fault("404")[0], path=device.logs[1].path)
        fetching = commands.fetch(601, OLD)
        event.until("motion-601 must stay connected")
        event.people[0]["Start Date"] = "2022-09-01"
        event.write_roster()
        event.advance(5)
        device.clear_faults()
        event.advance(60)
        assert result(fetching).name == "ABC601XYZ_601_20220917_090000.oao"

    def test_a_track_that_grows_meanwhile_is_stored_whole(self, event: VirtualEvent, commands: Commands) -> None:
        device = event.servers[601].device
        device.add_fault(parse_fault("404")[0], path=device.logs[1].path)
        fetching = commands.fetch(601, OLD)
        event.until("motion-601 must stay connected")
        device.logs[1].grow(50)
        device.clear_faults()
        event.advance(20)
        assert event.tracks()[result(fetching).local_file] == device.logs[1].content

    def test_a_deleted_track_is_downloaded_again_though_its_ledger_says_completed(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        first = commands.fetch(601, OLD)
        event.advance(2)
        path = event.root / result(first).local_file
        event.stop()
        path.unlink()
        event.lines.clear()
        again = event.start().commands
        event.until("motion-601 can be disconnected")
        assert event.ledger(601)[OLD]["status"] == "completed"
        fetching = again.fetch(601, OLD)
        while not fetching.called:
            event.advance(0.01)
        assert result(fetching).outcome == "verified"
        assert path.is_file()

    def test_a_stored_or_unlisted_track_is_an_error(self, commands: Commands) -> None:
        with pytest.raises(CommandError, match=f"{NAME} is already stored: gpslogs/20221017/{NAME}"):
            result(commands.fetch(601, NAME))
        with pytest.raises(CommandError, match=r"motion-601 has no track nothing\.oao"):
            result(commands.fetch(601, "nothing.oao"))
        with pytest.raises(CommandError, match="motion-602 is not connected"):
            commands.fetch(602, NAME)


class TestForget:
    def test_a_connected_device_is_detected_again(self, event: VirtualEvent, commands: Commands) -> None:
        commands.forget(601)
        assert event.known(601).stage is Stage.ABSENT
        assert event.known(601).sailor == "Sailor 601"
        tracks = event.tracks()
        event.lines.clear()
        event.until("motion-601 is connected")
        event.until("motion-601 can be disconnected")
        assert event.tracks() == tracks

    def test_an_alarm_stays(self, event: VirtualEvent, commands: Commands) -> None:
        event.servers[602].device.add_fault(parse_fault("404")[0], path="/logs/")
        event.arrive(602)
        event.until("motion-602 must stay connected")
        event.leave(602)
        event.until("motion-602 left too early")
        commands.forget(602)
        assert "1 of 1 track missing" in event.known(602).left_early


class TestPause:
    def test_no_download_starts_and_the_verdict_says_why(self, event: VirtualEvent, commands: Commands) -> None:
        commands.pause()
        event.arrive(602)
        event.until("WARN motion-602 must stay connected - 1 of 1 track missing, downloads are paused")
        event.advance(300)
        device = event.servers[602].device
        assert not [target for _, target in device.requests if target.startswith(b"/logs/")]
        assert len(event.said("motion-602 must stay connected")) == 1
        assert commands.why(602).endswith("continues when downloads are resumed")
        commands.resume()
        event.advance(1)
        assert event.is_collected(602)
        assert event.is_collected(601)

    def test_the_download_in_progress_finishes_and_no_other_starts(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        device = event.servers[602].device
        device.logs.append(log_of(602, MORNING + HOUR))
        device.bytes_per_second = 10_000
        event.arrive(602)
        event.until("motion-602 ABC602XYZ_602_20221017_100000.oao queued")
        event.advance(0.5)
        commands.pause()
        event.until("motion-602 must stay connected - 1 of 2 tracks missing, downloads are paused")
        assert len([name for name in event.tracks() if "_602_" in name]) == 1
        commands.resume()
        event.until("motion-602 can be disconnected")
        assert event.is_collected(602)

    def test_a_device_with_nothing_missing_can_be_disconnected(self, event: VirtualEvent, commands: Commands) -> None:
        commands.pause()
        verdict = commands.retry(601)
        event.advance(1)
        assert result(verdict).stage is Stage.COLLECTED

    def test_pausing_twice_is_logged_once(self, event: VirtualEvent, commands: Commands) -> None:
        commands.resume()
        commands.pause()
        commands.pause()
        assert len(event.said("Downloads paused on request")) == 1
        assert not event.said("Downloads resumed")


class TestWaive:
    @pytest.fixture
    def gone(self, event: VirtualEvent, commands: Commands) -> Commands:
        event.servers[602].device.add_fault(parse_fault("404")[0], path="/logs/", times=1)
        event.arrive(602)
        event.until("motion-602 must stay connected")
        event.leave(602)
        event.until("motion-602 left too early")
        return commands

    def test_the_alarm_goes_the_reason_is_logged_and_it_does_not_count_as_collected(
        self, event: VirtualEvent, gone: Commands
    ) -> None:
        gone.waive(602, "did not\nsail today")
        assert event.known(602).left_early == ""
        line = "WARN motion-602 is waived - did not sail today (Sailor 602: 1 of 1 track missing"
        assert event.said(line)
        assert gone.missing() == ()
        event.stop()
        assert event.lines[-1] == "INFO Collector stopped: 1 device collected"

    def test_it_ends_when_the_waiver_is_saved(self, event: VirtualEvent, gone: Commands) -> None:
        assert event.collector is not None
        event.collector.disk._start = LateThreads(event.reactor, [0.1]).start
        waiving = gone.waive(602, "did not sail")
        assert not waiving.called
        while not waiving.called:
            event.advance(0.05)
        assert b"did not sail" in event.folder.state_file.read_bytes()

    def test_a_device_that_comes_back_is_collected(self, event: VirtualEvent, gone: Commands) -> None:
        gone.waive(602, "did not sail")
        event.arrive(602)
        assert event.until("motion-602 is no longer waived: it is connected again, and its tracks are wanted")
        event.until("motion-602 can be disconnected")
        assert event.known(602).waived == ""
        assert not gone.missing()

    def test_the_history_of_the_device_says_that_it_has_ended(self, event: VirtualEvent, gone: Commands) -> None:
        gone.waive(602, "did not sail")
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        told = [each.text for each in result(gone.device(602)).events]
        assert "is no longer waived: it is connected again, and its tracks are wanted" in told

    def test_a_device_that_is_back_is_not_waived(self, event: VirtualEvent, gone: Commands) -> None:
        event.servers[602].device.add_fault(parse_fault("404")[0], path="/logs/")
        event.lines.clear()
        event.arrive(602)
        event.until("motion-602 must stay connected")
        with pytest.raises(CommandError, match="motion-602 is connected again: waive it if it leaves"):
            gone.waive(602, "did not sail")

    def test_a_device_that_did_not_leave_early_or_a_missing_reason_is_an_error(self, gone: Commands) -> None:
        with pytest.raises(CommandError, match="motion-601 did not leave early"):
            gone.waive(601, "because")
        with pytest.raises(CommandError, match="a reason is required to waive motion-602"):
            gone.waive(602, " ")


class TestSteering:
    def test_a_rescan_does_not_wait_for_the_next_scan(self, event: VirtualEvent, commands: Commands) -> None:
        rounds = commands.stats().rounds["scan"]
        commands.rescan()
        assert commands.stats().rounds["scan"] == rounds + 1

    def test_a_reload_says_what_changed_or_what_is_wrong(self, event: VirtualEvent, commands: Commands) -> None:
        event.settings = Settings(filters=Filters(best_500m=2.0))
        assert result(commands.reload()) == ("filters.best_500m: 1.0 -> 2.0",)
        assert result(commands.reload()) == ()

        def broken() -> Settings:
            raise SettingsError("sse.toml: scan.interval: Expected `float`")

        assert event.collector is not None
        event.collector.reloading._read_settings = broken
        with pytest.raises(CommandError, match=r"keeping the previous one: sse\.toml: scan\.interval"):
            result(commands.reload())

    def test_the_log_level_changes_at_once(self, event: VirtualEvent, commands: Commands) -> None:
        log = event.root / "logs" / "server.log"
        assert event.collector is not None
        event.collector.journal.flush()
        assert "DEBUG" not in log.read_text()
        commands.loglevel("debug")
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        event.collector.journal.flush()
        assert "DEBUG,motion-602 detected at" in log.read_text()
        with pytest.raises(CommandError, match="invalid log level 'loud': expected debug, info"):
            commands.loglevel("loud")


def test_a_report_of_a_device_with_many_tracks_has_the_youngest_and_counts_the_others(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_twisted.control.commands.MAX_REPORTED", 2)
    starts = [MORNING + hour * HOUR for hour in range(5)]
    event.device(601, *(log_of(601, start - MONTH) for start in starts), *(log_of(601, start) for start in starts))
    event.arrive(601)
    commands = event.start().commands
    event.until("motion-601 can be disconnected")
    report = result(commands.device(601))
    assert [each.name[-10:-4] for each in report.tracks] == ["120000", "130000"]
    assert [each.name for each in report.others] == [f"motion-601_20220917_{hour}0000.oao" for hour in (12, 13)]
    assert (report.more_tracks, report.more_others) == (3, 3)
    text = device_text(report, "", datetime.UTC, 0.0)
    assert text.count("and 3 more, older ones") == 2
    assert len(result(commands.tracks(DAY)).tracks) == 2
