from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from twisted.internet.protocol import Factory

from sse_twisted.simulator.addresses import free_ports
from sse_twisted.simulator.listeners import FullBacklog, OpenPort
from tests.simulator.wire import on_the_reactor

HERE = "127.0.0.1"


@pytest.fixture
def port() -> int:
    (port,) = free_ports(HERE, 1)
    return port


def test_a_full_backlog_leaves_a_connection_pending_until_it_is_closed(port: int) -> None:
    listener = FullBacklog(HERE, port)
    with socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((HERE, port))
        assert client.connect_ex((HERE, port)) == errno.EALREADY
    listener.close()
    with socket.socket() as client:
        assert client.connect_ex((HERE, port)) == errno.ECONNREFUSED


def test_a_full_backlog_needs_a_free_port(port: int) -> None:
    listener = FullBacklog(HERE, port)
    with pytest.raises(OSError, match="Address already in use"):
        FullBacklog(HERE, port)
    listener.close()
    FullBacklog(HERE, port).close()


@on_the_reactor
async def test_an_open_port_has_the_number_that_the_system_chose(reactor: Any) -> None:
    listener = OpenPort(reactor.listenTCP(0, Factory(), interface=HERE))
    with socket.socket() as client:
        assert client.connect_ex((HERE, listener.port)) == 0
    await listener.close()
    with socket.socket() as client:
        assert client.connect_ex((HERE, listener.port)) == errno.ECONNREFUSED
