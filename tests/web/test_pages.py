from __future__ import annotations

import datetime
import json
import os
import re
from typing import Any

import pytest

from sse_twisted.fleet import Stage, TrackSummary
from sse_twisted.simulator.faults import Fault
from sse_twisted.web.rendering import Renderer
from tests.support.event import VirtualEvent
from tests.web.desk import AFTERNOON, Desk

EVIL = '<script>alert("x")</script>'

TRACK = "ABC601XYZ_601_20221017_090000.oao"


def column(page: str, name: str) -> str:
    found = re.search(rf'<section class="column {name}.*?</section>', page, re.DOTALL)
    assert found
    return found[0]


def figures(html: str) -> list[str]:
    """The first of each line of figures, with the word before it."""
    lines = re.findall(r'<p class="figures.*?</p>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", "", line.split(" h<")[0]).split()) + " h" for line in lines]


@pytest.mark.parametrize(
    "path", ["/", "/days", "/days/2022-10-17", "/devices/601", "/ranking", "/help", "/nowhere", "/devices/999"]
)
def test_the_name_of_the_event_is_on_each_page_and_in_its_title(desk: Desk, path: str) -> None:
    page = desk.get(path, Accept="text/html").text
    name = desk.event.root.name
    assert re.search(rf"<title>[^<]+ · {name}</title>", page)
    assert f">{name}</strong>" in page


class TestTheBoard:
    def test_says_in_large_letters_that_downloads_are_paused(self, desk: Desk) -> None:
        assert 'class="paused"' not in desk.get("/").text
        assert desk.command("pause").status == 200
        page = desk.get("/").text
        reason = "requested by an operator at 17:00, until midnight at the latest"
        assert re.search(rf'<p class="paused">.*</svg> Downloads paused <small>{reason}</small></p>', page)
        assert page.count(reason) == 1
        listening = desk.listen("/stream")
        assert 'class="paused"' in listening.boards[-1]["top"]
        assert desk.command("resume").status == 200
        desk.advance(2)
        assert 'class="paused"' not in listening.boards[-1]["top"]

    def test_shows_the_remaining_time_of_a_download_from_10_s_on(self, desk: Desk) -> None:
        device = {"stage": Stage.DOWNLOADING, "wanted": 1, "missing": ("a",), "downloading": "a", "size": 3_000_000}
        desk.know(601, **device)
        for received in range(0, 1_000_000, 100_000):
            desk.know(601, received=received)
            assert received or " left</span>" not in desk.get("/").text, "it is not known yet"
            desk.advance(0.8)
        assert '<span class="left">about 20 s left</span>' in column(desk.get("/").text, "working")
        assert re.search(r"about 20 s left at \d+ KB/s", desk.get("/devices/601").text)
        assert 10 < desk.get("/api/v1/fleet").json["devices"][0]["download"]["remaining"] < 30
        desk.know(601, received=2_500_000)
        assert "s left" not in desk.get("/").text

    def test_is_complete_without_any_script(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        desk.advance(0.2)
        page = desk.get("/").text
        assert "<strong>1</strong> of <strong>2</strong> collected today" in page
        assert "<strong>1</strong> to switch off, <strong>0</strong> gone" in page
        assert 'id="device-601"' in column(page, "switch-off")
        assert "switch off" in re.sub(r"<[^>]*>", "", column(page, "switch-off"))
        assert "ABC601XYZ" in column(page, "switch-off")
        assert 'id="device-602"' in column(page, "expected")
        assert '<noscript><meta http-equiv="refresh"' in page

    def test_yields_to_the_reactor_while_it_renders(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(611, 630):
            desk.know(number, stage=Stage.CONNECTED)
        monkeypatch.setattr("sse_twisted.runtime.turns.TURN", -1.0)
        turns: list[float] = []
        later = desk.reactor.callLater

        def note(seconds: float, *call: Any) -> Any:
            turns.append(seconds)
            return later(seconds, *call)

        monkeypatch.setattr(desk.reactor, "callLater", note)
        page = desk.get("/").text
        assert len(re.findall('id="device-6[12]', page)) == 19
        assert turns.count(0) >= 19

    def test_shows_what_is_missing_and_the_next_try(self, desk: Desk) -> None:
        retry_at = desk.reactor.seconds() + 8
        desk.know(601, stage=Stage.ATTENTION, reason="1 of 2 tracks missing (no answer)", retry_at=retry_at)
        keep_on = column(desk.get("/").text, "keep-on")
        assert "1 of 2 tracks missing (no answer)" in keep_on
        assert f'data-until="{int(retry_at)}"' in keep_on

    def test_shows_what_a_device_waits_for_between_downloads(self, desk: Desk) -> None:
        desk.know(601, stage=Stage.DOWNLOADING, wanted=2, missing=("b",))
        assert "waiting for its turn…" in column(desk.get("/").text, "working")
        desk.know(601, missing=())
        assert "verifying…" in column(desk.get("/").text, "working")

    def test_names_a_slow_device_while_it_downloads_and_while_it_waits(self, desk: Desk) -> None:
        desk.know(601, stage=Stage.DOWNLOADING, wanted=2, missing=("b",), slow="1.2 KB/s")
        working = column(desk.get("/").text, "working")
        assert "slow: 1.2 KB/s" in working
        assert "waiting for its turn…" in working
        assert "slow (1.2 KB/s): it gives way to other devices" in desk.get("/devices/601").text

    def test_separates_figures_of_stored_and_listed_tracks(self, desk: Desk) -> None:
        glances = tuple(
            TrackSummary(name, datetime.date(2022, 10, 17), 1000, 0, hours * 3_600_000, 10_000_000, 10_000)
            for name, hours in (("a", 1), ("b", 2))
        )
        desk.know(601, stage=Stage.ATTENTION, tracks=glances, wanted=2, missing=("b",))
        assert figures(column(desk.get("/").text, "keep-on")) == ["stored 1.0 h", "to come 2.0 h"]
        desk.know(601, stage=Stage.COLLECTED, missing=())
        assert figures(column(desk.get("/").text, "switch-off")) == ["3.0 h"]

    def test_links_to_each_column_with_its_count(self, desk: Desk) -> None:
        desk.know(601, stage=Stage.ATTENTION)
        page = desk.get("/").text
        counts = re.search(r'<nav class="counts".*?</nav>', page, re.DOTALL)
        assert counts
        found = re.findall(r'href="#([\w-]+)".*?<span class="count">(\d+)</span>', counts[0])
        assert found == [
            ("left-early", "0"),
            ("keep-on", "1"),
            ("switch-off", "0"),
            ("working", "0"),
            ("expected", "1"),
            ("gone", "0"),
        ]
        assert {f'id="{name}"' in page for name, _ in found} == {True}

    def test_shows_the_alarm_of_a_device_that_left_too_early_until_it_is_waived(self, desk: Desk) -> None:
        desk.know(601, stage=Stage.GONE, left_early="1 of 2 tracks missing")
        assert 'id="device-601"' in column(desk.get("/").text, "left-early")
        assert desk.command("devices/601/waive", {"reason": "it fell into the water"}).status == 200
        desk.advance(0.2)
        page = desk.get("/").text
        assert 'id="device-601"' not in column(page, "left-early")
        assert "waived" in column(page, "gone")
        assert desk.event.said("motion-601 is waived - it fell into the water (1 of 2 tracks missing)")

    def test_escapes_every_foreign_text(self, event: VirtualEvent) -> None:
        event.people.append(
            dict(
                zip(
                    ("Motion ID", "Start Date", "End Date", "File ID", "First Name", "Family Name"),
                    ("601", "2022-10-15", "2022-10-21", "ABC601XYZ", EVIL, "O'Neill & Sons"),
                    strict=True,
                )
            )
        )
        event.write_roster()
        desk = Desk(event)
        desk.know(601, stage=Stage.ATTENTION, findings=(f"firmware is not approved ({EVIL})",), reason=EVIL)
        pages = [desk.get(path).text for path in ("/", "/devices/601", "/days/2022-10-17", "/ranking")]
        streamed = desk.listen("/stream").boards[0]["tiles"][0]["html"]
        desk.close()
        for text in (*pages, streamed):
            assert "<script>" not in text
        assert streamed.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;") == 6
        assert "O&#39;Neill &amp; Sons" in pages[0]

    def test_distinguishes_a_lost_network_from_absent_devices(self, desk: Desk) -> None:
        assert "Network problem" not in desk.get("/").text
        desk.event.names.trouble = "no name server has answered for 12 s"
        desk.listen()
        desk.advance(2.0)
        page = desk.get("/").text
        assert "Network problem" in page
        assert "no name server has answered for 12 s: has the laptop lost the WiFi?" in page

    def test_warns_of_a_wrong_clock_if_no_device_is_expected(self, desk: Desk) -> None:
        desk.reactor.advance(7 * 86_400)
        desk.listen()
        desk.advance(2.0)
        assert "The event is over: its last day was 2022-10-21." in desk.get("/").text
        assert "Check the clock" not in desk.get("/").text
        desk.event.utc -= 20_000_000 + 7 * 86_400
        desk.advance(2.0)

        assert "no device is assigned on 2022-02-28: is the laptop&#39;s clock right?" in desk.get("/").text
        assert "Check the clock" in desk.get("/").text

    def test_a_thousand_devices_need_less_than_100_kb(self, event: VirtualEvent) -> None:
        for identifier in range(1, 1001):
            row = (str(identifier), "2022-10-15", "2022-10-21", f"ABC{identifier}XYZ", "Sailor", str(identifier))
            columns = ("Motion ID", "Start Date", "End Date", "File ID", "First Name", "Family Name")
            event.people.append(dict(zip(columns, row, strict=True)))
        event.write_roster()
        desk = Desk(event)
        paths = (
            "/",
            "/static/board.css",
            "/static/commands.js",
            "/static/live.js",
            "/static/board.js",
            "/static/icons.svg",
            "/static/favicon.svg",
        )
        weights = [desk.weigh(path) for path in paths]
        desk.close()
        assert sum(weights) < 100_000


def keep_ledger(desk: Desk, entries: dict[str, dict[str, object]]) -> None:
    """Write the ledger of 601 as another program would."""
    folder = desk.event.folder.device_folder(601)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "downloads.json").write_text(json.dumps(entries))


class TestOtherPages:
    def test_a_device_shows_reported_and_expected_settings(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        page = desk.get("/devices/601").text
        assert "completed, verified" in page
        assert "can be disconnected" in page
        assert re.search(r"timezone.*?<td>60 minutes</td><td>60 minutes</td>.*?</svg> ok<", page, re.DOTALL)

    def test_a_device_shows_its_visits_with_times(self, desk: Desk) -> None:
        assert "Not seen today." in desk.get("/devices/601").text
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        visits = r"Visits today.*?</time></td><td>{}</td><td>can be disconnected</td><td><time"
        assert re.search(visits.format("still here"), desk.get("/devices/601").text, re.DOTALL)
        desk.event.leave(601)
        desk.event.until("motion-601 has been disconnected")
        page = desk.get("/devices/601").text
        assert re.search(visits.format("<time[^>]*>17:00:..</time>"), page, re.DOTALL)

    def test_every_day_of_the_event_has_a_row_with_a_link(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        page = desk.get("/days").text
        assert '<a href="/days">Days</a>' in desk.get("/").text
        rows = [re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr><th scope=\"row\".*?</tr>", page)]
        order = [17, 21, 20, 19, 18, 16, 15]  # today, the days to come, those without tracks
        assert [row[0] for row in rows] == [f"2022-10-{day}" for day in order]
        assert re.findall("<summary>(.*?)</summary>", page) == [
            "4 days to come: 2022-10-18 to 2022-10-21",
            "2 days without tracks: 2022-10-15 to 2022-10-16",
        ]
        assert rows[0] == ["2022-10-17", ",", "today", "2", "1", "0", "0", "0", "0", "1", "still", "expected", "0"]
        assert rows[4] == ["2022-10-18", "2", "not", "yet"]
        assert page.count('<a href="/days/2022-10-1') == 5 + 1
        days = desk.get("/api/v1/days").json
        assert [(day["day"], day["collected"], day["still_expected"]) for day in days][4] == ("2022-10-17", 1, 1)

    def test_a_day_keeps_its_alarm_over_midnight(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        desk.event.leave(601)
        desk.event.until("motion-601 has been disconnected")
        desk.event.servers[601].device.add_fault(Fault("no-headers"), path="/logs.json")
        desk.event.arrive(601)
        desk.event.until("motion-601 must stay connected")
        desk.event.leave(601)
        desk.event.until("motion-601 left too early")
        for _ in range(2):
            (line, _) = desk.get("/api/v1/days/2022-10-17").json["lines"]
            assert (line["id"], line["state"]) == (601, "left early")
            (count,) = (count for count in desk.get("/api/v1/days").json if count["day"] == "2022-10-17")
            assert (count["collected"], count["left_early"]) == (0, 1)
            desk.reactor.advance(86_400)

    def test_a_day_describes_bad_responses_like_the_board(self, desk: Desk) -> None:
        desk.know(601, oddity="no response within 10 s")
        line, other = desk.get("/days/2022-10-17.json").json["lines"]
        assert (line["state"], other["state"]) == ("expected", "expected")
        assert line["remark"] == "it is on but not responding correctly: no response within 10 s"

    def test_all_days_and_today_agree_after_midnight(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        desk.event.leave(601)
        desk.event.until("motion-601 has been disconnected")
        os.utime(desk.event.folder.device_folder(601) / "info.json", (AFTERNOON, AFTERNOON))
        desk.reactor.advance(86_400)
        states = [line["state"] for line in desk.get("/api/v1/days/2022-10-18").json["lines"]]
        (count,) = (count for count in desk.get("/api/v1/days").json if count["day"] == "2022-10-18")
        assert states == ["expected"] * 2
        assert (count["missing"], count["no_track"], count["still_expected"]) == (0, 0, 2)

    def test_a_day_is_served_as_page_json_and_csv(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        assert "expected" in desk.get("/days/2022-10-17").text
        lines = {line["id"]: line for line in json.loads(desk.get("/days/2022-10-17.json").body)["lines"]}
        assert {number: line["state"] for number, line in lines.items()} == {601: "collected", 602: "expected"}
        table = desk.get("/days/2022-10-17.csv")
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert "2022-10-17,601,Sailor 601,,ABC601XYZ,collected,ABC601XYZ_601_20221017_090000.oao" in table.text

    def test_a_track_that_is_too_large_has_no_plot(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        monkeypatch.setattr("sse_twisted.control.records.MAX_SIZE", 1000)
        assert desk.get(f"/devices/601/{TRACK}.svg").status == 413

    @pytest.mark.parametrize(
        "local_file", ["gpslogs/\0.oao", "gpslogs/" + "x" * 5000 + ".oao", "gpslogs/\ud800.oao", "/etc/passwd", 7, None]
    )
    @pytest.mark.parametrize("name", [TRACK, "odd.oao"])
    def test_an_invalid_path_in_a_ledger_is_not_found(self, desk: Desk, local_file: object, name: str) -> None:
        keep_ledger(desk, {name: {"status": "completed", "local_file": local_file}})
        assert desk.get(f"/devices/601/{name}.svg").status == 404
        assert desk.get("/devices/601").status == 200

    @pytest.mark.parametrize("odd", [10**400, -(10**30), float("inf"), float("nan"), "\udfff", True, None])
    def test_invalid_names_and_figures_in_a_ledger_break_no_page(self, desk: Desk, odd: object) -> None:
        figures = ("size", "duration", "distance", "500m_best", "start_date", "end_date", "damage", "outcome")
        names = (TRACK, f"{TRACK}\0", f"\ud800{TRACK}", f"<b>{TRACK}")
        keep_ledger(desk, {name: {"status": "completed", **dict.fromkeys(figures, odd)} for name in names})
        day = "2022-10-17"
        paths = [f"/days/{day}", f"/days/{day}.csv", f"/days/{day}.json", "/devices/601", "/ranking", "/"]
        paths += [f"/api/v1/{path}" for path in (f"days/{day}", f"tracks?day={day}", "devices/601", "ranking", "fleet")]
        assert {path: desk.get(path).status for path in paths} == dict.fromkeys(paths, 200)

    def test_the_ranking_marks_confirmed_speeds(self, desk: Desk) -> None:
        desk.event.arrive(601, 602)
        desk.event.until("motion-602 can be disconnected")
        desk.advance(1.0)
        for path in ("/ranking", "/days/2022-10-17"):
            page = desk.get(path).text
            assert "Speeds without this sign are only claimed by the device" in page
            assert page.count('<span class="vh">verified</span>') == 6
            assert page.count(f'href="/devices/601/{TRACK}.html"') == 3 + (path != "/ranking")

    def test_a_stored_track_has_a_plot(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        picture = desk.get(f"/devices/601/{TRACK}.svg")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert f"Sailor 601 · {TRACK}" in picture.text
        assert "500 m" in picture.text

    @pytest.mark.parametrize("file_id", ["DE 101XYZ", "Zo\u00eb", "BUOY_621", "a.b", "\u0418\u0432\u0430\u043d 7"])
    def test_a_track_of_any_file_id_has_a_plot(self, desk: Desk, file_id: str) -> None:
        desk.event.people[0]["File ID"] = file_id
        desk.event.write_roster()
        desk.advance(5.0)
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        page = desk.get("/devices/601").text
        (link,) = set(re.findall(r'href="(/devices/601/[^"]*\.html)"', page))
        (source,) = re.findall(r'<img class="plot" src="([^"]*)"', desk.get(link).text)
        picture = desk.get(source)
        assert picture.status == 200
        assert f"Sailor 601 · {file_id}_601_20221017_090000.oao" in picture.text

    def test_a_device_shows_measured_speeds(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        desk.advance(1.0)
        page = desk.get("/devices/601").text
        table = page[page.index("Speeds measured from its tracks") :]
        assert "39.06" in table
        assert "confirmed" in table
        assert "Speeds measured from its tracks" not in desk.get("/devices/602").text

    def test_figures_of_an_unfinalised_track_are_marked_as_measured(self, desk: Desk) -> None:
        desk.event.servers[601].device.add_fault(Fault("not-finalised"), path="/logs/")
        desk.event.arrive(601, 602)
        desk.event.until("motion-601 can be disconnected")
        desk.advance(1.0)
        for path in ("/days/2022-10-17", "/devices/601"):
            page = re.sub(r"<[^>]*>", "", desk.get(path).text)
            assert "*measured: 1.6" in page
            assert "*measured: 39.0" in page
            assert "*measured:  measured from the fixes, because" in page
        assert "measured:" not in desk.get("/devices/602").text
        (here,) = [device["here"] for device in desk.get("/api/v1/fleet").json["devices"] if device["id"] == 601]
        assert (here["measured"], round(here["km"], 1)) == (1, 1.6)
        lines = {line["id"]: line for line in desk.get("/api/v1/days/2022-10-17").json["lines"]}
        assert {number: line["measured"] for number, line in lines.items()} == {601: True, 602: False}
        (report,) = desk.get("/api/v1/tracks?day=2022-10-17").json[:1]
        assert (report["identifier"], report["measured"], round(report["knots"], 1)) == (601, True, 39.0)

    def test_the_page_of_a_track_leads_back_to_its_device(self, desk: Desk) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        page = desk.get(f"/devices/601/{TRACK}.html").text
        assert '<a href="/devices/601">Device 601</a>' in page
        assert f'<a href="/devices/601/tracks/{TRACK}" download>' in page

    @pytest.mark.parametrize("name", ["ABC601XYZ_601_20221018_090000.oao", "..%2Fdownloads.json", "%00", "x" * 500])
    def test_a_track_that_is_not_stored_has_no_plot(self, desk: Desk, name: str) -> None:
        desk.event.arrive(601)
        desk.event.until("motion-601 can be disconnected")
        for kind in ("html", "svg"):
            assert desk.get(f"/devices/601/{name}.{kind}").status == 404
            assert desk.get(f"/devices/602/{TRACK}.{kind}").status == 404

    @pytest.mark.parametrize("path", ["/nothing", "/devices/0", "/devices/7777", "/days/2022-13-01", "/static/../x.py"])
    def test_an_unknown_path_is_not_found(self, desk: Desk, path: str) -> None:
        assert desk.get(path).status == 404
        page = desk.get(path, Accept="text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
        assert page.text.startswith("<!DOCTYPE html>")
        assert 'Back to the <a href="/">board</a>' in page.text
        assert desk.get(path).json["status"] == 404

    @pytest.mark.parametrize(
        ("path", "detail"),
        [
            ("/days/foo", "invalid day 'foo': expected a date as YYYY-MM-DD"),
            ("/days/foo.zip", "invalid day 'foo': expected a date as YYYY-MM-DD"),
            ("/days/2022-10-17?only=x", "invalid only 'x': expected missing"),
            ("/devices/x", "invalid identifier 'x': expected the number of a device"),
        ],
    )
    def test_a_wrong_address_is_answered_with_the_right_one(self, desk: Desk, path: str, detail: str) -> None:
        assert desk.get(path).json["detail"] == detail

    def test_a_cached_file_is_not_sent_again(self, desk: Desk) -> None:
        first = desk.get("/static/board.js")
        assert first.headers["content-type"] == "text/javascript; charset=utf-8"
        again = desk.get("/static/board.js", If_None_Match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")


def test_all_readers_of_a_state_get_the_same_page(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    page = Renderer.page

    def counted(renderer: Renderer, template: str, **values: object) -> bytes:
        rendered.append(template)
        return page(renderer, template, **values)

    monkeypatch.setattr(Renderer, "page", counted)
    first, second = busy.get("/"), busy.get("/")
    assert first.body == second.body
    assert rendered == ["board.html"]
    busy.know(601, battery=11)
    assert "11 %" in busy.get("/").text
    busy.advance(1.0)
    busy.get("/")
    assert len(rendered) == 3
