from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater

from sse_twisted.config.settings import Settings, Web
from sse_twisted.fleet import Stage
from sse_twisted.web.board import PUSH_INTERVAL, Changes
from sse_twisted.web.service import WebService
from sse_twisted.web.stream import MAX_BLOCKED, MAX_ENCODED, MIN_AGE
from tests.simulator.wire import on_the_reactor
from tests.support.real_event import RealEvent, folder_in_memory
from tests.web.desk import Desk


def test_a_reader_receives_the_board_and_then_each_change(desk: Desk) -> None:
    listening = desk.listen()
    first = listening.boards[0]
    assert first["full"]
    assert [tile["id"] for tile in first["devices"]] == [601, 602]
    desk.know(602, stage=Stage.CONNECTED)
    second = listening.boards[1]
    assert not second["full"]
    assert [(tile["id"], tile["column"]) for tile in second["devices"]] == [(602, "working")]


def test_a_reconnecting_reader_receives_what_it_missed(desk: Desk) -> None:
    last = desk.listen().events[-1][0]
    desk.know(601, stage=Stage.CONNECTED)
    desk.know(601, stage=Stage.INSPECTING)
    again = desk.listen(Last_Event_ID=last)
    assert not again.boards[0]["full"]
    assert [(tile["id"], tile["stage"]) for tile in again.boards[0]["devices"]] == [(601, "inspecting")]


@pytest.mark.parametrize("last", ["0123abcd-1", "nonsense", "-", "é", "0123abcd-99999999999999999999"])
def test_a_reader_of_another_run_receives_the_whole_board(desk: Desk, last: str) -> None:
    assert desk.listen(Last_Event_ID=last).boards[0]["full"]


def test_a_reader_that_missed_nothing_receives_an_empty_change(desk: Desk) -> None:
    last = desk.listen().events[-1][0]
    again = desk.listen(Last_Event_ID=last)
    assert (again.boards[0]["full"], again.boards[0]["devices"]) == (False, [])


def test_the_page_continues_from_the_state_that_it_shows(desk: Desk) -> None:
    state = f"{desk.web.board.run}-{desk.web.board.number}"
    desk.know(601, stage=Stage.COLLECTED)
    (told,) = desk.listen(f"/stream?since={state}").boards
    assert (told["full"], [tile["column"] for tile in told["tiles"]]) == (False, ["switch-off"])


def test_a_collector_without_changes_sends_beats(desk: Desk) -> None:
    listening = desk.listen()
    desk.advance(11.0)
    beats = [data["now"] for _, kind, data in listening.events if kind == "beat"]
    assert len(beats) == 2
    assert desk.reactor.seconds() - beats[-1] < 5


def test_a_head_request_opens_no_stream(desk: Desk) -> None:
    assert desk.ask("HEAD", "/api/v1/events").status == 200
    assert len(desk.web.streams) == 0


def test_the_number_of_streams_is_limited(desk: Desk) -> None:
    desk.collector.live.change(settings=Settings(web=Web(streams=2)))
    desk.listen()
    desk.listen("/stream")
    refused = desk.get("/api/v1/events")
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")


def test_a_new_reader_takes_the_place_of_an_old_one(desk: Desk) -> None:
    desk.collector.live.change(settings=Settings(web=Web(streams=2)))
    first, second = desk.listen(), desk.listen("/stream")
    desk.advance(MIN_AGE)
    third = desk.listen()
    assert (first.ended, second.ended, third.ended) == (True, False, False)
    assert third.boards
    assert len(desk.web.streams) == 2


def test_readers_of_many_states_share_bounded_memory(desk: Desk) -> None:
    for number in range(MAX_ENCODED + 10):
        desk.know(601, battery=number % 90 + 1)

    def encode(changes: Changes) -> bytes:
        return b"x"

    for number in range(desk.web.board.number + 1):
        desk.web.streams.encoded(encode, number)
    assert len(desk.web.streams._encoded) <= MAX_ENCODED


def test_stopping_closes_all_streams(desk: Desk) -> None:
    listening = desk.listen()
    desk.close()
    assert listening.ended
    assert len(desk.web.streams) == 0


def test_a_blocked_reader_is_disconnected(desk: Desk) -> None:
    lazy, other = desk.listen(), desk.listen()
    reader = next(iter(desk.web.streams))
    reader.pauseProducing()
    desk.know(601, stage=Stage.CONNECTED)
    assert (len(lazy.boards), len(other.boards)) == (1, 2)
    desk.advance(MAX_BLOCKED)
    assert (lazy.ended, other.ended) == (True, False)
    assert reader not in desk.web.streams
    assert desk.event.said("is too slow: connection closed")


def test_a_reader_that_accepts_again_in_time_receives_what_it_missed(desk: Desk) -> None:
    listening = desk.listen()
    (reader,) = desk.web.streams
    reader.pauseProducing()
    desk.know(601, stage=Stage.CONNECTED)
    desk.advance(MAX_BLOCKED - 1)
    reader.resumeProducing()
    desk.advance(MAX_BLOCKED)
    assert (listening.ended, [tile["id"] for tile in listening.boards[1]["devices"]]) == (False, [601])


@pytest.mark.slow
@on_the_reactor
async def test_a_slow_reader_skips_to_the_latest_state(reactor: Any) -> None:
    """A real socket that takes little, and more changes than it takes."""
    with folder_in_memory() as root:
        event = RealEvent(reactor, root)
        for identifier in range(601, 901):
            event.person(identifier, last="2099-12-31")
        collector = await event.start()
        web = WebService(reactor, collector, "tcp:0:interface=127.0.0.1", None)
        web.startService()
        lazy = reader_that_takes_little(web)
        await event.becomes(lambda: len(web.streams) == 1, "a reader")
        (reader,) = web.streams
        told = 0
        while reader.known == web.board.number:
            told += 1
            assert told < 100, "it takes everything"
            for identifier in range(601, 901):
                collector.fleet.update(identifier, findings=(f"change {told}" * 1000,))
            await deferLater(reactor, 2 * PUSH_INTERVAL)
        assert reader.is_blocked
        known, state = reader.known, web.board.number
        for battery in (1, 2, 3):
            collector.fleet.update(601, battery=battery)
            await deferLater(reactor, 2 * PUSH_INTERVAL)
        assert web.board.number > state + 1
        state = web.board.number
        assert reader.known == known, "written to a connection that is full"
        received = bytearray()
        newest = b"id: %s-%d\n" % (web.board.run.encode(), state)
        await event.becomes(lambda: take(lazy, received) and newest in received, "told the newest state")
        assert b"id: %s-%d\n" % (web.board.run.encode(), state - 1) not in received
        lazy.close()
        await event.becomes(lambda: not len(web.streams), "forgotten")
        await maybeDeferred(web.stopService)
        await event.close()


def reader_that_takes_little(web: WebService) -> socket.socket:
    assert web.port is not None
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host: Any = web.port.getHost()
    reader.connect(("127.0.0.1", host.port))
    reader.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    reader.setblocking(False)
    return reader


def take(reader: socket.socket, received: bytearray) -> bool:
    with contextlib.suppress(BlockingIOError):
        received += reader.recv(1 << 20)
    return True
