"""What a response promises, and what of it is sent."""

from __future__ import annotations

import pytest
from attrs import evolve

from sse_twisted.simulator.responses import SILENT, Body, Ending, make_response

BODY = Body(b"start", b"piece", 7, b"end")
WHOLE = b"start" + b"piece" * 7 + b"end"
ANSWER = make_response(200, b"OK", BODY, b"text/plain")


def test_a_body_has_the_length_of_its_bytes() -> None:
    assert len(BODY) == len(bytes(BODY)) == len(WHOLE)
    assert bytes(BODY) == WHOLE


@pytest.mark.parametrize("size", [1, 2, 5, 11, 1000])
def test_chunks_are_the_body_and_never_larger_than_asked_for(size: int) -> None:
    chunks = list(BODY.chunks(size))
    assert b"".join(chunks) == WHOLE
    assert all(0 < len(chunk) <= size for chunk in chunks)


def test_a_body_of_200_megabytes_is_not_held() -> None:
    huge = Body(b"[0", b",0", 100_000_000, b"]")
    assert len(huge) == 200_000_003
    assert len(next(huge.chunks())) <= 65536


@pytest.mark.parametrize("cut", [0, 1, 5, 17, len(WHOLE), len(WHOLE) + 5])
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_nothing_is_sent_after_the_cut(cut: int, size: int) -> None:
    response = evolve(ANSWER, cut_at=cut, ending=Ending.CLOSE_EARLY)
    assert b"".join(response.sent(size)) == WHOLE[:cut]


@pytest.mark.parametrize("ending", sorted(SILENT, key=str))
def test_silence_has_neither_head_nor_body(ending: Ending) -> None:
    response = evolve(ANSWER, ending=ending)
    assert response.head == b""
    assert list(response.sent()) == []


def test_the_head_has_status_length_and_close() -> None:
    assert ANSWER.head == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 43\r\nConnection: close\r\n\r\n"
    )


def test_a_header_can_be_replaced_doubled_and_left_out() -> None:
    replaced = ANSWER.with_header(b"content-length", b"5").head
    assert b"content-length: 5\r\n" in replaced
    assert b"Content-Length" not in replaced
    doubled = ANSWER.with_header(b"Content-Length", b"5", b"6").head
    assert b"Content-Length: 5\r\nContent-Length: 6\r\n" in doubled
    assert b"Content-Length" not in ANSWER.with_header(b"Content-Length").head
