from __future__ import annotations

import os
from typing import Any

import pytest

from sse_twisted.fleet import Stage
from tests.web.desk import Desk

DAY = "2022-10-17"
OLD = "motion-601_20220917_090000.oao"


class TestReading:
    def test_fleet_returns_the_board(self, busy: Desk) -> None:
        fleet = busy.get("/api/v1/fleet").json
        assert {tile["id"]: tile["column"] for tile in fleet["devices"]} == {601: "switch-off", 602: "expected"}
        assert (fleet["summary"]["collected"], fleet["summary"]["expected"]) == (1, 2)
        assert [condition["ok"] for condition in fleet["summary"]["conditions"]] == [True] * 6

    def test_the_stream_continues_from_the_state_of_the_fleet(self, busy: Desk) -> None:
        state = busy.get("/api/v1/fleet").json["state"]
        assert busy.listen(Last_Event_ID=state).boards[0]["devices"] == []

    def test_a_device_has_its_tracks_and_events(self, busy: Desk) -> None:
        device = busy.get("/api/v1/devices/601").json
        assert [(track["status"], track["outcome"]) for track in device["tracks"]] == [("completed", "verified")]
        assert device["events"][-1]["text"] == "can be disconnected"
        assert device["carriers"][0]["file_id"] == "ABC601XYZ"
        assert device["address"] == "10.0.2.89"

    def test_a_day_has_outcomes_tracks_and_a_ranking(self, busy: Desk) -> None:
        states = [line["state"] for line in busy.get(f"/api/v1/days/{DAY}").json["lines"]]
        assert states == ["collected", "expected"]
        tracks = busy.get(f"/api/v1/tracks?day={DAY}")
        assert ([track["identifier"] for track in tracks.json], tracks.headers["left-out"]) == ([601], "0")
        ranking = busy.get("/api/v1/ranking").json
        assert [(place["id"], place["verified"]) for place in ranking["disciplines"]["500m"]] == [(601, True)]
        assert ranking["disciplines"]["1h"] == []

    def test_missing_lists_expected_devices_that_are_not_collected(self, busy: Desk) -> None:
        assert [missing["identifier"] for missing in busy.get("/api/v1/missing").json] == [602]

    def test_all_endpoints_agree_with_the_board_after_midnight(self, busy: Desk) -> None:
        def said(day: str) -> tuple[list[str], list[int], dict[int, str]]:
            columns = [tile["column"] for tile in busy.get("/api/v1/fleet").json["devices"]]
            missing = [missing["identifier"] for missing in busy.get("/api/v1/missing").json]
            lines = busy.get(f"/api/v1/days/{day}").json["lines"]
            return columns, missing, {line["id"]: line["state"] for line in lines}

        busy.listen()
        busy.event.leave(601)
        busy.event.until("motion-601 has been disconnected")
        met = busy.event.folder.device_folder(601) / "info.json"
        os.utime(met, (busy.collector.fleet.now,) * 2)
        busy.advance(1.0)
        assert said(DAY) == (["gone", "expected"], [602], {601: "collected", 602: "expected"})
        busy.reactor.advance(86_400)
        busy.advance(1.5)
        expected = {601: "expected", 602: "expected"}
        assert said("2022-10-18") == (["expected", "expected"], [601, 602], expected)
        why = busy.get("/api/v1/missing").json[0]["why"]
        assert why == "not seen today, looked for every 1 s; gone for 24.0 h, collected"

    def test_a_device_that_left_and_responds_badly_is_missing_as_on_the_board(self, busy: Desk) -> None:
        busy.event.leave(601)
        busy.event.until("motion-601 has been disconnected")
        busy.know(601, oddity="request refused (HTTP 500)")
        assert busy.get("/api/v1/fleet").json["summary"]["collected"] == 0
        assert [missing["identifier"] for missing in busy.get("/api/v1/missing").json] == [601, 602]

    def test_alarms_and_present_devices_stay_the_same_the_next_day(self, busy: Desk) -> None:
        busy.listen()
        busy.know(602, stage=Stage.GONE, left_early="its tracks are not known yet")
        busy.reactor.advance(86_400)
        busy.advance(1.5)
        columns = {tile["id"]: tile["column"] for tile in busy.get("/api/v1/fleet").json["devices"]}
        assert columns == {601: "switch-off", 602: "left-early"}
        assert [missing["identifier"] for missing in busy.get("/api/v1/missing").json] == [602]
        line = busy.get("/api/v1/days/2022-10-18").json["lines"][1]
        assert (line["state"], line["remark"]) == ("left early", "its tracks are not known yet")

    def test_stats_returns_the_counters(self, busy: Desk) -> None:
        assert busy.get("/api/v1/stats").json["tracks"]["verified"] == 1

    @pytest.mark.parametrize("query", ["day=x", "day=2022-02-30", "day="])
    def test_an_invalid_day_is_refused(self, busy: Desk, query: str) -> None:
        answer = busy.get(f"/api/v1/tracks?{query}")
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")

    def test_a_response_to_head_has_no_body(self, busy: Desk) -> None:
        answer = busy.ask("HEAD", "/api/v1/fleet")
        assert (answer.status, answer.body) == (200, b"")


