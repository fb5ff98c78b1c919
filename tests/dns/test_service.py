from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import ILogObserver, Logger, formatEvent
from twisted.names import dns

from sse_twisted.config.settings import Names
from sse_twisted.dns.service import NameService
from sse_twisted.simulator.dns import DnsMode, NameServer
from tests.dns.wire import ROUTER, Wire, reply
from tests.simulator.wire import on_the_reactor

NOBODY = Names(resolver_file="", hosts_file="")


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor as installed

    return installed


def logging_to(lines: list[str]) -> Logger:
    return Logger(observer=cast(ILogObserver, lambda event: lines.append(formatEvent(event))))


def clocked(lines: list[str], settings: Callable[[], Names]) -> NameService:
    """A service in virtual time that reads files at once."""
    return NameService(Clock(), logging_to(lines), settings, maybeDeferred)


def is_of_a_device(question: bytes) -> bool:
    """Whether a query is not that for a name that does not exist."""
    return b"motion-" in question


def ignore(address: str) -> None:
    """Take an address that a test does not look at."""


def asked(server: NameServer) -> Counter[str]:
    """The queries, but for those of the name that does not exist."""
    return Counter({name: count for name, count in server.queries.items() if not name.startswith("sse-")})


def trouble_of(service: NameService) -> str:
    return service.trouble


class TestSilence:
    """A service with a silent name server; its scans are 2 s apart."""

    @pytest.fixture
    def lines(self) -> list[str]:
        return []

    @pytest.fixture
    def service(self, lines: list[str]) -> NameService:
        service = NameService(
            Clock(), logging_to(lines), lambda: Names(servers=("192.168.0.1",), hosts_file=""), maybeDeferred
        )
        service.client.transport = cast(Any, Wire())
        service._socket = object()
        service.refresh()
        return service

    def rounds(self, service: NameService, count: int) -> list[bytes]:
        """Look up a device in each scan; return the queries."""
        wire = cast(Any, service.client.transport)
        for _ in range(count):
            service.refresh()
            service.lookup("motion-601", ignore)
            cast(Any, service)._reactor.advance(2.0)
        return [question for question, _ in wire.sent]

    def answer(self, service: NameService, question: bytes) -> None:
        service.client.datagramReceived(reply(question, code=dns.ENAME), ROUTER)

    def test_it_is_a_trouble_after_a_while(self, service: NameService) -> None:
        self.rounds(service, 4)
        assert not trouble_of(service)
        self.rounds(service, 2)
        assert trouble_of(service) == "no name server has responded for 12 s"

    def test_it_is_said_once_and_so_is_its_end(self, service: NameService, lines: list[str]) -> None:
        del lines[:]
        self.rounds(service, 9)
        assert lines == ["No name server responds: is this computer on the event's network?"]
        service.lookup("motion-601", ignore)
        self.answer(service, cast(Any, service.client.transport).sent[-1][0])
        service.refresh()
        service.refresh()
        assert lines[1:] == ["Name servers respond again"]

    def test_a_reply_ends_it_even_for_an_unknown_name(self, service: NameService) -> None:
        self.rounds(service, 6)
        service.lookup("motion-601", ignore)
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

    def test_it_begins_with_a_query(self, service: NameService) -> None:
        cast(Any, service)._reactor.advance(100.0)
        assert not trouble_of(service)

    def test_a_missing_server_is_reported(self) -> None:
        service = clocked([], lambda: Names(hosts_file="", resolver_file=""))
        service._socket = object()
        service.refresh()
        assert not trouble_of(service)
        service.lookup("motion-601", ignore)
        assert trouble_of(service) == "no name server is configured"


def answering(*addresses: str, name: bytes = b"motion-601") -> Callable[[bytes], list[bytes]]:
    """Answer the query for one name with these addresses; there is no other name."""
    return lambda question: [reply(question, *addresses) if name in question else reply(question, code=dns.ENAME)]


@define
class Scene:
    """A service that asks servers on loopback."""

    service: NameService
    settings: Names
    lines: list[str]

    async def look_up_all(self, *names: str) -> list[list[str]]:
        self.service.refresh()
        found: list[list[str]] = [[] for _ in names]
        looking = [self.service.lookup(name, told.append) for name, told in zip(names, found, strict=True)]
        await DeferredList(looking, fireOnOneErrback=True)
        return found

    async def look_up(self, *names: str) -> list[str | None]:
        return [addresses[0] if addresses else None for addresses in await self.look_up_all(*names)]


