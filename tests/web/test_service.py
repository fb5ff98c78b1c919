"""The endpoint of the web server: in virtual time, on real sockets, and in a real process."""

from __future__ import annotations

import datetime
import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import treq
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.web.client import Agent

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.web.service import WebService, with_backlog
from tests.simulator.wire import on_the_reactor
from tests.support.daemon import END_WITHIN, Elsewhere, LiveEvent
from tests.support.event import VirtualEvent, log_of
from tests.support.real_event import RealEvent, folder_in_memory
from tests.web.desk import Desk

HELLO = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"


class TestTakenPort:
    def test_a_taken_default_port_does_not_stop_the_collector(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601))
        event.reactor.listenTCP(8080, Factory(), interface="127.0.0.1")
        collector = event.start()
        web = WebService(event.reactor, collector, None, None)
        web.startService()
        assert event.said("ERROR Board disabled: cannot listen on tcp:8080:interface=127.0.0.1")
        event.arrive(601)
        event.until("motion-601 can be disconnected")
        web.stopService()

    def test_a_taken_explicit_port_is_an_error(self, event: VirtualEvent) -> None:
        event.reactor.listenTCP(8090, Factory(), interface="127.0.0.1")
        web = WebService(event.reactor, event.start(), "tcp:8090:interface=127.0.0.1", None)
        with pytest.raises(CannotListenError):
            web.privilegedStartService()
        web.board.close()


def test_without_a_writable_token_the_board_is_read_only(event: VirtualEvent) -> None:
    (event.folder.state / "web-token").mkdir(parents=True)
    web = WebService(event.reactor, event.start(), None, None)
    web.startService()
    assert event.said("ERROR Board is read-only: cannot write the token (")
    assert web.port is not None
    web.stopService()


def test_requests_are_logged_at_level_debug_only(desk: Desk) -> None:
    desk.get("/healthz?a=%0Ab")
    (line,) = desk.event.said("/healthz")
    assert line == "DEBUG 127.0.0.1 asked for GET /healthz?a=%0Ab: 200"


def test_stopping_leaves_no_listener_and_no_timer(event: VirtualEvent) -> None:
    desk = Desk(event)
    desk.listen()
    desk.close()
    assert ("127.0.0.1", 8080) not in event.reactor.listeners
    event.stop()
    assert not event.reactor.getDelayedCalls()


class _Whole(Protocol):
    """All that comes, when it has ended."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(HELLO)

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: object = None) -> None:
        self.ended = True


async def says_hello(event: RealEvent, endpoint: Any) -> None:
    whole = await endpoint.connect(Factory.forProtocol(_Whole))
    await event.becomes(lambda: whole.ended, "answered")
    assert whole.data.endswith(b"alive\n")


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # which Twisted does
@on_the_reactor
async def test_unix_sockets_and_tls_are_served(reactor: Any) -> None:
    with folder_in_memory() as root:
        event = RealEvent(reactor, root)
        collector = await event.start()
        pair = write_certificate(root)
        by_path = WebService(reactor, collector, f"unix:{root / 'web.sock'}", None)
        by_path.startService()
        await says_hello(event, UNIXClientEndpoint(reactor, str(root / "web.sock")))
        await maybeDeferred(by_path.stopService)
        by_tls = WebService(reactor, collector, f"ssl:0:privateKey={pair}:certKey={pair}:interface=127.0.0.1", None)
        by_tls.startService()
        assert by_tls.port is not None
        place: Any = by_tls.port.getHost()
        assert event.said(f"The board is at https://127.0.0.1:{place.port}/")
        trust = trustRootFromCertificates([Certificate.loadPEM(pair.read_bytes())])
        endpoint: Any = wrapClientTLS(optionsForClientTLS("localhost", trust), tcp(reactor, place.port))
        await says_hello(event, endpoint)
        proposing = optionsForClientTLS("localhost", trust, acceptableProtocols=[b"h2", b"http/1.1"])  # as browsers do
        await says_hello(event, wrapClientTLS(proposing, tcp(reactor, place.port)))
        await maybeDeferred(by_tls.stopService)
        await event.close()


@on_the_reactor
async def test_many_clients_at_once_wait_in_a_queue_until_they_are_accepted(reactor: Any) -> None:
    with folder_in_memory() as root, ExitStack() as connections:
        event = RealEvent(reactor, root)
        collector = await event.start()
        web = WebService(reactor, collector, "tcp:0:interface=127.0.0.1", None)
        web.startService()
        assert web.port is not None
        place: Any = web.port.getHost()
        for _ in range(200):  # the reactor accepts none meanwhile
            connections.enter_context(socket.create_connection((place.host, place.port), timeout=5))
        await maybeDeferred(web.stopService)
        await event.close()


@pytest.mark.parametrize("endpoint", ["unix:/run/web.sock", "tcp:80:backlog=5", "systemd:domain=INET:index=0"])
def test_the_queue_of_another_endpoint_is_its_own(endpoint: str) -> None:
    assert with_backlog(endpoint) == endpoint


def tcp(reactor: Any, port: int) -> Any:
    from twisted.internet.endpoints import TCP4ClientEndpoint

    return TCP4ClientEndpoint(reactor, "127.0.0.1", port)


def write_certificate(folder: Path) -> Path:
    """A key, and its certificate for this machine, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "both.pem"
    file.write_bytes(private + certificate.public_bytes(pem))
    return file


@on_the_reactor
async def test_a_daemon_serves_its_board_and_stops_with_an_open_stream(reactor: Any, tmp_path: Path) -> None:
    event = LiveEvent(reactor, tmp_path)
    await event.device(601, 20_000)
    elsewhere = Elsewhere(reactor, tmp_path)
    web = ("--web", "tcp:0:interface=127.0.0.1")
    program = elsewhere.collector(*web, "--config", str(event.configure()))
    line = await program.says("The board is at ")
    address = re.findall(r"http://\S+?/", line)[0]
    await program.says("motion-601 can be disconnected")
    client = treq.client.HTTPClient(Agent(reactor))
    page = await (await client.get(address)).text()
    assert 'id="device-601"' in page
    stream = await client.get(f"{address}api/v1/events", unbuffered=True)
    assert stream.code == 200
    whole = _Whole()
    whole.connectionMade = lambda: None  # type: ignore[method-assign] # the question was asked
    stream.original.deliverBody(whole)
    program.kill(signal.SIGTERM)
    assert await program.ends(END_WITHIN) == 0
    assert whole.ended
    assert "Traceback" not in program.output
    await elsewhere.close()
    await event.close()


def test_the_place_of_the_token_is_not_asked_of_the_disk_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventFolder, "secrets", property(lambda _: pytest.fail("the disk may hang")))
    assert desk.get("/").status == 200
    assert desk.get("/support").status == 200
