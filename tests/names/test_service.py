from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent
from twisted.names import dns

from sse_twisted.names.client import NameClient
from sse_twisted.names.service import NameService
from sse_twisted.names.system import SystemNames, read_system_names
from sse_twisted.settings import Names
from sse_twisted.simulator.dns import DnsMode, NameServer
from tests.simulator.wire import on_the_reactor

ROUTER, OTHER = ("192.168.0.1", 53), ("192.168.0.2", 53)
NOBODY = Names(resolver_file="", hosts_file="")


@define
class Wire:
    """A UDP port that keeps what is sent."""

    sent: list[tuple[bytes, tuple[str, int]]] = field(factory=list)
    error: OSError | None = None

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((datagram, address))


@define
class Asking:
    """A client whose questions a test answers."""

    clock: Clock = field(factory=Clock)
    wire: Wire = field(factory=Wire)
    results: list[Any] = field(factory=list)
    client: NameClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = NameClient(self.clock)
        self.client.transport = cast(Any, self.wire)

    def ask(self, *names: str, servers: tuple[tuple[str, int], ...] = (ROUTER,)) -> Deferred[str | None]:
        found = self.client.ask(names or ("motion-601",), servers, 1.0, lambda address: address != "10.10.10.10")
        found.addBoth(self.results.append)
        return found

    def answer(self, *addresses: str, to: int = 0, sender: tuple[str, int] | None = None, **changes: Any) -> None:
        question, server = self.wire.sent[to]
        self.client.datagramReceived(reply(question, *addresses, **changes), sender or server)


def reply(question: bytes, *addresses: str, code: int = dns.OK, asked: str = "", truncated: bool = False) -> bytes:
    message = dns.Message()
    message.fromStr(question)
    message.answer, message.rCode, message.trunc = 1, code, int(truncated)
    if asked:
        message.queries = [dns.Query(asked.encode(), dns.A)]
    name = message.queries[0].name.name
    message.answers = [dns.RRHeader(name, dns.A, dns.IN, 60, dns.Record_A(address)) for address in addresses]
    return message.toStr()


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor as installed

    return installed


def no_log() -> Logger:
    return Logger(namespace="test", observer=cast(ILogObserver, lambda event: None))


