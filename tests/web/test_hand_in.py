"""The page on which tracks are handed in, and the commands about them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from sse_twisted.handin.intake import Incoming
from sse_twisted.tracks.evidence import WEEK_ROLLOVER
from sse_twisted.web.uploads import MAX_FORM
from tests.tracks import written
from tests.tracks.voyages import START
from tests.web.desk import PLACE, Desk, Got, Talking

PIECE = 65_536  # bytes
BOUNDARY = "x-Boundary-7"
SBP = written.sbp(written.points(100))
ADA = "gpslogs/20221019/ABC601XYZ_601_20221019_120000.sbp"


def send(desk: Desk, name: str, data: bytes = SBP, token: str = "", who: str = "Ann") -> Got:
    headers = {"Authorization": f"Bearer {token or desk.token}", "Content-Type": "application/octet-stream"}
    return desk.ask("POST", f"/hand-in/files?name={quote(name)}&who={quote(who)}", data, **headers)


def form(desk: Desk, files: dict[str, bytes], end: bytes = b"", **fields: str) -> Got:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files.items():
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n")
    body = b"".join(parts) + (end or f"--{BOUNDARY}--\r\n".encode())
    return desk.ask("POST", "/hand-in", body, **{"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def in_pieces(desk: Desk, length: str, body: bytes) -> tuple[bytes, bool]:
    """Send a body as the network brings it, then hang up; return what came back, and whether the server hung up."""
    head = f"POST /hand-in/files?name=ABC601XYZ.sbp HTTP/1.1\r\nHost: {PLACE}\r\nAuthorization: Bearer {desk.token}\r\n"
    talking = Talking()
    connectProtocol(TCP4ClientEndpoint(desk.reactor, "127.0.0.1", 8080), talking)
    desk.advance(0.05)
    transport: Any = talking.transport
    transport.write(f"{head}{length}\r\n\r\n".encode())
    for at in range(0, len(body), PIECE):
        desk.advance(0.1)
        if not talking.ended:
            transport.write(body[at : at + PIECE])
    desk.advance(3)
    heard, ended = talking.heard, talking.ended
    transport.loseConnection()
    desk.advance(0.1)
    return heard, ended


def kept(desk: Desk) -> list[str]:
    return sorted(path.name for path in (desk.event.root / "hand-in").rglob("*") if path.is_file())


def reports(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.get("/api/v1/hand-ins").json
    return found


class TestSending:
    def test_a_file_is_filed_and_the_answer_says_where(self, desk: Desk) -> None:
        got = send(desk, "ABC601XYZ watch.sbp")
        assert got.status == 200, got.text
        assert got.json["state"] == "filed"
        assert got.json["sailor"] == "Sailor 601"
        assert [day["track"] for day in got.json["days"]] == [ADA]
        assert desk.event.tracks() == {ADA: SBP}
        assert got.json["who"].startswith("Ann (board, ")

    def test_a_large_file_arrives_in_pieces(self, desk: Desk) -> None:
        data = written.sbp(written.points(30_000))
        assert len(data) > 900_000
        heard, _ = in_pieces(desk, f"Content-Length: {len(data)}", data)
        assert b" 200 " in heard.partition(b"\r\n")[0]
        assert desk.event.tracks() == {ADA: data}

    @pytest.mark.parametrize("data", [SBP, bytes(200_000)])
    def test_nothing_is_kept_without_the_token(self, desk: Desk, data: bytes) -> None:
        assert send(desk, "a.sbp", data, token="x" * 32).status == 401
        desk.advance(5)
        assert kept(desk) == []

    def test_a_page_of_another_site_cannot_send(self, desk: Desk) -> None:
        headers = {"Authorization": f"Bearer {desk.token}", "Origin": "http://evil.example"}
        assert desk.ask("POST", "/hand-in/files?name=a.sbp", SBP, **headers).status == 403
        desk.advance(5)
        assert kept(desk) == []

    def test_an_empty_file_is_refused(self, desk: Desk) -> None:
        got = send(desk, "a.sbp", b"")
        assert (got.status, got.json["detail"]) == (400, "the file is empty")

    def test_a_file_that_announces_2_gb_is_refused_at_once(self, desk: Desk) -> None:
        head = (
            f"POST /hand-in/files?name=a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer {desk.token}\r\n"
            "Content-Length: 2000000000\r\n\r\n"
        )
        heard, ended = desk.talk(head.encode(), bytes(10_000))
        assert b" 413 " in heard
        assert b"too large: 2.0 GB, the limit is 200.0 MB" in heard
        assert ended
        assert kept(desk) == []

    def test_a_file_that_does_not_say_how_long_it_is_is_cut_at_the_limit(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sse_twisted.handin.intake.MAX_SIZE", 500_000)
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        heard, ended = in_pieces(desk, "Transfer-Encoding: chunked", chunk * 30)
        assert b" 413 " in heard
        assert ended
        desk.advance(2)
        assert kept(desk) == []

    def test_an_upload_that_is_cut_leaves_nothing_behind(self, desk: Desk) -> None:
        in_pieces(desk, "Content-Length: 1000000", bytes(600_000))
        desk.advance(5)
        assert kept(desk) == []
        assert send(desk, "ABC601XYZ.sbp").status == 200

    def test_what_is_not_kept_is_in_the_log(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        said = desk.event.said
        in_pieces(desk, "Content-Length: 1000000", bytes(600_000))
        desk.advance(3)
        assert said("Hand-in ABC601XYZ.sbp from 127.0.0.1 is not kept: the upload was cut")
        send(desk, "x/empty.sbp", b"")
        assert said("Hand-in empty.sbp from 127.0.0.1 is not kept: the file is empty")
        in_pieces(desk, "Content-Length: 2000000000", bytes(10))
        assert said("is not kept: too large: 2.0 GB, the limit is 200.0 MB")
        monkeypatch.setattr("sse_twisted.handin.intake.MAX_SIZE", 300_000)
        in_pieces(desk, "Transfer-Encoding: chunked", (b"10000\r\n" + bytes(65536) + b"\r\n") * 30)
        assert said("is not kept: too large: more, the limit is 300 KB")
        count = len(desk.event.lines)
        send(desk, "ABC601XYZ.sbp")
        assert not said("is not kept", count)

    def test_an_owner_may_be_sent_with_the_file(self, desk: Desk) -> None:
        headers = {"Authorization": f"Bearer {desk.token}", "Content-Type": "application/octet-stream"}
        path = "/hand-in/files?name=ABC601XYZ.sbp&file_id="
        refused = desk.ask("POST", f"{path}NOBODY", SBP, **headers)
        assert (refused.status, refused.json["detail"]) == (400, "no File ID 'NOBODY' on the roster")
        assert kept(desk) == []
        assert desk.ask("POST", f"{path}ABC602XYZ", SBP, **headers).json["file_id"] == "ABC602XYZ"
        assert list(desk.event.tracks()) == [ADA.replace("601", "602")]

    def test_a_name_with_folders_and_lines_is_one_name(self, desk: Desk) -> None:
        got = send(desk, "../../etc/ABC601XYZ\nx.sbp")
        assert got.json["name"] == "ABC601XYZ_x.sbp"
        assert desk.event.tracks() == {ADA: SBP}

    def test_the_same_file_twice_at_once_is_one(self, desk: Desk) -> None:
        assert [send(desk, name).json["key"] for name in ("ABC601XYZ.sbp", "b.sbp")] == [reports(desk)[0]["key"]] * 2
        assert len(kept(desk)) == 2  # with the ledger


class TestForm:
    def test_the_page_works_without_a_script(self, desk: Desk) -> None:
        got = form(desk, {"ABC601XYZ.sbp": SBP, "photo.jpg": b"\xff\xd8\xff" + bytes(600)}, token=desk.token, who="Ann")
        assert got.status == 200
        assert "ABC601XYZ.sbp: Sailor 601, 20221019/ABC601XYZ_601_20221019_120000.sbp" in got.text
        assert "photo.jpg: not a track that can be read (jpeg)" in got.text

    def test_the_form_may_say_whose_the_track_is(self, desk: Desk) -> None:
        got = form(desk, {"activity.sbp": SBP}, token=desk.token, file_id="ABC602XYZ")
        assert "activity.sbp: Sailor 602" in got.text

    def test_a_browser_may_send_the_form_and_says_from_where(self, desk: Desk) -> None:
        page = desk.get("/hand-in")
        assert "form-action 'self'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "same-origin"

    def test_of_a_form_with_many_files_few_are_open_at_a_time(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[Any] = []
        most = 0

        def counted(incoming: Incoming, data: bytes) -> None:
            nonlocal most
            write(incoming, data)
            opened.append(incoming._file)
            most = max(most, sum(not each.closed for each in opened))

        write = Incoming.write
        monkeypatch.setattr(Incoming, "write", counted)
        files = {f"{number}.sbp": written.sbp(written.points(30, start=START + 1000 * number)) for number in range(100)}
        assert form(desk, files, token=desk.token, file_id="ABC601XYZ").status == 200
        desk.advance(10)
        assert len(desk.event.tracks()) == len(opened) == 100
        assert most <= 2

    @pytest.mark.parametrize("token", ["", "wrong"])
    def test_nothing_is_kept_without_the_token(self, desk: Desk, token: str) -> None:
        assert form(desk, {"a.sbp": SBP}, token=token).status == 401
        desk.advance(3)
        assert kept(desk) == []

    def test_a_file_before_the_token_is_not_kept(self, desk: Desk) -> None:
        assert form(desk, {"a.sbp": SBP}).status == 401
        assert kept(desk) == []

    def test_a_form_that_is_cut_leaves_nothing_behind(self, desk: Desk) -> None:
        got = form(desk, {"a.sbp": SBP}, end=b"--x", token=desk.token)
        assert got.status == 400
        desk.advance(3)
        assert kept(desk) == []

    def test_a_form_that_is_too_large_is_refused_at_once(self, desk: Desk) -> None:
        head = (
            "POST /hand-in HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {MAX_FORM + 1}\r\n\r\n"
        )
        heard, ended = desk.talk(head.encode())
        assert b" 413 " in heard
        assert ended

    def test_another_kind_of_form_is_refused(self, desk: Desk) -> None:
        got = desk.ask("POST", "/hand-in", b"a=b", **{"Content-Type": "application/x-www-form-urlencoded"})
        assert got.status == 415


class TestWhose:
    def test_a_track_of_nobody_is_shown_with_its_picture_and_filed_by_a_command(self, desk: Desk) -> None:
        key = send(desk, "activity.sbn", written.sbn(written.points(60))).json["key"]
        page = desk.get("/hand-in").text
        assert "Whose is this?" in page
        assert f"/hand-in/{key}.svg" in page
        assert "no owner found" in page.lower()
        assert desk.get(f"/hand-in/{key}.svg").text.startswith("<svg")
        got = desk.command(f"hand-ins/{key}/owner", {"file_id": "ABC602XYZ", "who": "Ann"})
        assert got.json == {"done": True, "detail": "gpslogs/20221019/ABC602XYZ_602_20221019_120000.sbn"}
        assert "Whose is this?" not in desk.get("/hand-in").text

    def test_the_board_says_that_a_track_of_today_waits_for_its_owner(self, desk: Desk) -> None:
        key = send(desk, "activity.sbp").json["key"]
        waits = '1 handed-in track of today has no owner. <a href="/hand-in">Whose is it?</a>'
        assert waits not in desk.get("/").text
        desk.reactor.advance(2 * 86_400)  # to the day of the track
        assert waits in desk.get("/").text
        desk.command(f"hand-ins/{key}/owner", {"file_id": "ABC602XYZ", "who": "Ann"})
        assert waits not in desk.get("/").text

    def test_page_and_picture_have_the_clock_of_the_event(self, desk: Desk) -> None:
        key = send(desk, "activity.sbp").json["key"]
        assert "2022-10-19, 12:00:00 to 12:00:19 UTC+1: " in desk.get(f"/hand-in/{key}").text
        assert "19 October 2022, 12:00 to 12:00 UTC+1" in desk.get(f"/hand-in/{key}.svg").text

    def test_a_track_without_an_owner_stays_on_the_page_however_many_come_after_it(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sse_twisted.control.hand_ins.MAX_REPORTED", 2)
        send(desk, "activity.sbp")
        for number in range(3):
            desk.advance(1)
            send(desk, f"ABC601XYZ {number}.sbp", written.sbp(written.points(60 + number)))
        assert [report["state"] for report in reports(desk)] == ["filed", "filed"]
        assert '<section class="whose"' in desk.get("/hand-in").text

    def test_somebody_outside_of_the_roster_is_refused(self, desk: Desk) -> None:
        key = send(desk, "activity.sbp").json["key"]
        got = desk.command(f"hand-ins/{key}/owner", {"file_id": "NOBODY", "who": "Ann"})
        assert (got.status, got.json["detail"]) == (409, "no File ID 'NOBODY' on the roster")

    def test_a_serial_number_is_shown_with_the_token_only(self, desk: Desk) -> None:
        got = send(desk, "ABC_932000000_20221019.sbn", written.sbn(written.points(60)))
        assert got.json["name"] == "ABC_…000_20221019.sbn"
        everything = desk.get("/hand-in").text + desk.get("/api/v1/hand-ins").text + got.text
        assert "932000000" not in everything
        assert not desk.event.said("932000000")
        assert desk.ask("POST", "/hand-in/serials", {}).status == 401
        with_token = desk.ask("POST", "/hand-in/serials", {}, Authorization=f"Bearer {desk.token}")
        assert with_token.json == {got.json["key"]: "932000000"}

    def test_no_health_data_is_shown(self, desk: Desk) -> None:
        got = send(desk, "activity.fit", written.fit(written.points(60, rate=1)))
        assert got.json["state"] == "whose is this?"
        lines = json.loads(f"[{','.join((desk.event.root / 'hand-in/ledger.jsonl').read_text().splitlines())}]")
        for text in (desk.get("/hand-in").text, desk.get("/api/v1/hand-ins").text, json.dumps(lines)):
            assert "heart" not in text
            assert str(written.HEART_RATE) not in text.replace(str(START), "")


class TestOne:
    """The page of one hand-in, which needs no script."""

    def say(self, desk: Desk, key: str, token: str = "", **fields: str) -> Got:
        body = urlencode({"token": token or desk.token, "who": "Ann", **fields}).encode()
        return desk.ask("POST", f"/hand-in/{key}", body, **{"Content-Type": "application/x-www-form-urlencoded"})

    def test_it_says_whose_a_track_is(self, desk: Desk) -> None:
        key = send(desk, "activity.sbp").json["key"]
        assert f'<a href="/hand-in/{key}">Say whose it is</a>' in desk.get("/hand-in").text
        assert '<option value="ABC602XYZ">' in desk.get(f"/hand-in/{key}").text
        got = self.say(desk, key, do="owner", file_id="ABC602XYZ")
        assert "Done: gpslogs/20221019/ABC602XYZ_602_20221019_120000.sbp." in got.text
        assert desk.event.tracks() == {ADA.replace("601", "602"): SBP}
        assert "Ann" in reports(desk)[0]["why"]
        self.say(desk, key, do="owner", file_id="ABC601XYZ")
        assert desk.event.tracks() == {ADA: SBP}

    def test_it_asks_for_a_sailor_where_none_is_suggested(self, desk: Desk) -> None:
        key = send(desk, "activity.sbp").json["key"]
        for page in (desk.get(f"/hand-in/{key}").text, desk.get("/hand-in").text):
            assert '<option value="" selected>choose a sailor</option>' in page
            assert "unassigned</option>" not in page
        got = self.say(desk, key, do="owner", file_id="")
        assert (got.status, "Not done: choose the sailor first." in got.text) == (409, True)
        assert not desk.event.said("gave it to")

    def test_it_suggests_the_only_sailor_who_fits(self, desk: Desk) -> None:
        key = send(desk, "ABC601XYZ.sbp", written.sbp(written.points(60, start=START - WEEK_ROLLOVER))).json["key"]
        for page in (desk.get(f"/hand-in/{key}").text, desk.get("/hand-in").text):
            assert '<option value="ABC601XYZ" selected>' in page
            assert "choose a sailor" not in page

    def test_a_track_with_an_owner_can_be_taken_from_it(self, desk: Desk) -> None:
        key = send(desk, "ABC601XYZ.sbp").json["key"]
        assert '<option value="">unassigned</option>' in desk.get(f"/hand-in/{key}").text
        assert "it waits for an owner" in self.say(desk, key, do="owner", file_id="").text

    def test_no_other_sailor_is_suggested_for_an_owner_who_has_left_the_roster(self, desk: Desk) -> None:
        key = send(desk, "ABC602XYZ.sbp").json["key"]
        desk.event.people[1]["File ID"] = "NEW602"
        desk.event.write_roster()
        desk.advance(10)
        page = desk.get(f"/hand-in/{key}").text
        assert '<option value="ABC602XYZ" selected>ABC602XYZ, who is not on the roster' in page
        assert page.count(" selected>") == 1
        got = self.say(desk, key, do="owner", file_id="ABC602XYZ")
        assert (got.status, "no File ID &#39;ABC602XYZ&#39; on the roster" in got.text) == (409, True)

    def test_it_decides_whether_a_track_counts(self, desk: Desk) -> None:
        key = send(desk, "ABC601XYZ.sbp").json["key"]
        assert "Not done: a reason is required." in self.say(desk, key, do="count 2022-10-19").text
        for what, counts in (("count", True), ("leave", False), ("rule", None)):
            assert "Done." in self.say(desk, key, do=f"{what} 2022-10-19", reason="wet").text
            assert reports(desk)[0]["days"][0]["counts"] is counts
        assert self.say(desk, key, do="count 2022-10-20", reason="wet").status == 409

    def test_nothing_is_done_without_the_token(self, desk: Desk) -> None:
        key = send(desk, "activity.sbp").json["key"]
        assert self.say(desk, key, "wrong", do="owner", file_id="ABC602XYZ").status == 401
        assert desk.event.tracks() == {}

    @pytest.mark.parametrize("do", ["", "count", "count yesterday", "burn 2022-10-19"])
    def test_another_command_is_refused(self, desk: Desk, do: str) -> None:
        key = send(desk, "ABC601XYZ.sbp").json["key"]
        assert self.say(desk, key, do=do, reason="wet").status == 400

    def test_an_unknown_key_is_refused(self, desk: Desk) -> None:
        assert desk.get("/hand-in/0123456789ab").status == 404
        assert self.say(desk, "0123456789ab", do="owner", file_id="ABC602XYZ").status in (404, 409)

    def test_the_true_date_after_a_week_rollover_is_told(self, desk: Desk) -> None:
        early = written.sbp(written.points(60, start=START - WEEK_ROLLOVER))
        got = send(desk, "ABC601XYZ.sbp", early).json
        assert "dated 2003-03-05, which is 2022-10-19 by the GPS week rollover" in got["why"]
        assert [day["day"] for day in got["days"]] == ["2022-10-19"]
        self.say(desk, got["key"], do="owner", file_id="ABC601XYZ")
        assert [(day["day"], day["track"]) for day in reports(desk)[0]["days"]] == [("2022-10-19", ADA)]
        best = desk.get("/api/v1/ranking?day=2022-10-19").json["disciplines"]["2s"]
        assert [place["file_id"] for place in best] == ["ABC601XYZ"]

    def test_doubts_of_a_track_are_told(self, desk: Desk) -> None:
        key = send(desk, "activity.gpx", written.gpx(written.points(60), elements="")).json["key"]
        for page in ("/hand-in", f"/hand-in/{key}"):
            assert "its speeds are made from positions, not measured (Doppler)" in desk.get(page).text


class TestDownloads:
    """Tracks that may hold health data need the token."""

    FIT = "ABC601XYZ_601_20221019_120000.fit"

    def files(self, desk: Desk, method: str, **headers: str) -> dict[str, bytes]:
        send(desk, "ABC601XYZ.fit", written.fit(written.points(60, rate=1)))
        send(desk, "ABC602XYZ.sbp")
        got = desk.ask(method, "/days/2022-10-19.zip", {} if method == "POST" else None, **headers)
        with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
            return {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}

    def test_a_day_leaves_them_out_and_says_so(self, desk: Desk) -> None:
        found = self.files(desk, "GET")
        assert sorted(found) == ["ABC602XYZ_602_20221019_120000.sbp", "left out.txt"]
        said = f"{self.FIT}: it may hold health data; it is in the file that needs the token\n"
        assert found["left out.txt"].decode() == said

    def test_a_day_has_them_with_the_token(self, desk: Desk) -> None:
        found = self.files(desk, "POST", Authorization=f"Bearer {desk.token}")
        assert sorted(found) == [self.FIT, "ABC602XYZ_602_20221019_120000.sbp"]

    def test_one_of_them_needs_the_token(self, desk: Desk) -> None:
        self.files(desk, "GET")
        path = f"/devices/601/tracks/{self.FIT}"
        assert desk.get(path).status == 403
        assert desk.ask("POST", path, {}).status == 401
        assert desk.ask("POST", path, {}, Authorization=f"Bearer {desk.token}").status == 200

    def test_the_content_tells_what_needs_it(self, desk: Desk) -> None:
        path = desk.event.root / ADA  # a FIT that somebody has copied into its folder as an SBP
        path.parent.mkdir()
        path.write_bytes(written.fit(written.points(60, rate=1)))
        desk.advance(10)
        assert reports(desk)[0]["kind"] == "fit"
        with zipfile.ZipFile(io.BytesIO(desk.get("/days/2022-10-19.zip").body)) as archive:
            assert archive.namelist() == ["left out.txt"]
        assert desk.get(f"/devices/601/tracks/{path.name}").status == 403


class TestDays:
    def test_the_pages_say_collected_by_a_backup(self, desk: Desk) -> None:
        send(desk, "ABC601XYZ.sbp", written.sbp(written.points(600)))
        page = desk.get("/days/2022-10-19").text
        assert "collected (backup)" in page
        assert "ABC601XYZ_601_20221019_120000.sbp</a> (handed in, nothing proves it)" in page
        counts = {day["day"]: day["backup"] for day in desk.get("/api/v1/days").json}
        assert counts["2022-10-19"] == 1
        (line,) = [line for line in desk.get("/api/v1/days/2022-10-19").json["lines"] if line["id"] == 601]
        assert line["state"] == "collected (backup)"
        best = desk.get("/api/v1/ranking?day=2022-10-19").json["disciplines"]["500m"]
        assert [(place["sailor"], bool(place["backup"])) for place in best] == [("Sailor 601", True)]

    def test_a_day_tells_of_tracks_without_an_owner(self, desk: Desk) -> None:
        said = '1 handed-in track has no owner: <a href="/hand-in">'
        key = send(desk, "activity.sbp").json["key"]
        assert said in desk.get("/days/2022-10-19").text
        assert said not in desk.get("/days/2022-10-18").text
        desk.command(f"hand-ins/{key}/owner", {"file_id": "ABC602XYZ", "who": "Ann"})
        assert said not in desk.get("/days/2022-10-19").text

    def test_speeds_that_are_made_from_positions_are_said_to_be(self, desk: Desk) -> None:
        send(desk, "ABC601XYZ.gpx", written.gpx(written.points(600), elements=""))
        send(desk, "ABC602XYZ.sbp", written.sbp(written.points(600)))
        best = desk.get("/api/v1/ranking?day=2022-10-19").json["disciplines"]["500m"]
        assert {place["sailor"]: place["doppler"] for place in best} == {"Sailor 601": False, "Sailor 602": True}
        assert 'backup</a><br><span class="hint">from positions</span>' in desk.get("/ranking?day=2022-10-19").text
        page = desk.get("/days/2022-10-19").text
        assert "ABC601XYZ_601_20221019_120000.gpx</a> (handed in, nothing proves it, speeds from positions)" in page
        assert "ABC602XYZ_602_20221019_120000.sbp</a> (handed in, nothing proves it)" in page
