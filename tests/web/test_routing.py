"""Requests that no browser sends: each has a clear response, no internal error, and the next request is served."""

from __future__ import annotations

import hashlib
import re

import pytest

from sse_twisted.web.routing import MAX_BODY
from tests.support.courses import S1, write_courses
from tests.support.event import VirtualEvent
from tests.tracks import written
from tests.web.desk import PLACE, Desk
from tests.web.test_pages import TRACK

HOST = f"Host: {PLACE}\r\n".encode()
LAST = b"Connection: close\r\n"
HANDED_IN = written.sbp(written.points(60))
EXAMPLES = {
    "key": hashlib.sha256(HANDED_IN).hexdigest()[:12],
    "version": "1a2b3c4d",
    "identifier": "601",
    "day": "2022-10-17",
    "track": TRACK.removesuffix(".svg"),
    "name": "board.css",
    "entrant": "ABC601XYZ",
    "course": "S1",
}
ENDLESS = ("/stream", "/course-stream", "/api/v1/events")
BODIES = (
    b"",
    b"null",
    b"[]",
    b"1e999",
    b"NaN",
    b'"x"',
    b"{",
    b"\xff",
    b"{} {}",
    b"\xef\xbb\xbf{}",
    b'{"other": 1}',
    b'{"\xff": 1}',
    b"[" * (MAX_BODY - 1),
    b'{"a":' * 9000,
    b'{"reason": null, "track": null, "level": null}',
    *(b'{"%s": %s}' % (key, value) for key in (b"reason", b"track", b"level") for value in (b"1", b"[]", b"{}", b'""')),
    b'{"reason": "\\ud800"}',
    b'{"action": "course", "who": "Bob", "reason": "x", "course": "S1", "set": {"Start Line": [[1e999]]}}',
    b'{"action": "undo", "who": "Bob", "reason": "x", "undoes": 1}',
    b'{"track": "\\ud800"}',
    b'{"reason": "%s"}' % (b"x" * 201),
)


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(found[1]) if found else 0


def paths(desk: Desk, method: str) -> list[str]:
    """Of all routes, with something that is there for each parameter."""
    routes = (route for route in desk.web.router.routes if route.method == method)
    return [re.sub(r"\{(\w+)\}", lambda found: EXAMPLES[found[1]], route.path) for route in routes]


def command(desk: Desk, path: str, body: bytes, *headers: bytes) -> bytes:
    """The answer to a command whose body may be anything."""
    token = f"Authorization: Bearer {desk.token}\r\n".encode()
    kind, length = b"Content-Type: application/json\r\n", b"Content-Length: %d\r\n" % len(body)
    first = f"POST {path} HTTP/1.1\r\n".encode()
    return desk.talk(first, HOST, token, kind, length, *headers, b"\r\n", body)[0]


