"""The page of the roster, its commands, and devices that are not expected today."""

from __future__ import annotations

from sse_twisted.fleet import Stage
from tests.web.desk import Desk

DAY = "2022-10-17"


def lacking(desk: Desk) -> None:
    """Save a roster without 602, one of two."""
    desk.event.people.pop()
    desk.event.write_roster()
    desk.advance(5.0)


def version(desk: Desk) -> str:
    return str(desk.get("/api/v1/roster").json["version"])


class TestAChangeThatWaits:
    def test_is_on_the_board_with_a_link_to_the_page_that_names_it(self, busy: Desk) -> None:
        lacking(busy)
        board = busy.get("/").text
        assert "Check the roster" in board
        assert "the roster lacks 1 device of today (motion-602): confirm or refuse the change" in board
        assert '<a href="/roster">Roster</a></p>' in board
        page = busy.get("/roster").text
        assert "<li>motion-602 ABC602XYZ Sailor 602, 2022-10-15 to 2022-10-21</li>" in page
        assert f'data-command="/api/v1/roster/{version(busy)}/confirm"' in page
        assert f'data-command="/api/v1/roster/{version(busy)}/refuse"' in page
        assert page.index("/confirm") < page.index("<li>motion-602")  # of hundreds of tracks, the end is far below

    def test_is_in_readyz_and_does_not_make_it_fail(self, busy: Desk) -> None:
        lacking(busy)
        answer = busy.get("/readyz")
        assert answer.status == 200
        assert [each["ok"] for each in answer.json["conditions"] if each["subject"] == "roster"] == [False]

    def test_is_confirmed_by_the_api(self, busy: Desk) -> None:
        lacking(busy)
        assert busy.command("roster/12345678/confirm").json["detail"].startswith("the roster has changed since")
        assert busy.command(f"roster/{version(busy)}/confirm").json == {"done": True, "detail": ""}
        busy.advance(1)
        assert [tile["id"] for tile in busy.get("/api/v1/fleet").json["devices"]] == [601]
        assert busy.command("roster/12345678/confirm").status == 409
        assert "Waiting for you" not in busy.get("/roster").text

    def test_is_refused_by_the_api(self, busy: Desk) -> None:
        lacking(busy)
        assert busy.command(f"roster/{version(busy)}/refuse").status == 200
        page = busy.get("/roster").text
        assert "Refused until the roster changes" in page
        assert "/refuse" not in page
        assert "differs from the roster in force: its change is refused" in page
        assert "No trouble." not in page
        assert "Check the roster" not in busy.get("/").text

    def test_names_the_tracks_with_owners_and_days(self, busy: Desk) -> None:
        busy.event.spares()
        busy.event.people[0]["Motion ID"] = "799"
        busy.event.write_roster()
        busy.advance(5.0)
        (move,) = busy.get("/api/v1/roster").json["moves"]
        assert move == {
            "identifier": 601,
            "track": "ABC601XYZ_601_20221017_090000.oao",
            "name": "motion-601_20221017_090000.oao",
            "day": DAY,
            "owner": "Sailor 601",
            "new_owner": "",
        }
        page = busy.get("/roster").text
        assert '<td data-label="now of">Sailor 601</td><td data-label="would be of">nobody (unassigned)</td>' in page
        assert "If a device was replaced, do not confirm" in page
        assert '<a href="/help#a-device-is-replaced">' in page
        assert 'id="a-device-is-replaced"' in busy.get("/help").text

    def test_says_nothing_of_a_replaced_device_if_no_track_loses_its_owner(self, busy: Desk) -> None:
        busy.event.spares()
        busy.event.people[0]["File ID"] = "XYZ601XYZ"
        busy.event.write_roster()
        busy.advance(5.0)
        assert "If a device was replaced" not in busy.get("/roster").text

    def test_the_page_names_mistakes_and_remarks(self, busy: Desk) -> None:
        data = busy.event.folder.roster.read_bytes()
        busy.event.folder.roster.write_bytes(
            data.replace(b"601,2022-10-15", b"601,<b>") + b"602,2022-10-15,?,A,\xe9,B\r\n"
        )
        busy.advance(5.0)
        page = busy.get("/roster").text
        assert "line 2: invalid Start Date &#39;&lt;b&gt;&#39;" in page
        assert "line 4: not UTF-8: the file is read as Windows-1252" in page


def test_a_roster_with_a_mistake_is_not_said_to_be_without_trouble(busy: Desk) -> None:
    assert "No trouble." in busy.get("/roster").text
    busy.event.people.append({**busy.event.people[0], "File ID": "DEF601XYZ"})
    busy.event.write_roster()
    busy.advance(5.0)
    page = busy.get("/roster").text
    assert "line 4: motion-601 is already assigned" in page
    assert "No trouble." not in page
    assert "All is in force but the mistakes below." in page


