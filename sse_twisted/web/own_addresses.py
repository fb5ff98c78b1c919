"""The addresses under which other devices reach this computer, for a phone to type."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

MAX_SHOWN = 3
MAX_AGE = 10.0  # s for which addresses are kept; a laptop may change its network
NETWORK = Path("/proc/net")
OLD_OR_TEMPORARY = 0x01 | 0x20  # flags of an IPv6 address that another one replaces
TEST_NETS = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # RFC 5737 and 3849; nothing is sent there


def own_addresses(with_ipv4: bool, with_ipv6: bool, network: Path = NETWORK) -> tuple[str, ...]:
    """Return the addresses of this computer on its networks: that of the default route first, and IPv4 before IPv6.

    Loopback and link-local addresses are left out, since no phone can use them. Takes well below a millisecond.
    """
    found: list[str] = []
    if with_ipv4:
        found += _of_default_route(socket.AF_INET)
        found += re.findall(r"([\d.]+)\n\s+/32 host LOCAL", _text(network / "fib_trie"))
    if with_ipv6:
        found += _of_default_route(socket.AF_INET6)
        found += _ipv6(_text(network / "if_inet6"))
    return tuple(address for address in dict.fromkeys(found) if _is_reachable(address))


@define(eq=False)
class OwnAddresses:
    """The addresses of a web server on all networks; none if it listens on one address only."""

    _clock: IReactorTime
    _read: Callable[[bool, bool], tuple[str, ...]] = own_addresses
    _port: Any = None
    _scheme: str = "http"
    _known: tuple[str, ...] = ()
    _read_at: float | None = field(init=False, default=None)

    def listen(self, port: Any, scheme: str) -> None:
        """Tell the port on which the server listens."""
        self._port, self._scheme, self._read_at = port, scheme, None

    def urls(self) -> tuple[str, ...]:
        """Return the address of the board for each network, as a phone has to type it."""
        host = getattr(self._port and self._port.getHost(), "host", "")
        if host not in ("0.0.0.0", "::"):  # noqa: S104 - not to listen on
            return (f"{self._scheme}://{_bracketed(host)}:{self._port.getHost().port}/",) if _is_reachable(host) else ()
        now = self._clock.seconds()
        if self._read_at is None or now - self._read_at > MAX_AGE:
            self._known, self._read_at = self._read(_takes_ipv4(self._port, host), host == "::"), now
        port = self._port.getHost().port
        return tuple(f"{self._scheme}://{_bracketed(address)}:{port}/" for address in self._known)[:MAX_SHOWN]


def _takes_ipv4(port: Any, host: str) -> bool:
    """Return whether a port takes IPv4, as one of IPv6 usually does too."""
    if host != "::":
        return True
    listening = getattr(port, "socket", None)
    return listening is not None and not listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _of_default_route(family: socket.AddressFamily) -> list[str]:
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.connect((TEST_NETS[family], 9))  # chooses a source address; a datagram socket sends nothing by that
        return [trial.getsockname()[0]]
    return []


def _ipv6(table: str) -> Iterable[str]:
    """Yield the global addresses of Linux's table: address, interface, prefix, scope, flags and name, in hex."""
    for line in table.splitlines():
        address, _, _, scope, flags, *_ = line.split()
        if int(scope, 16) == 0 and not int(flags, 16) & OLD_OR_TEMPORARY:
            yield str(ipaddress.IPv6Address(bytes.fromhex(address)))


def _text(path: Path) -> str:
    """Return what the kernel says; "" where it says nothing, as on other systems than Linux."""
    with suppress(OSError):
        return path.read_text(encoding="ascii")
    return ""


def _is_reachable(address: str) -> bool:
    try:
        host = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not (host.is_loopback or host.is_link_local or host.is_unspecified)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
