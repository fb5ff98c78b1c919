from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.names import dns

from sse_twisted.dns.client import MAX_PENDING, NameClient
from tests.dns.wire import OTHER, ROUTER, Wire, reply


@define
class Asking:
    """A client whose queries a test replies to."""

    clock: Clock = field(factory=Clock)
    wire: Wire = field(factory=Wire)
    results: list[Any] = field(factory=list)
    told: list[str] = field(factory=list)  # all addresses
    client: NameClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = NameClient(self.clock)
        self.client.transport = cast(Any, self.wire)

    def ask(self, *names: str, servers: tuple[tuple[str, int], ...] = (ROUTER,)) -> Deferred[bool]:
        """Ask; the first address is a result, or None if there is none."""
        told: list[str] = []

        def tell(address: str) -> None:
            told.append(address)
            self.told.append(address)
            if len(told) == 1:
                self.results.append(address)

        def end(outcome: Any) -> None:
            if not told:
                self.results.append(None if isinstance(outcome, bool) else outcome)

        done = self.client.ask(
            names or ("motion-601",), servers, 1.0, lambda address, _: address != "10.10.10.10", tell
        )
        done.addBoth(end)
        return done

    def answer(self, *addresses: str, to: int = 0, sender: tuple[str, int] | None = None, **changes: Any) -> None:
        question, server = self.wire.sent[to]
        self.client.datagramReceived(reply(question, *addresses, **changes), sender or server)


@pytest.fixture
def asking() -> Asking:
    return Asking()


class TestAQuestion:
    def test_is_one_for_an_ipv4_address(self, asking: Asking) -> None:
        asking.ask("motion-601.lan")
        message = dns.Message()
        message.fromStr(asking.wire.sent[0][0])
        assert (message.answer, message.recDes) == (0, 1)
        assert message.queries == [dns.Query(b"motion-601.lan", dns.A, dns.IN)]

    def test_has_a_random_message_id(self, asking: Asking) -> None:
        for _ in range(300):
            asking.ask()
        numbers = [int.from_bytes(datagram[:2]) for datagram, _ in asking.wire.sent]
        assert len(set(numbers)) == 300
        assert max(numbers) - min(numbers) > 30_000
        asking.clock.advance(1)

    def test_without_servers_has_no_address(self, asking: Asking) -> None:
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


class TestAnAnswer:
    def test_returns_the_address(self, asking: Asking) -> None:
        asking.ask()
        asking.clock.advance(0.5)
        asking.answer("10.0.0.1", "10.0.0.2")
        assert asking.results == ["10.0.0.1"]
        assert asking.client.silent_since is None
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

    def test_may_have_several_addresses_and_each_is_told_once(self, asking: Asking) -> None:
        asking.ask("motion-601", "motion-601.lan", servers=(ROUTER, OTHER))
        asking.answer("10.0.0.1", "10.10.10.10", "10.0.0.2", to=2)
        assert asking.told == ["10.0.0.1", "10.0.0.2"]
        asking.answer("10.0.0.2", "10.0.0.3", to=1)
        asking.answer(code=dns.ENAME, to=0)
        assert asking.clock.getDelayedCalls()
        asking.answer("10.0.0.4", to=3)
        assert asking.told == [f"10.0.0.{number}" for number in (1, 2, 3, 4)]
        assert asking.clock.getDelayedCalls() == []

    def test_has_a_limit_of_addresses(self, asking: Asking) -> None:
        asking.ask()
        asking.answer(*(f"10.0.0.{number}" for number in range(20)))
        assert len(asking.told) == 8

    def test_of_a_server_that_is_told_no_more_needs_no_timer(self, asking: Asking) -> None:
        done = asking.ask(servers=(ROUTER, OTHER))
        asking.answer("10.0.0.1")
        done.cancel()
        asking.answer("10.0.0.2", to=1)
        assert asking.told == ["10.0.0.1"]
        assert asking.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("asked", ["MOTION-601", "mOtIoN-601"])
    def test_may_have_another_case(self, asking: Asking, asked: str) -> None:
        asking.ask()
        asking.answer("10.0.0.1", asked=asked)
        assert asking.results == ["10.0.0.1"]

    def test_to_a_question_in_capitals_is_taken(self, asking: Asking) -> None:
        asking.ask("MOTION-601")
        asking.answer("10.0.0.1", asked="motion-601")
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
        assert asking.client.silent_since == 0.0
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

    def test_that_is_cut_before_its_first_address_returns_none(self, asking: Asking) -> None:
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
    """A reply after the time-out."""

    def come_late(self, asking: Asking, *addresses: str, after: float = 1.2) -> None:
        asking.ask()
        asking.clock.advance(after)
        asking.answer(*addresses, to=-1)
        assert asking.results.pop() is None

    def test_is_returned_at_once_by_the_next_lookup(self, asking: Asking) -> None:
        self.come_late(asking, "10.0.0.1")
        asking.ask("motion-602")
        assert asking.results == []
        asking.ask()
        assert asking.results == ["10.0.0.1"]
        assert len(asking.wire.sent) == 3

    def test_has_all_its_addresses(self, asking: Asking) -> None:
        asking.ask(servers=(ROUTER, OTHER))
        asking.clock.advance(1.2)
        asking.answer("10.0.0.1", "10.0.0.2", to=0)
        asking.answer("10.0.0.3", to=1)
        asking.told.clear()
        asking.ask()
        assert asking.told == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]

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
        monkeypatch.setattr("sse_twisted.dns.client.MAX_PENDING", 100)
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
            asking.clock.advance(0.5)
        assert [*filter(None, asking.results)] == [f"10.0.0.{number}" for number in range(100, 150)]

    def test_of_one_too_many_is_not_even_asked_for(self, asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sse_twisted.dns.client.MAX_PENDING", 3)
        for number in range(5):
            asking.ask(f"motion-{number}")
        assert asking.results == [None, None]
        asking.answer("10.0.0.1")
        asking.ask("motion-7")
        asking.answer("10.0.0.7", to=-1)
        assert asking.results == [None, None, "10.0.0.1", "10.0.0.7"]


def test_encoded_names_are_forgotten_where_there_are_many(asking: Asking) -> None:
    for number in range(MAX_PENDING + 2):
        asking.client._encode(f"motion-{number}")
    assert len(asking.client._encoded) <= MAX_PENDING
