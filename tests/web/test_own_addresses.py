from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from sse_twisted.web.own_addresses import MAX_AGE, OwnAddresses, own_addresses
from sse_twisted.web.service import WebService
from tests.simulator.wire import on_the_reactor
from tests.support.real_event import RealEvent, folder_in_memory

ROUTES = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 169.254.7.7
        /32 host LOCAL
     |-- 192.168.77.0
        /24 link UNICAST
     |-- 192.168.77.5
        /32 host LOCAL
     |-- 192.168.77.255
        /32 link BROADCAST
     |-- 10.77.0.3
        /32 host LOCAL
"""
IPV6 = """fd770000000000000000000000000002 04 40 00 82     eth0
fd770000000000000000000000000003 04 40 00 01     eth0
fd770000000000000000000000000004 04 40 00 20     eth0
00000000000000000000000000000001 01 80 10 80       lo
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
"""


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A kernel's tables, with two networks."""
    (tmp_path / "fib_trie").write_text(ROUTES)
    (tmp_path / "if_inet6").write_text(IPV6)
    return tmp_path


def test_the_addresses_of_all_networks_are_found(network: Path) -> None:
    found = own_addresses(with_ipv4=True, with_ipv6=True, network=network)
    assert [address for address in found if "77" in address] == ["192.168.77.5", "10.77.0.3", "fd77::2"]
    assert not {"127.0.0.1", "::1", "169.254.7.7"} & set(found)


def test_only_the_kind_that_is_served_is_found(network: Path) -> None:
    assert not any(":" in address for address in own_addresses(with_ipv4=True, with_ipv6=False, network=network))
    assert not any("." in address for address in own_addresses(with_ipv4=False, with_ipv6=True, network=network))


def test_without_the_tables_of_linux_the_default_route_is_enough(tmp_path: Path) -> None:
    for address in own_addresses(with_ipv4=True, with_ipv6=True, network=tmp_path):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as own:
            own.bind((address, 0))
            assert own.getsockname()[0] == address


class Port:
    """A port that listens somewhere."""

    def __init__(self, host: str) -> None:
        self._host = host

    def getHost(self) -> Any:
        return (IPv6Address if ":" in self._host else IPv4Address)("TCP", self._host, 8080)


@pytest.mark.parametrize(
    ("host", "urls"),
    [
        ("127.0.0.1", ()),
        ("::1", ()),
        ("192.168.0.5", ("https://192.168.0.5:8080/",)),
        ("fd00::5", ("https://[fd00::5]:8080/",)),
        ("0.0.0.0", ("https://10.0.0.1:8080/", "https://[fd00::1]:8080/")),  # noqa: S104
        ("::", ("https://10.0.0.1:8080/", "https://[fd00::1]:8080/")),
    ],
)
def test_a_board_on_loopback_has_no_address_for_phones(host: str, urls: tuple[str, ...]) -> None:
    addresses = OwnAddresses(Clock(), lambda ipv4, ipv6: ("10.0.0.1", "fd00::1"))
    assert addresses.urls() == ()
    addresses.listen(Port(host), "https")
    assert addresses.urls() == urls


def test_a_change_of_network_is_noticed() -> None:
    clock, here = Clock(), ["10.0.0.1"]
    addresses = OwnAddresses(clock, lambda ipv4, ipv6: tuple(here))
    addresses.listen(Port("0.0.0.0"), "http")  # noqa: S104
    assert addresses.urls() == ("http://10.0.0.1:8080/",)
    here[:] = ["10.9.9.9"]
    assert addresses.urls() == ("http://10.0.0.1:8080/",)
    clock.advance(MAX_AGE + 1)
    assert addresses.urls() == ("http://10.9.9.9:8080/",)


@on_the_reactor
async def test_the_log_and_the_board_tell_the_address(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnAddresses, "urls", lambda addresses: ("http://192.168.77.5:8080/",))
    with folder_in_memory() as root:
        event = RealEvent(reactor, root)
        web = WebService(reactor, await event.start(), "tcp:0:interface=127.0.0.1", None)
        web.startService()
        assert event.said("Other devices reach the board at http://192.168.77.5:8080/")
        top = web._renderer.top(web.board.summary)
        assert re.search(r"on a phone: <span class=\"address\">http://192\.168\.77\.5:8080/</span>", top)
        await maybeDeferred(web.stopService)
        await event.close()
