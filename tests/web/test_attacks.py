"""Attacks on the board over real sockets: collecting goes on, and others are served. Benchmarks measure how well."""

from __future__ import annotations

from typing import Any

import pytest
import treq
from twisted.internet.defer import maybeDeferred
from twisted.web.client import Agent

from sse_twisted.web.connections import MAX_CONNECTIONS
from sse_twisted.web.service import WebService
from tests.benchmarks.attack import ATTACKS, ELSEWHERE, attacker
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import RealEvent, folder_in_memory

pytestmark = pytest.mark.slow

ROUNDS = 5  # requests of the other client


@pytest.mark.parametrize("name", list(ATTACKS))
@on_the_reactor
async def test_a_device_is_collected_and_others_are_served_during_an_attack(reactor: Any, name: str) -> None:
    with folder_in_memory() as root:
        event = RealEvent(reactor, root)
        event.device(601, log_of(601, fixes=20_000)).bytes_per_second = 500_000.0
        web = WebService(reactor, await event.start(), "tcp:0:interface=127.0.0.1", None)
        web.startService()
        port: Any = web.port
        place = port.getHost().port
        client = treq.client.HTTPClient(Agent(reactor, bindAddress=(ELSEWHERE, 0)))
        with attacker(name, place):
            await event.becomes(lambda: len(web._connections.protocols) >= 20, "attacked")
            await event.arrive()
            for _ in range(ROUNDS):
                for path in ("", "healthz"):
                    answer = await client.get(f"http://127.0.0.1:{place}/{path}")
                    assert answer.code == 200
                    await answer.content()
            await event.until("motion-601 can be disconnected")
            assert len(web._connections.protocols) <= MAX_CONNECTIONS
        await maybeDeferred(web.stopService)
        await event.close()
