"""Two computers and a beach with devices, each in a network namespace of its own, joined by a bridge."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.http import DeviceServer
from tests.support.daemon import SCRIPTS, Elsewhere, Program

CLONE_NEWNET = 0x40000000  # of setns
PORT = 80


@define
class Beach:
    """The network of an event: `10.77.0.0/16`, with devices at `10.77.2.x`."""

    reactor: Any
    elsewhere: Elsewhere
    name: str  # of its own namespace, and the beginning of those of the computers

    def start(self, computer: str, *arguments: str, program: str = "twistd") -> Program:
        """Start a program on a computer."""
        command = ("netns", "exec", self.name + computer, str(SCRIPTS / program), *arguments)
        return self.elsewhere.start(*command, program=shutil.which("ip") or "ip")

    def device(self, device: SimulatedDevice) -> DeviceServer:
        """Return the server of a device, which can arrive and leave inside of `here`."""
        address = f"10.77.2.{device.identifier % 256}"
        _ip("-n", self.name, "addr", "add", f"{address}/16", "dev", "bridge")
        return DeviceServer(self.reactor, device, address, PORT)

    def cut_off(self, computer: str) -> None:
        """Take a computer from the network for good."""
        _ip("-n", self.name + computer, "link", "set", "wifi", "down")

    @contextmanager
    def here(self) -> Iterator[None]:
        """Open sockets on the beach while the block runs."""
        own, there = Path("/proc/thread-self/ns/net"), Path(f"/run/netns/{self.name}")
        before, beach = os.open(own, os.O_RDONLY), os.open(there, os.O_RDONLY)
        try:
            _enter(beach)
            yield
        finally:
            _enter(before)
            os.close(before)
            os.close(beach)


def beach_of(reactor: Any, elsewhere: Elsewhere, *computers: str) -> Iterator[Beach]:
    """Make the network with these computers; skip the test where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only root can make networks, with iproute2")
    beach = Beach(reactor, elsewhere, f"sse{os.getpid()}")
    names = [beach.name, *(beach.name + computer for computer in computers)]
    try:
        try:
            for name in names:
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", beach.name, "link", "add", "bridge", "type", "bridge")
            _ip("-n", beach.name, "addr", "add", "10.77.0.1/16", "dev", "bridge")
            _ip("-n", beach.name, "link", "set", "bridge", "up")
            for number, name in enumerate(names[1:], 2):
                port = f"port{number}"
                _ip("-n", beach.name, "link", "add", port, "type", "veth", "peer", "name", "wifi", "netns", name)
                _ip("-n", beach.name, "link", "set", port, "master", "bridge", "up")
                _ip("-n", name, "addr", "add", f"10.77.0.{number}/16", "dev", "wifi")
                _ip("-n", name, "link", "set", "wifi", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        yield beach
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
