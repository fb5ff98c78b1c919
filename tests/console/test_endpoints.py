from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from sse_twisted.console.endpoints import DEFAULT, EndpointError, check_endpoint, check_free, check_local


@pytest.mark.parametrize(
    "endpoint",
    [
        DEFAULT,
        "tcp:0:interface=127.0.0.1",
        "tcp:port=6023:interface=127.9.9.9",
        "tcp:6023:interface=localhost",
        "tcp:6023:127.0.0.1",
        r"tcp6:6023:interface=\:\:1",
    ],
)
def test_telnet_may_listen_on_loopback(endpoint: str) -> None:
    assert check_local(endpoint) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    ["8080", ":8080", "*:8080", "127.0.0.1:8080", "0.0.0.0:8080", "localhost:8080", "[::1]:8080", "[::]:8080"],
)
def test_a_port_without_its_kind_is_answered_with_what_to_write(endpoint: str) -> None:
    here = r"write tcp:8080:interface=127\.0\.0\.1"
    with pytest.raises(EndpointError, match=f"^invalid endpoint '{re.escape(endpoint)}': {here}$"):
        check_local(endpoint)
    with pytest.raises(EndpointError, match=f"{here} for this computer only, or tcp:8080 for other computers too"):
        check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:6023",
        "tcp:6023:interface=0.0.0.0",
        "tcp:6023:interface=192.168.0.2",
        "tcp:6023:interface=",
        "tcp:6023:interface=example.org",
        r"tcp6:6023:interface=\:\:",
        "tcp6:6023",
        "ssl:6023:interface=127.0.0.1:privateKey=/dev/null",
    ],
)
def test_telnet_beyond_loopback_is_refused_with_a_reason(endpoint: str) -> None:
    with pytest.raises(EndpointError, match=r"can be reached from other machines|invalid endpoint"):
        check_local(endpoint)


def test_the_refusal_names_what_can_be_done() -> None:
    with pytest.raises(EndpointError, match=r"telnet encrypts neither .* --manhole-ssh for the network"):
        check_local("tcp:6023")


@pytest.mark.parametrize("endpoint", ["", "6023", "nonsense", "tcp", "tcp:port", "tcp:6023:interface=127.0.0.1:x=y"])
def test_an_invalid_endpoint_is_refused_in_one_line(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="invalid endpoint") as error:
        check_endpoint(endpoint)
    assert "\n" not in str(error.value)


def test_a_socket_is_for_its_owner_unless_a_mode_is_given() -> None:
    assert check_local("unix:/run/sse/console") == "unix:/run/sse/console:mode=600"
    assert check_local("unix:/run/sse/console:mode=660") == "unix:/run/sse/console:mode=660"


def test_a_port_in_use_is_detected() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match="Address already in use"):
            check_free(f"tcp:{port}:interface=127.0.0.1")
    check_free(f"tcp:{port}:interface=127.0.0.1")


def test_a_socket_in_use_is_detected_and_a_stale_one_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "console"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        with pytest.raises(EndpointError, match="is in use"):
            check_free(f"unix:{path}")
    check_free(f"unix:{path}")
    path.unlink()
    path.write_text("something else")
    with pytest.raises(EndpointError, match="is not a socket"):
        check_free(f"unix:{path}")
    with pytest.raises(EndpointError, match="cannot make a socket in this folder"):
        check_free(f"unix:{tmp_path / 'nowhere' / 'console'}")