class TestADeviceThatIsNotExpected:
    def test_leaves_the_board_and_the_count_and_the_missing(self, busy: Desk) -> None:
        page = busy.get("/devices/602").text
        assert 'data-command="/api/v1/devices/602/not-expected"' in page
        assert busy.command("devices/602/not-expected", {"reason": "ill"}).status == 200
        fleet = busy.get("/api/v1/fleet").json
        assert [tile["id"] for tile in fleet["devices"]] == [601]
        assert (fleet["summary"]["expected"], fleet["summary"]["not_expected"]) == (1, 1)
        assert busy.get("/api/v1/missing").json == []
        assert "1 not expected" in busy.get("/").text
        assert busy.get("/api/v1/devices/602").json["why"].startswith("not expected today (ill), looked for every ")

    def test_is_named_with_the_reason_on_the_page_of_the_day_and_not_counted(self, busy: Desk) -> None:
        busy.command("devices/602/not-expected", {"reason": "ill"})
        lines = {line["id"]: line for line in busy.get(f"/api/v1/days/{DAY}").json["lines"]}
        assert (lines[602]["state"], lines[602]["remark"]) == ("not expected", "ill")
        today = next(day for day in busy.get("/api/v1/days").json if day["day"] == DAY)
        assert (today["expected"], today["collected"], today["no_track"]) == (1, 1, 0)
        assert "not expected" in busy.get(f"/days/{DAY}").text
        assert "602,Sailor 602,,ABC602XYZ,not expected" in busy.get(f"/days/{DAY}.csv").text

    def test_stays_so_on_its_day_when_it_joins_on_the_next(self, busy: Desk) -> None:
        busy.event.servers[602].device.logs.clear()
        busy.command("devices/602/not-expected", {"reason": "ill"})
        busy.reactor.advance(86_400)
        busy.event.arrive(602)
        busy.event.until("motion-602 can be disconnected")
        lines = {line["id"]: line for line in busy.get(f"/api/v1/days/{DAY}").json["lines"]}
        assert (lines[602]["state"], lines[602]["remark"]) == ("not expected", "ill")

    def test_that_left_without_a_track_of_today_leaves_the_board_too(self, busy: Desk) -> None:
        busy.know(602, stage=Stage.GONE)
        assert busy.command("devices/602/not-expected", {"reason": "ill"}).status == 200
        fleet = busy.get("/api/v1/fleet").json
        assert [tile["id"] for tile in fleet["devices"]] == [601]
        assert (fleet["summary"]["collected"], fleet["summary"]["expected"]) == (1, 1)
        lines = {line["id"]: line for line in busy.get(f"/api/v1/days/{DAY}").json["lines"]}
        assert (lines[602]["state"], lines[602]["remark"]) == ("not expected", "ill")

    def test_is_expected_again_when_somebody_says_so(self, busy: Desk) -> None:
        assert busy.command("devices/602/expect").status == 409
        busy.command("devices/602/not-expected", {"reason": "ill"})
        assert 'data-command="/api/v1/devices/602/expect"' in busy.get("/devices/602").text
        assert busy.command("devices/602/expect").status == 200
        assert busy.get("/api/v1/fleet").json["summary"]["expected"] == 2

    def test_is_expected_again_the_next_day(self, busy: Desk) -> None:
        busy.command("devices/602/not-expected", {"reason": "ill"})
        busy.reactor.advance(86_400)
        busy.advance(1.5)
        assert busy.get("/api/v1/fleet").json["summary"]["expected"] == 2

    def test_that_joins_all_the_same_is_collected_as_usual(self, busy: Desk) -> None:
        busy.command("devices/602/not-expected", {"reason": "ill"})
        busy.event.arrive(602)
        busy.event.until("WARN motion-602 has joined although it was not expected today (ill)")
        busy.event.until("motion-602 can be disconnected")
        busy.advance(0.5)
        summary = busy.get("/api/v1/fleet").json["summary"]
        assert (summary["collected"], summary["expected"], summary["not_expected"]) == (2, 2, 0)

    def test_must_be_on_the_roster_and_away_and_have_a_reason(self, busy: Desk) -> None:
        def refusal(device: int, reason: str = "ill") -> str:
            answer = busy.command(f"devices/{device}/not-expected", {"reason": reason})
            assert answer.status in (404, 409)
            return str(answer.json["detail"])

        assert refusal(601) == "motion-601 is connected"
        assert refusal(602, "  ") == "a reason is required not to expect motion-602"
        assert refusal(603) == "motion-603 is not on the roster and was never seen"
        busy.know(603, stage=Stage.GONE)
        assert refusal(603) == "motion-603 is not on the roster of today"
        busy.know(602, stage=Stage.GONE, left_early="its tracks are not known yet")
        assert refusal(602) == "motion-602 left too early: waive it instead"


def test_two_sailors_who_share_a_device_are_on_the_board_and_have_a_line_each(busy: Desk) -> None:
    with busy.event.folder.roster.open("w") as file:
        file.write("Motion ID,Start Date,Start Time,End Date,End Time,File ID,First Name\n")
        file.write(f"601,2022-10-15,,{DAY},12:30,ABC601XYZ,Ada\n601,{DAY},12:30,2022-10-21,,BEN,Ben\n")
        file.write("602,2022-10-15,,2022-10-21,,ABC602XYZ,Cem\n")
    busy.advance(6)
    tiles = {tile["id"]: tile for tile in busy.get("/api/v1/fleet").json["devices"]}
    assert tiles[601]["sailor"] == "Ada / Ben"
    lines = busy.get(f"/api/v1/days/{DAY}").json["lines"]
    assert [(line["sailor"], len(line["tracks"])) for line in lines if line["id"] == 601] == [("Ada", 1), ("Ben", 0)]
    ranking = busy.get("/api/v1/ranking").json["disciplines"]["500m"]
    assert [place["sailor"] for place in ranking] == ["Ada"]
    carriers = busy.get("/api/v1/devices/601").json["carriers"]
    assert [(carrier["start_time"], carrier["end_time"]) for carrier in carriers] == [
        (None, "12:30:00"),
        ("12:30:00", None),
    ]