class TestCommands:
    def test_retry_waits_for_the_verdict(self, busy: Desk) -> None:
        assert busy.command("devices/601/retry").json == {"done": True, "detail": ""}
        assert len(busy.event.said("motion-601 can be disconnected")) == 2

    def test_a_slow_command_is_accepted(self, busy: Desk) -> None:
        busy.event.servers[601].device.latency = 9.0
        answer = busy.command("devices/601/retry")
        assert (answer.status, answer.json["done"]) == (202, False)

    def test_an_impossible_command_says_why(self, busy: Desk) -> None:
        answer = busy.command("devices/602/retry")
        assert (answer.status, answer.json["detail"]) == (409, "motion-602 is not connected (absent)")

    def test_forget_starts_a_new_visit(self, busy: Desk) -> None:
        assert busy.command("devices/601/forget").status == 200
        busy.advance(5.0)
        assert len(busy.event.said("motion-601 is connected")) == 2

    def test_pause_and_resume_are_on_the_board(self, busy: Desk) -> None:
        def downloads() -> Any:
            busy.advance(0.2)
            conditions = busy.get("/api/v1/fleet").json["summary"]["conditions"]
            return next(condition for condition in conditions if condition["subject"] == "downloads")

        busy.command("pause")
        assert not downloads()["ok"]
        busy.command("resume")
        assert downloads()["ok"]

    def test_loglevel_reload_and_rescan(self, busy: Desk) -> None:
        assert busy.command("loglevel", {"level": "debug"}).status == 200
        loud = busy.command("loglevel", {"level": "loud"})
        assert (loud.status, loud.json["detail"]) == (
            400,
            "level: invalid value 'loud'; allowed: debug, info, warning, error, critical",
        )
        assert busy.command("reload").json["detail"]
        rounds = busy.collector.scanner.rounds
        assert busy.command("rescan").status == 200
        assert busy.collector.scanner.rounds > rounds

    def test_fetch_of_an_unknown_track_is_refused(self, busy: Desk) -> None:
        answer = busy.command("devices/601/fetch", {"track": "nothing.oao"})
        assert (answer.status, answer.json["detail"]) == (409, "motion-601 has no track nothing.oao")

    @pytest.mark.parametrize(
        ("command", "body"), [("retry", {}), ("forget", {}), ("fetch", {"track": OLD}), ("waive", {"reason": "lost"})]
    )
    def test_an_unknown_device_is_not_found(self, busy: Desk, command: str, body: Any) -> None:
        answer = busy.command(f"devices/999/{command}", body)
        assert (answer.status, answer.json["detail"]) == (404, "motion-999 is not on the roster and was never seen")
        assert busy.get("/api/v1/devices/999").status == 404

    def test_waive_needs_an_alarm_and_a_reason(self, busy: Desk) -> None:
        assert busy.command("devices/602/waive", {"reason": "lost"}).status == 409
        busy.know(602, stage=Stage.GONE, left_early="its tracks are not known yet")
        assert busy.command("devices/602/waive", {"reason": "  "}).status == 409
        assert busy.command("devices/602/waive", {"reason": "lost"}).status == 200
