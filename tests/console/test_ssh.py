"""Keys, logins and channels by SSH, in memory; a real ssh is in test_console."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.error import ValidPublicKey
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.python.failure import Failure

from sse_twisted.console.accounts import AccountsError, LoginBackoff
from sse_twisted.runtime.disk import Disk
from tests.console.terminal import VirtualConsole
from tests.support.event import VirtualEvent
from tests.support.virtual import at_once

# Conch's checkers import what Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'(spwd|crypt)' is deprecated:DeprecationWarning")


def new_key() -> Any:
    from twisted.conch.ssh.keys import Key

    return Key(Ed25519PrivateKey.generate())


class Gate:
    """A checker of the keys in a file, and the lines of its log."""

    def __init__(self, file: Path) -> None:
        from sse_twisted.console.ssh import AuthorizedKeys, KeyChecker

        self.clock = Clock()
        self.lines: list[str] = []
        log = Logger(observer=self._note)  # type: ignore[arg-type]  # a function is an observer
        self.disk = Disk(at_once, self.clock, log, lambda: None)
        self.checker = KeyChecker(AuthorizedKeys(file, self.disk, log), LoginBackoff(self.clock, log))

    def offers(self, key: Any, *, signed: bool = True) -> Any:
        """What the checker says after the delay: the user, or why it refuses."""
        data = b"the session"
        signature = key.sign(data) if signed else None
        credentials = SSHPrivateKey(b"sse", b"ssh-ed25519", key.public().blob(), data, signature)
        answer: list[Any] = []
        self.checker.requestAvatarId(credentials).addBoth(answer.append)
        self.clock.advance(1)
        return answer[0].type if isinstance(answer[0], Failure) else answer[0]

    def _note(self, event: LogEvent) -> None:
        self.lines.append(formatEvent(event))


def authorized(folder: Path, key: Any, mode: int = 0o600) -> Path:
    file = folder / "authorized_keys"
    file.write_bytes(key.public().toString("openssh") + b"\n")
    file.chmod(mode)
    return file


def test_the_host_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    from sse_twisted.console.ssh import host_key

    path = tmp_path / "state" / "ssh_host_ed25519_key"
    key = host_key(path)
    assert key.sshType() == b"ssh-ed25519"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert host_key(path) == key


@pytest.mark.parametrize(("mode", "why"), [(0o644, "mode 0644"), (0o600, "not an SSH key")])
def test_a_host_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path, mode: int, why: str) -> None:
    from sse_twisted.console.ssh import host_key

    path = tmp_path / "key"
    path.write_text("something else")
    path.chmod(mode)
    with pytest.raises(AccountsError, match=why):
        host_key(path)


def test_a_signature_by_one_of_the_keys_is_accepted(tmp_path: Path) -> None:
    key = new_key()
    gate = Gate(authorized(tmp_path, key))
    assert gate.offers(key) == b"sse"
    assert not gate.lines


def test_the_keys_that_were_read_last_count_while_the_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, later = new_key(), new_key()
    gate = Gate(authorized(tmp_path, key))
    assert gate.offers(key) == b"sse"
    monkeypatch.setattr(Disk, "hangs", True)
    authorized(tmp_path, later)
    assert gate.offers(later) is UnauthorizedLogin
    assert gate.offers(key) == b"sse"


def test_a_client_may_ask_for_a_key_before_it_signs(tmp_path: Path) -> None:
    key = new_key()
    gate = Gate(authorized(tmp_path, key))
    assert gate.offers(key, signed=False) is ValidPublicKey
    assert not gate.lines


def test_another_key_is_refused_after_a_delay(tmp_path: Path) -> None:
    gate = Gate(authorized(tmp_path, new_key()))
    assert gate.offers(new_key()) is UnauthorizedLogin
    assert gate.lines == ["Console: wrong key for 'sse'; reply delayed by 1 s"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_keys_that_others_can_write_are_not_used(tmp_path: Path, mode: int) -> None:
    key = new_key()
    gate = Gate(authorized(tmp_path, key, mode))
    assert gate.offers(key) is UnauthorizedLogin
    assert f"mode {mode:04o}" in gate.lines[0]


def test_keys_can_be_added_while_the_console_runs(tmp_path: Path) -> None:
    key = new_key()
    gate = Gate(tmp_path / "authorized_keys")
    assert gate.offers(key) is UnauthorizedLogin
    assert "No such file" in gate.lines[0]
    authorized(tmp_path, key)
    assert gate.offers(key) == b"sse"


class Channel:
    """One channel of an SSH connection, and what it is sent."""

    def __init__(self, user: Any) -> None:
        from twisted.conch.ssh.session import SSHSession

        self.sent = b""
        self.requests: list[tuple[bytes, bytes]] = []
        self.is_closed = False
        make: Any = SSHSession
        self.session = make(avatar=user, conn=self)
        user.conn = self
        self.session.write = self._write
        self.session.writeExtended = self._write_error
        self.errors = b""
        self.session.loseConnection = self._close

    def shell(self) -> None:
        """Ask for a terminal and a shell."""
        size = b"\x00\x00\x00\x64\x00\x00\x00\x28" + bytes(8)
        assert self.session.request_pty_req(b"\x00\x00\x00\x05xterm" + size + bytes(4))
        assert self.session.request_shell(b"")

    def runs(self, command: str, *, terminal: bool = False) -> int | None:
        """Ask for a command; the exit status, None before its end."""
        if terminal:
            assert self.session.request_pty_req(b"\x00\x00\x00\x05xterm" + bytes(20))
        data = command.encode()
        assert self.session.request_exec(len(data).to_bytes(4, "big") + data)
        return self.status

    @property
    def status(self) -> int | None:
        """The exit status that the client was told."""
        return next((int.from_bytes(data, "big") for kind, data in self.requests if kind == b"exit-status"), None)

    def types(self, line: str) -> str:
        """What is sent after a line."""
        self.sent = b""
        self.session.dataReceived(line.encode() + b"\r")
        return self.sent.decode()

    def sendRequest(self, channel: object, kind: bytes, data: bytes) -> None:  # noqa: N802 - of SSHConnection
        """Note a request to the client."""
        self.requests.append((kind, data))

    def sendClose(self, channel: object) -> None:  # noqa: N802 - of SSHConnection
        """Close a channel."""

    def _write(self, data: bytes) -> None:
        self.sent += data

    def _write_error(self, kind: int, data: bytes) -> None:
        self.errors += data

    def _close(self) -> None:
        self.is_closed = True


@pytest.fixture
def user(console: VirtualConsole) -> Any:
    from sse_twisted.console.ssh import ConsoleUser

    return ConsoleUser(b"sse", console.session)


def test_channels_of_one_connection_have_sessions_of_their_own(user: Any) -> None:
    one, other = Channel(user), Channel(user)
    for number, channel in enumerate((one, other)):
        channel.shell()
        channel.types(f"mine = {number}")
    one.session.closed()
    assert "\r\n1" in other.types("mine")


def test_leaving_a_session_ends_the_client_with_status_0(user: Any) -> None:
    channel = Channel(user)
    channel.shell()
    channel.session.dataReceived(b"\x04")
    assert channel.requests == [(b"exit-status", bytes(4))]
    assert channel.is_closed


def test_a_client_without_a_terminal_and_one_that_resizes_it_do_no_harm(
    user: Any, logged_failures: list[LogEvent]
) -> None:
    channel = Channel(user)
    size = b"\x00\x00\x00\x64\x00\x00\x00\x28" + bytes(8)
    assert channel.session.request_window_change(size)
    assert channel.session.request_shell(b"")
    assert channel.session.request_window_change(size)
    assert "42" in channel.types("6*7")
    channel.session.eofReceived()
    assert channel.is_closed
    assert not logged_failures


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("fleet", "2 devices: 1 absent, 1 collected\n"),
        ("why(602)", "not seen yet, looked for every 1 s\n"),
        ("why 602", "not seen yet, looked for every 1 s\n"),
        ("explain(602)", "not seen yet, looked for every 1 s\n"),
        ("missing", "motion-602  Sailor 602  not seen yet, looked for every 1 s\n"),
        ("device 601", "motion-601: Sailor 601, collected"),
        ("help", "Reading:\n  fleet "),
        ("print('Zoë')", "Zoë\n"),
        ("answer + 1", "43\n"),
        ("rescan", "looking for all absent devices\n"),
    ],
)
def test_a_command_is_run_and_ends_with_status_0(user: Any, event: VirtualEvent, command: str, shown: str) -> None:
    channel = Channel(user)
    channel.runs(command)
    event.advance(0.1)
    assert channel.status == 0
    assert shown in channel.sent.decode()
    assert b"\x1b" not in channel.sent
    assert b"\r" not in channel.sent
    assert b">>>" not in channel.sent
    assert not channel.errors
    assert channel.is_closed


@pytest.mark.parametrize(
    ("command", "error", "status"),
    [
        ("flet", "error: unknown command flet; did you mean fleet?\n", 127),
        ("flet 601", "error: unknown command flet; did you mean fleet?\n", 127),
        ("ls", "error: unknown command ls; help lists all commands\n", 127),
        ("why 999", "error: motion-999 is not on the roster and was never seen\n", 1),
        ("why", "error: usage: why(device) (missing a required argument: 'device')\n", 1),
        ("device 999", "error: motion-999 is not on the roster and was never seen\n", 1),
        ("retry 602", "error: motion-602 is not connected (absent)\n", 1),
        ("fleet)", "error: unmatched ')'; help lists the commands\n", 1),
        ("print((", "error: the line is incomplete\n", 1),
        ("1/0", "ZeroDivisionError: division by zero\n", 1),
        ("", "", 0),
        ("exit()", "", 0),
        ("raise SystemExit(3)", "", 3),
        ("raise SystemExit('not today')", "not today\n", 1),
    ],
)
def test_an_error_of_a_command_is_one_line_on_stderr(user: Any, command: str, error: str, status: int) -> None:
    channel = Channel(user)
    assert channel.runs(command) == status
    assert channel.errors.decode() == error
    assert not channel.sent
    assert channel.is_closed


def test_a_command_waits_for_its_result_although_the_client_sends_no_input(user: Any, event: VirtualEvent) -> None:
    channel = Channel(user)
    assert channel.runs("retry 601") is None
    channel.session.eofReceived()
    assert not channel.is_closed
    event.advance(2)
    assert channel.status == 0
    assert channel.sent == b"motion-601 can be disconnected\n"


def test_a_command_whose_result_fails_has_status_1(user: Any, event: VirtualEvent) -> None:
    channel, other = Channel(user), Channel(user)
    assert channel.runs("retry 601") is None
    other.runs("forget 601")
    event.advance(1)
    assert channel.status == 1
    assert channel.errors == b"error: motion-601 is no longer connected\n"


def test_a_client_that_leaves_before_the_result_does_no_harm(
    user: Any, event: VirtualEvent, logged_failures: list[LogEvent]
) -> None:
    channel = Channel(user)
    assert channel.runs("retry 601") is None
    channel.session.closed()
    event.advance(3)
    assert channel.status is None
    assert not logged_failures


def test_a_client_with_a_terminal_gets_its_line_ends(user: Any) -> None:
    channel = Channel(user)
    assert channel.runs("why 602", terminal=True) == 0
    assert channel.sent.endswith(b"every 1 s\r\n")


def test_nothing_but_sessions_is_offered(user: Any) -> None:
    from twisted.conch.error import ConchError

    with pytest.raises(ConchError):
        user.lookupChannel(b"direct-tcpip", 0, 0, b"")
    assert user.lookupSubsystem(b"sftp", b"") is None


@pytest.mark.parametrize(("is_logged_in", "exchanges"), [(False, 3), (True, 10)])
def test_a_client_does_not_exchange_keys_for_ever_before_its_login(
    monkeypatch: pytest.MonkeyPatch, is_logged_in: bool, exchanges: int
) -> None:
    from twisted.conch.ssh.transport import SSHServerTransport

    from sse_twisted.console.ssh import _Transport

    begun: list[bytes] = []
    monkeypatch.setattr(SSHServerTransport, "ssh_KEXINIT", lambda _, packet: begun.append(packet))
    transport = _Transport()
    transport.transport = Mock(is_logged_in=is_logged_in)
    for _ in range(10):
        transport.ssh_KEXINIT(b"")
    assert len(begun) == exchanges
    assert transport.transport.abortConnection.called is not is_logged_in
