"""A simulated device on real sockets of loopback: it arrives, answers, leaves and reboots."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.error import ConnectionRefusedError as Refused

from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.listings import make_entry
from tests.simulator.small import device_with_logs, small_track
from tests.simulator.wire import ask, becomes, fetch, on_the_reactor, serving

LOG = "/logs/2025/10/a.oao"


@on_the_reactor
async def test_a_device_sends_its_log_and_closes(reactor: Any) -> None:
    async with serving(reactor, device_with_logs("a")) as server:
        arrived = await fetch(reactor, server, LOG)
    assert (arrived.status, arrived.end) == (200, "closed")
    assert arrived.body == small_track()
    assert arrived.lengths == [len(small_track())]
    assert arrived.header(b"Connection") == [b"close"]


@on_the_reactor
async def test_a_limited_rate_changes_nothing_in_the_bytes(reactor: Any) -> None:
    device = device_with_logs("a")
    device.bytes_per_second = 20_000.0
    async with serving(reactor, device) as server:
        arrived = await fetch(reactor, server, LOG)
    assert arrived.body == small_track()


@on_the_reactor
async def test_a_request_may_come_in_pieces(reactor: Any) -> None:
    async with serving(reactor, device_with_logs("a")) as server:
        client = await ask(reactor, server, LOG, headers="X-Long: " + "x" * 9000 + "\r\n")
        arrived = await client.over
    assert arrived.status == 200


@on_the_reactor
async def test_a_request_without_end_is_hung_up_on(reactor: Any) -> None:
    async with serving(reactor, device_with_logs("a")) as server:
        arrived = await fetch(reactor, server, LOG, headers="X-Long: " + "x" * 50_000)
    assert (arrived.raw, arrived.end) == (b"", "reset")


@pytest.mark.parametrize(("closes_the_first", "most"), [(True, 1), (False, 2)])
@on_the_reactor
async def test_a_connection_that_its_client_has_closed_is_not_counted_beside_the_next(
    reactor: Any, closes_the_first: bool, most: int
) -> None:
    device = device_with_logs("a")
    async with serving(reactor, device) as server:
        address = (server.interface, server.port)
        with socket.create_connection(address) as first:
            if closes_the_first:
                first.close()
            with socket.create_connection(address):  # both are accepted in one turn of the reactor
                await becomes(reactor, lambda: len(server.connections) == most)
                assert (device.open_connections, device.most_connections) == (most, most)


@on_the_reactor
async def test_a_log_that_is_not_there_yet_is_made_in_a_thread(reactor: Any) -> None:
    import threading

    made_in: list[int] = []

    def make() -> bytes:
        made_in.append(threading.get_ident())
        return small_track()

    device = SimulatedDevice(601, [SimulatedLog(LOG, make, make_entry(LOG, len(small_track())))])
    async with serving(reactor, device) as server:
        arrived = await fetch(reactor, server, LOG)
    assert arrived.body == small_track()
    assert made_in != [threading.get_ident()]


@on_the_reactor
async def test_connections_are_counted_and_the_highest_number_kept(reactor: Any) -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault("no-headers"))
    async with serving(reactor, device) as server:
        clients = [await ask(reactor, server) for _ in range(3)]
        await becomes(reactor, lambda: device.open_connections == 3)
        for client in clients:
            await client.hang_up()
        await becomes(reactor, lambda: device.open_connections == 0)
    assert device.most_connections == 3


@on_the_reactor
async def test_a_device_that_left_refuses_and_its_connections_are_gone(reactor: Any) -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault("no-headers"))
    server = DeviceServer(reactor, device)
    await server.arrive()
    client = await ask(reactor, server)
    await becomes(reactor, lambda: len(device.requests) == 1)
    await server.leave()
    assert not server.connections
    assert (await client.over).end == "reset"
    with pytest.raises(Refused):
        await ask(reactor, server)


@on_the_reactor
async def test_a_device_comes_back_to_the_same_port(reactor: Any) -> None:
    async with serving(reactor, SimulatedDevice(601)) as server:
        port = server.port
        await server.leave()
        await server.arrive()
        assert (await fetch(reactor, server)).status == 200
        assert server.port == port


@on_the_reactor
async def test_as_a_service_a_device_arrives_when_started_and_leaves_when_stopped(reactor: Any) -> None:
    server = DeviceServer(reactor, SimulatedDevice(601))
    server.startService()
    assert server.port
    assert (await fetch(reactor, server)).status == 200
    await server.stopService()
    with pytest.raises(Refused):
        await ask(reactor, server)


@on_the_reactor
async def test_a_device_can_not_arrive_at_an_address_in_use(reactor: Any) -> None:
    async with serving(reactor, SimulatedDevice(601)) as server:
        second = DeviceServer(reactor, SimulatedDevice(602), port=server.port)
        with pytest.raises(CannotListenError):
            await second.arrive()
        await second.leave()


@on_the_reactor
async def test_a_refused_port_opens_when_the_fault_is_cleared(reactor: Any) -> None:
    device = SimulatedDevice(601)
    async with serving(reactor, device) as server:
        device.add_fault(Fault("refused"))
        await becomes(reactor, lambda: not server.listens)
        with pytest.raises(Refused):
            await ask(reactor, server)
        device.clear_faults()
        await becomes(reactor, lambda: server.listens)
        assert (await fetch(reactor, server)).status == 200


@on_the_reactor
async def test_a_full_backlog_neither_accepts_nor_refuses(reactor: Any) -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault("never-accepted"))
    async with serving(reactor, device) as server:
        with socket.socket() as caller:
            caller.setblocking(False)
            caller.connect_ex((server.interface, server.port))
            with pytest.raises(ConnectError):
                await ask(reactor, server, patience=0.2)
            # Neither connected nor failed.
            with pytest.raises(OSError, match="not connected"):
                caller.getpeername()
            assert caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        device.clear_faults()
        await becomes(reactor, lambda: server.listens)
        assert (await fetch(reactor, server)).status == 200


@on_the_reactor
async def test_a_reboot_drops_all_connections_and_the_device_comes_back(reactor: Any) -> None:
    device = device_with_logs("a")
    device.add_fault(Fault("no-headers"), path="settings")
    device.add_fault(Fault("reboot", at=1000, seconds=0.05))
    async with serving(reactor, device) as server:
        waiting = await ask(reactor, server, "/settings.json")
        await becomes(reactor, lambda: len(device.requests) == 1)
        arrived = await fetch(reactor, server, LOG)
        assert (len(arrived.body), arrived.end) == (1000, "reset")
        assert (await waiting.over).end == "reset"
        assert not server.present
        await becomes(reactor, lambda: server.listens)
        assert (await fetch(reactor, server, LOG)).body == small_track()


@on_the_reactor
async def test_a_device_that_left_for_good_does_not_come_back_from_a_reboot(reactor: Any) -> None:
    device = device_with_logs("a")
    device.add_fault(Fault("reboot", at=1000, seconds=1000.0))
    async with serving(reactor, device) as server:
        await fetch(reactor, server, LOG)
    assert not reactor.getDelayedCalls()


@pytest.mark.parametrize(("latency", "rate"), [(1000.0, 0.0), (0.0, 100.0)])
@on_the_reactor
async def test_a_device_may_leave_in_the_middle_of_an_answer(reactor: Any, latency: float, rate: float) -> None:
    device = device_with_logs("a")
    device.latency, device.bytes_per_second = latency, rate
    async with serving(reactor, device) as server:
        client = await ask(reactor, server, LOG)
        await becomes(reactor, lambda: len(device.requests) == 1)
    assert (await client.over).end == "reset"
    assert not reactor.getDelayedCalls()