@asynccontextmanager
async def looking_up(reactor: Any, **settings: Any) -> AsyncIterator[Scene]:
    lines: list[str] = []

    def live() -> Names:
        return scene.settings

    names = Names(**{"resolver_file": "", "hosts_file": "", "search": ()} | settings)
    scene = Scene(NameService(reactor, logging_to(lines), live, maybeDeferred), names, lines)
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
        assert set(asked(server).values()) == {1}


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
    async with knowing as server, looking_up(reactor, servers=(place(server),), timeout=0.5) as scene:
        assert await scene.look_up("motion-603", "motion-601") == [None, "127.1.0.1"]


@on_the_reactor
async def test_a_catch_all_address_means_absent(reactor: Any) -> None:
    sky = router(reactor, mode=DnsMode.CATCH_ALL)
    async with sky as server, looking_up(reactor, servers=(place(server),)) as scene:
        assert await scene.look_up("motion-601", "motion-603") == ["127.1.0.1", None]
        scene.settings = Names(servers=scene.settings.servers, catch_all=(), resolver_file="", hosts_file="")
        assert await scene.look_up("motion-601", "motion-603") == ["127.1.0.1", None]


@on_the_reactor
async def test_a_server_that_is_not_there_costs_the_time_out_only(reactor: Any) -> None:
    free = reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    port = free.getHost().port
    await free.stopListening()
    async with looking_up(reactor, servers=(f"127.0.0.1:{port}",), timeout=0.05) as scene:
        assert await scene.look_up("motion-601", "motion-602") == [None, None]


@on_the_reactor
async def test_without_a_network_no_name_is_resolved(reactor: Any) -> None:
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
        assert set(asked(server)) == {"motion-603", "motion-603.lan"}


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
        "Name servers: 127.0.0.3:53; search domains: lan",
        "Name servers: none; search domains: none",
        "No name server configured: host names cannot be resolved",
    ]


