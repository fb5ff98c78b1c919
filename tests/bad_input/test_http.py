"""Answers that are no HTTP, or HTTP that no device should send."""

from __future__ import annotations

import gzip

import pytest

from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import RealEvent

LOG = log_of(601)
TRACK = LOG.content
LENGTH = len(TRACK)
OK = b"HTTP/1.1 200 OK\r\n"
LISTED = b"Content-Length: %d\r\n\r\n" % LENGTH


def chunked(content: bytes, size: int = 1000) -> bytes:
    """The bytes in chunks, and their end."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


NONSENSE = {
    "nothing": b"",
    "zeros": bytes(2000),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a status line": b"HTTP/1.1 2",
    "half a head": OK + b"Content-Type: appli",
    "no number": b"HTTP/1.1 okay OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "another version": b"HTTP/9.9 200 OK\r\n" + LISTED + TRACK[:100],
    "negative length": OK + b"Content-Length: -5\r\n\r\n" + TRACK,
    "a length of letters": OK + b"Content-Length: many\r\n\r\n" + TRACK,
    "an endless length": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + TRACK,
    "a header without colon": OK + b"nothing\r\n" + LISTED + TRACK[:100],
    "a header of escapes": OK + b"X-\x1b[2J: \x1b]0;title\x07\r\n" + LISTED + TRACK[:100],
    "a header that is too long": OK + b"X: " + b"x" * 100_000 + b"\r\n" + LISTED + TRACK,
    "a reason of escapes": b"HTTP/1.1 500 \x1b[2J\x07\xff\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "status 999": b"HTTP/1.1 999 ?\r\n\r\n",
    "a chunk without size": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + TRACK,
    "a negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + TRACK,
    "chunks without end": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TRACK)[:-5],
    "an unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\n" + gzip.compress(TRACK),
    "packed": OK
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(TRACK))
    + gzip.compress(TRACK),
    "a part that was not asked for": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-%d/%d\r\n"
    % (LENGTH - 1, LENGTH)
    + LISTED
    + TRACK[:-52]
    + bytes(52),
    "a part without a range": b"HTTP/1.1 206 Partial Content\r\n" + LISTED + TRACK,
    "a part of something": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 52-103/*\r\n\r\n",
}


@pytest.mark.parametrize("name", NONSENSE)
@on_the_reactor
async def test_an_answer_that_is_no_http_is_no_track(event: RealEvent, name: str) -> None:
    event.change(downloads={"timeout": 0.2})
    device = event.device(601, LOG)
    device.raw[LOG.path] = NONSENSE[name]
    await event.begin()
    await event.until("motion-601 must stay connected - 1 of 1 track missing (")
    await event.until("retry 2 in ")
    assert not event.tracks()
    device.raw.clear()
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("page", ["/info.json", "/logs.json"])
@pytest.mark.parametrize(
    "name", ["nothing", "zeros", "another protocol", "half a head", "negative length", "chunks without end"]
)
@on_the_reactor
async def test_an_answer_that_is_no_http_is_no_json(event: RealEvent, name: str, page: str) -> None:
    event.change(inspection={"timeout": 0.2})
    device = event.device(601, LOG)
    device.raw[page] = NONSENSE[name]
    await event.begin()
    await event.becomes(lambda: device.asked.count(page) >= 2, "asked again")
    assert not event.said("can be disconnected")
    device.raw.clear()
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TRACK),
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TRACK, 1),
        b"HTTP/1.0 200 OK\r\n\r\n" + TRACK,
        b"HTTP/1.1 200 \r\ncontent-length:%d\r\n\r\n" % LENGTH + TRACK,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LISTED + TRACK,
        OK + b"Content-Encoding: gzip\r\n" + LISTED + TRACK,
        OK + b"Set-Cookie: a=b; Domain=.example\r\nConnection: keep-alive\r\n" + LISTED + TRACK,
        OK + LISTED + TRACK + b"and more",
    ],
    ids=["chunked", "bytes", "old", "terse", "continued", "not packed", "kept alive", "more"],
)
@on_the_reactor
async def test_an_unusual_answer_is_taken(event: RealEvent, answer: bytes) -> None:
    device = event.device(601, LOG)
    device.raw[LOG.path] = answer
    await event.collect()
    assert event.contents() == [TRACK]
    assert not event.said("ERROR")


@on_the_reactor
async def test_a_connection_that_the_device_keeps_is_closed_by_us(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.hangs_on = True
    device.raw[LOG.path] = OK + b"Connection: keep-alive\r\n" + LISTED + TRACK
    await event.collect()
    assert event.contents() == [TRACK]
    await event.becomes(lambda: device.open_connections == 0, "left alone")


@on_the_reactor
async def test_the_page_of_an_error_is_not_waited_for(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.hangs_on = True
    device.raw[LOG.path] = b"HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n" + bytes(5_000_000)
    device.when_asked(LOG.path, device.raw.clear, nth=2)
    await event.collect()
    (line,) = event.said("must stay connected - 1 of 1 track missing (")
    assert "request refused (HTTP 500)" in line


@on_the_reactor
async def test_headers_without_end_are_cut_off(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.raw[LOG.path] = OK + b"X-Much: of it\r\n" * 5_000_000
    device.when_asked(LOG.path, device.raw.clear, nth=2)
    await event.collect()
    assert len(event.said(" failed - ")) == 1
    assert event.contents() == [TRACK]
