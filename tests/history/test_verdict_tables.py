"""The tables of `StartupJudge`, line by line, without a collector."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Settings
from sse_twisted.event_folder.folder import EventFolder, Stamps
from sse_twisted.fleet import Stage, TrackSummary
from sse_twisted.history.store import SavedDevice, SavedState
from sse_twisted.history.verdict_at_start import PriorState, StartupJudge

TODAY = datetime.date(2022, 10, 17)
NOW = 1_666_000_000.0  # s, in the middle of that day
SAVED_AT = NOW - 60
NAME = "ABC601XYZ_601_20221017_090000.oao"
PATH = "/logs/2022/10/0601_2022-10-17-0900.oao"
LOG: dict[str, Any] = {"file": PATH, "size": 6024, "start_date": 1_665_993_600_000, "end_date": 1_665_997_200_000}
ENTRY: dict[str, Any] = {
    "motion_file": PATH, "local_file": f"gpslogs/20221017/{NAME}", "length": 5000, "status": "completed"
} | {key: LOG[key] for key in ("size", "start_date", "end_date")}  # fmt: skip
TRACK = TrackSummary(NAME, TODAY, 5000, LOG["end_date"], 0, 0, 0, PATH)
LEDGERS = {"collected": {NAME: ENTRY}, "waits": {NAME: ENTRY | {"status": "failed"}}, "nothing": {}}


def saved(stage: Stage = Stage.GONE, since: float = NOW - 3600, **fields: Any) -> SavedDevice:
    return SavedDevice(stage, since, wanted=1, tracks=(TRACK,), **fields)


SAVED = {
    "none": None,
    "alarm": saved(left_early="1 of 1 track missing"),
    "present": saved(Stage.DOWNLOADING),
    "collected": saved(),
    "waived": saved(waived="fell into the water"),
    "absent": saved(Stage.ABSENT),
}


class Desk:
    """An event folder in which one track was collected, and its judge."""

    def __init__(self, root: Path) -> None:
        self.folder = EventFolder(root)
        self.ledger: dict[str, Any] = LEDGERS["collected"]
        self.saved: SavedDevice | None = SAVED["collected"]
        self.ended = True
        self.answers: Stamps | None = None  # that the state knew; None = those of now
        self.track = root / "gpslogs" / "20221017" / NAME
        self.track.parent.mkdir(parents=True)
        self.track.write_bytes(b"\0" * 5000)
        self.folder.device_folder(601).mkdir(parents=True)
        self.answer("info.json", {})
        self.list(LOG)

    def answer(self, name: str, tree: Any, at: float = NOW) -> None:
        path = self.folder.device_folder(601) / name
        path.write_text(json.dumps(tree))
        os.utime(path, (at, at))

    def list(self, *logs: dict[str, Any], at: float = NOW) -> None:
        self.answer("logs.json", {"logs": logs}, at)

    def never_meet(self) -> None:
        for path in self.folder.device_folder(601).iterdir():
            path.unlink()

    def judge(self) -> StartupJudge:
        devices = {601: self.saved} if self.saved else {}
        answers = {601: self.answers or self.folder.stamps(601)}
        state = SavedState(SAVED_AT, self.ended, devices, answers)
        return StartupJudge(self.folder, state, TODAY, LiveConfig(Settings()))

    def judged(self) -> PriorState | None:
        return self.judge().judge(601, self.ledger)

    @property
    def outcome(self) -> str:
        prior = self.judged()
        return prior.outcome.name if prior else "none"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def arrange(desk: Desk, device: str, ledger: str) -> None:
    desk.saved, desk.ledger = SAVED[device], LEDGERS[ledger]
    if ledger == "nothing":
        desk.never_meet()


class TestNewerAnswers:
    @pytest.fixture(autouse=True)
    def newer(self, desk: Desk) -> None:
        desk.answers = Stamps((1, 1), (1, 1))

    @pytest.mark.parametrize("device", SAVED)
    @pytest.mark.parametrize("ledger", LEDGERS)
    def test_of_a_collector_that_was_killed_leave_a_device_not_done(self, desk: Desk, device: str, ledger: str) -> None:
        arrange(desk, device, ledger)
        desk.ended = False
        assert desk.outcome == "NOT_DONE"

    @pytest.mark.parametrize(
        ("ledger", "outcome"), [("collected", "COLLECTED"), ("waits", "NOT_DONE"), ("nothing", "none")]
    )
    @pytest.mark.parametrize("device", ["none", "collected", "waived", "absent"])
    def test_of_another_program_leave_it_to_the_ledger(
        self, desk: Desk, device: str, ledger: str, outcome: str
    ) -> None:
        arrange(desk, device, ledger)
        assert desk.outcome == outcome

    @pytest.mark.parametrize("ledger", ["waits", "nothing"])
    @pytest.mark.parametrize(("device", "outcome"), [("alarm", "LEFT_EARLY"), ("present", "NOT_DONE")])
    def test_of_another_program_leave_an_alarm(self, desk: Desk, device: str, ledger: str, outcome: str) -> None:
        arrange(desk, device, ledger)
        assert desk.outcome == outcome

    @pytest.mark.parametrize("device", ["alarm", "present"])
    def test_of_another_program_end_an_alarm_if_the_ledger_says_collected(self, desk: Desk, device: str) -> None:
        arrange(desk, device, "collected")
        assert desk.outcome == "COLLECTED"

    @pytest.mark.parametrize("device", ["alarm", "present"])
    def test_of_another_program_leave_an_alarm_if_the_track_is_not_here(self, desk: Desk, device: str) -> None:
        arrange(desk, device, "collected")
        desk.track.unlink()
        assert desk.outcome in ("LEFT_EARLY", "NOT_DONE", "LOST")

    def test_of_another_program_tell_by_the_ledger_what_is_missing(self, desk: Desk) -> None:
        desk.saved, desk.ledger = saved(Stage.ATTENTION), LEDGERS["waits"]
        desk.track.unlink()
        prior = desk.judged()
        assert prior is not None
        assert (prior.outcome.name, prior.device.missing) == ("NOT_DONE", (NAME,))


class TestNoNewerAnswers:
    @pytest.mark.parametrize("ended", [True, False])
    @pytest.mark.parametrize("ledger", ["collected", "waits"])
    @pytest.mark.parametrize(
        ("device", "outcome"),
        [("alarm", "LEFT_EARLY"), ("present", "NOT_DONE"), ("waived", "WAIVED"), ("absent", "none")],
    )
    def test_leave_it_to_the_saved_device(
        self, desk: Desk, device: str, ledger: str, outcome: str, ended: bool
    ) -> None:
        arrange(desk, device, ledger)
        desk.ended = ended
        assert desk.outcome == outcome

    @pytest.mark.parametrize("ended", [True, False])
    @pytest.mark.parametrize(
        ("ledger", "outcome"), [("collected", "COLLECTED"), ("waits", "NOT_DONE"), ("nothing", "none")]
    )
    def test_leave_an_unknown_device_to_the_ledger(self, desk: Desk, ledger: str, outcome: str, ended: bool) -> None:
        arrange(desk, "none", ledger)
        desk.ended = ended
        assert desk.outcome == outcome


class TestTheSavedDevice:
    @pytest.mark.parametrize("stage", [Stage.CONNECTED, Stage.INSPECTING, Stage.DOWNLOADING, Stage.ATTENTION])
    @pytest.mark.parametrize("since", [NOW, NOW - 86_400])
    def test_was_present_and_not_done_when_it_was_saved_on_whatever_day(
        self, desk: Desk, stage: Stage, since: float
    ) -> None:
        desk.saved = saved(stage, since, left_early="an earlier alarm", waived="an earlier waiver")
        prior = desk.judged()
        assert prior is not None
        assert (prior.outcome.name, prior.device.since, prior.device.left_early) == ("NOT_DONE", SAVED_AT, "")

    @pytest.mark.parametrize(
        ("stage", "outcome"), [(Stage.GONE, "LEFT_EARLY"), (Stage.ABSENT, "NOT_DONE"), (Stage.COLLECTED, "NOT_DONE")]
    )
    @pytest.mark.parametrize("since", [NOW, NOW - 86_400])
    def test_keeps_its_alarm_on_whatever_day(self, desk: Desk, stage: Stage, since: float, outcome: str) -> None:
        desk.saved = saved(stage, since, left_early="1 of 1 track missing")
        prior = desk.judged()
        assert prior is not None
        assert (prior.outcome.name, prior.device.since) == (outcome, since)
        assert prior.device.left_early == "1 of 1 track missing"

    @pytest.mark.parametrize("stage", [Stage.GONE, Stage.COLLECTED])
    @pytest.mark.parametrize("waived", ["", "fell into the water"])
    def test_that_was_settled_on_another_day_is_due_again(self, desk: Desk, stage: Stage, waived: str) -> None:
        desk.saved = saved(stage, NOW - 86_400, waived=waived)
        assert desk.outcome == "none"

    @pytest.mark.parametrize("stage", [Stage.GONE, Stage.ABSENT])
    def test_that_was_waived_today_is_waived(self, desk: Desk, stage: Stage) -> None:
        desk.saved = saved(stage, waived="fell into the water")
        assert desk.outcome == "WAIVED"

    @pytest.mark.parametrize("stage", [Stage.GONE, Stage.COLLECTED])
    def test_that_was_collected_is_so_only_with_its_tracks(self, desk: Desk, stage: Stage) -> None:
        desk.saved = saved(stage)
        assert desk.outcome == "COLLECTED"
        desk.track.write_bytes(b"\0" * 4999)
        prior = desk.judged()
        assert prior is not None
        assert (prior.outcome.name, prior.device.missing) == ("LOST", (NAME,))
        assert not desk.judge().is_here(prior.device)

    def test_that_was_collected_is_not_so_with_a_track_of_today_that_never_came(self, desk: Desk) -> None:
        late = tuple(NAME.replace("090000", f"{hour}0000") for hour in (15, 16))
        desk.ledger = {NAME: ENTRY} | dict.fromkeys(late, ENTRY | {"status": "queued"})
        prior = desk.judged()
        assert prior is not None
        assert (prior.outcome.name, prior.device.missing, prior.device.wanted) == ("LOST", late, 2)

    def test_that_was_collected_stays_so_with_a_track_that_never_came_of_yesterday(self, desk: Desk) -> None:
        desk.ledger = {NAME: ENTRY, NAME.replace("20221017", "20221016"): ENTRY | {"status": "queued"}}
        assert desk.outcome == "COLLECTED"

    def test_has_its_tracks_under_the_names_of_now(self, desk: Desk) -> None:
        new = NAME.replace("ABC", "NEW")
        desk.track.rename(desk.track.with_name(new))
        desk.ledger = {new: ENTRY | {"local_file": f"gpslogs/20221017/{new}"}}
        prior = desk.judged()
        assert prior is not None
        assert prior.outcome.name == "COLLECTED"
        assert [track.name for track in prior.device.tracks] == [new]

    def test_has_lost_a_track_even_if_another_one_of_the_same_path_is_here(self, desk: Desk) -> None:
        other = NAME.replace("090000", "100000")
        desk.track.rename(desk.track.with_name(other))
        desk.ledger = {NAME: ENTRY, other: ENTRY | {"local_file": f"gpslogs/20221017/{other}"}}
        prior = desk.judged()
        assert prior is not None
        assert (prior.outcome.name, prior.device.missing) == ("LOST", (NAME,))

    def test_that_can_not_be_judged_is_not_done(self, desk: Desk) -> None:
        desk.saved = SAVED["alarm"]
        prior = desk.judge().not_done(601)
        assert (prior.outcome.name, prior.device.left_early) == ("NOT_DONE", "1 of 1 track missing")


class TestTheLedger:
    @pytest.fixture(autouse=True)
    def unknown(self, desk: Desk) -> None:
        desk.saved = None

    def test_says_collected_if_all_that_was_listed_is_here(self, desk: Desk) -> None:
        assert desk.outcome == "COLLECTED"

    def test_says_lost_if_a_completed_track_is_not_here(self, desk: Desk) -> None:
        desk.track.unlink()
        assert desk.outcome == "LOST"

    @pytest.mark.parametrize(
        "change", [{"file": "/logs/another.oao"}, {"start_date": LOG["start_date"] + 1}, {"size": 6076}, {"size": "?"}]
    )
    def test_says_not_done_if_it_does_not_know_a_listed_log(self, desk: Desk, change: dict[str, Any]) -> None:
        desk.list(LOG, LOG | change)
        assert desk.outcome == "NOT_DONE"

    def test_does_not_care_for_an_unknown_log_of_yesterday(self, desk: Desk) -> None:
        desk.list(LOG, LOG | {"file": "/y.oao", "start_date": LOG["start_date"] - 86_400_000})
        assert desk.outcome == "COLLECTED"

    def test_says_not_done_if_a_track_was_given_up_and_is_listed_again(self, desk: Desk) -> None:
        desk.ledger = {NAME: ENTRY | {"status": "failed", "unlisted": True}}
        assert desk.outcome == "NOT_DONE"

    def test_says_not_done_if_the_device_was_met_after_its_listing(self, desk: Desk) -> None:
        desk.list(LOG, at=NOW - 1)
        assert desk.outcome == "NOT_DONE"

    def test_says_not_done_if_the_device_was_met_and_not_listed_since_the_state_whatever_the_times_say(
        self, desk: Desk
    ) -> None:
        listing = desk.folder.stamps(601).listing
        desk.answers = Stamps((1, 1), listing)
        assert desk.outcome == "NOT_DONE"
        desk.answers = Stamps((1, 1), (listing[0] - 1, listing[1]))
        assert desk.outcome == "COLLECTED"

    def test_says_not_done_without_a_readable_listing(self, desk: Desk) -> None:
        (desk.folder.device_folder(601) / "logs.json").write_text("[")
        assert desk.outcome == "NOT_DONE"

    def test_says_nothing_of_a_device_that_was_met_today_and_has_nothing_of_today(self, desk: Desk) -> None:
        desk.ledger = {}
        desk.list()
        assert desk.outcome == "none"

    def test_says_not_done_of_a_device_that_was_met_today_and_never_listed(self, desk: Desk) -> None:
        desk.ledger = {}
        (desk.folder.device_folder(601) / "logs.json").unlink()
        assert desk.outcome == "NOT_DONE"

    def test_says_nothing_of_a_device_that_was_met_on_another_day(self, desk: Desk) -> None:
        desk.ledger = {}
        (desk.folder.device_folder(601) / "logs.json").unlink()
        desk.answer("info.json", {}, at=NOW - 86_400)
        assert desk.outcome == "none"