@on_the_reactor
async def test_a_missing_server_is_logged_once_at_the_first_lookup_that_needs_it(reactor: Any, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.9 motion-601\n")
    async with looking_up(reactor, hosts_file=str(hosts)) as scene:
        await scene.look_up("motion-601", "127.0.0.1")
        assert scene.lines == []
        await scene.look_up("motion-602", "motion-603")
        await scene.look_up("motion-602")
        assert scene.lines == ["No name server configured: host names cannot be resolved"]


def sparse(path: Path) -> None:
    """Make a file of 2 GB that takes no room."""
    with path.open("wb") as file:
        file.truncate(2 << 30)


def test_the_settings_win_over_the_system(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.3\nsearch lan\n")
    said: list[str] = []
    settings = [Names(servers=("10.0.0.1:5353",), resolver_file=str(resolver), hosts_file="")]
    service = clocked(said, lambda: settings[0])
    service.refresh()
    settings[0] = Names(search=("home",), resolver_file=str(resolver), hosts_file="")
    service.refresh()
    assert said == [
        "Name servers: 10.0.0.1:5353; search domains: lan",
        "Name servers: 127.0.0.3:53; search domains: home",
    ]


@pytest.mark.parametrize(("make", "why"), [(os.mkfifo, "not a regular file"), (sparse, "larger than 16,777,216 bytes")])
def test_a_file_that_can_not_be_used_is_told_and_blocks_nothing(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    resolver, said = tmp_path / "resolv.conf", list[str]()
    make(resolver)
    service = NameService(
        Clock(), logging_to(said), lambda: Names(resolver_file=str(resolver), hosts_file=""), maybeDeferred
    )
    service.refresh()
    service.refresh()
    assert said == [f"Names: cannot use {resolver}: {why}"]
    resolver.unlink()
    resolver.write_text("nameserver 192.168.0.1\n")
    service.refresh()
    assert said[1:] == ["Name servers: 192.168.0.1:53; search domains: none"]


def test_changed_files_are_read_in_a_thread_and_not_twice_at_a_time(tmp_path: Path) -> None:
    resolver, said = tmp_path / "resolv.conf", list[str]()
    waiting: list[Callable[[], None]] = []

    def later(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        waiting.append(lambda: done.callback(function(*args)))
        return done

    names = Names(resolver_file=str(resolver), hosts_file="")
    service = NameService(Clock(), logging_to(said), lambda: names, later)
    for server in ("192.168.0.1", "192.168.0.22"):
        resolver.write_text(f"nameserver {server}\n")
        service.refresh()
    assert (said, len(waiting)) == ([], 1)
    waiting.pop()()
    service.refresh()
    waiting.pop()()
    assert said[-1] == "Name servers: 192.168.0.22:53; search domains: none"


def test_a_service_that_never_started_can_be_stopped() -> None:
    service = clocked([], lambda: NOBODY)
    assert service.stopService() is None


class Rude(DatagramProtocol):
    """A server that answers with what a test makes of the question."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.answer = answer

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        for answer in self.answer(datagram) if is_of_a_device(datagram) else [reply(datagram, code=dns.ENAME)]:
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
async def test_many_replies_at_once_take_several_turns_of_the_reactor(reactor: Any) -> None:
    class Late(DatagramProtocol):
        """Answers when a hundred have asked."""

        def __init__(self) -> None:
            self.asked: list[tuple[bytes, Any]] = []

        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            if is_of_a_device(datagram):
                self.asked.append((datagram, addr))
            if len(self.asked) == 100:
                for question, asker in self.asked:
                    cast(Any, self.transport).write(reply(question, "127.1.0.1"), asker)

    turn = 0

    def begin_turn() -> None:
        nonlocal turn
        turn += 1

    port = reactor.listenUDP(0, Late(), interface="127.0.0.1")
    turns = LoopingCall(begin_turn)
    taken: Counter[int] = Counter()  # answers, by turn
    async with looking_up(reactor, servers=(f"127.0.0.1:{port.getHost().port}",)) as scene:
        scene.service.refresh()
        turns.start(0)
        looking = [scene.service.lookup(f"motion-{number}", lambda _: taken.update([turn])) for number in range(100)]
        await DeferredList(looking)
        turns.stop()
    await port.stopListening()
    assert taken.total() == 100
    assert max(taken.values()) < 50


@on_the_reactor
async def test_a_reply_from_another_address_is_ignored(reactor: Any) -> None:
    stranger = reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")

    class Overheard(DatagramProtocol):
        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            if not is_of_a_device(datagram):
                return
            stranger.write(reply(datagram, "6.6.6.6"), addr)
            reactor.callLater(0.02, cast(Any, self.transport).write, reply(datagram, "127.1.0.1"), addr)

    port = reactor.listenUDP(0, Overheard(), interface="127.0.0.1")
    async with looking_up(reactor, servers=(f"127.0.0.1:{port.getHost().port}",)) as scene:
        assert await scene.look_up("motion-601") == ["127.1.0.1"]
    await port.stopListening()
    await stranger.stopListening()


def test_a_stub_stays_the_same_while_the_network_behind_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, behind = tmp_path / "stub.conf", tmp_path / "resolv.conf"
    stub.write_text("nameserver 127.0.0.53\nsearch lan\n")
    monkeypatch.setattr("sse_twisted.dns.resolv_conf.BEHIND_THE_STUB", str(behind))
    said: list[str] = []
    service = NameService(
        Clock(), logging_to(said), lambda: Names(resolver_file=str(stub), hosts_file=""), maybeDeferred
    )
    service.refresh()
    behind.write_text("nameserver 192.168.0.1\n")
    service.refresh()
    assert said == [
        "Name servers: 127.0.0.53:53; search domains: lan",
        "Name servers: 192.168.0.1:53; search domains: lan",
    ]


class Everything(DatagramProtocol):
    """A server that answers every name with the next of some addresses, but for the names that it knows."""

    def __init__(self, *addresses: str, **known: str) -> None:
        self.addresses = [*addresses]
        self.known = known

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        known = next((address for name, address in self.known.items() if name.encode() in datagram), None)
        if self.addresses:
            self.addresses.append(self.addresses.pop(0))
        found = known or (self.addresses[-1] if self.addresses else None)
        answer = reply(datagram, found) if found else reply(datagram, code=dns.ENAME)
        cast(Any, self.transport).write(answer, addr)


@asynccontextmanager
async def listening(reactor: Any, protocol: DatagramProtocol) -> AsyncIterator[str]:
    port = reactor.listenUDP(0, protocol, interface="127.0.0.1")
    try:
        yield f"127.0.0.1:{port.getHost().port}"
    finally:
        await port.stopListening()


@on_the_reactor
async def test_all_addresses_of_a_name_are_told(reactor: Any) -> None:
    two, one = Rude(answering("127.1.0.1", "127.1.0.2")), Rude(answering("127.1.0.3"))
    ports = listening(reactor, two), listening(reactor, one)
    async with ports[0] as first, ports[1] as second, looking_up(reactor, servers=(first, second)) as scene:
        assert sorted((await scene.look_up_all("motion-601"))[0]) == ["127.1.0.1", "127.1.0.2", "127.1.0.3"]


class TestAServerThatAnswersEveryName:
    WARNING = "Name server 127.0.0.1 answers every name: a device is absent if its address is 10.9.9.9"

    @on_the_reactor
    async def test_is_not_believed_and_told_once(self, reactor: Any) -> None:
        everything = listening(reactor, Everything("10.9.9.9", **{"motion-601": "127.1.0.1"}))
        async with everything as server, looking_up(reactor, servers=(server,)) as scene:
            for _ in range(3):
                assert await scene.look_up("motion-602", "motion-601", "motion-603") == [None, "127.1.0.1", None]
        assert [line for line in scene.lines if "answers every" in line] == [self.WARNING]

    @on_the_reactor
    async def test_does_not_hide_what_another_server_knows(self, reactor: Any) -> None:
        everything, knowing = listening(reactor, Everything("10.9.9.9")), router(reactor)
        async with everything as one, knowing as other, looking_up(reactor, servers=(one, place(other))) as scene:
            assert await scene.look_up_all("motion-601", "motion-603") == [["127.1.0.1"], []]

    @on_the_reactor
    async def test_may_do_so_in_its_own_domain_only(self, reactor: Any) -> None:
        class InLan(Everything):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                self.addresses = ["10.9.9.9"] if b"\3lan\0" in datagram else []
                super().datagramReceived(datagram, addr)

        in_lan = listening(reactor, InLan(**{"motion-601": "127.1.0.1"}))
        async with in_lan as server, looking_up(reactor, servers=(server,), search=("lan",)) as scene:
            assert await scene.look_up_all("motion-601", "motion-603") == [["127.1.0.1"], []]

    def service(self, lines: list[str]) -> NameService:
        service = NameService(
            Clock(), logging_to(lines), lambda: Names(servers=("192.168.0.1",), hosts_file=""), maybeDeferred
        )
        service.client.transport = cast(Any, Wire())
        service._socket = object()
        service.refresh()
        del lines[:]
        return service

    def scan(self, service: NameService, *everything: str) -> list[str]:
        """Look up a device; every name that is asked for has these addresses, if any."""
        wire, told = cast(Any, service.client.transport), list[str]()
        del wire.sent[:]
        service.refresh()
        service.lookup("motion-601", told.append)
        for question, server in wire.sent:
            answer = reply(question, *everything) if everything else reply(question, code=dns.ENAME)
            service.client.datagramReceived(answer, server)
        cast(Any, service)._reactor.advance(10.0)
        return told

    def test_is_noticed_though_it_begins_later_and_its_end_too(self) -> None:
        lines: list[str] = []
        service = self.service(lines)
        assert self.scan(service) == []
        assert self.scan(service, "10.9.9.9") == ["10.9.9.9"]  # for half a minute it may be the device's
        self.scan(service, "10.9.9.9")
        assert self.scan(service, "10.9.9.9") == []
        assert self.scan(service, "10.9.9.9") == []
        assert len(lines) == 1
        for _ in range(3):
            self.scan(service)
        assert lines[1:] == ["Name server 192.168.0.1 no longer answers every name"]
        assert self.scan(service, "10.9.9.9") == ["10.9.9.9"]

    def test_may_take_one_address_after_another(self) -> None:
        lines: list[str] = []
        service = self.service(lines)
        assert self.scan(service, "10.9.9.1") == []
        for _ in range(3):
            self.scan(service, "10.9.9.2")
        assert self.scan(service, "10.9.9.1", "10.9.9.2", "10.0.0.1") == ["10.0.0.1"]
        assert len(lines) == 1

    def test_is_asked_anew_in_another_network(self, tmp_path: Path) -> None:
        resolver = tmp_path / "resolv.conf"
        resolver.write_text("nameserver 192.168.0.1\n")
        lines: list[str] = []
        service = NameService(
            Clock(), logging_to(lines), lambda: Names(resolver_file=str(resolver), hosts_file=""), maybeDeferred
        )
        service.client.transport = cast(Any, Wire())
        service._socket = object()
        assert self.scan(service, "10.9.9.9") == []
        resolver.write_text("nameserver 192.168.0.2\n")
        assert self.scan(service, "10.9.9.8") == []
        assert len([line for line in lines if "answers every" in line]) == 2

    def test_is_not_looked_for_unless_a_name_is(self) -> None:
        service = self.service([])
        service.refresh()
        service.lookup("10.0.0.1", ignore)
        assert cast(Any, service.client.transport).sent == []