class TestMethods:
    def test_each_path_answers_head_like_get(self, busy: Desk) -> None:
        write_courses(busy.event.root, S1=S1)
        (busy.event.root / "hand-in/watch.sbp").write_bytes(HANDED_IN)
        busy.advance(8)
        for path in paths(busy, "GET"):
            request = f"HEAD {path} HTTP/1.1\r\n".encode()
            answer, ended = busy.talk(request, HOST, LAST, b"\r\n")
            assert (status(answer), ended) == (200, True), path
            assert answer.endswith(b"\r\n\r\n"), path

    @pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"FOO", b"get"])
    def test_other_methods_are_refused_everywhere(self, busy: Desk, method: bytes) -> None:
        for path in (*paths(busy, "GET"), *paths(busy, "POST")):
            answer, _ = busy.talk(method, f" {path} HTTP/1.1\r\n".encode(), HOST, LAST, b"\r\n")
            assert status(answer) == 405, path

    @pytest.mark.parametrize(
        "request_line",
        [b"G\xff\xfeT / HTTP/1.1", b"GET /", b"GET / HTTP/2.0", b"GET http://[ HTTP/1.1"],
    )
    def test_an_invalid_request_line_is_refused(self, busy: Desk, request_line: bytes) -> None:
        answer, _ = busy.talk(request_line, b"\r\n", HOST, LAST, b"\r\n")
        assert 400 <= status(answer) < 500


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        ["//", "/%00", "/%ff", "/%zz", "/static/..%2fboard.css", "/../etc/passwd", "/devices/601/%00.svg"]
        + [f"/devices/{number}" for number in ("0", "-1", "+601", "1e3", "6_01", "601%20", "9" * 5000)]
        + [f"/days/{day}" for day in ("0000-00-00", "2022-02-30", "10000-01-01", "2022-10-17T00:00", "20221017")],
    )
    def test_an_unknown_path_is_not_found(self, busy: Desk, path: str) -> None:
        answer, _ = busy.talk(f"GET {path} HTTP/1.1\r\n".encode(), HOST, LAST, b"\r\n")
        assert status(answer) == 404

    @pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
    def test_the_first_and_last_possible_day_are_valid(self, busy: Desk, day: str) -> None:
        for path in (f"/days/{day}", f"/days/{day}.csv", f"/api/v1/days/{day}", f"/ranking?day={day}"):
            assert busy.get(path).status == 200

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("day=%ff", 400),
            ("day=2022-10-17%00", 400),
            ("day=2022-10-17&day=x", 400),
            ("day=1666008000", 400),
            ("day", 200),
            ("%ff=%ff", 200),
            ("&" * 9000, 200),
            ("a=1&" * 3000, 200),
        ],
    )
    def test_an_odd_query_is_accepted_or_refused(self, busy: Desk, query: str, expected: int) -> None:
        answer, _ = busy.talk(f"GET /api/v1/tracks?{query} HTTP/1.1\r\n".encode(), HOST, LAST, b"\r\n")
        assert status(answer) == expected


class TestHeaders:
    @pytest.mark.parametrize("origin", [b"http://[", b"http://[::1", b"\xff", b"//", b"127.0.0.1:8080"])
    def test_an_invalid_origin_is_refused(self, busy: Desk, origin: bytes) -> None:
        assert status(command(busy, "/api/v1/pause", b"{}", b"Origin: ", origin, b"\r\n")) == 403

    def test_two_host_headers_are_refused(self, busy: Desk) -> None:
        answer, _ = busy.talk(b"GET / HTTP/1.1\r\nHost: evil.example\r\n", HOST, LAST, b"\r\n")
        assert answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")

    @pytest.mark.parametrize(
        "line",
        [
            b"Range: bytes=0-1",
            b"Range: bytes=99999999-",
            b"If-None-Match: \xff",
            b"If-Modified-Since: x",
            b"Cookie: ;=;",
            b"Authorization: \xff\xff",
            b"Accept: \xff",
            b"Expect: x",
            b"Upgrade: websocket",
            b"Sec-Fetch-Site: \xff",
        ],
    )
    def test_unsupported_headers_are_ignored(self, busy: Desk, line: bytes) -> None:
        for path in (b"/static/board.css", b"/api/v1/fleet"):
            answer, _ = busy.talk(b"GET ", path, b" HTTP/1.1\r\n", HOST, line, b"\r\n", LAST, b"\r\n")
            assert status(answer) == 200

    @pytest.mark.parametrize("known", ["{tag}", '"x" {tag}', "*"])
    def test_a_cached_file_is_not_modified_and_has_no_length(self, busy: Desk, known: str) -> None:
        tag = busy.get("/static/board.css").headers["etag"]
        again = busy.get("/static/board.css", If_None_Match=known.format(tag=tag))
        assert (again.status, again.body) == (304, b"")
        assert "content-length" not in again.headers

    @pytest.mark.parametrize(
        ("taken", "packed"),
        [("gzip", True), ("br, gzip", True), ("gzip;q=0", False), ("gzip; q=0.00", False), ("x-gzip", False)],
    )
    def test_a_response_is_compressed_if_the_client_accepts_it(self, busy: Desk, taken: str, packed: bool) -> None:
        answer, _ = busy.talk(
            b"GET /static/board.css HTTP/1.1\r\n", HOST, LAST, f"Accept-Encoding: {taken}\r\n\r\n".encode()
        )
        assert (b"Content-Encoding: gzip" in answer) is packed


