from __future__ import annotations

import socket
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactor

from sse_twisted.runtime.systemd import ReadinessService


@pytest.mark.parametrize("is_abstract", [False, True])
def test_start_and_end_are_notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_abstract: bool) -> None:
    address = f"@{tmp_path}" if is_abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address.replace("@", "\0"))
        supervisor.setblocking(False)
        reactor = MemoryReactor()
        service = ReadinessService(reactor)
        service.startService()
        with pytest.raises(BlockingIOError):
            supervisor.recv(100)
        reactor.run()
        assert supervisor.recv(100) == b"READY=1"
        service.stopService()
        assert supervisor.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_a_supervisor_that_does_not_listen_is_ignored(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    service = ReadinessService(MemoryReactor())
    service.startService()
    assert service.running
    service.stopService()
    assert not service.running