class TestTheFiles:
    def read(self, folder: Path, resolver: str | bytes = "", hosts: str | bytes = "") -> SystemNames:
        paths = folder / "resolv.conf", folder / "hosts"
        for path, text in zip(paths, (resolver, hosts), strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_system_names(*map(str, paths))

    def test_servers_and_domains(self, tmp_path: Path) -> None:
        text = "# of a router\nnameserver 192.168.0.1 # it\n\n nameserver\t192.168.0.2\noptions x\nsearch lan home."
        assert self.read(tmp_path, text) == SystemNames((ROUTER, OTHER), ("lan", "home"))

    @pytest.mark.parametrize("line", ["nameserver", "nameserver fe80::1%wlan0", "nameserver ::1", "nameserver router"])
    def test_what_is_no_ipv4_address_is_no_server(self, tmp_path: Path, line: str) -> None:
        assert self.read(tmp_path, f"{line}\nnameserver 192.168.0.1\n").servers == (ROUTER,)

    @pytest.mark.parametrize(
        ("text", "search"),
        [
            ("search a\nsearch b", ("b",)),
            ("search a\ndomain b", ("b",)),
            ("domain a", ("a",)),
            ("search .lan. .", ("lan",)),
            ("search ~. a/b lan", ("lan",)),
            ("search", ()),
            ("; search lan", ()),
            ("SEARCH lan", ()),
        ],
    )
    def test_the_last_line_with_domains_counts(self, tmp_path: Path, text: str, search: tuple[str, ...]) -> None:
        assert self.read(tmp_path, text).search == search

    def test_hosts(self, tmp_path: Path) -> None:
        hosts = "127.0.0.1 localhost\n::1 motion-601\n10.0.0.1\tMotion-601 motion-601.lan # x\n10.0.0.2 motion-601\nx y"
        assert self.read(tmp_path, hosts=hosts).hosts == {
            "localhost": "127.0.0.1",
            "motion-601": "10.0.0.1",
            "motion-601.lan": "10.0.0.1",
        }

    def test_what_is_missing_or_no_file_says_nothing(self, tmp_path: Path) -> None:
        for path in ("", str(tmp_path / "none"), str(tmp_path), str(tmp_path / "none" / "none")):
            assert read_system_names(path, path) == SystemNames()

    @given(st.binary(max_size=200))
    def test_any_bytes_can_be_read(self, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
        system = self.read(tmp_path_factory.getbasetemp(), b"nameserver 1.2.3.4\n" + data, data + b"\n1.2.3.4 a")
        assert ("1.2.3.4", 53) in system.servers
        assert system.hosts["a"]


class TestAnAnswer:
    def test_gives_the_address(self, asking: Asking) -> None:
        asking.ask()
        asking.clock.advance(0.5)
        asking.answer("10.0.0.1", "10.0.0.2")
        assert asking.results == ["10.0.0.1"]
        assert asking.client.answered_at == 0.5
        assert asking.clock.getDelayedCalls() == []

    def test_that_there_is_no_such_name_is_enough_of_one_server(self, asking: Asking) -> None:
        asking.ask()
        asking.answer(code=dns.ENAME)
        assert asking.results == [None]
        assert asking.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("code", [dns.ENAME, dns.ESERVER, dns.EREFUSED, dns.EFORMAT])
    def test_without_an_address_leaves_it_to_the_other_servers_and_domains(self, asking: Asking, code: int) -> None:
        asking.ask("motion-601", "motion-601.lan", servers=(ROUTER, OTHER))
        assert [server for _, server in asking.wire.sent] == [ROUTER, OTHER, ROUTER, OTHER]
        for number in range(3):
            asking.answer(code=code, to=number)
            assert asking.results == []
        asking.answer("10.0.0.1", to=3)
        assert asking.results == ["10.0.0.1"]

    def test_with_an_address_is_enough(self, asking: Asking) -> None:
        asking.ask("motion-601", "motion-601.lan", servers=(ROUTER, OTHER))
        asking.answer("10.0.0.1", to=2)
        asking.answer("10.0.0.2", to=1)
        assert asking.results == ["10.0.0.1"]

    def test_of_a_router_that_knows_everything_means_absent(self, asking: Asking) -> None:
        asking.ask()
        asking.answer("10.10.10.10")
        asking.ask()
        asking.answer("10.10.10.10", "10.0.0.1", to=1)
        assert asking.results == [None, "10.0.0.1"]

    def test_may_stay_away_for_as_long_as_the_time_out(self, asking: Asking) -> None:
        asking.ask(servers=(ROUTER, OTHER))
        asking.answer(code=dns.ENAME)
        asking.clock.advance(0.999)
        assert asking.results == []
        asking.clock.advance(0.001)
        assert asking.results == [None]
        asking.answer("10.0.0.1", to=1)
        assert asking.results == [None]

    @pytest.mark.parametrize("stranger", [("192.168.0.9", 53), ("192.168.0.1", 54), ("192.168.0.1", 5353)])
    def test_of_a_stranger_is_none(self, asking: Asking, stranger: tuple[str, int]) -> None:
        asking.ask()
        asking.answer("6.6.6.6", sender=stranger)
        assert asking.client.answered_at == float("-inf")
        asking.answer("10.0.0.1")
        assert asking.results == ["10.0.0.1"]

    @pytest.mark.parametrize("asked", ["motion-602", "motion-601.lan", "otion-601", "motion-6011"])
    def test_to_another_question_is_none(self, asking: Asking, asked: str) -> None:
        asking.ask()
        asking.answer("6.6.6.6", asked=asked)
        asking.answer("10.0.0.1")
        assert asking.results == ["10.0.0.1"]

    def test_with_another_number_is_none(self, asking: Asking) -> None:
        asking.ask()
        question, server = asking.wire.sent[0]
        answer = reply(question, "6.6.6.6")
        asking.client.datagramReceived(bytes((answer[0] ^ 1, answer[1])) + answer[2:], server)
        assert asking.results == []
        asking.client.datagramReceived(reply(question, "10.0.0.1"), server)
        assert asking.results == ["10.0.0.1"]

    def test_that_comes_twice_counts_once(self, asking: Asking) -> None:
        asking.ask(servers=(ROUTER, OTHER))
        for _ in range(3):
            asking.answer(code=dns.ENAME)
        assert asking.results == []
        asking.answer("10.0.0.1", to=1)
        assert asking.results == ["10.0.0.1"]

    def test_that_is_cut_gives_what_is_there(self, asking: Asking) -> None:
        asking.ask()
        question, server = asking.wire.sent[0]
        whole = reply(question, "10.0.0.1", "10.0.0.2", truncated=True)
        asking.client.datagramReceived(whole[:-3], server)
        assert asking.results == ["10.0.0.1"]

    def test_that_is_cut_before_its_first_address_gives_none(self, asking: Asking) -> None:
        for length in range(28, 44):
            asking.ask()
            question, server = asking.wire.sent[-1]
            asking.client.datagramReceived(reply(question, "10.0.0.1")[:length], server)
        assert asking.results == [None] * 16

    def test_may_lead_over_other_names(self, asking: Asking) -> None:
        asking.ask()
        message = dns.Message()
        message.fromStr(asking.wire.sent[0][0])
        message.answer = 1
        message.answers = [
            dns.RRHeader(b"motion-601", dns.CNAME, dns.IN, 60, dns.Record_CNAME(b"espressif.lan")),
            dns.RRHeader(b"espressif.lan", dns.AAAA, dns.IN, 60, dns.Record_AAAA("::1")),
            dns.RRHeader(b"espressif.lan", dns.A, dns.IN, 60, dns.Record_A("10.0.0.1")),
        ]
        asking.client.datagramReceived(message.toStr(), ROUTER)
        assert asking.results == ["10.0.0.1"]

    @given(st.binary(max_size=100), st.booleans())
    def test_of_any_bytes_is_survived(self, rubbish: bytes, answers: bool) -> None:
        asking = Asking()
        asking.ask()
        asking.client.datagramReceived(rubbish, ROUTER)
        assert asking.results == []
        question = asking.wire.sent[0][0]
        counts = b"\0\1\0\5\0\0\0\0" if answers else rubbish[:8].ljust(8, b"\0")
        asking.client.datagramReceived(question[:2] + b"\x81\x80" + counts + question[12:] + rubbish, ROUTER)
        assert len(asking.results) == 1


class TestALateAnswer:
    """One that comes when whoever asked has been told that there is none."""

    def come_late(self, asking: Asking, *addresses: str, after: float = 1.2) -> None:
        asking.ask()
        asking.clock.advance(after)
        asking.answer(*addresses, to=-1)
        assert asking.results.pop() is None

    def test_is_given_at_once_to_who_asks_next(self, asking: Asking) -> None:
        self.come_late(asking, "10.0.0.1")
        asking.ask("motion-602")
        assert asking.results == []
        asking.ask()
        assert asking.results == ["10.0.0.1"]
        assert len(asking.wire.sent) == 3

    @pytest.mark.parametrize("interval", [1.5, 2.0, 5.0])
    @pytest.mark.parametrize("latency", [1.2, 3.0, 9.0])
    def test_serves_for_as_long_as_the_server_is_slow(self, asking: Asking, interval: float, latency: float) -> None:
        for _ in range(40):
            asking.ask()
            asking.clock.callLater(latency, asking.answer, "10.0.0.1", to=len(asking.wire.sent) - 1)
            asking.clock.pump([interval / 10] * 10)
        asking.clock.advance(1)
        assert len(asking.results) == 40
        first = asking.results.index("10.0.0.1")
        assert first <= (latency + 1) / interval + 1
        assert set(asking.results[first:]) == {"10.0.0.1"}

    def test_is_replaced_by_the_next_one(self, asking: Asking) -> None:
        self.come_late(asking, "10.0.0.1")
        asking.ask()
        asking.clock.advance(1.2)
        asking.answer("10.0.0.2", to=-1)
        asking.ask()
        assert asking.results == ["10.0.0.1", "10.0.0.2"]

    @pytest.mark.parametrize("address", [("10.0.0.2",), (), ("10.10.10.10",)])
    def test_serves_no_more_once_the_server_is_quick(self, asking: Asking, address: tuple[str, ...]) -> None:
        self.come_late(asking, "10.0.0.1")
        asking.ask()
        asking.answer(*address, to=-1)
        asking.ask()
        assert asking.results == ["10.0.0.1"]
        asking.answer("10.0.0.3", to=-1)
        assert asking.results == ["10.0.0.1", "10.0.0.3"]

    def test_that_there_is_no_such_name_ends_it(self, asking: Asking) -> None:
        self.come_late(asking, "10.0.0.1")
        asking.ask()
        asking.clock.advance(1.2)
        asking.answer(code=dns.ENAME, to=-1)
        asking.ask()
        assert asking.results == ["10.0.0.1"]

    def test_of_a_router_that_knows_everything_is_none(self, asking: Asking) -> None:
        self.come_late(asking, "10.10.10.10")
        asking.ask()
        assert asking.results == []

    def test_serves_for_a_minute_at_most(self, asking: Asking) -> None:
        self.come_late(asking, "10.0.0.1")
        asking.clock.advance(60.0)
        asking.ask()
        assert asking.results == []

    def test_is_awaited_for_ten_seconds_at_most(self, asking: Asking) -> None:
        self.come_late(asking, after=10.0)
        asking.ask()
        asking.clock.advance(10.0)
        asking.ask("motion-602")
        asking.answer("10.0.0.1", to=1)
        asking.results.clear()
        asking.ask()
        assert asking.results == []

    def test_of_two_servers_is_waited_for_though_the_other_knows_nothing(self, asking: Asking) -> None:
        asking.ask(servers=(ROUTER, OTHER))
        asking.answer(code=dns.ENAME)
        asking.clock.advance(1.2)
        asking.answer("10.0.0.1", to=1)
        asking.ask()
        assert asking.results == [None, "10.0.0.1"]

    def test_is_not_awaited_once_the_question_is_taken_back(self, asking: Asking) -> None:
        asking.ask().cancel()
        asking.clock.advance(1.2)
        asking.answer("10.0.0.1")
        asking.results.clear()
        asking.ask()
        assert asking.results == []

    def test_is_not_awaited_after_the_end(self, asking: Asking) -> None:
        asking.ask()
        asking.clock.advance(1.2)
        asking.client.stopProtocol()
        asking.answer("10.0.0.1")
        asking.results.clear()
        asking.ask()
        assert asking.results == []

    def test_is_awaited_for_so_many_names_only(self, asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sse_twisted.names.client.MOST_ASKED", 100)
        for number in range(150):
            asking.ask(f"motion-{number}", "motion-lan")
            asking.clock.advance(0.03)
        asking.clock.advance(1.0)
        assert asking.results == [None] * 150
        for number in range(150):
            asking.answer(f"10.0.0.{number}", to=2 * number)
        asking.results.clear()
        for number in range(90, 150):
            asking.ask(f"motion-{number}", "motion-lan")
        assert asking.results == [f"10.0.0.{number}" for number in range(100, 150)]

    def test_of_one_too_many_is_not_even_asked_for(self, asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sse_twisted.names.client.MOST_ASKED", 3)
        for number in range(5):
            asking.ask(f"motion-{number}")
        assert asking.results == [None, None]
        asking.answer("10.0.0.1")
        asking.ask("motion-7")
        asking.answer("10.0.0.7", to=-1)
        assert asking.results == [None, None, "10.0.0.1", "10.0.0.7"]


def trouble_of(service: NameService) -> str:
    return service.trouble


class TestSilence:
    """A service whose questions nobody answers unless the test does; its rounds are 2 s apart."""

    @pytest.fixture
    def service(self) -> NameService:
        service = NameService(Clock(), no_log(), lambda: Names(servers=("192.168.0.1",), hosts_file=""))
        service.client.transport = cast(Any, Wire())
        service._socket = object()
        service.refresh()
        return service

    def rounds(self, service: NameService, count: int) -> list[bytes]:
        """Ask for a device in each round; gives the questions."""
        wire = cast(Any, service.client.transport)
        for _ in range(count):
            service.refresh()
            service.lookup("motion-601")
            cast(Any, service)._reactor.advance(2.0)
        return [question for question, _ in wire.sent]

    def answer(self, service: NameService, question: bytes) -> None:
        service.client.datagramReceived(reply(question, code=dns.ENAME), ROUTER)

    def test_it_is_a_trouble_after_a_while(self, service: NameService) -> None:
        self.rounds(service, 4)
        assert not trouble_of(service)
        self.rounds(service, 2)
        assert trouble_of(service) == "no name server has answered for 12 s"

    def test_an_answer_ends_it_even_if_it_says_that_nobody_is_there(self, service: NameService) -> None:
        self.rounds(service, 6)
        service.lookup("motion-601")
        self.answer(service, cast(Any, service.client.transport).sent[-1][0])
        assert not trouble_of(service)

    def test_a_server_that_does_not_answer_for_the_absent_is_asked_for_what_it_knows(
        self, service: NameService
    ) -> None:
        wire = cast(Any, service.client.transport)
        for _ in range(10):
            service.refresh()
            for question, _ in wire.sent:
                if b"localhost" in question:
                    self.answer(service, question)
            self.rounds(service, 1)
        assert not trouble_of(service)

    def test_who_is_asked_nothing_need_not_answer(self, service: NameService) -> None:
        cast(Any, service)._reactor.advance(100.0)
        assert not trouble_of(service)

    def test_without_a_server_nobody_can_be_asked(self) -> None:
        service = NameService(Clock(), no_log(), lambda: Names(hosts_file="", resolver_file=""))
        service._socket = object()
        service.refresh()
        assert not trouble_of(service)
        service.lookup("motion-601")
        assert trouble_of(service) == "no name server is known"


class TestAQuestion:
    def test_is_one_for_an_ipv4_address(self, asking: Asking) -> None:
        asking.ask("motion-601.lan")
        message = dns.Message()
        message.fromStr(asking.wire.sent[0][0])
        assert (message.answer, message.recDes) == (0, 1)
        assert message.queries == [dns.Query(b"motion-601.lan", dns.A, dns.IN)]

    def test_has_a_number_that_nobody_can_guess(self, asking: Asking) -> None:
        for _ in range(300):
            asking.ask()
        numbers = [int.from_bytes(datagram[:2]) for datagram, _ in asking.wire.sent]
        assert len(set(numbers)) == 300
        assert max(numbers) - min(numbers) > 30_000
        asking.clock.advance(1)

    def test_that_nobody_can_be_asked_has_no_answer(self, asking: Asking) -> None:
        asking.ask(servers=())
        asking.wire.error = OSError(101, "Network is unreachable")
        asking.ask()
        assert asking.results == [None, None]
        assert asking.clock.getDelayedCalls() == []

    def test_can_be_taken_back(self, asking: Asking) -> None:
        asking.ask().cancel()
        assert asking.results[0].type is CancelledError
        assert asking.clock.getDelayedCalls() == []
        asking.answer("10.0.0.1")
        assert len(asking.results) == 1

    def test_that_is_open_at_the_end_has_no_answer(self, asking: Asking) -> None:
        asking.ask("motion-601", "motion-601.lan", servers=(ROUTER, OTHER))
        asking.ask("motion-602")
        asking.client.stopProtocol()
        assert asking.results == [None, None]
        assert asking.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("name", ["a..b", "x" * 64, ".", "motion-601." + "x" * 64])
    def test_that_can_not_be_asked_has_no_answer(self, asking: Asking, name: str) -> None:
        """A search domain with a slip of the pen must not stop the search for all devices."""
        asking.ask(name, "motion-601")
        asking.answer("10.0.0.1", to=-1)
        assert asking.results == ["10.0.0.1"]


@define
class Scene:
    """A service that asks servers on loopback."""

    service: NameService
    settings: Names
    lines: list[str]

    async def look_up(self, *names: str) -> list[str | None]:
        self.service.refresh()
        found = await DeferredList([self.service.lookup(name) for name in names], fireOnOneErrback=True)
        return [address for _, address in found]


@asynccontextmanager
async def looking_up(reactor: Any, **settings: Any) -> AsyncIterator[Scene]:
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    def in_force() -> Names:
        return scene.settings

    names = Names(**{"resolver_file": "", "hosts_file": "", "search": ()} | settings)
    log = Logger(namespace="test", observer=cast(ILogObserver, note))
    scene = Scene(NameService(reactor, log, in_force), names, lines)
    scene.service.startService()
    try:
        yield scene
    finally:
        await cast(Deferred[None], scene.service.stopService())


@asynccontextmanager
async def router(reactor: Any, **options: Any) -> AsyncIterator[NameServer]:
    server = NameServer(reactor, **options)
    server.names |= {"motion-601": "127.1.0.1", "motion-602": "127.1.0.2"}
    server.startService()
    try:
        yield server
    finally:
        await server.stopService()


def place(server: NameServer) -> str:
    return f"127.0.0.1:{server.port}"


@on_the_reactor
async def test_names_are_looked_up_all_at_once(reactor: Any) -> None:
    async with router(reactor) as server, looking_up(reactor, servers=(place(server),)) as scene:
        names = [f"motion-{number}" for number in range(600, 700)]
        assert await scene.look_up(*names) == [None, "127.1.0.1", "127.1.0.2"] + [None] * 97
        assert set(server.queries.values()) == {1}


@on_the_reactor
async def test_a_name_is_known_below_a_search_domain(reactor: Any) -> None:
    async with router(reactor, domain="lan") as server:
        async with looking_up(reactor, servers=(place(server),), search=("home", "lan")) as scene:
            assert await scene.look_up("motion-601", "motion-603", "motion-601.lan") == ["127.1.0.1", None, "127.1.0.1"]
        async with looking_up(reactor, servers=(place(server),), search=()) as scene:
            assert await scene.look_up("motion-601") == [None]


@on_the_reactor
async def test_any_of_several_servers_may_know_it(reactor: Any) -> None:
    silent, knowing = router(reactor, mode=DnsMode.SILENCE), router(reactor)
    async with silent as one, knowing as other, looking_up(reactor, servers=(place(one), place(other))) as scene:
        del one.names["motion-601"], other.names["motion-602"]
        assert await scene.look_up("motion-601", "motion-602") == ["127.1.0.1", "127.1.0.2"]


@on_the_reactor
async def test_silence_means_absent_after_the_time_out(reactor: Any) -> None:
    knowing = router(reactor, mode=DnsMode.SILENCE)
    async with knowing as server, looking_up(reactor, servers=(place(server),), timeout=0.05) as scene:
        assert await scene.look_up("motion-603", "motion-601") == [None, "127.1.0.1"]


@on_the_reactor
async def test_a_catch_all_address_means_absent(reactor: Any) -> None:
    sky = router(reactor, mode=DnsMode.CATCH_ALL)
    async with sky as server, looking_up(reactor, servers=(place(server),)) as scene:
        assert await scene.look_up("motion-601", "motion-603") == ["127.1.0.1", None]
        scene.settings = Names(servers=scene.settings.servers, catch_all=(), resolver_file="", hosts_file="")
        assert await scene.look_up("motion-603") == ["10.10.10.10"]


@on_the_reactor
async def test_a_server_that_is_not_there_costs_the_time_out_only(reactor: Any) -> None:
    free = reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    port = free.getHost().port
    await free.stopListening()
    async with looking_up(reactor, servers=(f"127.0.0.1:{port}",), timeout=0.05) as scene:
        assert await scene.look_up("motion-601", "motion-602") == [None, None]


@on_the_reactor
async def test_without_a_network_nobody_is_found(reactor: Any) -> None:
    async with looking_up(reactor) as scene:
        assert await scene.look_up("motion-601") == [None]
    assert await scene.look_up("motion-601") == [None]


@on_the_reactor
async def test_an_address_is_its_own_name(reactor: Any) -> None:
    async with looking_up(reactor) as scene:
        assert await scene.look_up("127.0.0.1", "10.0.0.256") == ["127.0.0.1", None]


@on_the_reactor
async def test_the_hosts_file_wins(reactor: Any, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.9 MOTION-601\n10.0.0.8 motion-602.lan\n")
    settings = {"search": ("lan",), "hosts_file": str(hosts)}
    async with router(reactor) as server, looking_up(reactor, servers=(place(server),), **settings) as scene:
        assert await scene.look_up("motion-601", "Motion-602", "motion-603") == ["10.0.0.9", "10.0.0.8", None]
        assert set(server.queries) == {"motion-603", "motion-603.lan"}


@on_the_reactor
async def test_the_files_are_read_again_when_they_change(reactor: Any, tmp_path: Path) -> None:
    resolver, hosts = tmp_path / "resolv.conf", tmp_path / "hosts"
    files = {"resolver_file": str(resolver), "hosts_file": str(hosts), "search": None, "timeout": 0.05}
    async with looking_up(reactor, **files) as scene:
        assert await scene.look_up("motion-601") == [None]
        hosts.write_text("10.0.0.1 motion-601\n")
        assert await scene.look_up("motion-601") == ["10.0.0.1"]
        other = tmp_path / "other"
        other.write_text("10.0.0.2 motion-601\n")
        os.utime(other, ns=(hosts.stat().st_atime_ns, hosts.stat().st_mtime_ns))
        other.rename(hosts)
        assert await scene.look_up("motion-601") == ["10.0.0.2"]
        scene.lines.clear()
        resolver.write_text("nameserver 127.0.0.3\nsearch lan\n")
        scene.service.refresh()
        scene.service.refresh()
        resolver.unlink()
        hosts.unlink()
        assert await scene.look_up("motion-601") == [None]
    assert scene.lines == [
        "Names are looked up at 127.0.0.3:53, search domains: lan",
        "Names are looked up at no name server, search domains: none",
        "There is no name server: motion-601 can't be found, nor any other name",
    ]


@on_the_reactor
async def test_that_there_is_no_server_is_said_once_and_only_if_one_is_missed(reactor: Any, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.9 motion-601\n")
    async with looking_up(reactor, hosts_file=str(hosts)) as scene:
        await scene.look_up("motion-601", "127.0.0.1")
        assert scene.lines == []
        await scene.look_up("motion-602", "motion-603")
        await scene.look_up("motion-602")
        assert scene.lines == ["There is no name server: motion-602 can't be found, nor any other name"]


def test_the_settings_win_over_the_system(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.3\nsearch lan\n")
    said: list[str] = []
    log = Logger(namespace="test", observer=cast(ILogObserver, lambda event: said.append(formatEvent(event))))
    settings = [Names(servers=("10.0.0.1:5353",), resolver_file=str(resolver), hosts_file="")]
    service = NameService(Clock(), log, lambda: settings[0])
    service.refresh()
    settings[0] = Names(search=("home",), resolver_file=str(resolver), hosts_file="")
    service.refresh()
    assert said == [
        "Names are looked up at 10.0.0.1:5353, search domains: lan",
        "Names are looked up at 127.0.0.3:53, search domains: home",
    ]


def test_a_service_that_never_started_can_be_stopped() -> None:
    service = NameService(Clock(), no_log(), lambda: NOBODY)
    assert service.stopService() is None


class Rude(DatagramProtocol):
    """A server that answers with what a test makes of the question."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.answer = answer

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        for answer in self.answer(datagram):
            cast(Any, self.transport).write(answer, addr)


@on_the_reactor
async def test_rubbish_before_the_answer_does_not_hide_it(reactor: Any) -> None:
    def answer(question: bytes) -> list[bytes]:
        other = reply(question, "6.6.6.6", asked="motion-666")
        return [b"", b"\0", os.urandom(4000), question[:2], other, reply(question, "127.1.0.1")]

    port = reactor.listenUDP(0, Rude(answer), interface="127.0.0.1")
    async with looking_up(reactor, servers=(f"127.0.0.1:{port.getHost().port}",)) as scene:
        assert await scene.look_up("motion-601") == ["127.1.0.1"]
    await port.stopListening()


@on_the_reactor
async def test_a_stranger_who_knows_the_number_is_not_believed(reactor: Any) -> None:
    stranger = reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")

    class Overheard(DatagramProtocol):
        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            stranger.write(reply(datagram, "6.6.6.6"), addr)
            reactor.callLater(0.02, cast(Any, self.transport).write, reply(datagram, "127.1.0.1"), addr)

    port = reactor.listenUDP(0, Overheard(), interface="127.0.0.1")
    async with looking_up(reactor, servers=(f"127.0.0.1:{port.getHost().port}",)) as scene:
        assert await scene.look_up("motion-601") == ["127.1.0.1"]
    await port.stopListening()
    await stranger.stopListening()


def test_a_stub_that_passes_on_no_bare_names_is_gone_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, behind = tmp_path / "stub.conf", tmp_path / "resolv.conf"
    stub.write_text("nameserver 127.0.0.53\nsearch lan\n")
    monkeypatch.setattr("sse_twisted.names.system.BEHIND_THE_STUB", str(behind))
    assert read_system_names(str(stub), "").servers == (("127.0.0.53", 53),)
    behind.write_text("nameserver 192.168.0.1\nsearch other\n")
    names = read_system_names(str(stub), "")
    assert (names.servers, names.search) == ((("192.168.0.1", 53),), ("lan",))


def test_a_stub_stays_the_same_while_the_network_behind_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, behind = tmp_path / "stub.conf", tmp_path / "resolv.conf"
    stub.write_text("nameserver 127.0.0.53\nsearch lan\n")
    monkeypatch.setattr("sse_twisted.names.system.BEHIND_THE_STUB", str(behind))
    said: list[str] = []
    log = Logger(namespace="test", observer=cast(ILogObserver, lambda event: said.append(formatEvent(event))))
    service = NameService(Clock(), log, lambda: Names(resolver_file=str(stub), hosts_file=""))
    service.refresh()
    behind.write_text("nameserver 192.168.0.1\n")
    service.refresh()
    assert said == [
        "Names are looked up at 127.0.0.53:53, search domains: lan",
        "Names are looked up at 192.168.0.1:53, search domains: lan",
    ]