class TestBodies:
    def test_every_command_refuses_an_invalid_body(self, busy: Desk) -> None:
        before = len(busy.event.lines)
        forms = re.compile(r"/hand-in(/files|/[0-9a-f]{12})?")  # their bodies are files and fields
        for path in (path for path in paths(busy, "POST") if not forms.fullmatch(path)):
            for body in BODIES:
                answer = command(busy, path, body)
                assert status(answer) == 400, (path, body[:40])
                assert answer.rpartition(b"\r\n\r\n")[2].startswith(b'{"status":400,"detail":"')
        assert all(" asked for POST " in line for line in busy.event.lines[before:])

    @pytest.mark.parametrize("track", ["\\u0000", "../../etc/passwd", "/logs/\\n\\u001b[31m", "{device}"])
    def test_text_of_a_command_cannot_forge_log_lines(self, busy: Desk, track: str) -> None:
        answer = command(busy, "/api/v1/devices/601/fetch", b'{"track": "%s"}' % track.encode())
        assert status(answer) == 409
        assert b"has no track" in answer

    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            (b"Content-Length: -1", 400),
            (b"Content-Length: x", 400),
            (b"Content-Length: 2\r\nContent-Length: 3", 400),
            (b"Transfer-Encoding: gzip", 400),
            (b"Content-Type: multipart/form-data\r\nContent-Length: 2", 400),
            (b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2", 415),
        ],
    )
    def test_a_body_of_another_media_type_is_refused(self, busy: Desk, head: bytes, expected: int) -> None:
        token = f"Authorization: Bearer {busy.token}\r\n".encode()
        answer, _ = busy.talk(b"POST /api/v1/pause HTTP/1.1\r\n", HOST, token, head, b"\r\n\r\n{}")
        assert status(answer) == expected
        assert not busy.collector.live.paused

    @pytest.mark.parametrize("method", [b"POST", b"GET"])
    def test_an_endless_chunked_body_is_cut_off(self, busy: Desk, method: bytes) -> None:
        pieces = [b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 5
        answer, ended = busy.talk(method, b" / HTTP/1.1\r\n", HOST, b"Transfer-Encoding: chunked\r\n\r\n", *pieces)
        assert (status(answer), ended) == (413, True)

    @pytest.mark.parametrize(
        "beginning",
        [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"],
    )
    def test_an_unfinished_request_times_out(self, busy: Desk, beginning: bytes) -> None:
        _, ended = busy.talk(beginning, seconds=120.0)
        assert ended


class TestStreams:
    @pytest.mark.parametrize("path", ENDLESS)
    def test_an_invalid_last_event_id_receives_the_whole_board(self, busy: Desk, path: str) -> None:
        run = busy.web.board.run.encode()
        odd = [
            b"",
            b"-",
            b"\xff",
            b"x-1",
            b"x" * 10_000,
            run,
            run + b"--1",
            run + b"-" + b"9" * 18,
            run + b"-" + b"9" * 400,
        ]
        odd += [run + b"-1_0", run + b"- 1 ", run + "-\u0663".encode()]
        for last in odd:
            answer, ended = busy.talk(f"GET {path} HTTP/1.1\r\n".encode(), HOST, b"Last-Event-ID: ", last, b"\r\n\r\n")
            assert (status(answer), ended) == (200, False)
            assert b'"full":true' in answer, last
        assert len(busy.web.streams) == 0

    def test_a_request_behind_a_stream_blocks_nothing(self, busy: Desk) -> None:
        both = (b"GET /stream HTTP/1.1\r\n", HOST, b"\r\nGET /healthz HTTP/1.1\r\n", HOST, b"\r\n")
        answer, ended = busy.talk(*both)
        assert (answer.count(b"HTTP/1.1 200 OK"), ended) == (1, False)
        assert busy.get("/healthz").status == 200


def test_garbage_on_the_socket_harms_nothing(event: VirtualEvent) -> None:
    desk = Desk(event)
    for garbage in (b"\0" * 10_000, b"\r\n" * 10_000, b"GET " * 10_000, b"a: b\r\n" * 10_000):
        desk.talk(garbage)
    assert desk.get("/readyz").status == 200
    desk.close()
