"""The simulated router's name server, asked by Twisted's own resolver over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from twisted.internet.defer import TimeoutError as NoAnswer
from twisted.names import dns
from twisted.names.client import Resolver
from twisted.names.error import DNSNameError

from sse_twisted.simulator.dns import DnsMode, NameServer
from tests.simulator.wire import on_the_reactor


@asynccontextmanager
async def naming(reactor: Any, **options: Any) -> AsyncIterator[tuple[NameServer, Resolver]]:
    server = NameServer(reactor, **options)
    server.names["motion-601"] = "127.1.0.1"
    server.startService()
    try:
        yield server, Resolver(servers=[("127.0.0.1", server.port)], timeout=(1,), reactor=reactor)
    finally:
        await server.stopService()


async def look_up(resolver: Resolver, name: str) -> list[str]:
    answers, _, _ = await resolver.lookupAddress(name)
    return [answer.payload.dottedQuad() for answer in answers]


@on_the_reactor
async def test_a_known_name_has_its_address(reactor: Any) -> None:
    async with naming(reactor) as (_, resolver):
        assert await look_up(resolver, "motion-601") == ["127.1.0.1"]
        assert await look_up(resolver, "MOTION-601") == ["127.1.0.1"]


@on_the_reactor
async def test_an_unknown_name_does_not_exist(reactor: Any) -> None:
    async with naming(reactor) as (_, resolver):
        with pytest.raises(DNSNameError):
            await look_up(resolver, "motion-602")


@on_the_reactor
async def test_a_router_may_answer_every_name_with_an_address_of_its_own(reactor: Any) -> None:
    async with naming(reactor, mode=DnsMode.CATCH_ALL) as (_, resolver):
        assert await look_up(resolver, "motion-602") == ["10.10.10.10"]
        assert await look_up(resolver, "motion-601") == ["127.1.0.1"]


@on_the_reactor
async def test_a_router_may_keep_silent_about_unknown_names(reactor: Any) -> None:
    async with naming(reactor, mode=DnsMode.SILENCE) as (server, resolver):
        impatient = Resolver(servers=[("127.0.0.1", server.port)], timeout=(0.05,), reactor=reactor)
        with pytest.raises(NoAnswer):
            await look_up(impatient, "motion-602")
        assert server.queries["motion-602"] == 1
        assert await look_up(resolver, "motion-601") == ["127.1.0.1"]


@on_the_reactor
async def test_with_a_domain_a_bare_name_is_unknown(reactor: Any) -> None:
    async with naming(reactor, domain="lan") as (_, resolver):
        assert await look_up(resolver, "motion-601.lan") == ["127.1.0.1"]
        for name in ("motion-601", "motion-601.home", "motion-601.x.lan"):
            with pytest.raises(DNSNameError):
                await look_up(resolver, name)


@on_the_reactor
async def test_names_come_and_go_while_it_runs(reactor: Any) -> None:
    async with naming(reactor) as (server, resolver):
        server.names["motion-602"] = "127.1.0.2"
        assert await look_up(resolver, "motion-602") == ["127.1.0.2"]
        del server.names["motion-601"]
        with pytest.raises(DNSNameError):
            await look_up(resolver, "motion-601")


@on_the_reactor
async def test_a_known_name_has_no_address_of_another_kind(reactor: Any) -> None:
    async with naming(reactor) as (_, resolver):
        answers, _, _ = await resolver.lookupIPV6Address("motion-601")
        assert answers == []


@on_the_reactor
async def test_queries_are_counted_by_name(reactor: Any) -> None:
    async with naming(reactor) as (server, resolver):
        await look_up(resolver, "motion-601")
        await look_up(resolver, "Motion-601")
        assert server.queries == {"motion-601": 2}


def test_a_message_that_is_not_a_query_is_ignored() -> None:
    server = NameServer(None)
    response = dns.Message(id=1, answer=1)
    response.addQuery("motion-601")
    server.messageReceived(response, dns.DNSDatagramProtocol(server, reactor=object()), ("127.0.0.1", 53))
    server.messageReceived(dns.Message(id=2), dns.DNSDatagramProtocol(server, reactor=object()), ("127.0.0.1", 53))
    assert not server.queries
