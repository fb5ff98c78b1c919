"""Reader of resolv.conf and the hosts file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from sse_twisted.config.addresses import is_ipv4
from sse_twisted.runtime.bounded_file import read_bounded

DNS_PORT = 53
# systemd-resolved listens here and does not resolve bare names; the other file lists the servers that it asks.
STUB = "127.0.0.53"
BEHIND_THE_STUB = "/run/systemd/resolve/resolv.conf"
MAX_SIZE = 16 * 1024 * 1024  # bytes; a hosts file that blocks advertisers has up to 10 MB
Server = tuple[str, int]


class SystemNames(Struct, frozen=True):
    """Name servers, search domains, addresses by lower-case host name, and why files of them could not be used."""

    servers: tuple[Server, ...] = ()
    search: tuple[str, ...] = ()
    hosts: dict[str, str] = msgspec.field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def candidates(self, name: str) -> list[str]:
        """Return the names to query: the bare one, and the name in each search domain."""
        return [name, *(f"{name}.{domain}" for domain in self.search)]

    def fixed(self, name: str) -> str | None:
        """Return the address of a name that is an address itself or in the hosts file, else None."""
        if is_ipv4(name):
            return name
        return next(filter(None, (self.hosts.get(candidate.lower()) for candidate in self.candidates(name))), None)


def read_system_names(resolver_file: str, hosts_file: str) -> SystemNames:
    """Read both files; a missing one counts as empty, and IPv6 name servers and addresses are skipped. Blocks."""
    remarks: list[str] = []
    servers, search = _resolver(resolver_file, remarks)
    if (STUB, DNS_PORT) in servers:
        behind = _resolver(BEHIND_THE_STUB, remarks)[0]
        others = [server for server in servers if server != (STUB, DNS_PORT)]
        servers = [*behind, *others] if behind else servers
    hosts: dict[str, str] = {}
    for address, *names in _words(hosts_file, "#", remarks):
        if is_ipv4(address):
            for name in names:
                hosts.setdefault(name.lower(), address)
    return SystemNames(tuple(dict.fromkeys(servers)), search, hosts, tuple(remarks))


def _resolver(file: str, remarks: list[str]) -> tuple[list[Server], tuple[str, ...]]:
    servers: list[Server] = []
    search: tuple[str, ...] = ()
    for keyword, *values in _words(file, "#;", remarks):
        if keyword == "nameserver" and values and is_ipv4(values[0]):
            servers.append((values[0], DNS_PORT))
        elif keyword in ("search", "domain") and values:
            search = tuple(value.strip(".") for value in values if re.fullmatch(r"[A-Za-z0-9._-]+", value.strip(".")))
    return servers, search


def _words(file: str, comment: str, remarks: list[str]) -> Iterable[list[str]]:
    try:
        text = read_bounded(Path(file), MAX_SIZE).decode(errors="replace") if file else ""
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        remarks.append(f"{file}: {error.strerror}")
        return
    for line in text.splitlines():
        words = re.split(f"[{comment}]", line, maxsplit=1)[0].split()
        if words:
            yield words
