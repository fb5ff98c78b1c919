"""The pages of the courses of a day, the API behind them, and what the committee decides there."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve
from msgspec import structs

from sse_twisted.config.settings import Ranking, Settings
from sse_twisted.results.courses.course_files import courses_path
from sse_twisted.results.courses.decisions import PATH
from sse_twisted.results.courses.picture import draw_passages
from tests.support.courses import DAY, DEGREE, LATITUDE, LONGITUDE, S1, north, write_courses
from tests.support.event import MORNING, VirtualEvent, begin_anew
from tests.tracks import written
from tests.web.desk import Desk

DECISIONS = f"courses/{DAY}/decisions"
TRACK = "ABC601XYZ_601_20221017_090000.oao"


@pytest.fixture
def regatta(event: VirtualEvent) -> Iterator[Desk]:
    """601 and 602 have sailed a course with 19.44 and 23.33 knots; 603 is still to come."""
    write_courses(event.root, S1=S1)
    by = ("first name", "Craft", ("first name", "family name"))
    event.settings = structs.replace(Settings(), ranking=Ranking(by))
    for number, speed in ((601, 10.0), (602, 12.0), (603, 11.0)):
        event.device(number, north(number, speed))
    desk = Desk(event)
    for number in (601, 602):
        event.arrive(number)
        event.until(f"motion-{number} can be disconnected")
    desk.advance(4)
    yield desk
    desk.close()


def write_courses_of(desk: Desk, day: dt.date) -> None:
    path = courses_path(desk.event.root, day)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"S1": S1}))


def ranked(desk: Desk) -> list[tuple[int, str, float]]:
    found = desk.get(f"/api/v1/courses/{DAY}").json
    return [(each["rank"], each["sailor"], each["knots"]) for each in found["rankings"][0]["places"]]


def passage(desk: Desk, entrant: str = "ABC601XYZ") -> dict[str, Any]:
    (found,) = desk.get(f"/api/v1/courses/{DAY}/{entrant}").json["passages"]
    return dict(found)


def decide(desk: Desk, action: str, **keys: Any) -> str:
    """Decide, and return why that is refused; "" if it is not."""
    got = desk.command(DECISIONS, {"action": action, "who": "Bob", "reason": "false start"} | keys)
    desk.advance(1)
    return "" if got.status == 200 else str(got.json["detail"])


def run_of(desk: Desk, entrant: str = "ABC601XYZ") -> dict[str, str]:
    found = passage(desk, entrant)
    return {"course": "S1", "track": found["track"], "run": found["time"]}


def place_buoys(desk: Desk, one: int, other: int) -> None:
    line = {key: value for key, value in S1.items() if key != "Start Line"}
    write_courses(desk.event.root, S1=line | {"Start Buoys": [one, other]})
    desk.advance(4)


def test_runs_of_a_track_whose_speeds_are_made_from_positions_are_to_be_looked_at(regatta: Desk) -> None:
    points = [
        evolve(point, latitude=round((LATITUDE + (10 * number - 100) / DEGREE) * 1e7), longitude=round(LONGITUDE * 1e7))
        for number, point in enumerate(written.points(120, rate=1, start=MORNING))
    ]
    (regatta.event.root / "hand-in/ABC603XYZ.gpx").write_bytes(written.gpx(points, elements=""))
    regatta.event.until("filed as gpslogs/20221017/ABC603XYZ_603_20221017_090000.gpx")
    regatta.advance(6)
    assert len(ranked(regatta)) == 3
    said = "ABC603XYZ_603_20221017_090000.gpx has runs by speeds that are made from positions, not measured"
    assert said in regatta.get(f"/course/{DAY}").text
    assert "speeds are made from positions" in regatta.get(f"/course/{DAY}/ABC603XYZ").text
    assert "speeds are made from positions" not in regatta.get(f"/course/{DAY}/ABC601XYZ").text


class TestBuoys:
    """601 and 602, whose tracks are here, mark the line; 603 is a sailor."""

    @pytest.fixture
    def desk(self, regatta: Desk) -> Desk:
        assert [place["id"] for place in regatta.get("/api/v1/ranking").json["disciplines"]["500m"]] == [602, 601]
        place_buoys(regatta, 601, 602)
        return regatta

    def test_are_in_no_list_of_speeds(self, desk: Desk) -> None:
        assert not any(desk.get("/api/v1/ranking").json["disciplines"].values())
        for path in ("/ranking", f"/days/{DAY}", "/course"):
            assert "23.3" not in desk.get(path).text

    def test_are_in_no_count(self, desk: Desk) -> None:
        summary = desk.get("/api/v1/fleet").json["summary"]
        assert (summary["collected"], summary["expected"], summary["to_switch_off"]) == (0, 1, 0)
        (count,) = (each for each in desk.get("/api/v1/days").json if each["day"] == str(DAY))
        assert (count["collected"], count["expected"]) == (0, 1)
        assert [each["identifier"] for each in desk.get("/api/v1/missing").json] == [603]
        assert "sse_expected_devices 1.0" in desk.get("/metrics").text

    def test_stand_apart_on_the_page_of_the_day(self, desk: Desk) -> None:
        day = desk.get(f"/api/v1/days/{DAY}").json
        assert [[line["id"] for line in day[key]] for key in ("lines", "buoys")] == [[603], [601, 602]]
        assert "601" not in desk.get(f"/days/{DAY}.csv").text
        assert '<a href="/devices/601">601</a>, Sailor 601: collected' in desk.get(f"/days/{DAY}").text

    def test_are_on_the_board_all_the_same(self, desk: Desk) -> None:
        assert {tile["id"] for tile in desk.get("/api/v1/fleet").json["devices"]} == {601, 602, 603}

    def test_that_are_no_buoys_any_more_count_again(self, desk: Desk) -> None:
        write_courses(desk.event.root, S1=S1)
        desk.advance(4)
        assert desk.get("/api/v1/fleet").json["summary"]["expected"] == 3


class TestTheRanking:
    def test_has_each_sailor_with_a_run_the_fastest_first(self, regatta: Desk) -> None:
        assert ranked(regatta) == [(1, "Sailor 602", 23.33), (2, "Sailor 601", 19.44)]
        page = regatta.get("/course").text
        assert page.index("Sailor 602") < page.index("Sailor 601")
        assert f'href="/course/{DAY}/ABC602XYZ"' in page

    def test_says_when_it_was_made_and_how_many_devices_are_still_to_come(self, regatta: Desk) -> None:
        page = regatta.get("/course").text
        assert "<strong>1</strong> of 3 devices may still bring a track" in page
        report = regatta.get(f"/api/v1/courses/{DAY}").json
        assert (report["missing"], report["expected"]) == (1, 3)
        assert 0 <= regatta.collector.fleet.now - report["as_of"] < 10

    def test_does_not_wait_for_buoys(self, regatta: Desk) -> None:
        place_buoys(regatta, 603, 604)
        report = regatta.get(f"/api/v1/courses/{DAY}").json
        assert (report["missing"], report["expected"]) == (0, 2)

    def test_has_a_table_for_each_value_of_the_columns_that_are_configured(self, regatta: Desk) -> None:
        tables = regatta.get(f"/course/{DAY}.json").json["rankings"]
        assert [(table["title"], len(table["places"])) for table in tables] == [
            ("All", 2),
            ("first name: Sailor", 2),
            ("first name: Sailor, family name: 601", 1),
            ("first name: Sailor, family name: 602", 1),
        ]
        assert '<h2 id="ranking-4">first name: Sailor, family name: 602</h2>' in regatta.get("/course").text

    def test_shows_no_other_column_of_the_roster(self, regatta: Desk) -> None:
        places = regatta.get(f"/api/v1/courses/{DAY}").json["rankings"][0]["places"]
        assert [set(place["columns"]) for place in places] == [{"first name", "family name"}] * 2

    def test_names_a_configured_column_that_the_roster_lacks(self, regatta: Desk) -> None:
        assert "the roster has no column &#39;Craft&#39;: check ranking.by" in regatta.get("/course").text

    def test_has_a_table_for_each_of_several_courses(self, regatta: Desk) -> None:
        write_courses(regatta.event.root, S1=S1, S2=S1 | {"Distance": 250})
        regatta.advance(4)
        tables = regatta.get(f"/course/{DAY}.json").json["rankings"]
        assert [table["title"] for table in tables[:3]] == ["All courses", "S1", "S2"]

    def test_is_a_table_for_spreadsheets_without_formulas(self, regatta: Desk) -> None:
        regatta.event.people[0]["First Name"] = '=HYPERLINK("x")'
        regatta.event.write_roster()
        regatta.advance(8)
        got = regatta.get(f"/course/{DAY}.csv")
        assert got.headers["content-disposition"] == f'attachment; filename="course {DAY}.csv"'
        rows = list(csv.DictReader(io.StringIO(got.body.decode("utf-8-sig"))))
        assert [row["Sailor"] for row in rows[:2]] == ["Sailor 602", '\'=HYPERLINK("x") 601']
        assert (rows[0]["Knots"], rows[0]["Time"], rows[0]["Runs"]) == ("23.33", "09:00:49", "1")

    def test_for_a_projector_is_without_what_concerns_the_committee(self, regatta: Desk) -> None:
        for path in ("/course?show", "/course?show=1"):
            page = regatta.get(path).text
            assert "Sailor 602" in page
            assert "Before anything is published" not in page
            assert "Set line or hours" not in page

    def test_escapes_names(self, regatta: Desk) -> None:
        regatta.event.people[0]["First Name"] = "<script>alert(1)</script>"
        regatta.event.write_roster()
        regatta.advance(8)
        for path in ("/course", f"/course/{DAY}/ABC601XYZ"):
            assert "<script>alert" not in regatta.get(path).text
            assert "&lt;script&gt;alert" in regatta.get(path).text


class TestADayWithoutACoursesFile:
    @pytest.fixture
    def bare(self, regatta: Desk) -> Desk:
        courses_path(regatta.event.root, DAY).unlink()
        regatta.advance(4)
        assert regatta.get("/api/v1/courses").json == []
        return regatta

    def test_has_the_course_that_the_committee_draws_and_says_what_to_write_for_a_results_file(
        self, bare: Desk
    ) -> None:
        assert "Draw a course" in bare.get("/course").text
        assert decide(bare, "course", course="S1", set=S1) == ""
        assert ranked(bare) == [(1, "Sailor 602", 23.33), (2, "Sailor 601", 19.44)]
        folder = bare.event.root / "gpsdata" / "20221017"
        assert [*folder.iterdir()] == []
        (warning,) = bare.get(f"/api/v1/courses/{DAY}").json["courses"][0]["warnings"]
        before, _, content = warning.partition(". Write there ")
        assert "its hours were decided" in before
        courses_path(bare.event.root, DAY).write_text(content)
        bare.advance(4)
        assert [path.name for path in folder.iterdir()] == ["GPSDATA_20221017_S1.csv"]
        assert bare.get(f"/api/v1/courses/{DAY}").json["courses"][0]["warnings"] == []

    def test_has_its_course_after_a_restart_until_that_is_undone(self, bare: Desk) -> None:
        assert decide(bare, "course", course="S1", set=S1) == ""
        begin_anew(bare.event)
        bare.advance(4)
        assert bare.get("/api/v1/courses").json == [str(DAY)]
        time = bare.get(f"/api/v1/courses/{DAY}").json["decisions"][0]["decision"]["time"]
        assert decide(bare, "undo", undoes=time) == ""
        page = bare.get("/course").text
        assert "There is no course on this day" in page
        assert "undone at" in page

    def test_takes_no_course_without_a_direction(self, bare: Desk) -> None:
        line = {key: value for key, value in S1.items() if key != "Direction"}
        assert decide(bare, "course", course="S1", set=line).startswith("S1: Direction: missing")


class TestADayWithoutACourse:
    def test_says_how_to_draw_one(self, desk: Desk) -> None:
        page = desk.get("/course").text
        assert "There is no course on this day" in page
        assert "config/sessions/20221017/courses.json" in page

    def test_is_not_computed(self, regatta: Desk) -> None:
        assert regatta.get("/course/1999-01-01").status == 200
        assert regatta.get("/api/v1/courses").json == [str(DAY)]
        assert not regatta.collector.courses.known(DAY.replace(year=1999))

    def test_has_no_sailors_and_no_decisions(self, regatta: Desk) -> None:
        assert regatta.get("/course/1999-01-01/ABC601XYZ").status == 404
        got = regatta.command("courses/1999-01-01/decisions", {"action": "undo", "who": "B", "reason": "r"})
        assert (got.status, got.json["detail"][:24]) == (404, "no courses on 1999-01-01")


class TestWhatToLookAt:
    def test_a_line_that_misses_runs_is_on_top(self, regatta: Desk) -> None:
        (west, east) = S1["Start Line"]
        write_courses(regatta.event.root, S1=S1 | {"Start Line": [west, [east[0], -2.4601]]})
        regatta.advance(4)
        page = regatta.get("/course").text
        assert "2 runs of 2 tracks miss the E end of the line by" in page
        assert page.index("Before anything is published") < page.index("No runs yet")
        assert "by 10 m at the E end" in page

    def test_a_course_without_a_line_is_on_top(self, regatta: Desk) -> None:
        write_courses(regatta.event.root, S1={"Start Time": "08:00", "End Time": "16:00"})
        regatta.advance(4)
        assert "S1: no line: add Start Line or Start Buoys" in regatta.get("/course").text

    def test_a_mistake_in_the_courses_is_on_top(self, regatta: Desk) -> None:
        write_courses(regatta.event.root, S1=S1 | {"Direction": "north"})
        regatta.advance(4)
        assert "S1: Direction: expected a number of degrees, such as 334.2" in regatta.get("/course").text

    def test_a_file_of_another_program_is_compared_run_by_run(self, regatta: Desk) -> None:
        file = regatta.event.root / "gpsdata" / "20221017" / "GPSDATA_20221017_S1.csv"
        ours = file.read_text()
        file.write_text(ours.splitlines()[0].replace("19.438", "19.500") + "\n")
        regatta.advance(4)
        report = regatta.get(f"/api/v1/courses/{DAY}").json["courses"][0]["other_file"]
        assert [each["kind"] for each in report["differences"]] == ["differs", "only here"]
        page = regatta.get("/course").text
        assert "Ours is <code>results/gpsdata/20221017/GPSDATA_20221017_S1.csv</code>" in page
        assert "1 differs, 1 only here; speeds differ by up to 0.062 kn" in page
        file.write_text("by hand")
        regatta.advance(4)
        assert "cannot be compared: line 1: expected 6 columns, got 1" in regatta.get("/course").text

    def test_a_line_of_the_decisions_that_cannot_be_read_is_on_top(self, regatta: Desk) -> None:
        path = regatta.event.root / PATH
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
        regatta.advance(4)
        assert "results/decisions.jsonl, line 1: " in regatta.get("/course").text
        assert len(regatta.event.said("WARN results/decisions.jsonl, line 1: ")) == 1


class TestASailor:
    def test_sees_runs_and_passages_that_are_none_with_the_reason(self, regatta: Desk) -> None:
        write_courses(regatta.event.root, S1=S1 | {"End Time": "08:30"})
        regatta.advance(4)
        page = regatta.get(f"/course/{DAY}/ABC601XYZ").text
        assert "No run counts" in page
        assert "after the course closed" in page
        found = passage(regatta)
        assert (found["counts"], found["knots"], found["why_not"]) == (False, 19.438, "after the course closed")

    def test_sees_the_time_that_is_published(self, regatta: Desk) -> None:
        place = regatta.get(f"/api/v1/courses/{DAY}").json["rankings"][0]["places"][1]
        assert passage(regatta)["shown_at"] == place["end"]

    def test_has_a_picture(self, regatta: Desk) -> None:
        picture = f"/passages/{DAY}/S1/{TRACK}.svg"
        assert f'src="{picture}?1"' in regatta.get(f"/course/{DAY}/ABC601XYZ").text
        got = regatta.get(picture)
        assert got.headers["content-type"] == "image/svg+xml"
        assert "Sailor 601 · S1 · 2022-10-17" in got.text
        for other in (f"/passages/{DAY}/S9/{TRACK}.svg", f"/passages/{DAY}/S1/x.svg", f"/passages/{DAY}/S1/..%2Fx.svg"):
            assert regatta.get(other).status == 404

    def test_has_a_picture_that_is_drawn_once_until_something_in_it_changes(
        self, regatta: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn: list[str] = []

        def draw(*arguments: Any) -> str:
            drawn.append(arguments[-1])
            return draw_passages(*arguments)

        monkeypatch.setattr("sse_twisted.control.courses.draw_passages", draw)
        picture = f"/passages/{DAY}/S1/{TRACK}.svg"
        pictures = {regatta.get(picture).text for _ in range(5)}
        assert (len(pictures), len(drawn)) == (1, 1)
        assert decide(regatta, "exclude", **run_of(regatta)) == ""
        assert "false start (Bob)" in regatta.get(picture).text
        assert len(drawn) == 2

    @pytest.mark.parametrize("entrant", ["nobody", "", "%00", "..%2F..", "a" * 300])
    def test_that_is_unknown_is_not_found(self, regatta: Desk, entrant: str) -> None:
        assert regatta.get(f"/course/{DAY}/{entrant}").status == 404

    def test_may_have_an_entrant_id_with_a_slash(self, regatta: Desk) -> None:
        with regatta.event.folder.roster.open("w") as file:
            file.write("Motion ID,Start Date,End Date,File ID,First Name,Entrant ID\n")
            for number in (601, 602, 603):
                file.write(f"{number},2022-10-15,2022-10-21,ABC{number}XYZ,Ada,17/{number}?#\n")
        regatta.advance(8)
        link = f"/course/{DAY}/17/601%3F%23"
        assert f'href="{link}"' in regatta.get("/course").text
        assert regatta.get(link).status == 200

    def test_is_linked_from_the_page_of_the_device(self, regatta: Desk) -> None:
        assert f'href="/course/{DAY}/ABC601XYZ"' in regatta.get("/devices/601").text
        assert f'href="/course/{DAY}"' in regatta.get("/ranking").text


class TestADecision:
    def test_needs_the_token(self, regatta: Desk) -> None:
        body = {"action": "exclude", "who": "Bob", "reason": "false start"} | run_of(regatta)
        assert regatta.ask("POST", f"/api/v1/{DECISIONS}", body).status == 401
        assert not (regatta.event.root / PATH).exists()

    def test_excludes_a_run_at_once_and_says_so_on_the_pages(self, regatta: Desk) -> None:
        assert decide(regatta, "exclude", **run_of(regatta)) == ""
        assert ranked(regatta) == [(1, "Sailor 602", 23.33)]
        for path in ("/course", f"/course/{DAY}/ABC601XYZ"):
            page = regatta.get(path).text
            assert "<td>Bob</td><td>exclude run of S1 begun 2022-10-17 09:00:10, ABC601XYZ" in page
            assert "<td>false start</td>" in page
        (line,) = (regatta.event.root / PATH).read_text().splitlines()
        assert json.loads(line)["who"] == "Bob"

    def test_is_on_the_page_that_is_loaded_next(self, regatta: Desk) -> None:
        assert "23.33" in regatta.get("/course").text
        withdrawn = {
            "action": "withdraw",
            "who": "Bob",
            "reason": "worn by another",
            "track": TRACK.replace("601", "602"),
        }
        assert regatta.command(DECISIONS, withdrawn).status == 200
        assert "23.33" not in regatta.get("/course").text

    def test_is_undone_by_another_and_both_stay_on_the_page(self, regatta: Desk) -> None:
        decide(regatta, "exclude", **run_of(regatta))
        time = passage(regatta)["decision"]
        assert decide(regatta, "undo", undoes=time, reason="it was another") == ""
        assert len(ranked(regatta)) == 2
        page = regatta.get("/course").text
        assert "undone at 2022-10-17" in page
        assert "undo the decision of 2022-10-17" in page
        assert decide(regatta, "undo", undoes=time) == "Bob has undone that already"

    def test_counts_a_passage_that_is_none_by_the_rule(self, regatta: Desk) -> None:
        write_courses(regatta.event.root, S1=S1 | {"End Time": "08:30"})
        regatta.advance(4)
        assert ranked(regatta) == []
        assert decide(regatta, "count", **run_of(regatta)) == ""
        assert ranked(regatta) == [(1, "Sailor 601", 19.44)]

    def test_withdraws_a_track(self, regatta: Desk) -> None:
        assert decide(regatta, "withdraw", track=TRACK) == ""
        assert ranked(regatta) == [(1, "Sailor 602", 23.33)]
        assert decide(regatta, "count", **run_of(regatta)) == "its track is withdrawn: undo that first"

    def test_about_a_course_begins_with_its_hours(self, regatta: Desk) -> None:
        page = regatta.get("/course").text
        assert (
            page.index("Start Time")
            < page.index("End Time")
            < page.index("Start Line&#34;")
            < page.index("Direction&#34;")
        )

    def test_sets_hours_and_line_of_a_course_anew(self, regatta: Desk) -> None:
        assert decide(regatta, "course", course="S1", set={"End Time": "09:00:55"}) == ""
        assert ranked(regatta) == [(1, "Sailor 602", 23.33)]
        assert "set S1 anew: End Time 09:00:55" in regatta.get("/course").text

    @pytest.mark.parametrize(
        ("keys", "why"),
        [
            ({"course": "S1", "set": {"End Time": "noon"}}, "S1: End Time: invalid time 'noon': expected HH:MM:SS"),
            ({"course": "S1", "set": {"Ende": "10:00"}}, "unknown key 'Ende': expected Start Time, End Time"),
            ({"course": "S1", "set": {"Start Line": [[1, 2]]}}, "S1: Start Line"),
            ({"set": {"End Time": "16:00:00"}}, "Course: missing; give it a name, such as S1"),
            ({"course": "S1"}, "not decided: course: missing set"),
            ({"course": "S1", "set": {"Distance": 500, "End Time": "16:00:00"}}, "S1 is like that already"),
            ({"course": "../x", "set": {"Distance": 250}}, "../x: invalid name"),
        ],
    )
    def test_with_a_mistake_about_a_course_is_refused(self, regatta: Desk, keys: dict[str, Any], why: str) -> None:
        assert decide(regatta, "course", **keys).startswith(why)
        assert not (regatta.event.root / PATH).exists()

    def test_keeps_only_what_its_action_needs(self, regatta: Desk) -> None:
        assert decide(regatta, "withdraw", track=TRACK, course="S1", run="x", undoes="y", set={"a": 1}) == ""
        (line,) = (regatta.event.root / PATH).read_text().splitlines()
        assert set(json.loads(line)) == {"time", "who", "reason", "action", "day", "track"}

    def test_of_another_day_is_undone_there(self, regatta: Desk) -> None:
        write_courses_of(regatta, DAY - dt.timedelta(1))
        decide(regatta, "exclude", **run_of(regatta))
        body = {"action": "undo", "who": "Bob", "reason": "r", "undoes": passage(regatta)["decision"]}
        got = regatta.command("courses/2022-10-16/decisions", body)
        assert (got.status, got.json["detail"]) == (409, f"that decision is about {DAY}: undo it there")

    def test_that_changes_nothing_is_refused(self, regatta: Desk) -> None:
        run = run_of(regatta)
        assert decide(regatta, "count", **run) == "that run counts already"
        assert decide(regatta, "exclude", **run | {"run": "2022-10-17T12:00:00Z"}) == "no such passage of the line"
        assert decide(regatta, "exclude", **run | {"track": "x.oao"}) == "no such passage of the line"
        assert decide(regatta, "withdraw", track="x.oao") == f"no track 'x.oao' on {DAY}"
        assert decide(regatta, "undo", undoes="x") == "not decided: no decision of x"
        assert decide(regatta, "exclude", **run, who="  ") == "a decision needs a name and a reason"
        assert decide(regatta, "exclude", **run) == ""
        assert decide(regatta, "exclude", **run) == "that passage is no run already: false start (Bob)"

    def test_is_told_apart_from_another_of_the_same_moment(
        self, regatta: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = regatta.collector.fleet.now
        monkeypatch.setattr(type(regatta.collector.fleet), "now", property(lambda _: now))
        assert decide(regatta, "withdraw", track=TRACK) == ""
        assert decide(regatta, "exclude", **run_of(regatta, "ABC602XYZ")) == ""
        assert ranked(regatta) == []

    def test_that_cannot_be_written_is_refused(self, regatta: Desk) -> None:
        (regatta.event.root / "results").write_text("")
        assert decide(regatta, "withdraw", track=TRACK).startswith("not decided: ")
        assert len(ranked(regatta)) == 2

    def test_outlives_a_restart(self, regatta: Desk) -> None:
        decide(regatta, "withdraw", track=TRACK)
        regatta.close()
        begin_anew(regatta.event)
        assert regatta.event.collector is not None
        regatta.event.advance(5)
        found = regatta.event.collector.courses.known(DAY)
        assert found is not None
        assert [standing.sailor for standing in found.results.ranking()] == ["Sailor 602"]


class TestTheStream:
    def test_tells_a_new_version_when_the_results_change_and_not_before(self, regatta: Desk) -> None:
        listening = regatta.listen("/course-stream")
        (first,) = listening.boards
        version = f'data-version="{first["version"]}"'
        assert version in regatta.get("/course").text
        regatta.advance(20)
        assert {board["version"] for board in listening.boards} == {first["version"]}
        decide(regatta, "withdraw", track=TRACK)
        assert listening.boards[-1]["version"] != first["version"]
        assert version not in regatta.get("/course").text

    def test_tells_a_new_version_when_a_device_comes_in(self, regatta: Desk) -> None:
        listening = regatta.listen("/course-stream")
        before = listening.boards[-1]["version"]
        regatta.event.arrive(603)
        regatta.event.until("motion-603 can be disconnected")
        regatta.advance(4)
        assert listening.boards[-1]["version"] != before
        assert "all 3 devices are in" in regatta.get("/course").text


def test_courses_that_cannot_be_read_are_told(regatta: Desk) -> None:
    regatta.collector.courses._days.clear()
    path = courses_path(regatta.event.root, DAY)
    path.unlink()
    path.mkdir()
    got = regatta.get("/course")
    assert got.status == 503
    assert got.json["detail"].startswith(f"the courses of {DAY} cannot be read: ")
