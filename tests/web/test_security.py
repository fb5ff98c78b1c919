from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sse_twisted.web.security import TokenError, make_token, read_token
from tests.support.event import VirtualEvent
from tests.web.desk import PLACE, Desk

COMMANDS = (
    "rescan",
    "reload",
    "pause",
    "resume",
    "loglevel",
    "devices/601/retry",
    "devices/601/forget",
    "devices/601/fetch",
    "devices/601/waive",
    "devices/601/not-expected",
    "devices/601/expect",
    "roster/1a2b3c4d/confirm",
    "roster/1a2b3c4d/refuse",
    "courses/2022-10-17/decisions",
    "hand-ins/0123456789ab/owner",
    "hand-ins/0123456789ab/counts",
)
FORMS = {"/hand-in", "/hand-in/0123456789ab"}  # their token is a field


class TestCommands:
    def test_every_command_needs_the_token(self, desk: Desk) -> None:
        routes = {route.path for route in desk.web.router.routes if route.method == "POST"}
        others = ("/bundle.zip", "/days/2022-10-17.zip", "/hand-in/files", "/hand-in/serials")
        paths = [*(f"/api/v1/{command}" for command in COMMANDS), *others, "/devices/601/tracks/{track}"]
        places = {"601": "{identifier}", "1a2b3c4d": "{version}", "2022-10-17": "{day}", "0123456789ab": "{key}"}
        for example, name in places.items():
            routes = {route.replace(name, example) for route in routes}
        assert routes == {*paths, *FORMS}
        for path in paths:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {desk.token}"}):
                answer = desk.ask("POST", path, {}, **headers)
                assert answer.status == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
        assert not desk.collector.live.paused

    def test_the_token_allows_a_command(self, desk: Desk) -> None:
        assert desk.command("pause").json == {"done": True, "detail": ""}
        assert desk.collector.live.paused

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:8081"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_cross_site_requests_are_refused_even_with_the_token(self, desk: Desk, headers: dict[str, str]) -> None:
        assert desk.command("pause", **headers).status == 403
        assert not desk.collector.live.paused

    def test_same_origin_requests_are_allowed(self, desk: Desk) -> None:
        headers = {"Origin": f"http://{PLACE}", "Sec-Fetch-Site": "same-origin"}
        assert desk.command("pause", **headers).status == 200

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_media_types_of_html_forms_are_refused(self, desk: Desk, kind: str) -> None:
        assert desk.command("pause", b"{}", Content_Type=kind).status == 415
        assert not desk.collector.live.paused


class TestHost:
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "x@y", "[::"])
    def test_an_unknown_host_name_is_refused(self, desk: Desk, host: str) -> None:
        for path in ("/", "/api/v1/fleet", "/stream", "/metrics", "/nothing"):
            assert desk.get(path, Host=host).status == 421

    @pytest.mark.parametrize("host", ["127.0.0.1", "192.168.0.7:8080", "[fe80::1]:8080", "localhost", "LOCALHOST:8080"])
    def test_ip_addresses_and_localhost_are_allowed(self, desk: Desk, host: str) -> None:
        assert desk.get("/", Host=host).status == 200

    def test_host_names_of_the_settings_are_allowed(self, event: VirtualEvent) -> None:
        from sse_twisted.config.settings import Settings, Web

        event.settings = Settings(web=Web(hosts=("Bench.lan",)))
        desk = Desk(event)
        assert desk.get("/", Host="bench.lan:8080").status == 200
        assert desk.get("/", Host="lan").status == 421
        desk.close()


class TestResponses:
    @pytest.mark.parametrize("path", ["/", "/devices/601", "/nothing", "/api/v1/fleet", "/static/board.js"])
    def test_allow_nothing_foreign_and_nothing_inline(self, desk: Desk, path: str) -> None:
        answer = desk.get(path, Accept="text/html")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_pages_need_nothing_inline(self, desk: Desk) -> None:
        for path in ("/", "/devices/601", "/days/2022-10-17", "/ranking"):
            page = desk.get(path).text
            assert "style=" not in page
            assert " onclick" not in page
            assert "<style" not in page
            assert page.count("<script") == page.count('<script src="/static/')
            assert "//" not in page.replace("<!DOCTYPE html>", "")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"reason": 7}', b'{"other": 1}', b"\xff", b'{"reason": ""}'])
    def test_an_invalid_body_is_refused(self, desk: Desk, body: bytes) -> None:
        assert desk.command("devices/601/waive", body).status == 400

    def test_a_large_body_is_refused(self, desk: Desk) -> None:
        assert desk.command("devices/601/waive", b"x" * 70_000).status == 413
        assert desk.command("pause").status == 200

    def test_a_wrong_method_is_refused_with_the_right_one(self, desk: Desk) -> None:
        answer = desk.ask("DELETE", "/api/v1/fleet")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


class TestToken:
    def test_each_start_creates_a_private_token(self, tmp_path: Path) -> None:
        file = tmp_path / "state" / "web-token"
        first, second = make_token(file), make_token(file)
        assert first != second
        assert read_token(file) == second
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_token_file_is_used(self, event: VirtualEvent, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("correct-horse-battery\n")
        file.chmod(0o600)
        desk = Desk(event, file)
        assert desk.command("pause", Authorization="Bearer correct-horse-battery").status == 200
        desk.close()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
    def test_a_file_that_others_can_access_is_refused(self, tmp_path: Path, mode: int) -> None:
        file = tmp_path / "token"
        file.write_text("correct-horse-battery\n")
        file.chmod(mode)
        with pytest.raises(TokenError, match=r"other users can access .*: run chmod 600"):
            read_token(file)

    @pytest.mark.parametrize("text", ["", "short", "two words are no token", "ümläute-ümläute-ümläute"])
    def test_an_invalid_token_is_refused(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "token"
        file.write_text(text)
        file.chmod(0o600)
        with pytest.raises(TokenError, match="invalid token: expected one line of at least 16"):
            read_token(file)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(TokenError, match="No such file"):
            read_token(tmp_path / "token")
